//! Can the clock be right? It is compared with itself (R-JUMP: what passed by the wall against what passed by a clock that
//! nobody can set) and with the last hour that the database has seen.

use jiff::{SignedDuration, Timestamp};

/// A wall clock that moved by more than this against the other one is said in the log, and the lease is looked after.
pub const NOTICED: SignedDuration = SignedDuration::from_secs(2);
/// More than this is a jump, and stands in the ledger.
pub const JUMP: SignedDuration = SignedDuration::from_secs(60);
/// Further back than this before the last hour seen, nothing is sent: it would be sent too early, or again.
const BACK: SignedDuration = SignedDuration::from_mins(5);
/// Further ahead than this nothing is believed: everything that waits would expire at once.
const AHEAD: SignedDuration = SignedDuration::from_hours(365 * 24);

/// 2020-01-01: a machine without a clock of its own begins in 1970, until somebody tells it the time.
const EARLIEST: Timestamp = Timestamp::constant(1_577_836_800, 0);

/// What is wrong with the hour, for people; none if it can be right. `seen`: the last hour the database has seen.
pub fn implausible(now: Timestamp, seen: Option<Timestamp>) -> Option<String> {
    if now < EARLIEST {
        return Some(format!("the clock shows {}", now.strftime("%Y-%m-%d")));
    }
    let moved = now.duration_since(seen?);
    if moved < -BACK {
        return Some(format!("the clock is {} behind the last entry", in_words(-moved)));
    }
    (moved > AHEAD).then(|| format!("the clock is {} ahead of the last entry", in_words(moved)))
}

/// A stretch of time, roughly, for people.
pub fn in_words(time: SignedDuration) -> String {
    let seconds = time.abs().as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "seconds"),
        120..7_200 => (seconds / 60, "minutes"),
        7_200..172_800 => (seconds / 3_600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_step_back_and_a_leap_of_a_year_are_not_believed() {
        let seen: Timestamp = "2022-01-25T10:00:00Z".parse().unwrap();
        let at = |seconds| implausible(seen + SignedDuration::from_secs(seconds), Some(seen));
        assert_eq!((at(0), at(-300), at(86_400), at(365 * 86_400)), (None, None, None, None));
        assert_eq!(at(-301).unwrap(), "the clock is 5 minutes behind the last entry");
        assert_eq!(at(400 * 86_400).unwrap(), "the clock is 400 days ahead of the last entry");
        assert_eq!(implausible(seen, None), None, "a new database has seen nothing");
        assert_eq!(implausible(Timestamp::UNIX_EPOCH, None).unwrap(), "the clock shows 1970-01-01");
    }
}
