//! A small shell in the order of operations of `src/app`: what it decides is decided by the real engine. Every call of the
//! engine that sends, resolves or reports is in this file, and each durable operation is one step: see `Sim::store`.

use super::intake::Memory;
use super::model::Model;
use super::seed::Class;
use super::sim::{Event, Fail, Sim, Who};
use super::tally::Fault;
use super::world::Submission;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::campaign::Campaign;
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::consent::{Event as Entry, EventKind};
use ringround::domain::doubt::{Doubt, LookUp};
use ringround::domain::ids::{Id, Ids};
use ringround::domain::message::{Claimed, Outcome, Refusal, RefusalClass, State};
use ringround::domain::template::Context;
use ringround::engine::deliver::{Terms, deliver};
use ringround::engine::line::Line;
use ringround::engine::may_send::{Revocation, WIRE_SLACK, overtaken};
use ringround::engine::{doubt, fill, plan};
use ringround::store::{ClaimRequest, Pulse, Swept};
use std::collections::VecDeque;
use std::rc::Rc;

/// How long a worker may be silent before another one takes what it had claimed.
pub const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// With several workers nothing leaves that was claimed longer ago: another worker's STOP is in nobody's memory here.
const STALE: SignedDuration = SignedDuration::from_secs(1);
/// A cursor older than this is moved even when nothing was due.
const CURSOR_AGE: SignedDuration = SignedDuration::from_hours(1);
/// Half of a class A gateway's window.
const HALF_WINDOW: SignedDuration = SignedDuration::from_hours(12);

/// What a process knows of the campaigns that run.
#[derive(Debug)]
pub struct Known {
    pub id: String,
    pub planned_until: Timestamp,
    pub campaign: Rc<Campaign>,
    pub context: Rc<Context>,
    pub next_due: Option<Timestamp>,
}

/// A process: gone with all its memory when it crashes.
#[derive(Debug)]
pub struct Process {
    pub epoch: i64,
    pub lease_until: Timestamp,
    pub line: Line,
    pub ahead: VecDeque<(Claimed, Timestamp)>,
    pub in_flight: usize,
    pub answered: Vec<(Claimed, Outcome)>,
    pub finished: Vec<Decision>,
    pub left: Vec<Id>,
    pub quiet: Vec<String>,
    pub next_start: Timestamp,
    pub last_now: Timestamp,
    pub commit_time: SignedDuration,
    pub known: Vec<Known>,
    pub seen: Option<i64>,
    pub released_at: Option<i64>,
    pub memory: Memory,
}

impl Process {
    pub fn new(epoch: i64, now: Timestamp) -> Self {
        Self {
            epoch,
            lease_until: now + LEASE,
            line: Line::default(),
            ahead: VecDeque::new(),
            in_flight: 0,
            answered: Vec::new(),
            finished: Vec::new(),
            left: Vec::new(),
            quiet: Vec::new(),
            next_start: now,
            last_now: now,
            commit_time: SignedDuration::ZERO,
            known: Vec::new(),
            seen: None,
            released_at: None,
            memory: Memory::default(),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.ahead.is_empty() && self.in_flight == 0 && self.answered.is_empty() && self.finished.is_empty()
    }
}

/// What `engine::doubt` makes of an answer, and what it does not know yet: the class, and the step's policy.
fn resolved(sim: &mut Sim, who: Who, doubt: &Doubt, answer: &LookUp, now: Timestamp) -> Decision {
    let to = |state| MessageMove { asked: Some(doubt.ask_at), ..MessageMove::new(doubt.id, State::InDoubt, state, now) };
    let in_time = now + WIRE_SLACK < doubt.not_after;
    if sim.plan.class == Class::A && in_time && now.duration_since(doubt.first_at) < HALF_WINDOW {
        let again = MessageMove { next_at: Some(now), ..to(State::Queued).because("the gateway refuses repeats") };
        return Change::MessageMoved(again).into();
    }
    let mut decision = doubt::resolve(doubt, answer, sim.plan.settle, sim.plan.report_within, now);
    if let (LookUp::Unknown, Some(Change::DoubtAsked { again_at, .. })) = (answer, decision.0.first_mut()) {
        // Two thousand questions a day that get the same answer would cost more time here than all the rest.
        *again_at = (*again_at).max(now + now.duration_since(doubt.since) / 4);
    }
    let gives_up =
        matches!(decision.0.first(), Some(Change::MessageMoved(moved)) if moved.to == State::Unresolved);
    if gives_up && doubt.may_resend && in_time {
        sim.tally.hit(Fault::PolicyResend);
        sim.judge.resent(doubt.id);
        let again = MessageMove { next_at: Some(now), ..to(State::Queued).because("the step's policy sends again") };
        let ids = &mut sim.process(who).memory.ids;
        let event = Entry::new(ids.take(), now, EventKind::DoubtDecided, "policy:resend", "in doubt");
        return Decision(vec![Change::MessageMoved(again), Change::Recorded(event)]);
    }
    decision
}

impl Sim {
    /// Begins a new epoch: whatever an earlier one had claimed is in doubt from now on.
    pub fn start(&mut self, who: Who) -> Result<(), Fail> {
        let epoch = self.store(who, Model::next_epoch)?;
        let now = self.own_now(who);
        if self.plan.workers == 1 {
            let settle = self.plan.settle;
            self.store(who, |model| model.doubt_stranded(epoch, settle, now))?;
        } else {
            self.store(who, |model| model.register(epoch, now + LEASE))?;
        }
        self.hands[who.w].process = Some(Process::new(epoch, now));
        Ok(())
    }

