//! The sweep: moves that time alone decides, for all rows at once.

use super::db::args;
use super::{Store, StoreError};
use crate::fault;
use jiff::Timestamp;

/// How many rows a sweep moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Past their deadline without having left (E13).
    pub expired: u64,
    /// Claimed by a worker that is gone (E8), or a repeat past its deadline (E22).
    pub doubted: u64,
    /// Reports about texts that nobody knew for a week.
    pub forgotten: u64,
    /// Taken by the gateway and never reported: they stay accepted, closed with the reason `no_report`.
    pub closed: u64,
}

// Two statements, because each has an index of its own, and SQLite uses neither for both at once.
const EXPIRE_QUEUED: &str = "UPDATE messages SET state = 'expired', ended_at = $1,
      reason = COALESCE(reason, 'its deadline came before it could leave')
    WHERE state = 'queued' AND not_after <= $1";
const EXPIRE_HELD: &str = "UPDATE messages SET state = 'expired', ended_at = $1,
      reason = COALESCE(reason, 'its deadline came before it could leave')
    WHERE state = 'held' AND not_after <= $1";

impl Store {
    /// E13 for all that waits past its deadline (E22 for what may have arrived already), and an end for what was never
    /// reported. Nothing in flight is touched.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        let mut tx = self.db.begin().await?;
        // What waited to be sent again may have arrived the first time: that it expired would be a lie.
        let doubted = tx
            .run(
                "UPDATE messages SET state = 'in_doubt', reason = 'its deadline came before it could be sent again',
                   answered_at = $1, ask_at = $1, absent = 0
                 WHERE state = 'queued' AND not_after <= $1 AND ask_at IS NOT NULL",
                args![now],
            )
            .await?;
        let expired = tx.run(EXPIRE_QUEUED, args![now]).await? + tx.run(EXPIRE_HELD, args![now]).await?;
        let closed = tx
            .run(
                "UPDATE messages SET reason = 'no_report', ended_at = $1, ask_at = NULL
                 WHERE state = 'accepted' AND ask_at <= $1",
                args![now],
            )
            .await?;
        let forgotten = super::strays::forget(&mut tx, now).await?;
        passed("E22", "before", doubted);
        passed("E13", "before", expired);
        tx.commit().await?;
        passed("E22", "after", doubted);
        passed("E13", "after", expired);
        Ok(Swept { expired, doubted, forgotten, closed })
    }
}

/// Tests kill the program here; see `fault`. A sweep is one pass of its edge, however many rows it moves.
fn passed(edge: &str, side: &str, rows: u64) {
    if rows > 0 {
        fault::at(edge, side);
    }
}
