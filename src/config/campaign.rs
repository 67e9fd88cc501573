//! A campaign file becomes a [`Campaign`]: names resolved, times turned into instants, texts and dial-ins parsed.
//!
//! What is wrong with a single key is found here; what is wrong with the campaign as a whole is `engine::check`'s.

use super::reader::{Problems, Reader, parse};
use crate::domain::campaign::{Campaign, Texts, Value};
use crate::domain::dial_in::DialIn;
use crate::domain::moment::Milestones;
use crate::domain::phone::Phone;
use crate::domain::problem::{Place, Problem, did_you_mean};
use crate::domain::schedule::quiet::Quiet;
use crate::domain::schedule::zone::{self, Resolved};
use crate::domain::template::Template;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use toml::de::DeValue;

mod steps;

/// A campaign, as far as it could be read, and all problems found while reading. With an error there may be no campaign.
pub fn read_campaign(source: &str) -> (Option<Campaign>, Vec<Problem>) {
    let problems = Problems::default();
    let table = parse(source, &problems);
    let reader = Reader::new(table.get_ref(), Place { start: 0, end: 0 }, &problems);
    let campaign = build(&reader);
    let found = std::mem::take(&mut *problems.borrow_mut());
    (campaign, found)
}

fn build(reader: &Reader<'_>) -> Option<Campaign> {
    let problems = &reader.problems;
    if reader.number("schema", 1..=1).is_none() && !reader.has("schema") {
        reader.missing("schema", "1");
    }
    let id = reader.need_text("id").and_then(|(id, at)| checked_id(reader, id, at));
    let title = reader.need_text("title");
    let list = reader.need_text("list");
    let zone = read_zone(reader);
    let fallback = reader.text("fallback").map_or_else(|| "en".to_owned(), |(tag, _)| tag);
    let quiet = read_quiet(reader);
    let max_parts = reader.number("max_parts", 1..=10).and_then(|n| u32::try_from(n).ok()).unwrap_or(2);
    let milestones = zone.as_ref().map(|(zone, _)| read_milestones(reader, zone)).unwrap_or_default();
    let values = read_values(reader);
    let phone_hint = reader.table("phone_hint").map(|table| read_texts(&table)).unwrap_or_default();
    let steps = reader.tables("step");
    if steps.is_empty() {
        reader.missing("[[step]]", "at least one step");
    }
    reader.finish();
    let (zone, zone_name) = zone?;
    let mut campaign = Campaign {
        id: id.unwrap_or_default(),
        title: title.map(|(title, _)| title).unwrap_or_default(),
        list: list.map(|(list, _)| list).unwrap_or_default(),
        zone,
        zone_name,
        fallback,
        milestones,
        values,
        phone_hint,
        quiet: quiet?,
        max_parts,
        steps: Vec::new(),
    };
    for table in &steps {
        if let Some(step) = steps::read_step(table, &campaign) {
            if let Some(twin) = campaign.steps.iter().find(|s| s.id == step.id) {
                let message = format!("two steps are called \"{}\"", twin.id);
                table.problem("campaign.twin_step", step.place, message, "give each step its own id");
            }
            campaign.steps.push(step);
        }
    }
    let broken = problems.borrow().iter().any(|p| p.severity == crate::domain::problem::Severity::Error);
    (!broken || !campaign.steps.is_empty()).then_some(campaign)
}

fn checked_id(reader: &Reader<'_>, id: String, at: Place) -> Option<String> {
    let fine = !id.is_empty()
        && id.len() <= 60
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fine {
        reader.problem("config.bad_id", at, "this is not an id", "use small letters, digits and - only, at most 60");
    }
    fine.then_some(id)
}

fn read_zone(reader: &Reader<'_>) -> Option<(TimeZone, String)> {
    let (name, at) = reader.text("timezone").unwrap_or_else(|| ("Europe/London".to_owned(), reader.place));
    match zone::zone(&name) {
        Ok(zone) => Some((zone, name)),
        Err(problem) => {
            let known: Vec<String> = jiff::tz::db().available().map(|n| n.as_str().to_owned()).collect();
            let near = did_you_mean(&name, known.iter().map(String::as_str));
            let hint = if near.len() < 60 { near } else { "use a name like Europe/London".to_owned() };
            reader.problem("config.unknown_zone", at, problem.to_string(), hint);
            None
        }
    }
}

fn read_quiet(reader: &Reader<'_>) -> Option<Quiet> {
    let (text, at) = reader.text("quiet").unwrap_or_else(|| ("21:00-08:00".to_owned(), reader.place));
    let quiet = Quiet::parse(&text).ok();
    if quiet.is_none() {
        reader.problem("config.quiet", at, "these are not quiet hours", "write them like \"21:00-08:00\"");
    }
    quiet
}

fn read_milestones(reader: &Reader<'_>, zone: &TimeZone) -> Milestones {
    let mut milestones = Milestones::new();
    let Some(table) = reader.table("milestones") else {
        if !reader.has("milestones") {
            reader.missing("[milestones]", "the points in time that steps hang on");
        }
        return milestones;
    };
    for (name, name_at, value, at) in table.entries() {
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            table.problem(
                "config.bad_name", name_at, "this is not a name for a milestone", "use small letters, digits and _",
            );
            continue;
        }
        let DeValue::Datetime(written) = value else {
            table.problem(
                "config.wrong_kind",
                at,
                format!("{name} should be a local time"),
                "write it like 2022-01-28T12:00:00, without quotes",
            );
            continue;
        };
        if let Some(local) = local_time(&table, written, at)
            && let Some(instant) = instant(&table, local, zone, at)
        {
            milestones.insert(name, (local, instant));
        }
    }
    milestones
}

