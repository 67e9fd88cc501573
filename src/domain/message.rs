//! A message: one text to one contact, and every state it can be in.
//!
//! ```text
//!             E2 release            E3 claim              E5 accept              E12 report
//!   held ───────────────▶ queued ───────────▶ submitting ───────────▶ accepted ───────────▶ delivered
//!    │                     ▲ ▲ │               │ │ │ │ │ └ E20 early ──────────────────────▶ undelivered
//!    │ E13 drop   E6 retry │ │ │ E13 drop      │ │ │ │ └── E7 reject ─────────────────────▶ rejected
//!    │          E15 unsent └─┼─┼───────────────┘ │ │ └──── E16 overtake ──────────────────▶ cancelled, expired
//!    └──────────┬────────────┼─┘                 │ └ E8 doubt ─▶ in_doubt ─ E9 found ─────▶ accepted
//!               ▼            └───── E10 absent ──┼────────────────┤ │ └─── E18 reported ──▶ delivered, undelivered
//!     cancelled, expired                         │                │ └───── E11 give up ───▶ unresolved
//!                                                │                │
//!   unresolved ─ E14 decide (a person) ─▶ accepted, queued, cancelled
//!   unresolved ─ E17 late report ─▶ delivered, undelivered         undelivered ─ E19 better report ─▶ delivered
//!   queued ─ E21 belied by a report ─▶ accepted, delivered, undelivered
//!   held, queued ─ E22 restored from a backup ─▶ in_doubt
//! ```
//!
//! E1 makes a message (`queued` or `held`), E4 is the moment its bytes leave: no edge of this chart.
//! The law is [`Edge::between`]; the store refuses any other move.

use super::ids::Id;
use super::words::words;
use jiff::Timestamp;
use std::fmt;

words! {
    /// Where a message is. Kept in the store as its [`State::as_str`] word.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum State {
        /// Waits for a person: approval, review, cap.
        Held = "held",
        /// May leave once its time has come and the claim's conditions hold.
        Queued = "queued",
        /// Durably intended; its bytes may be on the wire.
        Submitting = "submitting",
        /// The gateway took it; no final word yet.
        Accepted = "accepted",
        /// The phone has it.
        Delivered = "delivered",
        /// The network gave up.
        Undelivered = "undelivered",
        /// The gateway refused it for good.
        Rejected = "rejected",
        /// Its deadline passed before it left.
        Expired = "expired",
        /// Withdrawn before it left: STOP, or a person.
        Cancelled = "cancelled",
        /// Handed to the network, answer unknown.
        InDoubt = "in_doubt",
        /// In doubt, and nobody to ask: a person must decide.
        Unresolved = "unresolved",
    }
}

impl State {
    /// Nothing more is expected to happen, and nobody has to do anything.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Undelivered | Self::Rejected | Self::Expired | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The named moves between states; numbers as in the chart above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// E2 held → queued
    Release,
    /// E3 queued → submitting
    Claim,
    /// E5 submitting → accepted
    Accept,
    /// E6 submitting → queued: certainly not sent (connect failed, throttled), or E15: released at stop, never on the wire
    Retry,
    /// E7 submitting → rejected
    Reject,
    /// E8 submitting → in_doubt
    Doubt,
    /// E9 in_doubt → accepted
    Found,
    /// E10 in_doubt → queued: it never arrived; or, E10a, the gateway refuses repeats; or, E10b, the step's policy
    Absent,
    /// E11 in_doubt → unresolved
    GiveUp,
    /// E12 accepted → delivered, undelivered
    Report,
    /// E13 held, queued → cancelled, expired
    Drop,
    /// E14 unresolved → accepted, queued, cancelled
    Decide,
    /// E16 submitting → cancelled, expired: overtaken before the first byte
    Overtake,
    /// E17 unresolved → delivered, undelivered
    LateReport,
    /// E18 in_doubt → delivered, undelivered
    DoubtReported,
    /// E19 undelivered → delivered: a later report says better
    BetterReport,
    /// E20 submitting → delivered, undelivered: the report was faster than the answer
    EarlyReport,
    /// E21 queued → accepted, delivered, undelivered: it waits to be sent again, but a report shows that it was sent
    Belied,
    /// E22 held, queued → in_doubt: the database was restored, and may have forgotten that it was sent; or it waited to be
    /// sent again although it may have arrived, and its deadline, a STOP or the end of its campaign came first
    Restored,
}

