//! Waiting without sleeping: for an event, with a bound.

use ringround::clock::Clock;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Waits until nobody has said anything for so long.
pub fn rest(time: Duration) {
    let (_never, wait) = channel::<()>();
    let _ = wait.recv_timeout(time); // the other end never speaks
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    Clock::System.now().as_millisecond()
}

/// Looks again and again until it is so; false if that takes longer than `bound`.
pub fn until(bound: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let end = now_ms() + i64::try_from(bound.as_millis()).unwrap();
    loop {
        if is_so() {
            return true;
        }
        if now_ms() >= end {
            return false;
        }
        rest(Duration::from_millis(40));
    }
}

/// Does it for all of them at once; what came of each, in order.
pub fn at_once<T: Sync, R: Send>(all: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let hands: Vec<_> = all.iter().map(|one| scope.spawn(|| each(one))).collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    })
}
