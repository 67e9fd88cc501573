//! What happens to the clock, by libfaketime: jumps, and the two strange nights of the year.

use super::super::faults::{Bench, Row, Seen, demand, demands};
use super::super::installation::Wish;
use super::super::script::Class;
use super::super::waiting::{now_ms, rest, until};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

pub fn rows() -> Vec<Row> {
    let row = |number, done, expected, run| Row { number, done, expected, run };
    vec![
        row(
            "F41",
            "the clock jumps 1 h ahead, and back",
            "no fire twice; the newest runs, the others are missed with a reason",
            hour,
        ),
        row("F41b", "the clock jumps a day ahead, and back", "as above", day),
        row("F41c", "a start with a clock of 1970", "nothing leaves that is not due, nothing twice", long_ago),
        row("F42", "Europe/London: a step at 01:30 in the night that skips it", "runs once, at 01:00 UTC", gap),
        row(
            "F42b",
            "Europe/London: a step at 01:30 in the night that has it twice",
            "runs the first time only",
            overlap,
        ),
    ]
}

const NO_FAKETIME: &str = "!!! libfaketime is not here (apt-get install faketime)";

/// The library that fakes the time; none where it is missing.
pub fn preload() -> Option<String> {
    let folders = fs::read_dir("/usr/lib").ok()?;
    let found = folders.filter_map(Result::ok).map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    found.filter(|path| path.exists()).map(|path| path.display().to_string()).next()
}

/// A clock that can be set while the program runs.
struct Hand {
    _folder: TempDir,
    file: PathBuf,
    /// Seconds from the real time.
    offset: i64,
}

impl Hand {
    fn new(offset: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hand = Self { file: folder.path().join("clock"), _folder: folder, offset };
        hand.write();
        hand
    }

    fn write(&self) {
        let next = self.file.with_extension("next");
        fs::write(&next, format!("{:+}\n", self.offset)).unwrap();
        fs::rename(next, &self.file).unwrap(); // never seen half written
    }

    fn jump(&mut self, seconds: i64) {
        self.offset += seconds;
        self.write();
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(now_ms() + self.offset * 1000).unwrap()
    }

