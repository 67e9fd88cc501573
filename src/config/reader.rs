//! Reads TOML tables key by key, collecting every problem with its place instead of stopping at the first.

use crate::domain::problem::{Place, Problem, did_you_mean};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The problems found so far; readers of the same file share it.
pub(super) type Problems = Rc<RefCell<Vec<Problem>>>;

/// One table, and which of its keys have been asked for.
pub(super) struct Reader<'a> {
    table: &'a DeTable<'a>,
    /// Where the table itself stands, for "missing key".
    pub(super) place: Place,
    asked: RefCell<BTreeSet<&'static str>>,
    pub(super) problems: Problems,
}

pub(super) fn place(span: std::ops::Range<usize>) -> Place {
    Place { start: span.start, end: span.end }
}

/// Parses a whole file; syntax errors go to `problems`.
pub(super) fn parse<'a>(source: &'a str, problems: &Problems) -> Spanned<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(source);
    for error in errors {
        let at = error.span().map(place).unwrap_or_default();
        problems.borrow_mut().push(Problem::error(
            "config.syntax",
            at,
            format!("this is not TOML: {}", error.message()),
            "texts stand in double quotes, times like 2022-01-28T12:00:00 without",
        ));
    }
    table
}

impl<'a> Reader<'a> {
    pub(super) fn new(table: &'a DeTable<'a>, place: Place, problems: &Problems) -> Self {
        Self { table, place, asked: RefCell::default(), problems: Rc::clone(problems) }
    }

    pub(super) fn problem(&self, code: &'static str, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::error(code, at, message, hint));
    }

    fn value(&self, key: &'static str) -> Option<(&'a DeValue<'a>, Place)> {
        self.asked.borrow_mut().insert(key);
        let (_, value) = self.table.iter().find(|(k, _)| k.get_ref() == key)?;
        Some((value.get_ref(), place(value.span())))
    }

    /// Does the table have this key? (Asking counts as knowing it.)
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.value(key).is_some()
    }

    fn wrong(&self, key: &str, at: Place, wanted: &str, found: &DeValue<'_>) {
        self.problem(
            "config.wrong_kind",
            at,
            format!("{key} should be {wanted}, not {}", found.type_str()),
            format!("write {key} as {wanted}"),
        );
    }

    pub(super) fn text(&self, key: &'static str) -> Option<(String, Place)> {
        let (value, at) = self.value(key)?;
        match value {
            DeValue::String(text) => Some((text.to_string(), at)),
            other => {
                self.wrong(key, at, "a text in double quotes", other);
                None
            }
        }
    }

    pub(super) fn need_text(&self, key: &'static str) -> Option<(String, Place)> {
        if !self.has(key) {
            self.missing(key, "a text in double quotes");
        }
        self.text(key)
    }

    pub(super) fn missing(&self, key: &str, wanted: &str) {
        self.problem("config.missing", self.place, format!("{key} is missing"), format!("add {key} = {wanted}"));
    }

    pub(super) fn number(&self, key: &'static str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let (value, at) = self.value(key)?;
        let number = match value {
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok(),
            other => {
                self.wrong(key, at, "a whole number", other);
                return None;
            }
        };
        match number {
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                let wanted = format!("{} to {}", range.start(), range.end());
                self.problem("config.out_of_range", at, format!("{key} is out of range"), format!("use {wanted}"));
                None
            }
        }
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let (value, at) = self.value(key)?;
        match value {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                self.wrong(key, at, "true or false", other);
                None
            }
        }
    }

    /// A date-time written without quotes; none, and no problem, if the value is of another kind.
    pub(super) fn local(&self, key: &'static str) -> Option<(toml::value::Datetime, Place)> {
        match self.value(key)? {
            (DeValue::Datetime(written), at) => Some((*written, at)),
            _ => None,
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<(String, Place)>> {
        let (value, at) = self.value(key)?;
        self.texts_in(key, value, at)
    }

    /// A list of texts under each name that the user chooses.
    pub(super) fn named_texts(&self) -> Vec<(String, Vec<(String, Place)>)> {
        self.entries()
            .filter_map(|(name, _, value, at)| Some((name.clone(), self.texts_in(&name, value, at)?)))
            .collect()
    }

    fn texts_in(&self, key: &str, value: &'a DeValue<'a>, at: Place) -> Option<Vec<(String, Place)>> {
        let DeValue::Array(array) = value else {
            self.wrong(key, at, "a list of texts", value);
            return None;
        };
        let mut texts = Vec::new();
        for item in array {
            match item.get_ref() {
                DeValue::String(text) => texts.push((text.to_string(), place(item.span()))),
                other => self.wrong(key, place(item.span()), "a list of texts", other),
            }
        }
        Some(texts)
    }

    /// A table under this key.
    pub(super) fn table(&self, key: &'static str) -> Option<Reader<'a>> {
        let (value, at) = self.value(key)?;
        match value {
            DeValue::Table(table) => Some(Reader::new(table, at, &self.problems)),
            other => {
                self.wrong(key, at, "a table", other);
                None
            }
        }
    }

    /// The tables of a `[[key]]`.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Reader<'a>> {
        let Some((value, at)) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value else {
            self.wrong(key, at, "a list of tables, each begun with two brackets", value);
            return Vec::new();
        };
        let mut readers = Vec::new();
        for item in array {
            match item.get_ref() {
                DeValue::Table(table) => readers.push(Reader::new(table, place(item.span()), &self.problems)),
                other => self.wrong(key, place(item.span()), "a table", other),
            }
        }
        readers
    }

    /// All entries, for tables whose keys are names that the user chooses: (name, its place, value, its place).
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, Place, &'a DeValue<'a>, Place)> {
        self.table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), place(key.span()), value.get_ref(), place(value.span())))
    }

    /// Refuses every key that was never asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter().filter(|(k, _)| !asked.contains(k.get_ref().as_ref())) {
            let hint = did_you_mean(key.get_ref(), asked.iter().copied());
            self.problem("config.unknown_key", place(key.span()), format!("unknown key {}", key.get_ref()), hint);
        }
    }
}
