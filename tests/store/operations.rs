//! Lists of operations, drawn from a seed: decisions of every kind, claims, sweeps, beats, starts and fences. What they
//! leave in every table, and what they answer, is the same on SQLite and on PostgreSQL, after each operation.

use crate::store::made::{CAMPAIGN, LIST, inbound, occurrence, phone, wide_line};
use crate::support::{Engine, SEED, World, with_world};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::broadcast::Fate;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::consent::{Event, EventKind, Standing};
use ringround::domain::contact::Contact;
use ringround::domain::ids::Id;
use ringround::domain::message::{Edge, NewMessage, Origin, State};
use ringround::domain::pause::Pause;
use ringround::domain::report::{DeliveryReport, ReportStatus, StrayReport};
use ringround::store::{ClaimRequest, Recruit, Store};
use sqlx::AssertSqlSafe;
use std::fmt::Debug;

const LISTS: u64 = 40;
const LENGTH: usize = 60;
const SETTLE: SignedDuration = SignedDuration::from_secs(60);

/// One call of the store.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Decisions in one commit.
    Commit(Vec<Decision>),
    /// Outcomes and a claim in one commit.
    Turn(Vec<Decision>, usize, i64),
    /// What time alone decides.
    Sweep,
    /// A worker's sign of life.
    Beat(i64),
    /// A worker starts, when all others are gone.
    Enlist,
    /// A worker ends.
    Retire(i64),
    /// Ids are given out.
    Ids(i64),
    /// The database finds itself elsewhere.
    Fence,
}

/// Draws operations, each with its instant.
pub struct Drawn {
    random: Rng,
    now: Timestamp,
    next_id: Id,
    epoch: i64,
    contacts: Vec<Contact>,
    messages: Vec<Id>,
    broadcasts: Vec<Id>,
    inbounds: Vec<Id>,
    revision: i64,
}

impl Drawn {
    pub fn new(seed: u64, now: Timestamp) -> Self {
        let random = Rng::with_seed(seed);
        let (contacts, messages, broadcasts, inbounds) = (vec![], vec![], vec![], vec![]);
        Self { random, now, next_id: 1_000_000, epoch: 1, contacts, messages, broadcasts, inbounds, revision: 0 }
    }

    /// The next operation, and when it happens.
    pub fn draw(&mut self) -> (Operation, Timestamp) {
        self.now += SignedDuration::from_millis(self.random.i64(0..4000));
        let operation = match self.random.u8(..100) {
            0..65 => {
                let many = self.random.usize(1..4);
                Operation::Commit((0..many).map(|_| self.decision()).collect())
            }
            65..83 => {
                let outcomes = (0..self.random.usize(..3)).map(|_| self.decision()).collect();
                Operation::Turn(outcomes, self.random.usize(..6), self.some_epoch())
            }
            83..88 => Operation::Sweep,
            88..92 => Operation::Beat(self.some_epoch()),
            92..95 => {
                self.now += SignedDuration::from_secs(31);
                self.epoch += 1;
                Operation::Enlist
            }
            95 => Operation::Retire(self.some_epoch()),
            96..99 => Operation::Ids(self.random.i64(1..50)),
            _ => Operation::Fence,
        };
        (operation, self.now)
    }

    fn some_epoch(&mut self) -> i64 {
        if self.random.u8(..8) == 0 { self.random.i64(0..=self.epoch) } else { self.epoch }
    }

