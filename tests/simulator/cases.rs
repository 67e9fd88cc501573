//! Seeds that have found something once.

/// A seed, and what it was.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub seed: u64,
    pub what: &'static str,
}

pub const ALL: [Case; 0] = [];
