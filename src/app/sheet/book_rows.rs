//! What has to be known of a workbook before it is opened, and what the reader of its cells does not say: how much it
//! unpacks to, and which rows are hidden.

use super::book::{MOST_ROWS, broken, too_large};
use super::{Input, SheetError};
use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{BufReader, Read, Seek, SeekFrom};
use zip::ZipArchive;

/// What a workbook may unpack to. A hundred thousand rows of ten columns are about 60 MB.
const MOST_BYTES: u64 = 256 << 20;
/// Its table of shared texts is held in memory.
const MOST_SHARED: u64 = 48 << 20;
/// All cells of an .ods sheet are held in memory, filled or not.
const MOST_CELLS: u64 = 2_500_000;

/// What kind of workbook it is.
pub(super) struct Kind {
    pub(super) is_ods: bool,
}

/// Which rows and columns of a sheet are hidden, counted from 0, and how many rows there are.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Ranges, half-open, in order.
    hidden: Vec<(u32, u32)>,
    /// Columns that are hidden.
    pub(super) hidden_columns: BTreeSet<usize>,
    /// Rows in which a formula has no value.
    pub(super) without_values: BTreeSet<u32>,
    /// Rows up to the last one with anything in it.
    pub(super) rows: u32,
}

/// No sheet has more columns.
const MOST_COLUMNS: u64 = 16_384;

impl Plan {
    fn hide_columns(&mut self, from: u64, to: u64) {
        self.hidden_columns.extend((from..to.min(MOST_COLUMNS)).filter_map(|at| usize::try_from(at).ok()));
    }

    fn hide(&mut self, from: u32, to: u32) {
        match self.hidden.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => self.hidden.push((from, to)),
        }
    }

    pub(super) fn is_hidden(&self, row: u32) -> bool {
        let after = self.hidden.partition_point(|(from, _)| *from <= row);
        after > 0 && self.hidden.get(after - 1).is_some_and(|(_, to)| row < *to)
    }
}

fn archive(input: &mut Input) -> Result<ZipArchive<BufReader<&mut Input>>, SheetError> {
    input.seek(SeekFrom::Start(0))?;
    ZipArchive::new(BufReader::new(input)).map_err(broken)
}

/// Unpacks it once into nothing: what the directory of the archive claims need not be true.
pub(super) fn fits(input: &mut Input) -> Result<Kind, SheetError> {
    let mut zip = archive(input)?;
    let names: BTreeSet<String> = zip.file_names().flatten().map(Cow::into_owned).collect();
    let is_ods = names.contains("content.xml");
    if !is_ods && !names.contains("xl/workbook.xml") {
        let hint = "save it as .xlsx, .ods or \"CSV UTF-8\"";
        return Err(SheetError::unfit("this is an archive, and no workbook that we read", hint));
    }
    let mut total = 0;
    for at in 0..zip.len() {
        let file = zip.by_index(at).map_err(broken)?;
        let name = file.name().map_err(broken)?.into_owned();
        let shared = name.ends_with("sharedStrings.xml");
        if !std::path::Path::new(&name).extension().is_some_and(|e| e.eq_ignore_ascii_case("xml")) {
            continue; // pictures and the like: nobody unpacks them
        }
        let most = if shared { MOST_SHARED } else { MOST_BYTES };
        let claimed = file.size();
        if claimed > most || total + claimed > MOST_BYTES {
            return Err(too_large());
        }
        let real = std::io::copy(&mut file.take(most + 1), &mut std::io::sink()).map_err(broken)?;
        total += real;
        if real > most || total > MOST_BYTES {
            return Err(too_large());
        }
    }
    Ok(Kind { is_ods })
}

/// An attribute, whatever the prefix of its name.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = element.attributes().flatten().find(|a| a.key.local_name().as_ref() == name);
    found.and_then(|a| value(&a))
}

fn value(attribute: &Attribute<'_>) -> Option<String> {
    attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(Cow::into_owned)
}

