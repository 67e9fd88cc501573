//! The worker's pulse: every five seconds, and at once when the clock jumps, it renews its lease, takes off workers that
//! are gone, measures its clock against the database server's, and asks whether the hour can be right.

use super::desk::Desk;
use super::sender::Sender;
use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind};
use crate::domain::pause::Pause;
use crate::engine::hour::{JUMP, NOTICED, implausible, in_words};
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};

/// A sixth of the lease.
const EVERY: SignedDuration = SignedDuration::from_secs(5);
/// A server's clock that took longer to read says too little.
const MOST_UNCERTAIN: SignedDuration = SignedDuration::from_secs(2);
/// Readings of it before the first lease.
const TRIES: u32 = 3;

/// See the module's head.
#[derive(Debug)]
pub struct Beat {
    next: Timestamp,
    /// The machine's clock and the one that nobody sets, when both were last read.
    read: (Timestamp, SignedDuration),
}

impl Beat {
    /// The first beat is due at once.
    pub fn new(desk: &Desk) -> Self {
        Self { next: Timestamp::MIN, read: (desk.clock.machine(), desk.clock.elapsed()) }
    }

    /// Before anything is written by the own clock: a worker whose machine is five minutes ahead would take all the others
    /// off, and one that is behind would be taken off itself.
    pub async fn set_clock(desk: &Desk) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            if measure(desk).await? {
                return Ok(());
            }
        }
        Err(StoreError::Database("its server's clock can't be read in time".to_owned()))
    }

    /// When the next one is due.
    pub fn due_at(&self) -> Timestamp {
        self.next
    }

    /// Beats, if it is time: true if that changed anything.
    pub async fn turn(&mut self, desk: &Desk, sender: &mut Sender) -> Result<bool, StoreError> {
        let jumped = self.jumped(desk);
        let before = desk.clock.now();
        if jumped.abs() > NOTICED {
            let way = if jumped.is_positive() { "forward" } else { "back" };
            tracing::warn!("the clock jumped {way} by {}, or the machine slept", in_words(jumped));
            // Nothing is claimed until all that follows has gone well, now or when it is tried again.
            self.next = Timestamp::MIN;
            desk.set_hour_known(false);
            sender.clock_was_set(desk);
        }
        let now = before;
        if now < self.next && self.next <= now.saturating_add(EVERY).unwrap_or(now) {
            return Ok(false);
        }
        let measured = measure(desk).await?;
        let now = desk.clock.now();
        if now.duration_since(before).abs() > NOTICED {
            sender.clock_was_set(desk); // by the server's clock
        }
        let wrong = implausible(now, desk.store.seen().await?);
        if jumped.abs() > JUMP {
            record_jump(desk, jumped, now).await?;
        }
        hold_or_release(desk, wrong.as_deref(), now).await?;
        desk.set_hour_known(measured && wrong.is_none());
        if let Some(reason) = desk.store.moved().await? {
            return Err(StoreError::Moved(reason));
        }
        let doubted = sender.beat(desk).await?;
        if doubted > 0 {
            tracing::warn!("a worker is gone: {doubted} texts are in doubt until the gateway is asked");
        }
        if desk.hour_is_known() {
            desk.store.see(now).await?;
        }
        self.next = now.saturating_add(EVERY).unwrap_or(now);
        Ok(doubted > 0)
    }

    /// How far the machine's clock has moved against the other one since it was last looked at.
    fn jumped(&mut self, desk: &Desk) -> SignedDuration {
        let read = (desk.clock.machine(), desk.clock.elapsed());
        let (before, elapsed) = std::mem::replace(&mut self.read, read);
        read.0.duration_since(before) - (read.1 - elapsed)
    }
}

/// Corrects the own clock by the database server's; false if that can't be read well enough.
async fn measure(desk: &Desk) -> Result<bool, StoreError> {
    let (asked, begun) = (desk.clock.machine(), desk.clock.elapsed());
    let Some(server) = desk.store.server_clock().await? else { return Ok(true) };
    let half = (desk.clock.elapsed() - begun) / 2;
    if half > MOST_UNCERTAIN {
        tracing::warn!("the database server's clock could not be read within {} seconds", half.as_secs());
        return Ok(false);
    }
    desk.clock.correct(server.duration_since(asked) - half);
    Ok(true)
}

async fn record_jump(desk: &Desk, jumped: SignedDuration, now: Timestamp) -> Result<(), StoreError> {
    desk.stock().await?;
    let said = format!("by {} seconds", jumped.as_secs());
    let event =
        desk.decide(|ids| Event::new(ids.take(), now, EventKind::ClockJumped, "ringround", "clock").because(&said));
    desk.store.commit_one(Change::Recorded(event).into(), now).await.map(|_| ())
}

/// While the hour can't be right nothing is claimed, and `status` says why; it goes on by itself.
async fn hold_or_release(desk: &Desk, wrong: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
    let held = desk.store.pauses().await?.iter().any(|(name, ..)| name == Pause::Clock.as_str());
    let change = match wrong {
        Some(reason) if !held => {
            tracing::error!("nothing is sent: {reason}; if it is right: ringround resume --clock-is-right");
            Change::Paused { pause: Pause::Clock, reason: reason.to_owned(), at: now }
        }
        None if held => {
            tracing::info!("the clock is right again: sending goes on");
            Change::Resumed { pause: Pause::Clock }
        }
        _ => return Ok(()),
    };
    desk.store.commit_one(Decision(vec![change]), now).await.map(|_| ())
}
