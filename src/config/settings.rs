//! The settings of one installation: the defaults file, overlaid by the installation's own.

use super::DEFAULTS;
use super::reader::{Problems, Reader, parse};
use crate::domain::keyword::{JoinWordWarning, check_join_word};
use crate::domain::list::{List, Listening, Reply};
use crate::domain::phone::PhoneRules;
use crate::domain::price::Price;
use crate::domain::problem::{Place, Problem};
use crate::domain::text;
use jiff::SignedDuration;
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
    /// What one can opt in to.
    pub lists: Vec<List>,
    /// The words we listen for.
    pub listening: Listening,
}

/// How texts leave and what they cost.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Price of one part.
    pub price_per_part: Price,
    /// Its currency, ISO 4217.
    pub currency: String,
    /// Requests that may start in one second, 1 to 1,000.
    pub per_second: u32,
    /// Requests in flight at once, 1 to 256.
    pub in_flight: usize,
    /// How long after a lost answer the gateway is asked at the earliest.
    pub settle: SignedDuration,
    /// How long a delivery report is waited for; then the message stays accepted, and is closed as never reported.
    pub report_within: SignedDuration,
}

impl GatewaySettings {
    /// The price of a part as written, with its currency.
    pub fn price_text(&self) -> String {
        format!("{} {}", self.price_per_part.exact(), self.currency)
    }

    /// Between the starts of two requests.
    pub fn spacing(&self) -> SignedDuration {
        SignedDuration::from_micros(1_000_000 / i64::from(self.per_second.max(1)))
    }
}

impl Settings {
    /// Reads the defaults, then `source` over them. All problems are of `source`.
    pub fn read(source: &str) -> (Self, Vec<Problem>) {
        let mut settings = Self {
            database: String::new(),
            phone_rules: PhoneRules::default(),
            gateway: GatewaySettings {
                price_per_part: Price::default(),
                currency: String::new(),
                per_second: 1,
                in_flight: 1,
                settle: SignedDuration::ZERO,
                report_within: SignedDuration::ZERO,
            },
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
        read_gateway(&gateway, &mut settings.gateway);
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

fn read_gateway(table: &Reader<'_>, gateway: &mut GatewaySettings) {
    if let Some((price, at)) = table.text("price_per_part") {
        match Price::parse(&price) {
            Some(price) => gateway.price_per_part = price,
            None => table.problem(
                "config.price",
                at,
                "this is not a price",
                "write it like \"0.024\", at most four decimals",
            ),
        }
    }
    if let Some((currency, _)) = table.text("currency") {
        gateway.currency = currency;
    }
    if let Some(rate) = table.number("per_second", 1..=1000) {
        gateway.per_second = u32::try_from(rate).unwrap_or(1);
    }
    if let Some(in_flight) = table.number("in_flight", 1..=256) {
        gateway.in_flight = usize::try_from(in_flight).unwrap_or(1);
    }
    if let Some(seconds) = table.number("settle_seconds", 1..=3600) {
        gateway.settle = SignedDuration::from_secs(seconds);
    }
    if let Some(hours) = table.number("report_hours", 1..=168) {
        gateway.report_within = SignedDuration::from_hours(hours);
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
