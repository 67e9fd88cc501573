//! Spreadsheets as people have them: a file in, rows of cells out, one at a time, whatever the size of the file.
//!
//! `text` reads what was saved as text, `book` what is a workbook; `headings` finds out which column is which, `row`
//! turns cells into a draft of a contact or into named problems, `refused` hands back what was wrong. Nothing here knows
//! the database.

mod book;
mod book_rows;
pub mod cells;
mod headings;
mod refused;
mod row;
mod text;

pub use headings::Headings;
pub(in crate::app) use refused::private_csv;
pub use refused::{RefusedRows, neutral};
pub use row::{Reading, RowProblem, Stated};

use book::Book;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use text::TextRows;

/// Where the bytes are.
#[derive(Debug)]
pub enum Input {
    /// A file.
    File(File),
    /// Memory: the demo's, and tests'.
    Memory(Cursor<Vec<u8>>),
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(into),
            Self::Memory(bytes) => bytes.read(into),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Memory(bytes) => bytes.seek(to),
        }
    }
}

/// Why a file can't be read as a whole.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// The disk said so.
    #[error("it can't be read: {0}")]
    Io(#[from] io::Error),
    /// What is wrong, and what to do.
    #[error("{0}")]
    Unfit(String, String),
}

impl SheetError {
    fn unfit(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unfit(what.into(), hint.into())
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Self::Io(_) => "look at the path and at who may read it",
            Self::Unfit(_, hint) => hint,
        }
    }
}

/// A row as it stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRow {
    /// As a spreadsheet program counts: the heading is row 1, a blank line is a row, a line break in a cell is none.
    pub line: u64,
    /// Its cells.
    pub cells: Vec<String>,
    /// Why they can't be trusted, if so.
    pub wrong: Option<Wrong>,
}

/// What can be wrong with a row as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A quote opened in it and was never closed.
    Unclosed,
    /// Longer than any row that somebody wrote; its cells are left out.
    TooLong,
    /// Something stands beyond the last heading.
    TooWide,
    /// Formulas whose values are not in the file.
    NoValues,
}

impl RawRow {
    fn is_blank(&self) -> bool {
        self.wrong.is_none() && self.cells.iter().all(|cell| cells::trimmed(cell).is_empty())
    }
}

/// A spreadsheet that is being read.
#[derive(Debug)]
pub struct Sheet {
    rows: Rows,
    /// Of the file's bytes; the same file has the same.
    pub hash: String,
    /// The encoding, where it was not UTF-8.
    pub encoding: Option<&'static str>,
    /// The sheet of a workbook.
    pub name: Option<String>,
    /// Rows that a filter or a person had hidden: left out.
    pub hidden: u64,
    /// Rows there may be, at most: for a bar.
    pub at_most: u64,
}

#[derive(Debug)]
enum Rows {
    Text(Box<TextRows>),
    Book(Book),
}

impl Sheet {
    /// Opens a file of any kind that we read; `sheet` names the one to take of a workbook.
    pub fn open(mut input: Input, sheet: Option<&str>) -> Result<Self, SheetError> {
        let mut first = Vec::new();
        input.seek(SeekFrom::Start(0))?;
        input.by_ref().take(16).read_to_end(&mut first)?;
        if first.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            let what = "this is a workbook of the old kind (.xls), or one with a password";
            return Err(SheetError::unfit(
                what,
                "open it and save it as .xlsx without a password, or as \"CSV UTF-8\"",
            ));
        }
        if let Some(what) = no_spreadsheet(&first) {
            let hint = "ask for the list itself, as .xlsx, .ods or \"CSV UTF-8\"";
            return Err(SheetError::unfit(format!("this is {what}, and no spreadsheet"), hint));
        }
        let survey = text::survey(&mut input)?;
        if first.starts_with(b"PK\x03\x04") {
            let book = book::read(input, sheet)?;
            let (hidden, at_most) = (book.hidden, book.len() as u64);
            let name = Some(book.name.clone());
            return Ok(Self { rows: Rows::Book(book), hash: survey.hash, encoding: None, name, hidden, at_most });
        }
        if let Some(name) = sheet {
            let hint = "leave --sheet out: a text file is one sheet";
            return Err(SheetError::unfit(format!("there is no sheet \"{name}\" in a text file"), hint));
        }
        let (encoding, hash, at_most) = (survey.unusual(), survey.hash.clone(), survey.lines);
        let rows = Rows::Text(Box::new(TextRows::new(input, &survey)?));
        Ok(Self { rows, hash, encoding, name: None, hidden: 0, at_most })
    }

    /// The first row with anything in it: the headings. None: the file is empty.
    pub fn heading(&mut self) -> Result<Option<RawRow>, SheetError> {
        match &mut self.rows {
            Rows::Text(rows) => Ok(rows.heading()?),
            Rows::Book(_) => self.next_row(),
        }
    }

    /// The next row with anything in it.
    pub fn next_row(&mut self) -> Result<Option<RawRow>, SheetError> {
        loop {
            let row = match &mut self.rows {
                Rows::Text(rows) => rows.next_row()?,
                Rows::Book(book) => book.next_row(),
            };
            match row {
                Some(row) if row.is_blank() => {}
                row => return Ok(row),
            }
        }
    }

    /// Is this column hidden? Only a workbook's can be.
    fn is_hidden_column(&self, at: usize) -> bool {
        matches!(&self.rows, Rows::Book(book) if book.hidden_columns.contains(&at))
    }

    /// How a person finds a cell: `row 17`, or as Excel writes it, `Parents!B17`.
    pub fn place(&self, line: u64, column: Option<usize>) -> String {
        match (&self.name, column) {
            (None, _) => format!("row {line}"),
            (Some(name), None) => format!("{name}!{line}"),
            (Some(name), Some(column)) => format!("{name}!{}{line}", letters(column)),
        }
    }
}

/// What else a file can be that somebody was sent.
fn no_spreadsheet(first: &[u8]) -> Option<&'static str> {
    let text = first.strip_prefix("\u{feff}".as_bytes()).unwrap_or(first).trim_ascii_start();
    let kinds: [(&[u8], &str); 5] = [
        (b"<", "a web page or another text in angle brackets"),
        (b"%PDF", "a PDF"),
        (b"{\\rtf", "a letter"),
        (b"BEGIN:VCARD", "a file of address cards"),
        (b"\x89PNG", "a picture"),
    ];
    kinds.into_iter().find(|(begins, _)| text.starts_with(begins)).map(|(_, what)| what)
}

/// `A`, `B`, … `Z`, `AA`, …
fn letters(mut column: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + u8::try_from(column % 26).unwrap_or(0)));
        if column < 26 {
            break;
        }
        column = column / 26 - 1;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_named_as_excel_names_them() {
        let named = [0, 1, 25, 26, 27, 701, 702].map(super::letters);
        assert_eq!(named, ["A", "B", "Z", "AA", "AB", "ZZ", "AAA"]);
    }
}