    /// Makes sure that one decision can be taken.
    pub fn stock(&mut self, who: Who) -> Result<(), Fail> {
        if self.process(who).memory.ids.left() < 200 {
            let block: Ids = self.store(who, |model| model.ids(1000))?;
            self.process(who).memory.ids = block;
        }
        Ok(())
    }

    /// One turn of the worker: scheduler, then sender.
    pub fn work(&mut self, who: Who) -> Result<bool, Fail> {
        if self.hands[who.w].process.is_none() {
            self.start(who)?;
        }
        let now = self.own_now(who);
        let pulse = self.model.pulse(now);
        if self.process(who).released_at.is_some_and(|seen| seen != pulse.campaigns) {
            self.release(who);
        }
        self.process(who).released_at = Some(pulse.campaigns);
        let mut busy = self.schedule(who, &pulse)?;
        let quiet = self.quiet(who, now);
        busy |= self.send(who, &pulse, quiet)?;
        Ok(busy)
    }

    fn schedule(&mut self, who: Who, pulse: &Pulse) -> Result<bool, Fail> {
        let now = self.own_now(who);
        if self.process(who).seen != Some(pulse.campaigns) {
            let known = self.running();
            let process = self.process(who);
            (process.known, process.seen) = (known, Some(pulse.campaigns));
        }
        let mut busy = self.sweep_workers(who, now)?;
        busy |= pulse.ended && self.store(who, |model| model.sweep(now))? != Swept::default();
        for at in 0..self.process(who).known.len() {
            busy |= self.open_due(who, at, now)?;
        }
        if !busy && !pulse.filling {
            return Ok(false);
        }
        for broadcast in self.model.open_broadcasts() {
            let Some(known) = self.process(who).known.iter().find(|k| k.id == broadcast.campaign) else { continue };
            let (campaign, context) = (Rc::clone(&known.campaign), Rc::clone(&known.context));
            let Some(step) = campaign.steps.iter().find(|s| s.id == broadcast.occurrence.step) else { continue };
            let limit = self.plan.page;
            let page = self.model.candidates(&campaign.list, &campaign.id, broadcast.filled_to, limit);
            let touched: Vec<_> = page.iter().map(|c| self.model.touched.get(&c.contact.id).copied()).collect();
            let last = page.len() < limit;
            self.stock(who)?;
            let ids = &mut self.process(who).memory.ids;
            let decision = fill::fill(&campaign, step, &context, &broadcast, &page, last, ids);
            let held = self.store(who, |model| model.commit(&[decision], now))?;
            if held == [true] {
                self.judge.filled(&self.model, broadcast.id, &page, &touched);
            }
            busy = true;
        }
        Ok(busy)
    }

