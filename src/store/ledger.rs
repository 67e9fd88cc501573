//! The ledger's chain. Events are only ever appended; one sealer at a time takes those that no seal holds yet, and chains
//! them in the order of their ids. What is personal about an event lies in `event_details`, which can be erased: the
//! chain goes over a salted digest of it.
//!
//! A link is SHA-256 over the link before it and the event; a seal's hash goes over its number, hour, count and last
//! link, and is the link before the next seal's first event. Whoever rewrites an event has to rewrite all that follow,
//! and then the head is another one than stands in the log.

use super::db::{args, placeholders};
use super::{Row, Store, StoreError, Tx};
use crate::domain::ids::Id;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;

/// Events in one seal at most: what one transaction does.
const SEAL: i64 = 500;
/// Events looked at in one read.
const PAGE: i64 = 2000;
/// Before the first seal.
pub(super) const ORIGIN: &str = "";

/// A seal as people look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Its number, from 1.
    pub id: i64,
    /// How many events it holds.
    pub events: i64,
    /// What it adds up to, with all before it.
    pub hash: String,
    /// When it was made.
    pub at: Timestamp,
}

/// An event as the chain sees it; its details where they are still kept.
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) contact: Option<i64>,
    pub(super) list: Option<String>,
    pub(super) campaign: Option<String>,
    pub(super) actor: String,
    pub(super) wording: Option<String>,
    pub(super) details: Option<Details>,
    pub(super) seal: Option<i64>,
    pub(super) digest: Option<String>,
    pub(super) link: Option<String>,
}

pub(super) struct Details {
    pub(super) salt: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) source: String,
    pub(super) evidence: Option<String>,
}

const ENTRY: &str = "SELECT e.id, e.at, e.kind, e.contact_id, e.list, e.campaign, e.actor, e.wording, e.seal, e.digest,
      e.link, d.salt, d.phone, d.source, d.evidence FROM events e LEFT JOIN event_details d ON d.event_id = e.id";
const LAST_SEAL: &str = "SELECT id, events, hash, at FROM seals ORDER BY id DESC LIMIT 1";
const KEEP_SALTS: &str = "UPDATE event_details SET salt = v.column2 FROM (VALUES {PAIRS}) AS v
    WHERE event_id = CAST(v.column1 AS BIGINT) AND salt IS NULL";
const KEEP_LINKS: &str = "UPDATE events SET seal = CAST(v.column2 AS BIGINT), digest = v.column3, link = v.column4
    FROM (VALUES {FOURS}) AS v WHERE events.id = CAST(v.column1 AS BIGINT) AND events.seal IS NULL";

impl Store {
    /// Seals what no seal holds yet, at most one seal's worth: the new head, if there was anything. `seed`: 32 random
    /// bytes, for salts. Two who seal at once wait for one another.
    pub async fn seal(&self, seed: [u8; 32], now: Timestamp) -> Result<Option<Seal>, StoreError> {
        if self.db.rows("SELECT id FROM events WHERE seal IS NULL ORDER BY id LIMIT 1", vec![]).await?.is_empty() {
            return Ok(None); // without taking a lock
        }
        let mut tx = self.db.begin().await?;
        let sealed = seal(&mut tx, seed, now).await?;
        tx.commit().await?;
        Ok(sealed)
    }

    /// The last seal.
    pub async fn head(&self) -> Result<Option<Seal>, StoreError> {
        self.db.rows(LAST_SEAL, vec![]).await?.first().map(sealed).transpose()
    }

