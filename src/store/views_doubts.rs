//! Reading doubts as people decide about them: which are open, how many, since when.
//!
//! Each state has a partial index of its own, and SQLite takes one only where the index's own condition stands in the
//! statement: hence two texts for two states, and `in_doubt` named twice.

use super::db::args;
use super::{Row, Store, StoreError};
use crate::domain::campaign::CampaignState;
use crate::domain::consent::Standing;
use crate::domain::doubt::OpenDoubt;
use crate::domain::ids::Id;
use crate::domain::message::State;
use crate::domain::phone::Phone;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

/// How many texts are in doubt, how many of those nobody could settle, and since when the oldest of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// Still being settled.
    pub in_doubt: i64,
    /// Since when the oldest of them is.
    pub in_doubt_since: Option<Timestamp>,
    /// Left to a person.
    pub unresolved: i64,
    /// Since when the oldest of them is in doubt.
    pub unresolved_since: Option<Timestamp>,
}

impl Doubts {
    /// Since when the oldest of all.
    pub fn since(&self) -> Option<Timestamp> {
        self.in_doubt_since.into_iter().chain(self.unresolved_since).min()
    }
}

const OPEN: &str = "SELECT m.id, m.state, m.contact_id, c.phone, m.campaign, p.state, o.step, m.list, k.standing,
      m.inbound_id, COALESCE(m.answered_at, m.claimed_at, m.created_at), m.not_after, m.reason, b.body,
      (SELECT COUNT(*) FROM suppressions s WHERE s.phone_hash = c.phone_hash)
    FROM messages m JOIN contacts c ON c.id = m.contact_id JOIN bodies b ON b.id = m.body_id
    LEFT JOIN broadcasts o ON o.id = m.broadcast_id LEFT JOIN campaigns p ON p.id = m.campaign
    LEFT JOIN consents k ON k.contact_id = m.contact_id AND k.list = m.list";

impl Store {
    /// Texts that are in doubt (or, `unresolved`, those left to a person) after this id, of one campaign or of all.
    pub async fn open_doubts(
        &self,
        unresolved: bool,
        campaign: Option<&str>,
        after: Id,
        limit: i64,
    ) -> Result<Vec<OpenDoubt>, StoreError> {
        let sql = if unresolved {
            format!(
                "{OPEN} WHERE m.state = 'unresolved' AND c.phone NOT LIKE 'forgotten:%' AND m.id > $1 AND (CAST($2 AS TEXT) IS NULL OR m.campaign = $2)
                 ORDER BY m.id LIMIT $3"
            )
        } else {
            format!(
                "{OPEN} WHERE m.state IN ('submitting', 'in_doubt') AND m.state = 'in_doubt' AND c.phone NOT LIKE 'forgotten:%' AND m.id > $1
                   AND (CAST($2 AS TEXT) IS NULL OR m.campaign = $2) ORDER BY m.id LIMIT $3"
            )
        };
        self.db.rows(AssertSqlSafe(sql), args![after, campaign, limit]).await?.iter().map(open).collect()
    }

    /// One text, in whatever state it is.
    pub async fn open_doubt(&self, id: Id) -> Result<Option<OpenDoubt>, StoreError> {
        let sql = format!("{OPEN} WHERE m.id = $1 AND c.phone NOT LIKE 'forgotten:%'");
        self.db.rows(AssertSqlSafe(sql), args![id]).await?.first().map(open).transpose()
    }

    /// How many doubts there are, over all messages or those of one campaign.
    pub async fn doubts_open(&self, campaign: Option<&str>) -> Result<Doubts, StoreError> {
        let in_doubt = self
            .db
            .rows(
                "SELECT COUNT(*), MIN(COALESCE(answered_at, claimed_at, created_at)) FROM messages
                 WHERE state IN ('submitting', 'in_doubt') AND state = 'in_doubt'
                   AND (CAST($1 AS TEXT) IS NULL OR campaign = $1)",
                args![campaign],
            )
            .await?;
        let unresolved = self
            .db
            .rows(
                "SELECT COUNT(*), MIN(COALESCE(answered_at, claimed_at, created_at)) FROM messages
                 WHERE state = 'unresolved' AND (CAST($1 AS TEXT) IS NULL OR campaign = $1)",
                args![campaign],
            )
            .await?;
        let since = |row: &Row| row.opt_int(1)?.map(|_| row.instant(1)).transpose();
        let mut doubts = Doubts::default();
        if let Some(row) = in_doubt.first() {
            (doubts.in_doubt, doubts.in_doubt_since) = (row.int(0)?, since(row)?);
        }
        if let Some(row) = unresolved.first() {
            (doubts.unresolved, doubts.unresolved_since) = (row.int(0)?, since(row)?);
        }
        Ok(doubts)
    }
}

fn open(row: &Row) -> Result<OpenDoubt, StoreError> {
    let campaign_state = |word: String| CampaignState::parse(&word).ok_or(StoreError::Corrupt("campaigns.state"));
    let standing = |word: String| Standing::parse(&word).ok_or(StoreError::Corrupt("consents.standing"));
    // A list to which there is no standing at all: never agreed.
    let never = row.opt_text(7)?.map(|_| Standing::Pending);
    Ok(OpenDoubt {
        id: row.int(0)?,
        state: State::parse(&row.text(1)?).ok_or(StoreError::Corrupt("messages.state"))?,
        contact: row.int(2)?,
        to: Phone::from_e164(&row.text(3)?).ok_or(StoreError::Corrupt("contacts.phone"))?,
        campaign: row.opt_text(4)?.zip(row.opt_text(5)?.map(campaign_state).transpose()?),
        step: row.opt_text(6)?,
        standing: row.opt_text(8)?.map(standing).transpose()?.or(never),
        is_reply: row.opt_int(9)?.is_some(),
        since: row.instant(10)?,
        not_after: row.instant(11)?,
        reason: row.opt_text(12)?,
        text: row.text(13)?,
        suppressed: row.int(14)? > 0,
    })
}
