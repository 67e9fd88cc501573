//! The judge: what must hold of every campaign, looked at from outside.
//!
//! | | where |
//! |---|---|
//! | I1 at most once | here: per reference, and per person and occurrence, by the gateway's own book |
//! | I2 nothing lost | here: everybody on a page has a text or is counted; nothing is left without an end or an owner |
//! | I3 the books tell the truth | here: each state against the gateway's book |
//! | I4 written before sent | here: at each request the store holds this attempt, in this epoch, as `submitting` |
//! | I5 one run per tick | here: each occurrence up to the cursor has one broadcast |
//! | I6 consent | here: by what was said and acknowledged, and by the ledger |
//! | I7 windows | here: by the worker's clock when it leaves, by the true one when it arrives |
//! | I8 caps | there are none yet |
//! | I9 order-free reports | here: the end is that of the set of reports, in every order |
//! | I10 one event per change | `tests/store/same.rs`: the same operations, replayed, give the same rows |
//! | I11 one effect per inbound text | here |
//! | I12 nothing leaks | `tests/program`, `tests/http.rs` |
//! | I13 database sound | `real.rs`: SQLite's own checks after a sample of its runs |
//! | I14 it ends | here: at the end nothing waits, is on its way, or in doubt |
//! | I15 it is said | here: states add up to all messages |
//! | I16 money | here: parts booked against the texts that were handed over |
//! | I17 fencing | here: with I4, a worker whose lease is gone hands nothing over |
//! | I18 no ghost sender | `tests/store/opening.rs` |
//! | I19 shape of requests | here: one per attempt, not faster than the rate, not more at once |
//! | I20 identity | here: no reference twice, not after a restore either |

use super::model::Model;
use super::seed::Class;
use super::shell::Process;
use super::sim::{Sim, Who};
use super::world::{Said, Submission, Taken};
use jiff::{SignedDuration, Timestamp};
use ringround::domain::broadcast::Fate;
use ringround::domain::campaign::{Campaign, CampaignState};
use ringround::domain::consent::{EventKind, Standing};
use ringround::domain::contact::Candidate;
use ringround::domain::ids::Id;
use ringround::domain::message::{Claimed, Edge, Origin, State};
use ringround::domain::reference::Mint;
use ringround::domain::template::Context;
use ringround::domain::text;
use ringround::engine::may_send::WIRE_SLACK;
use ringround::engine::plan;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// One request as it left.
#[derive(Clone, Debug)]
struct Wire {
    reference: String,
    message: Id,
    to: String,
    parts: u32,
    /// Campaign, step, local time, pass.
    occurrence: Option<(String, String, String, u8)>,
    own_at: Timestamp,
    offset: SignedDuration,
}

/// What a phone's owner wanted, as far as we have acknowledged it.
#[derive(Clone, Debug)]
struct Heard {
    gateway_id: String,
    order: usize,
    at: Timestamp,
    said: Said,
}

/// See the module's head.
pub struct Judge {
    pub violations: Vec<String>,
    mint: Mint,
    wires: Vec<Wire>,
    last_wire: BTreeMap<(usize, u32), (Timestamp, SignedDuration)>,
    names: BTreeMap<String, (Id, String)>,
    /// Sends that a policy or a person allowed beyond the first, by reference.
    allowed: BTreeMap<String, u32>,
    by_person: BTreeSet<String>,
    heard: BTreeMap<String, Vec<Heard>>,
    heard_ids: BTreeSet<String>,
    /// What was written under which of the gateway's ids, stored or not.
    written: BTreeMap<String, (String, Said)>,
    expected: Vec<(String, String, String, u8, Timestamp)>,
    on_list: BTreeMap<String, usize>,
    looked_at: BTreeMap<Id, i64>,
    doubted: BTreeSet<Id>,
    forgotten: BTreeSet<String>,
    restored: bool,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            violations: Vec::new(),
            mint: Mint::new(&[(0, 1)], [7; 32]),
            wires: Vec::new(),
            last_wire: BTreeMap::new(),
            names: BTreeMap::new(),
            allowed: BTreeMap::new(),
            by_person: BTreeSet::new(),
            heard: BTreeMap::new(),
            heard_ids: BTreeSet::new(),
            written: BTreeMap::new(),
            expected: Vec::new(),
            on_list: BTreeMap::new(),
            looked_at: BTreeMap::new(),
            doubted: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            restored: false,
        }
    }
}

