//! The shell's sender, as `app::sender`: a message is handed over only after the commit that made it `submitting`; right
//! before its first byte it is checked once more in memory; one attempt is one request.

use super::operations::{Done, Operation};
use super::seed::Class;
use super::shell::{Ahead, Answer};
use super::sim::{Event, Fail, Sim, Who};
use super::world::Submission;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::ids::Id;
use ringround::domain::message::{Claimed, Outcome, Refusal, RefusalClass, State};
use ringround::engine::deliver::{Terms, barred, deliver};
use ringround::engine::line::Line;
use ringround::engine::may_send::{Revocation, WIRE_SLACK, overtaken};
use ringround::store::{ClaimRequest, LEASE, LineTerms, Pulse};

const MOST_AHEAD: SignedDuration = SignedDuration::from_secs(1);
const LEAST_AHEAD: SignedDuration = SignedDuration::from_millis(50);
const LONGEST_REQUEST: SignedDuration = SignedDuration::from_secs(20);
const UNSURE_FOR: SignedDuration = SignedDuration::from_mins(1);

impl Sim {
    /// A turn of the sender.
    pub fn send(&mut self, who: Who, pulse: &Pulse, quiet: Vec<String>) -> Result<bool, Fail> {
        self.stock(who)?;
        self.reconcile(who);
        self.resume(who, pulse);
        let mut busy = self.collect(who) | self.probe(who, pulse);
        if pulse.paused || quiet != self.process(who).quiet {
            self.release(who);
        }
        self.process(who).quiet.clone_from(&quiet);
        busy |= self.hand_over(who)?;
        let may_claim = pulse.claimable && self.may_claim(who);
        let window = if may_claim { self.window(who) } else { 0 };
        let limit = window.saturating_sub(self.process(who).ahead.len());
        busy |= self.record_and_claim(who, limit, quiet)?;
        // After a long commit quiet hours may have begun: then they are looked at again first.
        let fresh = !super::fixes::QUIET || self.own_now(who).duration_since(pulse.at) <= MOST_AHEAD;
        busy |= if fresh { self.hand_over(who)? } else { !self.process(who).ahead.is_empty() };
        Ok(busy)
    }

    fn may_claim(&mut self, who: Who) -> bool {
        let now = self.own_now(who);
        self.hands[who.w].hour_known && self.process(who).line_free_at.is_none_or(|at| at <= now)
    }

    /// After a commit whose answer was lost: what the store believes to be in our hands and is not, never left.
    fn reconcile(&mut self, who: Who) {
        let now = self.own_now(who);
        let process = self.process(who);
        let Some(until) = process.unsure_until else { return };
        let (epoch, held) = (process.epoch, process.held.clone());
        for id in self.model.claimed_by(epoch) {
            if !held.contains(&id) {
                let moved = self.given_back(who, id, State::Queued, "its claim's answer was lost: it never left", now);
                self.process(who).finished.push(moved);
            }
        }
        if now >= until {
            self.process(who).unsure_until = None;
        }
    }

    /// A person has resumed the line that was barred.
    fn resume(&mut self, who: Who, pulse: &Pulse) {
        let process = self.process(who);
        if process.line.is_barred() && !pulse.line_paused && process.finished.is_empty() {
            process.line = Line::new(process.epoch);
            self.memory(who).away = false;
        }
    }

    /// After a wait the gateway is asked whether it is there, where it can be asked.
    fn probe(&mut self, who: Who, pulse: &Pulse) -> bool {
        let now = self.own_now(who);
        let texts = pulse.claimable && !pulse.paused;
        let can = self.plan.class == Class::B;
        let process = self.process(who);
        let asks = can && !pulse.line_paused && process.line.asks(texts, pulse.doubts, now);
        if !asks || process.in_flight > 0 {
            return false;
        }
        process.in_flight += 1;
        let answer = Answer::Probe(self.world.probe(self.now, &mut self.tally));
        let done = self.now + SignedDuration::from_millis(self.random.i64(20..900));
        self.at(done, Event::Answer { who, answer });
        true
    }

    /// Gives back what never touched the wire.
    pub fn release(&mut self, who: Who) {
        let now = self.own_now(who);
        while let Some(Ahead { claimed, .. }) = self.process(who).ahead.pop_front() {
            self.put_back(who, &claimed, State::Queued, "released before it left", now);
        }
    }

    fn put_back(&mut self, who: Who, claimed: &Claimed, to: State, why: &str, now: Timestamp) {
        let moved = self.given_back(who, claimed.id, to, why, now);
        let process = self.process(who);
        process.returned += 1;
        process.finished.push(moved);
    }

    fn given_back(&mut self, who: Who, id: Id, to: State, why: &str, now: Timestamp) -> Decision {
        self.tally.unsent += u64::from(to == State::Queued);
        let epoch = Some(self.process(who).epoch);
        let next_at = super::fixes::next_at(to, why, now);
        let moved = MessageMove { epoch, next_at, ..MessageMove::new(id, State::Submitting, to, now).because(why) };
        Change::MessageMoved(moved).into()
    }

