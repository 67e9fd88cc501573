//! One campaign in virtual time: events in order of time, processes that take turns, and, between any two operations,
//! whatever the seed has in store: a crash, a turn of somebody else, a frozen process, a clock that jumps.

use super::acts::{Act, Mishap};
use super::intake::Memory;
use super::judge::Judge;
use super::model::Model;
use super::operations::{Done, Operation};
use super::seed::{Filed, Plan, Rates};
use super::shell::{Answer, Process};
use super::tally::{Fault, Tally};
use super::world::{Callback, Gateway, Said};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use ringround::config::{Settings, read_campaign};
use ringround::domain::campaign::Campaign;
use ringround::domain::change::Decision;
use ringround::domain::ids::Id;
use ringround::domain::phone::Phone;
use ringround::domain::reference::Mint;
use ringround::domain::template::Context;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// A start of a process: whatever an earlier start left on the stack is cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Who {
    pub w: usize,
    pub life: u32,
}

impl std::fmt::Debug for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "worker {}.{}", self.w + 1, self.life)
    }
}

/// A campaign's file, and what was read in it.
type Read = (String, (Rc<Campaign>, Rc<Context>));

thread_local! {
    /// The files that were read last: several seeds share them.
    static READ: RefCell<VecDeque<Read>> = const { RefCell::new(VecDeque::new()) };
}

fn read_anew(filed: &Filed, read: &mut VecDeque<Read>) -> Read {
    let (campaign, problems) = read_campaign(&filed.source);
    let campaign = campaign.unwrap_or_else(|| panic!("{problems:?}\n{}", filed.source));
    let context = campaign.context();
    read.truncate(7);
    read.push_front((filed.source.clone(), (Rc::new(campaign), Rc::new(context))));
    read[0].clone()
}

/// Why a part of the shell could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fail {
    /// Its process is no more.
    Cut,
    /// The store failed; trying again later may help.
    Busy,
    /// The lease is gone: a new epoch must begin.
    Fenced,
}

/// A thing on its way to us; the gateway brings it again until it is acknowledged.
#[derive(Clone, Debug)]
pub struct Post {
    pub callback: Callback,
    pub tries: u32,
}

#[derive(Debug)]
pub enum Event {
    Wake(usize),
    Answer { who: Who, answer: Answer },
    Mail(Box<Post>),
    Act(Box<Act>),
    Start(usize),
    Kill(usize),
    Stop(usize),
}

/// What holds a process.
#[derive(Debug)]
pub struct Hand {
    pub life: u32,
    pub alive: bool,
    pub frozen: bool,
    pub stopping: bool,
    /// Its clock is that far ahead of the true time.
    pub offset: SignedDuration,
    /// How far its clock has jumped since it last looked.
    pub jumped: SignedDuration,
    pub hour_known: bool,
    pub process: Option<Process>,
    pub memory: Memory,
    pub mail: VecDeque<Post>,
    busy: [bool; 3],
    wake_at: Option<Timestamp>,
    /// A commit of this life was made and not known to be.
    pub lost_a_commit: bool,
    retry_at: Option<Timestamp>,
}

/// See the module's head.
pub struct Sim {
    pub plan: Plan,
    pub random: Rng,
    pub now: Timestamp,
    pub model: Model,
    pub backup: Option<Box<(Model, Timestamp)>>,
    pub world: Gateway,
    pub hands: Vec<Hand>,
    pub tally: Tally,
    pub judge: Judge,
    pub settings: Rc<Settings>,
    pub campaigns: BTreeMap<String, (Rc<Campaign>, Rc<Context>)>,
    /// When they end.
    pub ends: BTreeMap<String, Option<Timestamp>>,
    pub mint: Mint,
    pub generations: Vec<(Id, u32)>,
    pub mishaps: Vec<Mishap>,
    pub loud: bool,
    /// All that was done to the store, where somebody wants to do it again.
    pub recorded: Option<Vec<Operation>>,
    phones: BTreeMap<String, Phone>,
    queue: BTreeMap<(Timestamp, u64), Event>,
    sequence: u64,
    made_seen: usize,
    depth: u8,
    fuse: Option<u32>,
    events: u64,
}

