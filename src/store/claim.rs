//! The claim (edge E3): takes the next messages that may leave, durably, before any byte of them does.
//!
//! It re-reads booleans and instants only: live opt-in, suppression, review, campaign running, window. The law it
//! states is `engine::may_send`; a property test holds the two together. On PostgreSQL it locks the message it takes
//! and, shared, the consent it rests on: a STOP either commits first and is seen, or waits for the claim and finds
//! the message claimed; there is no third way.

use super::db::args;
use super::line::Line;
use super::{Row, Store, StoreError, Tx};
use crate::domain::change::Decision;
use crate::domain::ids::Id;
use crate::domain::message::Claimed;
use crate::domain::phone::Phone;
use crate::fault;
use jiff::{SignedDuration, Timestamp};
use sqlx::AssertSqlSafe;

/// What to claim.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// At most so many.
    pub limit: usize,
    /// How the line to the gateway is shared.
    pub line: LineTerms,
    /// The epoch that the outcomes will name.
    pub epoch: i64,
    /// Nothing whose deadline comes before this instant.
    pub latest: Timestamp,
    /// Campaigns that are in their quiet hours now.
    pub quiet: Vec<String>,
}

/// How the line to the gateway is shared by all who claim.
#[derive(Clone, Debug)]
pub struct LineTerms {
    /// The gateway's name.
    pub gateway: String,
    /// Between the starts of two requests.
    pub spacing: SignedDuration,
    /// Requests that may start on a day (UTC), where that is limited.
    pub per_day: Option<i64>,
    /// Nothing is claimed that could not start within this time.
    pub ahead: SignedDuration,
    /// Starts that were given to this worker since its last claim and never used: they don't count for the day.
    pub returned: i64,
}

/// What one turn brought.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// For each outcome, whether its guard held.
    pub applied: Vec<bool>,
    /// What was claimed, and when its request may start.
    pub claimed: Vec<(Claimed, Timestamp)>,
    /// The line has no start to give before this instant.
    pub line_free_at: Option<Timestamp>,
}

// What is due is materialized before the update begins. As a plain `id IN (SELECT … LIMIT n)` PostgreSQL may run the
// SELECT anew for each row of the table, skipping those the same statement has just changed: a claim of 5 took 500, by
// default settings, where the table was last analysed while nothing was queued.
const REPLIES: &str = "WITH due AS MATERIALIZED (
      SELECT m.id FROM messages m
      WHERE m.state = 'queued' AND m.list IS NULL AND m.not_before <= $2 AND m.not_after > $3
        AND NOT EXISTS (SELECT 1 FROM pauses)
        AND NOT EXISTS (SELECT 1 FROM contacts c WHERE c.id = m.contact_id AND c.phone LIKE 'forgotten:%')
        AND NOT (COALESCE(m.reply, '') IN ('test', 'person') AND EXISTS (SELECT 1 FROM suppressions s
          JOIN contacts c ON c.phone_hash = s.phone_hash WHERE c.id = m.contact_id))
      ORDER BY m.not_after, m.id LIMIT $4 {LOCK})
    UPDATE messages SET state = 'submitting', epoch = $1, attempts = attempts + 1, claimed_at = $2
    WHERE state = 'queued' AND id IN (SELECT id FROM due)
    RETURNING id";
const REPLIES_LOCK: &str = "FOR UPDATE OF m SKIP LOCKED";

const BROADCASTS: &str = "WITH due AS MATERIALIZED (
      SELECT m.id FROM messages m
      JOIN consents k ON k.contact_id = m.contact_id AND k.list = m.list
      JOIN contacts c ON c.id = m.contact_id
      JOIN campaigns p ON p.id = m.campaign
      WHERE m.state = 'queued' AND m.not_before <= $2 AND m.not_after > $3
        AND k.standing = 'in' AND c.held_for IS NULL AND p.state = 'running' {QUIET}
        AND NOT EXISTS (SELECT 1 FROM pauses)
        AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.phone_hash = c.phone_hash)
      ORDER BY m.not_after, m.id LIMIT $4 {LOCK})
    UPDATE messages SET state = 'submitting', epoch = $1, attempts = attempts + 1, claimed_at = $2
    WHERE state = 'queued' AND id IN (SELECT id FROM due)
    RETURNING id";
const BROADCASTS_LOCK: &str = "FOR UPDATE OF m SKIP LOCKED FOR SHARE OF k SKIP LOCKED FOR SHARE OF c SKIP LOCKED";

