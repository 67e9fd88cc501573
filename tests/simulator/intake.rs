//! The shell's receiver: what a gateway hands over is remembered, stored, and only then acknowledged.

use super::model::Model;
use super::sim::{Fail, Post, Sim, Who};
use super::tally::Fault;
use super::world::{Callback, Said};
use jiff::{SignedDuration, Timestamp};
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision};
use ringround::domain::ids::{Id, Ids};
use ringround::domain::inbound::InboundText;
use ringround::domain::message::State;
use ringround::domain::phone::Phone;
use ringround::domain::report::{DeliveryReport, StrayReport};
use ringround::engine::may_send::Revocation;
use ringround::engine::{inbound, report};
use std::collections::{BTreeMap, BTreeSet};

pub const GATEWAY: &str = "simulated";
const TRIES: usize = 3;
const ANSWERS: usize = 30;
const ANSWERS_OVER: SignedDuration = SignedDuration::from_mins(1);
/// A revocation this old is in the store for certain.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// What the parts of a process share in memory, as `app::desk` does: ids in stock, and who has just revoked.
#[derive(Debug)]
pub struct Memory {
    pub ids: Ids,
    revoked: BTreeMap<Id, Vec<(Revocation, Option<Timestamp>)>>,
    /// Texts about which a report came while they were claimed.
    arrived: BTreeMap<Id, Timestamp>,
    /// Nobody answers at the gateway.
    pub away: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self { ids: Ids::new(0..0), revoked: BTreeMap::new(), arrived: BTreeMap::new(), away: false }
    }
}

impl Memory {
    /// Did a report come about this text since it was claimed?
    pub fn has_arrived(&self, message: Id, claimed_at: Timestamp) -> bool {
        self.arrived.get(&message).is_some_and(|at| *at >= claimed_at)
    }

    pub fn revoke(&mut self, contact: Id, revocation: Revocation) {
        self.revoked.entry(contact).or_default().push((revocation, None));
    }

    pub fn revoked(&mut self, contacts: &[Id], now: Timestamp) {
        for contact in contacts {
            for (_, at) in self.revoked.get_mut(contact).into_iter().flatten() {
                *at = at.or(Some(now));
            }
        }
        self.revoked.retain(|_, some| {
            some.retain(|(_, at)| at.is_none_or(|at| now.duration_since(at) < REMEMBERED));
            !some.is_empty()
        });
    }

    pub fn revoked_since(&self, contact: Id, claimed_at: Timestamp, list: Option<&str>) -> Option<Revocation> {
        let since = self.revoked.get(&contact)?.iter().filter(|(_, at)| at.is_none_or(|at| at >= claimed_at));
        let covering = since.map(|(revocation, _)| revocation).filter(|revocation| revocation.covers(list));
        covering.min_by_key(|revocation| matches!(revocation, Revocation::Review)).cloned()
    }
}

enum Looked {
    Nothing,
    /// Stored already; of whom. Its commit may have been thought to have failed.
    Repeat(Option<Id>),
    Decided(Decision, Option<(Id, Revocation)>),
}

impl Sim {
    /// Takes what waits: many things in one commit, whatever conflicts once more by itself.
    pub fn take_in(&mut self, who: Who) -> Result<bool, Fail> {
        let waiting = self.hands[who.w].mail.len().min(8);
        if self.hands[who.w].process.is_none() || waiting == 0 {
            return Ok(false);
        }
        let posts: Vec<Post> = self.hands[who.w].mail.drain(..waiting).collect();
        match self.take(who, &posts) {
            Ok(()) => {
                for post in posts {
                    self.acknowledge(post);
                }
                Ok(true)
            }
            Err(fail) => {
                for post in posts {
                    self.refuse(post); // the gateway is told to come again, or hears nothing at all
                }
                Err(fail)
            }
        }
    }

