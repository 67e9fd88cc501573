//! The simulator as a judge: campaigns drawn from seeds, in virtual time, with crashes between any two operations; every
//! invariant is looked at after each of them.
//!
//! `RINGROUND_SIM_SEED=n cargo test --test simulation` replays one seed and tells all of it; `RINGROUND_SIM_RUNS=100000` runs more or
//! fewer.

#![allow(missing_docs, clippy::unwrap_used)]

use simulator::run::run;
use simulator::tally::Tally;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn main() -> ExitCode {
    if let Some(seed) = number("RINGROUND_SIM_SEED") {
        let verdict = run(seed, true);
        for violation in &verdict.violations {
            println!("VIOLATION {violation}");
        }
        return if verdict.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let runs = number("RINGROUND_SIM_RUNS").unwrap_or(5_000);
    let next = AtomicU64::new(0);
    let worker = || {
        let mut tally = Tally::default();
        let mut failed = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs || failed.len() > 20 {
                return (tally, failed);
            }
            let verdict = run(seed, false);
            tally.add(&verdict.tally);
            if !verdict.violations.is_empty() {
                failed.push((seed, verdict.violations));
            }
        }
    };
    let (mut tally, mut failed) = (Tally::default(), Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(worker)).collect();
        for thread in threads {
            let (one, some) = thread.join().unwrap();
            tally.add(&one);
            failed.extend(some);
        }
    });
    println!("{}", tally.table());
    println!("{:?}", tally.medians());
    for (seed, violations) in &failed {
        println!("seed {seed}:");
        for violation in violations {
            println!("  {violation}");
        }
    }
    for below in tally.below(runs / 100) {
        println!("too seldom: {below}");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
