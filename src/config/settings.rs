//! The settings of one installation: the defaults file, overlaid by the installation's own.

use super::DEFAULTS;
use super::gateway::{GatewaySettings, SecretPlace};
use super::list::read_list;
use super::reader::{Problems, Reader, parse};
use super::retention::{Retention, suppression_key};
use crate::domain::list::{List, Listening};
use crate::domain::phone::{Phone, PhoneRules};
use crate::domain::problem::{Place, Problem};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::de::DeValue;

/// Settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the database.
    pub database: String,
    /// Which numbers may be contacts.
    pub phone_rules: PhoneRules,
    /// How texts leave and what they cost.
    pub gateway: GatewaySettings,
    /// Where callbacks of the gateway are listened for; none: nowhere (the gateway is polled, or says nothing).
    pub hooks: Option<SocketAddr>,
    /// The control socket; none: beside the database.
    pub socket: Option<PathBuf>,
    /// The zone of nightly work, and of hours on printed pages.
    pub zone: TimeZone,
    /// How long what is personal is kept.
    pub retention: Retention,
    /// Where the key of number hashes is kept; none: in the database.
    pub suppression_key: Option<SecretPlace>,
    /// Files that are laid in here are imported; none: nowhere.
    pub drop: Option<DropFolder>,
    /// The only numbers that `send-test` may text.
    pub testers: Vec<Phone>,
    /// What one can opt in to.
    pub lists: Vec<List>,
    /// The words we listen for.
    pub listening: Listening,
    /// The same by language.
    pub words: Words,
}

/// Words beside the English ones, by language tag.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// For STOP.
    pub stop: BTreeMap<String, Vec<String>>,
    /// For HELP.
    pub help: BTreeMap<String, Vec<String>>,
    /// Names of the language.
    pub language: BTreeMap<String, Vec<String>>,
    /// Tags whose words a native speaker has looked at.
    pub checked: Vec<String>,
}

impl Words {
    /// All that mean something already.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        [&self.stop, &self.help, &self.language].into_iter().flat_map(|by_tag| by_tag.values().flatten())
    }
}

/// A folder for admins without a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropFolder {
    /// Where.
    pub folder: PathBuf,
    /// The list its files are for; none: the only one there is.
    pub list: Option<String>,
    /// Who answers for it, for the ledger.
    pub by: String,
    /// Files are looked at and reported on, and change nothing.
    pub dry_run: bool,
}

impl Settings {
    /// Reads the defaults, then `source` over them. All problems are of `source`.
    pub fn read(source: &str) -> (Self, Vec<Problem>) {
        let mut settings = Self {
            database: String::new(),
            phone_rules: PhoneRules::default(),
            gateway: GatewaySettings::default(),
            hooks: None,
            socket: None,
            zone: TimeZone::UTC,
            retention: Retention::default(),
            suppression_key: None,
            drop: None,
            testers: Vec::new(),
            lists: Vec::new(),
            listening: Listening::default(),
            words: Words::default(),
        };
        overlay(&mut settings, DEFAULTS);
        let problems = overlay(&mut settings, source);
        settings.listening.lists = settings.lists.iter().map(|l| l.name.clone()).collect();
        settings.listening.join =
            settings.lists.iter().flat_map(|l| l.join.iter().map(|w| (w.clone(), l.name.clone()))).collect();
        let offered = |tag: &String| settings.lists.iter().any(|l| l.replies.iter().any(|(_, of, _)| of == tag));
        let words = &settings.words;
        settings.listening.extra_stop = words.stop.values().flatten().cloned().collect();
        settings.listening.extra_help = words.help.values().flatten().cloned().collect();
        let languages = words.language.iter().filter(|(tag, _)| offered(tag));
        settings.listening.languages =
            languages.flat_map(|(tag, names)| names.iter().map(|name| (name.clone(), tag.clone()))).collect();
        (settings, problems)
    }

    /// The list of this name.
    pub fn list(&self, name: &str) -> Option<&List> {
        self.lists.iter().find(|l| l.name == name)
    }
}

