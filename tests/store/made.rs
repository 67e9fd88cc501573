//! Families, campaigns and texts for tests: the few words in which the other files tell what happens.

use crate::support::World;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::broadcast::{Fate, Occurrence};
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::consent::{Event, EventKind, Standing};
use ringround::domain::contact::Contact;
use ringround::domain::ids::Id;
use ringround::domain::inbound::InboundText;
use ringround::domain::message::Claimed;
use ringround::domain::message::{NewMessage, Origin, State};
use ringround::domain::phone::Phone;
use ringround::engine::may_send::WIRE_SLACK;
use ringround::store::{ClaimRequest, LineTerms, Store};

/// The list everything is about, unless said otherwise.
pub const LIST: &str = "send";
/// The campaign everything is about, unless said otherwise.
pub const CAMPAIGN: &str = "survey";

/// One of the thousand numbers that nobody has.
pub fn phone(n: u16) -> Phone {
    assert!(n < 1000, "only 07700 900000 to 900999 are reserved");
    Phone::from_e164(&format!("+447700900{n:03}")).unwrap()
}

/// What a worker of epoch 1 asks for.
pub fn request(limit: usize, now: Timestamp) -> ClaimRequest {
    ClaimRequest { limit, line: wide_line(), epoch: 1, latest: now + WIRE_SLACK, quiet: Vec::new() }
}

/// A line with a start for everybody.
pub fn wide_line() -> LineTerms {
    let (spacing, ahead) = (SignedDuration::from_micros(1), SignedDuration::from_hours(1));
    LineTerms { gateway: "g".into(), spacing, per_day: None, ahead, returned: 0 }
}

/// A turn that only claims.
pub async fn claimed(store: &Store, request: &ClaimRequest, now: Timestamp) -> Vec<Claimed> {
    let turn = store.turn(&[], request, now).await.unwrap();
    turn.claimed.into_iter().map(|(claimed, _)| claimed).collect()
}

/// A text that somebody wrote.
pub fn inbound(id: Id, from: &Phone, gateway_id: &str, body: &str, at: Timestamp) -> InboundText {
    InboundText {
        id,
        gateway: "simulated".into(),
        gateway_id: gateway_id.into(),
        from: Some(from.clone()),
        raw_from: from.e164().into(),
        body: body.into(),
        received_at: at,
    }
}

/// A firing of a step.
pub fn occurrence(step: &str, due_at: Timestamp) -> Occurrence {
    let not_after = due_at + SignedDuration::from_hours(24);
    Occurrence { step: step.into(), local: "once".into(), pass: 1, due_at, not_after }
}

impl World {
    /// Commits one decision; says whether its guard held.
    pub async fn tried(&self, changes: Vec<Change>) -> bool {
        self.store.commit_one(Decision(changes), self.now).await.unwrap()
    }

    /// Commits one decision whose guard holds.
    pub async fn done(&self, changes: Vec<Change>) {
        let said = format!("{changes:?}");
        assert!(self.tried(changes).await, "the guard of {said}");
    }

    /// A contact of whom only the number is known.
    pub async fn contact(&self, n: u16) -> Contact {
        let contact = Contact::unknown(self.id(), phone(n));
        self.done(vec![Change::ContactAdded(contact.clone())]).await;
        contact
    }

    /// How a contact stands to a list from now on.
    pub fn stands(&self, contact: Id, list: &str, standing: Standing) -> Change {
        Change::StandingSet { contact, list: list.into(), standing, unless_out: false, at: self.now }
    }

    /// A contact that has joined the list.
    pub async fn family(&self, n: u16) -> Id {
        let contact = self.contact(n).await.id;
        self.done(vec![self.stands(contact, LIST, Standing::In)]).await;
        contact
    }

    /// A campaign in this state.
    pub async fn campaign(&self, id: &str, state: CampaignState) {
        let source = format!("source of {id}");
        let mut changes =
            vec![Change::CampaignApplied { id: id.into(), list: LIST.into(), source, revision: 0, at: self.now }];
        if state != CampaignState::Draft {
            let from = vec![CampaignState::Draft];
            changes.push(Change::CampaignSteered { id: id.into(), from, to: state, at: self.now });
        }
        self.done(changes).await;
    }

