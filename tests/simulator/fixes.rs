//! What the simulator found, and how it was mended: each can be switched off here, and its case in `cases.rs` fails again.

use jiff::{SignedDuration, Timestamp};
use ringround::domain::message::State;

/// A report that came between the claim and the wire keeps the text from leaving.
pub const ARRIVED: bool = true;
/// A clock that was set back lets go of what was claimed by the old time.
pub const CLOCK: bool = true;

/// Quiet hours were looked at too long ago: look again before anything leaves.
pub fn too_long_ago(looked_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(looked_at) > SignedDuration::from_secs(1)
}

/// What is put back is asked about at once, where it is in doubt; what waits for a person in our memory, and not yet in the
/// store, would be claimed again at once.
pub fn next_at(to: State, why: &str, now: Timestamp) -> Option<Timestamp> {
    match to {
        State::InDoubt => Some(now),
        State::Queued if why == "their text may mean STOP" => Some(now + SignedDuration::from_secs(30)),
        _ => None,
    }
}
