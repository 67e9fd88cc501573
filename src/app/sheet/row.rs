//! One row of a spreadsheet: cells in, the draft of a contact or named problems out.

use super::cells::{cell_of, is_error, language, on_one_line, read_date, says_no, says_none, tags, trimmed};
use super::headings::{Column, Headings};
use super::{RawRow, Sheet, SheetError, Wrong, refused};
use crate::domain::contact::{ContactDraft, Edit, Internet, Permission};
use crate::domain::phone::{self, Phone, PhoneRules};
use jiff::civil::Date;

/// Nobody's name, and no reason, is longer.
const LONGEST: usize = 500;

/// What the command line says for all rows that don't say it themselves.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// Where consent was given.
    pub source: Option<String>,
    /// When.
    pub date: Option<Date>,
    /// Under which wording.
    pub wording: Option<String>,
    /// Rows without all three are refused, not kept as pending.
    pub needed: bool,
}

/// One thing that is wrong with a row: a value, not an error, because the good rows around it still load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblem {
    /// Row number as a spreadsheet program counts.
    pub line: u64,
    /// How a person finds it: `row 17`, `Parents!B17`.
    pub place: String,
    /// The column's heading.
    pub column: String,
    /// Stable name, for example `scientific_notation`.
    pub code: &'static str,
    /// The cell, masked.
    pub value: String,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to do about it.
    pub advice: String,
}

/// How the rows of one sheet are read.
#[derive(Debug)]
pub struct Reading<'a> {
    /// Its headings.
    pub headings: Headings,
    rules: &'a PhoneRules,
    stated: &'a Stated,
    today: Date,
}

impl<'a> Reading<'a> {
    /// Reads the headings. `map`: what the command line says of them.
    pub fn begin(
        sheet: &mut Sheet,
        map: &[(String, String)],
        rules: &'a PhoneRules,
        stated: &'a Stated,
        today: Date,
    ) -> Result<Self, SheetError> {
        let Some(first) = sheet.heading()? else {
            return Err(SheetError::unfit("the file is empty", "save the sheet again as .csv"));
        };
        let words: Vec<String> = first.cells.iter().map(|cell| on_one_line(trimmed(cell))).collect();
        let is_number = words.iter().any(|word| Phone::parse(word, rules).is_ok());
        let headings = Headings::read(words, map, |at| sheet.is_hidden_column(at))?;
        if headings.at(Column::Phone).is_some() {
            return Ok(Self { headings, rules, stated, today });
        }
        let near = headings.ignored.iter().find(|(_, meant)| *meant == Some("phone"));
        let near = near.filter(|(heading, _)| heading.chars().count() <= SHOWN);
        let hint = if first.wrong == Some(Wrong::Unclosed) {
            "a quote opened in the row of headings is never closed: find the \" that has no partner".to_owned()
        } else if let Some((heading, _)) = near {
            format!("is it \"{heading}\"? then say --map \"{heading}=phone\"")
        } else if let Some(line) = heading_below(sheet)? {
            format!("row {line} looks like the headings: delete the rows above it")
        } else if is_number {
            "the first row must hold headings: put phone, name, … above the rows".to_owned()
        } else {
            let there = shown(&headings.words);
            format!("call one heading \"phone\", or say which it is: --map \"HEADING=phone\"; there are: {there}")
        };
        Err(SheetError::unfit("no column holds phone numbers", hint))
    }