    /// Takes off workers whose lease is over: what they had claimed is in doubt.
    fn sweep_workers(&mut self, who: Who, now: Timestamp) -> Result<bool, Fail> {
        if self.plan.workers == 1 || !self.model.workers.values().any(|worker| worker.lease_until <= now) {
            return Ok(false);
        }
        let settle = self.plan.settle;
        self.store(who, |model| model.sweep_workers(settle, now))?;
        Ok(true)
    }

    fn open_due(&mut self, who: Who, at: usize, now: Timestamp) -> Result<bool, Fail> {
        let known = &self.process(who).known[at];
        let (campaign, planned_until) = (Rc::clone(&known.campaign), known.planned_until);
        let due = if known.next_due.is_some_and(|at| at <= now) {
            plan::due(&campaign, planned_until, now)
        } else {
            Vec::new()
        };
        if due.is_empty() && now.duration_since(planned_until) < CURSOR_AGE {
            return Ok(false);
        }
        self.stock(who)?;
        let ids = &mut self.process(who).memory.ids;
        let open = |due: &plan::Due| {
            Decision::from(Change::BroadcastOpened {
                id: ids.take(),
                campaign: campaign.id.clone(),
                occurrence: due.occurrence.clone(),
                fate: due.fate,
                reason: due.reason.map(str::to_owned),
                at: now,
            })
        };
        let mut decisions: Vec<Decision> = due.iter().map(open).collect();
        decisions.push(Change::CursorMoved { campaign: campaign.id.clone(), to: now }.into());
        self.store(who, |model| model.commit(&decisions, now))?;
        let next_due = plan::next_due(&campaign, now);
        let known = &mut self.process(who).known[at];
        (known.planned_until, known.next_due) = (now, next_due);
        Ok(!due.is_empty())
    }

    /// Campaigns that are in their quiet hours now, a second ahead.
    fn quiet(&mut self, who: Who, now: Timestamp) -> Vec<String> {
        let soon = now + SignedDuration::from_secs(1);
        let quiet = |c: &Campaign| c.quiet.contains(now, &c.zone) || c.quiet.contains(soon, &c.zone);
        self.process(who).known.iter().filter(|k| quiet(&k.campaign)).map(|k| k.id.clone()).collect()
    }

    /// A turn of the sender.
    fn send(&mut self, who: Who, pulse: &Pulse, quiet: Vec<String>) -> Result<bool, Fail> {
        self.stock(who)?;
        let mut busy = self.collect(who);
        if pulse.paused || quiet != self.process(who).quiet {
            self.release(who);
        }
        self.process(who).quiet.clone_from(&quiet);
        busy |= self.hand_over(who)?;
        let window = if pulse.claimable { self.window(who) } else { 0 };
        let limit = window.saturating_sub(self.process(who).ahead.len());
        busy |= self.record_and_claim(who, limit, quiet)?;
        Ok(busy | self.hand_over(who)?)
    }

    /// Gives back what never touched the wire.
    pub fn release(&mut self, who: Who) {
        let now = self.own_now(who);
        while let Some((claimed, _)) = self.process(who).ahead.pop_front() {
            self.put_back(who, &claimed, State::Queued, "released before it left", now);
        }
    }

    /// A clock that was set back: what was claimed by the old time is claimed anew, and nothing waits for that time again.
    fn notice_the_clock(&mut self, who: Who, now: Timestamp) {
        let process = self.process(who);
        if now < process.last_now {
            (process.next_start, process.line) = (now, Line::default());
            self.release(who);
        }
        self.process(who).last_now = now;
    }

    fn put_back(&mut self, who: Who, claimed: &Claimed, to: State, why: &str, now: Timestamp) {
        self.tally.unsent += u64::from(to == State::Queued);
        let process = self.process(who);
        let epoch = Some(process.epoch);
        // What waits for a person in our memory, and not yet in the store, would be claimed again at once.
        let next_at = (why == "their text may mean STOP").then_some(now + SignedDuration::from_secs(30));
        let moved = MessageMove { epoch, next_at, ..MessageMove::new(claimed.id, State::Submitting, to, now).because(why) };
        process.finished.push(Change::MessageMoved(moved).into());
    }