impl Judge {
    pub fn broken(&mut self, invariant: &str, words: String) {
        if self.violations.len() < 20 {
            self.violations.push(format!("{invariant}: {words}"));
        }
    }

    /// Which occurrences there are to be, by the day they are due.
    pub fn expects(
        &mut self,
        campaigns: &BTreeMap<String, (Rc<Campaign>, Rc<Context>)>,
        begin: Timestamp,
        end: Timestamp,
    ) {
        for (id, (campaign, _)) in campaigns {
            for step in &campaign.steps {
                let over = end + SignedDuration::from_hours(24 * 30);
                for o in plan::occurrences(campaign, step, begin - plan::CATCH_UP, over) {
                    self.expected.push((id.clone(), o.step, o.local, o.pass, o.due_at));
                }
            }
        }
    }

    /// When the next of those is due.
    pub fn next_due(&self, campaign: &str, after: Timestamp) -> Option<Timestamp> {
        self.expected.iter().filter(|e| e.0 == campaign && e.4 > after).map(|e| e.4).min()
    }

    /// A text was stored and acknowledged: from here on it holds.
    pub fn heard(&mut self, gateway_id: &str, phone: &str, said: &Said, order: usize, at: Timestamp) {
        if self.heard_ids.insert(gateway_id.to_owned()) {
            let heard = self.heard.entry(phone.to_owned()).or_default();
            heard.push(Heard { gateway_id: gateway_id.to_owned(), order, at, said: said.clone() });
            heard.sort_by_key(|h| h.order);
        }
    }

    /// Somebody writes this.
    pub fn wrote(&mut self, gateway_id: &str, phone: &str, said: &Said) {
        self.written.insert(gateway_id.to_owned(), (phone.to_owned(), said.clone()));
    }

    fn allow(&mut self, message: Id) {
        *self.allowed.entry(self.mint.reference(message)).or_default() += 1;
    }

    /// A step's policy sends a text in doubt again.
    pub fn resent(&mut self, message: Id) {
        self.allow(message);
    }

    /// A person has said what became of a text.
    pub fn decided(&mut self, message: Id) {
        self.by_person.insert(self.mint.reference(message));
        self.allow(message);
    }

    pub fn passed(&mut self, message: Id, edge: Edge, _model: &Model) {
        if edge == Edge::Doubt || edge == Edge::Restored {
            self.doubted.insert(message);
        }
    }

    /// The backup knows nothing of what was said since: those people have to say it again, and the docs say so.
    pub fn restored(&mut self, taken_at: Timestamp, lost: &Model, backup: &Model) {
        self.restored = true;
        for (phone, heard) in &self.heard {
            if heard.iter().any(|h| h.at >= taken_at) {
                self.forgotten.insert(phone.clone());
            }
        }
        let generations = [(0, 1), (backup.next_id + 1, 2)]; // the fence's own event takes an id first
        self.mint = Mint::new(&generations, [7; 32]);
        self.heard_ids.retain(|id| {
            lost.inbounds.keys().all(|(_, known)| known != id) || backup.inbounds.keys().any(|(_, known)| known == id)
        });
        self.looked_at.clear();
    }

    /// After a clean stop nothing of its claims is on its way.
    pub fn stopped_cleanly(&mut self, model: &Model, epoch: i64) {
        let left = model.submitting.iter().filter(|id| model.messages[*id].epoch == epoch).count();
        if left > 0 {
            self.broken("F3", format!("{left} texts are submitting after a clean stop of epoch {epoch}"));
        }
    }

