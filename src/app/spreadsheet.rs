//! Reads a spreadsheet saved as text (.csv, .tsv): bytes in, good rows and named problems out.
//!
//! Rows are counted as a spreadsheet program counts them: the heading is row 1, a blank line is a row, a quoted line
//! break is not. The csv crate reads the cells of one row; where rows begin and end is found here, because its own line
//! numbers go wrong after blank lines and CRLF, and a quote that is never closed swallows the rest without a word.

use super::spreadsheet_cells::{Column, cell_of, columns, language, read_date, tags, trimmed};
use crate::domain::contact::{ContactDraft, Edit, Internet, Permission, RowProblem};
use crate::domain::phone::{self, Phone, PhoneRules};
use jiff::civil::Date;
use std::collections::HashMap;

/// What the command line says for all rows that don't say it themselves.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// Where consent was given.
    pub source: Option<String>,
    /// When.
    pub date: Option<Date>,
    /// Under which wording.
    pub wording: Option<String>,
}

/// A spreadsheet, read.
#[derive(Default)]
pub struct Sheet {
    /// Rows that can be loaded.
    pub rows: Vec<ContactDraft>,
    /// Rows that can't, each named.
    pub problems: Vec<RowProblem>,
    /// Rows with anything in them, heading excepted.
    pub row_count: u64,
    /// The encoding it was read in, where it was not UTF-8.
    pub encoding: Option<&'static str>,
}

/// A quoted cell with more line breaks than this was never meant: its quote was not closed.
const LONGEST_CELL: usize = 500;

/// Reads a whole file.
pub fn read(bytes: &[u8], rules: &PhoneRules, stated: &Stated, today: Date) -> Sheet {
    let (text, encoding) = decode(bytes);
    let mut sheet = Sheet { encoding, ..Sheet::default() };
    let (text, told) = excel_separator(&text);
    let mut records = records(text).into_iter().filter(|r| !is_blank(r.text));
    let Some(heading) = records.next() else {
        sheet.problems.push(problem(1, "", "empty_file", "", "the file is empty", "save the sheet again as .csv"));
        return sheet;
    };
    let delimiter = told.unwrap_or_else(|| delimiter(heading.text));
    let headings = cells(heading.text, delimiter);
    let columns = columns(&headings);
    if !columns.values().any(|c| *c == Column::Phone) {
        let found = headings.join(", ");
        sheet.problems.push(problem(
            heading.line,
            &found,
            "no_phone_column",
            "",
            "no column holds phone numbers",
            "call one heading \"phone\"; others are read if called name, language, internet, tags, consent source, consent date, wording",
        ));
        return sheet;
    }
    let reading = Reading { headings: &headings, columns: &columns, rules, stated, today, delimiter };
    for record in records {
        if cells(record.text, delimiter).iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        sheet.row_count += 1;
        match reading.row(&record) {
            Ok(row) => sheet.rows.push(row),
            Err(problems) => sheet.problems.extend(problems),
        }
    }
    sheet
}

/// By byte order mark, then UTF-8, then Windows-1252, which any bytes are.
fn decode(bytes: &[u8]) -> (String, Option<&'static str>) {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(bytes) {
        let (text, _, _) = encoding.decode(bytes);
        let name = (encoding != encoding_rs::UTF_8).then(|| encoding.name());
        return (text.into_owned(), name);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (encoding_rs::WINDOWS_1252.decode(bytes).0.into_owned(), Some("Windows-1252")),
    }
}

/// Excel's own first line, `sep=;`. It is row 1 of the file, but no row of the sheet.
fn excel_separator(text: &str) -> (&str, Option<char>) {
    let first = text.lines().next().unwrap_or_default();
    match first.strip_prefix("sep=").and_then(|rest| rest.chars().next()) {
        Some(delimiter) => (text[first.len()..].trim_start_matches('\r').trim_start_matches('\n'), Some(delimiter)),
        None => (text, None),
    }
}

fn delimiter(heading: &str) -> char {
    let count = |c: char| heading.matches(c).count();
    [',', ';', '\t', '|'].into_iter().max_by_key(|c| (count(*c), *c == ',')).unwrap_or(',')
}

struct Record<'t> {
    line: u64,
    text: &'t str,
    /// A quote opened in it and was never closed.
    unclosed: bool,
}

/// Cuts a text into records. A quote opens only at the beginning of a cell; inside quotes a line break is data. If one
/// is never closed, the record ends at its own line and the rest is read as if the quote were not there.
fn records(text: &str) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    let (mut start, mut line) = (0, 1);
    while start < text.len() {
        let (end, unclosed) = match closed_end(&text[start..]) {
            Some(end) => (start + end, false),
            None => (start + text[start..].find('\n').unwrap_or(text.len() - start), true),
        };
        records.push(Record { line, text: text[start..end].trim_end_matches('\r'), unclosed });
        start = end + 1;
        line += 1;
    }
    records
}

