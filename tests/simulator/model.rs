//! The model store: what `src/store` promises, in plain collections. Every statement has its twin here, guards and all;
//! `tests/store/same.rs` holds the two together with lists of operations, random ones and those of simulated campaigns.
//!
//! What it leaves out: erasure, backups, how a number is hashed. A decision that the real store would refuse with an
//! error (a move off the chart, a message to nobody) is a panic here: no run may come there.

use super::rows::{Broadcast, CampaignLine, Inbound, Message, Worker};
use super::workers::{Fenced, KEPT_FOR, Shared};
use jiff::Timestamp;
use ringround::domain::broadcast::{Fate, Occurrence};
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::consent::{Event, Standing};
use ringround::domain::contact::Contact;
use ringround::domain::ids::{Id, Ids};
use ringround::domain::message::{Claimed, Edge, NewMessage, Origin, State};
use ringround::domain::report::{DeliveryReport, StrayReport};
use ringround::engine::may_send::{Facts, WIRE_SLACK, may_send};
use ringround::store::{ClaimRequest, Swept, Turn};
use std::collections::{BTreeMap, BTreeSet};

/// Instants are kept as milliseconds.
pub fn ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap()
}

/// What a message is found by: state, when it may leave, until when, when it is looked at again.
type Indexed = (State, Timestamp, Timestamp, Option<Timestamp>);

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub contacts: BTreeMap<Id, Contact>,
    pub by_phone: BTreeMap<String, Id>,
    /// By list and contact.
    pub consents: BTreeMap<(String, Id), (Standing, Timestamp)>,
    /// Numbers that must not be texted: (why, since).
    pub suppressions: BTreeMap<String, (String, Timestamp)>,
    pub events: BTreeMap<Id, Event>,
    /// Ids of events in the order in which they were written.
    pub ledger: Vec<Id>,
    pub inbounds: BTreeMap<(String, String), Inbound>,
    /// The gateway's ids of inbound texts in the order in which they were stored.
    pub stored: Vec<String>,
    pub campaigns: BTreeMap<String, CampaignLine>,
    pub pauses: BTreeMap<&'static str, (String, Timestamp)>,
    pub dones: BTreeSet<(Id, String)>,
    pub broadcasts: BTreeMap<Id, Broadcast>,
    fired: BTreeSet<(String, String, String, u8)>,
    pub passed_over: BTreeMap<(Id, &'static str), i64>,
    pub messages: BTreeMap<Id, Message>,
    once: BTreeSet<(Id, Id)>,
    one_answer: BTreeSet<(Id, &'static str)>,
    pub reports: Vec<DeliveryReport>,
    reported: BTreeSet<(String, String)>,
    pub polled: BTreeMap<String, String>,
    pub workers: BTreeMap<i64, Worker>,
    pub lines: BTreeMap<String, Shared>,
    pub strays: BTreeMap<Id, StrayReport>,
    pub handles: BTreeMap<String, Id>,
    /// The last hour that the database has seen.
    pub seen: Option<Timestamp>,
    pub next_id: Id,
    pub epoch: i64,
    /// Queued messages by deadline, and by when they may leave.
    pub(super) by_end: BTreeSet<(Timestamp, Id)>,
    pub(super) by_start: BTreeSet<(Timestamp, Id)>,
    pub(super) held: BTreeSet<(Timestamp, Id)>,
    pub(super) doubts: BTreeSet<(Timestamp, Id)>,
    pub(super) unreported: BTreeSet<(Timestamp, Id)>,
    pub submitting: BTreeSet<Id>,
    /// Every edge passed, in order; E1 has none.
    pub passed: Vec<(Id, Edge)>,
    /// Grows with every change to a contact, its standing, suppression or review.
    pub touched: BTreeMap<Id, u64>,
}

impl Model {
    /// A new database.
    pub fn new() -> Self {
        Self { next_id: 1, ..Self::default() }
    }

    /// Writes decisions; says for each whether its guard held.
    pub fn commit(&mut self, decisions: &[Decision], now: Timestamp) -> Vec<bool> {
        let mut apply = |Decision(changes): &Decision| {
            for (at, change) in changes.iter().enumerate() {
                let rows = self.write(change, now);
                if at == 0 && rows == 0 {
                    return false;
                }
            }
            true
        };
        decisions.iter().map(&mut apply).collect()
    }

    fn write(&mut self, change: &Change, now: Timestamp) -> u64 {
        match change {
            Change::ContactAdded(contact) => self.add_contact(contact),
            Change::ContactChanged(contact) => self.contacts.get_mut(&contact.id).map_or(0, |row| {
                *self.touched.entry(contact.id).or_default() += 1;
                *row = Contact { held_for: row.held_for.take(), phone: row.phone.clone(), ..contact.clone() };
                1
            }),
            Change::HeldForReview { contact, reason } => self.contacts.get_mut(contact).map_or(0, |row| {
                let differs = row.held_for != *reason;
                *self.touched.entry(*contact).or_default() += u64::from(differs);
                row.held_for.clone_from(reason);
                u64::from(differs)
            }),
            Change::StandingSet { contact, list, standing, unless_out, at } => {
                self.stand(*contact, list, *standing, *unless_out, *at)
            }
            Change::LeftAllLists { contact, at } => {
                let of = self.consents.iter_mut().filter(|((_, c), (s, _))| c == contact && *s != Standing::Out);
                let rows = of.map(|(_, row)| *row = (Standing::Out, ms(*at))).count() as u64;
                *self.touched.entry(*contact).or_default() += rows;
                rows
            }
            Change::Suppressed { contact, reason, at } => self.suppress(*contact, reason, *at),
            Change::SuppressionLifted { contact } => {
                let phone = self.contacts.get(contact).map(|c| c.phone.e164().to_owned());
                let lifted = u64::from(phone.is_some_and(|phone| self.suppressions.remove(&phone).is_some()));
                *self.touched.entry(*contact).or_default() += lifted;
                lifted
            }
            Change::DoneSaid { contact, campaign, at: _ } => {
                *self.touched.entry(*contact).or_default() += 1;
                u64::from(self.dones.insert((*contact, campaign.clone())))
            }
            Change::Recorded(event) => self.record(event),
            Change::InboundReceived { text, contact, meaning, needs_person } => {
                let key = (text.gateway.clone(), text.gateway_id.clone());
                if self.inbounds.contains_key(&key) {
                    return 0;
                }
                let row = Inbound {
                    text: text.clone(),
                    contact: *contact,
                    meaning,
                    needs_person: *needs_person,
                    closed_at: None,
                };
                self.stored.push(key.1.clone());
                self.inbounds.insert(key, row);
                1
            }
            Change::Import(_) => 1, // what is kept of it decides nothing here
            Change::InboundClosed { inbound, at } => {
                let waiting = self.inbounds.values_mut().find(|row| row.text.id == *inbound && row.needs_person);
                waiting.map_or(0, |row| {
                    (row.needs_person, row.closed_at) = (false, Some(ms(*at)));
                    1
                })
            }
            Change::CampaignApplied { id, list, source, revision, at: _ } => self.apply(id, list, source, *revision),
            Change::CampaignSteered { id, from, to, at: _ } => {
                let row = self.campaigns.get_mut(id).filter(|row| from.contains(&row.state));
                row.map_or(0, |row| {
                    (row.state, row.revision) = (*to, row.revision + 1);
                    1
                })
            }
            Change::CursorMoved { campaign, to } => {
                let row = self.campaigns.get_mut(campaign).filter(|row| row.planned_until < ms(*to));
                row.map_or(0, |row| {
                    row.planned_until = ms(*to);
                    1
                })
            }
            Change::BroadcastOpened { id, campaign, occurrence, fate, reason: _, at } => {
                self.open(*id, campaign, occurrence, *fate, *at)
            }
            Change::BroadcastFilled { id, from, to, last } => {
                let row = self.broadcasts.get_mut(id).filter(|b| b.filled_to == *from && b.fate == Fate::Filling);
                row.map_or(0, |row| {
                    row.filled_to = *to;
                    row.fate = if *last { Fate::Filled } else { Fate::Filling };
                    1
                })
            }
            Change::PassedOver { broadcast, reason, people } => {
                *self.passed_over.entry((*broadcast, *reason)).or_default() += people;
                1
            }
            Change::Paused { pause, reason, at } => {
                let free = !self.pauses.contains_key(pause.as_str());
                self.pauses.entry(pause.as_str()).or_insert_with(|| (reason.clone(), ms(*at)));
                u64::from(free)
            }
            Change::Resumed { pause } => u64::from(self.pauses.remove(pause.as_str()).is_some()),
            Change::PolledTo { gateway, cursor } => {
                self.polled.insert(gateway.clone(), cursor.clone());
                1
            }
            Change::MessagesQueued(messages) => messages.iter().map(|m| self.queue(m, now)).sum(),
            Change::MessageMoved(moved) => self.move_one(moved),
            Change::WaitingCancelled { contact, list, reason, at } => {
                let mine = |m: &Message| {
                    let all_but_goodbye = list.is_none() && m.new.reply != Some("goodbye");
                    m.new.contact == *contact && (all_but_goodbye || (list.is_some() && m.new.list == *list))
                };
                self.cancel(mine, reason, *at)
            }
            Change::CampaignCancelled { campaign, reason, at } => {
                self.cancel(|m| m.new.campaign.as_ref() == Some(campaign), reason, *at)
            }
            Change::DoubtAsked { message, asked, absent, again_at } => {
                let Some(row) = self.messages.get(message) else { return 0 };
                if row.state != State::InDoubt || row.ask_at != Some(ms(*asked)) {
                    return 0;
                }
                self.change(*message, |row| (row.absent, row.ask_at) = (*absent, Some(ms(*again_at))));
                1
            }
            Change::ReportStored(report) => {
                let new = self.reported.insert((report.gateway.clone(), report.fingerprint.clone()));
                if new {
                    self.reports.push(report.clone());
                }
                u64::from(new)
            }
            Change::StrayKept(stray) => self.keep_stray(stray),
            Change::StrayJoined { stray } => u64::from(self.strays.remove(stray).is_some()),
            Change::HandleKept { gateway_id, message } => {
                let new = !self.handles.contains_key(gateway_id);
                self.handles.entry(gateway_id.clone()).or_insert(*message);
                u64::from(new)
            }
        }
    }

    pub(super) fn record(&mut self, event: &Event) -> u64 {
        assert!(self.events.insert(event.id, event.clone()).is_none(), "an event's id is given out once");
        self.ledger.push(event.id);
        1
    }

    fn add_contact(&mut self, contact: &Contact) -> u64 {
        if self.by_phone.contains_key(contact.phone.e164()) {
            return 0;
        }
        self.by_phone.insert(contact.phone.e164().to_owned(), contact.id);
        assert!(self.contacts.insert(contact.id, contact.clone()).is_none(), "a contact's id is given out once");
        1
    }

    fn stand(&mut self, contact: Id, list: &str, standing: Standing, unless_out: bool, at: Timestamp) -> u64 {
        assert!(self.contacts.contains_key(&contact), "a standing of nobody");
        let key = (list.to_owned(), contact);
        let old = self.consents.get(&key).map(|(standing, _)| *standing);
        let changes = old.is_none_or(|old| old != standing && !(unless_out && old == Standing::Out));
        if changes {
            *self.touched.entry(contact).or_default() += 1;
            self.consents.insert(key, (standing, ms(at)));
        }
        u64::from(changes)
    }

    fn suppress(&mut self, contact: Id, reason: &str, at: Timestamp) -> u64 {
        let Some(row) = self.contacts.get(&contact) else { return 0 };
        let new = !self.suppressions.contains_key(row.phone.e164());
        self.suppressions.entry(row.phone.e164().to_owned()).or_insert_with(|| (reason.to_owned(), ms(at)));
        *self.touched.entry(contact).or_default() += u64::from(new);
        u64::from(new)
    }

    fn apply(&mut self, id: &str, list: &str, source: &str, revision: i64) -> u64 {
        let (list, source) = (list.to_owned(), source.to_owned());
        if revision == 0 {
            if self.campaigns.contains_key(id) {
                return 0;
            }
            let (state, planned_until) = (CampaignState::Draft, Timestamp::UNIX_EPOCH);
            self.campaigns.insert(id.to_owned(), CampaignLine { list, source, revision: 1, state, planned_until });
            return 1;
        }
        self.campaigns.get_mut(id).filter(|row| row.revision == revision).map_or(0, |row| {
            (row.list, row.source, row.revision) = (list, source, revision + 1);
            1
        })
    }

    fn open(&mut self, id: Id, campaign: &str, occurrence: &Occurrence, fate: Fate, at: Timestamp) -> u64 {
        let key = (campaign.to_owned(), occurrence.step.clone(), occurrence.local.clone(), occurrence.pass);
        if !self.fired.insert(key) {
            return 0;
        }
        let occurrence =
            Occurrence { due_at: ms(occurrence.due_at), not_after: ms(occurrence.not_after), ..occurrence.clone() };
        let row = Broadcast { campaign: campaign.to_owned(), occurrence, fate, filled_to: 0, opened_at: ms(at) };
        assert!(self.broadcasts.insert(id, row).is_none(), "a broadcast's id is given out once");
        1
    }

    fn queue(&mut self, new: &NewMessage, now: Timestamp) -> u64 {
        assert!(self.contacts.contains_key(&new.contact), "a message to nobody");
        let free = !self.messages.contains_key(&new.id)
            && match new.origin {
                Origin::Broadcast(broadcast) => self.once.insert((broadcast, new.contact)),
                Origin::Reply(inbound) => new.reply.is_none_or(|reply| self.one_answer.insert((inbound, reply))),
                Origin::Test => true,
            };
        if free {
            let row = Message::new(new, ms(now));
            self.index(new.id, (row.state, row.not_before, row.not_after, row.ask_at), true);
            self.messages.insert(new.id, row);
        }
        u64::from(free)
    }

    fn move_one(&mut self, moved: &MessageMove) -> u64 {
        let edge = Edge::between(moved.from, moved.to).filter(|edge| *edge != Edge::Claim);
        let edge = edge.expect("a move that the chart of states has");
        let Some(row) = self.messages.get(&moved.id) else { return 0 };
        let holds = row.state == moved.from
            && moved.epoch.is_none_or(|epoch| row.epoch == epoch)
            && moved.asked.is_none_or(|asked| row.ask_at == Some(ms(asked)));
        if !holds {
            return 0;
        }
        self.passed.push((moved.id, edge));
        self.change(moved.id, |row| {
            row.state = moved.to;
            row.reason.clone_from(&moved.reason);
            row.gateway_id = moved.gateway_id.clone().or(row.gateway_id.take());
            if let (State::Queued, Some(at)) = (moved.to, moved.next_at) {
                row.not_before = ms(at);
            }
            // What goes out again under the same id keeps the end of its window there until it has left.
            row.ask_at = match (moved.from, moved.to) {
                (State::Submitting, State::Queued) => row.ask_at,
                (_, State::InDoubt | State::Accepted) => moved.next_at.map(ms),
                (_, State::Queued) => moved.repeat_until.map(ms),
                _ => None,
            };
            row.new.may_resend &= !moved.by_policy;
            if moved.from == State::Submitting {
                row.answered_at = Some(ms(moved.at));
            }
            row.ended_at = moved.to.is_final().then_some(ms(moved.at));
            if moved.to == State::InDoubt {
                row.absent = 0;
            }
        });
        // A STOP that came while somebody had the text in their hands found nothing to cancel.
        if moved.to == State::Queued && self.has_left(&self.messages[&moved.id]) {
            self.cancel_one(moved.id, "STOP", moved.at);
        }
        1
    }

    /// Have they left the list that it is for?
    pub fn has_left(&self, row: &Message) -> bool {
        let key = row.new.list.clone().map(|list| (list, row.new.contact));
        key.and_then(|key| self.consents.get(&key)).is_some_and(|(standing, _)| *standing == Standing::Out)
    }

    fn cancel(&mut self, mine: impl Fn(&Message) -> bool, reason: &str, at: Timestamp) -> u64 {
        let waiting = self.by_end.iter().chain(&self.held).map(|(_, id)| *id);
        let found: Vec<Id> = waiting.filter(|id| self.messages.get(id).is_some_and(&mine)).collect();
        for id in &found {
            self.cancel_one(*id, reason, at);
        }
        found.len() as u64
    }

    /// One that waited to be sent again under the same id may have arrived the first time.
    fn cancel_one(&mut self, id: Id, reason: &str, at: Timestamp) {
        if self.messages[&id].ask_at.is_some() {
            return self.doubt_repeat(id, &format!("{reason}, before it could be sent again"), at);
        }
        self.end(id, State::Cancelled, at, |row| row.reason = Some(reason.to_owned()));
    }

    /// Edge E13.
    fn end(&mut self, id: Id, to: State, at: Timestamp, and: impl FnOnce(&mut Message)) {
        self.passed.push((id, Edge::Drop));
        self.change(id, |row| {
            (row.state, row.ended_at) = (to, Some(ms(at)));
            and(row);
        });
    }

    /// The one place where a message changes: the indexes follow.
    pub fn change(&mut self, id: Id, how: impl FnOnce(&mut Message)) {
        let Some(row) = self.messages.get_mut(&id) else { return };
        let before = (row.state, row.not_before, row.not_after, row.ask_at);
        how(row);
        let after = (row.state, row.not_before, row.not_after, row.ask_at);
        self.index(id, before, false);
        self.index(id, after, true);
    }

    fn index(&mut self, id: Id, (state, start, end, ask_at): Indexed, add: bool) {
        let put = |set: &mut BTreeSet<(Timestamp, Id)>, at: Timestamp| {
            if add {
                set.insert((at, id))
            } else {
                set.remove(&(at, id))
            };
        };
        match (state, ask_at) {
            (State::Queued, _) => {
                put(&mut self.by_end, end);
                put(&mut self.by_start, start);
            }
            (State::Held, _) => put(&mut self.held, end),
            (State::InDoubt, Some(at)) => put(&mut self.doubts, at),
            (State::Accepted, Some(at)) => put(&mut self.unreported, at),
            (State::Submitting, _) => {
                if add {
                    self.submitting.insert(id)
                } else {
                    self.submitting.remove(&id)
                };
            }
            _ => {}
        }
    }

    /// The lease renewed, outcomes recorded and the next messages claimed, in one transaction.
    pub fn turn(&mut self, outcomes: &[Decision], request: &ClaimRequest, now: Timestamp) -> Result<Turn, Fenced> {
        self.renew(request.epoch, now)?;
        let applied = self.commit(outcomes, now);
        if request.limit == 0 {
            return Ok(Turn { applied, ..Turn::default() });
        }
        Ok(match self.line(&request.line, now) {
            Err(free_at) => Turn { applied, claimed: Vec::new(), line_free_at: Some(free_at) },
            Ok((starts, line)) => {
                let claimed = self.claim(request, starts.min(request.limit), now);
                Turn { applied, claimed: self.starts(&request.line, line, claimed), line_free_at: None }
            }
        })
    }

    fn claim(&mut self, request: &ClaimRequest, limit: usize, now: Timestamp) -> Vec<Claimed> {
        let (mut replies, mut broadcasts) = (Vec::new(), Vec::new());
        for (_, id) in &self.by_end {
            let row = &self.messages[id];
            let claimable = self.claimable(row, request, now);
            self.agree(row, request, now, claimable);
            if claimable {
                if row.new.list.is_none() { &mut replies } else { &mut broadcasts }.push(*id);
            }
        }
        let ids: Vec<Id> = replies.into_iter().chain(broadcasts).take(limit).collect();
        ids.into_iter().map(|id| self.take(id, request.epoch, now)).collect()
    }

    /// What the two claim statements ask, read off them.
    fn claimable(&self, row: &Message, request: &ClaimRequest, now: Timestamp) -> bool {
        let in_window = row.not_before <= ms(now) && row.not_after > ms(request.latest);
        let contact = &self.contacts[&row.new.contact];
        let suppressed = self.suppressions.contains_key(contact.phone.e164());
        let allowed = match (&row.new.list, &row.new.campaign) {
            (None, _) => !(row.new.reply == Some("test") && suppressed),
            (Some(_), None) => false,
            (Some(list), Some(campaign)) => {
                let standing = self.consents.get(&(list.clone(), row.new.contact)).map(|(standing, _)| *standing);
                standing == Some(Standing::In)
                    && contact.held_for.is_none()
                    && self.campaigns.get(campaign).is_some_and(|c| c.state == CampaignState::Running)
                    && !request.quiet.contains(campaign)
                    && !suppressed
            }
        };
        in_window && allowed && self.pauses.is_empty()
    }

    /// The law and the claim are one: `engine::may_send` says the same of every message that waits (a test asks for no
    /// consent, and is not in that law).
    fn agree(&self, row: &Message, request: &ClaimRequest, now: Timestamp, claimable: bool) {
        if matches!(row.new.reply, Some("test" | "person")) || request.latest != now + WIRE_SLACK {
            return;
        }
        let contact = &self.contacts[&row.new.contact];
        let is_reply = row.new.list.is_none();
        let campaign = row.new.campaign.as_ref();
        let consent = row.new.list.as_ref().and_then(|list| self.consents.get(&(list.clone(), row.new.contact)));
        let facts = Facts {
            state: row.state,
            is_reply,
            standing: consent.map(|(standing, _)| *standing),
            suppressed: self.suppressions.contains_key(contact.phone.e164()),
            paused: !self.pauses.is_empty(),
            in_review: contact.held_for.is_some(),
            running: is_reply
                || campaign.and_then(|c| self.campaigns.get(c)).is_some_and(|c| c.state == CampaignState::Running),
            quiet: campaign.is_some_and(|c| request.quiet.contains(c)),
            not_before: row.not_before,
            not_after: row.not_after,
        };
        assert_eq!(may_send(&facts, ms(now)), claimable, "engine::may_send and the claim: {facts:?}");
    }

    fn take(&mut self, id: Id, epoch: i64, now: Timestamp) -> Claimed {
        self.passed.push((id, Edge::Claim));
        self.change(id, |row| {
            (row.state, row.epoch, row.claimed_at) = (State::Submitting, epoch, Some(ms(now)));
            row.attempts += 1;
        });
        let row = &self.messages[&id];
        Claimed {
            id,
            contact: row.new.contact,
            phone: self.contacts[&row.new.contact].phone.clone(),
            list: row.new.list.clone(),
            is_reply: row.new.reply.is_some_and(|reply| !matches!(reply, "test" | "person")),
            text: row.new.text.clone(),
            not_after: row.not_after,
            attempt: row.attempts,
            repeat_until: row.ask_at,
        }
    }

    /// E13 for all past its deadline (E22 for what may have arrived already), and an end for what was never reported.
    pub fn sweep(&mut self, now: Timestamp) -> Swept {
        let doubted = self.doubt_late_repeats(now);
        let past = |set: &BTreeSet<(Timestamp, Id)>| -> Vec<Id> {
            set.iter().take_while(|(at, _)| *at <= ms(now)).map(|(_, id)| *id).collect()
        };
        let expired: Vec<Id> = past(&self.by_end).into_iter().chain(past(&self.held)).collect();
        for id in &expired {
            self.end(*id, State::Expired, now, |row| {
                row.reason = row.reason.take().or(Some("its deadline came before it could leave".to_owned()));
            });
        }
        let closed = past(&self.unreported);
        for id in &closed {
            self.change(*id, |row| {
                row.reason = Some("no_report".to_owned());
                (row.ended_at, row.ask_at) = (Some(ms(now)), None);
            });
        }
        let before = self.strays.len();
        self.strays.retain(|_, stray| stray.received_at > now - KEPT_FOR);
        let (expired, closed) = (expired.len() as u64, closed.len() as u64);
        Swept { expired, closed, doubted, forgotten: (before - self.strays.len()) as u64 }
    }

    fn doubt_late_repeats(&mut self, now: Timestamp) -> u64 {
        let late = self.by_end.iter().take_while(|(at, _)| *at <= ms(now)).map(|(_, id)| *id);
        let repeats: Vec<Id> = late.filter(|id| self.messages[id].ask_at.is_some()).collect();
        for id in &repeats {
            self.doubt_repeat(*id, "its deadline came before it could be sent again", now);
        }
        repeats.len() as u64
    }

    /// Edge E22.
    fn doubt_repeat(&mut self, id: Id, why: &str, now: Timestamp) {
        self.passed.push((id, Edge::Restored));
        self.change(id, |row| {
            (row.state, row.answered_at) = (State::InDoubt, Some(ms(now)));
            (row.ask_at, row.absent) = (Some(ms(now)), 0);
            row.reason = Some(why.to_owned());
        });
    }

    /// Reserves a block of ids.
    pub fn ids(&mut self, count: i64) -> Ids {
        let first = self.next_id;
        self.next_id += count;
        Ids::new(first..self.next_id)
    }
}