    /// Takes the answers that have come.
    pub fn collect(&mut self, who: Who) -> bool {
        let answered = std::mem::take(&mut self.process(who).answered);
        let any = !answered.is_empty();
        for answer in answered {
            self.heard(who, answer);
        }
        any
    }

    fn heard(&mut self, who: Who, answer: Answer) {
        let now = self.own_now(who);
        match answer {
            Answer::Text(claimed, outcome) => {
                let outcome = self.process(who).line.judged(outcome);
                self.finish(who, &claimed, &outcome);
            }
            Answer::Probe(None) => {
                let line = self.process(who).line.after_probe(None, now);
                self.line_moved(who, line);
            }
            Answer::Probe(Some(outcome)) => {
                let outcome = self.process(who).line.trying().judged(outcome);
                if let Outcome::Barred { bar, detail } = &outcome {
                    self.process(who).finished.push(barred(*bar, detail, now).into());
                }
                let line = self.process(who).line.after_probe(Some(&outcome), now);
                self.line_moved(who, line);
            }
        }
    }

    fn line_moved(&mut self, who: Who, line: Line) {
        self.process(who).line = line;
        self.memory(who).away = line.is_away();
    }

    fn finish(&mut self, who: Who, claimed: &Claimed, outcome: &Outcome) {
        let now = self.own_now(who);
        let (settle, report_within) = (self.plan.settle, self.plan.report_within);
        let line = self.process(who).line.after(outcome, now);
        self.line_moved(who, line);
        if let Outcome::Refused(Refusal { class: RefusalClass::OptedOut, .. }) = outcome {
            self.memory(who).revoke(claimed.contact, Revocation::Left(None));
            self.process(who).left.push(claimed.contact);
        }
        let process = self.process(who);
        let retry_at = process.line.closed_until().unwrap_or(now);
        let terms = Terms { epoch: process.epoch, retry_at, settle, report_within };
        let decision = deliver(claimed, outcome, &terms, now, &mut self.memory(who).ids);
        self.process(who).finished.push(decision);
    }

    /// Puts claimed messages on the wire, as far as line and rate allow.
    fn hand_over(&mut self, who: Who) -> Result<bool, Fail> {
        let (limit, spacing) = (self.plan.in_flight, self.spacing());
        let mut any = false;
        loop {
            self.crash_point(who)?;
            let now = self.own_now(who);
            let process = self.process(who);
            if process.line.allows(limit, now) == 0 && !process.ahead.is_empty() {
                self.release(who);
                return Ok(true);
            }
            let free = process.in_flight < process.line.allows(limit, now);
            let due = process.ahead.front().is_some_and(|first| first.start.max(process.next_start) <= now);
            if !free || !due {
                return Ok(any);
            }
            let Some(Ahead { claimed, at: claimed_at, .. }) = process.ahead.pop_front() else { return Ok(any) };
            any = true;
            if super::fixes::ARRIVED && self.memory(who).has_arrived(claimed.id, claimed_at) {
                self.put_back(who, &claimed, State::Queued, "a report shows that it was sent", now);
                continue;
            }
            let revoked = self.memory(who).revoked_since(claimed.contact, claimed_at, claimed.list.as_deref());
            if let Some((to, why)) = overtaken(&claimed, revoked.as_ref(), now) {
                self.put_back(who, &claimed, to, why, now);
                continue;
            }
            if self.is_stale(who, claimed_at, now) {
                self.put_back(who, &claimed, State::Queued, "released before it left: it had waited", now);
                continue;
            }
            let process = self.process(who);
            process.next_start = now + spacing;
            process.line = process.line.trying();
            process.in_flight += 1;
            self.wire(who, claimed, now);
        }
    }

    /// What was claimed by the old time is claimed anew, and nothing waits for that time again.
    pub fn clock_was_set(&mut self, who: Who) {
        let now = self.own_now(who);
        let next_start = if super::fixes::PACE { now + self.spacing() } else { now };
        self.release(who);
        let process = self.process(who);
        (process.next_start, process.line_free_at) = (next_start, None);
        process.line = process.line.clock_was_set(now);
        process.unsure_until = process.unsure_until.map(|_| now + UNSURE_FOR);
    }

    /// Too long ago: a STOP that another worker took may not be known here; or our lease could end before the request.
    fn is_stale(&mut self, who: Who, claimed_at: Timestamp, now: Timestamp) -> bool {
        let shared = self.hands.len() > 1;
        let lease_until = self.process(who).lease_until;
        now + LONGEST_REQUEST + MOST_AHEAD > lease_until || (shared && now.duration_since(claimed_at) > MOST_AHEAD)
    }

