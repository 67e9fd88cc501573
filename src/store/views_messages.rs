//! Reading messages: counts, doubts, conversations, and the ledger that the demo's judge joins to the phones' own book.

use super::db::args;
use super::{Row, Store, StoreError};
use crate::domain::doubt::Doubt;
use crate::domain::ids::Id;
use crate::domain::message::State;
use crate::domain::phone::Phone;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Messages by state, and what they cost in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many in each state.
    pub states: BTreeMap<State, i64>,
    /// Parts of those a gateway took.
    pub parts: i64,
}

impl Counts {
    /// How many in one state.
    pub fn of(&self, state: State) -> i64 {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// How many in all.
    pub fn total(&self) -> i64 {
        self.states.values().sum()
    }
}

/// A message as people look at it.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// Row id.
    pub id: Id,
    /// Its broadcast, if it is not an answer.
    pub broadcast: Option<Id>,
    /// Where it is.
    pub state: State,
    /// Why.
    pub reason: Option<String>,
    /// The text.
    pub body: String,
    /// Its parts.
    pub parts: i64,
    /// How often it was tried.
    pub attempts: i64,
}

/// One line of a conversation with a contact.
#[derive(Clone, Debug)]
pub struct ConversationLine {
    /// When: claimed last (ours, else made), received (theirs).
    pub at: Timestamp,
    /// True for theirs.
    pub theirs: bool,
    /// The text.
    pub body: String,
    /// Ours: its state.
    pub state: Option<State>,
    /// Ours: why.
    pub reason: Option<String>,
}

/// What the books say of one message, for the judge.
#[derive(Clone, Debug)]
pub struct LedgerLine {
    /// Row id.
    pub message: Id,
    /// To whom.
    pub contact: Id,
    /// The broadcast it belongs to, or none for an answer.
    pub broadcast: Option<Id>,
    /// The inbound text it answers.
    pub inbound: Option<Id>,
    /// Its list.
    pub list: Option<String>,
    /// Half-open deadline.
    pub not_after: Timestamp,
}

// SQLite takes a partial index only where its condition is named in full.
const COUNT_DOUBTS: &str = "SELECT COUNT(*) FROM messages
    WHERE state = 'in_doubt' AND state IN ('submitting', 'in_doubt')";
/// Messages a gateway has (or had) in its hands.
const TAKEN: &str = "'accepted', 'delivered', 'undelivered'";

impl Store {
    /// Counts over all messages, or over those of one campaign.
    pub async fn counts(&self, campaign: Option<&str>) -> Result<Counts, StoreError> {
        self.counted("(CAST($1 AS TEXT) IS NULL OR campaign = $1)", args![campaign]).await
    }

    /// Counts over one broadcast.
    pub async fn broadcast_counts(&self, broadcast: Id) -> Result<Counts, StoreError> {
        self.counted("broadcast_id = $1", args![broadcast]).await
    }

    async fn counted(&self, of: &'static str, parameters: Vec<super::db::Value>) -> Result<Counts, StoreError> {
        let sql = format!(
            "SELECT state, COUNT(*), CAST(SUM(CASE WHEN state IN ({TAKEN}) THEN parts ELSE 0 END) AS BIGINT)
             FROM messages WHERE {of} GROUP BY state"
        );
        let mut counts = Counts::default();
        for row in self.db.rows(sqlx::AssertSqlSafe(sql), parameters).await? {
            let state = State::parse(&row.text(0)?).ok_or(StoreError::Corrupt("messages.state"))?;
            counts.states.insert(state, row.int(1)?);
            counts.parts += row.int(2)?;
        }
        Ok(counts)
    }

