//! How much is claimed, and when nothing is. What is claimed and not on the wire is in doubt after a kill: so no more than
//! it takes to keep the wire busy, and nothing long before its start.

use super::Sender;
use crate::app::desk::Desk;
use crate::domain::change::{Change, Decision, MessageMove};
use crate::domain::ids::Id;
use crate::domain::message::{Claimed, State};
use crate::engine::may_send::WIRE_SLACK;
use crate::gateway::LONGEST_REQUEST;
use crate::store::{ClaimRequest, LineTerms, StoreError};
use jiff::{SignedDuration, Timestamp};

/// Messages claimed within this time ahead of their start; on a shared database also how old a claim may become, so that a
/// STOP that another worker took is heeded within a second.
pub(super) const MOST_AHEAD: SignedDuration = SignedDuration::from_secs(1);
pub(super) const LEAST_AHEAD: SignedDuration = SignedDuration::from_millis(50);
/// After a commit whose answer was lost, a claim of its may turn up for so long.
pub(super) const UNSURE_FOR: SignedDuration = SignedDuration::from_mins(1);
/// Until a text to somebody whose own text may mean STOP is looked at again.
const REVIEW_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// A full disk is tried again this often.
pub(super) const STARVED_FOR: SignedDuration = SignedDuration::from_secs(1);

impl Sender {
    /// Claims wait while the disk is full, while the line has no start to give, and while nobody knows the hour.
    pub(super) fn may_claim(&mut self, desk: &Desk) -> bool {
        let now = desk.clock.now();
        if self.starved_until.is_some_and(|until| now >= until) {
            self.starved_until = if self.finished.is_empty() && desk.store.keep_reserve() {
                tracing::info!("there is room on the disk again: sending goes on");
                desk.set_starved(false);
                None
            } else {
                now.checked_add(STARVED_FOR).ok()
            };
        }
        self.starved_until.is_none() && desk.hour_is_known() && self.line_free_at.is_none_or(|at| at <= now)
    }

    /// The disk is full: the reserve is given up for what came of the texts in flight, and nothing else is written.
    pub fn starve(&mut self, desk: &Desk) {
        let now = desk.clock.now();
        desk.store.give_up_reserve();
        desk.set_starved(true);
        desk.set_busy(!self.is_idle());
        self.starved_until = now.checked_add(STARVED_FOR).ok();
    }

    /// The clock was set: what waits for an hour of the old one would wait for as long as it was wrong.
    pub fn clock_was_set(&mut self, desk: &Desk) {
        let now = desk.clock.now();
        self.release(desk);
        // The last request may have left a moment ago, by whichever clock: its distance can't be told any more.
        self.next_start = now.saturating_add(desk.settings.gateway.spacing()).unwrap_or(now);
        self.line_free_at = None;
        self.line = self.line.clock_was_set(now);
        self.starved_until = self.starved_until.map(|_| now);
        self.unsure_until = self.unsure_until.and_then(|_| now.checked_add(UNSURE_FOR).ok());
    }

    /// After a commit whose answer was lost: what the store believes to be in our hands and is not, never left.
    pub(super) async fn reconcile(&mut self, desk: &Desk) -> Result<(), StoreError> {
        let Some(until) = self.unsure_until else { return Ok(()) };
        let now = desk.clock.now();
        for id in desk.store.claimed_by(self.epoch).await? {
            if !self.held.contains(&id) {
                self.finished.push(self.given_back(
                    id,
                    State::Queued,
                    "its claim's answer was lost: it never left",
                    now,
                ));
            }
        }
        if now >= until {
            self.unsure_until = None;
        }
        Ok(())
    }

    pub(super) fn put_back(&mut self, claimed: &Claimed, to: State, why: &str, now: Timestamp) {
        self.returned += 1;
        self.finished.push(self.given_back(claimed.id, to, why, now));
    }

    pub(super) fn delay_last(&mut self, now: Timestamp) {
        if let Some(Change::MessageMoved(moved)) = self.finished.last_mut().and_then(|Decision(all)| all.first_mut()) {
            moved.next_at = now.checked_add(REVIEW_PAUSE).ok();
        }
    }

    pub(super) fn given_back(&self, id: Id, to: State, why: &str, now: Timestamp) -> Decision {
        let epoch = Some(self.epoch);
        let next_at = (to == State::InDoubt).then_some(now); // in doubt for long: there is nothing more to settle
        let moved = MessageMove { epoch, next_at, ..MessageMove::new(id, State::Submitting, to, now).because(why) };
        Change::MessageMoved(moved).into()
    }

    /// Too long ago: a STOP that another worker took may not be known here; or our lease could end before the request.
    pub(super) fn is_stale(&self, desk: &Desk, claimed_at: Timestamp, now: Timestamp) -> bool {
        let ends = now.saturating_add(LONGEST_REQUEST + MOST_AHEAD).unwrap_or(Timestamp::MAX);
        ends > self.lease_until || (desk.store.is_shared() && now.duration_since(claimed_at) > MOST_AHEAD)
    }

    pub(super) fn claim_request(&self, desk: &Desk, limit: usize, quiet: Vec<String>, now: Timestamp) -> ClaimRequest {
        let gateway = &desk.settings.gateway;
        let line = LineTerms {
            gateway: gateway.profile.clone().unwrap_or_default(),
            spacing: gateway.spacing(),
            per_day: gateway.per_day,
            ahead: (self.commit_time * 2).clamp(LEAST_AHEAD, MOST_AHEAD),
            returned: self.returned,
        };
        let latest = now.saturating_add(WIRE_SLACK).unwrap_or(now);
        ClaimRequest { limit, epoch: self.epoch, line, latest, quiet }
    }

    /// How many may be claimed and not on the wire: what can be sent during about two commits, at least two and at most
    /// what the gateway can be asked about after a crash; one at a time while the line is on probation, none while it
    /// is closed.
    pub(super) fn window(&self, desk: &Desk, most_ahead: usize) -> usize {
        let (gateway, now) = (&desk.settings.gateway, desk.clock.now());
        match self.line.allows(gateway.in_flight, now) {
            0 => 0,
            1 if self.line.closed_until().is_some() => usize::from(self.in_flight.is_empty()),
            slots => {
                let free = slots.saturating_sub(self.in_flight.len());
                let spacing = gateway.spacing().as_micros().max(1);
                let during = usize::try_from(2 * self.commit_time.as_micros() / spacing).unwrap_or(0);
                free + during.clamp(2, most_ahead)
            }
        }
    }
}