    pub fn spacing(&self) -> SignedDuration {
        SignedDuration::from_micros(1_000_000 / i64::from(self.plan.per_second))
    }

    /// One attempt: one request, and the answer when its time has come.
    fn wire(&mut self, who: Who, claimed: Claimed, now: Timestamp) {
        let slow = SignedDuration::from_millis(self.random.i64(5..1500));
        let arrives = self.now + slow;
        let submission = Submission {
            reference: self.mint.reference(claimed.id),
            to: claimed.phone.e164().to_owned(),
            text: claimed.text.clone(),
            arrives,
            valid_until: arrives + claimed.not_after.duration_since(now),
        };
        self.judged_at_wire(who, &claimed, &submission, now);
        let submitted = self.world.submit(&submission, &mut self.random, &mut self.tally);
        self.say(|| format!("{who:?} wire {} attempt {}: {:?}", claimed.id, claimed.attempt, submitted.outcome));
        for (at, callback) in submitted.later {
            self.post(at, callback);
        }
        // A request that was to be over by then, and is not, does not go on.
        let over = self.now + (LONGEST_REQUEST + MOST_AHEAD).min(claimed.not_after.duration_since(now));
        let done = arrives + submitted.takes;
        let late = Outcome::Unclear { reason: "its time was over before the answer came".to_owned() };
        let outcome = if done >= over { late } else { submitted.outcome };
        self.at(done.min(over), Event::Answer { who, answer: Answer::Text(Box::new(claimed), outcome) });
    }

    /// Records what is finished, and claims nothing.
    pub fn record(&mut self, who: Who) -> Result<bool, Fail> {
        self.record_and_claim(who, 0, Vec::new())
    }

    /// One durable transaction: outcomes recorded, next messages claimed.
    fn record_and_claim(&mut self, who: Who, limit: usize, quiet: Vec<String>) -> Result<bool, Fail> {
        let now = self.own_now(who);
        let spacing = self.spacing();
        let process = self.process(who);
        if process.finished.is_empty() && limit == 0 {
            return Ok(false);
        }
        let ahead = (process.commit_time * 2).clamp(LEAST_AHEAD, MOST_AHEAD);
        let line = LineTerms { gateway: String::new(), spacing, per_day: None, ahead, returned: process.returned };
        let request = ClaimRequest { limit, epoch: process.epoch, line, latest: now + WIRE_SLACK, quiet };
        let (outcomes, left) = (std::mem::take(&mut process.finished), std::mem::take(&mut process.left));
        let operation = Operation::Turn(outcomes, request, now);
        let done = self.store(who, &operation);
        let Operation::Turn(outcomes, ..) = operation else { return Err(Fail::Fenced) };
        let done = match done {
            Ok(Done::Turned(Some(done))) => done,
            Ok(_) => return Err(Fail::Fenced),
            Err(error) => {
                if error == Fail::Busy {
                    let process = self.process(who);
                    process.finished.extend(outcomes);
                    process.left.extend(left);
                    process.unsure_until = Some(now + UNSURE_FOR);
                    process.returned = 0;
                }
                return Err(error);
            }
        };
        let heard = self.collect(who);
        let after = self.own_now(who);
        self.memory(who).revoked(&left, after);
        let process = self.process(who);
        process.lease_until = now + LEASE;
        process.line_free_at = done.line_free_at;
        process.returned = if limit > 0 { 0 } else { process.returned };
        for recorded in outcomes.iter().filter_map(first_moved) {
            process.held.remove(&recorded);
        }
        process.commit_time = (process.commit_time * 7 + after.duration_since(now).max(SignedDuration::ZERO)) / 8;
        let busy = !outcomes.is_empty() || !done.claimed.is_empty() || heard;
        process.held.extend(done.claimed.iter().map(|(claimed, _)| claimed.id));
        process.ahead.extend(done.claimed.into_iter().map(|(claimed, start)| Ahead { claimed, at: now, start }));
        Ok(busy)
    }

    fn window(&mut self, who: Who) -> usize {
        let now = self.own_now(who);
        let most_ahead = if matches!(self.plan.class, Class::C | Class::D) { 2 } else { 2000 };
        let (in_flight, spacing) = (self.plan.in_flight, self.spacing());
        let process = self.process(who);
        match process.line.allows(in_flight, now) {
            0 => 0,
            1 if process.line.closed_until().is_some() => usize::from(process.in_flight == 0),
            slots => {
                let free = slots.saturating_sub(process.in_flight);
                let during = 2 * process.commit_time.as_micros() / spacing.as_micros();
                free + usize::try_from(during).unwrap_or(0).clamp(2, most_ahead)
            }
        }
    }
}

fn first_moved(Decision(changes): &Decision) -> Option<Id> {
    match changes.first() {
        Some(Change::MessageMoved(moved)) => Some(moved.id),
        _ => None,
    }
}
