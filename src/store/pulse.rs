//! The pulse: one cheap question that tells every part of the shell whether there is anything for it to do, and when the
//! next thing happens by itself. Nothing is decided by it: whoever is woken reads for itself.

use super::db::args;
use super::{Store, StoreError};
use jiff::Timestamp;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// When it was taken.
    pub at: Timestamp,
    /// Something queued has reached its time (it may still have to wait for a pause or quiet hours).
    pub claimable: bool,
    /// Something waiting has reached its deadline, or the wait for a report is over.
    pub ended: bool,
    /// Some doubt is to be asked about.
    pub doubts: bool,
    /// Some broadcast is still being filled.
    pub filling: bool,
    /// All sending is paused: nothing is claimed.
    pub paused: bool,
    /// The database was restored and nobody has seen to it: nothing is planned either.
    pub fenced: bool,
    /// A report that came too early is about a text that is known by now.
    pub strays: bool,
    /// The line to the gateway is paused: nothing is requested there.
    pub line_paused: bool,
    /// Grows with every change of a campaign's file or state.
    pub campaigns: i64,
    /// The next instant at which one of the first three becomes true by itself.
    pub next: Option<Timestamp>,
}

const PULSE: &str = "SELECT
    (SELECT MIN(not_before) FROM messages WHERE state = 'queued' AND not_before <= $1),
    (SELECT MIN(not_before) FROM messages WHERE state = 'queued' AND not_before > $1),
    (SELECT MIN(not_after) FROM messages WHERE state = 'queued'),
    (SELECT MIN(not_after) FROM messages WHERE state = 'held'),
    (SELECT MIN(ask_at) FROM messages WHERE state IN ('submitting', 'in_doubt') AND state = 'in_doubt'),
    (SELECT MIN(ask_at) FROM messages WHERE state = 'accepted'),
    (SELECT COUNT(*) FROM broadcasts WHERE fate = 'filling'),
    (SELECT CAST(COALESCE(SUM(revision), 0) AS BIGINT) FROM campaigns),
    (SELECT COUNT(*) FROM pauses),
    (SELECT COUNT(*) FROM pauses WHERE name = 'fence'),
    (SELECT COUNT(*) FROM strays s JOIN handles h ON h.gateway_id = s.gateway_id),
    (SELECT MIN(received_at) FROM strays),
    (SELECT COUNT(*) FROM pauses WHERE name = 'line')";

impl Store {
    /// Takes the pulse.
    pub async fn pulse(&self, now: Timestamp) -> Result<Pulse, StoreError> {
        let rows = self.db.rows(PULSE, args![now]).await?;
        let row = rows.first().ok_or(StoreError::Corrupt("pulse"))?;
        let instant = |column| match row.opt_int(column)? {
            Some(at) => Timestamp::from_millisecond(at).map(Some).map_err(|_| StoreError::Corrupt("an instant")),
            None => Ok(None),
        };
        let forgotten = instant(11)?.and_then(|at| at.checked_add(super::strays::KEPT_FOR).ok());
        let ends = [instant(2)?, instant(3)?, instant(5)?, forgotten].into_iter().flatten().min();
        let ask_at = instant(4)?;
        let passed = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        Ok(Pulse {
            at: now,
            claimable: row.opt_int(0)?.is_some(),
            ended: passed(ends),
            doubts: passed(ask_at),
            filling: row.int(6)? > 0,
            campaigns: row.int(7)?,
            paused: row.int(8)? > 0,
            fenced: row.int(9)? > 0,
            strays: row.int(10)? > 0,
            line_paused: row.int(12)? > 0,
            next: [instant(1)?, ends, ask_at].into_iter().flatten().filter(|at| *at > now).min(),
        })
    }
}
