//! The settings of one installation: the defaults file, overlaid by the installation's own.

use super::DEFAULTS;
use super::gateway::GatewaySettings;
use super::reader::{Problems, Reader, parse};
use crate::domain::keyword::{JoinWordWarning, check_join_word};
use crate::domain::list::{List, Listening, Reply};
use crate::domain::phone::{Phone, PhoneRules};
use crate::domain::problem::{Place, Problem};
use crate::domain::text;
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
    /// Files that are laid in here are imported; none: nowhere.
    pub drop: Option<DropFolder>,
    /// The only numbers that `send-test` may text.
    pub testers: Vec<Phone>,
    /// What one can opt in to.
    pub lists: Vec<List>,
    /// The words we listen for.
    pub listening: Listening,
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
            drop: None,
            testers: Vec::new(),
            lists: Vec::new(),
            listening: Listening::default(),
        };
        overlay(&mut settings, DEFAULTS);
        let problems = overlay(&mut settings, source);
        settings.listening.lists = settings.lists.iter().map(|l| l.name.clone()).collect();
        settings.listening.join =
            settings.lists.iter().flat_map(|l| l.join.iter().map(|w| (w.clone(), l.name.clone()))).collect();
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
        if let Some((path, _)) = service.text("socket").filter(|(path, _)| !path.is_empty()) {
            settings.socket = Some(PathBuf::from(path));
        }
        service.finish();
    }
    if let Some(drop) = reader.table("drop") {
        settings.drop = read_drop(&drop);
    }
    if let Some(testers) = reader.table("testers") {
        read_testers(&testers, settings);
    }
    if let Some(words) = reader.table("words") {
        let read = |key| words.texts(key).map(|w| w.into_iter().map(|(word, _)| word).collect());
        settings.listening.extra_stop = read("stop").unwrap_or_default();
        settings.listening.extra_help = read("help").unwrap_or_default();
        words.finish();
    }
    if let Some(lists) = reader.table("lists") {
        for (name, _, value, at) in lists.entries() {
            match value {
                DeValue::Table(table) => {
                    let list = read_list(&Reader::new(table, at, &problems), name, &settings.lists);
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

fn read_list(table: &Reader<'_>, name: String, others: &[List]) -> List {
    let mut join = Vec::new();
    for (word, at) in table.texts("join").unwrap_or_default() {
        let taken = others.iter().any(|l| l.join.iter().any(|w| w.eq_ignore_ascii_case(&word)));
        match check_join_word(&word) {
            Err(problem) => table.problem(
                "config.join_word",
                at,
                problem.to_string(),
                "choose another word, for example the name of the place",
            ),
            Ok(_) if taken => {
                table.problem("config.join_word", at, "another list has this join word", "give each list its own");
            }
            Ok(Some(JoinWordWarning::EverydayWord)) => {
                let warning = Problem::warning(
                    "config.join_word",
                    at,
                    format!("{word} is an everyday word"),
                    "it joins only as the whole message; a second, rarer word beside it helps parents",
                );
                table.problems.borrow_mut().push(warning);
            }
            Ok(None) => {}
        }
        join.push(word);
    }
    if join.is_empty() {
        table.missing("join", "[\"DUDLEY\"]");
    }
    let wording_version = table.need_text("wording_version").map(|(v, _)| v).unwrap_or_default();
    let wording = table.need_text("wording").map(|(w, _)| w).unwrap_or_default();
    let fallback = table.text("fallback").map_or_else(|| "en".to_owned(), |(tag, _)| tag);
    let replies = table.table("replies").map(|r| read_replies(&r)).unwrap_or_default();
    for reply in Reply::ALL {
        if !replies.iter().any(|(r, tag, _)| *r == reply && *tag == fallback) {
            let key = format!("replies.{fallback}.{}", reply.as_str());
            table.missing(&key, "a text of one part that names who is writing");
        }
    }
    table.finish();
    List { name, join, wording_version, wording, replies, fallback }
}

fn read_replies(table: &Reader<'_>) -> Vec<(Reply, String, String)> {
    let mut replies = Vec::new();
    for (tag, _, value, at) in table.entries() {
        let DeValue::Table(inner) = value else {
            table.problem(
                "config.wrong_kind",
                at,
                format!("{tag} should be a table"),
                format!("write [lists.NAME.replies.{tag}]"),
            );
            continue;
        };
        let inner = Reader::new(inner, at, &table.problems);
        for reply in Reply::ALL {
            let Some((said, at)) = inner.text(reply.as_str()) else { continue };
            let size = text::measure(&text::clean(&said, false));
            if size.parts != 1 {
                let message = format!("this answer takes {} parts", size.parts);
                let warning = Problem::warning(
                    "config.long_reply",
                    at,
                    message,
                    "one part is 160 plain characters, or 70 with any other",
                );
                table.problems.borrow_mut().push(warning);
            }
            if matches!(reply, Reply::Welcome | Reply::Help) && !said.to_uppercase().contains("STOP") {
                inner.problem(
                    "config.no_way_out", at, "this answer does not say how to leave", "add: Text STOP to leave",
                );
            }
            replies.push((reply, tag.clone(), said));
        }
        inner.finish();
    }
    replies
}
