//! A small shell in the order of operations of `src/app`: what it decides is decided by the real engine. The worker's half
//! is here, the sender's in `sending.rs`, the receiver's in `intake.rs`; each durable operation is one step: see `Sim::store`.

use super::operations::{Done, Operation};
use super::seed::Class;
use super::sim::{Fail, Sim, Who};
use super::tally::Fault;
use super::world::Submission;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::campaign::{Campaign, CampaignState};
use ringround::domain::change::{Change, Decision};
use ringround::domain::consent::{Event as Entry, EventKind};
use ringround::domain::doubt::{Doubt, LookUp, Means, Question};
use ringround::domain::ids::Id;
use ringround::domain::message::{Claimed, Outcome};
use ringround::domain::pause::Pause;
use ringround::domain::template::Context;
use ringround::engine::hour::{JUMP, NOTICED, implausible};
use ringround::engine::line::Line;
use ringround::engine::{doubt, fill, plan};
use ringround::store::{LEASE, Pulse, Swept};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

/// A cursor older than this is moved even when nothing was due.
const CURSOR_AGE: SignedDuration = SignedDuration::from_hours(1);
/// Between two signs of life.
const EVERY: SignedDuration = SignedDuration::from_secs(5);

/// What a process knows of the campaigns that run.
#[derive(Debug)]
pub struct Known {
    pub id: String,
    pub planned_until: Timestamp,
    pub campaign: Rc<Campaign>,
    pub context: Rc<Context>,
    pub next_due: Option<Timestamp>,
}

/// Claimed durably, not yet on the wire.
#[derive(Debug)]
pub struct Ahead {
    pub claimed: Claimed,
    pub at: Timestamp,
    pub start: Timestamp,
}

/// What comes back over the line: of a text, or of a probe (none: somebody is there).
#[derive(Debug)]
pub enum Answer {
    Text(Box<Claimed>, Outcome),
    Probe(Option<Outcome>),
}

/// One epoch's work: gone when its process crashes, or its lease is lost.
#[derive(Debug)]
pub struct Process {
    pub epoch: i64,
    pub lease_until: Timestamp,
    pub line: Line,
    pub ahead: VecDeque<Ahead>,
    pub in_flight: usize,
    pub answered: Vec<Answer>,
    /// All that was claimed and is not yet recorded.
    pub held: BTreeSet<Id>,
    /// A commit's answer was lost: until then the store may believe that we hold more than we do.
    pub unsure_until: Option<Timestamp>,
    pub finished: Vec<Decision>,
    pub left: Vec<Id>,
    pub quiet: Vec<String>,
    pub next_start: Timestamp,
    pub returned: i64,
    pub line_free_at: Option<Timestamp>,
    pub commit_time: SignedDuration,
    pub known: Vec<Known>,
    pub seen: Option<i64>,
    pub released_at: Option<i64>,
    beat_at: Timestamp,
    /// What was found of quiet hours in this minute: they begin and end with one.
    hush: Option<(i64, Vec<String>)>,
}

impl Process {
    fn new(epoch: i64, now: Timestamp) -> Self {
        Self {
            epoch,
            lease_until: now + LEASE,
            line: Line::new(epoch),
            ahead: VecDeque::new(),
            in_flight: 0,
            answered: Vec::new(),
            held: BTreeSet::new(),
            unsure_until: None,
            finished: Vec::new(),
            left: Vec::new(),
            quiet: Vec::new(),
            next_start: now,
            returned: 0,
            line_free_at: None,
            commit_time: SignedDuration::ZERO,
            known: Vec::new(),
            seen: None,
            released_at: None,
            beat_at: Timestamp::MIN,
            hush: None,
        }
    }

    pub fn is_idle(&self) -> bool {
        self.ahead.is_empty() && self.in_flight == 0 && self.answered.is_empty() && self.finished.is_empty()
    }
}

/// What a gateway of this class offers to settle a doubt with.
pub fn means(class: Class) -> Means {
    let (repeats_refused, question) = match class {
        Class::A => (Some(super::world::WINDOW), Question::Nobody),
        Class::B => (None, Question::ByReference),
        Class::C => (None, Question::ByRecipient),
        Class::D => (None, Question::Nobody),
    };
    Means { repeats_refused, question }
}

impl Sim {
    /// Begins a new epoch: whatever a worker that is gone had claimed is in doubt from now on.
    fn start(&mut self, who: Who) -> Result<(), Fail> {
        let now = self.own_now(who);
        let (alone, settle) = (self.hands.len() == 1, self.plan.settle);
        if let Done::Enlisted(epoch, _) = self.store(who, &Operation::Enlist { alone, settle, now })? {
            self.hands[who.w].process = Some(Process::new(epoch, now));
        }
        Ok(())
    }

    /// Makes sure that one decision can be taken.
    pub fn stock(&mut self, who: Who) -> Result<(), Fail> {
        if self.memory(who).ids.left() < 200
            && let Done::Ids(block) = self.store(who, &Operation::Ids(1000))?
        {
            self.memory(who).ids = block;
        }
        Ok(())
    }

