//! What every part of the shell has on its desk: store, clock, settings, ids in stock, and who has just revoked.

use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::ids::{Id, Ids};
use crate::engine::may_send::Revocation;
use crate::store::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

/// Ids in one block. One decision needs fewer than a thousand (a page of an audience).
const BLOCK: i64 = 4000;
/// A revocation this old is in the store for certain, and every claim has seen it.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// See the module's head.
#[derive(Debug)]
pub struct Desk {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The configuration.
    pub settings: Settings,
    ids: Mutex<Ids>,
    revoked: Mutex<HashMap<Id, (Revocation, Timestamp)>>,
}

impl Desk {
    /// A desk with nothing in stock yet.
    pub fn new(store: Store, clock: Clock, settings: Settings) -> Self {
        Self { store, clock, settings, ids: Mutex::new(Ids::new(0..0)), revoked: Mutex::default() }
    }

    /// Makes sure that one decision can be taken: call it before [`Desk::decide`].
    pub async fn stock(&self) -> Result<(), StoreError> {
        if self.ids().left() < 1000 {
            let block = self.store.ids(BLOCK).await?;
            *self.ids() = block;
        }
        Ok(())
    }

    /// Takes a decision with ids from the stock.
    pub fn decide<T>(&self, decision: impl FnOnce(&mut Ids) -> T) -> T {
        decision(&mut self.ids())
    }

    /// Remembers a revocation before it is committed: the sender looks right before the wire.
    pub fn revoke(&self, contact: Id, revocation: Revocation, now: Timestamp) {
        let mut revoked = self.revoked.lock().expect("nothing panics while it holds this lock");
        revoked.retain(|_, (_, at)| now.duration_since(*at) < REMEMBERED);
        revoked.insert(contact, (revocation, now));
    }

    /// A revocation that came after a claim at `claimed_at`, if there is one.
    pub fn revoked_since(&self, contact: Id, claimed_at: Timestamp) -> Option<Revocation> {
        let revoked = self.revoked.lock().expect("nothing panics while it holds this lock");
        revoked.get(&contact).filter(|(_, at)| *at >= claimed_at).map(|(revocation, _)| revocation.clone())
    }

    fn ids(&self) -> MutexGuard<'_, Ids> {
        self.ids.lock().expect("a decision does not panic: it has enough ids")
    }
}
