//! Sends: claims durably, hands over, records. The look-ahead keeps the wire busy while the disk syncs: the intent for
//! the next few messages is committed together with the outcomes of the last, while others are in flight.
//!
//! Order is everything here: a message is handed over only after the commit that made it `submitting`; right before
//! its first byte it is checked once more in memory; one attempt is one request.

mod look_ahead;
mod probing;

use super::attempt::request;
use super::desk::Desk;
use super::line::{Answer, InFlight, moved, probed};
use crate::domain::change::{Change, Decision, MessageMove};
use crate::domain::ids::Id;
use crate::domain::message::{Claimed, Outcome, Refusal, RefusalClass, State};
use crate::engine::deliver::{Terms, deliver};
use crate::engine::gateway_ids::GatewayIds;
use crate::engine::line::Line;
use crate::engine::may_send::{Revocation, overtaken};
use crate::gateway::Gateway;
use crate::store::{LEASE, Pulse, Recruit, StoreError};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, select_biased};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet, VecDeque};

/// How often, and how far apart, the last outcomes are tried to be recorded at a stop.
const STOP_TRIES: u32 = 5;
const STOP_PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// A message at which ringround itself failed so often is a person's matter.
const MOST_FAILURES: u32 = 3;

/// Claimed durably, not yet on the wire.
struct Ahead {
    claimed: Claimed,
    at: Timestamp,
    /// The line gives it this start.
    start: Timestamp,
}

/// See the module's head.
pub struct Sender {
    epoch: i64,
    lease_until: Timestamp,
    line: Line,
    ids: GatewayIds,
    ahead: VecDeque<Ahead>,
    in_flight: FuturesUnordered<InFlight>,
    /// Answers that came while nobody had a turn.
    answered: Vec<Answer>,
    /// The gateway's reports carry nothing but its own id.
    keeps_handles: bool,
    /// All that was claimed and is not yet recorded.
    held: HashSet<Id>,
    /// A commit's answer was lost: until then the store may believe that we hold more than we do.
    unsure_until: Option<Timestamp>,
    /// The disk is full: nothing is claimed, only recorded, and it is tried again at this instant.
    starved_until: Option<Timestamp>,
    /// How often ringround itself failed at a message.
    failures: HashMap<Id, u32>,
    /// Decided, not yet committed.
    finished: Vec<Decision>,
    /// Opted out at the gateway, by a decision among those.
    left: Vec<Id>,
    /// Campaigns that were in their quiet hours when it last looked.
    quiet: Vec<String>,
    /// The rate allows the next request at this instant.
    next_start: Timestamp,
    /// The line has no start to give before this instant.
    line_free_at: Option<Timestamp>,
    /// Starts that the line gave since the last claim and that nobody used.
    returned: i64,
    /// How long a commit takes, smoothed.
    commit_time: SignedDuration,
}

impl Sender {
    /// Begins a new epoch: whatever a worker that is gone had claimed is in doubt from now on. Says how many.
    pub async fn start(desk: &Desk) -> Result<(Self, u64), StoreError> {
        let now = desk.clock.now();
        let who = Recruit { place: &desk.place, agreement: &desk.agreement, settle: desk.settings.gateway.settle };
        let (epoch, doubted) = desk.store.enlist(&who, now).await?;
        desk.set_starved(false); // what could be written now has been
        let sender = Self {
            epoch,
            lease_until: lease_from(now),
            line: Line::new(epoch),
            ids: GatewayIds::default(),
            ahead: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            answered: Vec::new(),
            keeps_handles: false,
            held: HashSet::new(),
            unsure_until: None,
            starved_until: None,
            failures: HashMap::new(),
            finished: Vec::new(),
            left: Vec::new(),
            quiet: Vec::new(),
            next_start: now,
            line_free_at: None,
            returned: 0,
            commit_time: SignedDuration::ZERO,
        };
        Ok((sender, doubted))
    }

