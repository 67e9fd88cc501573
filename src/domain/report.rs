//! A delivery report: what the gateway says later about a text it took. May come late, twice, out of order, or before
//! the answer to the request itself.

use super::ids::Id;
use super::words::words;
use jiff::Timestamp;

words! {
    /// The gateway's later word.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum ReportStatus {
        /// On its way; not final.
        Sent = "sent",
        /// The phone has it.
        Delivered = "delivered",
        /// The network gave up.
        Undelivered = "undelivered",
    }
}

/// A report that names no text we know yet: kept for seven days, and joined as soon as we do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayReport {
    /// Row id.
    pub id: Id,
    /// Which gateway.
    pub gateway: String,
    /// What makes two copies of one report the same report.
    pub fingerprint: String,
    /// The gateway's id of the text; empty where it only said a reference of ours that is forgotten.
    pub gateway_id: String,
    /// What it says.
    pub status: ReportStatus,
    /// Its words for it, for a person.
    pub detail: String,
    /// The number opted out, at the gateway or with its network.
    pub opted_out: bool,
    /// When it reached us.
    pub received_at: Timestamp,
}

/// One report, already joined to our message through the reference it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Row id.
    pub id: Id,
    /// Which gateway.
    pub gateway: String,
    /// What makes two copies of one report the same report.
    pub fingerprint: String,
    /// Our message.
    pub message: Id,
    /// Whom it went to.
    pub contact: Id,
    /// The gateway's id of the message, where it says.
    pub gateway_id: Option<String>,
    /// What it says.
    pub status: ReportStatus,
    /// Its words for it, for a person.
    pub detail: String,
    /// It was not delivered because the number opted out, at the gateway or with its network.
    pub opted_out: bool,
    /// When it reached us.
    pub received_at: Timestamp,
}
