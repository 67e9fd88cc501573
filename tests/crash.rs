//! The real binary under fire: `ringround run` against a recording gateway in a process of its own, killed at random
//! instants and at each named edge, and put through the rows of the fault matrix.
//!
//! Needs the feature `faults` (named instants at which the program kills itself): `cargo test --features faults
//! --test crash`, with `-- kills`, `-- edges`, `-- faults` or the number of a row for a part of it, `-- --long` for the
//! long run.

#![allow(missing_docs, clippy::unwrap_used)]

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
    pub mod reporter;
    pub mod rows;
    pub mod script;
    pub mod service;
    pub mod waiting;
    pub mod workers;
}

use crash::kills::{Figures, Round};
use crash::script::Class;
use crash::{gateway, kills};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "gateway") {
        return gateway::serve(&arguments[1..]);
    }
    if !cfg!(feature = "faults") {
        println!("skipped: the program under fire needs --features faults (test.sh runs it)");
        return ExitCode::SUCCESS;
    }
    let asked = |what: &str| arguments.iter().any(|argument| argument == what);
    if asked("kills") {
        random_kills();
    }
    if asked("edges") {
        let begun = crash::waiting::now_ms();
        let one = arguments.iter().find(|a| a.starts_with('E'));
        let cells: Vec<_> = crash::edges::cells(2).into_iter().filter(|c| one.is_none_or(|e| c.edge == e)).collect();
        let outcomes = crash::edges::all(&cells, 6, |outcome| {
            if !outcome.is_right() {
                println!("{:?} killed: {}; {}", outcome.cell, outcome.killed, outcome.verdict.in_words());
            }
        });
        println!("{}", crash::edges::table(&outcomes));
        println!("{} cells, {} s", cells.len(), (crash::waiting::now_ms() - begun) / 1000);
    }
    if asked("faults") {
        let one = arguments.iter().find(|a| a.starts_with('F') || a.starts_with('W') || a.starts_with('I'));
        let rows: Vec<_> = crash::faults::rows().into_iter().filter(|r| one.is_none_or(|e| r.number == e)).collect();
        for (row, seen, seconds) in crash::faults::all(rows, 4, asked("--long")) {
            println!("{}", crash::faults::line(&row, &seen, seconds));
        }
    }
    ExitCode::SUCCESS
}

fn random_kills() {
    let mut all = Figures::default();
    println!("{}", kills::HEAD);
    for class in Class::ALL {
        let figures = kills::round(&Round { class, postgres: false, people: 300, steps: 4, kills: 60, seed: 1 });
        println!("{}", kills::line(class.letter(), "SQLite", &figures));
        all.add(&figures);
    }
    println!("{}", kills::line("all", "", &all));
    println!("submitting at the kill: {:?}", all.histogram);
    for wrong in &all.verdict.wrong {
        println!("{wrong}");
    }
}
