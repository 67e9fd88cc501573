//! Cron lines, wall-clock times and quiet hours against a checker that is written from the rules alone and looks at every
//! minute: random lines in many zones, half of the windows around a change of the clocks.

#![allow(missing_docs, clippy::unwrap_used)]

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use ringround::domain::schedule::cron::{Cron, DayRule};
use ringround::domain::schedule::quiet::{Deferred, Quiet};
use ringround::domain::schedule::zone::{Resolved, resolve, zone};
use std::collections::BTreeSet;

const ZONES: [&str; 8] = [
    "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo",
    "Antarctica/Troll", "Africa/Casablanca", "Pacific/Chatham",
];
/// Minutes looked at, and so many before them that may be the first pass of an hour.
const WINDOW: i64 = 36 * 60;
const BEFORE: i64 = 5 * 60;
const WINDOWS: usize = 600;
const LINES: usize = 20;

/// Every minute of a window with its wall-clock time.
struct Minutes {
    zone: TimeZone,
    name: &'static str,
    all: Vec<(Timestamp, DateTime)>,
}

impl Minutes {
    fn draw(random: &mut fastrand::Rng) -> Self {
        let name = ZONES[random.usize(..ZONES.len())];
        let zone = zone(name).unwrap();
        let day = random.i64(0..11 * 365);
        let mut at: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
        at += SignedDuration::from_hours(24 * day);
        // Half of the windows lie around the next change of the clocks, where the zone has one.
        if random.bool()
            && let Some(change) = zone.following(at).next()
            && change.timestamp() < at + SignedDuration::from_hours(24 * 366)
        {
            let minute = change.timestamp().as_second().div_euclid(60) * 60;
            at = Timestamp::from_second(minute).unwrap() - SignedDuration::from_mins(random.i64(0..WINDOW - 120));
        }
        let minute = |n| at + SignedDuration::from_mins(n);
        let all = (-BEFORE..WINDOW).map(|n| (minute(n), zone.to_datetime(minute(n)))).collect();
        Self { zone, name, all }
    }

    fn span(&self) -> (Timestamp, Timestamp) {
        (self.all[usize::try_from(BEFORE).unwrap()].0, self.all.last().unwrap().0)
    }
}

/// One field: what is written, and the numbers it means.
fn field(random: &mut fastrand::Rng, least: i8, most: i8) -> (String, BTreeSet<i8>) {
    let one = |random: &mut fastrand::Rng| random.i8(least..=most);
    match random.u8(..6) {
        0 | 1 => ("*".to_owned(), (least..=most).collect()),
        2 => {
            let step = random.i8(2..=7);
            (format!("*/{step}"), (least..=most).step_by(usize::try_from(step).unwrap()).collect())
        }
        3 => {
            let n = one(random);
            (n.to_string(), BTreeSet::from([n]))
        }
        4 => {
            let all: BTreeSet<i8> = (0..random.usize(2..5)).map(|_| one(random)).collect();
            (all.iter().map(i8::to_string).collect::<Vec<_>>().join(","), all)
        }
        _ => {
            let (a, b) = (one(random), one(random));
            let (low, high) = (a.min(b), a.max(b));
            (format!("{low}-{high}"), (low..=high).collect())
        }
    }
}

/// A line, and what it means.
struct Line {
    written: String,
    rule: DayRule,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: BTreeSet<i8>,
    last_day: bool,
    months: BTreeSet<i8>,
    weekdays: BTreeSet<i8>,
    any_day: bool,
    any_weekday: bool,
    fixed: bool,
}

impl Line {
    fn draw(random: &mut fastrand::Rng) -> Self {
        let (minute, minutes) = field(random, 0, 59);
        let (hour, hours) = field(random, 0, 23);
        let (day, days) = if random.bool() { ("*".to_owned(), (1..=31).collect()) } else { field(random, 1, 31) };
        let (day, days, last_day) =
            if random.u8(..8) == 0 { ("L".to_owned(), BTreeSet::new(), true) } else { (day, days, false) };
        let (month, months) =
            if random.u8(..3) > 0 { ("*".to_owned(), (1..=12).collect()) } else { field(random, 1, 12) };
        let (weekday, weekdays) = if random.bool() { ("*".to_owned(), (0..=6).collect()) } else { field(random, 0, 6) };
        let (weekday, weekdays) = match random.u8(..6) {
            0 => ("MON-FRI".to_owned(), (1..=5).collect()),
            1 => ("sat,7".to_owned(), BTreeSet::from([0, 6])),
            _ => (weekday, weekdays),
        };
        Self {
            fixed: !minute.contains('*') && !hour.contains('*'),
            any_day: day == "*",
            any_weekday: weekday == "*",
            written: format!("{minute} {hour} {day} {month} {weekday}"),
            rule: if random.bool() { DayRule::Or } else { DayRule::And },
            minutes,
            hours,
            days,
            last_day,
            months,
            weekdays,
        }
    }

    fn names(&self, wall: DateTime) -> bool {
        let day = self.days.contains(&wall.day()) || (self.last_day && wall.day() == wall.date().last_of_month().day());
        let weekday = self.weekdays.contains(&wall.weekday().to_sunday_zero_offset());
        let on_that_day = match (self.any_day, self.any_weekday) {
            (true, true) => true,
            (true, false) => weekday,
            (false, true) => day,
            (false, false) if self.rule == DayRule::And => day && weekday,
            (false, false) => day || weekday,
        };
        on_that_day
            && self.months.contains(&wall.month())
            && self.hours.contains(&wall.hour())
            && self.minutes.contains(&wall.minute())
    }

