//! Loads a spreadsheet: good rows are written in idempotent chunks, bad ones are reported, and running it again
//! changes nothing. A dry run takes the same way and leaves before the commit.

use super::desk::Desk;
use super::spreadsheet::{Sheet, Stated, read};
use crate::domain::contact::{ContactDraft, RowProblem};
use crate::domain::ids::Ids;
use crate::domain::phone::Phone;
use crate::engine::admit::{Existing, Source, Verdict, admit};
use crate::store::StoreError;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Rows in one commit.
const CHUNK: usize = 200;
/// How often a row is decided before we give up.
const TRIES: usize = 3;

/// What to load, and how.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The list the file is for.
    pub list: &'a str,
    /// Who loads it.
    pub by: &'a str,
    /// What the command line says of consent.
    pub stated: Stated,
    /// Change not a byte.
    pub dry_run: bool,
}

/// What became of a file's rows.
#[derive(Debug, Default)]
pub struct Report {
    /// Good rows by verdict.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Rows whose number stands in an earlier row too: (row, earlier row).
    pub duplicates: Vec<(u64, u64)>,
    /// Bad rows, each named.
    pub problems: Vec<RowProblem>,
    /// Rows with anything in them.
    pub rows: u64,
    /// The encoding, where it was not UTF-8.
    pub encoding: Option<&'static str>,
}

impl Report {
    /// Rows with this verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    /// Bad rows (a row with two bad cells counts once).
    pub fn refused(&self) -> u64 {
        let mut lines: Vec<u64> = self.problems.iter().map(|p| p.line).collect();
        lines.dedup();
        lines.len() as u64
    }
}

/// Loads a file. `progress` is told how many rows are done.
pub async fn import(
    desk: &Desk,
    bytes: &[u8],
    order: &Order<'_>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, StoreError> {
    let Sheet { rows, problems, row_count, encoding } =
        read(bytes, &desk.settings.phone_rules, &order.stated, desk.today());
    let mut report = Report { problems, rows: row_count, encoding, ..Report::default() };
    let hash: String = Sha256::digest(bytes).iter().take(6).map(|b| format!("{b:02x}")).collect();
    let how = format!("file {hash}");
    let source = Source { list: order.list, how: &how, by: order.by };
    let rows = without_duplicates(rows, &mut report);
    let total = rows.len() as u64;
    for (at, chunk) in rows.chunks(CHUNK).enumerate() {
        load(desk, chunk, &source, order.dry_run, &mut report).await?;
        progress(((at * CHUNK + chunk.len()) as u64).min(total), total);
    }
    Ok(report)
}

/// One number is one contact: the first row counts, later ones are named.
fn without_duplicates(rows: Vec<ContactDraft>, report: &mut Report) -> Vec<ContactDraft> {
    let mut seen: HashMap<Phone, u64> = HashMap::new();
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(first) = seen.get(&row.phone) {
            report.duplicates.push((row.line, *first));
        } else {
            seen.insert(row.phone.clone(), row.line);
            kept.push(row);
        }
    }
    kept
}

async fn load(
    desk: &Desk,
    chunk: &[ContactDraft],
    source: &Source<'_>,
    dry_run: bool,
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut rows: Vec<&ContactDraft> = chunk.iter().collect();
    for _ in 0..TRIES {
        rows = load_once(desk, rows, source, dry_run, report).await?;
        if rows.is_empty() {
            return Ok(());
        }
    }
    Err(StoreError::Busy)
}

/// Returns the rows that somebody else was faster with (a text of theirs came meanwhile): to be read and decided again.
async fn load_once<'r>(
    desk: &Desk,
    rows: Vec<&'r ContactDraft>,
    source: &Source<'_>,
    dry_run: bool,
    report: &mut Report,
) -> Result<Vec<&'r ContactDraft>, StoreError> {
    let phones: Vec<Phone> = rows.iter().map(|row| row.phone.clone()).collect();
    let mut contacts = desk.store.contacts_among(&phones).await?;
    let suppressed: HashSet<Phone> = desk.store.suppressed_among(&phones).await?.into_iter().collect();
    let known: Vec<i64> = contacts.values().map(|c| c.id).collect();
    let standings = desk.store.standings_among(source.list, &known).await?;
    if !dry_run {
        desk.stock().await?;
    }
    let now = desk.clock.now();
    let decided = rows.into_iter().map(|row| {
        let contact = contacts.remove(&row.phone);
        let existing = Existing {
            standing: contact.as_ref().and_then(|c| standings.get(&c.id).copied()),
            suppressed: suppressed.contains(&row.phone),
            contact,
        };
        let (verdict, decision) = if dry_run {
            // No ids are taken from the store: the decision is thrown away.
            admit(row, &existing, source, now, &mut Ids::new(0..8))
        } else {
            desk.decide(|ids| admit(row, &existing, source, now, ids))
        };
        (row, verdict, decision)
    });
    let (mut written, mut decisions) = (Vec::new(), Vec::new());
    for (row, verdict, decision) in decided {
        match decision {
            Some(decision) if !dry_run => {
                written.push((row, verdict));
                decisions.push(decision);
            }
            _ => *report.verdicts.entry(verdict).or_default() += 1,
        }
    }
    let mut again = Vec::new();
    for ((row, verdict), held) in written.into_iter().zip(desk.store.commit(&decisions, now).await?) {
        if held {
            *report.verdicts.entry(verdict).or_default() += 1;
        } else {
            again.push(row);
        }
    }
    Ok(again)
}
