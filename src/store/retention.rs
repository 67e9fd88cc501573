//! What is too old is removed, a little at a time; one of the named writes (the erasure by age). Only one worker does it:
//! whoever has the night's lease. Each piece can be done twice without harm.

use super::db::{Value, args};
use super::forget::drop_bodies;
use super::{Store, StoreError};
use crate::domain::ids::Id;
use jiff::{SignedDuration, Timestamp};
use sqlx::AssertSqlSafe;

/// Rows in one transaction.
const PIECE: i64 = 500;
/// Ids looked at in one transaction: most of them are no messages, or emptied long ago.
const WINDOW: i64 = 10_000;
/// A sweeper that is silent for so long is gone.
const LEASE: SignedDuration = SignedDuration::from_mins(2);

/// A night's sweep, held by this worker.
#[derive(Clone, Debug)]
pub struct Night {
    due: Timestamp,
    lease: Timestamp,
}

/// The last sweep that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastNight {
    /// The hour it was due.
    pub due: Timestamp,
    /// What it removed, in words.
    pub removed: String,
}

const TAKE: &str = "UPDATE sweeps SET lease_until = $3 WHERE name = 'night' AND at < $1 AND lease_until <= $2";
const HOLD: &str = "UPDATE sweeps SET lease_until = $2 WHERE name = 'night' AND at < $1 AND lease_until = $3";
const DONE: &str = "UPDATE sweeps SET at = $1, lease_until = 0, removed = $3 WHERE name = 'night' AND lease_until = $2";
const FIRST_BODY: &str = "SELECT MIN(id) FROM messages WHERE body_id <> 0";
const LAST_ID: &str = "SELECT MAX(id) FROM messages WHERE id > $1";
const ENDED: &str =
    "state IN ('delivered', 'undelivered', 'rejected', 'expired', 'cancelled', 'accepted') AND ended_at < $3";
const EMPTY_BODIES: &str = "UPDATE messages SET body_id = 0
    WHERE id > $1 AND id <= $2 AND body_id <> 0 AND {ENDED} AND (campaign IS NULL{CAMPAIGNS})";
const UNUSED_BODIES: &str = "SELECT b.id FROM bodies b WHERE b.id > $1 AND b.id <> 0
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.body_id = b.id AND m.body_id <> 0) ORDER BY b.id LIMIT $2";
const EMPTY_INBOUNDS: &str = "UPDATE inbounds SET body = '', sender = '' WHERE id IN
    (SELECT id FROM inbounds WHERE received_at < $1 AND sender <> '' AND needs_person = FALSE LIMIT $2)";
const DROP_REPORTS: &str =
    "DELETE FROM reports WHERE id IN (SELECT id FROM reports WHERE received_at < $1 ORDER BY received_at LIMIT $2)";
/// What proves a consent, and that somebody was forgotten, is never too old.
const DROP_DETAILS: &str = "DELETE FROM event_details WHERE event_id IN
    (SELECT e.id FROM events e JOIN event_details d ON d.event_id = e.id
     WHERE e.seal IS NOT NULL AND e.at < $1 AND e.kind NOT IN ('asked', 'opted_in', 'opted_out', 'pending', 'erased') LIMIT $2)";

impl Store {
    /// Takes the sweep that is due at `due`, if nobody has done it or is doing it. A new database begins with the next night.
    pub async fn take_night(&self, due: Timestamp, now: Timestamp) -> Result<Option<Night>, StoreError> {
        let rows = self.db.rows("SELECT at, lease_until FROM sweeps WHERE name = 'night'", vec![]).await?;
        let row = rows.first().ok_or(StoreError::Corrupt("sweeps"))?;
        if row.instant(0)? >= due || row.instant(1)? > now {
            return Ok(None);
        }
        let lease = now.saturating_add(LEASE).unwrap_or(now);
        let mut tx = self.db.begin().await?;
        let first = tx.run("UPDATE sweeps SET at = $1 WHERE name = 'night' AND at = 0", args![due]).await?;
        let taken = first == 0 && tx.run(TAKE, args![due, now, lease]).await? > 0;
        tx.commit().await?;
        Ok(taken.then_some(Night { due, lease }))
    }

    /// It goes on: false if another worker has taken it meanwhile.
    pub async fn hold_night(&self, night: &mut Night, now: Timestamp) -> Result<bool, StoreError> {
        // Two minutes in whole milliseconds: never the same twice while it is held.
        let lease = now.saturating_add(LEASE).unwrap_or(now).max(night.lease);
        let mut tx = self.db.begin().await?;
        let held = tx.run(HOLD, args![night.due, lease, night.lease]).await? > 0;
        tx.commit().await?;
        night.lease = lease;
        Ok(held)
    }

