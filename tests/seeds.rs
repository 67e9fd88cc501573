//! Seeded campaigns on the real stores: the app's own code, the simulated world, virtual time, and workers that are torn
//! out in the middle of things. A program of its own, because it prints how its runs went.
//!
//! `RINGROUND_SEED=n` runs one seed twice and tells what happened (`RINGROUND_ENGINE=postgres`: on the server);
//! `RINGROUND_SEEDS=n` runs so many on SQLite, and a tenth on PostgreSQL (`./test.sh --long`: two thousand).

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

mod seeds {
    pub mod course;
    pub mod crash;
    pub mod draw;
    pub mod ground;
    pub mod judge;
    pub mod tally;

    pub use crate::support::Engine;
}

use ringround::clock::Clock;
use seeds::course::Course;
use seeds::draw::Draw;
use seeds::ground::Ground;
use seeds::judge::{Verdict, judge};
use seeds::tally::Tally;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use support::Engine;
use tokio::runtime::Runtime;

/// On SQLite and on PostgreSQL. A course takes nearly a second of one core, on the server three.
const SEEDS: (u64, u64) = (200, 5);
const THREADS: usize = 2;
/// Every so many courses the file is looked through page by page, and the course is run again: it must be the same.
const THOROUGH: u64 = 50;

fn main() -> ExitCode {
    // What a test harness is asked for, and this program is not.
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let server = std::env::var("RINGROUND_ENGINE").is_ok_and(|name| name == "postgres");
    if let Some(seed) = number("RINGROUND_SEED") {
        return replay(seed, if server { Engine::Postgres } else { Engine::Sqlite });
    }
    let (on_file, on_server) = number("RINGROUND_SEEDS").map_or(SEEDS, |asked| (asked, asked / 10));
    let mut broken = false;
    for (engine, seeds) in [(Engine::Sqlite, on_file), (Engine::Postgres, on_server)] {
        let began = Clock::System.elapsed();
        if let Some(tally) = all(engine, seeds) {
            tally.print(engine, Clock::System.elapsed() - began);
            broken |= !tally.failures.is_empty();
        }
    }
    ExitCode::from(u8::from(broken))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// All seeds up to this one, on two threads.
fn all(engine: Engine, seeds: u64) -> Option<Tally> {
    let next = AtomicU64::new(0);
    let work = || {
        let runtime = runtime();
        let mut ground = runtime.block_on(Ground::new(engine))?;
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            runtime.block_on(one(seed, &mut ground, &mut tally));
        }
        runtime.block_on(ground.clear());
        Some(tally)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).reduce(Tally::with)
    })
}

async fn one(seed: u64, ground: &mut Ground, tally: &mut Tally) {
    let draw = Draw::new(seed, ground.engine());
    let thorough = seed.is_multiple_of(THOROUGH);
    ground.renew(draw.begin).await;
    match Course::run(&draw, ground).await {
        Err(why) => tally.failures.push((seed, vec![why])),
        Ok(course) => {
            let mut verdict = judge(&course, ground, thorough).await;
            if thorough && ground.engine() == Engine::Sqlite {
                again(&draw, ground, &mut verdict).await;
            }
            tally.count(&course, verdict);
        }
    }
}

/// Same seed, same course: what a server's connections answer when is not in our hands, but a file's is.
async fn again(draw: &Draw, ground: &mut Ground, verdict: &mut Verdict) {
    ground.renew(draw.begin).await;
    match Course::run(draw, ground).await {
        Ok(course) if judge(&course, ground, false).await.hash == verdict.hash => {}
        _ => verdict.violations.push("the same seed took another course".to_owned()),
    }
}

fn replay(seed: u64, engine: Engine) -> ExitCode {
    let runtime = runtime();
    let Some(mut ground) = runtime.block_on(Ground::new(engine)) else { return ExitCode::FAILURE };
    let draw = Draw::new(seed, engine);
    println!("{}\n{}", draw.campaign, draw.spreadsheet);
    let mut fine = true;
    for _ in 0..2 {
        runtime.block_on(async {
            ground.renew(draw.begin).await;
            match Course::run(&draw, &ground).await {
                Err(why) => {
                    fine = false;
                    println!("{why}");
                }
                Ok(course) => {
                    let verdict = judge(&course, &ground, true).await;
                    for line in &course.told.said {
                        println!("{line}");
                    }
                    println!("{:?}\n{:?}", verdict.states, verdict.edges);
                    println!("hash {:016x}; violations: {:#?}", verdict.hash, verdict.violations);
                    fine &= verdict.violations.is_empty();
                }
            }
        });
    }
    runtime.block_on(ground.clear());
    ExitCode::from(u8::from(!fine))
}
