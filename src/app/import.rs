//! Loads a spreadsheet: good rows are written in idempotent loads, bad ones are named and handed back, and running it
//! again changes nothing. Memory does not grow with the file, but for 16 bytes a row by which repeats are found.
//!
//! Reading happens where the command is typed. Each load is carried out by whoever may write: this program, or the running
//! service.

use super::desk::Desk;
use super::import_load::{Batch, Load, Loaded, load};
use super::import_seen::Seen;
use super::sheet::{Input, RawRow, Reading, RefusedRows, RowProblem, Sheet, SheetError, Stated};
use crate::domain::ids::Id;
use crate::domain::phone::Phone;
use crate::engine::admit::Verdict;
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Rows in one load.
const CHUNK: usize = 200;
/// Problems and repeats that are named; all bad rows are in the file that is handed back.
pub const NAMED: usize = 100;

/// What to load, and how.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// The list the file is for.
    pub list: String,
    /// Who loads it.
    pub by: String,
    /// The file's name, for people.
    pub file: String,
    /// What the command line says of consent.
    pub stated: Stated,
    /// What the command line says of headings: (heading, name of ours).
    pub map: Vec<(String, String)>,
    /// Which sheet of a workbook.
    pub sheet: Option<String>,
    /// Where the refused rows go; none: nowhere.
    pub refused: Option<PathBuf>,
    /// The file is all there is: whoever is in the list by a file, and not in this one, leaves it.
    pub replace: Replace,
}

/// See [`Order::replace`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replace {
    /// Nothing of the kind.
    #[default]
    No,
    /// Unless that is too many, or rows were refused.
    Yes,
    /// Whoever and however many they are.
    Anyway,
}

/// Why a file was not loaded, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The running service.
    #[error("{0}")]
    Service(String),
    /// The refused rows can't be handed back.
    #[error("the refused rows can't be written to {}: {error}", path.display())]
    Refused {
        /// Where to.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
}

/// What became of a file's rows.
#[derive(Debug, Default)]
pub struct Report {
    /// Good rows by verdict.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Rows whose number stands in an earlier row too.
    pub duplicates: u64,
    /// The same, with another name: two people on one phone.
    pub other_names: u64,
    /// The first of both: (place, earlier row, another name).
    pub repeats: Vec<(String, u64, bool)>,
    /// Rows that could not be read.
    pub refused: u64,
    /// What is wrong with the first of them.
    pub problems: Vec<RowProblem>,
    /// Where all of them are, to be mended.
    pub refused_at: Option<PathBuf>,
    /// Why they are nowhere.
    pub refused_failed: Option<String>,
    /// Rows with anything in them, heading and hidden ones excepted.
    pub rows: u64,
    /// Rows that were hidden in the workbook.
    pub hidden: u64,
    /// The sheet of the workbook.
    pub sheet: Option<String>,
    /// The encoding, where it was not UTF-8.
    pub encoding: Option<&'static str>,
    /// Columns that mean nothing to us, with what they perhaps mean.
    pub ignored: Vec<(String, Option<&'static str>)>,
    /// Under which id it can be undone; none: nothing was written.
    pub import: Option<Id>,
    /// Who is in the list by a file and not in this one, where it was to replace it.
    pub leavers: Option<Leavers>,
}

/// See [`Report::leavers`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leavers {
    /// How many.
    pub found: u64,
    /// Of how many who are in the list by a file.
    pub of: u64,
    /// The first of them.
    pub named: Vec<Phone>,
    /// How many were taken out of it.
    pub removed: u64,
    /// Why nobody was, if so.
    pub kept: Option<&'static str>,
}

impl Report {
    /// Rows with this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }
}

/// Loads what is in memory, here: for the demo and for tests.
pub async fn import_here(desk: &Desk, bytes: &[u8], order: &Order) -> Result<Report, ImportError> {
    let input = Input::Memory(std::io::Cursor::new(bytes.to_vec()));
    import(desk, input, order, async |batch, part| Ok(load(desk, batch, part, false).await?), |_, _| {}).await
}