    fn take(&mut self, who: Who, posts: &[Post]) -> Result<(), Fail> {
        let (mut decisions, mut waiting, mut singly) = (Vec::new(), Vec::new(), Vec::new());
        let (mut revoked, mut senders) = (Vec::new(), BTreeSet::new());
        let mut lately = self.model.last_answers(ANSWERS);
        for (at, post) in posts.iter().enumerate() {
            if matches!(&post.callback, Callback::Text { from, .. } if !senders.insert(from.clone())) {
                singly.push(at);
                continue;
            }
            match self.look(who, &post.callback, &mut lately)? {
                Looked::Nothing => {}
                Looked::Repeat(contact) => revoked.extend(contact.filter(|_| super::fixes::REPEAT)),
                Looked::Decided(decision, revocation) => {
                    revoked.extend(self.remember(who, revocation));
                    decisions.push(decision);
                    waiting.push(at);
                }
            }
        }
        let now = self.own_now(who);
        let held = if decisions.is_empty() { Vec::new() } else { self.commit(who, decisions, now)? };
        singly.extend(waiting.iter().zip(held).filter(|(_, held)| !held).map(|(at, _)| *at));
        singly.sort_unstable();
        for at in singly {
            self.take_one(who, &posts[at].callback, &mut revoked, &mut lately)?;
        }
        let now = self.own_now(who);
        self.memory(who).revoked(&revoked, now);
        Ok(())
    }

    fn take_one(
        &mut self,
        who: Who,
        callback: &Callback,
        all: &mut Vec<Id>,
        lately: &mut Vec<Timestamp>,
    ) -> Result<(), Fail> {
        for _ in 0..TRIES {
            let (decision, revoked) = match self.look(who, callback, lately)? {
                Looked::Nothing => return Ok(()),
                Looked::Repeat(contact) => {
                    all.extend(contact.filter(|_| super::fixes::REPEAT));
                    return Ok(());
                }
                Looked::Decided(decision, revoked) => (decision, revoked),
            };
            all.extend(self.remember(who, revoked));
            let only_stored = matches!(decision.0.first(), Some(Change::ReportStored(_) | Change::StrayKept(_)));
            let now = self.own_now(who);
            if self.commit(who, vec![decision], now)? == [true] || only_stored {
                return Ok(());
            }
        }
        Err(Fail::Busy)
    }

    /// Before the commit: from here on nothing of theirs leaves.
    fn remember(&mut self, who: Who, revoked: Option<(Id, Revocation)>) -> Option<Id> {
        let (contact, revocation) = revoked?;
        self.memory(who).revoke(contact, revocation);
        Some(contact)
    }

    fn look(&mut self, who: Who, callback: &Callback, lately: &mut Vec<Timestamp>) -> Result<Looked, Fail> {
        self.stock(who)?;
        match callback {
            Callback::Text { gateway_id, from, body, said } => {
                if matches!(said, Said::Stop) {
                    let phone = Phone::from_e164(from);
                    let contact = phone.and_then(|phone| self.model.contact(&phone).map(|c| c.id));
                    let claimed = |id: &Id| Some(self.model.messages[id].new.contact) == contact;
                    if self.model.submitting.iter().any(claimed) {
                        self.tally.hit(Fault::StopInFlight);
                    }
                }
                Ok(self.look_at_text(who, gateway_id, from, body, lately))
            }
            Callback::Report { .. } => Ok(self.look_at_report(who, callback)),
        }
    }

