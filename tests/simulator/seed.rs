//! A campaign and its misfortunes, drawn from a seed: the same seed is the same campaign, on every machine.
//!
//! Each kind of fault is in only some of the campaigns, and then more or less often: a campaign with everything at once
//! would hide what two faults alone can do.

use fastrand::Rng;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use ringround::config::Settings;
use std::fmt::Write;

/// What a send in doubt can be resolved by; see `gateway::Class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    A,
    B,
    C,
    D,
}

/// How often the world and the store fail, per thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    pub lost_taken: u16,
    pub lost_not_taken: u16,
    pub server_taken: u16,
    pub server_not_taken: u16,
    pub throttled: u16,
    pub absurd: u16,
    pub liar: u16,
    pub late_answer: u16,
    pub look_up_down: u16,
    /// How long at most a text that was taken is not yet known to the look-up, seconds.
    pub lag: u16,
    pub report_late: u16,
    pub report_twice: u16,
    pub report_disorder: u16,
    pub report_never: u16,
    pub report_early: u16,
    pub report_contradicts: u16,
    pub report_opted_out: u16,
    pub callback_again: u16,
    pub text_twice: u16,
    pub commit_lost: u16,
    pub store_down: u16,
    pub slow_store: u16,
}

/// One campaign's file, and what it is about.
#[derive(Clone, Debug)]
pub struct Filed {
    pub source: String,
}

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub class: Class,
    pub workers: usize,
    pub contacts: usize,
    pub campaigns: Vec<Filed>,
    pub steps: usize,
    pub begin: Timestamp,
    pub end: Timestamp,
    pub per_second: u32,
    pub in_flight: usize,
    pub settle: SignedDuration,
    pub report_within: SignedDuration,
    /// People looked at in one commit.
    pub page: usize,
    pub rates: Rates,
    /// Of 256 moments between two operations: how many are used by somebody else.
    pub interleave: u8,
    /// Crashes between two operations: how many operations later each.
    pub crashes: Vec<u32>,
    /// The clocks change while it runs.
    pub strange_night: bool,
    /// Its database is taken back from a backup on the way.
    pub restores: bool,
    /// This many of the phones have each of these lines, per thousand.
    pub bad_lines: u16,
}

/// The lists of every run.
pub const SETTINGS: &str = r#"
schema = 1
[numbers]
allow_test = true
[gateway]
per_second = 20
in_flight = 4
settle_seconds = 60
report_hours = 24
[testers]
numbers = ["07700 900990"]
[lists.send]
sender = "Send"
join = ["DUDLEY"]
wording_version = "1"
wording = "Text DUDLEY to join."
[lists.send.replies.en]
welcome    = "Send: you have joined. Reply HELP for help, STOP to leave."
too_late   = "Send: you have joined for the next time. STOP to leave."
already_in = "Send: you are already in. STOP to leave."
goodbye    = "Send: you have left. START to come back."
help       = "Send: ring 01632 960 001. STOP to leave."
done       = "Send: noted."
phone      = "Send: no links from now on."
web        = "Send: links from now on."
join_hint  = "Send: to join, text DUDLEY."
[lists.walk]
sender = "Walk"
join = ["WALSALL"]
wording_version = "1"
wording = "Text WALSALL to join."
[lists.walk.replies.en]
welcome    = "Walk: you have joined. Reply HELP for help, STOP to leave."
too_late   = "Walk: you have joined for the next time. STOP to leave."
already_in = "Walk: you are already in. STOP to leave."
goodbye    = "Walk: you have left. START to come back."
help       = "Walk: ring 01632 960 001. STOP to leave."
done       = "Walk: noted."
phone      = "Walk: no links from now on."
web        = "Walk: links from now on."
join_hint  = "Walk: to join, text WALSALL."
"#;

/// The settings all runs share.
pub fn settings() -> Settings {
    let (settings, problems) = Settings::read(SETTINGS);
    assert!(problems.iter().all(|p| !p.message.contains("missing")), "{problems:?}");
    settings
}

