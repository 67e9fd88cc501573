//! SIGKILL at random instants: most of them while something is on its way, again and again until all is over.

use super::books::wait_for;
use super::installation::{Installation, Wish, number};
use super::judge::{Stop, Verdict, judge, settles};
use super::peer::Peer;
use super::postgres;
use super::script::{Class, Fault, Reports, Rule, Script};
use super::waiting::{now_ms, rest};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// One round: an installation, killed until all its texts are over.
#[derive(Clone, Debug)]
pub struct Round {
    pub class: Class,
    pub postgres: bool,
    pub people: usize,
    pub steps: usize,
    /// No more kills than this.
    pub kills: usize,
    pub seed: u64,
    /// The gateway loses answers, is down, asks to wait.
    pub chaos: bool,
    /// Reports come back.
    pub reports: bool,
}

/// What came of one round, or of several.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub kills: usize,
    /// Kills by how many texts were `submitting`.
    pub histogram: BTreeMap<i64, usize>,
    pub doubts: u64,
    pub stops: usize,
    pub seconds: f64,
    pub verdict: Verdict,
}

impl Figures {
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.doubts += other.doubts;
        self.stops += other.stops;
        self.seconds += other.seconds;
        for (submitting, times) in &other.histogram {
            *self.histogram.entry(*submitting).or_default() += times;
        }
        let (all, one) = (&mut self.verdict, &other.verdict);
        all.messages += one.messages;
        all.twice += one.twice;
        all.lost += one.lost;
        all.late += one.late;
        all.after_stop += one.after_stop;
        all.unresolved += one.unresolved;
        all.in_doubt += one.in_doubt;
        for (state, count) in &one.states {
            *all.states.entry(state.clone()).or_default() += count;
        }
        all.wrong.extend(one.wrong.iter().cloned());
    }

    /// Kills at which something was on its way, in percent.
    pub fn busy(&self) -> f64 {
        let busy: usize = self.histogram.iter().filter(|(submitting, _)| **submitting > 0).map(|(_, n)| n).sum();
        100.0 * busy as f64 / self.kills.max(1) as f64
    }
}

pub const HEAD: &str = "class how                 kills  busy  messages  doubts  resolved  STOPs  seconds  twice  lost  late  after STOP  unresolved  in doubt";

pub fn line(name: &str, how: &str, all: &Figures) -> String {
    let v = &all.verdict;
    let resolved = usize::try_from(all.doubts).unwrap_or(0).saturating_sub(v.unresolved + v.in_doubt);
    format!(
        "{name:<5} {how:<18} {:>6} {:>4.0}% {:>9} {:>7} {resolved:>9} {:>6} {:>8.0} {:>6} {:>5} {:>5} {:>11} {:>11} {:>9}",
        all.kills,
        all.busy(),
        v.messages,
        all.doubts,
        all.stops,
        all.seconds,
        v.twice,
        v.lost,
        v.late,
        v.after_stop,
        v.unresolved,
        v.in_doubt
    )
}

impl Round {
    /// For the table.
    pub fn how(&self) -> String {
        let database = if self.postgres { "PostgreSQL" } else { "SQLite" };
        if self.chaos { format!("{database}, bad day") } else { database.to_owned() }
    }
}