    /// A sign of life, also when there is nothing to do: how many texts of workers that are gone are in doubt by it.
    pub async fn beat(&mut self, desk: &Desk) -> Result<u64, StoreError> {
        let now = desk.clock.now();
        let swept = desk.store.beat(self.epoch, desk.settings.gateway.settle, now).await?;
        self.lease_until = lease_from(now);
        Ok(swept.doubted)
    }

    /// One turn: true if anything was done. `quiet`: campaigns in their quiet hours.
    pub async fn turn(
        &mut self,
        desk: &Desk,
        gateway: &Gateway,
        pulse: &Pulse,
        quiet: Vec<String>,
    ) -> Result<bool, StoreError> {
        desk.stock().await?;
        self.keeps_handles = gateway.reports_by_its_own_id();
        self.reconcile(desk).await?;
        self.resume(desk, pulse);
        let mut busy = self.collect(desk) | self.probe(desk, gateway, pulse);
        if pulse.paused || quiet != self.quiet {
            self.release(desk); // what is claimed was claimed while it was still allowed
        }
        self.quiet.clone_from(&quiet);
        busy |= self.hand_over(desk, gateway);
        // Asked first: this is what finds that the disk has room again, also while nothing waits to be sent.
        let may_claim = self.may_claim(desk) && pulse.claimable;
        let window = if may_claim { self.window(desk, gateway.most_ahead()) } else { 0 };
        busy |= self.record_and_claim(desk, window.saturating_sub(self.ahead.len()), quiet).await?;
        // After a long commit quiet hours may have begun: then they are looked at again first.
        let fresh = desk.clock.now().duration_since(pulse.at) <= look_ahead::MOST_AHEAD;
        busy |= if fresh { self.hand_over(desk, gateway) } else { !self.ahead.is_empty() };
        desk.set_busy(!self.is_idle());
        Ok(busy)
    }

