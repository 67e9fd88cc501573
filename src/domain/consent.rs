//! Consent: who may be texted about what, and the append-only ledger that proves it.
//!
//! The ledger ([`Event`]) is the truth; [`Standing`] per contact and list is what the ledger adds up to, kept beside
//! it because the claim reads it for every message. Nothing here ever edits or removes an entry.

use super::ids::Id;
use super::words::words;
use jiff::Timestamp;

words! {
    /// How a contact stands to a list.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Standing {
        /// Known, never agreed (or not provably): never texted, listed to be asked.
        Pending = "pending",
        /// Agreed, and has not taken it back.
        In = "in",
        /// Took it back. Only their own START or join word brings them in again.
        Out = "out",
    }
}

impl Standing {
    /// For people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Pending => "not yet agreed",
            Self::In => "joined",
            Self::Out => "left",
        }
    }
}

words! {
    /// What happened, as the ledger names it. A person, a policy or a parent decided each of these.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum EventKind {
        /// Agreed to a list.
        OptedIn = "opted_in",
        /// Left a list, or (without a list) everything.
        OptedOut = "opted_out",
        /// Loaded without proof of consent.
        Pending = "pending",
        /// Texted a join word, and was asked for a YES.
        Asked = "asked",
        /// Name, language, internet or tags were changed.
        Changed = "changed",
        /// No longer in a file that replaces the list's: not texted any more.
        Removed = "removed",
        /// An import was undone: the consent it gave no longer counts.
        Undone = "undone",
        /// Said DONE.
        Done = "done",
        /// A text that may mean "stop": held until a person looks.
        Held = "held",
        /// A person looked, and sending goes on.
        Unheld = "unheld",
        /// A person answered a text.
        Answered = "answered",
        /// A campaign file was applied.
        Applied = "applied",
        /// A campaign was started, paused, resumed or cancelled.
        Steered = "steered",
        /// All sending, or the line to the gateway, was paused.
        Paused = "paused",
        /// It goes on.
        Resumed = "resumed",
        /// A test was sent to a tester.
        Tested = "tested",
        /// A send in doubt was decided by a person or a written policy.
        DoubtDecided = "doubt_decided",
        /// The database was found to be restored or copied: nothing is sent.
        Fenced = "fenced",
        /// The clock jumped.
        ClockJumped = "clock_jumped",
        /// A person was forgotten: what was known of them is gone, and they are never texted.
        Erased = "erased",
        /// What was too old was removed.
        Swept = "swept",
        /// Numbers are hashed with a key that is kept outside the database, from now on.
        Keyed = "keyed",
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
