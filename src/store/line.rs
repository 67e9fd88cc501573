//! The line to a gateway as all workers share it: each claim is given its starts, one after the other at the gateway's
//! pace, and no more on a day than it may have. The row is locked until the claim commits.

use super::claim::LineTerms;
use super::db::args;
use super::{StoreError, Tx};
use jiff::{SignedDuration, Timestamp};

const DAY_US: i64 = 86_400_000_000;
/// Clocks of workers, and what they give ahead, are no further apart.
const MOST_APART: SignedDuration = SignedDuration::from_secs(10);

pub(super) struct Line {
    /// The next start, microseconds since 1970.
    next_us: i64,
    /// Days since 1970.
    day: i64,
    /// Starts given on that day.
    used: i64,
}

const LOCK_LINE: &str = "INSERT INTO lines (gateway, next_us, day, used) VALUES ($1, $2, $3, 0)
    ON CONFLICT (gateway) DO UPDATE SET
      next_us = CASE WHEN lines.next_us > $2 AND lines.next_us <= $4 THEN lines.next_us ELSE $2 END,
      used = CASE WHEN lines.day <> $3 THEN 0 WHEN lines.used > $5 THEN lines.used - $5 ELSE 0 END, day = $3
    RETURNING next_us, day, used";

impl Line {
    /// A start that nobody used is not kept: the next one is never in the past. Nor is it further ahead than anybody gives
    /// starts: that was given by a clock that has been set back since, and would hold everything until then.
    pub(super) async fn lock(tx: &mut Tx, terms: &LineTerms, now: Timestamp) -> Result<Self, StoreError> {
        let now_us = now.as_microsecond();
        let furthest = now_us.saturating_add(micros(terms.ahead.max(MOST_APART))).saturating_add(spacing(terms));
        let day = now_us.div_euclid(DAY_US);
        let rows = tx.rows(LOCK_LINE, args![&terms.gateway, now_us, day, furthest, terms.returned]).await?;
        let row = rows.first().ok_or(StoreError::Corrupt("lines"))?;
        Ok(Self { next_us: row.int(0)?, day: row.int(1)?, used: row.int(2)? })
    }

    /// How many may be claimed now.
    pub(super) fn starts(&self, terms: &LineTerms, now: Timestamp) -> i64 {
        let horizon = now.as_microsecond().saturating_add(micros(terms.ahead));
        let in_time = match horizon.saturating_sub(self.next_us) {
            left if left < 0 => 0,
            left => left / spacing(terms) + 1,
        };
        in_time.min(terms.per_day.map_or(i64::MAX, |most| most - self.used))
    }

    /// When it is worth asking again.
    pub(super) fn free_at(&self, terms: &LineTerms, now: Timestamp) -> Timestamp {
        let spent = terms.per_day.is_some_and(|most| self.used >= most);
        let at = if spent { (self.day + 1) * DAY_US } else { self.next_us.saturating_sub(micros(terms.ahead)) };
        Timestamp::from_microsecond(at).unwrap_or(now).max(now)
    }

    /// Takes so many starts.
    pub(super) async fn take(
        &mut self,
        tx: &mut Tx,
        terms: &LineTerms,
        count: usize,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let first = self.next_us;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.next_us = first.saturating_add(count.saturating_mul(spacing(terms)));
        self.used = self.used.saturating_add(count);
        if count > 0 {
            let sql = "UPDATE lines SET next_us = $2, used = $3 WHERE gateway = $1";
            tx.run(sql, args![&terms.gateway, self.next_us, self.used]).await?;
        }
        let start = |nth: i64| Timestamp::from_microsecond(first + nth * spacing(terms));
        (0..count).map(|nth| start(nth).map_err(|_| StoreError::Corrupt("lines.next_us"))).collect()
    }
}

fn spacing(terms: &LineTerms) -> i64 {
    micros(terms.spacing).max(1)
}

fn micros(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
