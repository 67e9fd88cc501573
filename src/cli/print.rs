//! What several commands print: problems as pictures, tables, times.

use super::voice::{say, tell};
use crate::domain::message::State;
use crate::domain::phone::{Phone, mask};
use crate::domain::problem::{Problem, Severity};
use crate::store::{Counts, Doubts};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use comfy_table::{Cell, CellAlignment, Table, presets};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Line and column of a byte offset, both from 1; columns in characters.
pub(super) fn line_column(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Prints problems of one file to standard error (with `json`: one object a line to standard output).
pub(super) fn problems(file: &str, source: &str, problems: &[Problem], json: bool) {
    for problem in problems {
        if json {
            say!("{}", problem_json(file, source, problem));
        } else {
            tell!("{}\n", picture(file, source, problem));
        }
    }
}

fn problem_json(file: &str, source: &str, problem: &Problem) -> Value {
    let (line, column) = problem.place.map_or((0, 0), |place| line_column(source, place.start));
    let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
    json!({
        "format": "ringround.problem/1", "severity": severity, "code": problem.code, "message": problem.message,
        "file": file, "line": line, "column": column, "hint": problem.hint,
    })
}

/// What is wrong, where, the line with a caret, and what to do.
fn picture(file: &str, source: &str, problem: &Problem) -> String {
    let level = if problem.severity == Severity::Error { Level::ERROR } else { Level::WARNING };
    let mut group = level
        .primary_title(&problem.message)
        .id(problem.code)
        .elements(Vec::<Snippet<'_, annotate_snippets::Annotation<'_>>>::new());
    if let Some(place) = problem.place {
        let end = first_line_end(source, place.start, place.end);
        let mark = AnnotationKind::Primary.span(place.start..end);
        let shown = if problem.code == "config.bare_secret" {
            hidden(source, place.start, place.end)
        } else {
            source.to_owned()
        };
        group = group.element(Snippet::source(shown).path(file).annotation(mark));
    }
    if !problem.hint.is_empty() {
        group = group.element(Level::HELP.message(&problem.hint));
    }
    Renderer::plain().render(&[group])
}

/// The source without the secret that should not stand there: what is printed ends up in tickets.
fn hidden(source: &str, start: usize, end: usize) -> String {
    let place = |(at, c): (usize, char)| {
        let inside = (start..end).contains(&at) && c.is_ascii() && !c.is_whitespace();
        if inside { '*' } else { c }
    };
    source.char_indices().map(place).collect()
}

/// A text over several lines is marked on its first one only.
fn first_line_end(source: &str, start: usize, end: usize) -> usize {
    let end = end.clamp(start, source.len());
    source.get(start..end).and_then(|text| text.find('\n')).map_or(end, |at| start + at)
}

/// A table without borders.
pub(super) fn table(heading: &[&str], numbers: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if heading.iter().any(|h| !h.is_empty()) {
        table.set_header(heading.iter().map(Cell::new).collect::<Vec<_>>());
    }
    for row in rows {
        table.add_row(row);
    }
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| format!("  {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}

/// `Mon 24 Jan 2022 12:00`
pub(super) fn local(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%a %-d %b %Y %H:%M").to_string()
}

/// `2022-01-24 12:00Z`
pub(super) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// RFC 3339 with offset and zone, for JSON beside the UTC instant.
pub(super) fn local_json(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).to_string()
}

/// RFC 3339 in UTC, for JSON.
pub(super) fn rfc3339(at: Timestamp) -> String {
    at.to_string()
}

/// All states with their counts, for JSON.
pub(super) fn states(counts: &Counts) -> Value {
    State::ALL.into_iter().map(|state| (state.as_str().to_owned(), json!(counts.of(state)))).collect()
}

/// How many texts are in doubt and since when: nothing, or a sentence or two.
pub(super) fn doubts(doubts: &Doubts, now: Timestamp) -> Vec<String> {
    let age = |since: Option<Timestamp>| age(now.duration_since(since.unwrap_or(now)));
    let count = |n: i64| if n == 1 { "1 text".to_owned() } else { format!("{n} texts") };
    let mut lines = Vec::new();
    if doubts.in_doubt > 0 {
        let since = age(doubts.in_doubt_since);
        lines.push(format!("In doubt, and still being settled: {}, the oldest for {since}.", count(doubts.in_doubt)));
    }
    if doubts.unresolved > 0 {
        let since = age(doubts.unresolved_since);
        lines
            .push(format!("In doubt, and a person must decide: {}, the oldest for {since}.", count(doubts.unresolved)));
    }
    lines
}

/// The same for JSON.
pub(super) fn doubts_json(doubts: &Doubts) -> Value {
    json!({
        "in_doubt": doubts.in_doubt, "in_doubt_since": doubts.in_doubt_since.map(rfc3339),
        "unresolved": doubts.unresolved, "unresolved_since": doubts.unresolved_since.map(rfc3339),
        "oldest": doubts.since().map(rfc3339),
    })
}

/// `40 seconds`, `5 minutes`, `3 hours`, `2 days`: whole ones, rounded down.
pub(super) fn age(age: SignedDuration) -> String {
    let seconds = age.as_secs().max(0);
    let (n, what) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// A number, masked unless a person asked to see it.
pub(super) fn number(phone: &Phone, reveal: bool) -> String {
    if reveal { phone.e164().to_owned() } else { phone.masked() }
}

/// Somebody's own words: long runs of digits (a number, an ID) are hidden unless a person asked to see them.
pub(super) fn private(text: &str, reveal: bool) -> String {
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).count() >= 5;
    if reveal || !text.split_whitespace().any(digits) {
        return text.to_owned();
    }
    text.split(' ').map(|word| if digits(word) { mask(word) } else { word.to_owned() }).collect::<Vec<_>>().join(" ")
}

/// `1 person`, `2 people`
pub(super) fn people(count: u64) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

/// A pause for people: what is paused, and how it goes on.
pub(super) fn pause(name: &str) -> (&'static str, &'static str) {
    match name {
        "line" => ("The line to the gateway", "ringround line resume"),
        "fence" => ("Because of a restore all sending", "ringround resume --after-restore"),
        "clock" => ("Because of the clock all sending", "set it right, or: ringround resume --clock-is-right"),
        _ => ("All sending", "ringround resume"),
    }
}
