//! Runs that were missed (R-CATCHUP): late ones are made up within a window, the newest only, and every other is named.

use jiff::{SignedDuration, Timestamp};

/// Which of the runs within the window are made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The newest.
    Latest,
    /// All.
    All,
    /// None that is later than [`ON_TIME`].
    Skip,
}

impl Policy {
    /// Reads `latest`, `all`, `skip`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "latest" => Some(Self::Latest),
            "all" => Some(Self::All),
            "skip" => Some(Self::Skip),
            _ => None,
        }
    }
}

/// A run noticed within this time was not missed at all.
const ON_TIME: SignedDuration = SignedDuration::from_secs(60);

/// What becomes of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It runs now.
    Run,
    /// A newer one runs in its place.
    Superseded,
    /// It was noticed too late.
    TooLate,
}

/// The verdict on each of `due` (ascending, none after `now`), all of them runs of one schedule.
pub fn catch_up(due: &[Timestamp], now: Timestamp, window: SignedDuration, policy: Policy) -> Vec<Verdict> {
    let window = if policy == Policy::Skip { window.min(ON_TIME) } else { window };
    let newest = due.last();
    due.iter()
        .map(|at| match now.duration_since(*at) <= window {
            false => Verdict::TooLate,
            true if policy != Policy::All && Some(at) != newest => Verdict::Superseded,
            true => Verdict::Run,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_newest_within_the_window_runs() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let hour = SignedDuration::from_hours(1);
        let due = [at(0), at(50), at(100)];
        use Verdict::{Run, Superseded, TooLate};
        assert_eq!(catch_up(&due, at(105), hour, Policy::Latest), [TooLate, Superseded, Run]);
        assert_eq!(catch_up(&due, at(105), hour, Policy::All), [TooLate, Run, Run]);
        assert_eq!(catch_up(&due, at(105), hour, Policy::Skip), [TooLate, TooLate, TooLate]);
        assert_eq!(catch_up(&due, at(100), hour, Policy::Skip), [TooLate, TooLate, Run]);
        assert_eq!(catch_up(&due, at(160), hour, Policy::Latest), [TooLate, TooLate, Run], "the window's edge counts");
    }
}
