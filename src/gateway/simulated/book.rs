//! The world's own book: what each phone received and wrote, whatever ringround's database says.

use jiff::Timestamp;
use std::fmt;

/// A text that a phone received.
#[derive(Clone)]
pub struct Entry {
    /// When the request reached the gateway.
    pub handed_at: Timestamp,
    /// When the phone had it.
    pub received_at: Timestamp,
    /// The number.
    pub to: String,
    /// The words.
    pub text: String,
    /// The reference it came under.
    pub reference: String,
}

/// A text that a phone wrote.
#[derive(Clone)]
pub struct Written {
    /// When it was handed to us.
    pub at: Timestamp,
    /// The number.
    pub from: String,
    /// The words.
    pub text: String,
    /// The gateway's id of it.
    pub gateway_id: String,
}

// By hand: numbers and words of parents, even invented ones, don't belong in logs.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.reference)
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Written({})", self.gateway_id)
    }
}
