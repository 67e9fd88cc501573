//! All courses together, and how they are printed.

use super::Engine;
use super::course::Course;
use super::judge::{Verdict, length};
use jiff::SignedDuration;
use ringround::domain::message::State;
use std::collections::BTreeMap;

/// See the module's head.
#[derive(Default)]
pub struct Tally {
    pub failures: Vec<(u64, Vec<String>)>,
    runs: u64,
    two_workers: u64,
    behind: u64,
    texts: u64,
    turns: u64,
    hours: i64,
    states: BTreeMap<State, i64>,
    edges: BTreeMap<&'static str, u64>,
    crashes: BTreeMap<String, u64>,
    drawn: BTreeMap<&'static str, Vec<u64>>,
}

impl Tally {
    /// One more course.
    pub fn count(&mut self, course: &Course<'_>, verdict: Verdict) {
        let draw = course.draw;
        self.runs += 1;
        self.two_workers += u64::from(draw.workers.len() > 1);
        self.behind += u64::from(!draw.behind().is_zero());
        self.texts += verdict.texts;
        self.turns += course.told.turns;
        self.hours += length(draw).as_hours();
        let crashes: u64 = course.told.crashes.values().sum();
        let drawn = [
            ("contacts", draw.contacts as u64),
            ("steps", draw.steps as u64),
            ("texts", verdict.texts),
            ("crashes", crashes),
            ("STOPs", verdict.stops),
            ("outages", draw.params.outages.len() as u64),
        ];
        for (what, many) in drawn.into_iter().chain(verdict.faults) {
            self.drawn.entry(what).or_default().push(many);
        }
        for (state, many) in verdict.states {
            *self.states.entry(state).or_default() += many;
        }
        for (edge, many) in verdict.edges {
            *self.edges.entry(edge).or_default() += many;
        }
        for (crash, many) in &course.told.crashes {
            *self.crashes.entry(crash.clone()).or_default() += many;
        }
        if !verdict.violations.is_empty() {
            self.failures.push((draw.seed, verdict.violations));
        }
    }

    /// Both together.
    pub fn with(mut self, other: Self) -> Self {
        self.failures.extend(other.failures);
        self.runs += other.runs;
        self.two_workers += other.two_workers;
        self.behind += other.behind;
        self.texts += other.texts;
        self.turns += other.turns;
        self.hours += other.hours;
        for (what, many) in other.drawn {
            self.drawn.entry(what).or_default().extend(many);
        }
        for (state, many) in other.states {
            *self.states.entry(state).or_default() += many;
        }
        for (edge, many) in other.edges {
            *self.edges.entry(edge).or_default() += many;
        }
        for (crash, many) in other.crashes {
            *self.crashes.entry(crash).or_default() += many;
        }
        self
    }

    /// What there is to say of them.
    pub fn print(&self, engine: Engine, took: SignedDuration) {
        println!(
            "{engine:?}: {} runs in {:.1} s ({} with two workers, {} with a clock that is behind); {} texts, {} turns, {} days",
            self.runs,
            took.as_secs_f64(),
            self.two_workers,
            self.behind,
            self.texts,
            self.turns,
            self.hours / 24
        );
        for (what, many) in &self.drawn {
            let mut sorted = many.clone();
            sorted.sort_unstable();
            let (median, sum) = (sorted.get(sorted.len() / 2).copied().unwrap_or(0), sorted.iter().sum::<u64>());
            println!("  {what:<20} median {median:>4}, in all {sum:>7}");
        }
        let edges: Vec<String> = self.edges.iter().map(|(edge, many)| format!("{edge} {many}")).collect();
        println!("  edges: {}", edges.join(", "));
        let states: Vec<String> = self.states.iter().map(|(state, many)| format!("{state} {many}")).collect();
        println!("  ends: {}", states.join(", "));
        for (crash, many) in &self.crashes {
            println!("  torn out {crash:<70} {many:>5}");
        }
        for (seed, why) in self.failures.iter().take(20) {
            println!("VIOLATED by seed {seed}: {}", why.iter().take(5).cloned().collect::<Vec<_>>().join("; "));
            let server = if engine == Engine::Postgres { "RINGROUND_ENGINE=postgres " } else { "" };
            println!("  again: {server}RINGROUND_SEED={seed} cargo test --test seeds");
        }
        println!("  violated by {} of {} seeds", self.failures.len(), self.runs);
    }
}
