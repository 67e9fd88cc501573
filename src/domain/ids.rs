//! Ids: 63-bit integers given out in blocks, so that a pure decision can name a row before it exists.
//!
//! Gaps are normal (a block that was not used up is thrown away at stop). An id is never handed out twice.

use std::ops::Range;

/// The id of a row: contact, message, broadcast, inbound text, event.
pub type Id = i64;

/// A block of ids reserved in the store; [`Ids::take`] hands them out one by one.
#[derive(Debug)]
pub struct Ids(Range<Id>);

impl Ids {
    /// The ids of `block`, lowest first.
    pub fn new(block: Range<Id>) -> Self {
        Self(block)
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        usize::try_from(self.0.end - self.0.start).unwrap_or(0)
    }

    /// The next id.
    ///
    /// # Panics
    /// When the block is used up. Callers reserve more than one decision can need: see `app::desk`.
    pub fn take(&mut self) -> Id {
        self.0.next().expect("the caller reserved a block larger than any one decision needs")
    }
}
