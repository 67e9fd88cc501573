//! Erasure, one of the named writes: what is known of a person goes, that their number must not be texted stays.
//!
//! Messages name their contact, so its row stays as a stub: `forgotten:ID` in place of number and hash. Every view that
//! reads numbers leaves stubs out, and the claim takes nothing for them.

use super::db::args;
use super::{Store, StoreError, Tx};
use crate::domain::consent::Event;
use crate::domain::ids::Id;
use crate::domain::phone::Phone;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

/// What was forgotten: the words that must not be found anywhere any more. Never printed, never logged.
#[derive(Default)]
pub struct Forgotten {
    /// The contact, if there was one.
    pub contact: Option<Id>,
    /// Queued texts that were cancelled.
    pub cancelled: u64,
    /// Their name.
    pub names: Vec<String>,
    /// What they wrote, and what was written to them alone.
    pub texts: Vec<String>,
}

const SUPPRESS: &str =
    "INSERT INTO suppressions (phone_hash, key_version, reason, since) VALUES ($1, $2, 'forgotten', $3)
    ON CONFLICT (phone_hash) DO UPDATE SET reason = excluded.reason, since = excluded.since";
const TAKE: &str = "UPDATE contacts SET held_for = 'forgotten' WHERE phone = $1 RETURNING id, name";
// Whoever reads numbers leaves this row out.
const STUB: &str =
    "UPDATE contacts SET phone = 'forgotten:' || CAST(id AS TEXT), phone_hash = 'forgotten:' || CAST(id AS TEXT),
      name = NULL, language = NULL, internet = 'unknown', tags = '', held_for = 'forgotten' WHERE id = $1";
/// What hangs on a contact, and how it goes. `$1` is the contact. In the order of what refers to what.
const ERASE: [&str; 8] = [
    "DELETE FROM reports WHERE message_id IN (SELECT id FROM messages WHERE contact_id = $1)",
    "UPDATE messages SET body_id = 0, reason = CASE WHEN reason IS NULL THEN NULL ELSE 'forgotten' END
     WHERE contact_id = $1 AND (body_id <> 0 OR reason <> 'forgotten')",
    "UPDATE inbounds SET sender = '', body = '', needs_person = FALSE WHERE contact_id = $1 AND sender <> ''",
    "DELETE FROM event_details WHERE event_id IN
       (SELECT id FROM events WHERE contact_id = $1 AND kind <> 'erased' AND seal IS NOT NULL)",
    "DELETE FROM dones WHERE contact_id = $1",
    "DELETE FROM import_rows WHERE contact_id = $1",
    "DELETE FROM consents WHERE contact_id = $1",
    STUB,
];
// Edge E13; E11 and E14 where nobody knows whether it arrived: a person decides that it is asked no more.
const CANCEL: &str = "UPDATE messages SET state = 'cancelled', reason = 'forgotten', ended_at = $2, ask_at = NULL
    WHERE contact_id = $1 AND state IN ('queued', 'held', 'in_doubt', 'unresolved')";
// What only hangs on a stub because it was on its way when the person was forgotten.
const LEFT_OVER: &str = "SELECT c.id FROM contacts c WHERE c.phone LIKE 'forgotten:%' AND
      (EXISTS (SELECT 1 FROM messages m WHERE m.contact_id = c.id AND (m.body_id <> 0 OR m.reason <> 'forgotten'
         OR m.state IN ('queued', 'held', 'in_doubt', 'unresolved')))
       OR EXISTS (SELECT 1 FROM inbounds i WHERE i.contact_id = c.id AND i.sender <> '')
       OR EXISTS (SELECT 1 FROM import_rows r WHERE r.contact_id = c.id)
       OR EXISTS (SELECT 1 FROM events e JOIN event_details d ON d.event_id = e.id
         WHERE e.contact_id = c.id AND e.kind <> 'erased'))
    ORDER BY c.id LIMIT 100";

