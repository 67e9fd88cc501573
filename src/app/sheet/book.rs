//! Rows of a workbook (.xlsx, .ods): cells as the spreadsheet program keeps them, turned into the words it shows.
//!
//! A workbook can't be read row by row from the disk, so it is bounded instead: what it holds is measured before it is
//! opened, and kept as one text afterwards. Hidden rows are left out: whoever filters a list means the rest.

use super::book_rows::{Plan, fits, ods_plan, xlsx_plan};
use super::{Input, RawRow, SheetError, Wrong};
use calamine::{Data, DataRef, ExcelDateTime, Ods, Reader, SheetType, SheetVisible, Xlsx};
use std::collections::BTreeSet;
use std::io::{BufReader, Seek, SeekFrom};

/// Rows of a workbook, at most; a text file may have as many as it likes.
pub(super) const MOST_ROWS: usize = 100_000;
/// Between cells in the text that is kept; nobody types it.
const UNIT: char = '\u{1f}';

/// The rows of one sheet.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) name: String,
    pub(super) hidden: u64,
    pub(super) hidden_columns: BTreeSet<usize>,
    text: String,
    /// Row number, and where its cells end in `text`.
    rows: Vec<(u32, usize)>,
    next: usize,
    /// Rows that hold nothing but formulas without their values.
    without_values: BTreeSet<u32>,
    /// As many columns as the headings have: what stands beyond has no meaning.
    width: usize,
}

pub(super) fn too_large() -> SheetError {
    SheetError::unfit(
        format!("this workbook is too large: it may have {MOST_ROWS} rows at most"),
        "save it as \"CSV UTF-8\" and import that file: it may be as long as you like",
    )
}

pub(super) fn broken(what: impl std::fmt::Display) -> SheetError {
    let hint =
        "is it damaged, downloaded in part, or protected by a password? open it, save it again, or as \"CSV UTF-8\"";
    SheetError::unfit(format!("this workbook can't be read: {what}"), hint)
}

/// Reads the sheet called `wanted`, or the only one that is visible and not empty.
pub(super) fn read(mut input: Input, wanted: Option<&str>) -> Result<Book, SheetError> {
    let kind = fits(&mut input)?;
    input.seek(SeekFrom::Start(0))?;
    if kind.is_ods { read_ods(input, wanted) } else { read_xlsx(input, wanted) }
}

fn read_xlsx(mut input: Input, wanted: Option<&str>) -> Result<Book, SheetError> {
    let mut book = Xlsx::new(BufReader::new(&mut input)).map_err(broken)?;
    let sheets = book.sheets_metadata().to_vec();
    let mut holding = Vec::new();
    for sheet in sheets.iter().filter(|s| s.typ == SheetType::WorkSheet) {
        let mut cells = book.worksheet_cells_reader(&sheet.name).map_err(broken)?;
        while let Some(cell) = cells.next_cell().map_err(broken)? {
            if *cell.get_value() != DataRef::Empty {
                holding.push((sheet.name.clone(), sheet.visible == SheetVisible::Visible));
                break;
            }
        }
    }
    let name = choose(&holding, wanted)?;
    drop(book);
    let plan = xlsx_plan(&mut input, &name)?;
    input.seek(SeekFrom::Start(0))?;
    let mut book = Xlsx::new(BufReader::new(&mut input)).map_err(broken)?;
    let mut kept = Book::new(name.clone(), &plan);
    let mut cells = book.worksheet_cells_reader(&name).map_err(broken)?;
    let (mut row, mut words): (u32, Vec<String>) = (0, Vec::new());
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let (at, column) = cell.get_position();
        if at != row {
            kept.push(row, &mut words, &plan)?;
            kept.left_out(row + 1..at, &plan)?;
            row = at;
        }
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column < kept.width {
            words.resize(words.len().max(column + 1), String::new());
            words[column] = said(&Data::from(cell.get_value().clone()));
        }
    }
    kept.push(row, &mut words, &plan)?;
    kept.left_out(row + 1..u32::MAX, &plan)?;
    Ok(kept)
}

fn read_ods(mut input: Input, wanted: Option<&str>) -> Result<Book, SheetError> {
    let plans = ods_plan(&mut input)?;
    input.seek(SeekFrom::Start(0))?;
    let mut book = Ods::new(BufReader::new(input)).map_err(broken)?;
    let sheets = book.sheets_metadata().to_vec();
    let is_visible = |name: &str| sheets.iter().any(|s| s.name == name && s.visible == SheetVisible::Visible);
    let holding: Vec<(String, bool)> =
        plans.iter().filter(|(_, plan)| plan.rows > 0).map(|(name, _)| (name.clone(), is_visible(name))).collect();
    let name = choose(&holding, wanted)?;
    let plan = plans.into_iter().find(|(sheet, _)| *sheet == name).map(|(_, plan)| plan).unwrap_or_default();
    let range = book.worksheet_range(&name).map_err(broken)?;
    drop(book);
    let mut kept = Book::new(name, &plan);
    let (first, left) = range.start().unwrap_or_default();
    let behind = range.end().map_or(0, |(row, _)| row + 1);
    for (row, cells) in (first..).zip(range.rows()) {
        let left = (0..left).map(|_| String::new());
        let mut words: Vec<String> = left.chain(cells.iter().map(said)).take(kept.width).collect();
        kept.push(row, &mut words, &plan)?;
    }
    kept.left_out(behind..u32::MAX, &plan)?;
    Ok(kept)
}