    /// I2: everybody on a page that was committed has a text, or is counted with a reason.
    pub fn filled(&mut self, model: &Model, broadcast: Id, page: &[Candidate], touched: &[Option<u64>]) {
        *self.looked_at.entry(broadcast).or_default() += i64::try_from(page.len()).unwrap();
        let of = &model.broadcasts[&broadcast];
        let made = |contact: Id| {
            model
                .messages
                .values()
                .filter(move |m| m.new.origin == Origin::Broadcast(broadcast) && m.new.contact == contact)
                .count()
        };
        for (who, then) in page.iter().zip(touched) {
            let same = model.touched.get(&who.contact.id).copied() == *then;
            let may = who.standing == Standing::In && !who.suppressed && who.contact.held_for.is_none();
            let n = made(who.contact.id);
            if n > 1 || (same && !may && n == 1) {
                self.broken("I2", format!("{n} texts of broadcast {broadcast} to contact {}", who.contact.id));
            }
            let passed: i64 = model.passed_over.iter().filter(|((b, _), _)| *b == broadcast).map(|(_, n)| *n).sum();
            if may && n == 0 && passed == 0 {
                self.broken("I2", format!("contact {} is lost from {}", who.contact.id, of.occurrence.step));
            }
        }
    }
}

/// Does what was said speak of a text of this list?
fn wants_out(said: &Said, list: Option<&str>) -> Option<bool> {
    match said {
        Said::Stop | Said::MayBeStop => Some(true),
        Said::StopList(left) if list == Some(*left) => Some(true),
        Said::Join(joined) if list == Some(*joined) => Some(false),
        Said::Start | Said::Join(_) => Some(false),
        Said::StopList(_) | Said::Other => None,
    }
}

impl Sim {
    /// I4, I6, I7, I17, I19, I20: as a request leaves.
    pub fn judged_at_wire(&mut self, who: Who, claimed: &Claimed, submission: &Submission, now: Timestamp) {
        self.tally.wired += 1;
        let mut found: Vec<(&str, String)> = Vec::new();
        let process: &Process = self.hands[who.w].process.as_ref().expect("it is sending");
        let row = &self.model.messages[&claimed.id];
        // Another worker's report is known here a moment later.
        let moment = SignedDuration::from_secs(2);
        let reported = self.hands.len() > 1
            && matches!(row.state, State::Accepted | State::Delivered | State::Undelivered)
            && row.answered_at.is_some_and(|at| now.duration_since(at).abs() < moment);
        let mine = row.state == State::Submitting && row.epoch == process.epoch && row.attempts == claimed.attempt;
        if !mine && !reported {
            found.push((
                "I4",
                format!("{} leaves, and the store has it {} in epoch {}", claimed.id, row.state, row.epoch),
            ));
        }
        if process.in_flight > self.plan.in_flight {
            found.push(("I19", format!("{} requests at once", process.in_flight)));
        }
        if now < row.not_before || now + WIRE_SLACK >= row.not_after {
            found.push((
                "I7",
                format!("{} leaves at {now}, its window is {} to {}", claimed.id, row.not_before, row.not_after),
            ));
        }
        let offset = self.hands[who.w].offset;
        if offset.abs() <= SignedDuration::from_secs(1) && submission.arrives >= row.not_after {
            found.push(("I7", format!("{} arrives at {}, after {}", claimed.id, submission.arrives, row.not_after)));
        }
        let campaign = row.new.campaign.as_ref().and_then(|id| self.campaigns.get(id)).map(|(campaign, _)| campaign);
        if campaign.is_some_and(|c| c.quiet.contains(now, &c.zone)) {
            found.push(("I7", format!("{} leaves at {now}, in quiet hours", claimed.id)));
        }
        let spacing = SignedDuration::from_micros(1_000_000 / i64::from(self.plan.per_second));
        if let Some((last, then)) = self.judge.last_wire.get(&(who.w, who.life))
            && *then == offset
            && now.duration_since(*last) < spacing
        {
            found.push(("I19", format!("{} leaves {} after the last", claimed.id, now.duration_since(*last))));
        }
        if !claimed.is_reply {
            found.extend(self.consent(claimed, row.new.list.as_deref()));
        }
        let occurrence = match row.new.origin {
            Origin::Broadcast(id) => self.model.broadcasts.get(&id).map(|b| {
                let o = &b.occurrence;
                (b.campaign.clone(), o.step.clone(), o.local.clone(), o.pass)
            }),
            _ => None,
        };
        let named = (claimed.id, submission.to.clone());
        let known = self.judge.names.entry(submission.reference.clone()).or_insert_with(|| named.clone());
        if *known != named || submission.reference.len() != 24 {
            found.push(("I20", format!("one reference for {} and {}", known.0, claimed.id)));
        }
        self.judge.last_wire.insert((who.w, who.life), (now, offset));
        self.judge.wires.push(Wire {
            reference: submission.reference.clone(),
            message: claimed.id,
            to: submission.to.clone(),
            parts: row.new.parts,
            occurrence,
            own_at: now,
            offset,
        });
        for (invariant, words) in found {
            self.judge.broken(invariant, format!("{words} ({who:?})"));
        }
    }