/// (zone, a day on which its clocks change, hour of the evening before)
const NIGHTS: [(&str, i16, i8, i8); 5] = [
    ("Europe/London", 2022, 3, 26),
    ("Europe/London", 2022, 10, 29),
    ("America/New_York", 2022, 3, 12),
    ("America/New_York", 2022, 11, 5),
    ("Australia/Lord_Howe", 2022, 4, 2),
];
const ZONES: [&str; 4] = ["Europe/London", "Europe/Warsaw", "America/New_York", "Asia/Karachi"];

/// True that often of a hundred.
fn percent(random: &mut Rng, of_hundred: u32) -> bool {
    random.u32(..100) < of_hundred
}

impl Rates {
    fn draw(random: &mut Rng) -> Self {
        let mut some = |of_hundred, low: u16, high: u16| -> u16 {
            if percent(random, of_hundred) { random.u16(low..=high) } else { 0 }
        };
        Self {
            lost_taken: some(45, 10, 120),
            lost_not_taken: some(30, 10, 120),
            server_taken: some(25, 10, 100),
            server_not_taken: some(25, 10, 100),
            throttled: some(30, 10, 100),
            absurd: some(10, 2, 20),
            liar: some(10, 5, 40),
            late_answer: some(40, 20, 300),
            look_up_down: some(25, 50, 600),
            lag: some(50, 1, 35),
            report_late: some(30, 10, 150),
            report_twice: some(40, 20, 300),
            report_disorder: some(40, 20, 300),
            report_never: some(30, 10, 150),
            report_early: some(40, 20, 300),
            report_contradicts: some(30, 10, 120),
            report_opted_out: some(15, 5, 40),
            callback_again: some(35, 20, 250),
            text_twice: some(40, 100, 500),
            commit_lost: some(20, 2, 25),
            store_down: some(25, 5, 60),
            slow_store: some(20, 2, 20),
        }
    }
}

impl Plan {
    /// The campaign of a seed. Eight seeds share their files, which are dear to read, and nothing else.
    pub fn draw(seed: u64) -> Self {
        let files = Files::draw(seed / 8);
        let Files { campaigns, steps, opens, closes, .. } = files;
        let mut random = Rng::with_seed(seed ^ 0x5eed_0f12_1960_c0de);
        let begin = opens - SignedDuration::from_mins(random.i64(5..90));
        let contacts = match random.u32(..10) {
            0..4 => random.usize(5..20),
            4..9 => random.usize(20..28),
            _ => random.usize(28..=60),
        };
        let crashes = (0..[0, 1, 1, 2, 2, 3][random.usize(..6)]).map(|_| random.u32(1..160)).collect();
        let workers = if percent(&mut random, 30) { 2 } else { 1 };
        Self {
            seed,
            class: [Class::A, Class::B, Class::B, Class::C, Class::D][random.usize(..5)],
            workers,
            contacts,
            campaigns,
            steps,
            begin,
            end: closes + SignedDuration::from_mins(random.i64(10..90)),
            per_second: [2, 5, 20, 50][random.usize(..4)],
            in_flight: [1, 2, 4, 8][random.usize(..4)],
            settle: SignedDuration::from_secs([60, 60, 90, 300][random.usize(..4)]),
            report_within: SignedDuration::from_hours([1, 4, 24, 72][random.usize(..4)]),
            page: [3, 8, 20, 500][random.usize(..4)],
            rates: Rates::draw(&mut random),
            interleave: [0, 0, 20, 60][random.usize(..4)] + if workers == 2 { 30 } else { 0 },
            crashes,
            strange_night: files.strange_night,
            restores: percent(&mut random, 10),
            bad_lines: if percent(&mut random, 50) { random.u16(10..60) } else { 0 },
        }
    }
}

/// One or two campaign files, and when they are about.
struct Files {
    campaigns: Vec<Filed>,
    steps: usize,
    opens: Timestamp,
    closes: Timestamp,
    strange_night: bool,
}