    /// One turn of the worker: its pulse, the scheduler, the sender.
    pub fn work(&mut self, who: Who) -> Result<bool, Fail> {
        if self.hands[who.w].process.is_none() {
            self.start(who)?;
        }
        let mut busy = self.beat(who)?;
        let now = self.own_now(who);
        let pulse = self.model.pulse(now);
        if self.process(who).released_at.is_some_and(|seen| seen != pulse.campaigns) {
            self.release(who);
        }
        self.process(who).released_at = Some(pulse.campaigns);
        if self.hands[who.w].hour_known {
            busy |= self.schedule(who, &pulse)?;
        }
        let quiet = self.quiet(who, now);
        busy |= self.send(who, &pulse, quiet)?;
        Ok(busy)
    }

    /// A sign of life, and a look at the clock.
    fn beat(&mut self, who: Who) -> Result<bool, Fail> {
        let now = self.own_now(who);
        let jumped = std::mem::take(&mut self.hands[who.w].jumped);
        if jumped.abs() > NOTICED {
            self.process(who).beat_at = Timestamp::MIN;
            self.hands[who.w].hour_known = false;
            if super::fixes::CLOCK {
                self.clock_was_set(who);
            }
        }
        let next = self.process(who).beat_at;
        if now < next && next <= now + EVERY {
            return Ok(false);
        }
        let wrong = implausible(now, self.model.seen);
        if jumped.abs() > JUMP {
            self.stock(who)?;
            let id = self.memory(who).ids.take();
            let event = Entry::new(id, now, EventKind::ClockJumped, "ringround", "clock");
            self.commit(who, vec![Change::Recorded(event).into()], now)?;
        }
        let change = match (&wrong, self.model.pauses.contains_key(Pause::Clock.as_str())) {
            (Some(reason), false) => {
                self.tally.hit(Fault::ClockHeld);
                Some(Change::Paused { pause: Pause::Clock, reason: reason.clone(), at: now })
            }
            (None, true) => Some(Change::Resumed { pause: Pause::Clock }),
            _ => None,
        };
        if let Some(change) = change {
            self.commit(who, vec![change.into()], now)?;
        }
        self.hands[who.w].hour_known = wrong.is_none();
        let (epoch, settle) = (self.process(who).epoch, self.plan.settle);
        let done = self.store(who, &Operation::Beat { epoch, settle, now })?;
        let Done::Beaten(Some(doubted)) = done else { return Err(Fail::Fenced) };
        self.process(who).lease_until = now + LEASE;
        if wrong.is_none() {
            self.store(who, &Operation::See(now))?;
        }
        self.process(who).beat_at = now + EVERY;
        Ok(doubted > 0)
    }