    /// Takes the answers that have come.
    pub fn collect(&mut self, who: Who) -> bool {
        let answered = std::mem::take(&mut self.process(who).answered);
        for (claimed, outcome) in &answered {
            self.finish(who, claimed, outcome);
        }
        !answered.is_empty()
    }

    fn finish(&mut self, who: Who, claimed: &Claimed, outcome: &Outcome) {
        let now = self.own_now(who);
        let (settle, report_within) = (self.plan.settle, self.plan.report_within);
        let process = self.process(who);
        process.line = process.line.after(outcome, now);
        if let Outcome::Refused(Refusal { class: RefusalClass::OptedOut, .. }) = outcome {
            process.memory.revoke(claimed.contact, Revocation::Left(None));
            process.left.push(claimed.contact);
        }
        let retry_at = process.line.closed_until().unwrap_or(now);
        let terms = Terms { epoch: process.epoch, retry_at, settle, report_within };
        let decision = deliver(claimed, outcome, &terms, now, &mut process.memory.ids);
        process.finished.push(decision);
    }

    /// Puts claimed messages on the wire, as far as line and rate allow.
    fn hand_over(&mut self, who: Who) -> Result<bool, Fail> {
        let (limit, spacing) = (self.plan.in_flight, SignedDuration::from_micros(1_000_000 / i64::from(self.plan.per_second)));
        let several = self.plan.workers > 1;
        let mut any = false;
        loop {
            self.crash_point(who)?;
            let now = self.own_now(who);
            self.notice_the_clock(who, now);
            let process = self.process(who);
            if process.line.allows(limit, now) == 0 && !process.ahead.is_empty() {
                self.release(who);
                return Ok(true);
            }
            if process.in_flight >= process.line.allows(limit, now) || now < process.next_start {
                return Ok(any);
            }
            let Some((claimed, claimed_at)) = process.ahead.pop_front() else { return Ok(any) };
            any = true;
            if process.memory.arrived.contains(&claimed.id) {
                continue; // the store has moved it, or is about to
            }
            let stale = several && (now.duration_since(claimed_at) >= STALE || now >= process.lease_until);
            let revoked = process.memory.revoked_since(claimed.contact, claimed_at, claimed.list.as_deref());
            let verdict = overtaken(&claimed, revoked.as_ref(), now);
            if let Some((to, why)) = verdict.or(stale.then_some((State::Queued, "claimed too long ago"))) {
                self.put_back(who, &claimed, to, why, now);
                continue;
            }
            process.next_start = now + spacing;
            process.in_flight += 1;
            self.wire(who, claimed, now);
        }
    }

