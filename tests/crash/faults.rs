//! The fault matrix: every row that can be run here, what was done, what was expected, what was seen.

use super::installation::{Installation, Wish};
use super::judge::{Stop, Verdict, judge, settles};
use super::peer::Peer;
use super::rows;
use super::script::Class;
use super::service::Service;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

/// What was seen.
#[derive(Clone, Debug)]
pub enum Seen {
    Right(String),
    Wrong(String),
    /// Not run here, and why.
    NotRun(String),
}

/// One row of the matrix.
pub struct Row {
    pub number: &'static str,
    pub done: &'static str,
    pub expected: &'static str,
    /// `long`: the real measure, where the short one is scaled down.
    pub run: fn(long: bool) -> Seen,
}

/// All rows, in the order of the matrix.
pub fn rows() -> Vec<Row> {
    let mut all = rows::process::rows();
    all.extend(rows::disk::rows());
    all.extend(rows::database::rows());
    all.extend(rows::gateway::rows());
    all.extend(rows::answers::rows());
    all.extend(rows::hooks::rows());
    all.extend(rows::clock::rows());
    all
}

/// Rows that stand in the matrix and are run elsewhere or can't be run here.
pub const ELSEWHERE: [(&str, &str); 6] = [
    ("F1", "the random kills above"),
    ("F2", "the table of edges above"),
    ("F6", "power loss: LazyFS is not packaged; the row W1 shows that the sync precedes the first byte"),
    ("F43", "spreadsheets: tests/program"),
    ("F44", "settings: tests/run, tests/program"),
    ("F45-F48", "there is no web admin, no second approval, no backup command yet"),
];

/// Runs them, several at a time; in the order of the matrix.
pub fn all(rows: Vec<Row>, hands: usize, long: bool) -> Vec<(Row, Seen, f64)> {
    let waiting = Mutex::new(rows.into_iter().enumerate().rev().collect::<Vec<_>>());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..hands {
            scope.spawn(|| {
                while let Some((at, row)) = { waiting.lock().unwrap().pop() } {
                    let begun = super::waiting::now_ms();
                    let seen = catch_unwind(AssertUnwindSafe(|| (row.run)(long))).unwrap_or_else(|panic| {
                        let words = panic.downcast_ref::<String>().map_or("it panicked", String::as_str);
                        Seen::Wrong(words.chars().take(400).collect())
                    });
                    let seconds = (super::waiting::now_ms() - begun) as f64 / 1000.0;
                    done.lock().unwrap().push((at, row, seen, seconds));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, ..)| *at);
    done.into_iter().map(|(_, row, seen, seconds)| (row, seen, seconds)).collect()
}

pub fn line(row: &Row, seen: &Seen, seconds: f64) -> String {
    let (word, what) = match seen {
        Seen::Right(what) => ("ok", what),
        Seen::Wrong(what) => ("FAILED", what),
        Seen::NotRun(what) => ("not run", what),
    };
    format!(
        "{:<5} {word:<8} {seconds:>5.1} s  {}\n{:24}expected: {}\n{:24}seen: {what}",
        row.number, row.done, "", row.expected, ""
    )
}

/// A gateway and an installation of their own.
pub struct Bench {
    pub peer: Peer,
    pub installation: Installation,
    pub stops: Vec<Stop>,
}

impl Bench {
    pub fn new(class: Class, people: usize, steps: usize) -> Self {
        Self::of(&Wish::new(class, people, steps))
    }

    pub fn of(wish: &Wish) -> Self {
        let peer = Peer::start(wish.class);
        let installation = Installation::new(wish, &peer);
        peer.accept(&installation.hooks);
        Self { peer, installation, stops: Vec::new() }
    }

    pub fn hooks(&self) -> String {
        self.installation.hooks.clone()
    }

    pub fn count(&self, state: &str) -> i64 {
        self.installation.books.count(state)
    }

    /// Lets it come to its end, stops it, and looks at everything.
    pub fn end(&self, service: Service) -> Verdict {
        let settled = settles(&self.installation, Duration::from_mins(2));
        self.stop(service, settled)
    }

    pub fn stop(&self, service: Service, settled: bool) -> Verdict {
        let memory = service.memory();
        let ended = service.stop();
        let mut verdict = judge(&self.installation, &self.peer, &self.stops);
        if !settled || ended != Some(0) {
            verdict.wrong.push(format!("settled {settled}, exit code {ended:?}"));
        }
        if memory > MOST_KILOBYTES {
            verdict.wrong.push(format!("{memory} KiB of memory"));
        }
        verdict
    }
}

/// R17: what the service may take, whatever happens.
pub const MOST_KILOBYTES: u64 = 64 * 1024;

/// Right if everything said of it is true; the words go into the table.
pub fn verdict(words: impl Into<String>, verdict: &Verdict, demands: &[(bool, String)]) -> Seen {
    let missed: Vec<&str> = demands.iter().filter(|(held, _)| !held).map(|(_, what)| what.as_str()).collect();
    let words = words.into();
    if missed.is_empty() && verdict.is_right() {
        return Seen::Right(format!("{words}; {}", verdict.in_words()));
    }
    Seen::Wrong(format!("{words}; {}; {}", missed.join("; "), verdict.in_words()))
}

/// The same without the books of a whole installation.
pub fn demand(words: impl Into<String>, demands: &[(bool, String)]) -> Seen {
    let missed: Vec<&str> = demands.iter().filter(|(held, _)| !held).map(|(_, what)| what.as_str()).collect();
    let words = words.into();
    if missed.is_empty() { Seen::Right(words) } else { Seen::Wrong(format!("{words}; {}", missed.join("; "))) }
}

/// `demands![condition, "words {}", value; …]`
macro_rules! demands {
    ($($held:expr => $($words:expr),+);* $(;)?) => { &[$(($held, format!($($words),+))),*] };
}
pub(crate) use demands;
