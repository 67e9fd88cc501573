//! What every part of the shell has on its desk: store, clock, settings, ids in stock, and who has just revoked.

use crate::clock::Clock;
use crate::config::{Settings, read_campaign};
use crate::domain::campaign::Campaign;
use crate::domain::ids::{Id, Ids};
use crate::engine::may_send::Revocation;
use crate::store::{CampaignRow, Store, StoreError};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Ids in one block. One decision needs fewer than a thousand (a page of an audience); twice that is always in stock, so
/// that a decision that waits a moment after stocking up still finds enough, whatever the others take meanwhile.
const BLOCK: i64 = 8000;
/// A revocation this old is in the store for certain, and every claim has seen it.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// By contact; with the instant from which the store has it, or none while it is on its way there.
type Revocations = HashMap<Id, Vec<(Revocation, Option<Timestamp>)>>;

/// By id and revision; none where the file can't be read.
type Campaigns = HashMap<(String, i64), Option<Rc<Campaign>>>;

/// See the module's head.
#[derive(Debug)]
pub struct Desk {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The configuration.
    pub settings: Settings,
    /// Machine and process of the worker at this desk, for people.
    pub place: String,
    /// What all workers of one database must agree on; empty where there is but one.
    pub agreement: String,
    /// Nobody knows the hour: the clock has jumped, or the database server's can't be read. Nothing is claimed.
    hour_unknown: Cell<bool>,
    /// The disk is full: only what came of the texts in flight is written.
    starved: Cell<bool>,
    /// The sender has something in its hands.
    busy: Cell<bool>,
    ids: Mutex<Ids>,
    revoked: Mutex<Revocations>,
    /// Campaigns by id and revision: read once from their file.
    campaigns: RefCell<Campaigns>,
    /// Texts about which a report came while they were claimed: they have left before, and do not leave again.
    arrived: Mutex<HashMap<Id, Timestamp>>,
    away: AtomicBool,
}

impl Desk {
    /// A desk with nothing in stock yet.
    pub fn new(store: Store, clock: Clock, settings: Settings) -> Self {
        let (place, agreement) = (format!("process {}", std::process::id()), String::new());
        Self {
            store,
            clock,
            settings,
            place,
            agreement,
            hour_unknown: Cell::new(false),
            starved: Cell::new(false),
            busy: Cell::new(false),
            ids: Mutex::new(Ids::new(0..0)),
            revoked: Mutex::default(),
            campaigns: RefCell::default(),
            arrived: Mutex::default(),
            away: AtomicBool::new(false),
        }
    }

    /// Does anybody know the hour?
    pub fn hour_is_known(&self) -> bool {
        !self.hour_unknown.get()
    }

    /// Is the disk full? Then what little room there is belongs to what came of the texts in flight.
    pub fn is_starved(&self) -> bool {
        self.starved.get()
    }

    /// The disk is full, or not, from now on.
    pub fn set_starved(&self, starved: bool) {
        self.starved.set(starved);
    }

    /// Is the disk full, and something in flight of which it is not known yet what will come? Then nothing else is written,
    /// not even a STOP: it is asked to come again. When all is recorded, what is left of the room is for those.
    pub fn owes(&self) -> bool {
        self.starved.get() && self.busy.get()
    }

    /// The sender has something in its hands, or not, from now on.
    pub fn set_busy(&self, busy: bool) {
        self.busy.set(busy);
    }

    /// The hour is known, or not, from now on.
    pub fn set_hour_known(&self, known: bool) {
        self.hour_unknown.set(!known);
    }

    /// Makes sure that one decision can be taken: call it before [`Desk::decide`].
    pub async fn stock(&self) -> Result<(), StoreError> {
        if self.ids().left() < 2000 {
            let block = self.store.ids(BLOCK).await?;
            *self.ids() = block;
        }
        Ok(())
    }

    /// The sender says whether anybody answers at the gateway.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Nobody answers at the gateway: it is left alone but for the sender's probes.
    pub fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// The latest date that is today anywhere on earth.
    pub fn today(&self) -> Date {
        let east = self.clock.now().saturating_add(SignedDuration::from_hours(14)).unwrap_or(Timestamp::MAX);
        TimeZone::UTC.to_datetime(east).date()
    }

    /// A campaign as it was applied.
    pub fn campaign(&self, row: &CampaignRow) -> Option<Rc<Campaign>> {
        let read = || read_campaign(&row.source).0.map(Rc::new);
        self.campaigns.borrow_mut().entry((row.id.clone(), row.revision)).or_insert_with(read).clone()
    }

    /// Takes a decision with ids from the stock.
    pub fn decide<T>(&self, decision: impl FnOnce(&mut Ids) -> T) -> T {
        decision(&mut self.ids())
    }

    /// Remembers, before it is committed, that a report came about a text that is claimed; the sender looks right before
    /// the wire.
    pub fn arrived(&self, message: Id, now: Timestamp) {
        let mut arrived = self.arrived.lock().expect("nothing panics while it holds this lock");
        arrived.retain(|_, at| now.duration_since(*at) < REMEMBERED);
        arrived.insert(message, now);
    }

    /// Did a report come about this text since it was claimed?
    pub fn has_arrived(&self, message: Id, claimed_at: Timestamp) -> bool {
        let arrived = self.arrived.lock().expect("nothing panics while it holds this lock");
        arrived.get(&message).is_some_and(|at| *at >= claimed_at)
    }

    /// Remembers a revocation before it is committed; the sender looks right before the wire. Until [`Desk::revoked`] says
    /// that the store has it, no claim whatever has seen it.
    pub fn revoke(&self, contact: Id, revocation: Revocation) {
        // Room for one: an import that is undone revokes for a hundred thousand people at once.
        self.revocations().entry(contact).or_insert_with(|| Vec::with_capacity(1)).push((revocation, None));
    }

    /// The store has what these contacts revoked: claims from now on see it there.
    pub fn revoked(&self, contacts: &[Id], now: Timestamp) {
        let mut all = self.revocations();
        for contact in contacts {
            for (_, at) in all.get_mut(contact).into_iter().flatten() {
                *at = at.or(Some(now));
            }
        }
        all.retain(|_, some| {
            some.retain(|(_, at)| at.is_none_or(|at| now.duration_since(at) < REMEMBERED));
            !some.is_empty()
        });
    }

    /// Whether a text of this contact's, claimed at `claimed_at`, was revoked since; of several the weightiest.
    pub fn revoked_since(&self, contact: Id, claimed_at: Timestamp, list: Option<&str>) -> Option<Revocation> {
        let all = self.revocations();
        let since = all.get(&contact)?.iter().filter(|(_, at)| at.is_none_or(|at| at >= claimed_at));
        let covering = since.map(|(revocation, _)| revocation).filter(|revocation| revocation.covers(list));
        covering.min_by_key(|revocation| matches!(revocation, Revocation::Review)).cloned()
    }

    fn revocations(&self) -> MutexGuard<'_, Revocations> {
        self.revoked.lock().expect("nothing panics while it holds this lock")
    }

    fn ids(&self) -> MutexGuard<'_, Ids> {
        self.ids.lock().expect("a decision does not panic: it has enough ids")
    }
}