/// Loads a file. `carry` has a load carried out; `progress` is told how many rows are done, of at most how many.
pub async fn import(
    desk: &Desk,
    input: Input,
    order: &Order,
    mut carry: impl AsyncFnMut(&Batch, &Load) -> Result<Loaded, ImportError>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, ImportError> {
    let refused_failed = |path: &PathBuf, error| ImportError::Refused { path: path.clone(), error };
    let refused = order.refused.as_ref();
    let refused = refused.map(|path| RefusedRows::at(path.clone()).map_err(|error| refused_failed(path, error)));
    let mut sheet = Sheet::open(input, order.sheet.as_deref())?;
    let reading = Reading::begin(&mut sheet, &order.map, &desk.settings.phone_rules, &order.stated, desk.today())?;
    let batch =
        Batch { file: order.file.clone(), hash: sheet.hash.clone(), list: order.list.clone(), by: order.by.clone() };
    let mut course =
        Course { reading, refused: refused.transpose()?, seen: Seen::new(sheet.at_most), report: Report::default() };
    let mut part = Load::default();
    loop {
        let raw = sheet.next_row()?;
        if let Some(raw) = &raw {
            course.take(&sheet, raw, &mut part);
        }
        let last = raw.is_none();
        if part.rows.len() == CHUNK || last && !part.rows.is_empty() {
            course.report.note(&carry(&batch, &part).await?);
            part.rows.clear();
            progress(course.report.rows, sheet.at_most);
        }
        if last {
            break;
        }
    }
    if order.replace != Replace::No {
        course.report.leavers = Some(leave(desk, &batch, order.replace, &course, &mut carry).await?);
    }
    let end = Load { end: true, ..Load::default() };
    course.report.note(&carry(&batch, &end).await?);
    let Course { reading, refused, mut report, .. } = course;
    match refused.map(RefusedRows::finish).transpose() {
        Ok(path) => report.refused_at = path.flatten(),
        Err(error) => report.refused_failed = Some(error.to_string()),
    }
    (report.hidden, report.sheet, report.encoding) = (sheet.hidden, sheet.name.clone(), sheet.encoding);
    report.ignored = reading.headings.ignored;
    Ok(report)
}

impl Report {
    fn note(&mut self, loaded: &Loaded) {
        for verdict in &loaded.verdicts {
            *self.verdicts.entry(*verdict).or_default() += 1;
        }
        self.import = self.import.or(loaded.import);
    }
}

/// A file on its way.
struct Course<'a> {
    reading: Reading<'a>,
    refused: Option<RefusedRows>,
    seen: Seen,
    report: Report,
}

impl Course<'_> {
    fn take(&mut self, sheet: &Sheet, raw: &RawRow, part: &mut Load) {
        let report = &mut self.report;
        report.rows += 1;
        match self.reading.row(sheet, raw) {
            Ok(row) => match self.seen.before(&row) {
                None => part.rows.push(row),
                Some((first, other_name)) => {
                    *(if other_name { &mut report.other_names } else { &mut report.duplicates }) += 1;
                    if report.repeats.len() < NAMED {
                        report.repeats.push((sheet.place(raw.line, None), first, other_name));
                    }
                }
            },
            Err(problems) => {
                report.refused += 1;
                if let Some(refused) = &mut self.refused {
                    refused.add(&self.reading.headings.words, &raw.cells, &problems);
                }
                let room = NAMED.saturating_sub(report.problems.len());
                report.problems.extend(problems.into_iter().take(room));
            }
        }
    }
}

/// More than these are not taken out of a list without somebody's word that they mean it.
const MOST_LEAVERS: u64 = 50;

/// Who is in the list by a file and not in this one; taken out of it, if they are to be.
async fn leave(
    desk: &Desk,
    batch: &Batch,
    replace: Replace,
    course: &Course<'_>,
    carry: &mut impl AsyncFnMut(&Batch, &Load) -> Result<Loaded, ImportError>,
) -> Result<Leavers, ImportError> {
    let mut leavers = Leavers::default();
    let mut gone = Vec::new();
    let mut after = 0;
    loop {
        let page = desk.store.in_by_file(&batch.list, after, 500).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        leavers.of += page.len() as u64;
        for (id, phone) in page.into_iter().filter(|(_, phone)| !course.seen.holds(phone)) {
            gone.push(id);
            if leavers.named.len() < NAMED {
                leavers.named.push(phone);
            }
        }
    }
    leavers.found = gone.len() as u64;
    leavers.kept = match replace {
        Replace::Anyway => None,
        _ if course.report.refused > 0 => Some("rows were refused, and those people may be among them"),
        _ if leavers.found > MOST_LEAVERS => Some("that is more than fifty"),
        _ if leavers.found * 5 > leavers.of => Some("that is more than a fifth of the list"),
        _ => None,
    };
    if leavers.kept.is_none() {
        for some in gone.chunks(CHUNK) {
            let part = Load { gone: some.to_vec(), ..Load::default() };
            leavers.removed += carry(batch, &part).await?.removed;
        }
    }
    Ok(leavers)
}
