//! The line to a gateway: one back-off for all messages, so that an outage costs a handful of requests, not one per
//! parent. Only answers that mean "the gateway is not there" close it; a refused number says nothing about the line.

use crate::domain::message::Outcome;
use jiff::{SignedDuration, Timestamp};

/// Longest pause between two probes. With 1, 2, 4, 8, 16, then 30 seconds a ten-minute outage costs 24 requests.
const LONGEST: i64 = 30;
/// A gateway may ask for longer, but never for more than this.
const LONGEST_ASKED: SignedDuration = SignedDuration::from_mins(15);

/// The line's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    failures: u32,
    closed_until: Option<Timestamp>,
}

impl Line {
    /// How many requests may be in flight: all, one probe after a failure, none while closed.
    pub fn allows(&self, in_flight_limit: usize, now: Timestamp) -> usize {
        match self.closed_until {
            Some(until) if now < until => 0,
            Some(_) => 1,
            None => in_flight_limit,
        }
    }

    /// When it may be tried again, while it is closed.
    pub fn closed_until(&self) -> Option<Timestamp> {
        self.closed_until
    }

    /// The line after an answer. An unclear one closes it too: the next might get lost as well.
    #[must_use]
    pub fn after(self, outcome: &Outcome, now: Timestamp) -> Self {
        let asked = match outcome {
            Outcome::Accepted { .. } | Outcome::Refused(_) => return Self::default(),
            Outcome::Throttled { retry_after } => *retry_after,
            Outcome::NotSent { .. } | Outcome::Unclear { .. } | Outcome::Barred { .. } => None,
        };
        if self.closed_until.is_some_and(|until| now < until) {
            return self; // one outage, many answers: those in flight do not lengthen the pause
        }
        let backoff = SignedDuration::from_secs((1 << self.failures.min(5)).min(LONGEST));
        let wait = asked.map_or(backoff, |asked| asked.clamp(SignedDuration::from_secs(1), LONGEST_ASKED));
        Self { failures: self.failures.saturating_add(1), closed_until: now.checked_add(wait).ok() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ten_minutes_of_outage_cost_at_most_25_probes() {
        let start: Timestamp = "2022-01-25T10:00:00Z".parse().unwrap();
        let end = start + SignedDuration::from_mins(10);
        let (mut line, mut now, mut probes) = (Line::default(), start, 0);
        while now < end {
            line = line.after(&Outcome::NotSent { reason: "refused".into() }, now);
            probes += 1;
            now = line.closed_until().unwrap();
            assert_eq!(line.allows(8, now), 1, "one probe at a time");
        }
        assert!(probes <= 25, "{probes}");
        let open = line.after(&Outcome::Accepted { gateway_id: "1".into() }, now);
        assert_eq!(open.allows(8, now), 8);
    }

    #[test]
    fn a_gateway_may_ask_for_time_but_not_for_ten_years() {
        let now: Timestamp = "2022-01-25T10:00:00Z".parse().unwrap();
        let asked = |secs| {
            let outcome = Outcome::Throttled { retry_after: Some(SignedDuration::from_secs(secs)) };
            Line::default().after(&outcome, now).closed_until().unwrap().duration_since(now).as_secs()
        };
        assert_eq!((asked(7), asked(0), asked(315_360_000)), (7, 1, 900));
    }
}
