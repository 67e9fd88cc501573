//! Several services on one PostgreSQL database, their clocks apart, killed at random instants.

use super::books::wait_for;
use super::faults::{Seen, verdict};
use super::installation::{Installation, Wish, number};
use super::judge::{Stop, judge, settles};
use super::kills::Figures;
use super::peer::Peer;
use super::postgres;
use super::rows::clock::preload;
use super::script::{Class, Script};
use super::service::Service;
use super::waiting::{now_ms, rest};
use std::time::Duration;

pub struct Plan {
    pub workers: usize,
    pub kills: usize,
    pub people: usize,
    pub steps: usize,
    /// Clocks up to five minutes apart.
    pub skewed: bool,
    pub seed: u64,
}

/// For the matrix.
pub fn under_fire(plan: &Plan) -> Seen {
    match round(plan) {
        Err(seen) => seen,
        Ok(figures) => verdict(
            format!("{} workers, {} kills, {} STOPs", plan.workers, figures.kills, figures.stops),
            &figures.verdict,
            &[],
        ),
    }
}

/// One round to its end; or why it can't be had.
pub fn round(plan: &Plan) -> Result<Figures, Seen> {
    let Some(url) = wait_for(postgres::new_database()) else {
        return Err(Seen::NotRun("!!! PostgreSQL is not here (apt-get install postgresql)".to_owned()));
    };
    let seen = on(plan, &url);
    wait_for(postgres::drop_database(&url));
    seen
}

fn on(plan: &Plan, url: &str) -> Result<Figures, Seen> {
    let begun = now_ms();
    let peer = Peer::start(Class::B);
    let wish = Wish::new(Class::B, plan.people, plan.steps);
    let first = Installation::on(&wish, &peer, Some(url), None);
    peer.tell(&Script { hooks: first.hooks.clone(), latency_ms: (2, 20), ..Script::default() });
    let skews: Vec<Vec<(&str, String)>> = (0..plan.workers).map(|n| skew(plan, n)).collect();
    let others: Vec<Installation> =
        (1..plan.workers).map(|_| Installation::bare(&wish, &peer, Some(url), None)).collect();
    let folder = |n: usize| if n == 0 { &first } else { &others[n - 1] };
    let begin = |n: usize| {
        let environment: Vec<(&str, &str)> = skews[n].iter().map(|(name, value)| (*name, value.as_str())).collect();
        folder(n).begin(&environment)
    };
    let mut services: Vec<Service> = (0..plan.workers).map(begin).collect();
    let ready = services.iter_mut().filter_map(|service| service.try_ready().then_some(())).count();
    if ready < plan.workers {
        return Err(Seen::Wrong(format!("{ready} of {} started", plan.workers)));
    }
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut figures = Figures::default();
    let (mut seen, mut stops): (_, Vec<Stop>) = (0, Vec::new());
    while figures.kills < plan.kills {
        let before = seen;
        seen = peer.until_requests(seen + 5, Duration::from_secs(3)).requests;
        if seen == before && first.books.count("queued") == 0 {
            break;
        }
        rest(Duration::from_micros(random.u64(0..100_000)));
        let n = random.usize(0..plan.workers);
        let on_their_way = begin_after_kill(&mut services, n, &begin, &first);
        figures.kills += 1;
        *figures.histogram.entry(on_their_way).or_default() += 1;
        if figures.kills.is_multiple_of(5) {
            let phone = number(random.usize(0..plan.people));
            let known = stops.iter().any(|(stopped, _)| *stopped == phone);
            let id = format!("stop-{}", figures.kills);
            if !known && first.text_from(&id, &phone, "STOP") == Some(200) {
                stops.push((phone, now_ms()));
            }
        }
    }
    let settled = settles(&first, Duration::from_mins(3));
    let codes: Vec<_> = services.into_iter().map(Service::stop).collect();
    figures.verdict = judge(&first, &peer, &stops);
    if !settled || codes.iter().any(|code| *code != Some(0)) {
        figures.verdict.wrong.push(format!("the end: settled {settled}, exit codes {codes:?}"));
    }
    figures.stops = stops.len();
    figures.doubts = figures.histogram.iter().map(|(n, times)| u64::try_from(*n).unwrap() * *times as u64).sum();
    figures.seconds = (now_ms() - begun) as f64 / 1000.0;
    Ok(figures)
}

/// Kills one of them and starts it again; how many texts it had on their way at the kill.
fn begin_after_kill(services: &mut [Service], n: usize, begin: &dyn Fn(usize) -> Service, first: &Installation) -> i64 {
    services[n].kill_now();
    let submitting = first.books.in_hands_of(services[n].id());
    services[n] = begin(n);
    submitting
}

/// The first worker is right, the others are up to five minutes off.
fn skew(plan: &Plan, n: usize) -> Vec<(&'static str, String)> {
    let Some(library) = preload().filter(|_| plan.skewed && n > 0) else { return Vec::new() };
    let seconds = [300, -300, 90, -90, 200, -200, 10][(n - 1) % 7];
    vec![
        ("LD_PRELOAD", library),
        ("FAKETIME", format!("{seconds:+}s")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}
