//! Loads a spreadsheet: good rows are written in idempotent chunks, bad ones are reported, and running it again
//! changes nothing. A dry run takes the same way and leaves before the commit.

use super::desk::Desk;
use super::spreadsheet::{Sheet, Stated, read};
use crate::domain::contact::{ContactDraft, RowProblem};
use crate::domain::phone::Phone;
use crate::engine::admit::{Existing, Source, Verdict, admit};
use crate::store::StoreError;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// Rows in one commit.
const CHUNK: usize = 200;

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
    let Sheet { rows, problems, row_count, encoding } = read(bytes, &desk.settings.phone_rules, &order.stated);
    let mut report = Report { problems, rows: row_count, encoding, ..Report::default() };
    let hash: String = Sha256::digest(bytes).iter().take(6).map(|b| format!("{b:02x}")).collect();
    let source = Source { list: order.list, file_hash: &hash, by: order.by };
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
        match seen.get(&row.phone) {
            Some(first) => report.duplicates.push((row.line, *first)),
            None => {
                seen.insert(row.phone.clone(), row.line);
                kept.push(row);
            }
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
    let phones: Vec<Phone> = chunk.iter().map(|row| row.phone.clone()).collect();
    let mut contacts = desk.store.contacts_among(&phones).await?;
    let suppressed = desk.store.suppressed_among(&phones).await?;
    let ids: Vec<i64> = contacts.values().map(|c| c.id).collect();
    let standings = desk.store.standings_among(source.list, &ids).await?;
    if !dry_run {
        desk.stock().await?;
    }
    let now = desk.clock.now();
    let mut decisions = Vec::new();
    for row in chunk {
        let contact = contacts.remove(&row.phone);
        let existing = Existing {
            standing: contact.as_ref().and_then(|c| standings.get(&c.id).copied()),
            suppressed: suppressed.contains(&row.phone),
            contact,
        };
        let (verdict, decision) = if dry_run {
            // No ids are taken from the store: the decision is thrown away.
            admit(row, &existing, source, now, &mut crate::domain::ids::Ids::new(0..8))
        } else {
            desk.decide(|ids| admit(row, &existing, source, now, ids))
        };
        *report.verdicts.entry(verdict).or_default() += 1;
        decisions.extend(decision);
    }
    if !dry_run {
        desk.store.commit(&decisions, now).await?;
    }
    Ok(())
}
