//! Wall-clock time in an IANA zone becomes an instant (R-ZONE, R-LOCAL). An offset is never kept.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use thiserror::Error;

/// There is no zone of this name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no time zone \"{0}\"")]
pub struct UnknownZone(String);

/// The zone of an IANA name.
pub fn zone(name: &str) -> Result<TimeZone, UnknownZone> {
    TimeZone::get(name).map_err(|_| UnknownZone(name.to_owned()))
}

/// What a wall-clock time stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// One instant.
    Ok(Timestamp),
    /// Two: the clocks go back over it.
    Ambiguous {
        /// Before they go back.
        first: Timestamp,
        /// After.
        second: Timestamp,
    },
    /// None: the clocks go forward over it.
    Nonexistent {
        /// The first instant after the gap.
        resumes: Timestamp,
    },
}

/// The instant, or instants, of a wall-clock time.
pub fn resolve(local: DateTime, zone: &TimeZone) -> Resolved {
    let at = |offset: jiff::tz::Offset| offset.to_timestamp(local).unwrap_or(Timestamp::MAX);
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => Resolved::Ok(at(offset)),
        AmbiguousOffset::Fold { before, after } => Resolved::Ambiguous { first: at(before), second: at(after) },
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the offset after the gap, the time lies before the change: the next change is the gap's.
            let before_change = at(after);
            let change = zone.following(before_change).next().map(|t| t.timestamp());
            Resolved::Nonexistent { resumes: change.unwrap_or(before_change) }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_two_strange_nights() {
        let london = zone("Europe/London").unwrap();
        let resolved = |local: &str| resolve(local.parse().unwrap(), &london);
        let at = |instant: &str| instant.parse::<Timestamp>().unwrap();
        assert_eq!(resolved("2022-01-28T12:00"), Resolved::Ok(at("2022-01-28T12:00:00Z")));
        assert_eq!(resolved("2022-03-27T01:30"), Resolved::Nonexistent { resumes: at("2022-03-27T01:00:00Z") });
        let twice = Resolved::Ambiguous { first: at("2022-10-30T00:30:00Z"), second: at("2022-10-30T01:30:00Z") };
        assert_eq!(resolved("2022-10-30T01:30"), twice);
        assert!(zone("Europe/Lodnon").is_err());
        assert!(zone("GMT0BST,M3.5.0,M10.5.0").is_err(), "a rule in place of a name");
    }
}