    /// How many events no seal holds yet.
    pub async fn unsealed(&self) -> Result<i64, StoreError> {
        let rows = self.db.rows("SELECT COUNT(*) FROM events WHERE seal IS NULL", vec![]).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    pub(super) async fn page(&self, (seal, id): (i64, Id), last: i64) -> Result<Vec<Entry>, StoreError> {
        let sql = format!(
            "{ENTRY} WHERE e.seal IS NOT NULL AND (e.seal, e.id) > ($1, $2) AND e.seal <= $3 ORDER BY e.seal, e.id LIMIT $4"
        );
        let rows = self.db.rows(AssertSqlSafe(sql), args![seal, id, last, PAGE]).await?;
        rows.iter().map(entry).collect()
    }

    /// Seals after one, up to another, with what each follows.
    pub(super) async fn seals(&self, after: i64, to: i64) -> Result<Vec<(Seal, String)>, StoreError> {
        let sql = "SELECT id, events, hash, at, previous FROM seals WHERE id > $1 AND id <= $2 ORDER BY id";
        self.db.rows(sql, args![after, to]).await?.iter().map(|row| Ok((sealed(row)?, row.text(4)?))).collect()
    }
}

/// Seals in a transaction of the caller's.
pub(super) async fn seal(tx: &mut Tx, seed: [u8; 32], now: Timestamp) -> Result<Option<Seal>, StoreError> {
    // Taken first: whoever comes second sees the first one's seal.
    tx.rows("UPDATE meta SET value = value WHERE name = 'sealer' RETURNING name", vec![]).await?;
    let last = tx.rows(LAST_SEAL, vec![]).await?.first().map(sealed).transpose()?;
    let previous = last.as_ref().map_or(ORIGIN.to_owned(), |seal| seal.hash.clone());
    let id = last.map_or(1, |seal| seal.id + 1);
    let sql = format!("{ENTRY} WHERE e.seal IS NULL ORDER BY e.id LIMIT $1");
    let mut entries: Vec<Entry> =
        tx.rows(AssertSqlSafe(sql), args![SEAL]).await?.iter().map(entry).collect::<Result<_, _>>()?;
    if entries.is_empty() {
        return Ok(None);
    }
    let (mut link, mut salts, mut links) = (previous.clone(), Vec::new(), Vec::new());
    for entry in &mut entries {
        if let Some(details) = entry.details.as_mut().filter(|details| details.salt.is_none()) {
            let salt: String = hex(&Sha256::new().chain_update(seed).chain_update(entry.id.to_be_bytes()).finalize());
            let salt: String = salt.chars().take(32).collect();
            salts.extend(args![&entry.id.to_string(), &salt]);
            details.salt = Some(salt);
        }
        entry.digest = Some(entry.details.as_ref().map_or_else(String::new, Details::digest));
        link = entry.follow(&link);
        links.extend(args![&entry.id.to_string(), &id.to_string(), &entry.digest, &link]);
    }
    let rows = salts.len() / 2;
    if rows > 0 {
        tx.run(AssertSqlSafe(KEEP_SALTS.replace("{PAIRS}", &placeholders(rows, 2))), salts).await?;
    }
    tx.run(AssertSqlSafe(KEEP_LINKS.replace("{FOURS}", &placeholders(entries.len(), 4))), links).await?;
    let events = i64::try_from(entries.len()).unwrap_or(SEAL);
    let hash = sum(id, now.as_millisecond(), events, &link);
    tx.run(
        "INSERT INTO seals (id, events, previous, hash, at) VALUES ($1, $2, $3, $4, $5)",
        args![id, events, &previous, &hash, now],
    )
    .await?;
    Ok(Some(Seal { id, events, hash, at: now }))
}

impl Entry {
    pub(super) fn named(&self) -> (Id, Timestamp, String) {
        (self.id, Timestamp::from_millisecond(self.at).unwrap_or(Timestamp::MIN), self.kind.clone())
    }

    /// The link that follows `before`.
    pub(super) fn follow(&self, before: &str) -> String {
        let mut hash = Sha256::new();
        put(&mut hash, Some(before));
        hash.update(self.id.to_be_bytes());
        hash.update(self.at.to_be_bytes());
        hash.update([u8::from(self.contact.is_some())]);
        hash.update(self.contact.unwrap_or_default().to_be_bytes());
        let texts = [&self.list, &self.campaign, &self.wording, &self.digest];
        put(&mut hash, Some(&self.kind));
        put(&mut hash, Some(&self.actor));
        for text in texts {
            put(&mut hash, text.as_deref());
        }
        hex(&hash.finalize())
    }
}

impl Details {
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let parts = [self.salt.as_deref(), self.phone.as_deref(), Some(&*self.source), self.evidence.as_deref()];
        for part in parts {
            put(&mut hash, part);
        }
        hex(&hash.finalize())
    }
}

pub(super) fn sum(id: i64, at: i64, events: i64, link: &str) -> String {
    let mut hash = Sha256::new();
    for part in [&*id.to_string(), &*at.to_string(), &*events.to_string(), link] {
        put(&mut hash, Some(part));
    }
    hex(&hash.finalize())
}

/// With its length before it: no two rows make the same bytes.
fn put(hash: &mut Sha256, part: Option<&str>) {
    match part {
        Some(part) => {
            hash.update([1]);
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        None => hash.update([0]),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(8).fold(String::with_capacity(2 * bytes.len()), |hex, eight| {
        let number = eight.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        hex + &format!("{number:0width$x}", width = 2 * eight.len())
    })
}

fn sealed(row: &Row) -> Result<Seal, StoreError> {
    Ok(Seal { id: row.int(0)?, events: row.int(1)?, hash: row.text(2)?, at: row.instant(3)? })
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    let details = match row.opt_text(13)? {
        Some(source) => {
            Some(Details { salt: row.opt_text(11)?, phone: row.opt_text(12)?, source, evidence: row.opt_text(14)? })
        }
        None => None,
    };
    Ok(Entry {
        id: row.int(0)?,
        at: row.int(1)?,
        kind: row.text(2)?,
        contact: row.opt_int(3)?,
        list: row.opt_text(4)?,
        campaign: row.opt_text(5)?,
        actor: row.text(6)?,
        wording: row.opt_text(7)?,
        details,
        seal: row.opt_int(8)?,
        digest: row.opt_text(9)?,
        link: row.opt_text(10)?,
    })
}
