//! The model store's workers, their leases and the line they share; the fence of a restored database; strange reports.

use super::model::{Model, ms};
use super::rows::Worker;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::broadcast::Fate;
use ringround::domain::consent::{Event, EventKind};
use ringround::domain::ids::Id;
use ringround::domain::message::{Claimed, Edge, State};
use ringround::domain::pause::Pause;
use ringround::domain::report::StrayReport;
use ringround::store::{LEASE, LineTerms};

const DAY_US: i64 = 86_400_000_000;
/// Clocks of workers, and what they give ahead, are no further apart.
const MOST_APART: SignedDuration = SignedDuration::from_secs(10);
/// How long a report about an unknown text is kept.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The lease is gone: a new epoch must begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced;

/// A line as all workers share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    pub next_us: i64,
    pub day: i64,
    pub used: i64,
}

fn micros(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap()
}

impl Model {
    /// Begins a new epoch: its number, and how many texts are in doubt because their worker is gone. `alone`: every other
    /// worker is.
    pub fn enlist(&mut self, alone: bool, settle: SignedDuration, now: Timestamp) -> (i64, u64) {
        self.epoch += 1;
        self.workers.retain(|_, worker| !alone && worker.lease_until > ms(now));
        self.workers.insert(self.epoch, Worker { lease_until: ms(now + LEASE) });
        (self.epoch, self.strand(settle, now))
    }

    /// A sign of life: the own lease is renewed, and workers whose lease has run out are taken off.
    pub fn beat(&mut self, epoch: i64, settle: SignedDuration, now: Timestamp) -> Result<u64, Fenced> {
        self.renew(epoch, now)?;
        let before = self.workers.len();
        self.workers.retain(|_, worker| worker.lease_until > ms(now));
        Ok(if self.workers.len() < before { self.strand(settle, now) } else { 0 })
    }

    /// A worker ends, with nothing in its hands.
    pub fn retire(&mut self, epoch: i64) {
        self.workers.remove(&epoch);
    }

    /// Renews the own lease; an error if it was taken away.
    pub fn renew(&mut self, epoch: i64, now: Timestamp) -> Result<(), Fenced> {
        let worker = self.workers.get_mut(&epoch).ok_or(Fenced)?;
        worker.lease_until = ms(now + LEASE);
        Ok(())
    }

    /// E8 for what nobody holds.
    fn strand(&mut self, settle: SignedDuration, now: Timestamp) -> u64 {
        let mut doubted = 0;
        for id in self.submitting.clone() {
            if self.workers.contains_key(&self.messages[&id].epoch) {
                continue;
            }
            doubted += 1;
            self.passed.push((id, Edge::Doubt));
            self.change(id, |row| {
                (row.state, row.answered_at) = (State::InDoubt, Some(ms(now)));
                row.reason = Some("the worker stopped while it was being sent".to_owned());
                (row.ask_at, row.absent) = (Some(ms(now + settle)), 0);
            });
        }
        doubted
    }

    /// What the store believes to be in a worker's hands.
    pub fn claimed_by(&self, epoch: i64) -> Vec<Id> {
        self.submitting.iter().copied().filter(|id| self.messages[id].epoch == epoch).collect()
    }

    /// Takes starts on the line for what is to be claimed: at most how many, and the line afterwards; or when it has the next.
    pub(super) fn line(&mut self, terms: &LineTerms, now: Timestamp) -> Result<(usize, Shared), Timestamp> {
        let now_us = now.as_microsecond();
        let day = now_us.div_euclid(DAY_US);
        let line = self.lines.entry(terms.gateway.clone()).or_insert(Shared { next_us: now_us, day, used: 0 });
        // A start further ahead than anybody gives was given by a clock that has been set back since.
        let furthest = now_us + micros(terms.ahead.max(MOST_APART)) + micros(terms.spacing).max(1);
        if line.next_us <= now_us || line.next_us > furthest {
            line.next_us = now_us;
        }
        line.used = if line.day == day { (line.used - terms.returned).max(0) } else { 0 };
        line.day = day;
        let left = now_us + micros(terms.ahead) - line.next_us;
        let in_time = if left < 0 { 0 } else { left / micros(terms.spacing).max(1) + 1 };
        let starts = in_time.min(terms.per_day.map_or(i64::MAX, |most| most - line.used));
        if starts > 0 {
            return Ok((usize::try_from(starts).unwrap_or(usize::MAX), *line));
        }
        let spent = terms.per_day.is_some_and(|most| line.used >= most);
        let at = if spent { (line.day + 1) * DAY_US } else { line.next_us - micros(terms.ahead) };
        Err(Timestamp::from_microsecond(at).unwrap().max(now))
    }

    pub(super) fn starts(
        &mut self,
        terms: &LineTerms,
        line: Shared,
        claimed: Vec<Claimed>,
    ) -> Vec<(Claimed, Timestamp)> {
        let spacing = micros(terms.spacing).max(1);
        let count = i64::try_from(claimed.len()).unwrap();
        let after = Shared { next_us: line.next_us + count * spacing, used: line.used + count, ..line };
        self.lines.insert(terms.gateway.clone(), after);
        let start =
            |nth: usize| Timestamp::from_microsecond(line.next_us + i64::try_from(nth).unwrap() * spacing).unwrap();
        claimed.into_iter().enumerate().map(|(nth, claimed)| (claimed, start(nth))).collect()
    }

    /// The database was restored or copied: nothing is sent, and all that could have left meanwhile is in doubt (E22).
    pub fn fence(&mut self, settle: SignedDuration, now: Timestamp) {
        let id = self.ids(1).take();
        let reason = "the database was restored: it may have been sent already";
        self.pauses.insert(Pause::Fence.as_str(), (reason.to_owned(), ms(now)));
        let waits = |state| matches!(state, State::Held | State::Queued);
        let due = self.messages.values().filter(|m| waits(m.state) && m.not_before <= ms(now));
        for id in due.map(|m| m.new.id).collect::<Vec<Id>>() {
            self.passed.push((id, Edge::Restored));
            self.change(id, |row| {
                (row.state, row.answered_at) = (State::InDoubt, Some(ms(now)));
                (row.ask_at, row.absent) = (Some(ms(now + settle)), 0);
                row.reason = Some(reason.to_owned());
            });
        }
        for broadcast in self.broadcasts.values_mut().filter(|b| b.fate == Fate::Filling) {
            broadcast.fate = Fate::Missed;
        }
        self.record(&Event::new(id, now, EventKind::Fenced, "ringround", "start").because(reason));
    }

    pub(super) fn keep_stray(&mut self, stray: &StrayReport) -> u64 {
        let same = |s: &StrayReport| s.gateway == stray.gateway && s.fingerprint == stray.fingerprint;
        if self.strays.values().any(same) {
            return 0;
        }
        self.strays.insert(stray.id, stray.clone());
        1
    }
}
