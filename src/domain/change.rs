//! Changes: everything the engine can decide to write. `store::commit` turns them into rows; nothing else writes.
//!
//! A [`Decision`] is the atom: its first change is its guard. If the guard changes no row (somebody was faster, or the
//! same text came twice), the rest of the decision is dropped with it; its neighbours in the same commit are not.

use super::broadcast::{Fate, Occurrence};
use super::campaign::CampaignState;
use super::consent::{Event, Standing};
use super::contact::Contact;
use super::ids::Id;
use super::inbound::InboundText;
use super::message::{NewMessage, State};
use super::pause::Pause;
use super::report::{DeliveryReport, StrayReport};
use jiff::Timestamp;

/// What one decision writes: a guard, then the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision(pub Vec<Change>);

impl Decision {
    /// The same decision; where it says that a gateway has a text, it also keeps under which id of its own.
    #[must_use]
    pub fn with_handles(mut self) -> Self {
        let handles = self.0.iter().filter_map(|change| match change {
            Change::MessageMoved(moved) if moved.to == State::Accepted => {
                let gateway_id = moved.gateway_id.clone().filter(|id| !id.is_empty())?;
                Some(Change::HandleKept { gateway_id, message: moved.id })
            }
            _ => None,
        });
        let handles: Vec<Change> = handles.collect();
        self.0.extend(handles);
        self
    }
}

impl From<Vec<Change>> for Decision {
    fn from(changes: Vec<Change>) -> Self {
        Self(changes)
    }
}

impl From<Change> for Decision {
    fn from(change: Change) -> Self {
        Self(vec![change])
    }
}

