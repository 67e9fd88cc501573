//! Quiet hours (R-QUIET): from one wall-clock time to another, the end not included.

use super::zone::{Resolved, resolve};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::fmt;
use thiserror::Error;

/// Hours in which nothing leaves; none where `from` and `until` are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    from: Time,
    until: Time,
}

/// Not quiet hours.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("\"{0}\" are not quiet hours")]
pub struct NotQuiet(String);

/// What quiet hours make of a text that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deferred {
    /// It leaves then.
    SendAt(Timestamp),
    /// It would leave at or after its deadline: not at all.
    Expired,
}

impl Quiet {
    /// `21:00-08:00`, or `none`.
    pub fn parse(text: &str) -> Result<Self, NotQuiet> {
        if text.trim() == "none" {
            return Ok(Self { from: Time::midnight(), until: Time::midnight() });
        }
        let time = |t: &str| match t.trim() {
            "24:00" => Some(Time::midnight()),
            t => Time::strptime("%H:%M", t).ok(),
        };
        let hours =
            text.split_once(['-', '–']).and_then(|(from, until)| Some(Self { from: time(from)?, until: time(until)? }));
        hours.ok_or_else(|| NotQuiet(text.to_owned()))
    }

    /// Is it quiet at this instant?
    pub fn contains(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let time = zone.to_datetime(at).time();
        if self.from <= self.until {
            self.from <= time && time < self.until
        } else {
            self.from <= time || time < self.until
        }
    }

    /// When a text that is due at `at` may leave; `expires` is its deadline, itself not included.
    pub fn defer(&self, at: Timestamp, zone: &TimeZone, expires: Option<Timestamp>) -> Deferred {
        let send_at = if self.contains(at, zone) { self.ends_after(at, zone) } else { at };
        match expires {
            Some(expires) if send_at >= expires => Deferred::Expired,
            _ => Deferred::SendAt(send_at),
        }
    }

    fn ends_after(&self, at: Timestamp, zone: &TimeZone) -> Timestamp {
        let local = zone.to_datetime(at);
        let today = local.date().to_datetime(self.until);
        let end =
            if local.time() < self.until { today } else { today.checked_add(Span::new().days(1)).unwrap_or(today) };
        match resolve(end, zone) {
            Resolved::Ok(end) | Resolved::Nonexistent { resumes: end } => end,
            Resolved::Ambiguous { first, .. } if first > at => first,
            Resolved::Ambiguous { second, .. } => second,
        }
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.until {
            return f.write_str("none");
        }
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.until.strftime("%H:%M"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::zone::zone;
    use super::*;

    fn defer(at: &str, quiet: &str, expires: Option<&str>) -> Option<String> {
        let at = at.parse().unwrap();
        let expires = expires.map(|e| e.parse().unwrap());
        match Quiet::parse(quiet).unwrap().defer(at, &zone("Europe/London").unwrap(), expires) {
            Deferred::SendAt(at) => Some(at.to_string()),
            Deferred::Expired => None,
        }
    }

    #[test]
    fn quiet_ends_on_the_wall_clock() {
        assert_eq!(defer("2022-01-24T21:00:00Z", "21:00-08:00", None).unwrap(), "2022-01-25T08:00:00Z");
        assert_eq!(defer("2022-01-25T08:00:00Z", "21:00-08:00", None).unwrap(), "2022-01-25T08:00:00Z");
        assert_eq!(defer("2022-03-26T23:00:00Z", "21:00-08:00", None).unwrap(), "2022-03-27T07:00:00Z");
        assert_eq!(defer("2022-01-25T13:00:00Z", "12:00-14:00", None).unwrap(), "2022-01-25T14:00:00Z");
        assert_eq!(defer("2022-01-25T03:00:00Z", "none", None).unwrap(), "2022-01-25T03:00:00Z");
        assert_eq!(
            defer("2022-03-27T00:30:00Z", "21:00-01:30", None).unwrap(),
            "2022-03-27T01:00:00Z",
            "01:30 does not exist"
        );
        assert_eq!(
            defer("2022-10-30T01:10:00Z", "21:00-01:30", None).unwrap(),
            "2022-10-30T01:30:00Z",
            "the second pass"
        );
        assert_eq!(defer("2022-01-28T21:30:00Z", "21:00-08:00", Some("2022-01-29T08:00:00Z")), None);
        assert!(Quiet::parse("21-8").is_err());
    }
}