impl Sim {
    pub fn new(plan: Plan, settings: Rc<Settings>, loud: bool) -> Self {
        let hand = |_| Hand {
            life: 0,
            alive: false,
            frozen: false,
            stopping: false,
            offset: SignedDuration::ZERO,
            jumped: SignedDuration::ZERO,
            hour_known: true,
            process: None,
            memory: Memory::default(),
            mail: VecDeque::new(),
            busy: [false; 3],
            wake_at: None,
            lost_a_commit: false,
            retry_at: None,
        };
        let campaigns = plan.campaigns.iter().map(|filed| {
            let known = READ.with_borrow(|read| read.iter().find(|(source, _)| *source == filed.source).cloned());
            let (_, (campaign, context)) = known.unwrap_or_else(|| READ.with_borrow_mut(|read| read_anew(filed, read)));
            (campaign.id.clone(), (campaign, context))
        });
        let campaigns: BTreeMap<String, (Rc<Campaign>, Rc<Context>)> = campaigns.collect();
        let ends = campaigns.iter().map(|(id, (campaign, _))| (id.clone(), campaign.ends_at())).collect();
        let generations = vec![(0, 1)];
        let mut plan = plan;
        Self {
            random: Rng::with_seed(plan.seed),
            now: plan.begin,
            model: Model::new(),
            backup: None,
            world: Gateway::new(&plan),
            hands: (0..plan.workers).map(hand).collect(),
            tally: Tally::default(),
            judge: Judge::default(),
            settings,
            campaigns,
            ends,
            mint: Mint::new(&generations, [7; 32]),
            generations,
            mishaps: Vec::new(),
            loud,
            recorded: None,
            phones: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            made_seen: 0,
            depth: 0,
            fuse: plan.crashes.pop(),
            events: 0,
            plan,
        }
    }

    /// From here on nothing goes wrong by itself.
    pub fn calm(&mut self) {
        self.fuse = None;
        self.mishaps.clear();
    }

    pub fn say(&self, words: impl FnOnce() -> String) {
        if self.loud {
            println!("{} {}", self.now, words());
        }
    }

    /// The process of a task; only called between points, when it is known to live.
    pub fn process(&mut self, who: Who) -> &mut Process {
        assert_eq!(self.hands[who.w].life, who.life, "a task outlives its process");
        self.hands[who.w].process.as_mut().expect("a task of a process that runs")
    }

    /// What the parts of a process share.
    pub fn memory(&mut self, who: Who) -> &mut Memory {
        assert_eq!(self.hands[who.w].life, who.life, "a task outlives its process");
        &mut self.hands[who.w].memory
    }

    /// The time as a process sees it.
    pub fn own_now(&self, who: Who) -> Timestamp {
        self.now + self.hands[who.w].offset
    }

    /// A number that may be a contact; read once.
    pub fn phone(&mut self, raw: &str) -> Option<Phone> {
        if let Some(phone) = self.phones.get(raw) {
            return Some(phone.clone());
        }
        let phone = Phone::parse(raw, &self.settings.phone_rules).ok()?;
        self.phones.insert(raw.to_owned(), phone.clone());
        Some(phone)
    }