impl Store {
    /// Forgets the owner of a number: suppressed for good, and all that is known of them gone. `erased` is the entry that
    /// says so; it gets the contact, and no number. `seed`: 32 random bytes.
    pub async fn forget(&self, phone: &Phone, erased: Event, seed: [u8; 32]) -> Result<Forgotten, StoreError> {
        let now = erased.at;
        let hash = self.number_hash(phone)?;
        let mut tx = self.db.begin().await?;
        self.renew_hash(&mut tx, phone).await?;
        tx.run(SUPPRESS, args![&hash, self.identity.key_version(), now]).await?;
        tx.note_suppressed(&hash, self.identity.key_version(), now, true);
        let mut forgotten = Forgotten::default();
        if let Some(row) = tx.rows(TAKE, args![phone.e164()]).await?.first() {
            let contact = row.int(0)?;
            forgotten.contact = Some(contact);
            forgotten.names.extend(row.opt_text(1)?);
            forgotten.texts = words(&mut tx, contact).await?;
            // The chain goes over what is erased now: it has to have it first.
            while super::ledger::seal(&mut tx, seed, now).await?.is_some() {}
            forgotten.cancelled = tx.run(CANCEL, args![contact, now]).await?;
            erase(&mut tx, contact).await?;
            super::hint::left(&mut tx, contact).await?;
        }
        let erased = Event { contact: forgotten.contact, ..erased };
        super::commit::record(&mut tx, &erased).await?;
        tx.commit().await?;
        Ok(forgotten)
    }

    /// Empties what came to hang on the stub of a forgotten person after they were forgotten: an answer that was on its
    /// way, a text that was just being understood. How many people's.
    pub async fn forget_the_rest(&self, seed: [u8; 32], now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let rows = tx.rows(LEFT_OVER, vec![]).await?;
        if !rows.is_empty() {
            while super::ledger::seal(&mut tx, seed, now).await?.is_some() {}
        }
        for row in &rows {
            let contact = row.int(0)?;
            tx.run(CANCEL, args![contact, now]).await?;
            erase(&mut tx, contact).await?;
        }
        tx.commit().await?;
        Ok(rows.len() as u64)
    }
}

async fn erase(tx: &mut Tx, contact: Id) -> Result<(), StoreError> {
    let bodies = bodies(tx, contact).await?;
    for statement in ERASE {
        tx.run(statement, args![contact]).await?;
    }
    drop_bodies(tx, &bodies).await.map(|_| ())
}

async fn bodies(tx: &mut Tx, contact: Id) -> Result<Vec<Id>, StoreError> {
    let sql = "SELECT DISTINCT body_id FROM messages WHERE contact_id = $1 AND body_id <> 0";
    tx.rows(sql, args![contact]).await?.iter().map(|row| row.int(0)).collect()
}

/// What they wrote, what their entries of the ledger rest on, and what was written to nobody but them.
async fn words(tx: &mut Tx, contact: Id) -> Result<Vec<String>, StoreError> {
    let mut texts = Vec::new();
    for sql in [
        "SELECT body FROM inbounds WHERE contact_id = $1 AND body <> ''",
        "SELECT d.evidence FROM events e JOIN event_details d ON d.event_id = e.id
         WHERE e.contact_id = $1 AND d.evidence IS NOT NULL",
        "SELECT DISTINCT b.body FROM messages m JOIN bodies b ON b.id = m.body_id
         WHERE m.contact_id = $1 AND m.body_id <> 0 AND NOT EXISTS
           (SELECT 1 FROM messages o WHERE o.body_id = m.body_id AND o.body_id <> 0 AND o.contact_id <> $1)",
    ] {
        for row in tx.rows(sql, args![contact]).await? {
            texts.push(row.text(0)?);
        }
    }
    texts.sort_unstable();
    texts.dedup();
    Ok(texts)
}

/// Drops those of these bodies that no message refers to any more.
pub(super) async fn drop_bodies(tx: &mut Tx, bodies: &[Id]) -> Result<u64, StoreError> {
    let mut dropped = 0;
    for block in bodies.chunks(500) {
        let places: Vec<String> = (1..=block.len()).map(|n| format!("${n}")).collect();
        let parameters = || block.iter().flat_map(|id| args![*id]).collect();
        // Locked first: a text that is queued in this moment waits for us, or we see it.
        let sql = format!("UPDATE bodies SET body = body WHERE id IN ({})", places.join(","));
        tx.run(AssertSqlSafe(sql), parameters()).await?;
        let sql = format!(
            "DELETE FROM bodies WHERE id IN ({}) AND id <> 0
             AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.body_id = bodies.id AND m.body_id <> 0)",
            places.join(",")
        );
        dropped += tx.run(AssertSqlSafe(sql), parameters()).await?;
    }
    Ok(dropped)
}
