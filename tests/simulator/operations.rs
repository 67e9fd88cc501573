//! Operations of the store as values: what a simulated campaign does to the model can be done again to a real store, and
//! so can lists drawn at random. `tests/store/same.rs` does both, and compares.

use super::model::Model;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::broadcast::{Fate, Occurrence};
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::consent::{Event, EventKind, Standing};
use ringround::domain::contact::{Contact, Internet};
use ringround::domain::ids::{Id, Ids};
use ringround::domain::inbound::InboundText;
use ringround::domain::message::{Edge, NewMessage, Origin, State};
use ringround::domain::pause::Pause;
use ringround::domain::phone::Phone;
use ringround::domain::report::{DeliveryReport, ReportStatus, StrayReport};
use ringround::engine::may_send::WIRE_SLACK;
use ringround::store::{ClaimRequest, LineTerms, Swept, Turn};

/// One operation.
#[derive(Clone, Debug)]
pub enum Operation {
    Ids(i64),
    Enlist {
        alone: bool,
        settle: SignedDuration,
        now: Timestamp,
    },
    Beat {
        epoch: i64,
        settle: SignedDuration,
        now: Timestamp,
    },
    Renew {
        epoch: i64,
        now: Timestamp,
    },
    Retire(i64),
    See(Timestamp),
    Commit(Vec<Decision>, Timestamp),
    Turn(Vec<Decision>, ClaimRequest, Timestamp),
    Sweep(Timestamp),
    /// Behind the store's back: nothing makes held messages yet.
    Hold(Vec<Id>),
    /// Looks at what the parts of the shell look at.
    Look(Timestamp),
}

/// What an operation brought; none where the lease was gone.
#[derive(Debug)]
pub enum Done {
    Nothing,
    Ids(Ids),
    Enlisted(i64, u64),
    Beaten(Option<u64>),
    Applied(Vec<bool>),
    Turned(Option<Turn>),
    Swept(Swept),
    Seen(String),
}

impl Model {
    /// Does it.
    pub fn perform(&mut self, operation: &Operation) -> Done {
        match operation {
            Operation::Ids(count) => Done::Ids(self.ids(*count)),
            Operation::Enlist { alone, settle, now } => {
                let (epoch, doubted) = self.enlist(*alone, *settle, *now);
                Done::Enlisted(epoch, doubted)
            }
            Operation::Beat { epoch, settle, now } => Done::Beaten(self.beat(*epoch, *settle, *now).ok()),
            Operation::Renew { epoch, now } => {
                self.renew(*epoch, *now).unwrap_or(());
                Done::Nothing
            }
            Operation::Retire(epoch) => {
                self.retire(*epoch);
                Done::Nothing
            }
            Operation::See(now) => {
                self.seen = Some(*now);
                Done::Nothing
            }
            Operation::Commit(decisions, now) => Done::Applied(self.commit(decisions, *now)),
            Operation::Turn(outcomes, request, now) => Done::Turned(self.turn(outcomes, request, *now).ok()),
            Operation::Sweep(now) => Done::Swept(self.sweep(*now)),
            Operation::Hold(ids) => {
                for id in ids {
                    self.change(*id, |row| row.state = State::Held);
                }
                Done::Nothing
            }
            Operation::Look(now) => Done::Seen(self.look(*now)),
        }
    }

    fn look(&self, now: Timestamp) -> String {
        let doubts: Vec<_> = self
            .doubts(now, 20)
            .into_iter()
            .map(|d| (d.id, d.since, d.handed_at, d.absent, d.ask_at, d.first_at, d.may_resend, d.not_after, d.of))
            .collect();
        let open: Vec<Id> = self.open_broadcasts().iter().map(|b| b.id).collect();
        let page = self.candidates("send", "first", 0, 10);
        let page: Vec<_> = page.into_iter().map(|c| (c.contact.id, c.standing, c.suppressed, c.done)).collect();
        format!("{:?} {doubts:?} {open:?} {page:?}", self.pulse(now))
    }

