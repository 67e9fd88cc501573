//! Keeps the ledger's chain: seals once a minute what no seal holds yet, and says the head in the log once a day, so that
//! a chain that was rewritten later can be told by the log.

use super::desk::Desk;
use crate::clock::random_seed;
use crate::store::{Seal, StoreError};
use jiff::{SignedDuration, Timestamp};

/// What happened within this time shares a seal.
const EVERY: SignedDuration = SignedDuration::from_mins(1);
const SAID_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// See the module's head.
#[derive(Debug)]
pub struct Sealer {
    next: Timestamp,
    say_at: Timestamp,
}

impl Default for Sealer {
    fn default() -> Self {
        Self { next: Timestamp::MIN, say_at: Timestamp::MIN }
    }
}

impl Sealer {
    /// Seals, if it is time: true if there is more.
    pub async fn turn(&mut self, desk: &Desk) -> Result<bool, StoreError> {
        let now = desk.clock.now();
        // A clock that was set back must not silence it.
        if now < self.next && self.next <= now.saturating_add(EVERY).unwrap_or(now) {
            return Ok(false);
        }
        if seal(desk).await?.is_some() {
            return Ok(true); // one seal at a time: the sender has its turns in between
        }
        self.next = now.saturating_add(EVERY).unwrap_or(now);
        if now >= self.say_at || self.say_at > now.saturating_add(SAID_EVERY).unwrap_or(now) {
            self.say_at = now.saturating_add(SAID_EVERY).unwrap_or(now);
            say(desk).await?;
        }
        Ok(false)
    }
}

/// Seals one seal's worth of what is not sealed yet.
pub async fn seal(desk: &Desk) -> Result<Option<Seal>, StoreError> {
    let seed = random_seed().map_err(|error| StoreError::Database(format!("no random numbers: {error}")))?;
    desk.store.seal(seed, desk.clock.now()).await
}

/// Seals all that is not sealed yet; how many events that were.
pub async fn seal_all(desk: &Desk) -> Result<i64, StoreError> {
    let mut events = 0;
    while let Some(seal) = seal(desk).await? {
        events += seal.events;
    }
    Ok(events)
}

async fn say(desk: &Desk) -> Result<(), StoreError> {
    if let Some(head) = desk.store.head().await? {
        tracing::info!("the ledger's head is {} (seal {})", head.hash, head.id);
    }
    Ok(())
}
