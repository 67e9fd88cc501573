//! A message in doubt: handed to the network, answer unknown; and what a gateway can say when asked about it.

use super::ids::Id;
use super::phone::Phone;
use jiff::Timestamp;
use std::fmt;

/// A message in doubt, as the resolver sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Which message.
    pub id: Id,
    /// Since when.
    pub since: Timestamp,
    /// When it was claimed to be handed over: gateways that are asked by time are asked by this.
    pub handed_at: Timestamp,
    /// To whom.
    pub to: Phone,
    /// The text as it was handed over.
    pub text: String,
    /// How often the gateway has said that it does not know it.
    pub absent: i64,
    /// When it was to be asked about: a decision holds only for this very doubt.
    pub ask_at: Timestamp,
    /// When it was claimed first, as far as the store knows: the window in which a gateway refuses repeats counts from here.
    pub first_at: Timestamp,
    /// Its step says: what stays in doubt may be sent again.
    pub may_resend: bool,
    /// Nothing of it may leave at or after this instant.
    pub not_after: Timestamp,
}

// By hand: the text may hold a name.
impl fmt::Debug for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doubt(message {}, absent {})", self.id, self.absent)
    }
}

/// The gateway's answer to "do you have this reference?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// Yes, under this id.
    Found {
        /// The gateway's id of the message.
        gateway_id: String,
    },
    /// No.
    Absent,
    /// It could not say.
    Unknown,
    /// It can never say: it has no look-up.
    Mute,
}