    /// R-DST, minute by minute.
    fn runs(&self, minutes: &Minutes) -> Vec<Timestamp> {
        let mut runs = Vec::new();
        for n in usize::try_from(BEFORE).unwrap()..minutes.all.len() {
            let (at, wall) = minutes.all[n];
            let seen_before = || minutes.all[..n].iter().rev().take(240).any(|(_, earlier)| *earlier == wall);
            let mut fires = self.names(wall) && !(self.fixed && seen_before());
            // What the clocks have just skipped, a fixed time does now.
            let mut skipped = minutes.all[n - 1].1 + 1.minute();
            while self.fixed && skipped < wall {
                fires |= self.names(skipped);
                skipped += 1.minute();
            }
            if fires {
                runs.push(at);
            }
        }
        runs
    }
}

#[test]
fn cron_lines_run_when_the_rules_say() {
    let (mut random, mut cases, mut runs, mut around) = (fastrand::Rng::with_seed(2022), 0, 0, 0);
    for _ in 0..WINDOWS {
        let minutes = Minutes::draw(&mut random);
        let (from, to) = minutes.span();
        let changes = minutes.zone.following(from).next().is_some_and(|change| change.timestamp() < to);
        for _ in 0..LINES {
            let line = Line::draw(&mut random);
            let rule = (!line.any_day && !line.any_weekday).then_some(line.rule);
            let cron = Cron::parse(&line.written, rule).unwrap_or_else(|e| panic!("{}: {e}", line.written));
            let found = cron.fires(&minutes.zone, from, to);
            let wanted = line.runs(&minutes);
            let at: Vec<Timestamp> = found.iter().map(|fire| fire.at).collect();
            assert_eq!(at, wanted, "{} ({:?}) in {} from {from}", line.written, line.rule, minutes.name);
            assert_eq!(
                cron.next(&minutes.zone, from, to).map(|fire| fire.at),
                wanted.first().copied(),
                "{}",
                line.written
            );
            (cases, runs, around) =
                (cases + 1, runs + wanted.len(), around + usize::from(changes && !wanted.is_empty()));
        }
    }
    println!("{cases} lines, {runs} runs, {around} lines with runs around a change of the clocks");
    assert!(cases >= 10_000 && runs > 100_000 && around > 1000, "{cases} {runs} {around}");
}

#[test]
fn wall_clock_times_are_the_instants_that_show_them() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut cases, mut none, mut two) = (0, 0, 0);
    for _ in 0..WINDOWS {
        let minutes = Minutes::draw(&mut random);
        // Away from the edges, so that all instants of a wall-clock time lie in the window.
        let inner = &minutes.all[300..minutes.all.len() - 300];
        let (first, last) = (inner[0].1, inner[inner.len() - 1].1);
        for _ in 0..LINES {
            let span = last.duration_since(first).as_mins();
            let change = inner.windows(2).find(|pair| pair[1].1 != pair[0].1 + 1.minute()).map(|pair| pair[0].1);
            let wall = match change {
                Some(before) if random.bool() => before + SignedDuration::from_mins(random.i64(-60..60)),
                _ => first + SignedDuration::from_mins(random.i64(0..span)),
            };
            let shown: Vec<Timestamp> = minutes.all.iter().filter(|(_, at)| *at == wall).map(|(at, _)| *at).collect();
            let wanted = match shown[..] {
                [] => {
                    none += 1;
                    let resumes =
                        minutes.all.windows(2).find(|pair| pair[0].1 < wall && pair[1].1 > wall).unwrap()[1].0;
                    Resolved::Nonexistent { resumes }
                }
                [at] => Resolved::Ok(at),
                [first, second, ..] => {
                    two += 1;
                    Resolved::Ambiguous { first, second }
                }
            };
            assert_eq!(resolve(wall, &minutes.zone), wanted, "{wall} in {}", minutes.name);
            cases += 1;
        }
    }
    println!("{cases} times, {none} skipped, {two} twice");
    assert!(cases >= 10_000 && none > 200 && two > 200, "{cases} {none} {two}");
}

#[test]
fn quiet_hours_end_at_the_first_minute_that_is_not_quiet() {
    let mut random = fastrand::Rng::with_seed(11);
    let (mut cases, mut moved, mut dropped) = (0, 0, 0);
    for _ in 0..WINDOWS {
        let minutes = Minutes::draw(&mut random);
        for _ in 0..LINES {
            let time = |random: &mut fastrand::Rng| (random.i8(0..24), random.i8(0..60));
            let (from, until) = if random.bool() { ((21, 0), (8, 0)) } else { (time(&mut random), time(&mut random)) };
            if from == until {
                continue;
            }
            let quiet = Quiet::parse(&format!("{:02}:{:02}-{:02}:{:02}", from.0, from.1, until.0, until.1)).unwrap();
            let is_quiet = |wall: DateTime| {
                let now = (wall.hour(), wall.minute());
                if from < until { from <= now && now < until } else { from <= now || now < until }
            };
            let n = random.usize(..minutes.all.len() / 3);
            let at = minutes.all[n].0;
            let Some((end, _)) = minutes.all[n..].iter().find(|(_, wall)| !is_quiet(*wall)) else { continue };
            let expires = random.bool().then(|| at + SignedDuration::from_mins(random.i64(1..900)));
            let wanted = if expires.is_some_and(|expires| *end >= expires) {
                dropped += 1;
                Deferred::Expired
            } else {
                moved += usize::from(*end > at);
                Deferred::SendAt(*end)
            };
            assert_eq!(quiet.defer(at, &minutes.zone, expires), wanted, "{quiet} at {at} in {}", minutes.name);
            cases += 1;
        }
    }
    println!("{cases} texts, {moved} moved, {dropped} dropped");
    assert!(cases >= 10_000 && moved > 2000 && dropped > 500, "{cases} {moved} {dropped}");
}
