//! Forgetting a person: out of memory, out of the rows, and on SQLite out of the file's bytes as well. What stays is a
//! keyed hash of the number, so that no file brings it back, and an entry of the ledger without it.

use super::desk::Desk;
use crate::clock::random_seed;
use crate::domain::consent::{Event, EventKind};
use crate::domain::phone::Phone;
use crate::engine::may_send::Revocation;
use crate::store::{StoreError, Traces, traces};
use jiff::SignedDuration;

/// A reader may keep the write-ahead log for a moment: so many tries, a second apart.
const TRIES: u32 = 20;
/// Shorter words say nothing of anybody.
const SHORTEST: usize = 8;

/// What was forgotten.
#[derive(Debug)]
pub struct Erasure {
    /// There was a contact with this number.
    pub known: bool,
    /// Queued texts that were cancelled.
    pub cancelled: u64,
    /// What a scan of the files found; none on PostgreSQL, whose files are its own.
    pub traces: Option<Traces>,
}

/// Forgets the owner of a number, for this reason, by this person's word.
pub async fn forget(desk: &Desk, phone: &Phone, by: &str, why: &str) -> Result<Erasure, StoreError> {
    let contact = desk.store.contact(phone).await?.map(|contact| contact.id);
    desk.stock().await?;
    let now = desk.clock.now();
    let event = desk.decide(|ids| Event::new(ids.take(), now, EventKind::Erased, by, "contacts forget").because(why));
    if let Some(contact) = contact {
        desk.revoke(contact, Revocation::Left(None));
    }
    let seed = random_seed().map_err(|error| StoreError::Database(format!("no random numbers: {error}")))?;
    let forgotten = desk.store.forget(phone, event, seed).await?;
    desk.revoked(contact.as_slice(), desk.clock.now());
    let mut words = writings(phone);
    for said in forgotten.names.iter().cloned().chain(forgotten.texts.iter().flat_map(|text| ends(text))) {
        if !desk.store.still_said(&said).await? {
            words.push(said);
        }
    }
    let traces = wipe(desk, words).await?;
    Ok(Erasure { known: forgotten.contact.is_some(), cancelled: forgotten.cancelled, traces })
}

/// The ways in which a number is usually written; what they share stands once.
pub fn writings(phone: &Phone) -> Vec<String> {
    let digits = phone.e164().trim_start_matches('+');
    let Some(own) = digits.strip_prefix("44").filter(|own| own.len() == 10) else {
        return vec![digits.to_owned(), phone.national().trim_start_matches('+').to_owned()];
    };
    // +44…, 0044… and 0… all end alike.
    let (area, rest) = own.split_at(4);
    let (first, last) = rest.split_at(3);
    vec![own.to_owned(), format!("{area} {rest}"), format!("{area} {first} {last}"), format!("{area}-{rest}")]
}

/// The beginning and the end of a text: a page of the file may hold only one of them.
fn ends(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.len() < SHORTEST {
        return Vec::new();
    }
    let characters: Vec<char> = text.chars().collect();
    let (first, last) = (characters.chunks(40).next(), characters.rchunks(40).next());
    first.into_iter().chain(last).map(|part| part.iter().collect()).collect()
}

/// Folds the log into the file, looks whether anything is left, and writes the file anew if so.
async fn wipe(desk: &Desk, words: Vec<String>) -> Result<Option<Traces>, StoreError> {
    let Some(file) = desk.store.file() else { return Ok(None) };
    let mut found = Traces::default();
    for anew in [false, true] {
        if anew {
            desk.store.rewrite_file().await?;
        }
        empty_log(desk).await?;
        let (file, words) = (file.clone(), words.clone());
        let looked = tokio::task::spawn_blocking(move || traces(&file, &words)).await;
        let failed = |error: &dyn std::fmt::Display| StoreError::Database(format!("its files can't be read: {error}"));
        found = looked.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        if found.found.is_empty() {
            break;
        }
    }
    Ok(Some(found))
}

async fn empty_log(desk: &Desk) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        if desk.store.empty_log().await? {
            return Ok(());
        }
        let now = desk.clock.now();
        desk.clock.sleep_until(now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(now)).await;
    }
    Ok(()) // whoever reads for so long: the scan says whether anything is left in the log
}
