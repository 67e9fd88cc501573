//! What a seed draws: families, a campaign, what people write, what goes wrong outside, and when workers crash.

use super::crash::Crash;
use crate::support::Engine;
use fastrand::Rng;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ringround::gateway::simulated::Params;
use ringround::gateway::simulated::phone::{Line, Phone};
use std::fmt::Write;

/// What happens at some instant by somebody's hand, or by none.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    PauseAll,
    ResumeAll,
    PauseCampaign,
    ResumeCampaign,
    CancelCampaign,
    /// Which worker, where, and for how long it is gone.
    Crash(usize, Crash, SignedDuration),
}

/// A course to be run.
pub struct Draw {
    pub seed: u64,
    pub begin: Timestamp,
    pub end: Timestamp,
    pub settings: String,
    pub campaign: String,
    pub spreadsheet: String,
    pub contacts: usize,
    /// Contacts who never write and can be reached.
    pub silent: Vec<String>,
    pub one_off_steps: Vec<String>,
    pub steps: usize,
    pub params: Params,
    pub phones: Vec<Phone>,
    pub deeds: Vec<(Timestamp, Deed)>,
    /// For each worker, how far its clock is behind.
    pub workers: Vec<SignedDuration>,
    pub random: Rng,
}

const DEMO: &str = include_str!("../../config/demo.toml");