    /// One row, read.
    pub fn row(&self, sheet: &Sheet, raw: &RawRow) -> Result<ContactDraft, Vec<RowProblem>> {
        let mut cells = Cells { reading: self, sheet, raw, problems: Vec::new() };
        if let Some(wrong) = raw.wrong {
            cells.as_a_whole(wrong);
            return Err(cells.problems);
        }
        if raw.cells.iter().skip(self.headings.words.len()).any(|cell| !trimmed(cell).is_empty()) {
            cells.as_a_whole(Wrong::TooWide);
            return Err(cells.problems);
        }
        let number = cells.word(Column::Phone);
        let phone = Phone::parse(&number, self.rules);
        if let Err(problem) = &phone {
            cells.wrong(Column::Phone, problem.code(), &phone::mask(&number), &problem.to_string(), problem.advice());
        }
        let internet = cells.edit(
            Column::Internet,
            Internet::parse,
            ("not_yes_or_no", "internet is neither yes nor no", "write yes, no, or leave it blank"),
        );
        let language = cells.edit(
            Column::Language,
            language,
            ("unknown_language", "this is not a language", "write its English name or its tag, like ur"),
        );
        let name = cells.edit(Column::Name, |name| Some(name.to_owned()), ("", "", ""));
        let tags = cells.edit(Column::Tags, |cell| Some(tags(cell)), ("", "", ""));
        let permission = cells.permission();
        let (Ok(phone), true) = (phone, cells.problems.is_empty()) else { return Err(cells.problems) };
        Ok(ContactDraft { line: raw.line, phone, name, language, internet, tags, permission })
    }
}

/// So much of a heading is shown: more is none.
const SHOWN: usize = 40;

/// Headings for people, without digits, because the first row may be somebody's.
fn shown(words: &[String]) -> String {
    let short =
        |word: &String| word.chars().take(SHOWN).map(|c| if c.is_numeric() { '•' } else { c }).collect::<String>();
    let words = words.iter().filter(|word| !word.is_empty()).take(12).map(short);
    words.collect::<Vec<_>>().join(", ")
}

/// The row in which headings begin, where a title stands above them.
fn heading_below(sheet: &mut Sheet) -> Result<Option<u64>, SheetError> {
    for _ in 0..10 {
        let Some(row) = sheet.next_row()? else { return Ok(None) };
        let words = row.cells.iter().map(|cell| on_one_line(trimmed(cell))).collect();
        if Headings::read(words, &[], |_| false)?.at(Column::Phone).is_some() {
            return Ok(Some(row.line));
        }
    }
    Ok(None)
}

/// `2022-01` becomes `Jan-22` in a spreadsheet program that is not stopped.
fn is_date_by_accident(wording: &str) -> bool {
    let month_and_year = wording.split_once('-').is_some_and(|(month, year)| {
        month.len() == 3
            && year.len() == 2
            && year.bytes().all(|b| b.is_ascii_digit())
            && read_date(&format!("1 {month} {year}")).is_some()
    });
    month_and_year || (wording.contains('/') && read_date(wording).is_some())
}

/// One row while it is read, and what is found to be wrong with it.
struct Cells<'a> {
    reading: &'a Reading<'a>,
    sheet: &'a Sheet,
    raw: &'a RawRow,
    problems: Vec<RowProblem>,
}