    pub fn at(&mut self, at: Timestamp, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    /// Things happen in this order, whatever the clocks say.
    pub fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub fn post(&mut self, at: Timestamp, callback: Callback) {
        self.at(at, Event::Mail(Box::new(Post { callback, tries: 0 })));
    }

    /// One operation of the store: before it, instead of it and after it anything can happen.
    pub fn store(&mut self, who: Who, operation: &Operation) -> Result<Done, Fail> {
        self.point(who, true)?;
        let Rates { store_down, slow_store, commit_lost, .. } = self.plan.rates;
        if self.one(store_down) {
            self.tally.hit(Fault::StoreDown);
            return Err(Fail::Busy);
        }
        if self.one(slow_store) {
            self.tally.hit(Fault::SlowStore);
            self.now += SignedDuration::from_millis(self.random.i64(1000..8000));
        }
        self.renew_leases();
        let done = self.done(operation);
        if self.one(commit_lost) {
            self.tally.hit(Fault::CommitLost);
            self.hands[who.w].lost_a_commit = true;
            return Err(Fail::Busy);
        }
        self.point(who, true)?;
        Ok(done)
    }

    /// Does it, whatever befalls whoever asked for it.
    pub fn done(&mut self, operation: &Operation) -> Done {
        if let Some(recorded) = &mut self.recorded {
            recorded.push(operation.clone());
        }
        let done = self.model.perform(operation);
        self.count_edges();
        done
    }

    /// Decisions in one transaction.
    pub fn commit(&mut self, who: Who, decisions: Vec<Decision>, now: Timestamp) -> Result<Vec<bool>, Fail> {
        match self.store(who, &Operation::Commit(decisions, now))? {
            Done::Applied(applied) => Ok(applied),
            _ => Err(Fail::Busy),
        }
    }

    pub fn one(&mut self, per_thousand: u16) -> bool {
        per_thousand > 0 && self.random.u16(..1000) < per_thousand
    }

    /// What was passed on the chart since the last look.
    pub fn count_edges(&mut self) {
        for (id, edge) in std::mem::take(&mut self.model.passed) {
            self.tally.pass(edge);
            self.judge.passed(id, edge, &self.model);
            if self.loud {
                println!("{} {} {edge:?} of {id}", self.now, edge.number());
            }
        }
        let made = self.model.messages.len();
        self.tally.made += made.saturating_sub(self.made_seen) as u64;
        self.made_seen = made;
    }

    /// Between two operations of a part. `own`: another part of the same process may have its turn here, too.
    fn point(&mut self, who: Who, own: bool) -> Result<(), Fail> {
        self.crash_point(who)?;
        if self.depth < 2 && self.random.u8(..) < self.plan.interleave {
            self.tally.hit(Fault::OverlapTurns);
            self.depth += 1;
            let w = self.random.usize(..self.hands.len());
            if own || w != who.w {
                let task = self.random.usize(..3);
                self.run_task(w, task);
            }
            self.depth -= 1;
        }
        if self.random.u8(..) < 24 {
            self.now += SignedDuration::from_millis(self.random.i64(1..60));
        }
        while let Some(mishap) = self.mishaps.pop() {
            self.suffer(mishap, who);
        }
        self.still(who)
    }

    fn still(&self, who: Who) -> Result<(), Fail> {
        if self.hands[who.w].life == who.life { Ok(()) } else { Err(Fail::Cut) }
    }

    /// A moment at which a crash is possible, and nothing else.
    pub fn crash_point(&mut self, who: Who) -> Result<(), Fail> {
        if let Some(left) = &mut self.fuse {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.fuse = self.plan.crashes.pop();
                self.tally.hit(Fault::Crash);
                self.kill(who.w);
            }
        }
        self.still(who)
    }

    /// The process is gone, and everything it knew.
    pub fn kill(&mut self, w: usize) {
        self.say(|| format!("worker {} dies", w + 1));
        self.end_process(w);
        self.hands[w].memory = Memory::default();
        let wait = match self.random.u32(..40) {
            0..30 => self.random.i64(500..6000),
            30..39 => self.random.i64(10_000..900_000),
            _ => {
                self.tally.hit(Fault::DownLong);
                self.random.i64(1..7) * 3_600_000
            }
        };
        self.at(self.now + SignedDuration::from_millis(wait), Event::Start(w));
    }