    /// A broadcast that is being filled.
    pub async fn broadcast(&self, campaign: &str, step: &str) -> Id {
        let id = self.id();
        self.done(vec![self.opened(id, campaign, step)]).await;
        id
    }

    /// The opening of a broadcast.
    pub fn opened(&self, id: Id, campaign: &str, step: &str) -> Change {
        Change::BroadcastOpened {
            id,
            campaign: campaign.into(),
            occurrence: occurrence(step, self.now),
            fate: Fate::Filling,
            reason: None,
            at: self.now,
        }
    }

    /// A text to one contact, of a broadcast of its own, good for an hour from now.
    pub fn text(&self, contact: Id) -> NewMessage {
        NewMessage {
            id: self.id(),
            contact,
            origin: Origin::Broadcast(self.id()),
            campaign: Some(CAMPAIGN.into()),
            list: Some(LIST.into()),
            reply: None,
            text: "The survey is open".into(),
            parts: 1,
            not_before: self.now,
            not_after: self.at(3600),
            may_resend: false,
        }
    }

    /// An answer to a text of its own, good for five minutes from now.
    pub fn answer(&self, contact: Id, reply: &'static str) -> NewMessage {
        NewMessage {
            origin: Origin::Reply(self.id()),
            campaign: None,
            list: None,
            reply: Some(reply),
            text: format!("Answer: {reply}"),
            not_after: self.at(300),
            ..self.text(contact)
        }
    }

    /// Makes messages.
    pub async fn queue(&self, messages: &[NewMessage]) {
        self.done(vec![Change::MessagesQueued(messages.to_vec())]).await;
    }

    /// A text to a family that may leave now, in a running campaign.
    pub async fn due_text(&self, contact: Id) -> Id {
        let text = self.text(contact);
        self.queue(std::slice::from_ref(&text)).await;
        text.id
    }

    /// A text in this state, put there behind the store's back, claimed in epoch 1, and to be asked about now if it is in doubt.
    pub async fn text_in(&self, contact: Id, state: State) -> Id {
        let id = self.due_text(contact).await;
        let ask_at = if state == State::InDoubt { self.now.as_millisecond().to_string() } else { "NULL".into() };
        self.sql(&format!("UPDATE messages SET state = '{state}', epoch = 1, ask_at = {ask_at} WHERE id = {id}")).await;
        id
    }

    /// Claims now, in epoch 1.
    pub async fn claim(&self, limit: usize) -> Vec<Id> {
        let claimed = claimed(&self.store, &request(limit, self.now), self.now).await;
        claimed.iter().map(|c| c.id).collect()
    }

    /// Where a message is.
    pub async fn state(&self, message: Id) -> State {
        self.store.message_state(message).await.unwrap().unwrap().0
    }

    /// A move decided now.
    pub fn moved(&self, message: Id, from: State, to: State) -> MessageMove {
        MessageMove::new(message, from, to, self.now)
    }

    /// An entry of the ledger that can be looked for afterwards, and its id.
    pub fn mark(&self, contact: Id) -> (Id, Change) {
        let id = self.id();
        let event = Event::new(id, self.now, EventKind::Changed, "admin:test", "mark").about(contact, None);
        (id, Change::Recorded(event))
    }

    /// All that a STOP writes, as `engine::inbound` decides it.
    pub fn stop(&self, contact: Id, from: &Phone) -> Decision {
        let (id, at) = (self.id(), self.now);
        let text = inbound(id, from, &format!("stop-{id}"), "STOP", at);
        let event = Event::new(self.id(), at, EventKind::OptedOut, "contact", "test").about(contact, None);
        Decision(vec![
            Change::InboundReceived { text, contact: Some(contact), meaning: "stop", needs_person: false },
            Change::LeftAllLists { contact, at },
            Change::Suppressed { contact, reason: "texted STOP".into(), at },
            Change::WaitingCancelled { contact, list: None, reason: "STOP", at },
            Change::Recorded(event.because("STOP")),
        ])
    }
}