impl Edge {
    /// Its number on the chart.
    pub fn number(self) -> &'static str {
        match self {
            Self::Release => "E2",
            Self::Claim => "E3",
            Self::Accept => "E5",
            Self::Retry => "E6",
            Self::Reject => "E7",
            Self::Doubt => "E8",
            Self::Found => "E9",
            Self::Absent => "E10",
            Self::GiveUp => "E11",
            Self::Report => "E12",
            Self::Drop => "E13",
            Self::Decide => "E14",
            Self::Overtake => "E16",
            Self::LateReport => "E17",
            Self::DoubtReported => "E18",
            Self::BetterReport => "E19",
            Self::EarlyReport => "E20",
            Self::Belied => "E21",
            Self::Restored => "E22",
        }
    }

    /// The edge from one state to another; none where the chart has no such move.
    pub fn between(from: State, to: State) -> Option<Self> {
        use State::{
            Accepted, Cancelled, Delivered, Expired, Held, InDoubt, Queued, Rejected, Submitting, Undelivered,
            Unresolved,
        };
        Some(match (from, to) {
            (Held, Queued) => Self::Release,
            (Queued, Submitting) => Self::Claim,
            (Submitting, Accepted) => Self::Accept,
            (Submitting, Queued) => Self::Retry,
            (Submitting, Rejected) => Self::Reject,
            (Submitting, InDoubt) => Self::Doubt,
            (InDoubt, Accepted) => Self::Found,
            (InDoubt, Queued) => Self::Absent,
            (InDoubt, Unresolved) => Self::GiveUp,
            (Accepted, Delivered | Undelivered) => Self::Report,
            (Held | Queued, Cancelled | Expired) => Self::Drop,
            (Unresolved, Accepted | Queued | Cancelled) => Self::Decide,
            (Submitting, Cancelled | Expired) => Self::Overtake,
            (Unresolved, Delivered | Undelivered) => Self::LateReport,
            (InDoubt, Delivered | Undelivered) => Self::DoubtReported,
            (Undelivered, Delivered) => Self::BetterReport,
            (Submitting, Delivered | Undelivered) => Self::EarlyReport,
            (Queued, Accepted | Delivered | Undelivered) => Self::Belied,
            (Held | Queued, InDoubt) => Self::Restored,
            _ => return None,
        })
    }
}

/// Why a message exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One contact's share of a broadcast.
    Broadcast(Id),
    /// The one answer to somebody's own text.
    Reply(Id),
    /// A test, to a number that the settings name for it.
    Test,
}

/// A message to be made (edge E1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Row id; the gateway sees it inside the reference.
    pub id: Id,
    /// To whom.
    pub contact: Id,
    /// Why.
    pub origin: Origin,
    /// The campaign, for broadcasts.
    pub campaign: Option<String>,
    /// The list whose consent it needs; none for a reply.
    pub list: Option<String>,
    /// For replies: which reply (`welcome`, `goodbye`…), so that one kind is sent at most once an hour.
    pub reply: Option<&'static str>,
    /// The text as it will be handed over, already cleaned.
    pub text: String,
    /// SMS parts of `text`.
    pub parts: u32,
    /// Not before this instant.
    pub not_before: Timestamp,
    /// Not at or after this instant (half-open).
    pub not_after: Timestamp,
    /// Its step says: what stays in doubt may be sent again.
    pub may_resend: bool,
}

/// A claimed message: its intent is durable, its bytes have not left.
#[derive(Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Row id.
    pub id: Id,
    /// To whom.
    pub contact: Id,
    /// The number on the wire.
    pub phone: super::phone::Phone,
    /// The list, or none for a reply or a test.
    pub list: Option<String>,
    /// The program answers a text of theirs.
    pub is_reply: bool,
    /// The text on the wire.
    pub text: String,
    /// Half-open deadline.
    pub not_after: Timestamp,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// It may have arrived already, and goes out again until this instant at the latest: until then the gateway refuses a
    /// repeat of its id, or, where the step's policy or a person sends it again, until its deadline.
    pub repeat_until: Option<Timestamp>,
}

// By hand: the text may hold a name, the row must be loggable.
impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claimed(message {}, attempt {})", self.id, self.attempt)
    }
}

/// What the gateway answered to one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has the message, under this id of its own.
    Accepted {
        /// The gateway's id.
        gateway_id: String,
    },
    /// It said no.
    Refused(Refusal),
    /// It says: later. Nothing was sent.
    Throttled {
        /// How long it asked us to wait, where it said.
        retry_after: Option<jiff::SignedDuration>,
    },
    /// It takes nothing from us until a person has seen to it. Nothing was sent.
    Barred {
        /// What is wrong.
        bar: Bar,
        /// The gateway's own words or code, for a person.
        detail: String,
    },
    /// No byte of the request left (name, connection or TLS failed). Nothing was sent.
    NotSent {
        /// What failed, without addresses or secrets.
        reason: String,
    },
    /// No byte of the request left, because whoever answers there can't prove to be the gateway. Nothing was sent.
    Untrusted {
        /// What is wrong with the certificate.
        reason: String,
    },
    /// Anything else: the message may or may not be on its way.
    Unclear {
        /// What happened, without addresses or secrets.
        reason: String,
    },
}

/// Why a gateway takes nothing from us: the line pauses at once, and a person is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Wrong or revoked credentials, or an account set up wrongly.
    Credentials,
    /// No credit left.
    Credit,
    /// Its certificate can't be trusted, several times in a row.
    Certificate,
}

impl Bar {
    /// For people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Credentials => "the gateway refuses our credentials",
            Self::Credit => "there is no credit left",
            Self::Certificate => "the gateway can't prove who it is",
        }
    }
}

/// Why a gateway said no; the class decides what happens next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of no.
    pub class: RefusalClass,
    /// The gateway's own words or code, for a person.
    pub detail: String,
}

/// Classes of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// This number can't be texted.
    Number,
    /// This text can't be sent.
    Text,
    /// The number told the gateway to stop: as good as STOP to us.
    OptedOut,
    /// No way leads to this number: a landline, another country.
    Unroutable,
}