impl Cells<'_> {
    /// A cell without what surrounds it; blank where there is no such column.
    fn word(&mut self, column: Column) -> String {
        let cell = self.reading.headings.at(column).and_then(|at| self.raw.cells.get(at)).map_or("", String::as_str);
        let word = on_one_line(refused::bare(trimmed(cell)));
        if is_error(&word) && column != Column::Phone {
            let advice = "open the file, mend the formula or type the value, and save it again";
            self.wrong(column, "error_value", &word, "a formula came to nothing here", advice);
            return String::new();
        }
        if word.chars().count() > LONGEST {
            let message = format!("this cell has more than {LONGEST} characters");
            self.wrong(column, "too_long", "", &message, "shorten it, or look whether the columns have shifted");
            return String::new();
        }
        // A lone dash of any length is what a word processor makes of `-`.
        if matches!(word.as_str(), "\u{2013}" | "\u{2014}" | "\u{2212}") { "-".to_owned() } else { word }
    }

    fn edit<T>(
        &mut self,
        column: Column,
        read: impl Fn(&str) -> Option<T>,
        (code, message, advice): (&'static str, &str, &str),
    ) -> Edit<T> {
        let word = self.word(column);
        cell_of(&word, read).unwrap_or_else(|| {
            self.wrong(column, code, &phone::mask(&word), message, advice);
            Edit::Keep
        })
    }

    /// All three of source, date and wording, from the row or from the command line; else none.
    fn permission(&mut self) -> Option<Permission> {
        let stated = self.reading.stated;
        let or = |cell: String, stated: &Option<String>| match cell.as_str() {
            "" => stated.clone(),
            none if says_none(none) => None,
            _ => Some(cell),
        };
        let (source, wording) = (self.word(Column::Source), self.word(Column::Wording));
        let out = self.word(Column::OptedOut);
        for (column, denied) in [
            (Column::Source, says_no(&source)),
            (Column::Wording, says_no(&wording)),
            (Column::OptedOut, !(out.is_empty() || says_none(&out) || says_no(&out))),
        ] {
            if denied {
                let advice = "leave them out, or correct the cell; ringround contacts leave is for who has left";
                self.wrong(column, "no_consent", "", "this row says that they do not agree to texts", advice);
            }
        }
        if is_date_by_accident(&wording) {
            let advice = "make the column text, type the version as it was, and save the file again";
            self.wrong(
                Column::Wording,
                "wording_is_date",
                &wording,
                "a spreadsheet program made a date of this",
                advice,
            );
        }
        let (source, wording) = (or(source, &stated.source), or(wording, &stated.wording));
        let said = self.word(Column::Date);
        let date = match said.as_str() {
            "" => stated.date,
            none if says_none(none) => None,
            said => self.date(said),
        };
        let permission = source.zip(date).zip(wording);
        if permission.is_none() && stated.needed && self.problems.is_empty() {
            let advice = "fill in consent source, consent date and wording, or leave the person out";
            self.wrong(Column::Source, "no_consent", "", "this row does not prove that they agreed", advice);
        }
        permission.map(|((source, date), wording)| Permission { source, date, wording })
    }

    fn date(&mut self, said: &str) -> Option<Date> {
        let Some(date) = read_date(said) else {
            let advice = "write it like 2022-01-17 or 17/01/2022";
            self.wrong(Column::Date, "not_a_date", &phone::mask(said), "this is not a date", advice);
            return None;
        };
        if date > self.reading.today {
            let advice = "look at day, month and year: consent can't be younger than today";
            self.wrong(Column::Date, "in_the_future", &date.to_string(), "this day is still to come", advice);
            return None;
        }
        if date.year() < 2000 {
            let advice = "look at the year; in a workbook, look whether the cell is really a date";
            self.wrong(Column::Date, "long_ago", &date.to_string(), "nobody agreed to texts that long ago", advice);
            return None;
        }
        Some(date)
    }

    fn wrong(&mut self, column: Column, code: &'static str, value: &str, message: &str, advice: &str) {
        let at = self.reading.headings.at(column);
        self.problems.push(RowProblem {
            line: self.raw.line,
            place: self.sheet.place(self.raw.line, at),
            column: at.and_then(|at| self.reading.headings.words.get(at)).cloned().unwrap_or_default(),
            code,
            value: value.to_owned(),
            message: message.to_owned(),
            advice: advice.to_owned(),
        });
    }

    fn as_a_whole(&mut self, wrong: Wrong) {
        let (code, message, advice) = match wrong {
            Wrong::Unclosed => (
                "unclosed_quote",
                "a quote opened in this row is never closed",
                "find the \" in this row that has no partner, and take it out or close it",
            ),
            Wrong::TooWide => (
                "more_cells_than_headings",
                "this row has more cells than there are headings: its columns may have shifted",
                "look for a comma within a cell and put that cell into quotes, or give the last columns a heading",
            ),
            Wrong::NoValues => (
                "formula_without_value",
                "this row holds formulas without their values",
                "open the file in a spreadsheet program and save it: then the values are in it",
            ),
            Wrong::TooLong => (
                "row_too_long",
                "this row is longer than any that somebody wrote",
                "look what is in it: perhaps a picture, or a file that is no spreadsheet",
            ),
        };
        self.problems.push(RowProblem {
            line: self.raw.line,
            place: self.sheet.place(self.raw.line, None),
            column: String::new(),
            code,
            value: String::new(),
            message: message.to_owned(),
            advice: advice.to_owned(),
        });
    }
}