    fn id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }

    /// Mostly one that there is.
    fn of(&mut self, known: fn(&Self) -> &Vec<Id>) -> Id {
        let many = known(self).len();
        if many == 0 || self.random.u8(..20) == 0 {
            return 999_999;
        }
        let at = self.random.usize(..many);
        known(self)[at]
    }

    fn contact(&mut self) -> Contact {
        if self.contacts.is_empty() {
            return Contact::unknown(1, phone(1));
        }
        self.contacts[self.random.usize(..self.contacts.len())].clone()
    }

    fn decision(&mut self) -> Decision {
        let many = [1, 1, 2, 3][self.random.usize(..4)];
        Decision((0..many).map(|_| self.change()).collect())
    }

    fn change(&mut self) -> Change {
        let contact = self.contact();
        match self.random.u8(..60) {
            0..6 => self.person(contact),
            6..14 => self.standing(contact.id),
            14..18 => self.talk(&contact),
            18..26 => self.campaign(),
            26..38 => self.text(contact.id),
            38..52 => self.moved(),
            52..55 => self.report(contact.id),
            _ => self.rest(contact.id),
        }
    }

    fn person(&mut self, known: Contact) -> Change {
        let reason = self.random.bool().then(|| "may mean STOP".to_owned());
        match self.random.u8(..6) {
            0..3 => {
                let new = Contact::unknown(self.id(), phone(self.random.u16(1..12)));
                if !self.contacts.iter().any(|contact| contact.phone == new.phone) {
                    self.contacts.push(new.clone());
                }
                Change::ContactAdded(new)
            }
            3 => Change::ContactChanged(Contact { name: Some(format!("Parent {}", self.random.u8(..9))), ..known }),
            _ => Change::HeldForReview { contact: known.id, reason },
        }
    }

    fn standing(&mut self, contact: Id) -> Change {
        let at = self.now;
        match self.random.u8(..10) {
            0 => Change::LeftAllLists { contact, at },
            1 => Change::Suppressed { contact, reason: "texted STOP".into(), at },
            2 => Change::SuppressionLifted { contact },
            3 => Change::DoneSaid { contact, campaign: CAMPAIGN.into(), at },
            _ => {
                let standing = [Standing::In, Standing::In, Standing::In, Standing::Out, Standing::Pending];
                let standing = standing[self.random.usize(..5)];
                Change::StandingSet { contact, list: LIST.into(), standing, unless_out: self.random.bool(), at }
            }
        }
    }

    fn talk(&mut self, contact: &Contact) -> Change {
        let (id, at) = (self.id(), self.now);
        match self.random.u8(..4) {
            0 => Change::InboundClosed { inbound: self.of(|d| &d.inbounds), at },
            1 => {
                Change::Recorded(Event::new(id, at, EventKind::Changed, "admin:test", "drawn").about(contact.id, None))
            }
            _ => {
                self.inbounds.push(id);
                let text = inbound(id, &contact.phone, &format!("in-{}", self.random.u8(..30)), "hello", at);
                let known = Some(contact.id);
                Change::InboundReceived { text, contact: known, meaning: "unknown", needs_person: self.random.bool() }
            }
        }
    }

    fn campaign(&mut self) -> Change {
        use CampaignState::{Cancelled, Draft, Paused, Running};
        let (id, at) = (self.id(), self.now);
        let to = [Running, Running, Running, Paused, Cancelled][self.random.usize(..5)];
        match self.random.u8(..8) {
            0 | 1 => {
                let revision = self.random.i64(0..=self.revision);
                self.revision += 1;
                let source = format!("after {revision}");
                Change::CampaignApplied { id: CAMPAIGN.into(), list: LIST.into(), source, revision, at }
            }
            2 | 3 => Change::CampaignSteered { id: CAMPAIGN.into(), from: vec![Draft, Paused, Running], to, at },
            4 => Change::CursorMoved { campaign: CAMPAIGN.into(), to: at },
            5 => {
                self.broadcasts.push(id);
                let step = format!("s{}", self.random.u8(..9));
                let fate = if self.random.u8(..4) == 0 { Fate::Missed } else { Fate::Filling };
                let occurrence = occurrence(&step, at);
                Change::BroadcastOpened { id, campaign: CAMPAIGN.into(), occurrence, fate, reason: None, at }
            }
            6 => {
                let (from, last) = (self.random.i64(0..3) * 10, self.random.bool());
                Change::BroadcastFilled { id: self.of(|d| &d.broadcasts), from, to: from + 10, last }
            }
            _ => Change::PassedOver { broadcast: self.of(|d| &d.broadcasts), reason: "said DONE", people: 2 },
        }
    }

    fn text(&mut self, contact: Id) -> Change {
        let at = self.now;
        match self.random.u8(..24) {
            0 => return Change::WaitingCancelled { contact, list: Some(LIST.into()), reason: "left", at },
            1 => return Change::WaitingCancelled { contact, list: None, reason: "STOP", at },
            2 => return Change::CampaignCancelled { campaign: CAMPAIGN.into(), reason: "cancelled", at },
            _ => {}
        }
        let many = self.random.usize(1..4);
        let texts = (0..many).map(|_| {
            let id = self.id();
            self.messages.push(id);
            let reply = self.random.u8(..4) == 0;
            let broadcast = self.of(|d| &d.broadcasts);
            let origin = if reply { Origin::Reply(self.of(|d| &d.inbounds)) } else { Origin::Broadcast(broadcast) };
            NewMessage {
                id,
                contact,
                origin,
                campaign: (!reply).then(|| CAMPAIGN.to_owned()),
                list: (!reply).then(|| LIST.to_owned()),
                reply: reply.then_some("help"),
                text: format!("Text {}", self.random.u8(..5)),
                parts: 1,
                not_before: at + SignedDuration::from_secs(self.random.i64(-5..5)),
                not_after: at + SignedDuration::from_secs(self.random.i64(5..240)),
                may_resend: self.random.bool(),
            }
        });
        Change::MessagesQueued(texts.collect())
    }

    fn moved(&mut self) -> Change {
        use State::{Accepted, Held, InDoubt, Queued, Submitting, Undelivered, Unresolved};
        let id = self.of(|d| &d.messages);
        let from =
            [Queued, Queued, Submitting, Submitting, Submitting, InDoubt, Accepted, Unresolved, Undelivered, Held];
        let from = from[self.random.usize(..from.len())];
        let legal = |to: &State| Edge::between(from, *to).is_some_and(|edge| edge != Edge::Claim);
        let to: Vec<State> = State::ALL.into_iter().filter(legal).collect();
        // Once in a while a move that no chart has: an error, and nothing of the whole commit is written.
        let to = if self.random.u8(..60) == 0 { from } else { to[self.random.usize(..to.len())] };
        let epoch = (from == Submitting && self.random.bool()).then(|| self.some_epoch());
        let next_at = self.random.bool().then(|| self.now + SignedDuration::from_secs(self.random.i64(0..60)));
        let gateway_id = (to == Accepted).then(|| format!("g-{id}"));
        let by_policy = from == InDoubt && to == Queued && self.random.bool();
        let repeat_until = (to == Queued && self.random.u8(..4) == 0).then(|| self.now + SETTLE);
        let moved = MessageMove {
            epoch,
            next_at,
            gateway_id,
            by_policy,
            repeat_until,
            ..MessageMove::new(id, from, to, self.now)
        };
        Change::MessageMoved(if self.random.bool() { moved.because("drawn") } else { moved })
    }

    fn report(&mut self, contact: Id) -> Change {
        let (id, received_at) = (self.id(), self.now);
        let status = [ReportStatus::Sent, ReportStatus::Delivered, ReportStatus::Undelivered][self.random.usize(..3)];
        let message = self.of(|d| &d.messages);
        let (gateway, detail) = ("g".to_owned(), "drawn".to_owned());
        let fingerprint = format!("{message} {}", status.as_str());
        let gateway_id = format!("g-{message}");
        match self.random.u8(..4) {
            0 => Change::HandleKept { gateway_id, message },
            1 => {
                let opted_out = self.random.bool();
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
            _ => Change::ReportStored(DeliveryReport {
                id,
                gateway,
                fingerprint,
                message,
                contact,
                gateway_id: Some(gateway_id),
                status,
                detail,
                opted_out: false,
                received_at,
            }),
        }
    }

    fn rest(&mut self, contact: Id) -> Change {
        let at = self.now;
        let pause = [Pause::All, Pause::Line, Pause::Clock, Pause::Fence][self.random.usize(..4)];
        let message = self.of(|d| &d.messages);
        match self.random.u8(..8) {
            0 => Change::Paused { pause, reason: format!("{contact}"), at },
            1..4 => Change::Resumed { pause },
            4 => Change::PolledTo { gateway: "g".into(), cursor: format!("{}", self.random.u8(..9)) },
            5 => Change::StrayJoined { stray: self.next_id - self.random.i64(0..200) },
            _ => Change::DoubtAsked { message, asked: at, absent: self.random.i64(0..3), again_at: at + SETTLE },
        }
    }
}

