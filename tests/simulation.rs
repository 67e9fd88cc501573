//! The simulator as a judge: campaigns drawn from seeds, in virtual time, with crashes between any two operations; every
//! invariant is looked at after each of them. 100,000 on the model store, 2,000 on SQLite, 200 on PostgreSQL.
//!
//! `RINGROUND_SIM_SEED=n cargo test --test simulation` replays one seed on the model and tells all of it;
//! `RINGROUND_SIM_RUNS=n` runs more or fewer (the real stores get a fiftieth and a five-hundredth); `RINGROUND_SIM_ONLY=model`,
//! `sqlite` or `postgres` runs them on one store alone.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

mod simulation {
    pub mod real;
    pub mod stores;
}

use simulation::real::Outcome;
use simulation::stores::{folder, on_postgres, on_sqlite};
use simulator::cases;
use simulator::run::run;
use simulator::tally::{Tally, median};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Every edge and every fault is hit at least so often, in 100,000 campaigns.
const LEAST: u64 = 1000;
/// What each campaign has in the median.
const MEDIANS: [(&str, u16); 5] = [("contacts", 20), ("steps", 3), ("crashes", 1), ("STOPs", 1), ("faults", 1)];
/// More failures than that say nothing new.
const ENOUGH: usize = 20;

type Failures = Vec<(u64, Vec<String>)>;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8)
}

fn main() -> ExitCode {
    if let Some(seed) = number("RINGROUND_SIM_SEED") {
        let verdict = run(seed, true);
        tell("model", &[(seed, verdict.violations)]);
        return ExitCode::SUCCESS;
    }
    let runs = number("RINGROUND_SIM_RUNS").unwrap_or(100_000);
    let only = std::env::var("RINGROUND_SIM_ONLY").ok();
    let wanted = |store| only.as_deref().is_none_or(|only| only == store);
    let mut broken = named_cases();
    broken |= wanted("model") && on_the_model(runs);
    broken |= wanted("sqlite") && on_files(runs.div_ceil(50));
    broken |= wanted("postgres") && on_a_server(runs.div_ceil(500));
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn tell(store: &str, failures: &[(u64, Vec<String>)]) -> bool {
    for (seed, violations) in failures.iter().filter(|(_, violations)| !violations.is_empty()) {
        println!("VIOLATION on {store}, seed {seed} (RINGROUND_SIM_SEED={seed} cargo test --test simulation):");
        for violation in violations {
            println!("  {violation}");
        }
    }
    failures.iter().any(|(_, violations)| !violations.is_empty())
}

/// Seeds that have found something once.
fn named_cases() -> bool {
    let failures: Failures = cases::ALL.iter().map(|case| (case.seed, run(case.seed, false).violations)).collect();
    println!("named cases: {}", cases::ALL.len());
    tell("the model", &failures)
}

fn on_the_model(runs: u64) -> bool {
    let (begun, next) = (begun(), AtomicU64::new(0));
    let worker = || {
        let (mut tally, mut failures) = (Tally::default(), Failures::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs || failures.len() >= ENOUGH {
                return (tally, failures);
            }
            let verdict = run(seed, false);
            tally.add(&verdict.tally);
            if !verdict.violations.is_empty() {
                failures.push((seed, verdict.violations));
            }
        }
    };
    let (mut tally, mut failures) = (Tally::default(), Failures::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads()).map(|_| scope.spawn(worker)).collect();
        for thread in threads {
            let (one, some) = thread.join().unwrap();
            tally.add(&one);
            failures.extend(some);
        }
    });
    println!("{}", tally.table());
    let medians = tally.medians();
    println!("\nthe model store: {runs} campaigns, {}; medians {}", rate(begun, runs), in_words(&medians));
    let mut broken = tell("the model", &failures);
    for below in tally.below(LEAST * runs / 100_000) {
        println!("too seldom: {below}");
        broken = true;
    }
    for ((name, found), (_, least)) in medians.iter().zip(MEDIANS) {
        if *found < least && runs >= 1000 {
            println!("too few {name}: {found} in the median");
            broken = true;
        }
    }
    broken
}

fn on_files(runs: u64) -> bool {
    let (begun, folder, next) = (begun(), folder(), AtomicU64::new(0));
    let (path, next) = (folder.path(), &next);
    let outcomes = in_threads(move |worker| on_sqlite(path, worker, next, runs));
    account("SQLite", begun, outcomes)
}

fn on_a_server(runs: u64) -> bool {
    let (begun, next) = (begun(), AtomicU64::new(0));
    account("PostgreSQL", begun, in_threads(|_| on_postgres(&next, runs)))
}

fn in_threads<T: Send>(work: impl Fn(usize) -> Vec<T> + Sync) -> Vec<T> {
    let (work, mut all) = (&work, Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads()).map(|n| scope.spawn(move || work(n))).collect();
        all.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
    });
    all
}

fn account(store: &str, begun: Instant, outcomes: Vec<(u64, Outcome)>) -> bool {
    let of = |value: fn(&Outcome) -> u16| median(&outcomes.iter().map(|(_, o)| value(o)).collect::<Vec<_>>());
    let medians = [
        ("contacts", of(|o| o.contacts)),
        ("steps", of(|o| o.steps)),
        ("crashes", of(|o| o.crashes)),
        ("STOPs", of(|o| o.stops)),
        ("faults", of(|o| o.faults)),
    ];
    let crashes: u64 = outcomes.iter().map(|(_, o)| u64::from(o.crashes)).sum();
    let texts: u64 = outcomes.iter().map(|(_, o)| o.texts).sum();
    let runs = outcomes.len() as u64;
    println!(
        "{store}: {runs} campaigns, {}; {crashes} crashes, {texts} texts received; medians {}",
        rate(begun, runs),
        in_words(&medians)
    );
    let failures: Failures = outcomes.into_iter().map(|(seed, outcome)| (seed, outcome.violations)).collect();
    tell(store, &failures)
}

fn in_words(medians: &[(&str, u16)]) -> String {
    medians.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
}

#[allow(clippy::disallowed_methods, reason = "how long it takes is told, and decides nothing")]
fn begun() -> Instant {
    Instant::now()
}

fn rate(begun: Instant, runs: u64) -> String {
    let seconds = begun.elapsed().as_secs_f64();
    format!("{seconds:.0} s, {:.0} a second", runs as f64 / seconds.max(0.001))
}
