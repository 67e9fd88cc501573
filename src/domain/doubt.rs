//! A message in doubt: handed to the network, answer unknown; what its gateway offers to settle it with, and what it can
//! say when asked.

use super::campaign::CampaignState;
use super::consent::Standing;
use super::ids::Id;
use super::message::State;
use super::phone::Phone;
use jiff::{SignedDuration, Timestamp};
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
    pub contact: Id,
    /// Their number.
    pub to: Phone,
    /// The campaign and the step, for broadcasts.
    pub of: Option<(String, String)>,
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
    /// They have left since, or its campaign was cancelled: it is found out what became of it, and nothing goes out again.
    pub revoked: bool,
}

// By hand: the text may hold a name.
impl fmt::Debug for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doubt(message {}, absent {})", self.id, self.absent)
    }
}

/// What a gateway offers to settle a doubt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// A text that comes again under the same id is refused for so long after it came first; none: it would be sent twice.
    pub repeats_refused: Option<SignedDuration>,
    /// By what it can be asked.
    pub question: Question,
}

/// By what a gateway can be asked about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Our own name for it: found and absent are both certain.
    ByReference,
    /// Recipient, text and time: one match is certain, nothing else says anything.
    ByRecipient,
    /// It can't be asked: only a report can tell.
    Nobody,
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
    /// The question itself failed: no answer, refused, broken. Asking it about others is no use now.
    Failed,
    /// It can never say: it has no look-up.
    Mute,
}

/// A message that is in doubt, or was given up as that, as people decide about it.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenDoubt {
    /// Which message.
    pub id: Id,
    /// `in_doubt`: it is still being settled. `unresolved`: a person must decide. Any other: it is settled.
    pub state: State,
    /// To whom.
    pub contact: Id,
    /// Their number.
    pub to: Phone,
    /// The campaign, and what it is doing.
    pub campaign: Option<(String, CampaignState)>,
    /// The step.
    pub step: Option<String>,
    /// How they stand to the list whose consent it needs; no list: none is needed.
    pub standing: Option<Standing>,
    /// It answers a text of theirs.
    pub is_reply: bool,
    /// The number is suppressed.
    pub suppressed: bool,
    /// Since when.
    pub since: Timestamp,
    /// Nothing of it may leave at or after this instant.
    pub not_after: Timestamp,
    /// What is known.
    pub reason: Option<String>,
    /// The text as it was handed over.
    pub text: String,
}

// By hand: the text may hold a name.
impl fmt::Debug for OpenDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenDoubt(message {}, {})", self.id, self.state)
    }
}

/// What a person makes of a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtVerdict {
    /// They have it.
    Arrived,
    /// They don't, or may have it twice.
    SendAgain,
    /// Leave it.
    Drop,
}

/// Why a person can't decide so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hindrance {
    /// It is in doubt still.
    StillAsked,
    /// It is not in doubt, or no longer.
    Settled,
    /// Its deadline has passed.
    TooLate,
    /// They have left, or never agreed.
    Left,
    /// Its campaign was cancelled.
    CampaignOver,
}

impl Hindrance {
    /// For people, after "text 5".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::StillAsked => {
                "is still in doubt: a report or the gateway may yet tell; a person decides what is unresolved"
            }
            Self::Settled => "waits for nobody's decision",
            Self::TooLate => "is past its deadline: it can't be sent again",
            Self::Left => "is to somebody who has left: it can't be sent again",
            Self::CampaignOver => "is of a campaign that was cancelled: it can't be sent again",
        }
    }
}
