//! A world to send through: a gateway with the faults of real ones, and phones whose owners answer. It ships in the
//! binary; `demo` and the tests send through it with the same code that speaks to a real gateway.
//!
//! It keeps its own book of what each phone received, independent of ringround's database, so that promises can be
//! judged from outside. Everything is drawn from one seed: the same seed gives the same world.
//!
//! Parameters ([`Params`]) and their defaults:
//!
//! | parameter | default | meaning |
//! |---|---|---|
//! | `seed` | 2022 | everything random |
//! | `answer_ms` | 80–400 | from request to answer, milliseconds |
//! | `deliver_s` | 2–45 | from request to the phone, seconds |
//! | `report_s` | 1–20 | from the phone to the delivery report, seconds |
//! | `lost_answer` | 1 in 90 | the gateway takes the text, the answer never comes: timeout after 20 s |
//! | `report_late` | 1 in 30 | the report comes 1–5 hours later |
//! | `report_twice` | 1 in 15 | the report comes again, up to a minute later |
//! | `report_never` | 1 in 60 | no report at all |
//! | `report_sent_too` | 1 in 4 | a "sent" report as well, before or after the final one: out of order |
//! | `inbound_twice` | 1 in 8 | the gateway hands over a parent's text a second time |
//! | `throttled` | 1 in 120 | "slow down", with 3 seconds to wait |
//! | `outages` | none | between two instants every connection is refused |
//! | phones | none | see [`phone::Phone`]: number, habits, whether it exists or is switched off |
//!
//! What it deliberately does not do: price, several parts arriving apart, or anything of HTTP.

mod book;
mod gateway;
pub mod phone;

pub use book::{Entry, Written};

use jiff::Timestamp;
use phone::Phone;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

/// The parameters of a world; see the module's head.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the table at the head of the module documents them")]
pub struct Params {
    pub seed: u64,
    pub answer_ms: (i64, i64),
    pub deliver_s: (i64, i64),
    pub report_s: (i64, i64),
    pub lost_answer: u32,
    pub report_late: u32,
    pub report_twice: u32,
    pub report_never: u32,
    pub report_sent_too: u32,
    pub inbound_twice: u32,
    pub throttled: u32,
    pub outages: Vec<(Timestamp, Timestamp)>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            seed: 2022,
            answer_ms: (80, 400),
            deliver_s: (2, 45),
            report_s: (1, 20),
            lost_answer: 90,
            report_late: 30,
            report_twice: 15,
            report_never: 60,
            report_sent_too: 4,
            inbound_twice: 8,
            throttled: 120,
            outages: Vec::new(),
        }
    }
}

/// What the world hands to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callback {
    /// A delivery report for one of our references.
    Report(Report),
    /// A text from a phone.
    Inbound(Text),
}

/// A delivery report as this gateway sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Our reference.
    pub reference: String,
    /// The gateway's id of the text.
    pub gateway_id: String,
    /// `SENT`, `DELIVERED`, `EXPIRED`, `FAILED`.
    pub status: &'static str,
}

/// A text from a phone as this gateway hands it over.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// The gateway's id; the same for a repeat.
    pub gateway_id: String,
    /// The sender.
    pub from: String,
    /// The words.
    pub body: String,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({})", self.gateway_id)
    }
}

/// Where something stands in the world's mail.
#[derive(Clone, Copy, Debug)]
pub struct Place((Timestamp, u64));

/// A simulated world; clones share it.
#[derive(Clone)]
pub struct World(Arc<Mutex<State>>);

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

struct State {
    /// The world's own time; whoever drives the world moves it.
    now: Timestamp,
    params: Params,
    random: fastrand::Rng,
    phones: BTreeMap<String, Phone>,
    /// Texts the gateway took, by our reference.
    taken: BTreeMap<String, String>,
    book: Vec<Entry>,
    written: Vec<Written>,
    /// What will be handed to us, by time and order.
    mail: BTreeMap<(Timestamp, u64), Callback>,
    count: u64,
    faults: Faults,
}

/// What went wrong in a world.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Requests that reached the gateway.
    pub requests: u64,
    /// Requests whose answer got lost: when, and under which reference.
    pub lost_answers: Vec<(Timestamp, String)>,
    /// Connections refused during outages.
    pub refused_connections: u64,
    /// Reports that came hours late.
    pub late_reports: u64,
    /// Reports that came twice.
    pub repeated_reports: u64,
    /// Reports that never came.
    pub missing_reports: u64,
}

impl World {
    /// A world with these phones, standing at `now`.
    pub fn new(now: Timestamp, params: Params, phones: Vec<Phone>) -> Self {
        let mut state = State {
            now,
            random: fastrand::Rng::with_seed(params.seed),
            params,
            phones: BTreeMap::new(),
            taken: BTreeMap::new(),
            book: Vec::new(),
            written: Vec::new(),
            mail: BTreeMap::new(),
            count: 0,
            faults: Faults::default(),
        };
        for phone in phones {
            for (at, body) in &phone.writes {
                state.write(*at, &phone.number, body);
            }
            state.phones.insert(phone.number.clone(), phone);
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// Moves the world's time forward.
    pub fn advance_to(&self, now: Timestamp) {
        let mut state = self.state();
        state.now = state.now.max(now);
    }

    /// When the next callback is due.
    pub fn next_callback(&self) -> Option<Timestamp> {
        self.state().mail.keys().next().map(|(at, _)| *at)
    }

    /// The first callback that is due by now. It is handed over again until it is acknowledged, as real gateways do.
    pub fn handed_over(&self) -> Option<(Place, Callback)> {
        let state = self.state();
        let (place, callback) = state.mail.first_key_value().filter(|((at, _), _)| *at <= state.now)?;
        Some((Place(*place), callback.clone()))
    }

    /// What was handed over has been taken, and is not handed over again.
    pub fn acknowledged(&self, place: Place) {
        self.state().mail.remove(&place.0);
    }

    /// What every phone received, in order of arrival at the gateway.
    pub fn book(&self) -> Vec<Entry> {
        self.state().book.clone()
    }

    /// Has the gateway ever taken a text under this reference? Truthful also while it is out: for judges.
    pub fn has_taken(&self, reference: &str) -> bool {
        self.state().taken.contains_key(reference)
    }

    /// What every phone wrote, in order of time.
    pub fn written(&self) -> Vec<Written> {
        self.state().written.clone()
    }

    /// When every connection is refused, from and until.
    pub fn outages(&self) -> Vec<(Timestamp, Timestamp)> {
        self.state().params.outages.clone()
    }

    /// What went wrong, counted.
    pub fn faults(&self) -> Faults {
        self.state().faults.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}
