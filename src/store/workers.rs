//! Who may claim. A worker has a lease and an epoch; whoever finds a lease run out takes its worker off the table, and
//! what that one had claimed is in doubt (E8). A worker that was taken off, stalled and awake again, changes nothing: its
//! claims find no row of its own, and its outcomes find no message in its epoch.

use super::db::args;
use super::{Store, StoreError, Swept, Tx};
use crate::fault;
use jiff::{SignedDuration, Timestamp};

/// How long a worker is believed to live without a word.
pub const LEASE: SignedDuration = SignedDuration::from_secs(30);

/// Who begins to work.
#[derive(Clone, Debug)]
pub struct Recruit<'a> {
    /// Machine and process, for people.
    pub place: &'a str,
    /// See [`Store::agreement`].
    pub agreement: &'a str,
    /// How long a text whose answer got lost may take to be visible to a look-up.
    pub settle: SignedDuration,
}

/// A worker as people look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRow {
    /// Its epoch.
    pub epoch: i64,
    /// Machine and process.
    pub place: String,
    /// Since when it works.
    pub started_at: Timestamp,
    /// Until when it is believed to live.
    pub lease_until: Timestamp,
}

impl Store {
    /// Begins a new epoch: its number, and how many texts are in doubt because their worker is gone. On SQLite, where the
    /// caller holds the file's lock, every other worker is.
    pub async fn enlist(&self, who: &Recruit<'_>, now: Timestamp) -> Result<(i64, u64), StoreError> {
        let mut tx = self.db.begin().await?;
        // The counter's row is locked first: workers begin one after another.
        let rows = tx.rows(NEXT_EPOCH, vec![]).await?;
        let epoch = rows.first().ok_or(StoreError::Corrupt("meta.epoch"))?.text(0)?;
        let epoch: i64 = epoch.parse().map_err(|_| StoreError::Corrupt("meta.epoch"))?;
        let gone = if tx.is_postgres() { now } else { Timestamp::MAX };
        tx.run(RETIRE_GONE, args![gone]).await?;
        let others =
            tx.rows("SELECT place FROM workers WHERE agreement <> $1 ORDER BY epoch", args![who.agreement]).await?;
        if let Some(other) = others.first() {
            return Err(StoreError::Disagrees(other.text(0)?));
        }
        tx.run(
            "INSERT INTO workers (epoch, place, agreement, started_at, lease_until) VALUES ($1, $2, $3, $4, $5)",
            args![epoch, who.place, who.agreement, now, lease_from(now)],
        )
        .await?;
        let doubted = strand(&mut tx, who.settle, now).await?;
        tx.commit().await?;
        if doubted > 0 {
            fault::at("E8", "after");
        }
        Ok((epoch, doubted))
    }

    /// A sign of life: the own lease is renewed, workers whose lease has run out are taken off, and what they had claimed
    /// is in doubt.
    pub async fn beat(&self, epoch: i64, settle: SignedDuration, now: Timestamp) -> Result<Swept, StoreError> {
        let mut tx = self.db.begin().await?;
        renew(&mut tx, epoch, now).await?;
        let gone = tx.run(RETIRE_GONE, args![now]).await?;
        let doubted = if gone > 0 { strand(&mut tx, settle, now).await? } else { 0 };
        tx.commit().await?;
        if doubted > 0 {
            fault::at("E8", "after");
        }
        Ok(Swept { doubted, ..Swept::default() })
    }

    /// A worker ends, with nothing in its hands.
    pub async fn retire(&self, epoch: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.run("DELETE FROM workers WHERE epoch = $1", args![epoch]).await?;
        tx.commit().await
    }

    /// The last hour that this database has seen, by a worker's clock.
    pub async fn seen(&self) -> Result<Option<Timestamp>, StoreError> {
        let rows = self.db.rows("SELECT value FROM meta WHERE name = 'seen'", vec![]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let millis = row.text(0)?.parse().map_err(|_| StoreError::Corrupt("meta.seen"))?;
        Timestamp::from_millisecond(millis).map(Some).map_err(|_| StoreError::Corrupt("meta.seen"))
    }

    /// It has seen this hour.
    pub async fn see(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        super::meta::set(&mut tx, "seen", &now.as_millisecond().to_string()).await?;
        tx.commit().await
    }

    /// What the database server's clock shows; none where there is no server. The one database clock that is ever read:
    /// workers on several machines correct their own by it.
    pub async fn server_clock(&self) -> Result<Option<Timestamp>, StoreError> {
        if !self.db.is_postgres() {
            return Ok(None);
        }
        let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
        let rows = self.db.rows(sql, vec![]).await?;
        let micros = rows.first().ok_or(StoreError::Corrupt("the server's clock"))?.int(0)?;
        Timestamp::from_microsecond(micros).map(Some).map_err(|_| StoreError::Corrupt("the server's clock"))
    }

    /// Everybody at work.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, StoreError> {
        let rows =
            self.db.rows("SELECT epoch, place, started_at, lease_until FROM workers ORDER BY epoch", vec![]).await?;
        rows.iter()
            .map(|row| {
                let (epoch, place) = (row.int(0)?, row.text(1)?);
                Ok(WorkerRow { epoch, place, started_at: row.instant(2)?, lease_until: row.instant(3)? })
            })
            .collect()
    }

    /// What the store believes to be in a worker's hands.
    pub async fn claimed_by(&self, epoch: i64) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT id FROM messages WHERE state = 'submitting' AND epoch = $1 ORDER BY id";
        self.db.rows(sql, args![epoch]).await?.iter().map(|row| row.int(0)).collect()
    }
}

const NEXT_EPOCH: &str =
    "UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'epoch' RETURNING value";
const RETIRE_GONE: &str = "DELETE FROM workers WHERE lease_until <= $1";
const STRAND: &str = "UPDATE messages SET state = 'in_doubt', reason = 'the worker stopped while it was being sent',
    answered_at = $1, ask_at = $2, absent = 0
    WHERE state = 'submitting' AND epoch NOT IN (SELECT epoch FROM workers)";

fn lease_from(now: Timestamp) -> Timestamp {
    now.saturating_add(LEASE).unwrap_or(now)
}

/// Renews the own lease, in a transaction that does more; an error if it was taken away.
pub(super) async fn renew(tx: &mut Tx, epoch: i64, now: Timestamp) -> Result<(), StoreError> {
    match tx.run("UPDATE workers SET lease_until = $2 WHERE epoch = $1", args![epoch, lease_from(now)]).await? {
        0 => Err(StoreError::Fenced),
        _ => Ok(()),
    }
}

/// E8 for what nobody holds: it may or may not have left. Asked about after `settle`.
async fn strand(tx: &mut Tx, settle: SignedDuration, now: Timestamp) -> Result<u64, StoreError> {
    let ask_at = now.checked_add(settle).unwrap_or(now);
    let doubted = tx.run(STRAND, args![now, ask_at]).await?;
    if doubted > 0 {
        fault::at("E8", "before");
    }
    Ok(doubted)
}
