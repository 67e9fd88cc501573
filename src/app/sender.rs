//! Sends: claims durably, hands over, records. The look-ahead keeps the wire busy while the disk syncs: the intent for
//! the next few messages is committed together with the outcomes of the last, while others are in flight.
//!
//! Order is everything here: a message is handed over only after the commit that made it `submitting`; right before
//! its first byte it is checked once more in memory; one attempt is one request.

use super::desk::Desk;
use crate::domain::change::{Change, Decision, MessageMove};
use crate::domain::ids::Id;
use crate::domain::message::{Claimed, Outcome, Refusal, RefusalClass, State};
use crate::engine::deliver::{Terms, deliver};
use crate::engine::line::Line;
use crate::engine::may_send::{Revocation, WIRE_SLACK, overtaken};
use crate::gateway::{Gateway, Submission};
use crate::store::{ClaimRequest, Pulse, StoreError};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, select_biased};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

/// How often, and how far apart, the last outcomes are tried to be recorded at a stop.
const STOP_TRIES: u32 = 5;
const STOP_PAUSE: SignedDuration = SignedDuration::from_secs(1);

type InFlight = LocalBoxFuture<'static, (Claimed, Outcome)>;

/// See the module's head.
pub struct Sender {
    epoch: i64,
    line: Line,
    /// Claimed durably, not yet on the wire: (message, when it was claimed).
    ahead: VecDeque<(Claimed, Timestamp)>,
    in_flight: FuturesUnordered<InFlight>,
    /// Answers that came while nobody had a turn.
    answered: Vec<(Claimed, Outcome)>,
    /// Decided, not yet committed.
    finished: Vec<Decision>,
    /// Opted out at the gateway, by a decision among those.
    left: Vec<Id>,
    /// Campaigns that were in their quiet hours when it last looked.
    quiet: Vec<String>,
    /// The rate allows the next request at this instant.
    next_start: Timestamp,
    /// How long a commit takes, smoothed.
    commit_time: SignedDuration,
}

impl Sender {
    /// Begins a new epoch: whatever an earlier one had claimed is in doubt from now on. Says how many.
    pub async fn start(desk: &Desk) -> Result<(Self, u64), StoreError> {
        let epoch = desk.store.next_epoch().await?;
        let now = desk.clock.now();
        let swept = desk.store.doubt_stranded(epoch, desk.settings.gateway.settle, now).await?;
        let sender = Self {
            epoch,
            line: Line::default(),
            ahead: VecDeque::new(),
            in_flight: FuturesUnordered::new(),
            answered: Vec::new(),
            finished: Vec::new(),
            left: Vec::new(),
            quiet: Vec::new(),
            next_start: now,
            commit_time: SignedDuration::ZERO,
        };
        Ok((sender, swept.doubted))
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
        let mut busy = self.collect(desk);
        if pulse.paused || quiet != self.quiet {
            self.release(desk); // what is claimed was claimed while it was still allowed
        }
        self.quiet.clone_from(&quiet);
        busy |= self.hand_over(desk, gateway);
        let window = if pulse.claimable { self.window(desk, gateway.most_ahead()) } else { 0 };
        busy |= self.record_and_claim(desk, window.saturating_sub(self.ahead.len()), quiet).await?;
        Ok(busy | self.hand_over(desk, gateway))
    }

