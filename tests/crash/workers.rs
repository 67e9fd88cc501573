//! Several services on one PostgreSQL database, their clocks apart, killed at random instants.

use super::books::wait_for;
use super::faults::{Seen, demands, verdict};
use super::installation::{Installation, Wish, number};
use super::judge::{Stop, judge, settles};
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

pub fn under_fire(plan: &Plan) -> Seen {
    let Some(url) = wait_for(postgres::new_database()) else {
        return Seen::NotRun("!!! PostgreSQL is not here".to_owned());
    };
    let seen = on(plan, &url);
    wait_for(postgres::drop_database(&url));
    seen
}

fn on(plan: &Plan, url: &str) -> Seen {
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
        drop(services);
        return Seen::Awaited(format!("{ready} of {} started: several workers are not merged yet", plan.workers));
    }
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let (mut kills, mut seen, mut stops): (_, _, Vec<Stop>) = (0, 0, Vec::new());
    while kills < plan.kills {
        let before = seen;
        seen = peer.until_requests(seen + 5, Duration::from_secs(3)).requests;
        if seen == before && first.books.count("queued") == 0 {
            break;
        }
        rest(Duration::from_micros(random.u64(0..100_000)));
        let n = random.usize(0..plan.workers);
        let dead = std::mem::replace(&mut services[n], begin(n));
        dead.kill();
        kills += 1;
        if kills % 5 == 0 {
            let phone = number(random.usize(0..plan.people));
            let known = stops.iter().any(|(stopped, _)| *stopped == phone);
            if !known && first.text_from(&format!("stop-{kills}"), &phone, "STOP") == Some(200) {
                stops.push((phone, now_ms()));
            }
        }
    }
    let settled = settles(&first, Duration::from_mins(3));
    let codes: Vec<_> = services.into_iter().map(Service::stop).collect();
    let all = judge(&first, &peer, &stops);
    verdict(
        format!("{} workers, {kills} kills, {} STOPs", plan.workers, stops.len()),
        &all,
        demands![settled => "it did not settle"; codes.iter().all(|code| *code == Some(0)) => "{codes:?}"],
    )
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