/// One write. Field names are those of the rows they end in.
#[expect(missing_docs, reason = "a field is named like its column")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    // Contacts and consent
    /// A new contact. Guard: the number is not known yet.
    ContactAdded(Contact),
    /// Name, language, internet, tags. Guard: the contact exists.
    ContactChanged(Contact),
    /// How a contact stands to a list. Guard: differs from now, and, where a file says it, they have not left.
    StandingSet { contact: Id, list: String, standing: Standing, unless_out: bool, at: Timestamp },
    /// How a contact stands to every list it has a standing to: out. Never a failing guard to others.
    LeftAllLists { contact: Id, at: Timestamp },
    /// The number must not be texted, whatever a file says.
    Suppressed { contact: Id, reason: String, at: Timestamp },
    /// Their own START or join word.
    SuppressionLifted { contact: Id },
    /// Said DONE to a campaign. Guard: had not yet.
    DoneSaid { contact: Id, campaign: String, at: Timestamp },
    /// A person must look first (some reason), or has looked (none). Guard: differs from now.
    HeldForReview { contact: Id, reason: Option<String> },
    /// An entry of the ledger.
    Recorded(Event),

    /// What is kept of the loading of a spreadsheet, so that it can be undone.
    Import(ImportNote),

    // Inbound texts
    /// Guard: this gateway has not handed over this id before.
    InboundReceived { text: InboundText, contact: Option<Id>, meaning: &'static str, needs_person: bool },
    /// A person has seen to it. Guard: it was waiting.
    InboundClosed { inbound: Id, at: Timestamp },

    // Campaigns and broadcasts
    /// A file was applied. Guard: the revision is still the one that was read (0: new).
    CampaignApplied { id: String, list: String, source: String, revision: i64, at: Timestamp },
    /// Guard: it was in one of `from`.
    CampaignSteered { id: String, from: Vec<CampaignState>, to: CampaignState, at: Timestamp },
    /// All occurrences up to here have been dealt with. Guard: only forward.
    CursorMoved { campaign: String, to: Timestamp },
    /// Guard: this occurrence was never opened before.
    BroadcastOpened {
        id: Id,
        campaign: String,
        occurrence: Occurrence,
        fate: Fate,
        reason: Option<String>,
        at: Timestamp,
    },
    /// The page after `from` has been looked at. Guard: nobody else was faster.
    BroadcastFilled { id: Id, from: Id, to: Id, last: bool },
    /// So many people get nothing from this broadcast, for this reason.
    PassedOver { broadcast: Id, reason: &'static str, people: i64 },

    // Sending as a whole
    /// Nothing is claimed until it is resumed. Guard: this pause was not there.
    Paused { pause: Pause, reason: String, at: Timestamp },
    /// Guard: this pause was there.
    Resumed { pause: Pause },

    // Polling
    /// A gateway's list has been read up to here, and what was on it is stored.
    PolledTo { gateway: String, cursor: String },

    // Messages
    /// Edge E1.
    MessagesQueued(Vec<NewMessage>),
    /// Every other edge but the claim. Guard: the message is in `from`, and, where an epoch is named, claimed in it.
    MessageMoved(MessageMove),
    /// Edge E13 for all that waits for one contact: of one list, or of all.
    WaitingCancelled { contact: Id, list: Option<String>, reason: &'static str, at: Timestamp },
    /// Edge E13 for all that waits of one campaign.
    CampaignCancelled { campaign: String, reason: &'static str, at: Timestamp },
    /// A look-up did not find a message in doubt; asked again at `again_at`. Guard: nobody else has asked meanwhile.
    DoubtAsked { message: Id, asked: Timestamp, absent: i64, again_at: Timestamp },

    // Reports
    /// Guard: not stored before.
    ReportStored(DeliveryReport),
    /// A report about a text we don't know yet. Guard: not stored before.
    StrayKept(StrayReport),
    /// It is about a text that we know by now.
    StrayJoined { stray: Id },
    /// Under which id the gateway speaks of a text, where its reports carry nothing else.
    HandleKept { gateway_id: String, message: Id },
}

/// What is kept of the loading of a spreadsheet.
#[expect(missing_docs, reason = "a field is named like its column")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportNote {
    /// Guard: the same file is not being loaded into this list already.
    Begun { id: Id, file: String, hash: String, list: String, by: String, at: Timestamp },
    /// What it did to a contact, as `app` wrote it down; the first word counts.
    Row { import: Id, contact: Id, kind: &'static str, did: String },
    /// It is loaded, or (`undone`) taken back. Guard: it was not taken back before.
    Ended { id: Id, undone: bool, at: Timestamp },
}

/// A message's move along an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageMove {
    /// Which message.
    pub id: Id,
    /// The state it must be in.
    pub from: State,
    /// The state it gets.
    pub to: State,
    /// The epoch of the claim this outcome belongs to, for moves out of `submitting` by the sender.
    pub epoch: Option<i64>,
    /// For moves out of `in_doubt` by a question: the hour the question was due. A later doubt has another one.
    pub asked: Option<Timestamp>,
    /// Why, for people.
    pub reason: Option<String>,
    /// The gateway's id, where now known.
    pub gateway_id: Option<String>,
    /// Back in the queue: not before this instant. In doubt: asked at this instant. Accepted: closed at this instant if
    /// no report has come.
    pub next_at: Option<Timestamp>,
    /// Back in the queue to be sent again although it may have arrived: not after this instant ([`super::message::Claimed`]
    /// says which). Kept until it is handed over, so that what overtakes it leaves it in doubt.
    pub repeat_until: Option<Timestamp>,
    /// A step's policy sends it again: it does so once.
    pub by_policy: bool,
    /// When it was decided.
    pub at: Timestamp,
}

impl MessageMove {
    /// A move with nothing but its reason.
    pub fn new(id: Id, from: State, to: State, at: Timestamp) -> Self {
        Self {
            id,
            from,
            to,
            epoch: None,
            asked: None,
            reason: None,
            gateway_id: None,
            next_at: None,
            repeat_until: None,
            by_policy: false,
            at,
        }
    }

    /// The same move, said why.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}