fn overlay(settings: &mut Settings, source: &str) -> Vec<Problem> {
    let problems = Problems::default();
    let table = parse(source, &problems);
    let reader = Reader::new(table.get_ref(), Place { start: 0, end: 0 }, &problems);
    reader.number("schema", 1..=1);
    if let Some(database) = reader.table("database") {
        if let Some((url, at)) = database.text("url") {
            let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|s| url.starts_with(s));
            if !known {
                let hint = "write sqlite:/path/to/ringround.db or postgres://user@host/database";
                database.problem("config.database", at, "this is not the address of a database", hint);
            }
            settings.database = url;
        }
        database.finish();
    }
    if let Some(numbers) = reader.table("numbers") {
        read_numbers(&numbers, &mut settings.phone_rules);
    }
    if let Some(gateway) = reader.table("gateway") {
        settings.gateway.overlay(&gateway);
    }
    if let Some(hooks) = reader.table("hooks") {
        read_hooks(&hooks, settings);
    }
    if let Some(service) = reader.table("service") {
        read_service(&service, settings);
    }
    if let Some(retention) = reader.table("retention") {
        settings.retention.overlay(&retention);
    }
    if let Some(suppression) = reader.table("suppression") {
        settings.suppression_key = suppression_key(&suppression);
    }
    if let Some(drop) = reader.table("drop") {
        settings.drop = read_drop(&drop);
    }
    if let Some(testers) = reader.table("testers") {
        read_testers(&testers, settings);
    }
    if let Some(words) = reader.table("words") {
        read_words(&words, &mut settings.words);
    }
    if let Some(lists) = reader.table("lists") {
        for (name, _, value, at) in lists.entries() {
            match value {
                DeValue::Table(table) => {
                    let list = read_list(&Reader::new(table, at, &problems), name, &settings.lists, &settings.words);
                    settings.lists.push(list);
                }
                _ => lists.problem(
                    "config.wrong_kind",
                    at,
                    format!("{name} should be a table"),
                    format!("write [lists.{name}]"),
                ),
            }
        }
    }
    reader.finish();
    std::mem::take(&mut *problems.borrow_mut())
}

fn read_numbers(table: &Reader<'_>, rules: &mut PhoneRules) {
    if let Some(allow) = table.flag("allow_test") {
        rules.allow_test = allow;
    }
    if let Some(allow) = table.flag("allow_landline") {
        rules.allow_landline = allow;
    }
    if let Some(countries) = table.texts("countries") {
        for (country, at) in &countries {
            if country.len() != 2 || !country.chars().all(|c| c.is_ascii_uppercase()) {
                table.problem("config.country", *at, "this is not a country", "use two capitals, like GB");
            }
        }
        rules.countries = countries.into_iter().map(|(country, _)| country).collect();
    }
    table.finish();
}

fn read_hooks(table: &Reader<'_>, settings: &mut Settings) {
    if let Some((listen, at)) = table.text("listen").filter(|(listen, _)| !listen.is_empty()) {
        match listen.parse() {
            Ok(address) => settings.hooks = Some(address),
            Err(_) => {
                table
                    .problem("config.hooks", at, "this is not an address to listen at", "write it like 127.0.0.1:8089");
            }
        }
    }
    table.finish();
}

fn read_service(table: &Reader<'_>, settings: &mut Settings) {
    if let Some((path, _)) = table.text("socket").filter(|(path, _)| !path.is_empty()) {
        settings.socket = Some(PathBuf::from(path));
    }
    if let Some((name, at)) = table.text("timezone") {
        match TimeZone::get(&name) {
            Ok(zone) => settings.zone = zone,
            Err(_) => table.problem("config.timezone", at, "this is not a time zone", "write it like Europe/London"),
        }
    }
    table.finish();
}

/// Where the wording of a list stands in the settings.
pub fn wording_place(source: &str, list: &str) -> Option<Place> {
    let problems = Problems::default();
    let table = parse(source, &problems);
    let lists = Reader::new(table.get_ref(), Place { start: 0, end: 0 }, &problems).table("lists")?;
    let (.., value, at) = lists.entries().find(|(name, ..)| name == list)?;
    let DeValue::Table(of) = value else { return Some(at) };
    let wording = Reader::new(of, at, &problems).text("wording").map(|(_, at)| at);
    Some(wording.unwrap_or(at))
}

fn read_drop(table: &Reader<'_>) -> Option<DropFolder> {
    let said = |key| table.text(key).map(|(text, _)| text).filter(|text| !text.is_empty());
    let folder = said("folder").map(PathBuf::from);
    let (list, by) = (said("list"), said("by").unwrap_or_else(|| "drop folder".to_owned()));
    let dry_run = table.flag("dry_run").unwrap_or(true);
    table.finish();
    folder.map(|folder| DropFolder { folder, list, by, dry_run })
}

/// Read after `[numbers]`, whatever their order in the file: its rules say which numbers may be testers.
fn read_testers(table: &Reader<'_>, settings: &mut Settings) {
    for (number, at) in table.texts("numbers").unwrap_or_default() {
        match Phone::parse(&number, &settings.phone_rules) {
            Ok(phone) => settings.testers.push(phone),
            Err(problem) => table.problem("config.tester", at, problem.to_string(), problem.advice()),
        }
    }
    table.finish();
}

/// What is said of a language replaces what the defaults say of it.
fn read_words(table: &Reader<'_>, words: &mut Words) {
    for (key, all) in [("stop", &mut words.stop), ("help", &mut words.help), ("language", &mut words.language)] {
        let Some(by_tag) = table.table(key) else { continue };
        for (tag, said) in by_tag.named_texts() {
            all.insert(tag, said.into_iter().map(|(word, _)| word).collect());
        }
    }
    if let Some(checked) = table.texts("checked") {
        words.checked = checked.into_iter().map(|(tag, _)| tag).collect();
    }
    table.finish();
}
