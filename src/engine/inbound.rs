//! A parent's own text becomes a decision: stored, understood, acted on and answered in one commit.
//!
//! STOP beats everything and is honoured from strangers too. What may be a wish to stop holds that person's texts until
//! somebody has looked. Nothing but START or a join word brings anybody back, and where a list asks for a YES, that.
//! Answers are few: one of a kind an hour, three a day, so many a minute in all; a goodbye is outside of that.

use super::choose::choose;
use super::may_send::Revocation;
use crate::domain::campaign::Campaign;
use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind, Standing};
use crate::domain::contact::{Candidate, Contact, Internet};
use crate::domain::ids::{Id, Ids};
use crate::domain::inbound::InboundText;
use crate::domain::keyword::{Meaning, Scope, StopAsked, confirm_stop};
use crate::domain::list::{List, Listening, Reply};
use crate::domain::message::{NewMessage, Origin};
use crate::domain::text;
use jiff::{SignedDuration, Timestamp};

/// An answer later than this is no answer.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_mins(5);
/// One answer of a kind per number in this time (R-STOP: loops).
const ONE_OF_A_KIND: SignedDuration = SignedDuration::from_hours(1);
/// So far back are answers looked at, and so many are given in that time.
pub const CAPPED_OVER: SignedDuration = SignedDuration::from_hours(24);
const A_DAY: usize = 3;