    /// How many messages are in doubt.
    pub async fn doubt_count(&self) -> Result<i64, StoreError> {
        let rows = self.db.rows(COUNT_DOUBTS, vec![]).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    /// The state of one message, and whom it is for.
    pub async fn message_state(&self, id: Id) -> Result<Option<(State, Id)>, StoreError> {
        let rows = self.db.rows("SELECT state, contact_id FROM messages WHERE id = $1", args![id]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let state = State::parse(&row.text(0)?).ok_or(StoreError::Corrupt("messages.state"))?;
        Ok(Some((state, row.int(1)?)))
    }

    /// The state of one message, and why.
    pub async fn message_end(&self, id: Id) -> Result<Option<(State, Option<String>)>, StoreError> {
        let rows = self.db.rows("SELECT state, reason FROM messages WHERE id = $1", args![id]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let state = State::parse(&row.text(0)?).ok_or(StoreError::Corrupt("messages.state"))?;
        Ok(Some((state, row.opt_text(1)?)))
    }

    /// Messages in doubt whose gateway is to be asked at or before `now`. The state is named twice: SQLite takes a partial
    /// index only where the index's own condition stands in the statement.
    pub async fn doubts(&self, now: Timestamp, limit: i64) -> Result<Vec<Doubt>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT m.id, COALESCE(m.answered_at, m.claimed_at, m.created_at), m.absent, c.phone, b.body,
                   COALESCE(m.claimed_at, m.created_at), m.ask_at, m.created_at, m.may_resend, m.not_after,
                   m.contact_id, m.campaign, o.step,
                   CASE WHEN k.standing = 'out' OR p.state = 'cancelled' THEN TRUE ELSE FALSE END
                 FROM messages m JOIN contacts c ON c.id = m.contact_id JOIN bodies b ON b.id = m.body_id
                 LEFT JOIN broadcasts o ON o.id = m.broadcast_id
                 LEFT JOIN consents k ON k.contact_id = m.contact_id AND k.list = m.list
                 LEFT JOIN campaigns p ON p.id = m.campaign
                 WHERE m.state IN ('submitting', 'in_doubt') AND m.state = 'in_doubt' AND m.ask_at <= $1
                   AND c.phone NOT LIKE 'forgotten:%'
                 ORDER BY m.ask_at, m.id LIMIT $2",
                args![now, limit],
            )
            .await?;
        let phone = |text: &str| Phone::from_e164(text).ok_or(StoreError::Corrupt("contacts.phone"));
        let doubt = |row: &Row| {
            let (id, since, absent) = (row.int(0)?, row.instant(1)?, row.int(2)?);
            Ok(Doubt {
                id,
                since,
                handed_at: row.instant(5)?,
                absent,
                to: phone(&row.text(3)?)?,
                text: row.text(4)?,
                ask_at: row.instant(6)?,
                first_at: row.instant(7)?,
                may_resend: row.bool(8)?,
                not_after: row.instant(9)?,
                contact: row.int(10)?,
                of: row.opt_text(11)?.zip(row.opt_text(12)?),
                revoked: row.bool(13)?,
            })
        };
        rows.iter().map(doubt).collect()
    }

    /// A contact's messages, oldest first.
    pub async fn messages(&self, contact: Id) -> Result<Vec<MessageRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT m.id, m.broadcast_id, m.state, m.reason, b.body, m.parts, m.attempts
                 FROM messages m JOIN bodies b ON b.id = m.body_id WHERE m.contact_id = $1 ORDER BY m.id",
                args![contact],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(MessageRow {
                    id: row.int(0)?,
                    broadcast: row.opt_int(1)?,
                    state: State::parse(&row.text(2)?).ok_or(StoreError::Corrupt("messages.state"))?,
                    reason: row.opt_text(3)?,
                    body: row.text(4)?,
                    parts: row.int(5)?,
                    attempts: row.int(6)?,
                })
            })
            .collect()
    }

    /// Both sides of the conversation with a contact, in order of time.
    pub async fn conversation(&self, contact: Id) -> Result<Vec<ConversationLine>, StoreError> {
        let ours = self
            .db
            .rows(
                "SELECT COALESCE(m.claimed_at, m.created_at), b.body, m.state, m.reason
                 FROM messages m JOIN bodies b ON b.id = m.body_id WHERE m.contact_id = $1 ORDER BY m.id",
                args![contact],
            )
            .await?;
        let theirs = self
            .db
            .rows("SELECT received_at, body FROM inbounds WHERE contact_id = $1 ORDER BY id", args![contact])
            .await?;
        let mut lines = Vec::new();
        for row in &theirs {
            lines.push(ConversationLine {
                at: row.instant(0)?,
                theirs: true,
                body: row.text(1)?,
                state: None,
                reason: None,
            });
        }
        for row in &ours {
            lines.push(ConversationLine {
                at: row.instant(0)?,
                theirs: false,
                body: row.text(1)?,
                state: State::parse(&row.text(2)?),
                reason: row.opt_text(3)?,
            });
        }
        lines.sort_by_key(|line| (line.at, !line.theirs));
        Ok(lines)
    }

    /// Every message, as the judge needs it.
    pub async fn ledger(&self) -> Result<Vec<LedgerLine>, StoreError> {
        let rows = self
            .db
            .rows("SELECT id, contact_id, broadcast_id, inbound_id, list, not_after FROM messages ORDER BY id", vec![])
            .await?;
        rows.iter()
            .map(|row| {
                Ok(LedgerLine {
                    message: row.int(0)?,
                    contact: row.int(1)?,
                    broadcast: row.opt_int(2)?,
                    inbound: row.opt_int(3)?,
                    list: row.opt_text(4)?,
                    not_after: row.instant(5)?,
                })
            })
            .collect()
    }

    /// Every opt-in and opt-out of the ledger, in order: (contact, list or all, opted in, from when).
    pub async fn consent_history(&self) -> Result<Vec<(Id, Option<String>, bool, Timestamp)>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT contact_id, list, kind, at FROM events
                 WHERE kind IN ('opted_in', 'opted_out') AND contact_id IS NOT NULL ORDER BY at, id",
                vec![],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((row.int(0)?, row.opt_text(1)?, row.text(2)? == "opted_in", row.instant(3)?)))
            .collect()
    }
}