    fn schedule(&mut self, who: Who, pulse: &Pulse) -> Result<bool, Fail> {
        let now = self.own_now(who);
        if self.process(who).seen != Some(pulse.campaigns) {
            let known = self.running();
            let process = self.process(who);
            (process.known, process.seen, process.hush) = (known, Some(pulse.campaigns), None);
        }
        let mut busy = false;
        if pulse.ended {
            let done = self.store(who, &Operation::Sweep(now))?;
            busy = !matches!(done, Done::Swept(swept) if swept == Swept::default());
        }
        if pulse.fenced {
            return Ok(busy);
        }
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
            let ids = &mut self.memory(who).ids;
            let decision = fill::fill(&campaign, step, &context, &broadcast, &page, last, ids);
            let held = self.commit(who, vec![decision], now)?;
            if held == [true] {
                self.judge.filled(&self.model, broadcast.id, &page, &touched);
            }
            busy = true;
        }
        Ok(busy)
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
        let ids = &mut self.memory(who).ids;
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
        self.commit(who, decisions, now)?;
        let next_due = self.next_due(&campaign, now);
        let known = &mut self.process(who).known[at];
        (known.planned_until, known.next_due) = (now, next_due);
        Ok(!due.is_empty())
    }

    /// Campaigns that are in their quiet hours now, a second ahead.
    fn quiet(&mut self, who: Who, now: Timestamp) -> Vec<String> {
        let (minute, second) = (now.as_second().div_euclid(60), now.as_second().rem_euclid(60));
        if let Some((of, quiet)) = &self.process(who).hush
            && *of == minute
            && second < 58
        {
            return quiet.clone();
        }
        let soon = now + SignedDuration::from_secs(1);
        let quiet = |c: &Campaign| c.quiet.contains(now, &c.zone) || c.quiet.contains(soon, &c.zone);
        let process = self.process(who);
        let found: Vec<String> = process.known.iter().filter(|k| quiet(&k.campaign)).map(|k| k.id.clone()).collect();
        process.hush = (second < 58).then(|| (minute, found.clone()));
        found
    }

    /// Settles doubts whose time has come; asks the gateway where that is needed.
    pub fn resolve(&mut self, who: Who) -> Result<bool, Fail> {
        let now = self.own_now(who);
        let line_paused = self.model.pauses.contains_key(Pause::Line.as_str());
        if self.hands[who.w].process.is_none() || !self.model.any_doubts(now) || line_paused {
            return Ok(false);
        }
        let doubts = self.model.doubts(now, 50);
        let terms = doubt::Terms {
            means: means(self.plan.class),
            settle: self.plan.settle,
            report_within: self.plan.report_within,
        };
        let (mut answers, mut asked_any) = (true, false);
        for doubt in &doubts {
            self.stock(who)?;
            let now = self.own_now(who);
            let decision = match doubt::unasked(doubt, &terms, now, &mut self.memory(who).ids) {
                Some(decision) => decision,
                None if self.memory(who).away => continue,
                None => self.asked(who, doubt, &terms, &mut answers),
            };
            asked_any = true;
            if matches!(decision.0.first(), Some(Change::MessageMoved(moved)) if moved.by_policy) {
                self.tally.hit(Fault::PolicyResend);
                self.judge.resent(doubt.id);
            }
            let now = self.own_now(who);
            self.commit(who, vec![decision], now)?;
        }
        Ok(asked_any)
    }

    fn asked(&mut self, who: Who, doubt: &Doubt, terms: &doubt::Terms, answers: &mut bool) -> Decision {
        let asked = Submission {
            reference: self.mint.reference(doubt.id),
            to: doubt.to.e164().to_owned(),
            text: doubt.text.clone(),
            arrives: doubt.handed_at,
            valid_until: doubt.not_after,
        };
        let answer = if *answers {
            self.world.look_up(&asked, self.now, &mut self.random, &mut self.tally)
        } else {
            LookUp::Failed
        };
        *answers &= answer != LookUp::Failed;
        self.say(|| format!("{who:?} asks about {}: {answer:?}", doubt.id));
        let now = self.own_now(who);
        doubt::resolve(doubt, &answer, terms, now, &mut self.memory(who).ids)
    }

    /// When the next step is due. Cron lines are dear to search: what is known beforehand is looked up, and in some seeds
    /// compared with what the engine says.
    fn next_due(&self, campaign: &Campaign, after: Timestamp) -> Option<Timestamp> {
        if after < self.plan.begin - plan::CATCH_UP || after > self.plan.end {
            return plan::next_due(campaign, after);
        }
        let known = self.judge.next_due(&campaign.id, after);
        if self.plan.seed.is_multiple_of(16) {
            assert_eq!(known, plan::next_due(campaign, after), "the next step of {} after {after}", campaign.id);
        }
        known
    }

    pub fn running(&self) -> Vec<Known> {
        let rows = self.model.campaigns.iter().filter(|(_, row)| row.state == CampaignState::Running);
        let known = |(id, row): (&String, &super::rows::CampaignLine)| {
            let (campaign, context) = self.campaigns.get(id)?;
            Some(Known {
                id: id.clone(),
                planned_until: row.planned_until,
                next_due: self.next_due(campaign, row.planned_until),
                campaign: Rc::clone(campaign),
                context: Rc::clone(context),
            })
        };
        rows.filter_map(known).collect()
    }

    /// The next instant, by its own clock, at which a process has something to do by itself.
    pub fn wakes_at(&self, w: usize) -> Option<Timestamp> {
        use ringround::domain::schedule::quiet::Deferred;
        let process = self.hands[w].process.as_ref()?;
        let now = self.now + self.hands[w].offset;
        let loud = process.hush.as_ref().is_some_and(|(_, quiet)| quiet.is_empty());
        let ends = |k: &Known| {
            let deferred = (!loud).then(|| k.campaign.quiet.defer(now, &k.campaign.zone, None)); // dear to search
            match deferred {
                Some(Deferred::SendAt(at)) if at > now => Some(at),
                _ => None,
            }
        };
        let rate = process.ahead.front().map(|first| first.start.max(process.next_start));
        let lives =
            |epoch: &i64| self.hands.iter().any(|h| !h.frozen && h.process.as_ref().is_some_and(|p| p.epoch == *epoch));
        let gone = self.model.workers.iter().filter(|(epoch, _)| !lives(epoch));
        let lease = gone.map(|(_, worker)| worker.lease_until).min();
        // While nobody knows the hour, it is looked at every five seconds: here only when it can have become right.
        let hour = (!self.hands[w].hour_known)
            .then(|| self.model.seen.map(|seen| seen - SignedDuration::from_mins(5)))
            .flatten();
        let unsure = process.unsure_until.map(|_| now + EVERY);
        // A worker whose clock is a little slow finds the line taken until the other one's present, again and again.
        let patience = if process.is_idle() { SignedDuration::from_secs(60) } else { SignedDuration::ZERO };
        let free_at = process.line_free_at.map(|at| at.max(now + patience));
        let own = [process.line.closed_until(), free_at, rate, self.model.next(now), lease, hour, unsure];
        let known = process.known.iter().flat_map(|k| [k.next_due, ends(k)]);
        own.into_iter().chain(known).flatten().filter(|at| *at > now).min()
    }
}
