//! `ringround run`: everything at once, for months. One thread: what is slow here is the disk and the gateway.
//!
//! The parts talk by wake-ups only; what is to be done is read from the store. Each part may fail for a while (a disk
//! that is full, a server that restarts): it says so, waits a second, and goes on.

use super::beat::Beat;
use super::desk::Desk;
use super::ledger::{self, Sealer};
use super::receiver;
use super::resolver;
use super::retention::Sweeper;
use super::scheduler::Scheduler;
use super::sender::Sender;
use super::unread::Reminder;
use crate::engine::may_send::Revocation;
use crate::gateway::Gateway;
use crate::store::{Hint, Pulse, StoreError};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use tokio::select;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Even if nothing wakes it, the worker looks around this often; where others may have made work for it, more often.
const LOOK_AROUND: SignedDuration = SignedDuration::from_secs(10);
const LOOK_AROUND_SHARED: SignedDuration = SignedDuration::from_secs(2);
/// After a failure of the store.
const PAUSE_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(1);
/// A failure that lasts is said this often.
const SAID_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// What all parts share.
#[derive(Clone)]
pub struct Shared {
    /// Store, clock, settings.
    pub desk: Rc<Desk>,
    /// The way to the phones.
    pub gateway: Gateway,
    /// Something may have to be done.
    pub wake: Arc<Notify>,
    /// It is time to end.
    pub stop: CancellationToken,
    /// When the worker last had a turn: a worker that hangs must not look alive.
    pub last_turn: Rc<Cell<SignedDuration>>,
    /// What gateways have handed over.
    pub callbacks: Rc<Callbacks>,
    /// What failed lately, and when it was said.
    complaints: Rc<RefCell<HashMap<String, SignedDuration>>>,
}

/// Callbacks since the start; the service manager's status and the last line of the log show them.
#[derive(Debug, Default)]
pub struct Callbacks {
    /// Verified and stored.
    pub taken: Cell<u64>,
    /// Forged, stale, garbage, too large.
    pub refused: Cell<u64>,
    /// Reports among those taken that name none of our texts.
    pub foreign: Cell<u64>,
}

impl Callbacks {
    /// For a person.
    pub fn in_words(&self) -> String {
        let (taken, refused, foreign) = (self.taken.get(), self.refused.get(), self.foreign.get());
        format!("callbacks: {taken} taken, {refused} refused, {foreign} reports about texts that are not ours")
    }
}

impl Shared {
    /// All that is shared, before anything runs.
    pub fn new(desk: Rc<Desk>, gateway: Gateway) -> Self {
        let last_turn = Rc::new(Cell::new(desk.clock.elapsed()));
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        Self { desk, gateway, wake, stop, last_turn, callbacks: Rc::default(), complaints: Rc::default() }
    }

    async fn rest(&self, what: &str, error: &StoreError) {
        self.complain(what, error);
        self.pause().await;
    }

    /// The same words once a minute: whatever lasts for hours must not fill the log, nor the disk under it.
    fn complain(&self, what: &str, error: &StoreError) {
        let (words, now) = (format!("{what}: {error}"), self.desk.clock.elapsed());
        let mut said = self.complaints.borrow_mut();
        if said.get(&words).is_none_or(|at| now - *at >= SAID_EVERY) {
            tracing::error!("{words}; trying again");
            said.retain(|_, at| now - *at < SAID_EVERY);
            said.insert(words, now);
        }
    }

