//! A message in doubt: handed to the network, answer unknown; and what a gateway can say when asked about it.

use super::ids::Id;
use jiff::Timestamp;

/// A message in doubt, as the resolver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Which message.
    pub id: Id,
    /// Since when.
    pub since: Timestamp,
    /// How often the gateway has said that it does not know it.
    pub absent: i64,
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
}
