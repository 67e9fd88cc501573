//! What the last text of a campaign came to, for each of some contacts.

use super::db::args;
use super::{Store, StoreError};
use crate::domain::ids::Id;
use crate::domain::message::State;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use std::collections::HashMap;

/// The last text that was for a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastText {
    /// Its step.
    pub step: String,
    /// When it was claimed last, else made.
    pub at: Timestamp,
    /// What became of it.
    pub state: State,
    /// Why.
    pub reason: Option<String>,
}

const LAST: &str = "SELECT m.contact_id, b.step, COALESCE(m.claimed_at, m.created_at), m.state, m.reason
    FROM messages m JOIN broadcasts b ON b.id = m.broadcast_id
    WHERE m.campaign = $1 AND m.contact_id IN ({}) ORDER BY m.contact_id, b.due_at, m.id";

impl Store {
    /// The last text of a campaign for each of `contacts`; whoever has had none is not in it.
    pub async fn last_texts(&self, campaign: &str, contacts: &[Id]) -> Result<HashMap<Id, LastText>, StoreError> {
        if contacts.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<String> = (2..contacts.len() + 2).map(|n| format!("${n}")).collect();
        let sql = LAST.replace("{}", &ids.join(","));
        let mut parameters = args![campaign];
        parameters.extend(contacts.iter().flat_map(|id| args![*id]));
        let mut last = HashMap::new();
        for row in self.db.rows(AssertSqlSafe(sql), parameters).await? {
            let state = State::parse(&row.text(3)?).ok_or(StoreError::Corrupt("messages.state"))?;
            let text = LastText { step: row.text(1)?, at: row.instant(2)?, state, reason: row.opt_text(4)? };
            last.insert(row.int(0)?, text);
        }
        Ok(last)
    }
}
