//! Reading what proves a consent: standings with their day, what answered which text, and what is left of the forgotten.

use super::db::args;
use super::{Row, Store, StoreError};
use crate::domain::consent::Standing;
use crate::domain::ids::Id;
use crate::domain::message::State;
use jiff::Timestamp;

/// An answer of ours to a text of theirs.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Which gateway handed the text over.
    pub gateway: String,
    /// Under which id.
    pub gateway_id: String,
    /// Which answer.
    pub reply: String,
    /// Its words; none where they are not kept any more.
    pub body: Option<String>,
    /// What became of it.
    pub state: State,
}

impl Store {
    /// How a contact stands to every list it ever had to do with, and since when.
    pub async fn standings_since(&self, contact: Id) -> Result<Vec<(String, Standing, Timestamp)>, StoreError> {
        let sql = "SELECT list, standing, since FROM consents WHERE contact_id = $1 ORDER BY list";
        let standing = |row: &Row| {
            let standing = Standing::parse(&row.text(1)?).ok_or(StoreError::Corrupt("consents.standing"))?;
            Ok((row.text(0)?, standing, row.instant(2)?))
        };
        self.db.rows(sql, args![contact]).await?.iter().map(standing).collect()
    }

    /// What answered a contact's texts.
    pub async fn answers(&self, contact: Id) -> Result<Vec<Answer>, StoreError> {
        let sql = "SELECT i.gateway, i.gateway_id, COALESCE(m.reply, ''), b.body, m.state
                   FROM inbounds i JOIN messages m ON m.inbound_id = i.id AND m.inbound_id IS NOT NULL
                   LEFT JOIN bodies b ON b.id = m.body_id AND b.id <> 0
                   WHERE i.contact_id = $1 ORDER BY m.id";
        let answer = |row: &Row| {
            Ok(Answer {
                gateway: row.text(0)?,
                gateway_id: row.text(1)?,
                reply: row.text(2)?,
                body: row.opt_text(3)?,
                state: State::parse(&row.text(4)?).ok_or(StoreError::Corrupt("messages.state"))?,
            })
        };
        self.db.rows(sql, args![contact]).await?.iter().map(answer).collect()
    }

    /// The entry that says that somebody was forgotten in this instant: its id and its seal.
    pub async fn erased_at(&self, at: Timestamp) -> Result<Option<(Id, Option<i64>)>, StoreError> {
        let sql = "SELECT id, seal FROM events WHERE kind = 'erased' AND at = $1 ORDER BY id LIMIT 1";
        self.db.rows(sql, args![at]).await?.first().map(|row| Ok((row.int(0)?, row.opt_int(1)?))).transpose()
    }
}
