//! A moment: a point in a campaign's life written the way people say it: a milestone, or so long before or after one.
//!
//! `survey_closes`, `survey_closes - 3h`, `visit - 1 day`. Days and weeks are calendar days (12:00 stays 12:00 over a
//! clock change); hours and minutes are elapsed time. `+3h` alone means: after the step's own time.

use super::schedule::zone::{Resolved, resolve};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use std::collections::BTreeMap;
use thiserror::Error;

/// A milestone by name: the wall-clock time as written and the instant it stands for.
pub type Milestones = BTreeMap<String, (DateTime, Timestamp)>;

/// A moment as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The milestone it hangs on; none: the step's own time.
    pub base: Option<String>,
    /// How far from it.
    pub offset: Offset,
}

/// How far, and counted how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// Calendar days, negative before.
    Days(i32),
    /// Elapsed time, negative before.
    Elapsed(SignedDuration),
}

/// What can be wrong with a moment.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MomentProblem {
    /// Not of the form.
    #[error("\"{0}\" is not a moment")]
    Unreadable(String),
    /// Names a milestone that the campaign does not have.
    #[error("there is no milestone \"{0}\"")]
    UnknownMilestone(String),
    /// The local time does not exist (spring) in the campaign's zone.
    #[error("{0} does not exist: the clocks go forward over it")]
    Nonexistent(DateTime),
    /// Out of the range of the calendar.
    #[error("the moment is beyond the calendar")]
    OutOfRange,
}

impl Moment {
    /// Reads a moment.
    pub fn parse(text: &str) -> Result<Self, MomentProblem> {
        let unreadable = || MomentProblem::Unreadable(text.to_owned());
        let (base, sign, amount) = match text.find(['+', '-']) {
            Some(at) => (text[..at].trim(), if text[at..].starts_with('-') { -1 } else { 1 }, text[at + 1..].trim()),
            None => (text.trim(), 1, ""),
        };
        if !base.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            return Err(unreadable());
        }
        let offset = if amount.is_empty() && !base.is_empty() && !text.contains(['+', '-']) {
            Offset::Elapsed(SignedDuration::ZERO)
        } else {
            let unit_at = amount.find(|c: char| !c.is_ascii_digit()).ok_or_else(unreadable)?;
            let count: i32 = amount[..unit_at].parse().map_err(|_| unreadable())?;
            let count = sign * count;
            match amount[unit_at..].trim() {
                "day" | "days" | "d" => Offset::Days(count),
                "week" | "weeks" | "w" => Offset::Days(count.checked_mul(7).ok_or_else(unreadable)?),
                "h" | "hour" | "hours" => Offset::Elapsed(SignedDuration::from_hours(count.into())),
                "min" | "mins" | "minute" | "minutes" => Offset::Elapsed(SignedDuration::from_mins(count.into())),
                _ => return Err(unreadable()),
            }
        };
        let base = (!base.is_empty()).then(|| base.to_owned());
        Ok(Self { base, offset })
    }

    /// The instant, given the campaign's milestones and, for `+3h` alone, the step's own time.
    pub fn at(
        &self,
        milestones: &Milestones,
        own: Option<Timestamp>,
        zone: &TimeZone,
    ) -> Result<Timestamp, MomentProblem> {
        let from = match &self.base {
            Some(name) => milestones.get(name).map(|(_, at)| *at),
            None => own,
        };
        let Some(from) = from else {
            return Err(MomentProblem::UnknownMilestone(self.base.clone().unwrap_or_default()));
        };
        match self.offset {
            Offset::Elapsed(time) => from.checked_add(time).map_err(|_| MomentProblem::OutOfRange),
            Offset::Days(days) => {
                let local = zone.to_datetime(from);
                let local = local.checked_add(Span::new().days(days)).map_err(|_| MomentProblem::OutOfRange)?;
                match resolve(local, zone) {
                    Resolved::Ok(at) | Resolved::Ambiguous { first: at, .. } => Ok(at),
                    Resolved::Nonexistent { .. } => Err(MomentProblem::Nonexistent(local)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(moment: &str) -> Result<String, MomentProblem> {
        let zone = TimeZone::get("Europe/London").unwrap();
        let local: DateTime = "2022-03-27T12:00".parse().unwrap();
        let instant = local.to_zoned_datetime(zone.clone()).unwrap().timestamp();
        let milestones = Milestones::from([("closes".to_owned(), (local, instant))]);
        Moment::parse(moment)?.at(&milestones, Some(instant), &zone).map(|t| t.to_string())
    }

    #[test]
    fn days_follow_the_calendar_and_hours_the_clock() {
        assert_eq!(at("closes").unwrap(), "2022-03-27T11:00:00Z");
        assert_eq!(at("closes - 1 day").unwrap(), "2022-03-26T12:00:00Z", "12:00 stays 12:00 over the change");
        assert_eq!(at("closes-24h").unwrap(), "2022-03-26T11:00:00Z");
        assert_eq!(at("closes + 30min").unwrap(), "2022-03-27T11:30:00Z");
        assert_eq!(at("closes - 2 weeks").unwrap(), "2022-03-13T12:00:00Z");
        assert_eq!(at("+3h").unwrap(), "2022-03-27T14:00:00Z");
    }

    #[test]
    fn what_is_not_a_moment_is_refused_by_name() {
        assert_eq!(at("opens"), Err(MomentProblem::UnknownMilestone("opens".into())));
        for wrong in [
            "closes -", "closes - 3", "closes - h", "closes 3h", "Closes", "closes - 3 fortnights", "+",
            "closes - 99999999999h",
        ] {
            assert!(matches!(at(wrong), Err(MomentProblem::Unreadable(_))), "{wrong}");
        }
    }
}