/// Shows each event of one part of the workbook; an empty element has a beginning and an end.
fn walk(
    input: &mut Input,
    part: &str,
    mut see: impl FnMut(&Event<'_>) -> Result<(), SheetError>,
) -> Result<(), SheetError> {
    let mut zip = archive(input)?;
    let mut reader = Reader::from_reader(BufReader::new(zip.by_name(part).map_err(broken)?));
    reader.config_mut().expand_empty_elements = true;
    let mut buffer = Vec::new();
    loop {
        match reader.read_event_into(&mut buffer).map_err(broken)? {
            Event::Eof => return Ok(()),
            event => see(&event)?,
        }
        buffer.clear();
    }
}

/// The rows of one sheet of an .xlsx file.
pub(super) fn xlsx_plan(input: &mut Input, sheet: &str) -> Result<Plan, SheetError> {
    let mut relation = None;
    walk(input, "xl/workbook.xml", |event| {
        if let Event::Start(e) = event
            && e.local_name().as_ref() == "sheet"
            && attribute(e, "name").as_deref() == Some(sheet)
        {
            relation = e.attributes().flatten().find(|a| a.key.as_ref().ends_with(":id")).and_then(|a| value(&a));
        }
        Ok(())
    })?;
    let mut path = None;
    walk(input, "xl/_rels/workbook.xml.rels", |event| {
        if let Event::Start(e) = event
            && relation.is_some()
            && attribute(e, "Id") == relation
        {
            path = attribute(e, "Target");
        }
        Ok(())
    })?;
    let path = path.ok_or_else(|| broken("it does not say where that sheet is"))?;
    let path = path.strip_prefix('/').map_or_else(|| format!("xl/{path}"), str::to_owned);
    let mut plan = Plan::default();
    let (mut row, mut formula, mut in_value, mut value) = (0u32, false, false, false);
    let is_hidden = |e: &BytesStart<'_>| matches!(attribute(e, "hidden").as_deref(), Some("1" | "true"));
    walk(input, &path, |event| {
        match event {
            Event::Start(e) => match e.local_name().as_ref() {
                "row" => {
                    row = attribute(e, "r").and_then(|r| r.parse().ok()).unwrap_or(row.saturating_add(1));
                    if is_hidden(e) {
                        plan.hide(row.saturating_sub(1), row);
                    }
                }
                "col" if is_hidden(e) => {
                    let number = |name| attribute(e, name).and_then(|n| n.parse::<u64>().ok());
                    if let (Some(from @ 1..), Some(to)) = (number("min"), number("max")) {
                        plan.hide_columns(from - 1, to);
                    }
                }
                "c" => (formula, value) = (false, false),
                "f" => formula = true,
                "v" | "t" => in_value = true,
                _ => {}
            },
            Event::Text(_) => value |= in_value,
            Event::End(e) => match e.local_name().as_ref() {
                "v" | "t" => in_value = false,
                "c" if formula && !value => {
                    plan.without_values.insert(row.saturating_sub(1));
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    })?;
    Ok(plan)
}

/// The rows of all sheets of an .ods file. A row that is said to be there a million times is counted, not unfolded.
pub(super) fn ods_plan(input: &mut Input) -> Result<Vec<(String, Plan)>, SheetError> {
    let mut plans: Vec<(String, Plan)> = Vec::new();
    let mut row = 0u32;
    let mut open = OdsRow::default();
    let (mut widest, mut column) = (0u64, 0u64);
    walk(input, "content.xml", |event| {
        match event {
            Event::Start(e) => match e.local_name().as_ref() {
                "table" => {
                    plans.push((attribute(e, "name").unwrap_or_default(), Plan::default()));
                    (row, widest, column) = (0, 0, 0);
                }
                "table-column" => {
                    let repeated = attribute(e, "number-columns-repeated").and_then(|n| n.parse().ok()).unwrap_or(1);
                    let to = column.saturating_add(repeated);
                    if let Some((_, plan)) = plans.last_mut().filter(|_| is_hidden(e)) {
                        plan.hide_columns(column, to);
                    }
                    column = to;
                }
                "table-row" => open = OdsRow::begin(e),
                "table-cell" | "covered-table-cell" => open.cell(e),
                _ => {}
            },
            Event::Text(_) => open.filled = open.filled.max(open.column),
            Event::End(e) if e.local_name().as_ref() == "table-row" => {
                let Some((_, plan)) = plans.last_mut() else { return Ok(()) };
                let end = row.saturating_add(open.repeated);
                if open.filled > 0 {
                    plan.rows = end;
                    widest = widest.max(open.filled);
                    if end as usize > MOST_ROWS + 1 || u64::from(end) * widest > MOST_CELLS {
                        return Err(too_large());
                    }
                }
                if open.hidden {
                    plan.hide(row, end);
                }
                if open.without_value {
                    plan.without_values.insert(row);
                }
                row = end;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(plans)
}

fn is_hidden(element: &BytesStart<'_>) -> bool {
    matches!(attribute(element, "visibility").as_deref(), Some("collapse" | "filter"))
}

#[derive(Default)]
struct OdsRow {
    repeated: u32,
    hidden: bool,
    /// Columns so far, and up to the last with anything in it.
    column: u64,
    filled: u64,
    /// A formula in it has none.
    without_value: bool,
}

impl OdsRow {
    fn begin(row: &BytesStart<'_>) -> Self {
        let repeated = attribute(row, "number-rows-repeated").and_then(|n| n.parse().ok()).unwrap_or(1);
        Self { repeated, hidden: is_hidden(row), column: 0, filled: 0, without_value: false }
    }

    fn cell(&mut self, cell: &BytesStart<'_>) {
        let repeated: u64 = attribute(cell, "number-columns-repeated").and_then(|n| n.parse().ok()).unwrap_or(1);
        self.column = self.column.saturating_add(repeated);
        if attribute(cell, "value").is_some() || attribute(cell, "value-type").is_some() {
            self.filled = self.column;
        } else if attribute(cell, "formula").is_some() {
            (self.filled, self.without_value) = (self.column, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_rows_are_found_by_range() {
        let mut plan = Plan::default();
        plan.hide(3, 4);
        plan.hide(4, 6);
        plan.hide(10, 11);
        let hidden: Vec<u32> = (0..14).filter(|row| plan.is_hidden(*row)).collect();
        assert_eq!((hidden, plan.hidden.len()), (vec![3, 4, 5, 10], 2));
    }
}