    /// When it wants its next turn, beyond the end of a request: the rate or the closed line allows more then.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        let start = self.ahead.front().map(|first| first.start.max(self.next_start));
        let more = [self.line.closed_until(), self.line_free_at, self.starved_until];
        more.into_iter().flatten().chain(start).min()
    }

    /// Nothing in its hands.
    pub fn is_idle(&self) -> bool {
        self.ahead.is_empty() && self.in_flight.is_empty() && self.answered.is_empty() && self.finished.is_empty()
    }

    /// Waits for the next answer; for ever if no request is in flight. Nothing is lost if the wait is given up.
    pub async fn answer(&mut self) {
        match self.in_flight.next().await {
            Some(answer) => self.answered.push(answer),
            None => std::future::pending().await,
        }
    }

    /// Gives back what never touched the wire: after a pause, after a change of campaigns, before a stop.
    pub fn release(&mut self, desk: &Desk) {
        let now = desk.clock.now();
        while let Some(Ahead { claimed, .. }) = self.ahead.pop_front() {
            self.put_back(&claimed, State::Queued, "released before it left", now);
        }
    }

    /// Stops: claims nothing more, gives back what never touched the wire, waits for the requests in flight (each has a
    /// timeout of its own) and records their outcomes.
    pub async fn stop(&mut self, desk: &Desk) -> Result<(), StoreError> {
        self.release(desk);
        let given_back = async {
            self.reconcile(desk).await?; // nobody would give it back later
            self.record_and_claim(desk, 0, Vec::new()).await
        };
        if let Err(error) = given_back.await {
            tracing::warn!("what never left: {error}; trying again"); // whoever kills us now finds it in doubt
        }
        while let Some(answer) = self.in_flight.next().await {
            self.answered.push(answer);
        }
        self.collect(desk);
        for _ in 0..STOP_TRIES {
            match self.record_and_claim(desk, 0, Vec::new()).await {
                Err(error) if error.is_temporary() => {
                    tracing::warn!("what came of the last texts: {error}; trying again");
                }
                Err(error) => return Err(error),
                Ok(_) => return desk.store.retire(self.epoch).await,
            }
            let now = desk.clock.now();
            desk.clock.sleep_until(now.saturating_add(STOP_PAUSE).unwrap_or(now)).await;
        }
        self.record_and_claim(desk, 0, Vec::new()).await?;
        desk.store.retire(self.epoch).await
    }

    /// Takes the answers that have come.
    fn collect(&mut self, desk: &Desk) -> bool {
        while let Some(Some(answer)) = self.in_flight.next().now_or_never() {
            self.answered.push(answer);
        }
        let answered = std::mem::take(&mut self.answered);
        let any = !answered.is_empty();
        for answer in answered {
            self.heard(desk, answer);
        }
        any
    }

    fn heard(&mut self, desk: &Desk, answer: Answer) {
        let now = desk.clock.now();
        match answer {
            Answer::Text(claimed, outcome) => self.finish(desk, &claimed, &self.line.judged(outcome)),
            Answer::Probe(answer) => {
                let (line, paused) = probed(desk, self.line, answer, now);
                self.line = line;
                self.finished.extend(paused);
            }
            Answer::Failed(claimed) => self.failed(desk, &claimed),
        }
    }

    /// A failure of our own in the middle of a request: in doubt like any other, but not again and again.
    fn failed(&mut self, desk: &Desk, claimed: &Claimed) {
        let failures = self.failures.entry(claimed.id).or_default();
        *failures += 1;
        tracing::error!("message {} is in doubt: ringround itself failed while sending it ({failures})", claimed.id);
        let often = *failures >= MOST_FAILURES;
        self.finish(desk, claimed, &Outcome::Unclear { reason: "ringround itself failed while sending it".to_owned() });
        if let Some(Decision(changes)) = self.finished.last_mut().filter(|_| often) {
            let moved = MessageMove::new(claimed.id, State::InDoubt, State::Unresolved, desk.clock.now());
            changes.push(Change::MessageMoved(moved.because("ringround failed three times while sending it")));
        }
    }

    fn finish(&mut self, desk: &Desk, claimed: &Claimed, outcome: &Outcome) {
        let now = desk.clock.now();
        self.line = moved(desk, self.line, self.line.after(outcome, now), Some(outcome));
        match outcome {
            Outcome::Accepted { gateway_id } => {
                // Each of the first few is named; a gateway that does it always is not told of a hundred thousand times.
                if let Some((other, times)) = self.ids.given(gateway_id, claimed.id)
                    && (times <= 10 || times % 1000 == 0)
                {
                    tracing::error!(
                        "the gateway gave one id to two texts, messages {other} and {}: ask the provider which of them \
                         it sent; neither is sent again ({times} such texts since the start)",
                        claimed.id
                    );
                }
            }
            Outcome::Unclear { reason } => tracing::info!("message {} is in doubt: {reason}", claimed.id),
            Outcome::Refused(refusal) => tracing::info!("message {} was refused: {}", claimed.id, refusal.detail),
            _ => {}
        }
        if let Outcome::Refused(Refusal { class: RefusalClass::OptedOut, .. }) = outcome {
            desk.revoke(claimed.contact, Revocation::Left(None)); // committed with the next turn
            self.left.push(claimed.contact);
        }
        let gateway = &desk.settings.gateway;
        let terms = Terms {
            epoch: self.epoch,
            retry_at: self.line.closed_until().unwrap_or(now),
            settle: gateway.settle,
            report_within: gateway.report_within,
        };
        let decision = desk.decide(|ids| deliver(claimed, outcome, &terms, now, ids));
        let decision = if self.keeps_handles { decision.with_handles() } else { decision };
        self.finished.push(decision);
    }

    /// Puts claimed messages on the wire, as far as line and rate allow.
    fn hand_over(&mut self, desk: &Desk, gateway: &Gateway) -> bool {
        let mut any = false;
        loop {
            let now = desk.clock.now();
            if self.line.allows(desk.settings.gateway.in_flight, now) == 0 && !self.ahead.is_empty() {
                self.release(desk);
                return true;
            }
            let free = self.in_flight.len() < self.line.allows(desk.settings.gateway.in_flight, now);
            let due = self.ahead.front().is_some_and(|first| first.start.max(self.next_start) <= now);
            if !free || !due {
                return any;
            }
            let Some(Ahead { claimed, at: claimed_at, .. }) = self.ahead.pop_front() else { return any };
            any = true;
            if desk.has_arrived(claimed.id, claimed_at) {
                self.put_back(&claimed, State::Queued, "a report shows that it was sent", now);
                continue;
            }
            let revoked = desk.revoked_since(claimed.contact, claimed_at, claimed.list.as_deref());
            if let Some((to, why)) = overtaken(&claimed, revoked.as_ref(), now) {
                self.put_back(&claimed, to, why, now);
                if to == State::Queued {
                    // Who is to be looked at first stands in the store as a rule, and is not claimed. Where that could not
                    // be stored it would be claimed and put back without end.
                    self.delay_last(now);
                }
                continue;
            }
            if self.is_stale(desk, claimed_at, now) {
                self.put_back(&claimed, State::Queued, "released before it left: it had waited", now);
                continue;
            }
            self.next_start = now + desk.settings.gateway.spacing();
            self.line = self.line.trying();
            self.in_flight.push(request(desk, gateway, claimed, now));
        }
    }

    /// One durable transaction: outcomes recorded, next messages claimed. Requests in flight go on meanwhile.
    async fn record_and_claim(&mut self, desk: &Desk, limit: usize, quiet: Vec<String>) -> Result<bool, StoreError> {
        let now = desk.clock.now();
        if self.finished.is_empty() && limit == 0 {
            return Ok(false);
        }
        let request = self.claim_request(desk, limit, quiet, now);
        let (outcomes, left) = (std::mem::take(&mut self.finished), std::mem::take(&mut self.left));
        let answered = {
            let mut commit = std::pin::pin!(desk.store.turn(&outcomes, &request, now).fuse());
            let mut answered = Vec::new();
            loop {
                select_biased! {
                    done = commit => break (done, answered),
                    answer = self.in_flight.select_next_some() => answered.push(answer),
                }
            }
        };
        let (done, answered) = answered;
        let heard = !answered.is_empty();
        for answer in answered {
            self.heard(desk, answer);
        }
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                self.finished.extend(outcomes); // kept: recorded with the next turn
                self.left.extend(left);
                self.unsure_until = now.checked_add(look_ahead::UNSURE_FOR).ok();
                if matches!(error, StoreError::Full) {
                    self.starve(desk);
                }
                self.returned = 0; // it may have been counted
                return Err(error);
            }
        };
        self.lease_until = lease_from(now);
        self.line_free_at = done.line_free_at;
        if limit > 0 {
            self.returned = 0;
        }
        for recorded in outcomes.iter().filter_map(first_moved) {
            self.held.remove(&recorded);
        }
        desk.revoked(&left, desk.clock.now());
        let took = desk.clock.now().duration_since(now);
        self.commit_time = (self.commit_time * 7 + took) / 8;
        let busy = !outcomes.is_empty() || !done.claimed.is_empty() || heard;
        self.held.extend(done.claimed.iter().map(|(claimed, _)| claimed.id));
        self.ahead.extend(done.claimed.into_iter().map(|(claimed, start)| Ahead { claimed, at: now, start }));
        Ok(busy)
    }
}

/// The message that a decision moves first.
fn first_moved(Decision(changes): &Decision) -> Option<Id> {
    match changes.first() {
        Some(Change::MessageMoved(moved)) => Some(moved.id),
        _ => None,
    }
}

fn lease_from(now: Timestamp) -> Timestamp {
    now.saturating_add(LEASE).unwrap_or(now)
}