/// What is known of the sender.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// The contact, if the number is known.
    pub contact: Option<Contact>,
    /// Its standing to each list it ever had to do with.
    pub standings: Vec<(String, Standing)>,
    /// The number is suppressed.
    pub suppressed: bool,
    /// Answers made for it within [`CAPPED_OVER`]: (kind, when).
    pub answered: Vec<(String, Timestamp)>,
    /// Lists for which it was asked for a YES, and when; neither joined nor left since.
    pub asked: Vec<(String, Timestamp)>,
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
    /// Those of them that have a welcome of their own.
    pub welcoming: &'a [&'a Campaign],
    /// Lists whose campaigns are all over.
    pub over: &'a [String],
    /// When the next answer may leave, by the cap on all of them.
    pub free_at: Timestamp,
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
    let mut sender = sender.clone();
    let valid = |list: &str| around.lists.iter().find(|l| l.name == list)?.confirm_within;
    sender.asked.retain(|(list, at)| valid(list).is_some_and(|within| now.duration_since(*at) <= within));
    let pending = !sender.asked.is_empty();
    let mut meaning = around.listening.understand(&text.body, opted_out && !pending, pending);
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
    let mut desk = Desk { text, sender: &sender, around, now, ids, contact, changes: Vec::new(), revoked: None };
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
        Meaning::Confirm => ("yes", false),
        Meaning::Decline => ("no", false),
        Meaning::Language(_) => ("language", false),
        Meaning::Other => ("other", true),
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
            Meaning::Confirm => self.enter(&self.asked_lists(), Reply::Welcome),
            Meaning::Decline => {
                for list in self.asked_lists() {
                    self.leave(&list.name);
                }
            }
            Meaning::Language(tag) => self.speak(tag),
            Meaning::Other if self.around.running.is_empty() => {
                self.answer(Reply::NoCampaign, self.own_list().cloned());
            }
            Meaning::Other => {}
        }
    }

    fn asked_lists(&self) -> Vec<List> {
        let asked = |l: &&List| self.sender.asked.iter().any(|(name, _)| *name == l.name);
        self.around.lists.iter().filter(asked).cloned().collect()
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
        let contact = self.contact.id;
        self.revoked = Some((contact, Revocation::Left(Some(list.to_owned()))));
        self.stand(list, Standing::Out);
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
            confirmations_sent: u32::from(self.answered_lately(Reply::Goodbye)),
            gateway_confirms: self.around.gateway_confirms,
        };
        if confirm_stop(&asked) {
            self.write(Reply::Goodbye, list);
        }
    }

    /// START brings back to the lists they left (or the only one there is); a join word to its own.
    fn join(&mut self, list: Option<&str>) {
        let mut lists: Vec<List> = if let Some(name) = list {
            self.around.lists.iter().filter(|l| l.name == name).cloned().collect()
        } else {
            let left = |l: &&List| self.sender.standings.iter().any(|(n, s)| n == &l.name && *s == Standing::Out);
            let known: Vec<List> = self.around.lists.iter().filter(left).cloned().collect();
            if known.is_empty() { self.own_list().cloned().into_iter().collect() } else { known }
        };
        let Some(first) = lists.first().cloned() else { return };
        let is_in = |name: &str| self.sender.standings.iter().any(|(n, s)| n == name && *s == Standing::In);
        lists.retain(|l| self.sender.suppressed || !is_in(&l.name));
        if lists.is_empty() {
            return self.answer(Reply::AlreadyIn, Some(first));
        }
        let (to_ask, to_enter): (Vec<List>, Vec<List>) = lists.into_iter().partition(|l| l.confirm_within.is_some());
        if let Some(first) = to_enter.first() {
            let over = self.around.over.contains(&first.name);
            self.enter(&to_enter, if over { Reply::TooLate } else { Reply::Welcome });
        }
        if !to_ask.is_empty() && self.may_answer(Reply::Confirm) {
            self.ask(&to_ask);
        }
    }

    /// One question, and YES to it is the consent. Whoever had left stays left until then.
    fn ask(&mut self, lists: &[List]) {
        for list in lists {
            let known = self.sender.standings.iter().any(|(n, _)| *n == list.name);
            if !known {
                self.stand(&list.name, Standing::Pending);
            }
            self.record(EventKind::Asked, Some(&list.name), Some(&list.wording_version));
        }
        self.answer(Reply::Confirm, lists.first().cloned());
    }

    fn stand(&mut self, list: &str, standing: Standing) {
        let (contact, list, at) = (self.contact.id, list.to_owned(), self.text.received_at);
        self.changes.push(Change::StandingSet { contact, list, standing, unless_out: false, at });
    }

    fn enter(&mut self, lists: &[List], reply: Reply) {
        let contact = self.contact.id;
        self.changes.push(Change::SuppressionLifted { contact });
        if self.contact.held_for.is_some() {
            self.changes.push(Change::HeldForReview { contact, reason: None });
        }
        for list in lists {
            self.stand(&list.name, Standing::In);
            self.record(EventKind::OptedIn, Some(&list.name), Some(&list.wording_version));
        }
        let first = lists.first();
        match first.filter(|_| reply == Reply::Welcome).and_then(|list| self.true_now(&list.name)) {
            Some((said, until)) if self.may_answer(reply) => self.say(reply, said, until),
            Some(_) => {}
            None => self.answer(reply, first.cloned()),
        }
    }

    /// The welcome of a running campaign, and until when it is true.
    fn true_now(&self, list: &str) -> Option<(String, Timestamp)> {
        let contact = Contact { held_for: None, ..self.contact.clone() };
        let who = Candidate { contact, standing: Standing::In, suppressed: false, done: false };
        self.around.welcoming.iter().filter(|campaign| campaign.list == list).find_map(|campaign| {
            let (step, until) = campaign.welcome(self.now)?;
            Some((choose(campaign, step, &campaign.context(), &who).ok()?.text, until))
        })
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
        self.change(Contact { internet, ..self.contact.clone() });
        self.answer(reply, self.own_list().cloned());
    }

    fn speak(&mut self, tag: &str) {
        self.change(Contact { language: Some(tag.to_owned()), ..self.contact.clone() });
        self.answer(Reply::Language, self.own_list().cloned());
    }

    fn change(&mut self, contact: Contact) {
        if self.contact != contact {
            self.contact = contact.clone();
            self.changes.push(Change::ContactChanged(contact));
            self.record(EventKind::Changed, None, None);
        }
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

    fn answered_lately(&self, reply: Reply) -> bool {
        let lately = |at: &Timestamp| self.now.duration_since(*at) <= ONE_OF_A_KIND;
        self.sender.answered.iter().any(|(kind, at)| kind == reply.as_str() && lately(at))
    }

    /// Within the caps? Who joins is welcomed once a day, however many answers there were before.
    fn may_answer(&self, reply: Reply) -> bool {
        let given = self.sender.answered.iter().filter(|(kind, _)| kind != Reply::Goodbye.as_str());
        let first = !given.clone().any(|(kind, _)| kind == reply.as_str());
        let joins = matches!(reply, Reply::Welcome | Reply::TooLate | Reply::Confirm);
        !self.answered_lately(reply) && (given.count() < A_DAY || (joins && first))
    }

    fn answer(&mut self, reply: Reply, list: Option<List>) {
        if self.may_answer(reply) {
            self.write(reply, list);
        }
    }

    fn write(&mut self, reply: Reply, list: Option<List>) {
        let Some(said) = list.as_ref().and_then(|l| l.reply(reply, self.contact.language.as_deref())) else { return };
        self.say(reply, text::clean(said, false), Timestamp::MAX);
    }

    /// Nothing of it leaves at or after `until`.
    fn say(&mut self, reply: Reply, said: String, until: Timestamp) {
        let Ok(in_time) = self.text.received_at.checked_add(ANSWER_WITHIN) else { return };
        let not_before = if reply == Reply::Goodbye { self.now } else { self.around.free_at.max(self.now) };
        // In a rush who joins waits for the welcome; any other answer that would come too late is none.
        let waits = matches!(reply, Reply::Welcome | Reply::TooLate | Reply::Confirm) && self.now < in_time;
        let not_after = if waits { not_before.saturating_add(ANSWER_WITHIN).unwrap_or(in_time) } else { in_time };
        let not_after = not_after.min(until);
        if not_before >= not_after {
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
            not_before,
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
