//! Named instants at which a test kills the program: compiled in with the feature `faults` only, empty otherwise.
//!
//! `RINGROUND_FAULT=kill:E3.after:5` ends the process, as SIGKILL does, at the fifth pass of the instant `E3.after`;
//! `panic:` panics there instead. Several, with commas. An edge of the chart of states has two instants: `.before`, when
//! its change is written and not yet committed, and `.after`, when it is committed and nobody knows yet. The bytes of a
//! request have `E4.before`, `E4.inside` and `E4.after`.

/// An instant with a name is passed.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn at(_edge: &str, _side: &str) {}

/// Is any fault set for this instant? For what is done differently only where it is to be broken.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn is_set(_edge: &str, _side: &str) -> bool {
    false
}

#[cfg(feature = "faults")]
pub use set::{at, is_set};

#[cfg(feature = "faults")]
mod set {
    use rustix::process::{Signal, getpid, kill_process};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Fault {
        panics: bool,
        name: String,
        pass: u64,
        passed: AtomicU64,
    }

    fn faults() -> &'static [Fault] {
        static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
        FAULTS.get_or_init(|| {
            let written = std::env::var("RINGROUND_FAULT").unwrap_or_default();
            let read = |one: &str| {
                let mut words = one.split(':');
                let (kind, name, pass) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
                Some(Fault { panics: kind == "panic", name: name.to_owned(), pass, passed: AtomicU64::new(0) })
            };
            written.split(',').filter_map(read).collect()
        })
    }

    /// An instant with a name is passed.
    pub fn at(edge: &str, side: &str) {
        for fault in faults().iter().filter(|f| is_named(f, edge, side)) {
            if fault.passed.fetch_add(1, Ordering::Relaxed) + 1 != fault.pass {
                continue;
            }
            assert!(!fault.panics, "a fault was asked for at {}", fault.name);
            let _ = kill_process(getpid(), Signal::KILL); // does not come back
        }
    }

    /// Is any fault set for this instant?
    pub fn is_set(edge: &str, side: &str) -> bool {
        faults().iter().any(|f| is_named(f, edge, side))
    }

    fn is_named(fault: &Fault, edge: &str, side: &str) -> bool {
        fault.name.split_once('.') == Some((edge, side))
    }
}