    fn environment(&self, library: &str) -> Vec<(String, String)> {
        let all = [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

const PEOPLE: usize = 10;

fn bench(hand: &Hand, library: &str, campaign: String) -> Bench {
    let wish =
        Wish { own_campaign: Some(campaign), environment: hand.environment(library), ..Wish::new(Class::B, PEOPLE, 1) };
    Bench::of(&wish)
}

fn campaign(zone: &str, first: jiff::Timestamp, last: jiff::Timestamp, cron: &str) -> String {
    let written = |at: jiff::Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    format!(
        "schema = 1\nid = \"now\"\ntitle = \"t\"\nlist = \"send\"\ntimezone = \"{zone}\"\nquiet = \"none\"\n[milestones]\n\
         begins = {}\nends = {}\n[[step]]\nid = \"tick\"\ncron = \"{cron}\"\nbetween = [\"begins\", \"ends\"]\n\
         not_after = \"+3h\"\n[step.everyone]\nen = \"Dudley SEND: a reminder. Ring 01632 960001\"\n",
        written(first),
        written(last),
    )
}

/// Broadcasts that were sent; those missed; those missed without a reason.
fn broadcasts(bench: &Bench) -> (i64, i64, i64) {
    let count = |of: &str| bench.installation.books.number(&format!("SELECT COUNT(*) FROM broadcasts WHERE {of}"));
    (count("fate <> 'missed'"), count("fate = 'missed'"), count("fate = 'missed' AND COALESCE(reason, '') = ''"))
}

/// The most texts that one person got, the fewest, and references that left twice.
fn got(bench: &Bench) -> (usize, usize, usize) {
    let book = bench.peer.book();
    let mut people: BTreeMap<&str, usize> = BTreeMap::new();
    let mut references: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in book.iter().filter(|entry| entry.taken) {
        *people.entry(&entry.to).or_default() += 1;
        *references.entry(&entry.reference).or_default() += 1;
    }
    let least = if people.len() < PEOPLE { 0 } else { people.values().copied().min().unwrap_or(0) };
    (people.values().copied().max().unwrap_or(0), least, references.values().filter(|times| **times > 1).count())
}

fn hour(_: bool) -> Seen {
    jump(3600, 58)
}

fn day(_: bool) -> Seen {
    jump(86_400, 1400)
}

/// A step every minute; the clock jumps right after the first one, and comes back.
fn jump(seconds: i64, least_missed: i64) -> Seen {
    let Some(library) = preload() else { return Seen::NotRun(NO_FAKETIME.to_owned()) };
    // Five seconds before a full minute: there is time to start.
    let mut hand = Hand::new((52 - now_ms() / 1000).rem_euclid(60));
    let first = hand.now();
    let last = first.checked_add(jiff::SignedDuration::from_hours(72)).unwrap();
    let bench = bench(&hand, &library, campaign("Etc/UTC", first, last, "* * * * *"));
    let service = bench.installation.start();
    let ten = |times: usize| {
        until(Duration::from_secs(30), || bench.count("accepted") >= i64::try_from(times * PEOPLE).unwrap())
    };
    let begun = ten(1);
    hand.jump(seconds);
    let again = ten(2);
    rest(Duration::from_secs(1));
    let (sent, missed, silent) = broadcasts(&bench);
    hand.jump(-seconds);
    rest(Duration::from_secs(5));
    let (after, ..) = broadcasts(&bench);
    service.stop();
    let (most, fewest, twice) = got(&bench);
    demand(
        format!("{sent} sent, {missed} missed; each person got {fewest} to {most}"),
        demands![
            begun && again => "begun {begun}, again {again}";
            (2..=3).contains(&sent) && after == sent => "{sent} broadcasts sent, {after} after the way back";
            missed >= least_missed && silent == 0 => "{missed} missed, {silent} without a reason";
            twice == 0 && most == fewest && i64::try_from(most).unwrap() == after => "{twice} twice"
        ],
    )
}

fn long_ago(_: bool) -> Seen {
    let Some(library) = preload() else { return Seen::NotRun(NO_FAKETIME.to_owned()) };
    let mut hand = Hand::new(0);
    let first = hand.now().checked_add(jiff::SignedDuration::from_secs(2)).unwrap();
    let last = first.checked_add(jiff::SignedDuration::from_hours(2)).unwrap();
    let bench = bench(&hand, &library, campaign("Etc/UTC", first, last, "* * * * *"));
    let back = now_ms() / 1000;
    hand.jump(-back);
    let mut service = bench.installation.begin(&[]);
    let ready = service.try_ready();
    rest(Duration::from_secs(5));
    let early = bench.peer.counts().requests;
    hand.jump(back);
    let sent = until(Duration::from_secs(80), || bench.count("accepted") >= i64::try_from(PEOPLE).unwrap());
    let said = service.said();
    let code = service.stop();
    let (_, _, twice) = got(&bench);
    demand(
        format!("started {ready}, {early} left in 1970, code {code:?}"),
        demands![said.contains("the clock shows 1970") => "it does not say so: {said}"; early == 0 && twice == 0 => "{early} early, {twice} twice"; sent && code == Some(0) => "sent {sent}, code {code:?}"],
    )
}

/// Starts shortly before `at` (UTC); what has been sent within some seconds.
fn night(at: &str, begins: &str, ends: &str) -> Option<(Hand, Bench)> {
    let library = preload()?;
    let at: jiff::Timestamp = at.parse().unwrap();
    let hand = Hand::new(at.as_second() - now_ms() / 1000);
    let parse = |text: &str| format!("{text}Z").parse::<jiff::Timestamp>().unwrap();
    let bench = bench(&hand, &library, campaign("Europe/London", parse(begins), parse(ends), "30 1 * * *"));
    Some((hand, bench))
}

fn gap(_: bool) -> Seen {
    let Some((hand, bench)) = night("2022-03-27T00:59:50Z", "2022-03-26T12:00:00", "2022-03-27T23:00:00") else {
        return Seen::NotRun(NO_FAKETIME.to_owned());
    };
    let service = bench.installation.start();
    let sent = until(Duration::from_secs(40), || bench.count("accepted") == i64::try_from(PEOPLE).unwrap());
    let at = hand.now();
    rest(Duration::from_secs(2));
    service.stop();
    let (all, ..) = broadcasts(&bench);
    let due = bench.installation.books.rows("SELECT due_at FROM broadcasts").unwrap().concat().concat();
    let right = due == "1648342800000"; // 2022-03-27T01:00:00Z
    demand(
        format!("sent by {at}"),
        demands![sent && all == 1 && right => "sent {sent}, {all} broadcasts, due at {due}"],
    )
}

fn overlap(_: bool) -> Seen {
    let Some((mut hand, bench)) = night("2022-10-30T00:29:50Z", "2022-10-29T12:00:00", "2022-10-30T23:00:00") else {
        return Seen::NotRun(NO_FAKETIME.to_owned());
    };
    let service = bench.installation.start();
    let sent = until(Duration::from_secs(40), || bench.count("accepted") == i64::try_from(PEOPLE).unwrap());
    hand.jump(3600 - 25);
    rest(Duration::from_secs(16));
    let at = hand.now();
    let later = service.stop();
    let (all, missed, _) = broadcasts(&bench);
    let requests = bench.peer.counts().requests;
    demand(
        format!("{requests} texts by {at}"),
        demands![sent && all == 1 && missed == 0 && requests == PEOPLE && later == Some(0) => "{all} broadcasts, {missed} missed"],
    )
}
