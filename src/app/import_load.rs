//! One load of a spreadsheet's rows meets the store: decided and written in one commit, with what is needed to undo it.
//! Loading the same rows again changes nothing.

use super::desk::Desk;
use crate::domain::change::{Change, Decision, ImportNote};
use crate::domain::consent::Standing;
use crate::domain::contact::{Contact, ContactDraft};
use crate::domain::ids::{Id, Ids};
use crate::domain::phone::Phone;
use crate::engine::admit::{Existing, Source, Verdict, admit};
use crate::engine::may_send::Revocation;
use crate::engine::undo::{Did, remove};
use crate::store::StoreError;
use std::collections::HashSet;

/// How often a row is decided before we give up.
const TRIES: usize = 3;

/// Which file is loaded, into which list, by whom.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The file's name, for people.
    pub file: String,
    /// Its hash.
    pub hash: String,
    /// The list.
    pub list: String,
    /// Who loads it.
    pub by: String,
}

impl Batch {
    /// For the ledger.
    fn how(&self) -> String {
        format!("file {}", self.hash)
    }
}

/// What is loaded at once.
#[derive(Default)]
pub struct Load {
    /// Rows, each number once.
    pub rows: Vec<ContactDraft>,
    /// People who are no longer in the file that replaces the list's.
    pub gone: Vec<Id>,
    /// This was the last of the file.
    pub end: bool,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The import, if anything was written.
    pub import: Option<Id>,
    /// The verdict on each row, in order.
    pub verdicts: Vec<Verdict>,
    /// People taken out of the list.
    pub removed: u64,
}

/// Loads it. A dry run takes the same way and leaves before the commit.
pub async fn load(desk: &Desk, batch: &Batch, load: &Load, dry_run: bool) -> Result<Loaded, StoreError> {
    let mut verdicts: Vec<Option<Verdict>> = vec![None; load.rows.len()];
    let mut import = desk.store.open_import(&batch.list, &batch.hash).await?;
    for _ in 0..TRIES {
        let open: Vec<usize> = (0..load.rows.len()).filter(|at| verdicts[*at].is_none()).collect();
        if open.is_empty() {
            break;
        }
        let rows: Vec<&ContactDraft> = open.iter().map(|at| &load.rows[*at]).collect();
        let found = load_once(desk, batch, &rows, dry_run, &mut import).await?;
        for (at, verdict) in open.into_iter().zip(found) {
            verdicts[at] = verdict;
        }
    }
    let verdicts: Option<Vec<Verdict>> = verdicts.into_iter().collect();
    let verdicts = verdicts.ok_or(StoreError::Busy)?;
    let removed = if dry_run { 0 } else { take_out(desk, batch, &load.gone, &mut import).await? };
    if let (Some(id), true, false) = (import, load.end, dry_run) {
        let at = desk.clock.now();
        desk.store.commit_one(Change::Import(ImportNote::Ended { id, undone: false, at }).into(), at).await?;
    }
    Ok(Loaded { import: import.filter(|_| !dry_run), verdicts, removed })
}

/// None for a row that somebody else was faster with (a text of theirs came meanwhile): to be read and decided again.
async fn load_once(
    desk: &Desk,
    batch: &Batch,
    rows: &[&ContactDraft],
    dry_run: bool,
    import: &mut Option<Id>,
) -> Result<Vec<Option<Verdict>>, StoreError> {
    let phones: Vec<Phone> = rows.iter().map(|row| row.phone.clone()).collect();
    let mut contacts = desk.store.contacts_among(&phones).await?;
    let suppressed: HashSet<Phone> = desk.store.suppressed_among(&phones).await?.into_iter().collect();
    let known: Vec<i64> = contacts.values().map(|c| c.id).collect();
    let standings = desk.store.standings_among(&batch.list, &known).await?;
    let how = batch.how();
    let source = Source { list: &batch.list, how: &how, by: &batch.by };
    if !dry_run {
        desk.stock().await?;
    }
    let now = desk.clock.now();
    let mut verdicts = Vec::with_capacity(rows.len());
    let mut written = Vec::new();
    let mut decisions = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let contact = contacts.remove(&row.phone);
        let existing = Existing {
            standing: contact.as_ref().and_then(|c| standings.get(&c.id).copied()),
            suppressed: suppressed.contains(&row.phone),
            contact,
        };
        // A dry run takes no ids from the store: its decisions are thrown away.
        let (verdict, decision) = if dry_run {
            admit(row, &existing, &source, now, &mut Ids::new(0..8))
        } else {
            desk.decide(|ids| admit(row, &existing, &source, now, ids))
        };
        verdicts.push(Some(verdict));
        if let Some(decision) = decision.filter(|_| !dry_run) {
            written.push(at);
            decisions.push((decision, existing));
        }
    }
    if decisions.is_empty() {
        return Ok(verdicts);
    }
    let id = begun(desk, batch, import).await?;
    let decisions: Vec<Decision> =
        decisions.into_iter().map(|(decision, existing)| noted(decision, &existing, id)).collect();
    for (at, held) in written.into_iter().zip(desk.store.commit(&decisions, now).await?) {
        if !held {
            verdicts[at] = None;
        }
    }
    Ok(verdicts)
}

