//! The fence: a database that was restored from a backup, or copied, sends nothing until a person says so. It may have
//! forgotten texts that left after the backup: all that could have left meanwhile is in doubt (E22), what fired stays
//! unfired, and ids that are given out a second time get references of a new generation.

use super::db::args;
use super::{Db, Store, StoreError, Tx};
use crate::domain::consent::{Event, EventKind};
use crate::domain::pause::Pause;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// Which server, which of its timelines, which database, which making of its tables.
const HOME: &str = "SELECT system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
      || '/' || (SELECT oid::text FROM pg_database WHERE datname = current_database())
      || '/' || CAST('messages'::regclass::oid AS TEXT) FROM pg_control_system()";

const STORED_HOME: &str = "SELECT value FROM meta WHERE name = 'home'";
const ANOTHER: &str = "it was restored, copied or failed over: another server";

const DOUBT_WAITING: &str = "UPDATE messages SET state = 'in_doubt',
      reason = 'the database was restored: it may have been sent already', answered_at = $1, ask_at = $2, absent = 0
    WHERE state IN ('queued', 'held') AND not_before <= $1";

impl Store {
    /// What speaks against this database being where and what it was, if anything does.
    pub async fn moved(&self) -> Result<Option<String>, StoreError> {
        if let Db::Sqlite(_, beside) = &self.db {
            let rows = self.db.rows("SELECT commits FROM high_water", vec![]).await?;
            let commits = rows.first().ok_or(StoreError::Corrupt("high_water"))?.int(0)?;
            return Ok(beside.as_ref().and_then(|beside| beside.moved(commits)));
        }
        let rows = self.db.rows(STORED_HOME, vec![]).await?;
        let stored = rows.first().map(|row| row.text(0)).transpose()?;
        let found = self.home().await?;
        // Also when another worker has seen to it already: what this one has in its memory is the lost server's.
        let same = stored.as_deref() == Some(&found) && self.home.as_deref() == Some(&found);
        Ok((!same).then(|| ANOTHER.to_owned()))
    }

    /// Fences the database if it is not where and what it was; says why. `seed`: 32 random bytes.
    pub async fn fence_if_moved(
        &mut self,
        settle: SignedDuration,
        seed: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let Some(reason) = self.moved().await? else {
            self.identity = super::Identity::read(&self.db).await?; // another worker may have fenced it just now
            return Ok(None);
        };
        let id = self.ids(1).await?.take();
        let home = if self.db.is_postgres() { Some(self.home().await?) } else { None };
        let mut tx = self.db.begin().await?;
        // After a failover all workers start at once: one of them fences. A second generation for the same ids would have
        // them ask about each other's texts by names under which these were never sent.
        tx.rows("UPDATE meta SET value = value WHERE name = 'epoch' RETURNING name", vec![]).await?;
        let stored = tx.rows(STORED_HOME, vec![]).await?.first().map(|row| row.text(0)).transpose()?;
        if home.is_none() || stored != home {
            fence(&mut tx, &reason, id, settle, seed, now).await?;
        }
        if let Some(home) = &home {
            super::meta::set(&mut tx, "home", home).await?;
        }
        tx.commit().await?;
        self.home = home;
        if let Db::Sqlite(_, Some(beside)) = &self.db {
            let rows = self.db.rows("SELECT commits FROM high_water", vec![]).await?;
            beside.settle(rows.first().ok_or(StoreError::Corrupt("high_water"))?.int(0)?);
        }
        self.identity = super::Identity::read(&self.db).await?;
        Ok(Some(reason))
    }

    /// A database that was just made is at home here.
    pub(super) async fn settle_here(&self) -> Result<(), StoreError> {
        if self.db.is_postgres() {
            let home = self.home().await?;
            let mut tx = self.db.begin().await?;
            super::meta::set(&mut tx, "home", &home).await?;
            return tx.commit().await;
        }
        Ok(())
    }

    /// In a transaction that claims: a connection that was made anew may have found another server.
    pub(super) async fn still_home(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let Some(home) = &self.home else { return Ok(()) };
        let rows = tx.rows(HOME, vec![]).await?;
        let found = rows.first().ok_or(StoreError::Corrupt("the server's identity"))?.text(0)?;
        if found == *home { Ok(()) } else { Err(StoreError::Moved(ANOTHER.to_owned())) }
    }

    pub(super) async fn home(&self) -> Result<String, StoreError> {
        let rows = self.db.rows(HOME, vec![]).await?;
        rows.first().ok_or(StoreError::Corrupt("the server's identity"))?.text(0)
    }
}

async fn fence(
    tx: &mut Tx,
    reason: &str,
    event: i64,
    settle: SignedDuration,
    seed: [u8; 32],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO pauses (name, reason, since) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET reason = excluded.reason",
        args![Pause::Fence.as_str(), reason, now],
    )
    .await?;
    let ask_at = now.checked_add(settle).unwrap_or(now);
    tx.run(DOUBT_WAITING, args![now, ask_at]).await?;
    tx.run(
        "UPDATE broadcasts SET fate = 'missed', reason = 'the database was restored while it was being made'
         WHERE fate = 'filling'",
        vec![],
    )
    .await?;
    let generation: String = Sha256::new()
        .chain_update(seed)
        .chain_update(b"generation")
        .finalize()
        .iter()
        .take(3)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    tx.run(
        "INSERT INTO generations (first_id, generation) SELECT next, CAST($1 AS TEXT) FROM id_blocks WHERE next > 0
         ON CONFLICT (first_id) DO UPDATE SET generation = excluded.generation",
        args![&generation],
    )
    .await?;
    let event = Event::new(event, now, EventKind::Fenced, "ringround", "start").because(reason);
    super::commit::record(tx, &event).await?;
    Ok(())
}