/// Rounds, several at a time, until so many kills are done; a line of the table after each.
pub fn rounds(rounds: &[Round], hands: usize) -> Figures {
    let waiting = Mutex::new(rounds.iter().rev().cloned().collect::<Vec<_>>());
    let all = Mutex::new(Figures::default());
    println!("{HEAD}");
    std::thread::scope(|scope| {
        for _ in 0..hands {
            scope.spawn(|| {
                while let Some(next) = { waiting.lock().unwrap().pop() } {
                    let figures = round(&next);
                    println!("{}", line(next.class.letter(), &next.how(), &figures));
                    for what in &figures.verdict.wrong {
                        println!("  seed {}: {what}", next.seed);
                    }
                    all.lock().unwrap().add(&figures);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// Runs one round to its end.
pub fn round(round: &Round) -> Figures {
    let begun = now_ms();
    let url = if round.postgres { wait_for(postgres::new_database()) } else { None };
    if round.postgres && url.is_none() {
        return Figures::default(); // said loudly already
    }
    let peer = Peer::start(round.class);
    let wish = Wish { short_deadline: Some(40), ..Wish::new(round.class, round.people, round.steps) };
    let installation = Installation::on(&wish, &peer, url.as_deref(), None);
    let reports = round.reports.then(|| Reports::of("delivered", 100));
    let rules = if round.chaos { chaos() } else { Vec::new() };
    let hooks = installation.hooks.clone();
    let script = Script { rules, reports, latency_ms: (2, 20), seed: round.seed, hooks, ..Script::default() };
    peer.tell(&script);
    let mut figures = Figures::default();
    let mut stops = Vec::new();
    let mut random = fastrand::Rng::with_seed(round.seed);
    while figures.kills < round.kills && one_kill(&installation, &peer, &mut random, &mut figures, &mut stops) {}
    peer.tell(&Script { rules: Vec::new(), ..script });
    let service = installation.start();
    let settled = settles(&installation, Duration::from_mins(3));
    let ended = service.stop();
    figures.verdict = judge(&installation, &peer, &stops);
    if !settled || ended != Some(0) {
        figures.verdict.wrong.push(format!("the end: settled {settled}, exit code {ended:?}"));
    }
    let of_both = matches!(round.class, Class::A | Class::B);
    let most = figures.histogram.keys().max().copied().unwrap_or(0);
    if !of_both && most > i64::try_from(wish.in_flight).unwrap() + 2 {
        figures.verdict.wrong.push(format!("{most} texts in doubt after one kill: more than in flight and two"));
    }
    figures.doubts = figures.histogram.iter().map(|(n, times)| u64::try_from(*n).unwrap() * *times as u64).sum();
    figures.stops = stops.len();
    figures.seconds = (now_ms() - begun) as f64 / 1000.0;
    if let Some(url) = url {
        drop(installation);
        wait_for(postgres::drop_database(&url));
    }
    figures
}

/// A gateway on a bad day.
fn chaos() -> Vec<Rule> {
    let say = |status, body: &str| Fault::Say { take: false, status, headers: Vec::new(), body: body.to_owned() };
    vec![
        Rule::some(30, Fault::HangUpBeforeReading),
        Rule::some(80, Fault::TakeAndHangUp),
        Rule::some(130, say(503, "{\"error\":\"down\"}")),
        Rule::some(180, say(429, "{\"error\":\"slower\"}")),
        Rule::some(200, Fault::ReadHalf),
    ]
}

/// A start, and a kill a moment after the first request; false when nothing is left to be sent.
fn one_kill(
    installation: &Installation,
    peer: &Peer,
    random: &mut fastrand::Rng,
    figures: &mut Figures,
    stops: &mut Vec<Stop>,
) -> bool {
    let before = peer.counts().requests;
    let service = installation.start();
    let seen = peer.until_requests(before + 1, Duration::from_secs(4));
    if seen.requests == before && installation.books.count("queued") == 0 {
        let over = settles(installation, Duration::from_secs(10));
        service.kill();
        return !over;
    }
    if random.u32(0..10) == 0 {
        let phone = number(random.usize(0..installation.wish.people));
        let id = format!("stop-{}", figures.kills);
        if !stops.iter().any(|(stopped, _)| *stopped == phone)
            && installation.text_from(&id, &phone, "STOP") == Some(200)
        {
            stops.push((phone, now_ms()));
        }
    }
    rest(Duration::from_micros(random.u64(0..30_000)));
    service.kill();
    figures.kills += 1;
    let submitting = installation.books.in_last_hands();
    *figures.histogram.entry(submitting).or_default() += 1;
    true
}
