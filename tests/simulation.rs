//! The simulator as a judge: campaigns drawn from seeds, in virtual time, with crashes between any two operations; every
//! invariant is looked at after each of them. They run on the model store, which `tests/store/same.rs` holds to the real
//! ones; `tests/seeds.rs` runs campaigns on those.
//!
//! `RINGROUND_SIM_SEED=n cargo test --test simulation` replays one seed and tells all of it; `RINGROUND_SIM_RUNS=n` runs more or
//! fewer than 100,000.

#![allow(missing_docs, clippy::unwrap_used)]

use simulator::cases;
use simulator::run::run;
use simulator::tally::Tally;
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
        return if tell(&[(seed, verdict.violations)]) { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let runs = number("RINGROUND_SIM_RUNS").unwrap_or(100_000);
    let broken = named_cases() | all(runs);
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn tell(failures: &[(u64, Vec<String>)]) -> bool {
    for (seed, violations) in failures.iter().filter(|(_, violations)| !violations.is_empty()) {
        println!("VIOLATION, seed {seed} (RINGROUND_SIM_SEED={seed} cargo test --test simulation):");
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
    tell(&failures)
}

fn all(runs: u64) -> bool {
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
    println!("\n{runs} campaigns, {}; medians {}", rate(begun, runs), in_words(&medians));
    let mut broken = tell(&failures);
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

fn in_words(medians: &[(&str, u16)]) -> String {
    medians.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
}

#[allow(clippy::disallowed_methods, reason = "how long it takes is told, and decides nothing")]
fn begun() -> Instant {
    Instant::now()
}

fn rate(begun: Instant, runs: u64) -> String {
    let seconds = begun.elapsed().as_secs_f64();
    format!("{seconds:.0} s, {:.0} a second", f64::from(u32::try_from(runs).unwrap_or(u32::MAX)) / seconds.max(0.001))
}
