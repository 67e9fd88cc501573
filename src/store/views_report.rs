//! What a campaign came to, counted for the report.

use super::db::args;
use super::{Store, StoreError};
use crate::domain::ids::Id;
use jiff::{SignedDuration, Timestamp};

/// People by door and language, and how many of them got at least one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `yes`, `no`, `unknown`.
    pub internet: String,
    /// The language they asked for, if they did.
    pub language: Option<String>,
    /// People who were sent something.
    pub people: i64,
    /// Of those, who have at least one text by its delivery report.
    pub reached: i64,
}

const GROUPS: &str = "SELECT c.internet, c.language, COUNT(DISTINCT m.contact_id),
      COUNT(DISTINCT CASE WHEN m.state = 'delivered' THEN m.contact_id END)
    FROM messages m JOIN contacts c ON c.id = m.contact_id
    WHERE m.campaign = $1 AND m.broadcast_id IS NOT NULL
    GROUP BY c.internet, c.language ORDER BY c.internet, c.language";
const REASONS: &str = "SELECT state, COALESCE(reason, ''), COUNT(*) FROM messages
    WHERE campaign = $1 AND state IN ('undelivered', 'rejected', 'expired', 'cancelled')
    GROUP BY state, reason ORDER BY COUNT(*) DESC, state, reason LIMIT $2";
const FAST: &str = "SELECT COUNT(CASE WHEN ended_at <= $2 THEN 1 END), COUNT(CASE WHEN ended_at <= $3 THEN 1 END),
      COUNT(CASE WHEN ended_at <= $4 THEN 1 END)
    FROM messages WHERE broadcast_id = $1 AND state = 'delivered'";
const CAME_AND_WENT: &str = "SELECT COUNT(DISTINCT CASE WHEN kind = 'opted_in' THEN contact_id END),
      COUNT(DISTINCT CASE WHEN kind = 'opted_out' THEN contact_id END)
    FROM events WHERE (list = $1 OR list IS NULL) AND at >= $2 AND at <= $3";

impl Store {
    /// By door and language.
    pub async fn groups(&self, campaign: &str) -> Result<Vec<Group>, StoreError> {
        let rows = self.db.rows(GROUPS, args![campaign]).await?;
        let group = |row: &super::Row| {
            Ok(Group { internet: row.text(0)?, language: row.opt_text(1)?, people: row.int(2)?, reached: row.int(3)? })
        };
        rows.iter().map(group).collect()
    }

    /// Why texts did not arrive, the commonest first: (state, reason, texts).
    pub async fn failures(&self, campaign: &str, most: i64) -> Result<Vec<(String, String, i64)>, StoreError> {
        let rows = self.db.rows(REASONS, args![campaign, most]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.int(2)?))).collect()
    }

    /// How many texts of a broadcast were delivered within one, five and sixty minutes of `due`, by their reports' arrival.
    pub async fn delivered_within(&self, broadcast: Id, due: Timestamp) -> Result<[i64; 3], StoreError> {
        let by = |minutes| due.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MAX);
        let rows = self.db.rows(FAST, args![broadcast, by(1), by(5), by(60)]).await?;
        let row = rows.first().ok_or(StoreError::Corrupt("COUNT"))?;
        Ok([row.int(0)?, row.int(1)?, row.int(2)?])
    }

    /// How many people joined a list, and left it or everything, between two instants.
    pub async fn came_and_went(&self, list: &str, from: Timestamp, to: Timestamp) -> Result<(i64, i64), StoreError> {
        let rows = self.db.rows(CAME_AND_WENT, args![list, from, to]).await?;
        let row = rows.first().ok_or(StoreError::Corrupt("COUNT"))?;
        Ok((row.int(0)?, row.int(1)?))
    }
}
