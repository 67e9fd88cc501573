//! An occurrence is one firing of a step; once opened it is a broadcast, a row that cannot exist twice.

use super::ids::Id;
use super::words::words;
use jiff::Timestamp;

/// The identity of an occurrence: a one-off step fires once, ever, under its id; a cron step once per local time and pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// The step's id within its campaign.
    pub step: String,
    /// `once`, or the local wall-clock time of a cron step (`2022-01-25T10:00:00`).
    pub local: String,
    /// 1, or 2 for the second pass of the hour that the autumn change repeats.
    pub pass: u8,
    /// The instant it is due.
    pub due_at: Timestamp,
    /// Nothing of it leaves at or after this instant.
    pub not_after: Timestamp,
}

words! {
    /// What became of an occurrence when it was due.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Fate {
        /// Its messages are made page by page.
        Filling = "filling",
        /// All its messages exist.
        Filled = "filled",
        /// Too late when it was noticed: nothing was sent, and the reason is kept.
        Missed = "missed",
    }
}

/// A broadcast whose messages are still being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBroadcast {
    /// Row id.
    pub id: Id,
    /// Which campaign.
    pub campaign: String,
    /// Which firing of which step.
    pub occurrence: Occurrence,
    /// The highest contact id already looked at; the next page starts after it.
    pub filled_to: Id,
}
