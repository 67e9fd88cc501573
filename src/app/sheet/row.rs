//! One row of a spreadsheet: cells in, the draft of a contact or named problems out.

use super::cells::{cell_of, language, read_date, tags, trimmed};
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
        let words: Vec<String> = first.cells.iter().map(|cell| trimmed(cell).to_owned()).collect();
        let is_number = words.iter().any(|word| Phone::parse(word, rules).is_ok());
        let headings = Headings::read(words, map)?;
        if headings.at(Column::Phone).is_some() {
            return Ok(Self { headings, rules, stated, today });
        }
        let near = headings.ignored.iter().find(|(_, meant)| *meant == Some("phone"));
        let hint = match near {
            Some((heading, _)) => format!("is it \"{heading}\"? then say --map \"{heading}=phone\""),
            None if is_number => "the first row must hold headings: put phone, name, … above the rows".to_owned(),
            None => format!(
                "call one heading \"phone\", or say which it is: --map \"HEADING=phone\"; there are: {}",
                headings.words.join(", ")
            ),
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
        let word = refused::bare(trimmed(cell));
        if word.chars().count() > LONGEST {
            let message = format!("this cell has more than {LONGEST} characters");
            self.wrong(column, "too_long", "", &message, "shorten it, or look whether the columns have shifted");
            return String::new();
        }
        word.to_owned()
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
        let or = |cell: String, stated: &Option<String>| {
            Some(cell).filter(|c| !matches!(c.as_str(), "" | "-")).or_else(|| stated.clone())
        };
        let source = or(self.word(Column::Source), &stated.source);
        let wording = or(self.word(Column::Wording), &stated.wording);
        let said = self.word(Column::Date);
        let date = if matches!(said.as_str(), "" | "-") { stated.date } else { self.date(&said) };
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