impl Files {
    fn draw(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed ^ 0xf11e_0000_0000_0000);
        let strange_night = percent(&mut random, 30);
        let (zone, day) = if strange_night {
            let (zone, year, month, day) = NIGHTS[random.usize(..NIGHTS.len())];
            (zone, date(year, month, day))
        } else {
            let day = date(2022, 1, 10).checked_add(Span::new().days(random.i64(0..60))).unwrap();
            (ZONES[random.usize(..ZONES.len())], day)
        };
        let opens = day.at(random.i8(7..12), 0, 0, 0);
        // The kind of some hours, and the one over some days.
        let days = [0, 0, 1, 1, 2][random.usize(..5)];
        let closes = opens.checked_add(Span::new().days(days).hours(random.i64(2..9))).unwrap();
        let quiet = ["21:00-08:00", "20:00-07:30", "none", "12:00-12:45"][random.usize(..4)];
        let second = percent(&mut random, 25);
        let steps = 1 + random.usize(..3) + random.usize(..4);
        let first = if second && steps > 1 { random.usize(1..steps) } else { steps };
        let mut campaigns = vec![file(&mut random, "first", "send", zone, quiet, (opens, closes), first)];
        if first < steps {
            campaigns.push(file(&mut random, "second", "walk", zone, quiet, (opens, closes), steps - first));
        }
        let at = |local| TimeZone::get(zone).unwrap().to_timestamp(local).unwrap();
        Self { campaigns, steps, opens: at(opens), closes: at(closes), strange_night }
    }
}

/// A campaign file with so many steps.
fn file(
    random: &mut Rng,
    id: &str,
    list: &str,
    zone: &str,
    quiet: &str,
    (opens, closes): (DateTime, DateTime),
    steps: usize,
) -> Filed {
    let mut source = format!(
        "schema = 1\nid = \"{id}\"\ntitle = \"t\"\nlist = \"{list}\"\ntimezone = \"{zone}\"\nquiet = \"{quiet}\"\n\
         [milestones]\nopens = {opens}\ncloses = {closes}\n[values]\norg = \"Forum {list}\"\n\
         survey = {{ link = \"https://survey.example.org/x\" }}\nhelpline = {{ phone = \"01632 960 001\" }}\n\
         [phone_hint]\nen = \"No internet? Reply PHONE\"\n"
    );
    for n in 0..steps {
        let step = format!("step-{n}");
        writeln!(source, "[[step]]\nid = \"{step}\"").unwrap();
        when(random, &mut source, opens, closes);
        if percent(random, 25) {
            source.push_str("in_doubt = \"resend\"\n");
        }
        if percent(random, 25) {
            source.push_str("stops_when_done = true\n");
        }
        if percent(random, 20) {
            source.push_str("audience = { internet = [\"no\", \"unknown\"] }\n");
        }
        if percent(random, 50) {
            writeln!(source, "[step.everyone]\nen = \"{{{{ org }}}} {n}: ring {{{{ helpline }}}}. STOP to leave\"")
                .unwrap();
        } else {
            writeln!(
                source,
                "[step.web]\nen = \"{{{{ org }}}} {n}: {{{{ survey }}}} until {{{{ closes.when }}}}\"\n\
                 [step.phone]\nen = \"{{{{ org }}}} {n}: dear {{{{ name | default('parent') }}}}, ring {{{{ helpline }}}}\""
            )
            .unwrap();
        }
    }
    Filed { source }
}

/// When a step fires, and until when it is of use.
fn when(random: &mut Rng, source: &mut String, opens: DateTime, closes: DateTime) {
    let deadline = ["+5min", "+20min", "+1h", "+3h", "closes", "closes"][random.usize(..6)];
    match random.u32(..10) {
        0..2 => writeln!(source, "at = \"opens\"\nnot_after = \"{deadline}\"").unwrap(),
        2..6 => {
            // Some time on one of its days, by day: no hour of the night is skipped by the clocks then.
            let days = opens.date().until(closes.date()).unwrap().get_days();
            let day = opens.date().checked_add(Span::new().days(random.i32(0..=days))).unwrap();
            let at = day.at(random.i8(7..22), [0, 0, 15, 30, 59][random.usize(..5)], 0, 0);
            writeln!(source, "at = {at}\nnot_after = \"{}\"", if deadline == "closes" { "+2h" } else { deadline })
                .unwrap();
        }
        _ => {
            let cron = ["0 10 * * *", "30 1 * * *", "0 9,17 * * *", "*/30 1 * * *", "0 */8 * * *", "59 20 * * *"];
            let cron = cron[random.usize(..cron.len())];
            writeln!(source, "cron = \"{cron}\"\nbetween = [\"opens\", \"closes\"]\nnot_after = \"{deadline}\"")
                .unwrap();
        }
    }
}
