//! Reads a spreadsheet saved as text (.csv, .tsv): bytes in, good rows and named problems out.
//!
//! Rows are counted as a spreadsheet program counts them: the heading is row 1, a blank line is a row, a quoted line
//! break is not. The csv crate reads the cells of one row; where rows begin and end is found here, because its own line
//! numbers go wrong after blank lines and CRLF, and a quote that is never closed swallows the rest without a word.

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Column {
    Phone,
    Name,
    Language,
    Internet,
    Tags,
    Source,
    Date,
    Wording,
}

/// Headings people write, folded: lower case, letters and digits only.
const HEADINGS: &[(&str, Column)] = &[
    ("phone", Column::Phone),
    ("phonenumber", Column::Phone),
    ("phoneno", Column::Phone),
    ("mobile", Column::Phone),
    ("mobilenumber", Column::Phone),
    ("mobileno", Column::Phone),
    ("mobilephone", Column::Phone),
    ("tel", Column::Phone),
    ("telephone", Column::Phone),
    ("telephonenumber", Column::Phone),
    ("number", Column::Phone),
    ("contactnumber", Column::Phone),
    ("name", Column::Name),
    ("fullname", Column::Name),
    ("parent", Column::Name),
    ("parentname", Column::Name),
    ("parentcarer", Column::Name),
    ("language", Column::Language),
    ("preferredlanguage", Column::Language),
    ("internet", Column::Internet),
    ("hasinternet", Column::Internet),
    ("internetaccess", Column::Internet),
    ("online", Column::Internet),
    ("tags", Column::Tags),
    ("groups", Column::Tags),
    ("group", Column::Tags),
    ("consentsource", Column::Source),
    ("source", Column::Source),
    ("consentdate", Column::Date),
    ("dateofconsent", Column::Date),
    ("date", Column::Date),
    ("wording", Column::Wording),
    ("consentwording", Column::Wording),
    ("wordingversion", Column::Wording),
];

/// Languages by name; a BCP 47 tag is taken as it is.
const LANGUAGES: &[(&str, &str)] = &[
    ("english", "en"),
    ("welsh", "cy"),
    ("polish", "pl"),
    ("urdu", "ur"),
    ("punjabi", "pa"),
    ("panjabi", "pa"),
    ("arabic", "ar"),
    ("bengali", "bn"),
    ("romanian", "ro"),
    ("somali", "so"),
    ("gujarati", "gu"),
    ("hindi", "hi"),
];

/// Reads a whole file.
pub fn read(bytes: &[u8], rules: &PhoneRules, stated: &Stated) -> Sheet {
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
    let reading = Reading { headings: &headings, columns: &columns, rules, stated, delimiter };
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

fn columns(headings: &[String]) -> HashMap<usize, Column> {
    let fold =
        |heading: &String| -> String { heading.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect() };
    let mut columns = HashMap::new();
    for (at, heading) in headings.iter().enumerate() {
        let known = HEADINGS.iter().find(|(name, _)| *name == fold(heading)).map(|(_, column)| *column);
        if let Some(column) = known.filter(|column| !columns.values().any(|c| c == column)) {
            columns.insert(at, column);
        }
    }
    columns
}

struct Reading<'a> {
    headings: &'a [String],
    columns: &'a HashMap<usize, Column>,
    rules: &'a PhoneRules,
    stated: &'a Stated,
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
        let internet = cell_of(raw, |raw| Internet::parse(raw)).ok_or_else(|| {
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
        Some(Permission {
            source: or(source, &self.stated.source)?,
            date: date?,
            wording: or(wording, &self.stated.wording)?,
        })
    }
}

fn trimmed(cell: &str) -> &str {
    cell.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

/// Blank keeps, `-` clears, anything else must be understood.
pub fn cell_of<T>(cell: &str, read: impl Fn(&str) -> Option<T>) -> Option<Edit<T>> {
    match cell {
        "" => Some(Edit::Keep),
        "-" => Some(Edit::Clear),
        other => read(other).map(Edit::Set),
    }
}

/// The tag of a language by name or tag.
pub fn language(cell: &str) -> Option<String> {
    let folded = cell.to_lowercase();
    let named = LANGUAGES.iter().find(|(name, _)| *name == folded).map(|(_, tag)| (*tag).to_owned());
    let tag = || (folded.len() == 2 && folded.chars().all(|c| c.is_ascii_lowercase())).then(|| folded.clone());
    named.or_else(tag)
}

/// Tags, sorted, each once.
pub fn tags(cell: &str) -> Vec<String> {
    let mut tags: Vec<String> = cell.split(';').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// `2022-01-17` or `17/01/2022` (day first: the files are British).
fn read_date(cell: &str) -> Option<Date> {
    let numbers: Vec<i16> = cell.split(['-', '/', '.']).map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let (year, month, day) = match numbers[..] {
        [year, month, day] if year > 31 => (year, month, day),
        [day, month, year] if year > 31 => (year, month, day),
        _ => return None,
    };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
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
