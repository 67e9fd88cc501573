//! Consent: who may be texted about what, and the append-only ledger that proves it.
//!
//! The ledger ([`Event`]) is the truth; [`Standing`] per contact and list is what the ledger adds up to, kept beside
//! it because the claim reads it for every message. Nothing here ever edits or removes an entry.

use super::ids::Id;
use jiff::Timestamp;

/// How a contact stands to a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Known, never agreed (or not provably): never texted, listed to be asked.
    Pending,
    /// Agreed, and has not taken it back.
    In,
    /// Took it back. Only their own START or join word brings them in again.
    Out,
}

impl Standing {
    /// The word kept in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// Reads the store's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::In, Self::Out].into_iter().find(|s| s.as_str() == word)
    }

    /// For people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Pending => "not yet agreed",
            Self::In => "joined",
            Self::Out => "left",
        }
    }
}

/// What happened, as the ledger names it. A person, a policy or a parent decided each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Agreed to a list.
    OptedIn,
    /// Left a list, or (without a list) everything.
    OptedOut,
    /// Loaded without proof of consent.
    Pending,
    /// Texted a join word, and was asked for a YES.
    Asked,
    /// Name, language, internet or tags were changed.
    Changed,
    /// No longer in a file that replaces the list's: not texted any more.
    Removed,
    /// An import was undone: the consent it gave no longer counts.
    Undone,
    /// Said DONE.
    Done,
    /// A text that may mean "stop": held until a person looks.
    Held,
    /// A person looked, and sending goes on.
    Unheld,
    /// A person answered a text.
    Answered,
    /// A campaign file was applied.
    Applied,
    /// A campaign was started, paused, resumed or cancelled.
    Steered,
    /// All sending, or the line to the gateway, was paused.
    Paused,
    /// It goes on.
    Resumed,
    /// A test was sent to a tester.
    Tested,
    /// A send in doubt was decided by a person or a written policy.
    DoubtDecided,
    /// The database was found to be restored or copied: nothing is sent.
    Fenced,
    /// The clock jumped.
    ClockJumped,
    /// A person was forgotten: what was known of them is gone, and they are never texted.
    Erased,
    /// What was too old was removed.
    Swept,
    /// Numbers are hashed with a key that is kept outside the database, from now on.
    Keyed,
}

impl EventKind {
    /// The word kept in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptedIn => "opted_in",
            Self::OptedOut => "opted_out",
            Self::Pending => "pending",
            Self::Asked => "asked",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Undone => "undone",
            Self::Done => "done",
            Self::Held => "held",
            Self::Unheld => "unheld",
            Self::Answered => "answered",
            Self::Applied => "applied",
            Self::Steered => "steered",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Tested => "tested",
            Self::DoubtDecided => "doubt_decided",
            Self::Fenced => "fenced",
            Self::ClockJumped => "clock_jumped",
            Self::Erased => "erased",
            Self::Swept => "swept",
            Self::Keyed => "keyed",
        }
    }
}

/// One entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Row id; order of entries within one instant.
    pub id: Id,
    /// When it counts from: for an inbound text, when it was received.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// To whom, where it concerns a contact.
    pub contact: Option<Id>,
    /// Which list.
    pub list: Option<String>,
    /// Which campaign.
    pub campaign: Option<String>,
    /// Who decided: `contact` (their own text), `admin:NAME`, `policy:NAME`.
    pub actor: String,
    /// How: the gateway's id of the inbound text, or file hash and row, or the command.
    pub source: String,
    /// Which version of the wording they had been shown.
    pub wording: Option<String>,
    /// What was said or changed. May hold a parent's own words: never logged.
    pub evidence: Option<String>,
}

impl Event {
    /// An entry with only the needed fields; the rest is added by [`Event::about`] and friends.
    pub fn new(id: Id, at: Timestamp, kind: EventKind, actor: &str, source: &str) -> Self {
        Self {
            id,
            at,
            kind,
            contact: None,
            list: None,
            campaign: None,
            actor: actor.to_owned(),
            source: source.to_owned(),
            wording: None,
            evidence: None,
        }
    }

    /// The same entry about a contact and, where it has one, a list.
    #[must_use]
    pub fn about(mut self, contact: Id, list: Option<&str>) -> Self {
        self.contact = Some(contact);
        self.list = list.map(str::to_owned);
        self
    }

    /// The same entry about a campaign.
    #[must_use]
    pub fn of_campaign(mut self, campaign: &str) -> Self {
        self.campaign = Some(campaign.to_owned());
        self
    }

    /// The same entry with the words it rests on.
    #[must_use]
    pub fn because(mut self, evidence: &str) -> Self {
        self.evidence = Some(evidence.to_owned());
        self
    }

    /// The same entry with the version of the wording that was shown.
    #[must_use]
    pub fn shown(mut self, wording: &str) -> Self {
        self.wording = Some(wording.to_owned());
        self
    }
}