    fn end_process(&mut self, w: usize) {
        let hand = &mut self.hands[w];
        (hand.alive, hand.process, hand.frozen, hand.stopping) = (false, None, false, false);
        (hand.life, hand.busy, hand.lost_a_commit) = (hand.life + 1, [false; 3], false);
        (hand.jumped, hand.hour_known) = (SignedDuration::ZERO, true);
        for post in std::mem::take(&mut hand.mail) {
            self.refuse(post);
        }
    }

    /// A live process renews its lease every five seconds, turn or no turn: done here when anybody looks.
    pub fn renew_leases(&mut self) {
        if self.hands.len() == 1 {
            return;
        }
        let live = self.hands.iter().filter(|hand| hand.alive && !hand.frozen);
        let live: Vec<(i64, SignedDuration)> =
            live.filter_map(|hand| Some((hand.process.as_ref()?.epoch, hand.offset))).collect();
        for (epoch, offset) in live {
            let now = self.now + offset - SignedDuration::from_millis(self.random.i64(0..5000));
            let old = now + ringround::store::LEASE - SignedDuration::from_secs(5);
            if self.model.workers.get(&epoch).is_some_and(|worker| worker.lease_until < old) {
                self.done(&Operation::Renew { epoch, now });
            }
        }
    }

    /// Runs until then.
    pub fn run_until(&mut self, until: Timestamp) {
        while let Some((&(at, _), _)) = self.queue.first_key_value() {
            if at > until {
                break;
            }
            let (_, event) = self.queue.pop_first().expect("it was there just now");
            self.now = self.now.max(at);
            self.handle(event, at);
            self.settle();
            self.events += 1;
            assert!(self.events < 400_000, "it goes on for ever");
        }
        self.now = self.now.max(until);
    }

    fn handle(&mut self, event: Event, at: Timestamp) {
        match event {
            Event::Wake(w) => {
                let hand = &mut self.hands[w];
                hand.wake_at = hand.wake_at.filter(|wake| *wake != at);
            }
            Event::Answer { who, answer } => {
                if self.hands[who.w].life != who.life {
                    return; // nobody waits for it any more
                }
                if let Some(process) = &mut self.hands[who.w].process {
                    process.in_flight = process.in_flight.saturating_sub(1);
                    process.answered.push(answer);
                }
            }
            Event::Mail(post) => {
                let open: Vec<usize> = (0..self.hands.len())
                    .filter(|w| self.hands[*w].alive && !self.hands[*w].frozen && !self.hands[*w].stopping)
                    .collect();
                if open.is_empty() {
                    self.tally.hit(Fault::CallbackShut);
                    self.refuse(*post);
                } else {
                    let w = open[self.random.usize(..open.len())];
                    self.hands[w].mail.push_back(*post);
                }
            }
            Event::Act(act) => self.act(*act),
            Event::Start(w) => {
                if !self.hands[w].alive {
                    self.say(|| format!("worker {} starts", w + 1));
                    self.hands[w].alive = true;
                }
            }
            Event::Kill(w) => {
                let busy = self.hands[w].process.as_ref().is_some_and(|p| p.in_flight > 0);
                if busy || self.hands[w].alive && self.random.bool() {
                    self.tally.hit(Fault::Killed);
                    self.kill(w);
                }
            }
            Event::Stop(w) => {
                if self.hands[w].alive && !self.hands[w].frozen {
                    self.tally.hit(Fault::Stopped);
                    self.hands[w].stopping = true;
                }
            }
        }
    }