    /// Every row that matters, one a line, as `same.rs` reads them from a real store.
    pub fn rows(&self) -> Vec<String> {
        let ms = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.as_millisecond().to_string());
        let mut rows = Vec::new();
        for m in self.messages.values() {
            rows.push(format!(
                "message {} {} {} {:?} {} {} {:?} {} {} {} {} {} {} {} {}",
                m.new.id,
                m.new.contact,
                m.state,
                m.reason.as_deref().unwrap_or("-"),
                m.attempts,
                m.epoch,
                m.gateway_id.as_deref().unwrap_or("-"),
                ms(Some(m.not_before)),
                ms(Some(m.not_after)),
                ms(m.ask_at),
                m.absent,
                ms(m.claimed_at),
                ms(m.answered_at),
                ms(m.ended_at),
                m.new.may_resend,
            ));
        }
        for ((list, contact), (standing, since)) in &self.consents {
            rows.push(format!("consent {contact} {list} {} {}", standing.as_str(), ms(Some(*since))));
        }
        for c in self.contacts.values() {
            let held = c.held_for.as_deref().unwrap_or("-");
            let suppressed = self.suppressions.contains_key(c.phone.e164());
            rows.push(format!("contact {} {} {} {held:?} {suppressed}", c.id, c.phone.e164(), c.internet));
        }
        for (id, b) in &self.broadcasts {
            rows.push(format!(
                "broadcast {id} {} {} {} {}",
                b.campaign,
                b.occurrence.step,
                b.fate.as_str(),
                b.filled_to
            ));
        }
        for (id, c) in &self.campaigns {
            rows.push(format!("campaign {id} {} {} {}", c.state.as_str(), c.revision, ms(Some(c.planned_until))));
        }
        for ((broadcast, reason), people) in &self.passed_over {
            rows.push(format!("passed {broadcast} {reason:?} {people}"));
        }
        for (pause, (reason, _)) in &self.pauses {
            rows.push(format!("pause {pause} {reason:?}"));
        }
        for row in self.inbounds.values() {
            rows.push(format!("inbound {} {} {} {}", row.text.id, row.meaning, row.needs_person, ms(row.closed_at)));
        }
        for (epoch, worker) in &self.workers {
            rows.push(format!("worker {epoch} {}", ms(Some(worker.lease_until))));
        }
        rows.extend(
            self.lines.iter().map(|(name, line)| format!("line {name} {} {} {}", line.next_us, line.day, line.used)),
        );
        rows.push(format!(
            "counts {} {} {} {} {}",
            self.events.len(),
            self.reports.len(),
            self.dones.len(),
            self.strays.len(),
            self.handles.len()
        ));
        rows.sort();
        rows
    }
}

/// Draws operations, most of them such that their guard holds.
pub struct Draw {
    random: Rng,
    now: Timestamp,
    next: Id,
    epoch: i64,
}

const CAMPAIGNS: [&str; 2] = ["first", "second"];
const LISTS: [&str; 2] = ["send", "walk"];

impl Draw {
    /// From a seed; ids are handed out from `first` on.
    pub fn new(seed: u64, first: Id, now: Timestamp) -> Self {
        Self { random: Rng::with_seed(seed), now, next: first, epoch: 1 }
    }

    fn id(&mut self) -> Id {
        self.next += 1;
        self.next
    }

