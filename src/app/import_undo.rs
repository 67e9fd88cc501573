//! Takes an import back: page by page, so that an undo that was killed can be run again.

use super::desk::Desk;
use super::import_notes;
use crate::domain::change::{Change, Decision, ImportNote};
use crate::domain::consent::Standing;
use crate::domain::ids::Id;
use crate::engine::admit::Source;
use crate::engine::may_send::Revocation;
use crate::engine::undo::undo;
use crate::store::{ImportRow, StoreError};

/// Contacts in one commit.
const PAGE: i64 = 200;
/// How often a contact is decided before it is left as it is.
const TRIES: usize = 3;

/// What an undo did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Undone {
    /// Contacts that the import had touched.
    pub touched: u64,
    /// Of those, put back.
    pub back: u64,
}

/// Takes it back, and says so in its row.
pub async fn undo_import(desk: &Desk, import: &ImportRow, by: &str) -> Result<Undone, StoreError> {
    let acted = desk.store.joined_since(&import.list, import.at).await?;
    let how = format!("import {} undone", import.id);
    let source = Source { list: &import.list, how: &how, by };
    let mut undone = Undone::default();
    let mut after = 0;
    loop {
        let page = desk.store.import_rows(import.id, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        undone.touched += page.len() as u64;
        let mut open = page;
        for _ in 0..TRIES {
            if open.is_empty() {
                break;
            }
            open = page_back(desk, open, &acted, &source, &mut undone).await?;
        }
    }
    let at = desk.clock.now();
    desk.store.commit_one(Change::Import(ImportNote::Ended { id: import.id, undone: true, at }).into(), at).await?;
    Ok(undone)
}

/// The rows that somebody else was faster with.
async fn page_back(
    desk: &Desk,
    page: Vec<(Id, String)>,
    acted: &std::collections::HashSet<Id>,
    source: &Source<'_>,
    undone: &mut Undone,
) -> Result<Vec<(Id, String)>, StoreError> {
    let ids: Vec<Id> = page.iter().map(|(id, _)| *id).collect();
    let standings = desk.store.standings_among(source.list, &ids).await?;
    let mut known = Vec::with_capacity(page.len());
    for (id, did) in page {
        let did = (import_notes::read(&did).ok_or(StoreError::Corrupt("import_rows.did"))?, did);
        if let Some(contact) = desk.store.contact_by_id(id).await? {
            known.push((contact, did));
        }
    }
    desk.stock().await?;
    let now = desk.clock.now();
    let (mut decisions, mut whose) = (Vec::new(), Vec::new());
    for (contact, (did, text)) in known {
        let standing = standings.get(&contact.id).copied();
        let joined = acted.contains(&contact.id);
        let decision = desk.decide(|ids| undo(&did, &contact, standing, joined, source, now, ids));
        if let Some(decision) = decision {
            if withdraws(&decision) {
                desk.revoke(contact.id, Revocation::Left(Some(source.list.to_owned())));
            }
            decisions.push(decision);
            whose.push((contact.id, text));
        }
    }
    let held = desk.store.commit(&decisions, now).await?;
    desk.revoked(&whose.iter().map(|(id, _)| *id).collect::<Vec<_>>(), desk.clock.now());
    undone.back += held.iter().filter(|held| **held).count() as u64;
    Ok(whose.into_iter().zip(held).filter(|(_, held)| !held).map(|(row, _)| row).collect())
}

fn withdraws(Decision(changes): &Decision) -> bool {
    changes.iter().any(|change| matches!(change, Change::StandingSet { standing: Standing::Pending, .. }))
}