/// The import's id, begun if it is not.
async fn begun(desk: &Desk, batch: &Batch, import: &mut Option<Id>) -> Result<Id, StoreError> {
    if let Some(id) = *import {
        return Ok(id);
    }
    desk.stock().await?;
    let (at, id) = (desk.clock.now(), desk.decide(Ids::take));
    let Batch { file, hash, list, by } = batch.clone();
    desk.store.commit_one(Change::Import(ImportNote::Begun { id, file, hash, list, by, at }).into(), at).await?;
    // Somebody else may have begun the same one in that moment.
    *import = desk.store.open_import(&batch.list, &batch.hash).await?;
    Ok(import.unwrap_or(id))
}

/// The decision, and what it takes to undo it.
fn noted(Decision(mut changes): Decision, existing: &Existing, import: Id) -> Decision {
    let before = existing.contact.as_ref();
    let mut did = Did::default();
    let mut contact = before.map_or(0, |c| c.id);
    for change in &changes {
        match change {
            Change::ContactAdded(added) => contact = added.id,
            Change::ContactChanged(after) => {
                if let Some(before) = before {
                    swaps(&mut did, before, after);
                }
            }
            Change::StandingSet { standing, .. } => did.standing = Some((existing.standing, Some(*standing))),
            _ => {}
        }
    }
    let kind = if before.is_none() { "added" } else { "changed" };
    let did = super::import_notes::written(&did);
    changes.push(Change::Import(ImportNote::Row { import, contact, kind, did }));
    Decision(changes)
}

fn swaps(did: &mut Did, before: &Contact, after: &Contact) {
    fn swap<T: Clone + PartialEq>(before: &T, after: &T) -> Option<(T, T)> {
        (before != after).then(|| (before.clone(), after.clone()))
    }
    did.name = swap(&before.name, &after.name);
    did.language = swap(&before.language, &after.language);
    did.internet = swap(&before.internet, &after.internet);
    did.tags = swap(&before.tags, &after.tags);
}

async fn take_out(desk: &Desk, batch: &Batch, gone: &[Id], import: &mut Option<Id>) -> Result<u64, StoreError> {
    if gone.is_empty() {
        return Ok(0);
    }
    let id = begun(desk, batch, import).await?;
    let how = format!("{}: not in it any more", batch.how());
    let source = Source { list: &batch.list, how: &how, by: &batch.by };
    desk.stock().await?;
    let now = desk.clock.now();
    let did = Did { standing: Some((Some(Standing::In), Some(Standing::Pending))), ..Did::default() };
    let did = super::import_notes::written(&did);
    let decisions: Vec<Decision> = gone
        .iter()
        .map(|contact| {
            desk.revoke(*contact, Revocation::Left(Some(batch.list.clone())));
            let Decision(mut changes) = desk.decide(|ids| remove(*contact, &source, now, ids));
            let note = ImportNote::Row { import: id, contact: *contact, kind: "removed", did: did.clone() };
            changes.push(Change::Import(note));
            Decision(changes)
        })
        .collect();
    let held = desk.store.commit(&decisions, now).await?;
    desk.revoked(gone, desk.clock.now());
    Ok(held.into_iter().filter(|held| *held).count() as u64)
}
