//! Cron lines: croner finds the wall-clock times, as if no clock ever changed; what the two strange nights of the year
//! make of them is decided here (R-DST), because croner counts lists and ranges of hours as intervals and we do not.

use super::zone::{Resolved, resolve};
use croner::errors::CronError;
use croner::parser::{CronParser, Year};
use croner::time::{CivilDateTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use std::cmp::Ordering;
use std::fmt;
use thiserror::Error;

/// A cron line, read.
#[derive(Clone, Debug)]
pub struct Cron {
    pattern: String,
    rule: DayRule,
    matcher: croner::Cron,
    /// A fixed-time schedule runs once per wall-clock time; an interval (`*` in seconds, minutes or hours) follows real
    /// time.
    fixed: bool,
}

/// What a line means whose day and weekday are both given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayRule {
    /// Either is enough.
    Or,
    /// Both must hold.
    And,
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fire {
    /// The wall-clock time as the line names it, also where the clocks skip it.
    pub local: DateTime,
    /// 2 for the second pass of an hour that the clocks repeat, else 1.
    pub pass: u8,
    /// The instant.
    pub at: Timestamp,
}

/// Why a line is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CronProblem {
    /// Not five or six fields.
    #[error("a cron line has five fields, or six with seconds first")]
    Fields,
    /// A field cannot be read.
    #[error("the {0} field of this cron line cannot be read")]
    Field(&'static str),
    /// A range runs backwards.
    #[error("the range {0} runs backwards")]
    Backwards(String),
    /// Both day fields are set, and systems differ in what that means (R-DAYS).
    #[error("day and weekday are both given, which systems read differently")]
    BothDays,
    /// Anything else croner says.
    #[error("this cron line cannot be read")]
    Unreadable,
}

const FIELDS: [&str; 6] = ["seconds", "minutes", "hours", "day", "month", "weekday"];
/// R-NEVER: a line without a run in this time never runs.
const HORIZON_YEARS: i16 = 8;

impl Cron {
    /// Reads a line: five fields or six (seconds first), names in any case, `L W LW # #L`, nicknames. `rule` is needed
    /// where both day fields are set and the weekday does not begin with `+`.
    pub fn parse(pattern: &str, rule: Option<DayRule>) -> Result<Self, CronProblem> {
        let written = if pattern.trim().eq_ignore_ascii_case("@midnight") { "@daily" } else { pattern.trim() };
        let nickname = written.starts_with('@');
        let fields: Vec<&str> = written.split_whitespace().collect();
        if !nickname && !(5..=6).contains(&fields.len()) {
            return Err(CronProblem::Fields);
        }
        let names = &FIELDS[usize::from(fields.len() == 5)..];
        if !nickname {
            for (name, field) in names.iter().zip(&fields) {
                check_field(name, field)?;
            }
        }
        let [.., day, _, weekday] = fields.as_slice() else { return Self::build(pattern, written, DayRule::Or, false) };
        let any = |field: &str| matches!(field, "*" | "?");
        let both = !any(day) && !any(weekday);
        if both && rule.is_none() && !weekday.starts_with('+') {
            return Err(CronProblem::BothDays);
        }
        let fixed = fields.iter().take(fields.len() - 3).all(|field| !field.contains('*'));
        Self::build(pattern, written, rule.unwrap_or(DayRule::Or), fixed)
    }

    fn build(pattern: &str, written: &str, rule: DayRule, fixed: bool) -> Result<Self, CronProblem> {
        let nickname = written.starts_with('@');
        let fixed = if nickname { !written.eq_ignore_ascii_case("@hourly") } else { fixed };
        let parser = CronParser::builder().year(Year::Disallowed).dom_and_dow(rule == DayRule::And).build();
        let unreadable = |_| CronProblem::Unreadable;
        // With years disallowed croner wants no seventh field; nicknames have none.
        let cron = parser
            .parse(written)
            .or_else(|_| CronParser::builder().dom_and_dow(rule == DayRule::And).build().parse(written));
        Ok(Self { pattern: pattern.trim().to_owned(), rule, matcher: cron.map_err(unreadable)?, fixed })
    }

    /// All runs in `[from, to]`, in order of time; two that land on one instant are one.
    pub fn fires(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Fire> {
        if from > to {
            return Vec::new();
        }
        // A day on either side: what the clocks move lands at most some hours away.
        let day = Span::new().days(1);
        let first = zone.to_datetime(from).checked_sub(day).unwrap_or(DateTime::MIN);
        let last = zone.to_datetime(to).checked_add(day).unwrap_or(DateTime::MAX);
        let mut fires: Vec<Fire> = self.walls(first, last).flat_map(|local| self.instants(local, zone)).collect();
        fires.retain(|fire| from <= fire.at && fire.at <= to);
        fires.sort_by_key(|fire| (fire.at, fire.local));
        fires.dedup_by_key(|fire| fire.at);
        fires
    }

    /// The first run in `[from, to]`, found without making all of them.
    pub fn next(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Option<Fire> {
        let mut start = from;
        let mut step = SignedDuration::from_hours(6);
        while start <= to {
            let end = start.saturating_add(step).unwrap_or(to).min(to);
            if let Some(fire) = self.fires(zone, start, end).into_iter().next() {
                return Some(fire);
            }
            start = end.checked_add(SignedDuration::from_nanos(1)).ok()?;
            step = (step * 4).min(SignedDuration::from_hours(24 * 400));
        }
        None
    }

    /// R-NEVER: no run within eight years of `from`.
    pub fn never_fires(&self, from: Timestamp, zone: &TimeZone) -> bool {
        let local = zone.to_datetime(from);
        let until = local.checked_add(Span::new().years(HORIZON_YEARS)).unwrap_or(DateTime::MAX);
        self.walls(local, until).next().is_none()
    }

    /// Wall-clock times in `[first, last]` that the line names.
    fn walls(&self, first: DateTime, last: DateTime) -> impl Iterator<Item = DateTime> {
        let mut at = Wall(first);
        let mut inclusive = true;
        std::iter::from_fn(move || {
            at = self.matcher.find_next_occurrence(&at, inclusive).ok()?;
            inclusive = false;
            (at.0 <= last).then_some(at.0)
        })
    }

    fn instants(&self, local: DateTime, zone: &TimeZone) -> Vec<Fire> {
        let fire = |pass, at| Fire { local, pass, at };
        match (resolve(local, zone), self.fixed) {
            (Resolved::Ok(at), _) => vec![fire(1, at)],
            (Resolved::Ambiguous { first, .. }, true) => vec![fire(1, first)],
            (Resolved::Ambiguous { first, second }, false) => vec![fire(1, first), fire(2, second)],
            (Resolved::Nonexistent { resumes }, true) => vec![fire(1, resumes)],
            (Resolved::Nonexistent { .. }, false) => Vec::new(),
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)?;
        if self.rule == DayRule::And { f.write_str(" (day and weekday)") } else { Ok(()) }
    }
}

/// What croner lets pass or names without saying where: empty items, steps on a single number, backward ranges, names
/// in the wrong field, a lone `L` as a weekday.
fn check_field(name: &'static str, field: &str) -> Result<(), CronProblem> {
    let refused = Err(CronProblem::Field(name));
    for item in field.trim_start_matches('+').split(',') {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let stepped = range == "*" || range.contains('-');
        if step.is_some_and(|s| !stepped || s.bytes().all(|b| b == b'0') || !s.bytes().all(|b| b.is_ascii_digit())) {
            return refused;
        }
        if let Some((low, high)) = range.split_once('-') {
            match (ordinal(name, low), ordinal(name, high)) {
                (Some(low), Some(high)) if low > high => return Err(CronProblem::Backwards(range.to_owned())),
                (Some(_), Some(_)) => continue,
                _ => return refused,
            }
        }
        if !is_item(name, range) {
            return refused;
        }
    }
    // The numbers' ranges are croner's to judge, with every other field open.
    let line: Vec<&str> = FIELDS.iter().map(|f| if *f == name { field } else { "*" }).collect();
    if CronParser::new().parse(&line.join(" ")).is_ok() { Ok(()) } else { refused }
}

/// One item of a field that is no range.
fn is_item(field: &str, item: &str) -> bool {
    let upper = item.to_ascii_uppercase();
    let open = item == "*" || (item == "?" && matches!(field, "day" | "weekday"));
    let special = match field {
        "day" => {
            upper == "L" || upper == "LW" || upper.strip_suffix('W').is_some_and(|day| ordinal(field, day).is_some())
        }
        "weekday" => match upper.split_once('#') {
            Some((day, nth)) => ordinal(field, day).is_some() && matches!(nth, "1" | "2" | "3" | "4" | "5" | "L"),
            None => upper.strip_suffix('L').is_some_and(|day| ordinal(field, day).is_some()),
        },
        _ => false,
    };
    open || special || ordinal(field, item).is_some()
}

/// The number of a month or weekday name, or the number itself.
fn ordinal(field: &str, text: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let lower = text.to_lowercase();
    let named = |names: &[&str], base: u32| {
        names.iter().position(|n| *n == lower).and_then(|at| u32::try_from(at).ok()).map(|at| at + base)
    };
    match field {
        "month" => named(&MONTHS, 1),
        "weekday" => named(&DAYS, 0),
        _ => None,
    }
    .or_else(|| lower.parse().ok())
}

/// A wall-clock time without a zone, for croner.
#[derive(Clone)]
struct Wall(DateTime);

impl CronDateTime for Wall {
    fn to_civil(&self) -> CivilDateTime {
        let part = |n: i8| u32::try_from(n).unwrap_or(0);
        let at = self.0;
        CivilDateTime::from_ymd_hms_opt(
            i32::from(at.year()),
            part(at.month()),
            part(at.day()),
            part(at.hour()),
            part(at.minute()),
            part(at.second()),
        )
        .expect("a civil time of jiff's is one of croner's: both know years, months and days of one calendar")
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(u32::try_from(self.0.weekday().to_sunday_zero_offset()).unwrap_or(0))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let small = |n: u32| i8::try_from(n).unwrap_or(0);
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let (h, m, s) = (small(civil.hour()), small(civil.minute()), small(civil.second()));
        let at = DateTime::new(year, small(civil.month()), small(civil.day()), h, m, s, 0);
        at.map(|at| Resolution::Single(Self(at))).map_err(|_| CronError::InvalidDate)
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::zone::zone;
    use super::*;

    fn fires(pattern: &str, from: &str, to: &str) -> Vec<String> {
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        let cron = Cron::parse(pattern, None).unwrap();
        let all = cron.fires(&zone("Europe/London").unwrap(), from, to);
        assert_eq!(cron.next(&zone("Europe/London").unwrap(), from, to), all.first().copied());
        all.iter().map(|f| f.at.strftime("%m-%d %H:%M").to_string()).collect()
    }

    #[test]
    fn fixed_times_run_once_and_intervals_follow_real_time() {
        let spring = ("2022-03-26T12:00:00Z", "2022-03-27T12:30:00Z");
        assert_eq!(fires("30 1,13 * * *", spring.0, spring.1), ["03-26 13:30", "03-27 01:00", "03-27 12:30"]);
        assert_eq!(fires("0,30 1 * * *", spring.0, spring.1), ["03-27 01:00"], "two runs on one instant are one");
        let autumn = ("2022-10-30T00:00:00Z", "2022-10-30T03:00:00Z");
        assert_eq!(fires("30 1 * * *", autumn.0, autumn.1), ["10-30 00:30"]);
        assert_eq!(
            fires("*/30 1 * * *", autumn.0, autumn.1),
            ["10-30 00:00", "10-30 00:30", "10-30 01:00", "10-30 01:30"]
        );
    }

    #[test]
    fn lines_that_mean_different_things_are_refused() {
        for (line, problem) in [
            ("* * * *", CronProblem::Fields),
            ("0 9 * * * * 2022", CronProblem::Fields),
            ("5/15 9 * * *", CronProblem::Field("minutes")),
            ("0 9 * * 1,", CronProblem::Field("weekday")),
            ("0 25 * * *", CronProblem::Field("hours")),
            ("0 9 * * FRI-MON", CronProblem::Backwards("FRI-MON".into())),
            ("0 9 13 * FRI", CronProblem::BothDays),
            ("0 9 * MON *", CronProblem::Field("month")),
            ("0 9 JAN * *", CronProblem::Field("day")),
            ("0 9 * * MON TUE", CronProblem::Field("month")),
            ("0 9 * * 1,L", CronProblem::Field("weekday")),
            ("0 9 * * MON#5L", CronProblem::Field("weekday")),
        ] {
            assert_eq!(Cron::parse(line, None).unwrap_err(), problem, "{line}");
        }
        for line in [
            "0 9 13 * +fri", "@daily", "@midnight", "0 0 9 * * mon-fri", "0 9 LW * *", "0 9 * jan-mar 5#L",
            "0 9 ? * MON#2",
        ] {
            assert!(Cron::parse(line, None).is_ok(), "{line}");
        }
        let london = zone("Europe/London").unwrap();
        assert!(Cron::parse("0 9 31 2 *", None).unwrap().never_fires(Timestamp::UNIX_EPOCH, &london));
    }
}