/// All tables, with their columns; a `?` marks a truth value.
const TABLES: [(&str, &str); 17] = [
    (
        "messages",
        "id contact_id broadcast_id inbound_id campaign list reply body_id parts not_before not_after state \
        reason attempts epoch gateway_id ask_at absent created_at claimed_at answered_at ended_at ?may_resend",
    ),
    ("consents", "contact_id list standing since"),
    ("suppressions", "phone_hash key_version reason since"),
    ("contacts", "id phone phone_hash key_version name language internet tags held_for"),
    ("campaigns", "id list revision source state planned_until changed_at"),
    ("broadcasts", "id campaign step local_time pass due_at not_after fate reason filled_to opened_at"),
    ("passed_over", "broadcast_id reason people"),
    ("dones", "contact_id campaign at"),
    ("pauses", "name since"),
    ("events", "at kind contact_id list campaign actor source wording"),
    ("inbounds", "id gateway gateway_id contact_id sender body meaning ?needs_person received_at closed_at"),
    ("reports", "id gateway fingerprint message_id status detail received_at"),
    ("strays", "id gateway fingerprint gateway_id status detail ?opted_out received_at"),
    ("handles", "gateway_id message_id"),
    ("workers", "epoch place agreement started_at lease_until"),
    ("lines", "gateway next_us day used"),
    ("id_blocks", "next"),
];