const CLAIMED: &str = "SELECT m.id, m.contact_id, c.phone, m.list, b.body, m.not_after, m.attempts, m.reply, m.ask_at
    FROM messages m JOIN contacts c ON c.id = m.contact_id JOIN bodies b ON b.id = m.body_id
    WHERE m.id IN ({IDS}) ORDER BY CASE WHEN m.list IS NULL THEN 0 ELSE 1 END, m.not_after, m.id";

impl Store {
    /// Records finished outcomes and claims the next messages, in one durable transaction: the sender's only write.
    /// Answers come first, whatever waits behind them.
    pub async fn turn(
        &self,
        outcomes: &[Decision],
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Turn, StoreError> {
        let mut tx = self.db.begin().await?;
        super::workers::renew(&mut tx, request.epoch, now).await?;
        if request.limit > 0 {
            self.still_home(&mut tx).await?;
        }
        let applied = self.apply(&mut tx, outcomes, now).await?;
        let (claimed, line_free_at) = claim(&mut tx, request, now).await?;
        if !claimed.is_empty() {
            fault::at("E3", "before");
        }
        tx.commit().await?;
        super::commit::passed(outcomes, "after");
        if !claimed.is_empty() {
            fault::at("E3", "after");
        }
        Ok(Turn { applied, claimed, line_free_at })
    }
}

/// The claim alone, inside a transaction of the caller's (tests look at what happens before it commits): what was
/// claimed, each with its start, and when the line has the next start if it has none now.
pub async fn claim(
    tx: &mut Tx,
    request: &ClaimRequest,
    now: Timestamp,
) -> Result<(Vec<(Claimed, Timestamp)>, Option<Timestamp>), StoreError> {
    if request.limit == 0 {
        return Ok((Vec::new(), None));
    }
    let mut line = Line::lock(tx, &request.line, now).await?;
    let limit = line.starts(&request.line, now).min(i64::try_from(request.limit).unwrap_or(i64::MAX));
    if limit <= 0 {
        return Ok((Vec::new(), Some(line.free_at(&request.line, now))));
    }
    let claimed = claim_due(tx, request, limit, now).await?;
    let starts = line.take(tx, &request.line, claimed.len()).await?;
    Ok((claimed.into_iter().zip(starts).collect(), None))
}

async fn claim_due(
    tx: &mut Tx,
    request: &ClaimRequest,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<Claimed>, StoreError> {
    let mut ids = take(tx, REPLIES, REPLIES_LOCK, request, limit, now).await?;
    let left = limit - i64::try_from(ids.len()).unwrap_or(limit);
    if left > 0 {
        ids.extend(take(tx, BROADCASTS, BROADCASTS_LOCK, request, left, now).await?);
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<String> = (1..=ids.len()).map(|n| format!("${n}")).collect();
    let sql = CLAIMED.replace("{IDS}", &numbers.join(","));
    let rows = tx.rows(AssertSqlSafe(sql), ids.into_iter().flat_map(|id| args![id]).collect()).await?;
    rows.iter().map(claimed).collect()
}

async fn take(
    tx: &mut Tx,
    sql: &str,
    lock: &str,
    request: &ClaimRequest,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<Id>, StoreError> {
    let lock = if tx.is_postgres() { lock } else { "" };
    let quiet: Vec<String> = (0..request.quiet.len()).map(|n| format!("${}", n + 5)).collect();
    let quiet = if quiet.is_empty() { String::new() } else { format!("AND m.campaign NOT IN ({})", quiet.join(",")) };
    let mut parameters = args![request.epoch, now, request.latest, limit];
    if sql.contains("{QUIET}") {
        parameters.extend(request.quiet.iter().flat_map(|campaign| args![campaign]));
    }
    let sql = sql.replace("{LOCK}", lock).replace("{QUIET}", &quiet);
    let rows = tx.rows(AssertSqlSafe(sql), parameters).await?;
    rows.iter().map(|row| row.int(0)).collect()
}

fn claimed(row: &Row) -> Result<Claimed, StoreError> {
    Ok(Claimed {
        id: row.int(0)?,
        contact: row.int(1)?,
        phone: Phone::from_e164(&row.text(2)?).ok_or(StoreError::Corrupt("contacts.phone"))?,
        list: row.opt_text(3)?,
        is_reply: row.opt_text(7)?.is_some_and(|reply| reply != "test" && reply != "person"),
        text: row.text(4)?,
        not_after: row.instant(5)?,
        attempt: u32::try_from(row.int(6)?).map_err(|_| StoreError::Corrupt("messages.attempts"))?,
        repeat_until: row.opt_int(8)?.map(|_| row.instant(8)).transpose()?,
    })
}
