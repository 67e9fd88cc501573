//! The line to a gateway: one back-off for all messages, so that an outage costs a handful of requests, not one per
//! parent. Only answers that mean "the gateway is not there" close it; a refused number says nothing about the line.
//!
//! In ten minutes of outage there are at most 23 waits. Each ends with one request, one more is spent on the answer that
//! is forgiven, and one on the text that shows that probes are not to be believed: 25 besides what was in flight.

use crate::domain::message::{Bar, Outcome};
use jiff::{SignedDuration, Timestamp};

/// Longest wait of our own. With 1, 2, 4, 8, 16, then 30 seconds there are at most 23 waits in ten minutes.
const LONGEST: i64 = 30;
/// A gateway may ask for longer, but never for more than this.
const LONGEST_ASKED: SignedDuration = SignedDuration::from_mins(15);
/// Certificates that can't be trusted, one wait after another: not a passing fault, and nobody but a person can mend it.
const UNTRUSTED: u32 = 3;

/// The line's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    seed: i64,
    /// Waits of this outage.
    failures: u32,
    /// Waits of this outage that a certificate began, without another cause between them.
    untrusted: u32,
    /// An answer got lost while the line was open; the next one closes it.
    forgiven: bool,
    closed_until: Option<Timestamp>,
    /// The one request after the wait is on the wire: nothing else was, so the next answer is its own.
    tried: bool,
    /// A probe was answered since the last wait: a text may go.
    probed: bool,
    /// A probe was answered in this outage, whatever became of the texts after it.
    answered: bool,
    /// Only a text can tell: the gateway takes questions and no texts, or asked for time.
    by_text: bool,
    barred: bool,
}

impl Line {
    /// A line that is open. Lines of different seeds wait differently long.
    pub fn new(seed: i64) -> Self {
        Self {
            seed,
            failures: 0,
            untrusted: 0,
            forgiven: false,
            closed_until: None,
            tried: false,
            probed: false,
            answered: false,
            by_text: false,
            barred: false,
        }
    }

    /// How many requests may be in flight: all, one after a wait, none while closed.
    pub fn allows(&self, in_flight_limit: usize, now: Timestamp) -> usize {
        match self.closed_until {
            _ if self.barred => 0,
            Some(until) if now < until => 0,
            Some(_) => 1,
            None => in_flight_limit,
        }
    }

    /// When it may be tried again, while it is closed.
    pub fn closed_until(&self) -> Option<Timestamp> {
        self.closed_until
    }

    /// The clock was set: a wait that began by the old one ends now, because nobody knows how long it would last.
    #[must_use]
    pub fn clock_was_set(self, now: Timestamp) -> Self {
        Self { closed_until: self.closed_until.map(|_| now), ..self }
    }

    /// A person has to see to it before anything is asked or sent.
    pub fn is_barred(&self) -> bool {
        self.barred
    }

    /// Nobody has answered since it closed: questions about texts in doubt wait, too. A gateway that takes questions and
    /// loses texts is asked about those it lost.
    pub fn is_away(&self) -> bool {
        self.barred || self.closed_until.is_some() && !self.answered
    }

    /// The one request after a wait is a question, where the gateway takes any, and not a parent's text. Without texts
    /// that wait, those in doubt may be a reason to ask.
    pub fn asks(&self, texts: bool, doubts: bool, now: Timestamp) -> bool {
        let wanted = if texts { !self.by_text } else { doubts };
        wanted && !self.probed && self.closed_until.is_some() && self.allows(1, now) == 1
    }

    /// What an answer means for the line: certificates that can't be trusted bar it in the end.
    #[must_use]
    pub fn judged(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Untrusted { reason } if self.untrusted + 1 >= UNTRUSTED && self.tried => {
                Outcome::Barred { bar: Bar::Certificate, detail: reason }
            }
            other => other,
        }
    }

    /// The line after an answer to a text. One that got lost alone is forgiven: the next may well come.
    #[must_use]
    pub fn after(self, outcome: &Outcome, now: Timestamp) -> Self {
        let asked = match outcome {
            Outcome::Barred { .. } => return Self { barred: true, ..self },
            // Texts that were in flight when it closed say nothing new: they neither open it nor lengthen the wait.
            _ if self.barred || self.closed_until.is_some() && !self.tried => return self,
            Outcome::Accepted { .. } | Outcome::Refused(_) => return Self::new(self.seed),
            Outcome::Unclear { .. } if self.closed_until.is_none() && !self.forgiven => {
                return Self { forgiven: true, ..self };
            }
            Outcome::Throttled { retry_after } => *retry_after,
            Outcome::NotSent { .. } | Outcome::Untrusted { .. } | Outcome::Unclear { .. } => None,
        };
        let own = SignedDuration::from_secs((1 << self.failures.min(5)).min(LONGEST));
        let wait = asked.map_or(own, |asked| asked.min(LONGEST_ASKED).max(own));
        Self {
            failures: self.failures.saturating_add(1),
            untrusted: if matches!(outcome, Outcome::Untrusted { .. }) { self.untrusted + 1 } else { 0 },
            closed_until: now.checked_add(self.jittered(wait)).ok(),
            by_text: self.by_text || self.probed || matches!(outcome, Outcome::Throttled { .. }),
            tried: false,
            probed: false,
            ..self
        }
    }

    /// A text is put on the wire. After a wait this is the one that tells; nothing else may be in flight then.
    #[must_use]
    pub fn trying(self) -> Self {
        Self { tried: self.closed_until.is_some(), ..self }
    }

    /// The line after a probe: none means that it was answered, and one text may show whether texts go, too.
    #[must_use]
    pub fn after_probe(self, failed: Option<&Outcome>, now: Timestamp) -> Self {
        match failed {
            Some(outcome) => self.trying().after(outcome, now),
            None => Self { probed: true, answered: true, untrusted: 0, ..self },
        }
    }

    /// The gateway does not answer this question to us; a text has to show.
    #[must_use]
    pub fn without_probes(self) -> Self {
        Self { by_text: true, ..self }
    }

    /// Up to a quarter longer, so that many do not come back at once; never shorter, so that there are never more
    /// requests. No randomness: the seed and the number of the wait decide.
    fn jittered(&self, wait: SignedDuration) -> SignedDuration {
        let mut bits = self.seed.cast_unsigned().wrapping_add(u64::from(self.failures) << 32);
        for (shift, factor) in [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)] {
            bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
            bits = (bits ^ (bits >> shift)).wrapping_mul(factor);
        }
        let thousandths = i32::try_from((bits >> 33) % 1001).unwrap_or(0);
        wait + wait / 4000 * thousandths
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