    /// All parts take turns until none has anything to do; then each says when it wants to be woken.
    fn settle(&mut self) {
        let mut rounds = 0;
        loop {
            let mut busy = false;
            for w in 0..self.hands.len() {
                for task in [2, 0, 1] {
                    busy |= self.run_task(w, task);
                }
            }
            rounds += 1;
            assert!(rounds < 5000, "it never rests");
            if !busy {
                break;
            }
        }
        for w in 0..self.hands.len() {
            let hand = &self.hands[w];
            if !hand.alive || hand.frozen {
                continue;
            }
            let starts = hand.process.is_none().then_some(self.now + SignedDuration::from_secs(1));
            let own = self.wakes_at(w).map(|at| at - hand.offset);
            let Some(at) = [own, hand.retry_at, starts].into_iter().flatten().min() else { continue };
            let at = at.max(self.now + SignedDuration::from_millis(1));
            if self.hands[w].wake_at.is_none_or(|wake| at < wake || wake < self.now) {
                self.hands[w].wake_at = Some(at);
                self.at(at, Event::Wake(w));
            }
        }
    }

    /// A turn of one part: 0 worker, 1 resolver, 2 intake.
    fn run_task(&mut self, w: usize, task: usize) -> bool {
        let now = self.now;
        let hand = &mut self.hands[w];
        let waits = hand.retry_at.is_some_and(|at| now < at);
        if !hand.alive || hand.frozen || hand.busy[task] || (waits && task != 2) {
            return false;
        }
        hand.retry_at = hand.retry_at.filter(|_| task == 2);
        hand.busy[task] = true;
        let who = Who { w, life: hand.life };
        let done = match task {
            0 if hand.stopping => self.stop(who),
            0 => self.work(who),
            1 => self.resolve(who),
            _ => self.take_in(who),
        };
        if self.hands[w].life == who.life {
            self.hands[w].busy[task] = false;
        }
        match done {
            Ok(busy) => busy,
            Err(Fail::Cut) => false,
            Err(Fail::Busy) => {
                if self.hands[w].life == who.life {
                    self.hands[w].retry_at = Some(self.now + SignedDuration::from_secs(1));
                }
                false
            }
            Err(Fail::Fenced) => {
                self.tally.hit(Fault::Fenced);
                self.say(|| format!("{who:?} is fenced"));
                self.end_process(w);
                self.hands[w].alive = true;
                true
            }
        }
    }

    /// SIGTERM: nothing new is claimed, what is in flight is waited for, and nothing is left in doubt.
    fn stop(&mut self, who: Who) -> Result<bool, Fail> {
        if self.hands[who.w].process.is_none() {
            self.end_process(who.w);
            self.at(self.now + SignedDuration::from_secs(2), Event::Start(who.w));
            return Ok(true);
        }
        self.release(who);
        self.collect(who);
        self.record(who)?;
        if !self.process(who).is_idle() {
            return Ok(false);
        }
        let epoch = self.process(who).epoch;
        if !self.hands[who.w].lost_a_commit {
            self.judge.stopped_cleanly(&self.model, epoch);
        }
        self.store(who, &Operation::Retire(epoch))?;
        self.end_process(who.w);
        self.hands[who.w].memory = Memory::default();
        let again = SignedDuration::from_secs(self.random.i64(1..30));
        self.at(self.now + again, Event::Start(who.w));
        Ok(true)
    }

    /// Stored, and said so. The answer may get lost, and the thing comes again.
    pub fn acknowledge(&mut self, post: Post) {
        if let Callback::Text { from, said, gateway_id, .. } = &post.callback
            && !matches!(said, Said::Other)
        {
            // What counts is the order in which they were stored, not that of our answers.
            let order = self.model.stored.iter().position(|id| id == gateway_id).unwrap_or(0);
            self.judge.heard(gateway_id, from, said, order, self.now);
        }
        if self.one(self.plan.rates.callback_again) {
            self.tally.hit(Fault::CallbackAgain);
            self.refuse(post);
        }
    }

    /// Not acknowledged: it comes again, less and less often.
    pub fn refuse(&mut self, post: Post) {
        let wait = (5 << post.tries.min(8)).min(600);
        let at = self.now + SignedDuration::from_secs(wait);
        self.at(at, Event::Mail(Box::new(Post { tries: post.tries + 1, ..post })));
    }
}
