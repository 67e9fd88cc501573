//! The sweep: moves that time alone decides, for all rows at once.

use super::db::args;
use super::{Store, StoreError};
use crate::fault;
use jiff::{SignedDuration, Timestamp};

/// How many rows a sweep moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Past their deadline without having left (E13).
    pub expired: u64,
    /// Claimed by a worker that is gone (E8).
    pub doubted: u64,
    /// Taken by the gateway and never reported: they stay accepted, closed with the reason `no_report`.
    pub closed: u64,
}

impl Store {
    /// E13 for all that waits past its deadline, and an end for what was never reported. Nothing in flight is touched.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        let mut tx = self.db.begin().await?;
        let expired = tx
            .run(
                "UPDATE messages SET state = 'expired', reason = COALESCE(reason, 'its deadline came before it could leave'),
                   ended_at = $1
                 WHERE state IN ('queued', 'held') AND not_after <= $1",
                args![now],
            )
            .await?;
        let closed = tx
            .run(
                "UPDATE messages SET reason = 'no_report', ended_at = $1, ask_at = NULL
                 WHERE state = 'accepted' AND ask_at <= $1",
                args![now],
            )
            .await?;
        passed("E13", "before", expired);
        tx.commit().await?;
        passed("E13", "after", expired);
        Ok(Swept { expired, closed, ..Swept::default() })
    }

    /// E8 at the start of a worker: whatever an earlier start had claimed may or may not have left. Asked about after
    /// `settle`.
    pub async fn doubt_stranded(
        &self,
        epoch: i64,
        settle: SignedDuration,
        now: Timestamp,
    ) -> Result<Swept, StoreError> {
        let ask_at = now.checked_add(settle).unwrap_or(now);
        let mut tx = self.db.begin().await?;
        let doubted = tx
            .run(
                "UPDATE messages SET state = 'in_doubt', reason = 'the worker stopped while it was being sent',
                   answered_at = $2, ask_at = $3, absent = 0
                 WHERE state = 'submitting' AND epoch < $1",
                args![epoch, now, ask_at],
            )
            .await?;
        passed("E8", "before", doubted);
        tx.commit().await?;
        passed("E8", "after", doubted);
        Ok(Swept { doubted, ..Swept::default() })
    }
}

/// Tests kill the program here; see `fault`. A sweep is one pass of its edge, however many rows it moves.
fn passed(edge: &str, side: &str, rows: u64) {
    if rows > 0 {
        fault::at(edge, side);
    }
}
