//! A parent's own text becomes a decision: stored, understood, acted on and answered in one commit.
//!
//! STOP beats everything and is honoured from strangers too. What may be a wish to stop holds that person's texts until
//! somebody has looked. Nothing but START or a join word brings anybody back. At most one answer of a kind an hour.

use super::may_send::Revocation;
use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind, Standing};
use crate::domain::contact::{Contact, Internet};
use crate::domain::ids::{Id, Ids};
use crate::domain::inbound::InboundText;
use crate::domain::keyword::{Meaning, Scope, StopAsked, confirm_stop};
use crate::domain::list::{List, Listening, Reply};
use crate::domain::message::{NewMessage, Origin};
use crate::domain::text;
use jiff::{SignedDuration, Timestamp};

/// An answer later than this is no answer.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// What is known of the sender.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// The contact, if the number is known.
    pub contact: Option<Contact>,
    /// Its standing to each list it ever had to do with.
    pub standings: Vec<(String, Standing)>,
    /// The number is suppressed.
    pub suppressed: bool,
    /// Kinds of answers sent to it within the last hour.
    pub answered: Vec<String>,
}

/// What we know of ourselves.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// All lists; the first one speaks for us where no list is meant.
    pub lists: &'a [List],
    /// The words we listen for.
    pub listening: &'a Listening,
    /// Running campaigns: (id, list).
    pub running: &'a [(String, String)],
    /// The gateway saw an opt-out in this text, and has answered by itself.
    pub gateway_confirms: bool,
}

/// The decision, and whose texts must not leave any more (checked in memory right before the wire).
#[derive(Debug)]
pub struct Received {
    /// What to commit.
    pub decision: Decision,
    /// Whose texts must not leave any more, from this moment on.
    pub revoked: Option<(Id, Revocation)>,
}

/// Decides what one inbound text does.
pub fn receive(text: &InboundText, sender: &Sender, around: Around<'_>, now: Timestamp, ids: &mut Ids) -> Received {
    let opted_out = sender.suppressed || sender.standings.iter().any(|(_, s)| *s == Standing::Out);
    let mut meaning = around.listening.understand(&text.body, opted_out);
    if around.gateway_confirms && !matches!(meaning, Meaning::OptOut(_)) {
        meaning = Meaning::OptOut(Scope::All); // the gateway stops texting them, whatever we understand
    }
    let Some(phone) = &text.from else {
        // A short code or a name: kept, shown to a person, never answered (loops).
        let stored =
            Change::InboundReceived { text: text.clone(), contact: None, meaning: "no number", needs_person: true };
        return Received { decision: stored.into(), revoked: None };
    };
    let known = sender.contact.is_some();
    let contact = sender.contact.clone().unwrap_or_else(|| Contact::unknown(ids.take(), phone.clone()));
    let mut desk = Desk { text, sender, around, now, ids, contact, changes: Vec::new(), revoked: None };
    desk.open(known, &meaning);
    desk.act(&meaning);
    Received { decision: Decision(desk.changes), revoked: desk.revoked }
}

/// The word kept with the text, and whether a person has to read it.
fn kept_as(meaning: &Meaning) -> (&'static str, bool) {
    match meaning {
        Meaning::OptOut(_) => ("stop", false),
        Meaning::OptIn { .. } => ("join", false),
        Meaning::Help => ("help", false),
        Meaning::Done => ("done", false),
        Meaning::Phone => ("phone", false),
        Meaning::Web => ("web", false),
        Meaning::NeedsReview => ("may be stop", true),
        Meaning::NearJoin { .. } => ("nearly join", false),
        Meaning::Empty => ("empty", false),
        Meaning::Confirm | Meaning::Decline | Meaning::Other => ("other", true),
    }
}

struct Desk<'a> {
    text: &'a InboundText,
    sender: &'a Sender,
    around: Around<'a>,
    now: Timestamp,
    ids: &'a mut Ids,
    contact: Contact,
    changes: Vec<Change>,
    revoked: Option<(Id, Revocation)>,
}

