//! Writing messages: making them (E1) and moving them along every edge but the claim.

use super::db::{Value, args, placeholders};
use super::{StoreError, Tx};
use crate::domain::change::MessageMove;
use crate::domain::ids::Id;
use crate::domain::message::{Edge, NewMessage, Origin, State};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

/// Rows in one INSERT. 200 rows of 17 parameters stay far below SQLite's limit of 32,766.
const BLOCK: usize = 200;

/// Stores the texts once, then the messages.
pub(super) async fn queue(tx: &mut Tx, messages: &[NewMessage], now: Timestamp) -> Result<u64, StoreError> {
    let bodies: BTreeMap<Id, &str> = messages.iter().map(|m| (body_id(&m.text), m.text.as_str())).collect();
    let bodies: Vec<_> = bodies.into_iter().collect();
    // A text that is there already is locked on PostgreSQL: erasure must not drop it between this and the next statement.
    for block in bodies.chunks(BLOCK) {
        let sql = format!(
            "INSERT INTO bodies (id, body) VALUES {} ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            placeholders(block.len(), 2)
        );
        tx.run(AssertSqlSafe(sql), block.iter().flat_map(|(id, body)| args![*id, *body]).collect()).await?;
    }
    let mut rows = 0;
    for block in messages.chunks(BLOCK) {
        let sql = format!(
            "INSERT INTO messages (id, contact_id, broadcast_id, inbound_id, campaign, list, reply, body_id, parts,
               not_before, not_after, state, attempts, epoch, absent, created_at, may_resend)
             VALUES {} ON CONFLICT DO NOTHING",
            placeholders(block.len(), 17)
        );
        rows += tx.run(AssertSqlSafe(sql), block.iter().flat_map(|m| values(m, now)).collect()).await?;
    }
    Ok(rows)
}

fn values(message: &NewMessage, now: Timestamp) -> Vec<Value> {
    let (broadcast, inbound) = match message.origin {
        Origin::Broadcast(id) => (Some(id), None),
        Origin::Reply(id) => (None, Some(id)),
        Origin::Test => (None, None),
    };
    args![
        message.id,
        message.contact,
        broadcast,
        inbound,
        &message.campaign,
        &message.list,
        message.reply,
        body_id(&message.text),
        i64::from(message.parts),
        message.not_before,
        message.not_after,
        State::Queued.as_str(),
        0,
        0,
        0,
        now,
        message.may_resend,
    ]
}

/// The first 63 bits of the text's SHA-256: no look-up is needed to store a text once. Two different texts among a
/// million would share one with a probability of about 10^-7; a campaign has a few hundred.
fn body_id(text: &str) -> Id {
    let hash = Sha256::digest(text.as_bytes());
    let first: [u8; 8] = std::array::from_fn(|i| hash[i]);
    Id::from_be_bytes(first) & Id::MAX
}

// Edge E13, or E22 for a repeat: a STOP that came while somebody had the text in their hands found nothing to cancel.
const CANCEL_LEFT: &str = "UPDATE messages SET {CANCELLED}
    WHERE id = $1 AND state = 'queued' AND (EXISTS (SELECT 1 FROM consents k
      WHERE k.contact_id = messages.contact_id AND k.list = messages.list AND k.standing = 'out')
      OR EXISTS (SELECT 1 FROM contacts c WHERE c.id = messages.contact_id AND c.phone LIKE 'forgotten:%'))";

/// What a cancelled message becomes; $2 says why, $3 when. One that waited to be sent again may have arrived the first
/// time: it is in doubt, because that it was cancelled could be a lie.
pub(super) const CANCELLED: &str = "state = CASE WHEN ask_at IS NULL THEN 'cancelled' ELSE 'in_doubt' END,
      reason = CASE WHEN ask_at IS NULL THEN CAST($2 AS TEXT)
        ELSE CAST($2 AS TEXT) || ', before it could be sent again' END,
      ended_at = CASE WHEN ask_at IS NULL THEN CAST($3 AS BIGINT) END,
      answered_at = CASE WHEN ask_at IS NULL THEN answered_at ELSE CAST($3 AS BIGINT) END,
      absent = CASE WHEN ask_at IS NULL THEN absent ELSE 0 END,
      ask_at = CASE WHEN ask_at IS NULL THEN NULL ELSE CAST($3 AS BIGINT) END";

/// One move. Guard: the message is where the decision saw it, claimed by the epoch the decision belongs to.
pub(super) async fn move_one(tx: &mut Tx, moved: &MessageMove) -> Result<u64, StoreError> {
    // The claim is an edge too, but the claim statement's own: here it would ask nobody's consent.
    if matches!(Edge::between(moved.from, moved.to), None | Some(Edge::Claim)) {
        return Err(StoreError::Corrupt("a move that the chart of states does not have"));
    }
    let ended = moved.to.is_final().then_some(moved.at);
    let answered = (moved.from == State::Submitting).then_some(moved.at);
    let queued_again = (moved.to == State::Queued).then_some(moved.next_at).flatten();
    // What goes out again although it may have arrived keeps the end of its window until it has left.
    let ask_at = match moved.to {
        State::InDoubt | State::Accepted => moved.next_at,
        State::Queued => moved.repeat_until,
        _ => None,
    };
    let rows = tx
        .run(
            // The gateway's words may name the number of somebody who was forgotten meanwhile.
            "UPDATE messages SET state = $3, reason = CASE WHEN EXISTS (SELECT 1 FROM contacts c
               WHERE c.id = messages.contact_id AND c.phone LIKE 'forgotten:%') THEN 'forgotten' ELSE $4 END, gateway_id = COALESCE($5, gateway_id),
           not_before = COALESCE($6, not_before), answered_at = COALESCE($8, answered_at), ended_at = $9,
           ask_at = CASE WHEN $2 = 'submitting' AND $3 = 'queued' THEN ask_at ELSE $7 END,
           absent = CASE WHEN $3 = 'in_doubt' THEN 0 ELSE absent END,
           may_resend = CASE WHEN $12 = TRUE THEN FALSE ELSE may_resend END
         WHERE id = $1 AND state = $2 AND (CAST($10 AS BIGINT) IS NULL OR epoch = $10)
           AND (CAST($11 AS BIGINT) IS NULL OR ask_at = $11)",
            args![
                moved.id,
                moved.from.as_str(),
                moved.to.as_str(),
                &moved.reason,
                &moved.gateway_id,
                queued_again,
                ask_at,
                answered,
                ended,
                moved.epoch,
                moved.asked,
                moved.by_policy,
            ],
        )
        .await?;
    if moved.to == State::Queued && rows > 0 {
        let sql = CANCEL_LEFT.replace("{CANCELLED}", CANCELLED);
        tx.run(AssertSqlSafe(sql), args![moved.id, "STOP", moved.at]).await?;
    }
    Ok(rows)
}