    /// When it wants its next turn, beyond the end of a request: the rate or the closed line allows more then.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        let rate = (!self.ahead.is_empty()).then_some(self.next_start);
        self.line.closed_until().into_iter().chain(rate).min()
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
        while let Some((claimed, _)) = self.ahead.pop_front() {
            self.put_back(&claimed, State::Queued, "released before it left", now);
        }
    }

    /// Stops: claims nothing more, gives back what never touched the wire, waits for the requests in flight (each has a
    /// timeout of its own) and records their outcomes.
    pub async fn stop(&mut self, desk: &Desk) -> Result<(), StoreError> {
        self.release(desk);
        if let Err(error) = self.record_and_claim(desk, 0, Vec::new()).await {
            tracing::warn!("what never left: {error}; trying again"); // whoever kills us now finds it in doubt
        }
        while let Some((claimed, outcome)) = self.in_flight.next().await {
            self.answered.push((claimed, outcome));
        }
        self.collect(desk);
        for _ in 0..STOP_TRIES {
            match self.record_and_claim(desk, 0, Vec::new()).await {
                Err(error) if error.is_temporary() => {
                    tracing::warn!("what came of the last texts: {error}; trying again");
                }
                done => return done.map(|_| ()),
            }
            let now = desk.clock.now();
            desk.clock.sleep_until(now.saturating_add(STOP_PAUSE).unwrap_or(now)).await;
        }
        self.record_and_claim(desk, 0, Vec::new()).await.map(|_| ())
    }

    /// Takes the answers that have come.
    fn collect(&mut self, desk: &Desk) -> bool {
        while let Some(Some(answer)) = self.in_flight.next().now_or_never() {
            self.answered.push(answer);
        }
        let answered = std::mem::take(&mut self.answered);
        for (claimed, outcome) in &answered {
            self.finish(desk, claimed, outcome);
        }
        !answered.is_empty()
    }

    fn finish(&mut self, desk: &Desk, claimed: &Claimed, outcome: &Outcome) {
        let now = desk.clock.now();
        let was_open = self.line.closed_until().is_none();
        self.line = self.line.after(outcome, now);
        match outcome {
            Outcome::Barred { bar, detail } => tracing::error!(
                "the line to the gateway is paused: {}: {detail}; mend it, then: ringround line resume",
                bar.in_words()
            ),
            Outcome::Unclear { reason } => tracing::warn!("message {} is in doubt: {reason}", claimed.id),
            Outcome::NotSent { reason } if was_open => {
                tracing::warn!("the gateway takes nothing: {reason}; trying again");
            }
            Outcome::Throttled { .. } if was_open => tracing::warn!("the gateway asks to wait"),
            Outcome::Accepted { .. } if !was_open => tracing::info!("the gateway takes texts again"),
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
            if !free || now < self.next_start {
                return any;
            }
            let Some((claimed, claimed_at)) = self.ahead.pop_front() else { return any };
            any = true;
            let revoked = desk.revoked_since(claimed.contact, claimed_at, claimed.list.as_deref());
            if let Some((to, why)) = overtaken(&claimed, revoked.as_ref(), now) {
                self.put_back(&claimed, to, why, now);
                continue;
            }
            self.next_start = now + desk.settings.gateway.spacing();
            self.in_flight.push(request(desk, gateway, claimed, now));
        }
    }

    fn put_back(&mut self, claimed: &Claimed, to: State, why: &str, now: Timestamp) {
        let epoch = Some(self.epoch);
        let moved = MessageMove { epoch, ..MessageMove::new(claimed.id, State::Submitting, to, now).because(why) };
        self.finished.push(Change::MessageMoved(moved).into());
    }

    /// One durable transaction: outcomes recorded, next messages claimed. Requests in flight go on meanwhile.
    async fn record_and_claim(&mut self, desk: &Desk, limit: usize, quiet: Vec<String>) -> Result<bool, StoreError> {
        let now = desk.clock.now();
        if self.finished.is_empty() && limit == 0 {
            return Ok(false);
        }
        let request =
            ClaimRequest { limit, epoch: self.epoch, latest: now.saturating_add(WIRE_SLACK).unwrap_or(now), quiet };
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
        for (claimed, outcome) in &answered {
            self.finish(desk, claimed, outcome);
        }
        let (_, claimed) = match done {
            Ok(done) => done,
            Err(error) => {
                self.finished.extend(outcomes); // kept: recorded with the next turn
                self.left.extend(left);
                return Err(error);
            }
        };
        desk.revoked(&left, desk.clock.now());
        let took = desk.clock.now().duration_since(now);
        self.commit_time = (self.commit_time * 7 + took) / 8;
        let busy = !outcomes.is_empty() || !claimed.is_empty() || !answered.is_empty();
        self.ahead.extend(claimed.into_iter().map(|claimed| (claimed, now)));
        Ok(busy)
    }

    /// How many may be claimed and not on the wire: what can be sent during about two commits, at least two and at most
    /// what the gateway can be asked about after a crash; one at a time while the line is on probation, none while it
    /// is closed.
    fn window(&self, desk: &Desk, most_ahead: usize) -> usize {
        let (gateway, now) = (&desk.settings.gateway, desk.clock.now());
        match self.line.allows(gateway.in_flight, now) {
            0 => 0,
            1 if gateway.in_flight > 1 => usize::from(self.in_flight.is_empty()),
            slots => {
                let free = slots.saturating_sub(self.in_flight.len());
                let spacing = gateway.spacing().as_micros().max(1);
                let during = usize::try_from(2 * self.commit_time.as_micros() / spacing).unwrap_or(0);
                free + during.clamp(2, most_ahead)
            }
        }
    }
}

/// One attempt: one request, and the answer when its time has come.
fn request(desk: &Desk, gateway: &Gateway, claimed: Claimed, now: Timestamp) -> InFlight {
    let submission = Submission {
        reference: desk.store.identity().mint().reference(claimed.id),
        to: claimed.phone.e164().to_owned(),
        text: claimed.text.clone(),
        valid_until: claimed.not_after,
        handed_at: now,
    };
    let (gateway, clock) = (gateway.clone(), desk.clock.clone());
    async move {
        let (takes, outcome) = gateway.submit(&submission).await;
        clock.sleep_until(now + takes).await;
        (claimed, outcome)
    }
    .boxed_local()
}
