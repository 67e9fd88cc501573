//! An inbound text: what somebody wrote to us, and what we understood.

use super::ids::Id;
use super::phone::Phone;
use jiff::Timestamp;
use std::fmt;

/// A text as a gateway hands it over.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundText {
    /// Row id.
    pub id: Id,
    /// Which gateway.
    pub gateway: String,
    /// The gateway's own id of the text: a repeat of it is the same text.
    pub gateway_id: String,
    /// The sender, where it is a phone number we may answer; short codes and names are kept without.
    pub from: Option<Phone>,
    /// The sender as given.
    pub raw_from: String,
    /// What was written.
    pub body: String,
    /// When the gateway handed it to us.
    pub received_at: Timestamp,
}

// By hand: a parent's words and number never reach a log.
impl fmt::Debug for InboundText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InboundText({}, from {:?}, {} characters)", self.id, self.from, self.body.chars().count())
    }
}
