//! The simulator: campaigns on a model store, in virtual time. `tests/simulation.rs` runs it; see there.
//!
//! What is judged are the very files of `src/domain`, `src/engine` and `src/config`, compiled a second time into this
//! package, whose build is optimised.

#![allow(missing_docs, clippy::unwrap_used)]

extern crate self as ringround;

#[path = "../../src/config/mod.rs"]
pub mod config;
#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/engine/mod.rs"]
pub mod engine;

/// What the engine's store is asked and answers: the same as in `src/store`, where it stands beside its SQL.
pub mod store {
    use crate::domain::message::Claimed;
    use jiff::{SignedDuration, Timestamp};

    /// See `src/store/workers.rs`.
    pub const LEASE: SignedDuration = SignedDuration::from_secs(30);

    /// See `src/store/claim.rs`.
    #[derive(Clone, Debug)]
    pub struct ClaimRequest {
        pub limit: usize,
        pub line: LineTerms,
        pub epoch: i64,
        pub latest: Timestamp,
        pub quiet: Vec<String>,
    }

    /// See `src/store/claim.rs`.
    #[derive(Clone, Debug)]
    pub struct LineTerms {
        pub gateway: String,
        pub spacing: SignedDuration,
        pub per_day: Option<i64>,
        pub ahead: SignedDuration,
        /// Starts that were given back: none here.
        pub returned: i64,
    }

    /// See `src/store/claim.rs`.
    #[derive(Clone, Debug, Default)]
    pub struct Turn {
        pub applied: Vec<bool>,
        pub claimed: Vec<(Claimed, Timestamp)>,
        pub line_free_at: Option<Timestamp>,
    }

    /// See `src/store/pulse.rs`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Pulse {
        pub at: Timestamp,
        pub claimable: bool,
        pub ended: bool,
        pub doubts: bool,
        pub filling: bool,
        pub paused: bool,
        pub fenced: bool,
        pub strays: bool,
        pub line_paused: bool,
        pub campaigns: i64,
        pub next: Option<Timestamp>,
    }

    /// See `src/store/sweep.rs`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Swept {
        pub expired: u64,
        pub doubted: u64,
        pub forgotten: u64,
        pub closed: u64,
    }
}

pub mod acts;
pub mod cases;
pub mod fixes;
pub mod intake;
pub mod judge;
pub mod model;
pub mod operations;
pub mod reports;
pub mod rows;
pub mod run;
pub mod seed;
pub mod sending;
pub mod shell;
pub mod sim;
pub mod tally;
pub mod views;
pub mod workers;
pub mod world;
