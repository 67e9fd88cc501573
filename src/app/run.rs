//! `ringround run`: everything at once, for months. One thread: what is slow here is the disk and the gateway.
//!
//! The parts talk by wake-ups only; what is to be done is read from the store. Each part may fail for a while (a disk
//! that is full, a server that restarts): it says so, waits a second, and goes on.

use super::desk::Desk;
use super::receiver::{self, Handed, Taken};
use super::resolver;
use super::scheduler::Scheduler;
use super::sender::Sender;
use crate::domain::message::State;
use crate::gateway::Gateway;
use crate::store::{Pulse, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::select;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Even if nothing wakes it, the worker looks around this often.
const LOOK_AROUND: SignedDuration = SignedDuration::from_secs(10);
/// After a failure of the store.
const PAUSE_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(1);
/// Things that share a commit at most.
const SHARE_A_COMMIT: usize = 256;

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
    pub last_turn: Rc<Cell<Timestamp>>,
    /// What gateways have handed over.
    pub callbacks: Rc<Callbacks>,
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

/// A thing handed over by a gateway, and whoever waits for it to be stored.
pub type Delivery = (Vec<Handed>, oneshot::Sender<Option<Vec<Taken>>>);

impl Shared {
    /// All that is shared, before anything runs.
    pub fn new(desk: Rc<Desk>, gateway: Gateway) -> Self {
        let last_turn = Rc::new(Cell::new(desk.clock.now()));
        let (wake, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        Self { desk, gateway, wake, stop, last_turn, callbacks: Rc::default() }
    }

    async fn rest(&self, what: &str, error: &StoreError) {
        tracing::error!("{what}: {error}; trying again");
        let now = self.desk.clock.now();
        let until = now.saturating_add(PAUSE_AFTER_FAILURE).unwrap_or(now);
        select! {
            () = self.desk.clock.sleep_until(until) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// Plans and sends until it is stopped; at the end nothing is left on the wire. `ready` is told once, when the doubts of
/// an earlier start are known.
pub async fn work(shared: &Shared, ready: impl FnOnce(i64)) -> Result<(), StoreError> {
    let desk = &shared.desk;
    let (mut sender, doubted) = Sender::start(desk).await?;
    if doubted > 0 {
        tracing::warn!(
            "{doubted} texts were on their way when the last run ended: in doubt until the gateway is asked"
        );
    }
    let all_doubts = desk.store.counts(None).await?.of(State::InDoubt);
    ready(all_doubts);
    let mut scheduler = Scheduler::default();
    let mut campaigns = None;
    while !shared.stop.is_cancelled() {
        let now = desk.clock.now();
        shared.last_turn.set(now);
        match turn(shared, &mut scheduler, &mut sender, &mut campaigns).await {
            Ok((true, _)) => tokio::task::yield_now().await,
            Ok((false, pulse)) => rest(shared, &scheduler, &mut sender, &pulse).await,
            Err(error) if error.is_temporary() => shared.rest("the worker", &error).await,
            Err(error) => return Err(error),
        }
    }
    sender.stop(desk).await
}

async fn turn(
    shared: &Shared,
    scheduler: &mut Scheduler,
    sender: &mut Sender,
    campaigns: &mut Option<i64>,
) -> Result<(bool, Pulse), StoreError> {
    let desk = &shared.desk;
    let now = desk.clock.now();
    let pulse = desk.store.pulse(now).await?;
    if campaigns.is_some_and(|seen| seen != pulse.campaigns) {
        sender.release(desk); // a pause or a cancel acts on what is claimed, too
    }
    *campaigns = Some(pulse.campaigns);
    let busy = scheduler.turn(desk, &pulse).await?;
    let sent = sender.turn(desk, &shared.gateway, &pulse, scheduler.quiet(now)).await?;
    Ok((busy || sent, pulse))
}

/// Until something happens: an answer, a wake-up, the next due instant, the end.
async fn rest(shared: &Shared, scheduler: &Scheduler, sender: &mut Sender, pulse: &Pulse) {
    let now = shared.desk.clock.now();
    let look_around = now.saturating_add(LOOK_AROUND).unwrap_or(now);
    let next = [scheduler.next_due(), scheduler.quiet_ends(now), pulse.next, sender.wakes_at()];
    let next = next.into_iter().flatten().filter(|at| *at > now).min().unwrap_or(look_around).min(look_around);
    select! {
        () = sender.answer() => {}
        () = shared.wake.notified() => {}
        () = shared.desk.clock.sleep_until(next) => {}
        () = shared.stop.cancelled() => {}
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

/// Stores what gateways hand over: all that waits shares one commit, and whoever waits hears of it after the commit.
pub async fn intake(shared: &Shared, mut deliveries: mpsc::Receiver<Delivery>) {
    let mut waiting: Vec<Delivery> = Vec::new();
    while deliveries.recv_many(&mut waiting, SHARE_A_COMMIT).await > 0 {
        let (things, listeners): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let counts: Vec<usize> = things.iter().map(Vec::len).collect();
        let all: Vec<Handed> = things.into_iter().flatten().collect();
        let mut taken = match receiver::take(&shared.desk, shared.gateway.name(), &all).await {
            Ok(taken) => Some(taken.into_iter()),
            Err(error) => {
                tracing::error!("what the gateway handed over can't be stored: {error}; it is asked to come again");
                None
            }
        };
        shared.wake.notify_one();
        for (listener, count) in listeners.into_iter().zip(counts) {
            let share = taken.as_mut().map(|taken| taken.take(count).collect());
            let _ = listener.send(share); // whoever asked may have hung up
        }
    }
}

/// Hands something to the intake; none: it could not be stored.
pub async fn deliver(intake: &mpsc::Sender<Delivery>, things: Vec<Handed>) -> Option<Vec<Taken>> {
    let (tell, told) = oneshot::channel();
    intake.send((things, tell)).await.ok()?;
    told.await.ok().flatten()
}