    /// One attempt: one request, and the answer when its time has come.
    fn wire(&mut self, who: Who, claimed: Claimed, now: Timestamp) {
        let reference = self.mint.reference(claimed.id);
        let slow = SignedDuration::from_millis(self.random.i64(5..1500));
        let arrives = self.now + slow;
        let submission = Submission {
            reference,
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
        let done = arrives + submitted.takes;
        self.at(done, Event::Answer { who, claimed: Box::new(claimed), outcome: Box::new(submitted.outcome) });
    }

    /// One durable transaction: outcomes recorded, next messages claimed.
    fn record_and_claim(&mut self, who: Who, limit: usize, quiet: Vec<String>) -> Result<bool, Fail> {
        let now = self.own_now(who);
        let several = self.plan.workers > 1;
        let process = self.process(who);
        if process.finished.is_empty() && limit == 0 {
            return Ok(false);
        }
        let epoch = process.epoch;
        let request = ClaimRequest { limit, epoch, latest: now + WIRE_SLACK, quiet };
        let (outcomes, left) = (std::mem::take(&mut process.finished), std::mem::take(&mut process.left));
        let done = self.store(who, |model| {
            if several && !model.renew(epoch, now + LEASE) {
                return None;
            }
            Some(model.turn(&outcomes, &request, now))
        });
        let answered = self.hands[who.w].life == who.life && self.collect(who);
        let claimed = match done {
            Ok(Some((_, claimed))) => claimed,
            Ok(None) => return Err(Fail::Fenced),
            Err(error) => {
                if error == Fail::Busy {
                    let process = self.process(who);
                    process.finished.extend(outcomes);
                    process.left.extend(left);
                }
                return Err(error);
            }
        };
        let after = self.own_now(who);
        let process = self.process(who);
        process.memory.revoked(&left, after);
        process.commit_time = (process.commit_time * 7 + after.duration_since(now)) / 8;
        let busy = !outcomes.is_empty() || !claimed.is_empty() || answered;
        process.ahead.extend(claimed.into_iter().map(|claimed| (claimed, now)));
        Ok(busy)
    }

    /// Records what is finished, and claims nothing.
    pub fn record(&mut self, who: Who) -> Result<bool, Fail> {
        self.record_and_claim(who, 0, Vec::new())
    }

    fn window(&mut self, who: Who) -> usize {
        let now = self.own_now(who);
        let most_ahead = if matches!(self.plan.class, Class::C | Class::D) { 2 } else { 2000 };
        let (in_flight, per_second) = (self.plan.in_flight, self.plan.per_second);
        let process = self.process(who);
        match process.line.allows(in_flight, now) {
            0 => 0,
            1 if in_flight > 1 => usize::from(process.in_flight == 0),
            slots => {
                let free = slots.saturating_sub(process.in_flight);
                let spacing = i128::from(1_000_000 / per_second);
                let during = usize::try_from(2 * process.commit_time.as_micros() / spacing).unwrap_or(0);
                free + during.clamp(2, most_ahead)
            }
        }
    }

    /// Asks the gateway about doubts whose time has come.
    pub fn resolve(&mut self, who: Who) -> Result<bool, Fail> {
        if self.hands[who.w].process.is_none() {
            return Ok(false);
        }
        let now = self.own_now(who);
        let doubts = self.model.doubts(now, 50);
        for doubt in &doubts {
            self.stock(who)?;
            let asked = Submission {
                reference: self.mint.reference(doubt.id),
                to: doubt.to.e164().to_owned(),
                text: doubt.text.clone(),
                arrives: doubt.handed_at,
                valid_until: doubt.not_after,
            };
            let answer = self.world.look_up(&asked, self.now, &mut self.random, &mut self.tally);
            self.say(|| format!("{who:?} asks about {}: {answer:?}", doubt.id));
            let now = self.own_now(who);
            let decision = resolved(self, who, doubt, &answer, now);
            self.store(who, |model| model.commit(&[decision], now))?;
        }
        Ok(!doubts.is_empty())
    }

    fn running(&self) -> Vec<Known> {
        let rows = self.model.campaigns.iter();
        let running = rows.filter(|(_, row)| row.state == ringround::domain::campaign::CampaignState::Running);
        let known = |(id, row): (&String, &super::rows::CampaignLine)| {
            let (campaign, context) = self.campaigns.get(id)?;
            Some(Known {
                id: id.clone(),
                planned_until: row.planned_until,
                next_due: plan::next_due(campaign, row.planned_until),
                campaign: Rc::clone(campaign),
                context: Rc::clone(context),
            })
        };
        running.filter_map(known).collect()
    }

    /// The next instant, by its own clock, at which a process has something to do by itself.
    pub fn wakes_at(&self, w: usize) -> Option<Timestamp> {
        use ringround::domain::schedule::quiet::Deferred;
        let process = self.hands[w].process.as_ref()?;
        let now = self.now + self.hands[w].offset;
        let ends = |k: &Known| match k.campaign.quiet.defer(now, &k.campaign.zone, None) {
            Deferred::SendAt(at) if at > now => Some(at),
            _ => None,
        };
        let rate = (!process.ahead.is_empty()).then_some(process.next_start);
        let lives = |epoch: &i64| self.hands.iter().any(|h| !h.frozen && h.process.as_ref().is_some_and(|p| p.epoch == *epoch));
        let gone = self.model.workers.iter().filter(|(epoch, _)| !lives(epoch));
        let lease = gone.map(|(_, worker)| worker.lease_until).min();
        let own = [process.line.closed_until(), rate, self.model.pulse(now).next, lease];
        let known = process.known.iter().flat_map(|k| [k.next_due, ends(k)]);
        own.into_iter().chain(known).flatten().filter(|at| *at > now).min()
    }
}
