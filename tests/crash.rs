//! The real binary under fire: `ringround run` against a recording gateway in a process of its own, killed at random
//! instants and at each named edge, and put through the rows of the fault matrix.
//!
//! Needs the feature `faults` (named instants at which the program kills itself): `cargo test --features faults
//! --test crash`, with `-- kills`, `-- edges`, `-- faults`, an edge or a row (`-- E9`, `-- F17`) for a part of it, and
//! `-- --long` for the long run.

#![allow(missing_docs, clippy::unwrap_used, clippy::cast_precision_loss)]

mod crash {
    pub mod book;
    pub mod books;
    pub mod callbacks;
    pub mod edges;
    pub mod faults;
    pub mod gateway;
    pub mod http;
    pub mod installation;
    pub mod judge;
    pub mod kills;
    pub mod peer;
    #[path = "../support/postgres.rs"]
    pub mod postgres;
    #[path = "../support/program.rs"]
    pub mod program;
    pub mod reporter;
    pub mod rows;
    pub mod script;
    pub mod service;
    pub mod waiting;
    pub mod workers;
}

use crash::edges;
use crash::faults::{self, MOST_KILOBYTES, Seen};
use crash::kills::{self, Figures, Round};
use crash::script::Class;
use crash::service::{LEAKS, MOST_MEMORY, STARTS};
use crash::waiting::now_ms;
use crash::workers::{self, Plan};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "gateway") {
        return crash::gateway::serve(&arguments[1..]);
    }
    if !cfg!(feature = "faults") {
        println!("skipped: the program under fire needs --features faults (test.sh runs it)");
        return ExitCode::SUCCESS;
    }
    let long = arguments.iter().any(|argument| argument == "--long");
    let asked: Vec<&str> = arguments.iter().map(String::as_str).filter(|a| !a.starts_with("--")).collect();
    let wanted = |part: &str| asked.is_empty() || asked.contains(&part);
    let one_edge = |edge: &str| wanted("edges") || asked.contains(&edge);
    let one_row = |row: &str| wanted("faults") || asked.contains(&row);
    let begun = now_ms();
    let mut wrong = Vec::new();
    if wanted("kills") {
        random_kills(long, &mut wrong);
    }
    if asked.contains(&"workers") {
        judged(&several_workers(WORKER_ROUNDS), 0, &mut wrong);
    }
    let cells: Vec<_> =
        edges::cells(if long { 12 } else { 1 }).into_iter().filter(|cell| one_edge(cell.edge)).collect();
    if !cells.is_empty() {
        named_edges(&cells, &mut wrong);
    }
    let rows: Vec<_> = faults::rows().into_iter().filter(|row| one_row(row.number)).collect();
    if !rows.is_empty() {
        fault_matrix(rows, long, &mut wrong);
    }
    let memory = MOST_MEMORY.load(Ordering::Relaxed);
    println!("\nmost memory of any service: {} MiB; {} s in all", memory / 1024, (now_ms() - begun) / 1000);
    if memory > MOST_KILOBYTES {
        wrong.push(format!("{memory} KiB of memory"));
    }
    wrong.extend(LEAKS.lock().unwrap().iter().map(|line| format!("the log holds what it must not: {line}")));
    for what in &wrong {
        println!("FAILED: {what}");
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `(class, PostgreSQL, bad day, reports, kills)`, of the normal run.
const ROUNDS: [(Class, bool, bool, bool, usize); 8] = [
    (Class::A, false, false, true, 40),
    (Class::B, false, false, false, 60),
    (Class::B, false, true, true, 40),
    (Class::C, false, false, false, 40),
    (Class::D, false, false, true, 40),
    (Class::B, true, false, false, 40),
    (Class::A, true, true, false, 30),
    (Class::D, true, false, false, 30),
];
/// In the long run each of them is had so often, until there are ten thousand kills.
const LONG_TIMES: usize = 33;
/// And so often several workers on one PostgreSQL database.
const WORKER_ROUNDS: usize = 10;

fn random_kills(long: bool, wrong: &mut Vec<String>) {
    println!("\nSIGKILL at random instants");
    let mut rounds = Vec::new();
    for time in 0..if long { LONG_TIMES } else { 1 } {
        for (at, (class, postgres, chaos, reports, kills)) in ROUNDS.into_iter().enumerate() {
            let seed = u64::try_from(time * 100 + at).unwrap();
            let people = 6 * kills;
            rounds.push(Round { class, postgres, people, steps: 4, kills, seed, chaos, reports });
        }
    }
    let mut all = kills::rounds(&rounds, if long { 4 } else { 2 });
    all.add(&several_workers(if long { WORKER_ROUNDS } else { 0 }));
    judged(&all, if long { 10_000 } else { 300 }, wrong);
}

/// Several workers on one PostgreSQL database, so many times.
fn several_workers(times: usize) -> Figures {
    let mut all = Figures::default();
    for time in 0..times {
        let plan = Plan { workers: 4 + time % 5, kills: 200, people: 800, steps: 4, skewed: true, seed: time as u64 };
        match workers::round(&plan) {
            Ok(figures) => {
                println!("{}", kills::line("B", &format!("{} workers, skewed", plan.workers), &figures));
                for what in &figures.verdict.wrong {
                    println!("  seed {time}: {what}");
                }
                all.add(&figures);
            }
            Err(seen) => {
                println!("several workers: {seen:?}");
                break;
            }
        }
    }
    all
}

fn judged(all: &Figures, least: usize, wrong: &mut Vec<String>) {
    println!("{}", kills::line("all", "", all));
    println!("texts on their way at a kill (how many: how often): {:?}", all.histogram);
    let mut starts = std::mem::take(&mut *STARTS.lock().unwrap());
    starts.sort_unstable();
    let at = |of_a_hundred: usize| {
        starts.get((starts.len() * of_a_hundred / 100).min(starts.len() - 1)).copied().unwrap_or(0)
    };
    let slowest = at(100);
    println!(
        "from a start to knowing the doubts: half within {} ms, 99 of 100 within {} ms, all within {slowest} ms",
        at(50),
        at(99)
    );
    let v = &all.verdict;
    let demands = [
        (all.kills >= least, format!("{} kills of {least}", all.kills)),
        (all.busy() >= 90.0, format!("only {:.0} % of the kills met something on its way", all.busy())),
        (
            v.twice + v.lost + v.late + v.after_stop == 0,
            "somebody was texted twice, lost, late, or after STOP".to_owned(),
        ),
        (at(99) <= 1000, format!("from a start to knowing the doubts: {} ms", at(99))),
    ];
    wrong.extend(demands.into_iter().filter(|(held, _)| !held).map(|(_, what)| what));
    wrong.extend(v.wrong.iter().map(|what| format!("random kills: {what}")));
}

fn named_edges(cells: &[edges::Cell], wrong: &mut Vec<String>) {
    let begun = now_ms();
    let done = Mutex::new(0);
    let outcomes = edges::all(cells, 8, |_| {
        let mut done = done.lock().unwrap();
        *done += 1;
        if *done % 200 == 0 {
            println!("  {done} of {} kills at named instants, {} s", cells.len(), (now_ms() - begun) / 1000);
        }
    });
    println!("\nSIGKILL at each named instant: {} kills, {} s", cells.len(), (now_ms() - begun) / 1000);
    print!("{}", edges::table(&outcomes));
    for outcome in outcomes.iter().filter(|outcome| !outcome.is_right()) {
        let edges::Cell { edge, side, class, pass } = outcome.cell;
        let (class, killed) = (class.letter(), if outcome.killed { "killed" } else { "not killed" });
        wrong.push(format!("{edge}.{side}, class {class}, pass {pass}: {killed}; {}", outcome.verdict.in_words()));
    }
}

fn fault_matrix(rows: Vec<faults::Row>, long: bool, wrong: &mut Vec<String>) {
    println!("\nThe fault matrix");
    for (row, seen, seconds) in faults::all(rows, 6, long) {
        println!("{}", faults::line(&row, &seen, seconds));
        if let Seen::Wrong(what) = seen {
            wrong.push(format!("{}: {what}", row.number));
        }
    }
    for (numbers, why) in faults::ELSEWHERE {
        println!("{numbers:<7} {why}");
    }
}
