//! What the simulator found: each of these is a line of the shell that `src/app` has as well. With one of them false its
//! cases in `cases.rs` fail again.

use jiff::{SignedDuration, Timestamp};
use ringround::domain::message::State;

/// A report that came between the claim and the wire keeps the text from leaving.
pub const ARRIVED: bool = true;
/// A clock that was set back lets go of what was claimed by the old time: a STOP is later than that claim by no clock.
pub const CLOCK: bool = true;
/// A clock that was set says nothing of how long ago the last request left: the next one keeps its distance from now.
pub const PACE: bool = true;
/// After a long commit quiet hours are looked at again before anything leaves.
pub const QUIET: bool = true;
/// A text that comes again shows that its commit has not failed: what it revoked is in the store, and no longer in memory.
pub const REPEAT: bool = true;

/// What is put back is asked about at once, where it is in doubt; what waits for a person in our memory, and not yet in the
/// store, would be claimed again at once.
pub fn next_at(to: State, why: &str, now: Timestamp) -> Option<Timestamp> {
    match to {
        State::InDoubt => Some(now),
        State::Queued if why == "their text may mean STOP" => Some(now + SignedDuration::from_mins(1)),
        _ => None,
    }
}