    /// The pause after a failure.
    async fn pause(&self) {
        let now = self.desk.clock.now();
        let until = now.saturating_add(PAUSE_AFTER_FAILURE).unwrap_or(now);
        select! {
            () = self.desk.clock.sleep_until(until) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// Plans and sends until it is stopped; at the end nothing is left on the wire. `ready` is told once, when the doubts of
/// workers that are gone are known.
pub async fn work(shared: &Shared, ready: impl FnOnce(i64)) -> Result<(), StoreError> {
    let desk = &shared.desk;
    let mut worker = first(shared).await?;
    ready(desk.store.doubt_count().await?);
    while !shared.stop.is_cancelled() {
        shared.last_turn.set(desk.clock.elapsed());
        let turn = AssertUnwindSafe(worker.turn(shared)).catch_unwind().await;
        match turn {
            Ok(Ok((true, _))) => tokio::task::yield_now().await,
            Ok(Ok((false, pulse))) => worker.rest(shared, &pulse).await,
            Ok(Err(StoreError::Fenced)) => {
                tracing::error!("{}; what it held is in doubt, and it begins anew", StoreError::Fenced);
                worker = anew(shared).await?;
            }
            Ok(Err(error)) if error.is_temporary() => {
                if matches!(error, StoreError::Full) {
                    worker.sender.starve(desk); // whoever found it full: what is in flight is recorded first
                }
                worker.rest_after(shared, &error).await;
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                tracing::error!(
                    "the worker failed in the middle of a turn; what it held is in doubt, and it begins anew"
                );
                worker = anew(shared).await?;
            }
        }
    }
    worker.sender.stop(desk).await?;
    if let Err(error) = ledger::seal_all(desk).await {
        tracing::warn!("the ledger's last entries are sealed at the next start: {error}");
    }
    Ok(())
}

/// The first epoch. A worker with other settings may be one that is gone, and not yet taken off: our own, before it was
/// killed and its settings were changed. It is waited for as long as it gives no sign of life.
async fn first(shared: &Shared) -> Result<Worker, StoreError> {
    let desk = &shared.desk;
    let mut seen: HashMap<String, Timestamp> = HashMap::new();
    loop {
        shared.last_turn.set(desk.clock.elapsed());
        let started = Worker::start(desk).await;
        let Err(StoreError::Disagrees(place)) = &started else { return started };
        let others = desk.store.workers().await?;
        if let Some(other) = others.into_iter().find(|other| other.place == *place) {
            if seen.is_empty() {
                tracing::warn!(
                    "the worker at {place} has other settings: waiting half a minute whether it still lives"
                );
            }
            let lives = seen.insert(other.place, other.lease_until).is_some_and(|before| before != other.lease_until);
            if lives || shared.stop.is_cancelled() {
                return started;
            }
        }
        shared.pause().await;
    }
}

/// A new epoch after the old one has ended by accident.
async fn anew(shared: &Shared) -> Result<Worker, StoreError> {
    loop {
        match Worker::start(&shared.desk).await {
            Err(error) if error.is_temporary() && !shared.stop.is_cancelled() => {
                shared.rest("the worker", &error).await;
            }
            started => return started,
        }
    }
}

/// One epoch's work.
struct Worker {
    scheduler: Scheduler,
    sender: Sender,
    beat: Beat,
    sealer: Sealer,
    sweeper: Sweeper,
    reminder: Reminder,
    /// The pulse's count of campaign changes at the last turn.
    campaigns: Option<i64>,
}

impl Worker {
    async fn start(desk: &Desk) -> Result<Self, StoreError> {
        Beat::set_clock(desk).await?;
        let (sender, doubted) = Sender::start(desk).await?;
        if doubted > 0 {
            tracing::warn!(
                "{doubted} texts were on their way when the last run ended: in doubt until the gateway is asked"
            );
        }
        if !desk.store.keep_reserve() {
            tracing::warn!("there is no room for the reserve beside the database: the disk is nearly full");
        }
        Ok(Self {
            scheduler: Scheduler::default(),
            sender,
            beat: Beat::new(desk),
            sealer: Sealer::default(),
            sweeper: Sweeper::default(),
            reminder: Reminder::default(),
            campaigns: None,
        })
    }

    async fn turn(&mut self, shared: &Shared) -> Result<(bool, Pulse), StoreError> {
        let desk = &shared.desk;
        // With the disk full, what came of the texts in flight is recorded before anything else is written.
        let mut busy = if desk.is_starved() { false } else { self.beat.turn(desk, &mut self.sender).await? };
        let now = desk.clock.now();
        let pulse = desk.store.pulse(now).await?;
        if self.campaigns.is_some_and(|seen| seen != pulse.campaigns) {
            self.sender.release(desk); // a pause or a cancel acts on what is claimed, too
        }
        self.campaigns = Some(pulse.campaigns);
        if !desk.is_starved() && desk.hour_is_known() {
            busy |= self.scheduler.turn(desk, &pulse).await?;
            busy |= pulse.strays && receiver::join_strays(desk).await?;
            busy |= self.sealer.turn(desk).await?;
            busy |= self.sweeper.turn(desk).await?;
            self.reminder.turn(desk).await?;
        }
        busy |= self.sender.turn(desk, &shared.gateway, &pulse, self.scheduler.quiet(now)).await?;
        Ok((busy, pulse))
    }

    /// A moment, after a failure; the requests on the wire go on meanwhile.
    async fn rest_after(&mut self, shared: &Shared, error: &StoreError) {
        let mut rest = std::pin::pin!(shared.rest("the worker", error));
        loop {
            select! {
                () = &mut rest => return,
                () = self.sender.answer() => {}
            }
        }
    }

    /// Until something happens: an answer, a wake-up, the next due instant, the end.
    async fn rest(&mut self, shared: &Shared, pulse: &Pulse) {
        let desk = &shared.desk;
        let now = desk.clock.now();
        let around = if desk.store.is_shared() { LOOK_AROUND_SHARED } else { LOOK_AROUND };
        let look_around = now.saturating_add(around).unwrap_or(now);
        let own = [self.scheduler.next_due(), self.scheduler.quiet_ends(now), pulse.next, self.sender.wakes_at()];
        let all = own.into_iter().flatten().chain([self.beat.due_at()]);
        let next = all.filter(|at| *at > now).min().unwrap_or(look_around).min(look_around);
        select! {
            () = self.sender.answer() => {}
            () = shared.wake.notified() => {}
            () = desk.clock.sleep_until(next) => {}
            () = shared.stop.cancelled() => {}
        }
    }
}

/// Hears what other workers of the same database say; a hint and nothing more.
pub async fn hear(shared: &Shared) {
    let desk = &shared.desk;
    while desk.store.is_shared() && !shared.stop.is_cancelled() {
        let heard = async {
            let Some(mut hints) = desk.store.hints().await? else { return Ok(()) };
            loop {
                let (contact, revocation) = match hints.next().await? {
                    Hint::Left(contact) => (contact, Revocation::Left(None)),
                    Hint::Review(contact) => (contact, Revocation::Review),
                    Hint::Wake => {
                        shared.wake.notify_one();
                        continue;
                    }
                };
                desk.revoke(contact, revocation);
                desk.revoked(&[contact], desk.clock.now());
                shared.wake.notify_one();
            }
        };
        let done: Result<(), StoreError> = select! {
            done = heard => done,
            () = shared.stop.cancelled() => return,
        };
        if let Err(error) = done {
            shared.rest("the other workers can't be heard", &error).await;
        }
    }
}

/// Asks the gateway about doubts, until it is stopped.
pub async fn resolve(shared: &Shared) -> Result<(), StoreError> {
    let desk = &shared.desk;
    while !shared.stop.is_cancelled() {
        let now = desk.clock.now();
        let look_around = now.saturating_add(LOOK_AROUND / 2).unwrap_or(now);
        let turn = async {
            let pulse = desk.store.pulse(now).await?;
            Ok((resolver::turn(desk, &shared.gateway, &pulse).await?, pulse.next))
        };
        let done = select! {
            done = turn => done,
            () = shared.stop.cancelled() => return Ok(()), // a question may be left without its answer
        };
        let until = match done {
            Ok((true, _)) => {
                shared.wake.notify_one();
                continue;
            }
            Ok((false, next)) => next.unwrap_or(look_around).min(look_around),
            Err(error) if StoreError::is_temporary(&error) => {
                shared.rest("the resolver", &error).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        select! {
            () = desk.clock.sleep_until(until) => {}
            () = shared.stop.cancelled() => {}
        }
    }
    Ok(())
}