fn secs(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn pick<T: Copy>(random: &mut Rng, of: &[T]) -> T {
    of[random.usize(..of.len())]
}

impl Draw {
    /// Everything from one number. A server crashes by steps, a file by what its connection tells.
    pub fn new(seed: u64, engine: Engine) -> Self {
        let mut random = Rng::with_seed(seed);
        let r = &mut random;
        let days = ["2022-01-24T00:00:00Z", "2022-03-26T12:00:00Z", "2022-06-08T00:00:00Z"];
        let begin: Timestamp = pick(r, &days).parse().unwrap();
        let begin = begin + secs(r.i64(6 * 3600..20 * 3600));
        let (steps, span) = (pick(r, &[3, 3, 3, 4, 6]), secs(3600 * pick(r, &[2, 3, 5, 30, 72])));
        let mut dues: Vec<Timestamp> =
            (0..steps).map(|_| begin + secs(120 + 60 * r.i64(0..span.as_secs() / 60))).collect();
        dues.sort();
        let (campaign, one_off_steps, longest) = campaign(r, &dues);
        let end = begin + span + longest + secs(14 * 3600);
        let contacts = pick(r, &[20, 20, 21, 24, 40]);
        let (phones, silent) = phones(r, contacts, begin, span, &dues);
        let workers = workers(r, engine);
        let deeds = deeds(r, engine, begin, span, &dues, workers.len());
        let params = params(r, seed, begin, &dues);
        let settings = DEMO
            .replace("per_second = 2", &format!("per_second = {}", pick(r, &[2, 10, 50])))
            .replace("in_flight = 4", &format!("in_flight = {}", pick(r, &[1, 4, 16])))
            .replace("settle_seconds = 60", &format!("settle_seconds = {}", pick(r, &[30, 60, 300])))
            .replace("report_hours = 24", "report_hours = 6");
        let spreadsheet = spreadsheet(contacts);
        Self {
            seed,
            begin,
            end,
            settings,
            campaign,
            spreadsheet,
            contacts,
            silent,
            one_off_steps,
            steps,
            params,
            phones,
            deeds,
            workers,
            random,
        }
    }

    /// Workers on one database that may not yet know of a STOP for a second, as the claim allows.
    pub fn slack(&self) -> SignedDuration {
        if self.workers.len() > 1 { secs(1) } else { SignedDuration::ZERO }
    }

    /// A clock that is behind gives texts a validity period that ends as much later.
    pub fn behind(&self) -> SignedDuration {
        self.workers.iter().copied().max().unwrap_or_default()
    }
}

fn number(n: usize) -> String {
    format!("+447700900{:03}", 100 + n)
}

fn spreadsheet(contacts: usize) -> String {
    let mut text = String::from("Mobile No,Parent name,Internet access,Consent source,Consent date,Wording\n");
    for n in 0..contacts {
        let internet = ["yes", "no", ""][n % 3];
        writeln!(text, "07700 900{:03},Parent {n},{internet},paper form,17/11/2021,2021-11", 100 + n).unwrap();
    }
    text
}

/// The file, the steps that fire once, and the longest time for which a text is of use.
fn campaign(r: &mut Rng, dues: &[Timestamp]) -> (String, Vec<String>, SignedDuration) {
    let london = TimeZone::get("Europe/London").unwrap();
    let local = |at: Timestamp| london.to_datetime(at).strftime("%Y-%m-%dT%H:%M:00").to_string();
    let recurring = if r.u8(..3) == 0 { r.usize(..dues.len()) } else { usize::MAX };
    let quiet = if recurring < dues.len() { "none" } else { pick(r, &["none", "21:00-08:00", "12:30-13:15"]) };
    let is_quiet = |at: Timestamp| match (quiet, london.to_datetime(at).strftime("%H:%M").to_string().as_str()) {
        ("21:00-08:00", time) => !("08:00".."21:00").contains(&time),
        ("12:30-13:15", time) => ("12:30".."13:15").contains(&time),
        _ => false,
    };
    let mut text = format!(
        "schema = 1\nid = \"drawn\"\ntitle = \"Drawn\"\nlist = \"send\"\ntimezone = \"Europe/London\"\nquiet = \"{quiet}\"\n\
         max_parts = 3\n[milestones]\n"
    );
    for (n, due) in dues.iter().enumerate() {
        writeln!(text, "m{n} = {}", local(*due)).unwrap();
        writeln!(text, "e{n} = {}", local(*due + secs(7200))).unwrap();
    }
    let (mut one_off, mut longest) = (Vec::new(), SignedDuration::ZERO);
    for (n, due) in dues.iter().enumerate() {
        // What falls into quiet hours and is of no use after them would be refused.
        let minutes = if is_quiet(*due) { 700 } else { pick(r, &[2, 10, 45, 180, 480]) };
        longest = longest.max(SignedDuration::from_mins(minutes + 120));
        let when = if n == recurring {
            format!("cron = \"{} * * * *\"\nbetween = [\"m{n}\", \"e{n}\"]", r.u8(..60))
        } else {
            one_off.push(format!("s{n}"));
            format!("at = \"m{n}\"")
        };
        let doubt = pick(r, &["", "in_doubt = \"hold\"\n", "in_doubt = \"resend\"\n"]);
        let done = if r.bool() { "stops_when_done = true\n" } else { "" };
        write!(
            text,
            "[[step]]\nid = \"s{n}\"\n{when}\nnot_after = \"+{minutes}min\"\n{doubt}{done}[step.everyone]\n\
             en = \"Dudley SEND: text {n} of our meeting. Ring 01632 960 001. Reply DONE when done, STOP to leave\"\n"
        )
        .unwrap();
    }
    (text, one_off, longest)
}

#[rustfmt::skip]
const WORDS: [&str; 20] = [
    "STOP", "STOP", "STOP", "Stop please", "stop", "START", "START", "DUDLEY", "Dudley!", "DONE", "done thanks", "HELP",
    "PHONE", "WEB", "asdfgh", "stopp", "can I join please", "wrong number", "UNSUBSCRIBE", "who is this",
];

fn phones(
    r: &mut Rng,
    contacts: usize,
    begin: Timestamp,
    span: SignedDuration,
    dues: &[Timestamp],
) -> (Vec<Phone>, Vec<String>) {
    let (mut phones, mut silent) = (Vec::new(), Vec::new());
    let near = |r: &mut Rng| match r.u8(..5) {
        0 | 1 => begin + secs(r.i64(0..span.as_secs())),
        _ => pick(r, dues) + SignedDuration::from_millis(r.i64(-2000..20_000)),
    };
    for n in 0..contacts {
        let mut phone = Phone::new(&number(n));
        phone = phone.on(match r.u8(..24) {
            0 => Line::Refused,
            1 => Line::Dead,
            2 | 3 => Line::LosesFirstAnswer,
            _ => Line::Works,
        });
        let writes = [0, 0, 0, 1, 1, 2, 3][r.usize(..7)];
        for _ in 0..writes {
            let at = near(r);
            phone = phone.writes(at, pick(r, &WORDS));
        }
        if r.u8(..6) == 0 {
            phone = phone.answers("of our meeting", r.i64(0..90), pick(r, &["DONE", "STOP", "STOP", "HELP"]));
        }
        if phone.writes.is_empty() && phone.answers.is_empty() && phone.line != Line::Refused {
            silent.push(phone.number.clone());
        }
        phones.push(phone);
    }
    for n in 0..r.usize(1..6) {
        let at = near(r);
        let mut phone = Phone::new(&number(contacts + n)).writes(at, "DUDLEY");
        if r.bool() {
            phone = phone.writes(at + secs(r.i64(0..7200)), "STOP");
        }
        phones.push(phone);
    }
    (phones, silent)
}

fn workers(r: &mut Rng, engine: Engine) -> Vec<SignedDuration> {
    let behind = |r: &mut Rng| if r.u8(..5) == 0 { secs(1) } else { SignedDuration::ZERO };
    let many = if engine == Engine::Postgres && r.u8(..5) < 2 { 2 } else { 1 };
    (0..many).map(|_| behind(r)).collect()
}

fn deeds(
    r: &mut Rng,
    engine: Engine,
    begin: Timestamp,
    span: SignedDuration,
    dues: &[Timestamp],
    workers: usize,
) -> Vec<(Timestamp, Deed)> {
    let mut deeds = Vec::new();
    for _ in 0..r.usize(1..=3) {
        let at = if r.u8(..4) == 0 { begin + secs(r.i64(0..span.as_secs())) } else { pick(r, dues) };
        let at = at + SignedDuration::from_millis(r.i64(0..15_000));
        let crash = match (engine, r.u8(..8)) {
            (_, 7) => Crash::Idle,
            (Engine::Postgres, _) => Crash::Step(r.u32(1..400)),
            (_, 0 | 1) => Crash::Row(r.u32(1..60)),
            (_, 2 | 3) => Crash::Before(r.u32(1..20)),
            _ => Crash::After(r.u32(1..20)),
        };
        let gone = SignedDuration::from_millis(pick(r, &[200, 3000, 30_000, 600_000, 4_000_000]));
        deeds.push((at, Deed::Crash(r.usize(..workers), crash, gone)));
    }
    if r.u8(..3) == 0 {
        let at = pick(r, dues) + SignedDuration::from_millis(r.i64(-60_000..10_000));
        deeds.push((at, Deed::PauseAll));
        deeds.push((at + secs(r.i64(5..3600)), Deed::ResumeAll));
    }
    if r.u8(..3) == 0 {
        let at = pick(r, dues) + SignedDuration::from_millis(r.i64(-60_000..10_000));
        deeds.push((at, Deed::PauseCampaign));
        deeds.push((at + secs(r.i64(5..3600)), Deed::ResumeCampaign));
    }
    if r.u8(..16) == 0 {
        deeds.push((pick(r, dues) + SignedDuration::from_millis(r.i64(-2000..20_000)), Deed::CancelCampaign));
    }
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

fn params(r: &mut Rng, seed: u64, begin: Timestamp, dues: &[Timestamp]) -> Params {
    let mut outages = Vec::new();
    for _ in 0..r.usize(..3) {
        let from = pick(r, dues) + secs(r.i64(-60..30));
        let from = from.max(begin);
        outages.push((from, from + secs(pick(r, &[5, 60, 600, 5400]))));
    }
    Params {
        seed,
        answer_ms: pick(r, &[(1, 5), (80, 400), (80, 12_000), (5000, 25_000)]),
        deliver_s: pick(r, &[(0, 2), (2, 45), (1, 300)]),
        report_s: pick(r, &[(0, 0), (1, 20), (1, 600)]),
        lost_answer: pick(r, &[0, 90, 20, 5]),
        report_late: pick(r, &[30, 5]),
        report_twice: pick(r, &[15, 3]),
        report_never: pick(r, &[60, 8]),
        report_sent_too: 8,
        inbound_twice: pick(r, &[8, 2]),
        throttled: pick(r, &[0, 120, 20, 6]),
        outages,
    }
}