/// A wall-clock time. One with an offset is refused: the campaign's zone says what it means.
fn local_time(reader: &Reader<'_>, written: &toml::value::Datetime, at: Place) -> Option<DateTime> {
    let local = match (written.date, written.time, written.offset) {
        (Some(_), Some(_), None) => written.to_string().parse().ok(),
        _ => None,
    };
    if local.is_none() {
        reader.problem(
            "config.not_local",
            at,
            "this is not a local date and time",
            "write it like 2022-01-28T12:00:00, without offset or Z",
        );
    }
    local
}

/// R-LOCAL: a time the clocks skip is refused; of a time they repeat the first is taken, and said.
fn instant(reader: &Reader<'_>, local: DateTime, zone: &TimeZone, at: Place) -> Option<jiff::Timestamp> {
    match zone::resolve(local, zone) {
        Resolved::Ok(instant) => Some(instant),
        Resolved::Ambiguous { first, .. } => {
            let warning = Problem::warning(
                "campaign.time_twice",
                at,
                format!("{local} comes twice that night"),
                "the first of the two is taken; choose another time to be clear",
            );
            reader.problems.borrow_mut().push(warning);
            Some(first)
        }
        Resolved::Nonexistent { .. } => {
            let message = format!("{local} does not exist: the clocks go forward over it");
            reader.problem("campaign.no_such_time", at, message, "choose a time an hour earlier or later");
            None
        }
    }
}

fn read_values(reader: &Reader<'_>) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let Some(table) = reader.table("values") else { return values };
    for (name, name_at, value, at) in table.entries() {
        if name == "name" {
            table.problem(
                "config.reserved", name_at, "\"name\" is the contact's own name", "call this value something else",
            );
            continue;
        }
        match value {
            DeValue::String(words) => {
                values.insert(name, Value::Words(words.to_string()));
            }
            DeValue::Table(inner) => {
                let inner = Reader::new(inner, at, &reader.problems);
                if let Some(value) = read_value(&inner) {
                    values.insert(name, value);
                }
                inner.finish();
            }
            _ => table.problem(
                "config.wrong_kind",
                at,
                format!("{name} is not a value"),
                "write a text, or { link = \"…\" }, { phone = \"…\" }, { dial_in = \"…\" }",
            ),
        }
    }
    values
}

fn read_value(inner: &Reader<'_>) -> Option<Value> {
    let (link, phone, dial_in) = (inner.text("link"), inner.text("phone"), inner.text("dial_in"));
    match (link, phone, dial_in) {
        (Some((link, at)), None, None) => checked_link(inner, link, at),
        (None, Some((phone, at)), None) => checked_phone(inner, &phone, at),
        (None, None, Some((pasted, at))) => match DialIn::parse(&pasted) {
            Ok(dial_in) => Some(Value::DialIn(dial_in)),
            Err(problem) => {
                inner.problem("campaign.dial_in", at, problem.to_string(), problem.advice());
                None
            }
        },
        _ => {
            inner.problem(
                "config.value",
                inner.place,
                "a value is one of link, phone, dial_in",
                "write { link = \"https://…\" }, { phone = \"…\" } or { dial_in = \"…\" }",
            );
            None
        }
    }
}

fn checked_link(inner: &Reader<'_>, link: String, at: Place) -> Option<Value> {
    let host = link.strip_prefix("https://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let fine = host.is_some_and(|h| h.contains('.') && !h.contains('@')) && !link.contains(char::is_whitespace);
    if !fine {
        inner.problem(
            "campaign.link",
            at,
            "this is not a link parents can trust",
            "use a whole address that begins with https://",
        );
    }
    fine.then_some(Value::Link(link))
}

fn checked_phone(inner: &Reader<'_>, phone: &str, at: Place) -> Option<Value> {
    match Phone::callable(phone) {
        Ok(phone) => Some(Value::Phone(phone.national())),
        Err(problem) => {
            inner.problem("campaign.phone", at, problem.to_string(), problem.advice());
            None
        }
    }
}

/// The texts of one door: language tag → text.
fn read_texts(table: &Reader<'_>) -> Texts {
    let mut texts = Texts::new();
    for (tag, tag_at, value, at) in table.entries() {
        let fine = (2..=8).contains(&tag.len()) && tag.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        if !fine {
            table.problem("config.language", tag_at, format!("{tag} is not a language"), "use a tag like en, ur, pl");
            continue;
        }
        let DeValue::String(text) = value else {
            table.problem(
                "config.wrong_kind",
                at,
                format!("the text in {tag} should be a text"),
                "write it in double quotes",
            );
            continue;
        };
        match Template::parse(text) {
            Ok(template) => {
                texts.insert(tag, (template, at));
            }
            Err(problem) => table.problem("campaign.text", at, problem.to_string(), "values stand in {{ two braces }}"),
        }
    }
    texts
}

/// The place of a `[table]` header or inline table: its first line only, so that the picture stays small.
fn head(at: Place) -> Place {
    Place { start: at.start, end: at.end.min(at.start + 1) }
}