    /// I6: by what its owner said and we acknowledged, and by the ledger.
    fn consent(&self, claimed: &Claimed, list: Option<&str>) -> Option<(&'static str, String)> {
        let phone = claimed.phone.e164();
        if self.judge.forgotten.contains(phone) {
            return None;
        }
        let heard = self.judge.heard.get(phone).into_iter().flatten();
        let read = |h: &&Heard| h.said == Said::MayBeStop && !self.waits_to_be_read(&h.gateway_id);
        let spoken: Vec<&Heard> = heard.filter(|h| wants_out(&h.said, list).is_some() && !read(h)).collect();
        if let Some(last) = spoken.last() {
            // Another worker's STOP is known here a second later, at most; two texts at one moment have no order.
            let slack = SignedDuration::from_secs(i64::from(self.hands.len() > 1));
            let again = spoken
                .iter()
                .any(|h| h.order != last.order && last.at.duration_since(h.at).abs() < SignedDuration::from_secs(20));
            let out = wants_out(&last.said, list) == Some(true);
            // A text that is stored counts, whether or not our answer has reached the gateway.
            let back = self.model.stored.iter().skip(last.order).any(|id| {
                let written = self.judge.written.get(id).filter(|(from, _)| from == phone);
                written.is_some_and(|(_, said)| wants_out(said, list) == Some(false))
            });
            if out && !again && !back && last.at + slack <= self.now {
                return Some((
                    "I6",
                    format!("{} leaves, and they had said {:?} at {}", claimed.id, last.said, last.at),
                ));
            }
        }
        let list = list?;
        let mine = self.model.ledger.iter().rev().map(|id| &self.model.events[id]);
        let last = mine.filter(|e| e.contact == Some(claimed.contact)).find(|e| {
            let of_list = e.list.is_none() || e.list.as_deref() == Some(list);
            of_list && matches!(e.kind, EventKind::OptedIn | EventKind::OptedOut)
        });
        let agreed = last.is_some_and(|e| e.kind == EventKind::OptedIn);
        let recent = |e: &ringround::domain::consent::Event| {
            self.hands.len() > 1 && self.now.duration_since(e.at) < SignedDuration::from_secs(2)
        };
        if agreed || last.is_some_and(recent) {
            return None;
        }
        Some(("I6", format!("{} leaves without a live opt-in in the ledger", claimed.id)))
    }

    /// I1–I3, I5, I9, I11, I14–I16, I19: when all is over.
    pub fn judged_at_end(&mut self) {
        let mut found: Vec<(&str, String)> = Vec::new();
        self.once(&mut found);
        self.truth(&mut found);
        self.ticks(&mut found);
        self.answers(&mut found);
        super::reports::judge(&self.model, |id| self.excused(id), &mut found);
        for row in self.model.messages.values() {
            self.tally.end(row.state);
            let open = matches!(row.state, State::Held | State::Queued | State::Submitting | State::InDoubt);
            let unclosed = row.state == State::Accepted && row.ended_at.is_none();
            if open || unclosed {
                found.push(("I14", format!("{} is still {} ({:?})", row.new.id, row.state, row.reason)));
            }
            if row.reason.is_none()
                && matches!(row.state, State::Rejected | State::Expired | State::Cancelled | State::Unresolved)
            {
                found.push(("I2", format!("{} is {} without a reason", row.new.id, row.state)));
            }
        }
        for (invariant, words) in found {
            self.judge.broken(invariant, words);
        }
    }