    fn some(&mut self, low: i64, high: i64) -> SignedDuration {
        SignedDuration::from_millis(self.random.i64(low..=high))
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.random.usize(..of.len())]) }
    }

    /// The next operation, for a store that is as the model is.
    pub fn next(&mut self, model: &Model) -> Operation {
        let later = self.some(0, 40_000);
        self.now += later;
        let now = self.now;
        match self.random.u8(..20) {
            0..11 => {
                let count = self.random.usize(1..4);
                Operation::Commit((0..count).map(|_| self.decision(model)).collect(), now)
            }
            11..15 => {
                let outcomes = (0..self.random.usize(..3)).map(|_| self.decision(model)).collect();
                let epoch = if self.random.u8(..10) == 0 { self.epoch - 1 } else { self.epoch };
                let quiet = if self.random.u8(..4) == 0 { vec!["first".to_owned()] } else { Vec::new() };
                let line = LineTerms {
                    gateway: "g".to_owned(),
                    spacing: SignedDuration::from_millis(self.random.i64(1..400)),
                    per_day: (self.random.u8(..3) == 0).then_some(40),
                    ahead: SignedDuration::from_millis(self.random.i64(50..1000)),
                    returned: self.random.i64(0..3),
                };
                let limit = self.random.usize(..6);
                Operation::Turn(outcomes, ClaimRequest { limit, line, epoch, latest: now + WIRE_SLACK, quiet }, now)
            }
            15 => Operation::Sweep(now),
            16 => {
                self.epoch += 1;
                Operation::Enlist { alone: true, settle: SignedDuration::from_secs(60), now }
            }
            17 => Operation::Beat { epoch: self.epoch, settle: SignedDuration::from_secs(60), now },
            18 => {
                let queued = model.messages.values().filter(|m| m.state == State::Queued).map(|m| m.new.id);
                Operation::Hold(queued.take(1).collect())
            }
            _ => Operation::Look(now),
        }
    }

    fn decision(&mut self, model: &Model) -> Decision {
        let mut changes: Vec<Change> = Vec::new();
        for _ in 0..self.random.usize(1..4) {
            changes.extend(self.change(model));
        }
        if changes.is_empty() {
            let at = self.now;
            changes.push(Change::Paused { pause: Pause::All, reason: "a person said so".to_owned(), at });
        }
        Decision(changes)
    }

    fn change(&mut self, model: &Model) -> Option<Change> {
        let at = self.now;
        let contacts: Vec<Id> = model.contacts.keys().copied().collect();
        let contact = self.pick(&contacts);
        let list = LISTS[self.random.usize(..2)].to_owned();
        let campaign = CAMPAIGNS[self.random.usize(..2)].to_owned();
        let kind = self.random.u8(..32);
        Some(match kind {
            0..3 => {
                let n = self.random.u16(..30);
                Change::ContactAdded(Contact::unknown(
                    self.id(),
                    Phone::from_e164(&format!("+447700900{n:03}")).unwrap(),
                ))
            }
            3 => {
                let contact = model.contacts[&contact?].clone();
                let internet = [Internet::Yes, Internet::No, Internet::Unknown][self.random.usize(..3)];
                Change::ContactChanged(Contact { internet, ..contact })
            }
            4..7 => {
                let standing = [Standing::In, Standing::In, Standing::Pending, Standing::Out][self.random.usize(..4)];
                Change::StandingSet { contact: contact?, list, standing, unless_out: self.random.bool(), at }
            }
            7 => Change::LeftAllLists { contact: contact?, at },
            8 => Change::Suppressed { contact: contact?, reason: "texted STOP".to_owned(), at },
            9 => Change::SuppressionLifted { contact: contact? },
            10 => Change::DoneSaid { contact: contact?, campaign, at },
            11 => Change::HeldForReview { contact: contact?, reason: self.random.bool().then(|| "may".to_owned()) },
            12 => {
                Change::Recorded(Event::new(self.id(), at, EventKind::Changed, "admin:test", "x").about(contact?, None))
            }
            13 => {
                let gateway_id = format!("in-{}", self.random.u8(..20));
                let text = InboundText {
                    id: self.id(),
                    gateway: "g".to_owned(),
                    gateway_id,
                    from: None,
                    raw_from: "x".to_owned(),
                    body: "STOP".to_owned(),
                    received_at: at,
                };
                Change::InboundReceived { text, contact, meaning: "stop", needs_person: self.random.bool() }
            }
            14 => {
                let rows: Vec<Id> = model.inbounds.values().map(|row| row.text.id).collect();
                Change::InboundClosed { inbound: self.pick(&rows)?, at }
            }
            15 => {
                let revision = model.campaigns.get(&campaign).map_or(0, |c| c.revision);
                Change::CampaignApplied { id: campaign, list, source: "x".to_owned(), revision, at }
            }
            16 | 17 => {
                use CampaignState::{Draft, Paused, Running};
                let to = [Running, Running, Paused][self.random.usize(..3)];
                Change::CampaignSteered { id: campaign, from: vec![Draft, Running, Paused], to, at }
            }
            18 => Change::CursorMoved { campaign, to: at + self.some(-100_000, 1000) },
            19 => {
                let step = format!("s{}", self.random.u8(..4));
                let occurrence = Occurrence {
                    step,
                    local: "once".to_owned(),
                    pass: 1,
                    due_at: at,
                    not_after: at + self.some(0, 900_000),
                };
                let fate = if self.random.bool() { Fate::Filling } else { Fate::Missed };
                Change::BroadcastOpened { id: self.id(), campaign, occurrence, fate, reason: None, at }
            }
            20 => {
                let open: Vec<Id> = model.broadcasts.keys().copied().collect();
                let id = self.pick(&open)?;
                let from = if self.random.u8(..5) == 0 { 1 } else { model.broadcasts[&id].filled_to };
                Change::BroadcastFilled { id, from, to: from + 1, last: self.random.bool() }
            }
            21 => {
                let open: Vec<Id> = model.broadcasts.keys().copied().collect();
                Change::PassedOver { broadcast: self.pick(&open)?, reason: "left (STOP)", people: 2 }
            }
            22 if self.random.bool() => Change::Paused { pause: Pause::Line, reason: "r".to_owned(), at },
            22 | 23 => Change::Resumed { pause: self.pick(&[Pause::Line, Pause::All])? },
            24 | 25 => self.messages(model)?,
            26 => Change::WaitingCancelled {
                contact: contact?,
                list: self.random.bool().then_some(list),
                reason: "STOP",
                at,
            },
            27 if self.random.u8(..4) == 0 => Change::CampaignCancelled { campaign, reason: "over", at },
            28 => self.report(model)?,
            _ => self.moved(model)?,
        })
    }

    fn messages(&mut self, model: &Model) -> Option<Change> {
        let contacts: Vec<Id> = model.contacts.keys().copied().collect();
        let broadcasts: Vec<Id> = model.broadcasts.keys().copied().collect();
        let mut made = Vec::new();
        for _ in 0..self.random.usize(1..5) {
            let contact = self.pick(&contacts)?;
            let not_before = self.now + self.some(-60_000, 60_000);
            let base = NewMessage {
                id: self.id(),
                contact,
                origin: Origin::Test,
                campaign: None,
                list: None,
                reply: Some("test"),
                text: format!("Text {}", self.random.u8(..5)),
                parts: 1,
                not_before,
                not_after: not_before + self.some(1000, 400_000),
                may_resend: false,
            };
            made.push(match self.random.u8(..10) {
                0 => base,
                1..3 => NewMessage { origin: Origin::Reply(self.random.i64(1..50)), reply: Some("help"), ..base },
                _ => NewMessage {
                    origin: Origin::Broadcast(self.pick(&broadcasts).unwrap_or(7)),
                    campaign: Some(CAMPAIGNS[self.random.usize(..2)].to_owned()),
                    list: Some(LISTS[self.random.usize(..2)].to_owned()),
                    reply: None,
                    may_resend: self.random.bool(),
                    ..base
                },
            });
        }
        Some(Change::MessagesQueued(made))
    }

    fn report(&mut self, model: &Model) -> Option<Change> {
        let ids: Vec<Id> = model.messages.keys().copied().collect();
        let (message, id) = (self.pick(&ids)?, self.id());
        let status = [ReportStatus::Sent, ReportStatus::Delivered][self.random.usize(..2)];
        let fingerprint = format!("f-{}", self.random.u8(..40));
        let (gateway, detail, gateway_id) = ("g".to_owned(), "d".to_owned(), format!("g-{}", self.random.u8(..10)));
        let received_at = self.now;
        Some(match self.random.u8(..4) {
            0 => {
                let opted_out = false;
                Change::StrayKept(StrayReport {
                    id,
                    gateway,
                    fingerprint,
                    gateway_id,
                    status,
                    detail,
                    opted_out,
                    received_at,
                })
            }
            1 => {
                let strays: Vec<Id> = model.strays.keys().copied().collect();
                Change::StrayJoined { stray: self.pick(&strays)? }
            }
            2 => Change::HandleKept { gateway_id, message },
            _ => {
                let contact = model.messages[&message].new.contact;
                let (gateway_id, opted_out) = (None, false);
                Change::ReportStored(DeliveryReport {
                    id,
                    gateway,
                    fingerprint,
                    message,
                    contact,
                    gateway_id,
                    status,
                    detail,
                    opted_out,
                    received_at,
                })
            }
        })
    }

    fn moved(&mut self, model: &Model) -> Option<Change> {
        let ids: Vec<Id> = model.messages.keys().copied().collect();
        let id = self.pick(&ids)?;
        let row = &model.messages[&id];
        let stray = self.random.u8(..8) == 0;
        let from = if stray { State::ALL[self.random.usize(..11)] } else { row.state };
        let law = |to: &State| Edge::between(from, *to).is_some_and(|edge| edge != Edge::Claim);
        let to: Vec<State> = State::ALL.into_iter().filter(law).collect();
        let to = self.pick(&to)?;
        let at = self.now;
        if from == State::InDoubt && self.random.u8(..3) == 0 {
            let asked = if stray { at } else { row.ask_at.unwrap_or(at) };
            return Some(Change::DoubtAsked {
                message: id,
                asked,
                absent: row.absent + 1,
                again_at: at + self.some(0, 60_000),
            });
        }
        let epoch = (from == State::Submitting).then_some(if stray { row.epoch + 1 } else { row.epoch });
        let asked = (from == State::InDoubt && self.random.bool()).then_some(row.ask_at).flatten();
        let next_at = (self.random.u8(..4) > 0).then(|| at + self.some(-1000, 90_000));
        let repeat_until =
            (to == State::Queued && from == State::InDoubt && self.random.bool()).then(|| at + self.some(0, 200_000));
        let moved = MessageMove {
            epoch,
            asked,
            next_at,
            repeat_until,
            by_policy: self.random.u8(..5) == 0,
            gateway_id: self.random.bool().then(|| "g-1".to_owned()),
            ..MessageMove::new(id, from, to, at)
        };
        Some(Change::MessageMoved(if self.random.bool() { moved.because("because") } else { moved }))
    }
}