    /// It is done; what it removed.
    pub async fn end_night(&self, night: &Night, removed: &str) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let done = tx.run(DONE, args![night.due, night.lease, removed]).await? > 0;
        tx.commit().await?;
        Ok(done)
    }

    /// The last sweep that was done; none yet on a new database.
    pub async fn last_night(&self) -> Result<Option<LastNight>, StoreError> {
        let sql = "SELECT at, removed FROM sweeps WHERE name = 'night' AND removed <> ''";
        let rows = self.db.rows(sql, vec![]).await?;
        rows.first().map(|row| Ok(LastNight { due: row.instant(0)?, removed: row.text(1)? })).transpose()
    }

    /// When the last broadcast of a campaign ended.
    pub async fn last_broadcast(&self, campaign: &str) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT MAX(not_after) FROM broadcasts WHERE campaign = $1";
        let rows = self.db.rows(sql, args![campaign]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        row.opt_int(0)?.map(|_| row.instant(0)).transpose()
    }

    /// The message before the first one that still has a text; none if all are emptied.
    pub async fn before_first_body(&self) -> Result<Option<Id>, StoreError> {
        let rows = self.db.rows(FIRST_BODY, vec![]).await?;
        Ok(rows.first().map(|row| row.opt_int(0)).transpose()?.flatten().map(|id| id - 1))
    }

    /// Empties the texts of messages that ended before `before`: answers, and those of `campaigns`. A piece of them: how
    /// many, and after which message the next piece begins.
    pub async fn empty_bodies(
        &self,
        after: Id,
        before: Timestamp,
        campaigns: &[String],
    ) -> Result<(u64, Option<Id>), StoreError> {
        let last = self.db.rows(LAST_ID, args![after]).await?;
        let Some(last) = last.first().map(|row| row.opt_int(0)).transpose()?.flatten() else { return Ok((0, None)) };
        let to = last.min(after.saturating_add(WINDOW));
        let places: Vec<String> = (0..campaigns.len()).map(|n| format!("${}", n + 4)).collect();
        let of = if places.is_empty() { String::new() } else { format!(" OR campaign IN ({})", places.join(",")) };
        let sql = EMPTY_BODIES.replace("{ENDED}", ENDED).replace("{CAMPAIGNS}", &of);
        let mut parameters: Vec<Value> = args![after, to, before];
        parameters.extend(campaigns.iter().flat_map(|campaign| args![campaign]));
        let mut tx = self.db.begin().await?;
        let emptied = tx.run(AssertSqlSafe(sql), parameters).await?;
        tx.commit().await?;
        Ok((emptied, (to < last).then_some(to)))
    }

    /// Drops texts that no message refers to: a piece of them, and after which the next piece begins.
    pub async fn drop_unused_bodies(&self, after: Id) -> Result<(u64, Option<Id>), StoreError> {
        let mut tx = self.db.begin().await?;
        let rows = tx.rows(UNUSED_BODIES, args![after, PIECE]).await?;
        let unused: Vec<Id> = rows.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
        let dropped = drop_bodies(&mut tx, &unused).await?;
        tx.commit().await?;
        Ok((dropped, unused.last().copied().filter(|_| i64::try_from(unused.len()) == Ok(PIECE))))
    }

    /// Empties received texts from before `before`, but for those that wait for a person: a piece of them.
    pub async fn empty_inbounds(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.piece(EMPTY_INBOUNDS, before).await
    }

    /// Drops reports from before `before`: a piece of them.
    pub async fn drop_reports(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.piece(DROP_REPORTS, before).await
    }

    /// Drops what entries of the ledger from before `before` rest on, but for those of consent: a piece of them.
    pub async fn drop_details(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        // Said first: whoever looks at the chain knows why they are gone.
        tx.run(
            "INSERT INTO sweeps (name, at, lease_until, removed) VALUES ('event_details', $1, 0, '')
             ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE sweeps.at < excluded.at",
            args![before],
        )
        .await?;
        let dropped = tx.run(DROP_DETAILS, args![before, PIECE]).await?;
        tx.commit().await?;
        Ok(dropped)
    }

    async fn piece(&self, sql: &'static str, before: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.db.begin().await?;
        let rows = tx.run(sql, args![before, PIECE]).await?;
        tx.commit().await?;
        Ok(rows)
    }
}
