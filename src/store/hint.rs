//! Wake-ups between workers on PostgreSQL (LISTEN/NOTIFY): a hint and nothing more. Who hears nothing looks around every
//! two seconds all the same.

use super::db::args;
use super::{Db, Store, StoreError, Tx};
use crate::domain::change::{Change, Decision};
use crate::domain::ids::Id;
use sqlx::postgres::PgListener;

const CHANNEL: &str = "ringround";
/// Before a contact whom a person must look at first.
const REVIEW: &str = "review ";

/// What another worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// There is something to do.
    Wake,
    /// This contact has left: nothing claimed before now leaves.
    Left(Id),
    /// This contact may have meant to leave: what was claimed before now waits for a person.
    Review(Id),
}

/// Hears what other workers say.
#[derive(Debug)]
pub struct Hints(PgListener);

impl Store {
    /// Can there be other workers?
    pub fn is_shared(&self) -> bool {
        self.db.is_postgres()
    }

    /// Begins to listen; none where there is nobody else to hear.
    pub async fn hints(&self) -> Result<Option<Hints>, StoreError> {
        let Db::Postgres(pool) = &self.db else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(Hints(listener)))
    }
}

impl Hints {
    /// Waits for the next one.
    pub async fn next(&mut self) -> Result<Hint, StoreError> {
        let said = self.0.recv().await?;
        let payload = said.payload();
        Ok(match payload.strip_prefix(REVIEW) {
            Some(contact) => contact.parse().map_or(Hint::Wake, Hint::Review),
            None => payload.parse().map_or(Hint::Wake, Hint::Left),
        })
    }
}

/// Tells the others, when this transaction commits, what they may want to know of it.
pub(super) async fn tell(tx: &mut Tx, decisions: &[Decision]) -> Result<(), StoreError> {
    if !tx.is_postgres() {
        return Ok(());
    }
    let mut payloads: Vec<String> = Vec::new();
    for change in decisions.iter().flat_map(|Decision(changes)| changes) {
        match change {
            Change::LeftAllLists { contact, .. } => payloads.push(contact.to_string()),
            Change::HeldForReview { contact, reason: Some(_) } => payloads.push(format!("{REVIEW}{contact}")),
            Change::MessagesQueued(_)
            | Change::CampaignApplied { .. }
            | Change::CampaignSteered { .. }
            | Change::Paused { .. }
            | Change::Resumed { .. } => payloads.push(String::new()),
            _ => {}
        }
    }
    payloads.sort_unstable();
    payloads.dedup();
    for payload in &payloads {
        tx.rows("SELECT pg_notify($1, $2)::text", args![CHANNEL, payload]).await?;
    }
    Ok(())
}

/// Tells the others that this contact has left.
pub(super) async fn left(tx: &mut Tx, contact: Id) -> Result<(), StoreError> {
    if tx.is_postgres() {
        tx.rows("SELECT pg_notify($1, $2)::text", args![CHANNEL, &contact.to_string()]).await?;
    }
    Ok(())
}