/// Where the first record of `text` ends (its line break, or the end); none if a quote in it is never closed.
fn closed_end(text: &str) -> Option<usize> {
    let (mut quoted, mut cell_start, mut opened) = (false, true, 0);
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' if quoted && characters.peek().is_some_and(|(_, next)| *next == '"') => {
                characters.next();
            }
            '"' if quoted => quoted = false,
            '"' if cell_start => (quoted, opened) = (true, at),
            '\n' if !quoted => return Some(at),
            _ if quoted && at - opened > LONGEST_CELL => return None,
            _ => {}
        }
        cell_start = !quoted && matches!(c, ',' | ';' | '\t' | '|');
    }
    (!quoted).then_some(text.len())
}

fn is_blank(text: &str) -> bool {
    text.trim_matches(['\u{feff}', ' ', '\r', '\t']).is_empty()
}

fn cells(record: &str, delimiter: char) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(u8::try_from(delimiter).unwrap_or(b','))
        .from_reader(record.as_bytes());
    let first = reader.records().next().and_then(Result::ok);
    first.map(|record| record.iter().map(str::to_owned).collect()).unwrap_or_default()
}

struct Reading<'a> {
    headings: &'a [String],
    columns: &'a HashMap<usize, Column>,
    rules: &'a PhoneRules,
    stated: &'a Stated,
    today: Date,
    delimiter: char,
}

impl Reading<'_> {
    fn row(&self, record: &Record<'_>) -> Result<ContactDraft, Vec<RowProblem>> {
        if record.unclosed {
            let advice = "find the \" in this row that has no partner, and take it out or close it";
            return Err(vec![problem(
                record.line,
                "",
                "unclosed_quote",
                "",
                "a quote opened in this row is never closed",
                advice,
            )]);
        }
        let cells = cells(record.text, self.delimiter);
        let cell = |wanted: Column| -> (&str, &str) {
            let at = self.columns.iter().find(|(_, column)| **column == wanted).map(|(at, _)| *at);
            (
                at.and_then(|at| cells.get(at)).map_or("", |c| trimmed(c)),
                at.and_then(|at| self.headings.get(at)).map_or("", String::as_str),
            )
        };
        let mut problems = Vec::new();
        let (raw, heading) = cell(Column::Phone);
        let phone = Phone::parse(raw, self.rules).map_err(|e| {
            problems.push(problem(record.line, heading, e.code(), &phone::mask(raw), &e.to_string(), e.advice()));
        });
        let (raw, heading) = cell(Column::Internet);
        let internet = cell_of(raw, Internet::parse).ok_or_else(|| {
            problems.push(problem(
                record.line,
                heading,
                "not_yes_or_no",
                &phone::mask(raw),
                "internet is neither yes nor no",
                "write yes, no, or leave it blank",
            ));
        });
        let (raw, heading) = cell(Column::Language);
        let language = cell_of(raw, language).ok_or_else(|| {
            problems.push(problem(
                record.line,
                heading,
                "unknown_language",
                &phone::mask(raw),
                "this is not a language",
                "write its English name or its tag, like ur",
            ));
        });
        let permission = self.permission(
            cell(Column::Source),
            cell(Column::Date),
            cell(Column::Wording),
            record.line,
            &mut problems,
        );
        let (Ok(phone), Ok(internet), Ok(language), true) = (phone, internet, language, problems.is_empty()) else {
            return Err(problems);
        };
        Ok(ContactDraft {
            line: record.line,
            phone,
            name: cell_of(cell(Column::Name).0, |n| Some(n.to_owned())).unwrap_or(Edit::Keep),
            language,
            internet,
            tags: cell_of(cell(Column::Tags).0, |t| Some(tags(t))).unwrap_or(Edit::Keep),
            permission,
        })
    }

    /// All three of source, date and wording, from the row or from the command line; else none.
    fn permission(
        &self,
        (source, _): (&str, &str),
        (date, date_heading): (&str, &str),
        (wording, _): (&str, &str),
        line: u64,
        problems: &mut Vec<RowProblem>,
    ) -> Option<Permission> {
        let or = |cell: &str, stated: &Option<String>| {
            Some(cell.to_owned()).filter(|c| !c.is_empty()).or_else(|| stated.clone())
        };
        let date = if date.is_empty() {
            self.stated.date
        } else {
            let read = read_date(date);
            if read.is_none() {
                problems.push(problem(
                    line,
                    date_heading,
                    "not_a_date",
                    &phone::mask(date),
                    "this is not a date",
                    "write it like 2022-01-17 or 17/01/2022",
                ));
            }
            read
        };
        if date.is_some_and(|date| date > self.today) {
            let (value, advice) =
                (date.map(|d| d.to_string()), "look at day, month and year: consent can't be younger than today");
            let value = value.unwrap_or_default();
            problems.push(problem(line, date_heading, "in_the_future", &value, "this day is still to come", advice));
            return None;
        }
        Some(Permission {
            source: or(source, &self.stated.source)?,
            date: date?,
            wording: or(wording, &self.stated.wording)?,
        })
    }
}

fn problem(line: u64, column: &str, code: &'static str, value: &str, message: &str, advice: &str) -> RowProblem {
    RowProblem {
        line,
        column: column.to_owned(),
        code,
        value: value.to_owned(),
        message: message.to_owned(),
        advice: advice.to_owned(),
    }
}