/// The named sheet, or the only one with anything to see.
fn choose(holding: &[(String, bool)], wanted: Option<&str>) -> Result<String, SheetError> {
    let visible: Vec<&str> = holding.iter().filter(|(_, seen)| *seen).map(|(name, _)| name.as_str()).collect();
    let named = || visible.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    match (wanted, visible.as_slice()) {
        (Some(wanted), _) => {
            let found = holding.iter().find(|(name, _)| name.to_lowercase() == wanted.to_lowercase());
            found.map(|(name, _)| name.clone()).ok_or_else(|| {
                SheetError::unfit(
                    format!("there is no sheet \"{wanted}\" with anything in it"),
                    format!("say --sheet with one of {}", named()),
                )
            })
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(SheetError::unfit("the file is empty", "look whether the rows are on a hidden sheet")),
        (None, _) => Err(SheetError::unfit(
            format!("this workbook has several sheets: {}", named()),
            "say which one: --sheet NAME",
        )),
    }
}

/// What the spreadsheet program shows, but for numbers: all their digits, whatever the width of the column.
fn said(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::Float(number) => number.to_string(),
        Data::Int(number) => number.to_string(),
        Data::Bool(yes) => if *yes { "TRUE" } else { "FALSE" }.to_owned(),
        Data::DateTime(date) => said_date(date),
        Data::DateTimeIso(text) | Data::DurationIso(text) => {
            text.strip_suffix("T00:00:00").unwrap_or(text).to_owned() // a day
        }
        Data::Error(error) => error.to_string(),
    }
}

/// A number that looks like a date because somebody formatted its column so, is a number all the same.
fn said_date(date: &ExcelDateTime) -> String {
    const LAST_DAY: f64 = 2_958_466.0; // of the year 9999
    let number = date.as_f64();
    if !date.is_datetime() || !(0.0..LAST_DAY).contains(&number) {
        return number.to_string();
    }
    let (year, month, day, hour, minute, ..) = date.to_ymd_hms_milli();
    let time = if (hour, minute) == (0, 0) { String::new() } else { format!(" {hour:02}:{minute:02}") };
    format!("{year:04}-{month:02}-{day:02}{time}")
}

impl Book {
    fn new(name: String, plan: &Plan) -> Self {
        Self {
            name,
            hidden: 0,
            hidden_columns: plan.hidden_columns.clone(),
            text: String::new(),
            rows: Vec::new(),
            next: 0,
            without_values: BTreeSet::new(),
            width: usize::MAX,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Rows of nothing but formulas without values, which the reader of cells does not show: they are somebody.
    fn left_out(&mut self, rows: std::ops::Range<u32>, plan: &Plan) -> Result<(), SheetError> {
        if rows.is_empty() {
            return Ok(());
        }
        plan.without_values.range(rows).try_for_each(|row| self.push(*row, &mut Vec::new(), plan))
    }

    /// Keeps a row; the first one with anything in it says how wide the sheet is.
    fn push(&mut self, row: u32, words: &mut Vec<String>, plan: &Plan) -> Result<(), SheetError> {
        let is_blank = words.iter().all(|word| word.trim().is_empty());
        let only_formulas = is_blank && !self.rows.is_empty() && plan.without_values.contains(&row);
        if is_blank && !only_formulas {
            words.clear();
            return Ok(());
        }
        if plan.is_hidden(row) {
            self.hidden += 1;
            words.clear();
            return Ok(());
        }
        if self.rows.len() > MOST_ROWS {
            return Err(too_large());
        }
        if self.rows.is_empty() {
            self.width = words.len();
        }
        if only_formulas {
            self.without_values.insert(row);
        }
        for word in words.drain(..) {
            self.text.push_str(&word.replace([UNIT, '\0'], " "));
            self.text.push(UNIT);
        }
        self.rows.push((row, self.text.len()));
        Ok(())
    }

    pub(super) fn next_row(&mut self) -> Option<RawRow> {
        let (row, end) = *self.rows.get(self.next)?;
        let start = self.next.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, |(_, end)| *end);
        self.next += 1;
        let cells = self.text[start..end].split_terminator(UNIT).map(str::to_owned).collect();
        let wrong = self.without_values.contains(&row).then_some(Wrong::NoValues);
        Some(RawRow { line: u64::from(row) + 1, cells, wrong })
    }
}