    fn waits_to_be_read(&self, gateway_id: &str) -> bool {
        let row = self.model.inbounds.get(&(super::intake::GATEWAY.to_owned(), gateway_id.to_owned()));
        row.is_some_and(|row| row.needs_person)
    }

    fn lies(&self, reference: &str) -> usize {
        self.world.taken(reference).filter(|t| t.lied).count()
    }

    /// A text that a policy, a person, or a gateway that refuses repeats sends again may have left the first time, and one
    /// of which the gateway lied as well: withdrawn afterwards, it is called withdrawn.
    fn excused(&self, id: Id) -> bool {
        let reference = self.judge.mint.reference(id);
        self.judge.restored
            || self.judge.by_person.contains(&reference)
            || self.judge.allowed.contains_key(&reference)
            || self.lies(&reference) > 0
            || (self.plan.class == Class::A && self.judge.doubted.contains(&id))
    }

    fn once(&self, found: &mut Vec<(&'static str, String)>) {
        let mut by_person: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        let mut references: BTreeMap<&str, (usize, &Wire)> = BTreeMap::new();
        for wire in &self.judge.wires {
            references.entry(&wire.reference).or_insert((0, wire)).0 += 1;
        }
        for (reference, (requests, wire)) in references {
            let taken = self.world.taken(reference).count();
            let allowed = self.judge.allowed.get(reference).copied().unwrap_or(0) as usize + self.lies(reference);
            if taken > 1 + allowed {
                found.push(("I1", format!("{} was taken {taken} times, {} are allowed", wire.message, 1 + allowed)));
            }
            if let Some(key) = &wire.occurrence {
                let sums = by_person.entry((key.clone(), wire.to.clone())).or_default();
                *sums = (sums.0 + taken, sums.1 + allowed);
            }
            let attempts = self.model.messages.get(&wire.message).map_or(0, |row| row.attempts as usize);
            if requests > attempts && !self.judge.restored {
                found.push(("I19", format!("{requests} requests in {attempts} attempts of {}", wire.message)));
            }
        }
        for ((key, to), (taken, allowed)) in by_person {
            if taken > 1 + allowed {
                found.push(("I1", format!("{to} got {key:?} {taken} times, {} are allowed", 1 + allowed)));
            }
        }
    }

    fn truth(&self, found: &mut Vec<(&'static str, String)>) {
        let judge = &self.judge;
        for row in self.model.messages.values() {
            let reference = judge.mint.reference(row.new.id);
            let taken: Vec<&Taken> = self.world.taken(&reference).collect();
            let by_person = judge.by_person.contains(&reference);
            let claimed = matches!(row.state, State::Accepted | State::Delivered | State::Undelivered);
            // A gateway that is asked by number and text may mean an earlier one of the same words.
            let namesake = self.plan.class == Class::C && self.world.book.iter().any(|t| t.text == row.new.text);
            if claimed && taken.is_empty() && !by_person && !namesake {
                found.push(("I3", format!("{} is {} and was never taken", row.new.id, row.state)));
            }
            if row.attempts == 0 && !taken.is_empty() && !judge.restored {
                found.push(("I3", format!("{} was taken without an attempt", row.new.id)));
            }
            // What is sent again may be refused; that it ran out of time, or was cancelled by anybody but a person who
            // knew of the doubt, must not hide the first copy.
            let excused = match row.state {
                State::Rejected => self.excused(row.new.id),
                State::Cancelled if by_person => true,
                State::Expired | State::Cancelled => judge.restored || self.lies(&reference) > 0,
                _ => true,
            };
            if !taken.is_empty() && !excused {
                found.push(("I3", format!("{} is {} and was taken", row.new.id, row.state)));
            }
            if taken
                .iter()
                .any(|t| t.to != self.model.contacts[&row.new.contact].phone.e164() || t.text != row.new.text)
            {
                found.push(("I3", format!("{} was taken with another number or text", row.new.id)));
            }
            if let Some(wire) = judge.wires.iter().find(|w| w.message == row.new.id)
                && wire.parts as usize != text::measure(&row.new.text).parts
            {
                found.push(("I16", format!("{} is booked with {} parts", row.new.id, wire.parts)));
            }
        }
    }

    fn ticks(&self, found: &mut Vec<(&'static str, String)>) {
        if self.judge.restored {
            return;
        }
        for (id, row) in &self.model.campaigns {
            let expected = self.judge.expected.iter().filter(|e| e.0 == *id && e.4 <= row.planned_until);
            for (_, step, local, pass, due_at) in expected.filter(|e| e.4 > self.plan.begin - plan::CATCH_UP) {
                let same = |b: &&super::rows::Broadcast| {
                    b.campaign == *id
                        && b.occurrence.step == *step
                        && b.occurrence.local == *local
                        && b.occurrence.pass == *pass
                };
                let n = self.model.broadcasts.values().filter(same).count();
                if n != 1 {
                    found.push(("I5", format!("{step} of {id} due at {due_at} ({local}) has {n} broadcasts")));
                }
            }
        }
        for (id, broadcast) in &self.model.broadcasts {
            let running = self.model.campaigns[&broadcast.campaign].state == CampaignState::Running;
            if broadcast.fate == Fate::Filling && running {
                found.push(("I2", format!("broadcast {id} is still being filled")));
            }
            let made = self.model.messages.values().filter(|m| m.new.origin == Origin::Broadcast(*id)).count();
            let passed: i64 = self.model.passed_over.iter().filter(|((b, _), _)| b == id).map(|(_, n)| *n).sum();
            let looked_at = self.judge.looked_at.get(id).copied().unwrap_or(0);
            let sum = i64::try_from(made).unwrap() + passed;
            // A commit whose answer was lost was not seen by us.
            if sum < looked_at {
                found.push(("I2", format!("broadcast {id}: {looked_at} people, {made} texts, {passed} passed over")));
            }
            let least = self.judge.on_list.get(&self.campaigns[&broadcast.campaign].0.list).copied().unwrap_or(0);
            if broadcast.fate == Fate::Filled && sum < i64::try_from(least).unwrap() {
                found.push(("I2", format!("broadcast {id} knows {sum} people of {least}")));
            }
        }
    }

    fn answers(&self, found: &mut Vec<(&'static str, String)>) {
        let still = self.judge.wires.iter().all(|w| w.offset.abs() <= SignedDuration::from_secs(1));
        let mut kinds: BTreeMap<(Id, &str), Vec<Timestamp>> = BTreeMap::new();
        let mut answered: BTreeSet<Id> = BTreeSet::new();
        for row in self.model.messages.values() {
            let Origin::Reply(inbound) = row.new.origin else { continue };
            if !answered.insert(inbound) {
                found.push(("I11", format!("inbound text {inbound} has two answers")));
            }
            kinds.entry((row.new.contact, row.new.reply.unwrap_or_default())).or_default().push(row.created_at);
        }
        for ((contact, kind), mut times) in kinds {
            times.sort_unstable();
            let close = times.windows(2).any(|pair| pair[1].duration_since(pair[0]) < SignedDuration::from_hours(1));
            if close && still && self.hands.len() == 1 {
                found.push(("I11", format!("contact {contact} got {kind} twice within an hour")));
            }
        }
        let last = self.judge.wires.iter().map(|w| w.own_at).max();
        self.say(|| format!("the last text left at {last:?}"));
    }

    /// How many have to do with each list before anything begins.
    pub fn count_lists(&mut self) {
        for (list, _) in self.model.consents.keys() {
            *self.judge.on_list.entry(list.clone()).or_default() += 1;
        }
    }
}
