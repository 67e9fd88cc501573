//! The only file that reads time or randomness. Everything else is told.
//!
//! [`Clock::Virtual`] is a clock that stands still until it is moved: a campaign of two weeks runs on it in seconds,
//! through the same code that will run on the system's clock.

use jiff::{SignedDuration, Timestamp};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Poll, Waker};
use std::time::Instant;

/// A source of time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    System,
    /// The machine's, corrected: several workers on one database go by the database server's clock.
    Corrected(Correction),
    /// One that is moved by hand; clones share it.
    Virtual(VirtualClock),
}

/// How far the machine's clock is behind the one that counts; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Correction {
    micros: Arc<AtomicI64>,
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    shared: Arc<Mutex<Shared>>,
    /// What this hand of the clock shows is that much behind the shared time.
    slow_by: SignedDuration,
}

#[derive(Debug)]
struct Shared {
    now: Timestamp,
    sleepers: Vec<(Timestamp, Waker)>,
}

impl Clock {
    /// The present instant.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Corrected(correction) => {
                let now = Timestamp::now();
                now.saturating_add(correction.get()).unwrap_or(now)
            }
            Self::Virtual(clock) => clock.now(),
        }
    }

    /// Time that has passed since some moment, whatever is done to the machine's clock meanwhile. A virtual clock is never
    /// set: there the two agree.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads a clock")]
    pub fn elapsed(&self) -> SignedDuration {
        static START: OnceLock<Instant> = OnceLock::new();
        match self {
            Self::System | Self::Corrected(_) => {
                let passed = START.get_or_init(Instant::now).elapsed();
                SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX)
            }
            Self::Virtual(clock) => clock.now().duration_since(Timestamp::UNIX_EPOCH),
        }
    }

    /// What the machine's own clock shows, uncorrected.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn machine(&self) -> Timestamp {
        match self {
            Self::System | Self::Corrected(_) => Timestamp::now(),
            Self::Virtual(clock) => clock.now(),
        }
    }

    /// From now on it shows what the server's clock shows, as far as it is a corrected one.
    pub fn correct(&self, server_is_ahead_by: SignedDuration) {
        if let Self::Corrected(correction) = self {
            let micros = i64::try_from(server_is_ahead_by.as_micros()).unwrap_or(0);
            correction.micros.store(micros, Ordering::Relaxed);
        }
    }

    /// The future's value; none if the clock shows `at` first. Looked at before every step of it: a process that was
    /// frozen, or a machine that slept, does not go on with what it was about to do.
    pub async fn unless<T>(&self, at: Timestamp, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut late = pin!(self.sleep_until(at));
        poll_fn(|context| {
            if self.now() >= at || late.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Waits until `at`, by this clock.
    #[expect(clippy::disallowed_methods, reason = "the one place that waits for the wall clock")]
    pub async fn sleep_until(&self, at: Timestamp) {
        match self {
            Self::System | Self::Corrected(_) => {
                let left = at.duration_since(self.now());
                if let Ok(left) = std::time::Duration::try_from(left) {
                    tokio::time::sleep(left).await;
                }
            }
            Self::Virtual(clock) => clock.sleep_until(at).await,
        }
    }
}

impl Correction {
    fn get(&self) -> SignedDuration {
        SignedDuration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

impl VirtualClock {
    /// A clock standing at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared { now: start, sleepers: Vec::new() })),
            slow_by: SignedDuration::ZERO,
        }
    }

    /// Another hand on the same clock, that shows an earlier time.
    #[must_use]
    pub fn slow_by(&self, by: SignedDuration) -> Self {
        Self { shared: Arc::clone(&self.shared), slow_by: by }
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        self.shared().now.saturating_sub(self.slow_by).unwrap_or(Timestamp::MIN)
    }

    /// Moves it forward and wakes who waited; never back.
    pub fn advance_to(&self, at: Timestamp) {
        let mut shared = self.shared();
        let at = at.saturating_add(self.slow_by).unwrap_or(Timestamp::MAX);
        shared.now = shared.now.max(at);
        let now = shared.now;
        shared.sleepers.retain(|(until, waker)| {
            if *until <= now {
                waker.wake_by_ref();
            }
            *until > now
        });
    }

    /// The earliest instant somebody waits for, if anybody does.
    pub fn next_sleeper(&self) -> Option<Timestamp> {
        let earliest = self.shared().sleepers.iter().map(|(at, _)| *at).min();
        earliest.and_then(|at| at.saturating_sub(self.slow_by).ok())
    }

    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> {
        let at = at.saturating_add(self.slow_by).unwrap_or(Timestamp::MAX);
        poll_fn(move |context| {
            let mut shared = self.shared();
            if shared.now >= at {
                return Poll::Ready(());
            }
            let waker = context.waker();
            if !shared.sleepers.iter().any(|(until, known)| *until == at && known.will_wake(waker)) {
                shared.sleepers.push((at, waker.clone()));
            }
            Poll::Pending
        })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("nothing panics while it holds this lock")
    }
}

/// 32 bytes from the operating system, for keys.
#[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
pub fn random_seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| std::io::Error::other(e.to_string()))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn what_comes_too_late_is_not_gone_on_with() {
        let start: Timestamp = "2022-01-24T12:00:00Z".parse().unwrap();
        let virtual_clock = VirtualClock::new(start);
        let clock = Clock::Virtual(virtual_clock.clone());
        let at = start + SignedDuration::from_secs(2);
        assert_eq!(clock.unless(at, async { 1 }).now_or_never(), Some(Some(1)));
        let mut waiting = Box::pin(clock.unless(at, std::future::pending::<()>()));
        assert!(waiting.as_mut().now_or_never().is_none());
        virtual_clock.advance_to(at);
        assert_eq!(waiting.as_mut().now_or_never(), Some(None));
        assert_eq!(clock.unless(at, async { 1 }).now_or_never(), Some(None), "ready, but too late");
    }

    #[test]
    fn a_corrected_clock_goes_by_the_servers() {
        let clock = Clock::Corrected(Correction::default());
        clock.correct(SignedDuration::from_hours(-2));
        let behind = clock.machine().duration_since(clock.now());
        assert!((behind - SignedDuration::from_hours(2)).abs() < SignedDuration::from_secs(5), "{behind}");
    }

    #[test]
    fn a_virtual_clock_moves_only_when_moved_and_wakes_who_waited() {
        let start: Timestamp = "2022-01-24T12:00:00Z".parse().unwrap();
        let later = start + SignedDuration::from_secs(5);
        let clock = VirtualClock::new(start);
        let slow = Clock::Virtual(clock.slow_by(SignedDuration::from_hours(4)));
        assert_eq!(slow.now(), start - SignedDuration::from_hours(4));
        let mut waiting = Box::pin(clock.sleep_until(later));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(clock.next_sleeper(), Some(later));
        clock.advance_to(start - SignedDuration::from_hours(1));
        assert_eq!(clock.now(), start, "never back");
        clock.advance_to(later);
        assert!(waiting.as_mut().now_or_never().is_some());
        assert_eq!(clock.next_sleeper(), None);
    }
}