impl Desk<'_> {
    /// The guard: a new number must still be new, a text must not have been stored before.
    fn open(&mut self, known: bool, meaning: &Meaning) {
        if !known {
            self.changes.push(Change::ContactAdded(self.contact.clone()));
        }
        let (meaning, needs_person) = kept_as(meaning);
        self.changes.push(Change::InboundReceived {
            text: self.text.clone(),
            contact: Some(self.contact.id),
            meaning,
            needs_person,
        });
    }

    fn act(&mut self, meaning: &Meaning) {
        match meaning {
            Meaning::OptOut(Scope::All) => self.stop_everything(),
            Meaning::OptOut(Scope::List(list)) => self.leave(list),
            Meaning::OptIn { list } => self.join(list.as_deref()),
            Meaning::NeedsReview => self.hold(),
            Meaning::Done => self.done(),
            Meaning::Phone => self.door(Internet::No, Reply::Phone),
            Meaning::Web => self.door(Internet::Yes, Reply::Web),
            Meaning::Help | Meaning::Empty => self.answer(Reply::Help, self.own_list().cloned()),
            Meaning::NearJoin { word } => {
                let list = self.around.listening.join.iter().find(|(w, _)| w == word).map(|(_, l)| l.clone());
                let list = self.around.lists.iter().find(|l| Some(&l.name) == list.as_ref());
                self.answer(Reply::JoinHint, list.or(self.own_list()).cloned());
            }
            Meaning::Confirm | Meaning::Decline | Meaning::Other => {}
        }
    }

    fn stop_everything(&mut self) {
        let (contact, at) = (self.contact.id, self.text.received_at);
        self.revoked = Some((contact, Revocation::Left(None)));
        self.changes.push(Change::LeftAllLists { contact, at });
        self.changes.push(Change::Suppressed { contact, reason: "texted STOP".to_owned(), at });
        self.changes.push(Change::WaitingCancelled { contact, list: None, reason: "STOP", at: self.now });
        self.record(EventKind::OptedOut, None, None);
        self.say_goodbye(self.own_list().cloned());
    }

    fn leave(&mut self, list: &str) {
        let (contact, at) = (self.contact.id, self.text.received_at);
        self.revoked = Some((contact, Revocation::Left(Some(list.to_owned()))));
        self.changes.push(Change::StandingSet {
            contact,
            list: list.to_owned(),
            standing: Standing::Out,
            unless_out: false,
            at,
        });
        self.changes.push(Change::WaitingCancelled {
            contact,
            list: Some(list.to_owned()),
            reason: "STOP",
            at: self.now,
        });
        self.record(EventKind::OptedOut, Some(list), None);
        self.say_goodbye(self.around.lists.iter().find(|l| l.name == list).cloned());
    }

    /// One confirmation, outside the caps, within five minutes, never in answer to a second STOP (R-STOP).
    fn say_goodbye(&mut self, list: Option<List>) {
        let asked = StopAsked {
            received_at: self.text.received_at,
            handled_at: self.now,
            already_opted_out: self.sender.suppressed,
            confirmations_sent: u32::from(self.sender.answered.iter().any(|a| a == Reply::Goodbye.as_str())),
            gateway_confirms: self.around.gateway_confirms,
        };
        if confirm_stop(&asked) {
            self.write(Reply::Goodbye, list);
        }
    }

    /// START brings back to the lists they left (or the only one there is); a join word to its own.
    fn join(&mut self, list: Option<&str>) {
        let lists: Vec<List> = if let Some(name) = list {
            self.around.lists.iter().filter(|l| l.name == name).cloned().collect()
        } else {
            let left = |l: &&List| self.sender.standings.iter().any(|(n, s)| n == &l.name && *s == Standing::Out);
            let known: Vec<List> = self.around.lists.iter().filter(left).cloned().collect();
            if known.is_empty() { self.own_list().cloned().into_iter().collect() } else { known }
        };
        let Some(first) = lists.first().cloned() else { return };
        let (contact, at) = (self.contact.id, self.text.received_at);
        let is_in = |name: &str| self.sender.standings.iter().any(|(n, s)| n == name && *s == Standing::In);
        if lists.iter().all(|l| is_in(&l.name)) && !self.sender.suppressed {
            return self.answer(Reply::AlreadyIn, Some(first));
        }
        self.changes.push(Change::SuppressionLifted { contact });
        if self.contact.held_for.is_some() {
            self.changes.push(Change::HeldForReview { contact, reason: None });
        }
        for list in &lists {
            self.changes.push(Change::StandingSet {
                contact,
                list: list.name.clone(),
                standing: Standing::In,
                unless_out: false,
                at,
            });
            self.record(EventKind::OptedIn, Some(&list.name), Some(&list.wording_version));
        }
        self.answer(Reply::Welcome, Some(first));
    }

    fn hold(&mut self) {
        let contact = self.contact.id;
        self.revoked = Some((contact, Revocation::Review));
        self.changes.push(Change::HeldForReview { contact, reason: Some("their text may mean STOP".to_owned()) });
        self.record(EventKind::Held, None, None);
    }

    fn done(&mut self) {
        let (contact, at) = (self.contact.id, self.text.received_at);
        let campaigns: Vec<String> = self
            .around
            .running
            .iter()
            .filter(|(_, list)| self.sender.standings.iter().any(|(n, s)| n == list && *s == Standing::In))
            .map(|(id, _)| id.clone())
            .collect();
        for campaign in campaigns {
            self.changes.push(Change::DoneSaid { contact, campaign: campaign.clone(), at });
            let event = self.event(EventKind::Done).about(contact, None).of_campaign(&campaign);
            self.changes.push(Change::Recorded(event));
        }
        self.answer(Reply::Done, self.own_list().cloned());
    }

    fn door(&mut self, internet: Internet, reply: Reply) {
        if self.contact.internet != internet {
            let contact = Contact { internet, ..self.contact.clone() };
            self.changes.push(Change::ContactChanged(contact));
            self.record(EventKind::Changed, None, None);
        }
        self.answer(reply, self.own_list().cloned());
    }

    /// The list that speaks: one the sender is in, else any they had to do with, else the first.
    fn own_list(&self) -> Option<&List> {
        let standing = |wanted: Option<Standing>| {
            self.around
                .lists
                .iter()
                .find(|l| self.sender.standings.iter().any(|(n, s)| n == &l.name && wanted.is_none_or(|w| w == *s)))
        };
        standing(Some(Standing::In)).or_else(|| standing(None)).or(self.around.lists.first())
    }

    fn answer(&mut self, reply: Reply, list: Option<List>) {
        let lately = self.sender.answered.iter().any(|a| a == reply.as_str());
        if !lately {
            self.write(reply, list);
        }
    }

    fn write(&mut self, reply: Reply, list: Option<List>) {
        let Some(said) = list.as_ref().and_then(|l| l.reply(reply, self.contact.language.as_deref())) else { return };
        let said = text::clean(said, false);
        let Ok(not_after) = self.text.received_at.checked_add(ANSWER_WITHIN) else { return };
        if self.now >= not_after {
            return;
        }
        self.changes.push(Change::MessagesQueued(vec![NewMessage {
            id: self.ids.take(),
            contact: self.contact.id,
            origin: Origin::Reply(self.text.id),
            campaign: None,
            list: None,
            reply: Some(reply.as_str()),
            parts: u32::try_from(text::measure(&said).parts).unwrap_or(u32::MAX),
            text: said,
            not_before: self.now,
            not_after,
            may_resend: false,
        }]));
    }

    fn record(&mut self, kind: EventKind, list: Option<&str>, wording: Option<&str>) {
        let mut event = self.event(kind).about(self.contact.id, list);
        if let Some(wording) = wording {
            event = event.shown(wording);
        }
        self.changes.push(Change::Recorded(event));
    }

    fn event(&mut self, kind: EventKind) -> Event {
        let source = format!("text {} via {}", self.text.gateway_id, self.text.gateway);
        Event::new(self.ids.take(), self.text.received_at, kind, "contact", &source).because(&self.text.body)
    }
}