    fn look_at_text(
        &mut self,
        who: Who,
        gateway_id: &str,
        raw_from: &str,
        body: &str,
        lately: &mut Vec<Timestamp>,
    ) -> Looked {
        let now = self.own_now(who);
        if let Some(row) = self.model.inbounds.get(&(GATEWAY.to_owned(), gateway_id.to_owned())) {
            return Looked::Repeat(row.contact);
        }
        let from = self.phone(raw_from);
        let sender = from.as_ref().map(|phone| known(&self.model, phone, now)).unwrap_or_default();
        let (running, over) = self.going_on(now);
        lately.sort_unstable_by(|a, b| b.cmp(a));
        let free_at = lately.get(ANSWERS - 1).map_or(now, |at| (*at + ANSWERS_OVER).max(now));
        let settings = std::rc::Rc::clone(&self.settings);
        let ids = &mut self.memory(who).ids;
        let text = InboundText {
            id: ids.take(),
            gateway: GATEWAY.to_owned(),
            gateway_id: gateway_id.to_owned(),
            from,
            raw_from: raw_from.to_owned(),
            body: body.to_owned(),
            received_at: now,
        };
        let (lists, listening) = (&settings.lists, &settings.listening);
        let (running, over) = (&running, &over);
        let around =
            inbound::Around { lists, listening, running, welcoming: &[], over, free_at, gateway_confirms: false };
        let received = inbound::receive(&text, &sender, around, now, ids);
        for change in &received.decision.0 {
            if let Change::MessagesQueued(messages) = change {
                lately.extend(messages.iter().filter(|m| m.reply != Some("goodbye")).map(|m| m.not_before));
            }
        }
        Looked::Decided(received.decision, received.revoked)
    }

    /// Campaigns that run and are not over, and lists of which a campaign has ended and no other is to come.
    fn going_on(&self, now: Timestamp) -> (Vec<(String, String)>, Vec<String>) {
        let (mut running, mut over, mut to_come) = (Vec::new(), Vec::new(), Vec::new());
        for (id, row) in &self.model.campaigns {
            let end = self.ends.get(id).copied().flatten();
            match row.state {
                CampaignState::Running if end.is_some_and(|end| end <= now) => over.push(row.list.clone()),
                CampaignState::Running => running.push((id.clone(), row.list.clone())),
                CampaignState::Draft | CampaignState::Paused => to_come.push(row.list.clone()),
                CampaignState::Cancelled => {}
            }
        }
        over.retain(|list| !to_come.contains(list) && !running.iter().any(|(_, other)| other == list));
        (running, over)
    }

    fn look_at_report(&mut self, who: Who, callback: &Callback) -> Looked {
        let Callback::Report { reference, gateway_id, status, detail, opted_out } = callback else {
            return Looked::Nothing;
        };
        let now = self.own_now(who);
        let fingerprint = format!("{reference} {} {detail}", status.as_str());
        let found = self.mint.message(reference).and_then(|id| Some((id, self.model.messages.get(&id)?)));
        let Some((message, row)) = found else {
            // About a text that is not known yet, or no more. A reference that we never made is nothing of ours.
            if !self.mint.is_ours(reference) {
                return Looked::Nothing;
            }
            let stray = StrayReport {
                id: self.memory(who).ids.take(),
                gateway: GATEWAY.to_owned(),
                fingerprint,
                gateway_id: gateway_id.clone(),
                status: *status,
                detail: detail.clone(),
                opted_out: *opted_out,
                received_at: now,
            };
            return Looked::Decided(Change::StrayKept(stray).into(), None);
        };
        let (state, contact) = (row.state, row.new.contact);
        let within = self.plan.report_within;
        if state == State::Submitting {
            self.memory(who).arrived.insert(message, now);
        }
        let ids = &mut self.memory(who).ids;
        let stored = DeliveryReport {
            id: ids.take(),
            gateway: GATEWAY.to_owned(),
            fingerprint,
            message,
            contact,
            gateway_id: Some(gateway_id.clone()),
            status: *status,
            detail: detail.clone(),
            opted_out: *opted_out,
            received_at: now,
        };
        let decision = report::report(&stored, state, within, now, ids);
        Looked::Decided(decision, opted_out.then_some((contact, Revocation::Left(None))))
    }
}

/// What is known of a sender.
fn known(model: &Model, phone: &Phone, now: Timestamp) -> inbound::Sender {
    let suppressed = model.suppressions.contains_key(phone.e164());
    let Some(contact) = model.contact(phone) else {
        return inbound::Sender { suppressed, ..inbound::Sender::default() };
    };
    inbound::Sender {
        standings: model.standings(contact.id),
        answered: model.answered(contact.id, now - inbound::CAPPED_OVER),
        asked: Vec::new(), // no list of these asks for a YES
        contact: Some(contact.clone()),
        suppressed,
    }
}