/// Every row of every table, in order.
async fn rows(world: &World) -> Vec<String> {
    let selects: Vec<String> = TABLES
        .iter()
        .map(|(table, columns)| {
            let columns = columns.split_whitespace().map(|column| match column.strip_prefix('?') {
                Some(truth) => format!("CASE WHEN {truth} THEN 'yes' ELSE 'no' END"),
                None => format!("COALESCE(CAST({column} AS TEXT), '-')"),
            });
            format!("SELECT '{table}|' || {} FROM {table}", columns.collect::<Vec<_>>().join(" || '|' || "))
        })
        .collect();
    let rows = world.store.db().rows(AssertSqlSafe(selects.join(" UNION ALL ")), vec![]).await.unwrap();
    let mut rows: Vec<String> = rows.iter().map(|row| row.text(0).unwrap()).collect();
    rows.sort();
    rows
}

/// Back to the first worker's first hour.
async fn emptied(world: &World) {
    for (table, _) in TABLES.iter().filter(|(table, _)| *table != "contacts" && *table != "id_blocks") {
        world.sql(&format!("DELETE FROM {table}")).await;
    }
    world.sql("DELETE FROM contacts").await;
    world.sql("UPDATE id_blocks SET next = 1").await;
    world.sql("UPDATE meta SET value = '0' WHERE name = 'epoch'").await;
    let first = Recruit { place: "here", agreement: "", settle: SETTLE };
    assert_eq!(world.store.enlist(&first, world.now).await.unwrap(), (1, 0));
}

/// What the store says to it: the same words for the same answer, whatever the engine's own words for an error.
async fn applied(world: &World, operation: &Operation, now: Timestamp) -> String {
    let store = &world.store;
    match operation {
        Operation::Commit(decisions) => said(store.commit(decisions, now).await),
        Operation::Turn(outcomes, limit, epoch) => {
            let (limit, latest) = (*limit, now + SignedDuration::from_secs(2));
            let request = ClaimRequest { limit, line: wide_line(), epoch: *epoch, latest, quiet: Vec::new() };
            said(store.turn(outcomes, &request, now).await)
        }
        Operation::Sweep => said(store.sweep(now).await),
        Operation::Beat(epoch) => said(store.beat(*epoch, SETTLE, now).await),
        Operation::Enlist => {
            let who = Recruit { place: "here", agreement: "", settle: SETTLE };
            said(store.enlist(&who, now).await)
        }
        Operation::Retire(epoch) => said(store.retire(*epoch).await),
        Operation::Ids(many) => said(store.ids(*many).await.map(|mut ids| ids.take())),
        Operation::Fence => fenced(world, now).await,
    }
}

fn said<T: Debug, E>(answer: Result<T, E>) -> String {
    answer.map_or_else(|_| "an error".to_owned(), |answer| format!("{answer:?}"))
}

/// Another worker finds the database moved, and fences it.
async fn fenced(world: &World, now: Timestamp) -> String {
    if world.engine == Engine::Postgres {
        world.sql("UPDATE meta SET value = 'elsewhere' WHERE name = 'home'").await;
    } else {
        std::fs::remove_file(world.place.file().unwrap().with_extension("db.mark")).unwrap();
    }
    let mut second: Store = world.second().await;
    let fenced = second.fence_if_moved(SETTLE, SEED, now).await.unwrap().is_some();
    second.close().await;
    format!("fenced: {fenced}")
}

#[test]
fn both_engines_do_the_same() {
    with_world(Engine::Postgres, |server_runtime, server| {
        with_world(Engine::Sqlite, |runtime, file| {
            let (mut held, mut failed) = (0, 0);
            for seed in 0..LISTS {
                server_runtime.block_on(emptied(server));
                runtime.block_on(emptied(file));
                let mut drawn = Drawn::new(seed, file.now);
                for n in 0..LENGTH {
                    let (operation, now) = drawn.draw();
                    let one = runtime.block_on(applied(file, &operation, now));
                    let other = server_runtime.block_on(applied(server, &operation, now));
                    assert_eq!(one, other, "list {seed}, operation {n}: {operation:?}");
                    held += one.matches("true").count();
                    failed += one.matches("false").count();
                    let (one, other) = (runtime.block_on(rows(file)), server_runtime.block_on(rows(server)));
                    assert_eq!(one, other, "list {seed}, after operation {n}: {operation:?}");
                }
            }
            assert!(held > 1000 && failed > 1000, "guards that held: {held}, that failed: {failed}");
        });
    });
}
