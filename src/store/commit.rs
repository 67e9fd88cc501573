//! The one way decisions are written. A decision's first change is its guard: if it changes no row, the rest of the
//! decision is dropped; its neighbours in the same transaction are not.

use super::db::args;
use super::write_messages::CANCELLED;
use super::{Store, StoreError, Tx};
use crate::domain::broadcast::{Fate, Occurrence};
use crate::domain::campaign::CampaignState;
use crate::domain::change::{Change, Decision};
use crate::domain::consent::Event;
use crate::domain::contact::Contact;
use crate::domain::ids::Id;
use crate::domain::inbound::InboundText;
use crate::domain::message::Edge;
use crate::domain::report::DeliveryReport;
use crate::fault;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

impl Store {
    /// Writes decisions in one durable transaction; says for each whether its guard held.
    pub async fn commit(&self, decisions: &[Decision], now: Timestamp) -> Result<Vec<bool>, StoreError> {
        if decisions.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.db.begin().await?;
        let applied = self.apply(&mut tx, decisions, now).await?;
        super::hint::tell(&mut tx, decisions).await?;
        tx.commit().await?;
        passed(decisions, "after");
        Ok(applied)
    }

    /// Writes one decision; says whether its guard held.
    pub async fn commit_one(&self, decision: Decision, now: Timestamp) -> Result<bool, StoreError> {
        let applied = self.commit(&[decision], now).await?;
        Ok(applied == [true])
    }

    /// Writes decisions in a transaction of the caller's (tests look at what happens before it commits).
    pub async fn apply(&self, tx: &mut Tx, decisions: &[Decision], now: Timestamp) -> Result<Vec<bool>, StoreError> {
        let mut applied = Vec::with_capacity(decisions.len());
        for Decision(changes) in decisions {
            let mut held = true;
            for (at, change) in changes.iter().enumerate() {
                let rows = self.write(tx, change, now).await?;
                if at == 0 && rows == 0 {
                    held = false;
                    break;
                }
            }
            applied.push(held);
        }
        passed(decisions, "before");
        Ok(applied)
    }

    /// One change; how many rows it touched.
    async fn write(&self, tx: &mut Tx, change: &Change, now: Timestamp) -> Result<u64, StoreError> {
        match change {
            Change::ContactAdded(contact) => {
                self.renew_hash(tx, &contact.phone).await?;
                let hash = self.number_hash(&contact.phone)?;
                add_contact(tx, contact, &hash, self.identity.key_version()).await
            }
            Change::ContactChanged(contact) => change_contact(tx, contact).await,
            Change::HeldForReview { contact, reason } => tx.run(HOLD_CONTACT, args![*contact, reason]).await,
            Change::StandingSet { contact, list, standing, unless_out, at } => {
                tx.run(SET_STANDING, args![*contact, list, standing.as_str(), *at, *unless_out]).await
            }
            Change::LeftAllLists { contact, at } => tx.run(LEAVE_ALL, args![*contact, *at]).await,
            Change::Suppressed { contact, reason, at } => suppress(tx, *contact, reason, *at).await,
            Change::SuppressionLifted { contact } => lift(tx, *contact).await,
            Change::DoneSaid { contact, campaign, at } => tx.run(SAY_DONE, args![*contact, campaign, *at]).await,
            Change::Recorded(event) => record(tx, event).await,
            Change::InboundReceived { text, contact, meaning, needs_person } => {
                receive(tx, text, *contact, meaning, *needs_person).await
            }
            Change::Import(note) => super::imports::note(tx, note).await,
            Change::InboundClosed { inbound, at } => tx.run(CLOSE_INBOUND, args![*inbound, *at]).await,
            Change::CampaignApplied { id, list, source, revision, at } => {
                apply_campaign(tx, id, list, source, *revision, *at).await
            }
            Change::CampaignSteered { id, from, to, at } => steer(tx, id, from, *to, *at).await,
            Change::CursorMoved { campaign, to } => tx.run(MOVE_CURSOR, args![campaign, *to]).await,
            Change::BroadcastOpened { id, campaign, occurrence, fate, reason, at } => {
                open_broadcast(tx, *id, campaign, occurrence, *fate, reason.as_deref(), *at).await
            }
            Change::BroadcastFilled { id, from, to, last } => {
                let fate = if *last { Fate::Filled } else { Fate::Filling };
                tx.run(FILL_BROADCAST, args![*id, *from, *to, fate.as_str()]).await
            }
            Change::PassedOver { broadcast, reason, people } => {
                tx.run(PASS_OVER, args![*broadcast, *reason, *people]).await
            }
            Change::PolledTo { gateway, cursor } => {
                tx.run(KEEP_CURSOR, args![&format!("polled:{gateway}"), cursor]).await
            }
            Change::Paused { pause, reason, at } => tx.run(PAUSE, args![pause.as_str(), reason, *at]).await,
            Change::Resumed { pause } => tx.run(RESUME, args![pause.as_str()]).await,
            Change::MessagesQueued(messages) => super::write_messages::queue(tx, messages, now).await,
            Change::MessageMoved(moved) => super::write_messages::move_one(tx, moved).await,
            Change::WaitingCancelled { contact, list, reason, at } => {
                let sql = CANCEL_WAITING.replace("{CANCELLED}", CANCELLED);
                tx.run(AssertSqlSafe(sql), args![*contact, *reason, *at, list]).await
            }
            Change::CampaignCancelled { campaign, reason, at } => {
                let sql = CANCEL_CAMPAIGN.replace("{CANCELLED}", CANCELLED);
                tx.run(AssertSqlSafe(sql), args![campaign, *reason, *at]).await
            }
            Change::DoubtAsked { message, asked, absent, again_at } => {
                tx.run(ASK_AGAIN, args![*message, *asked, *absent, *again_at]).await
            }
            Change::ReportStored(report) => store_report(tx, report).await,
            Change::StrayKept(stray) => super::strays::keep(tx, stray).await,
            Change::StrayJoined { stray } => tx.run("DELETE FROM strays WHERE id = $1", args![*stray]).await,
            Change::HandleKept { gateway_id, message } => tx.run(KEEP_HANDLE, args![gateway_id, *message]).await,
        }
    }
}

/// Tests kill the program here; see `fault`.
pub(super) fn passed(decisions: &[Decision], side: &str) {
    if !cfg!(feature = "faults") {
        return;
    }
    for change in decisions.iter().flat_map(|Decision(changes)| changes) {
        match change {
            Change::BroadcastOpened { .. } | Change::MessagesQueued(_) => fault::at("E1", side),
            Change::MessageMoved(moved) => {
                if let Some(edge) = Edge::between(moved.from, moved.to) {
                    fault::at(edge.number(), side);
                }
            }
            Change::WaitingCancelled { .. } | Change::CampaignCancelled { .. } => fault::at("E13", side),
            _ => {}
        }
    }
}

const HOLD_CONTACT: &str =
    "UPDATE contacts SET held_for = $2 WHERE id = $1 AND held_for IS DISTINCT FROM $2 AND phone NOT LIKE 'forgotten:%'";
// Nobody who was forgotten meanwhile gets a standing.
const SET_STANDING: &str = "INSERT INTO consents (contact_id, list, standing, since)
    SELECT id, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT) FROM contacts WHERE id = $1 AND phone NOT LIKE 'forgotten:%'
    ON CONFLICT (contact_id, list) DO UPDATE SET standing = excluded.standing, since = excluded.since
    WHERE consents.standing <> excluded.standing AND ($5 = FALSE OR consents.standing <> 'out')";
const LEAVE_ALL: &str = "UPDATE consents SET standing = 'out', since = $2 WHERE contact_id = $1 AND standing <> 'out'";
const SUPPRESS: &str = "INSERT INTO suppressions (phone_hash, key_version, reason, since)
    SELECT phone_hash, key_version, CAST($1 AS TEXT), CAST($2 AS BIGINT) FROM contacts
    WHERE id = $3 AND phone NOT LIKE 'forgotten:%' ON CONFLICT (phone_hash) DO NOTHING RETURNING phone_hash, key_version";
const LIFT_SUPPRESSION: &str =
    "DELETE FROM suppressions WHERE phone_hash = (SELECT phone_hash FROM contacts WHERE id = $1)
     RETURNING phone_hash";
const SAY_DONE: &str = "INSERT INTO dones (contact_id, campaign, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const CLOSE_INBOUND: &str =
    "UPDATE inbounds SET needs_person = FALSE, closed_at = $2 WHERE id = $1 AND needs_person = TRUE";
const KEEP_CURSOR: &str = "INSERT INTO meta (name, value) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const PAUSE: &str = "INSERT INTO pauses (name, reason, since) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
const KEEP_HANDLE: &str =
    "INSERT INTO handles (gateway_id, message_id) VALUES ($1, $2) ON CONFLICT (gateway_id) DO NOTHING";
const RESUME: &str = "DELETE FROM pauses WHERE name = $1";
const MOVE_CURSOR: &str = "UPDATE campaigns SET planned_until = $2 WHERE id = $1 AND planned_until < $2";
const FILL_BROADCAST: &str =
    "UPDATE broadcasts SET filled_to = $3, fate = $4 WHERE id = $1 AND filled_to = $2 AND fate = 'filling'";
const PASS_OVER: &str = "INSERT INTO passed_over (broadcast_id, reason, people) VALUES ($1, $2, $3)
    ON CONFLICT (broadcast_id, reason) DO UPDATE SET people = passed_over.people + excluded.people";
// Edge E13, or E22 for a repeat.
const CANCEL_WAITING: &str = "UPDATE messages SET {CANCELLED}
    WHERE contact_id = $1 AND state IN ('queued', 'held')
      AND (list = $4 OR (CAST($4 AS TEXT) IS NULL AND COALESCE(reply, '') <> 'goodbye'))";
const CANCEL_CAMPAIGN: &str = "UPDATE messages SET {CANCELLED}
    WHERE campaign = $1 AND state IN ('queued', 'held')";
const ASK_AGAIN: &str = "UPDATE messages SET absent = $3, ask_at = $4
    WHERE id = $1 AND state = 'in_doubt' AND ask_at = $2";

async fn add_contact(tx: &mut Tx, contact: &Contact, hash: &str, key_version: i64) -> Result<u64, StoreError> {
    tx.run(
        "INSERT INTO contacts (id, phone, phone_hash, key_version, name, language, internet, tags, held_for)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (phone) DO NOTHING",
        args![
            contact.id,
            contact.phone.e164(),
            hash,
            key_version,
            &contact.name,
            &contact.language,
            contact.internet.as_str(),
            &contact.tags.join(";"),
            &contact.held_for,
        ],
    )
    .await
}

async fn suppress(tx: &mut Tx, contact: Id, reason: &str, at: Timestamp) -> Result<u64, StoreError> {
    let rows = tx.rows(SUPPRESS, args![reason, at, contact]).await?;
    for row in &rows {
        tx.note_suppressed(&row.text(0)?, row.int(1)?, at, false);
    }
    Ok(rows.len() as u64)
}

async fn lift(tx: &mut Tx, contact: Id) -> Result<u64, StoreError> {
    let rows = tx.rows(LIFT_SUPPRESSION, args![contact]).await?;
    for row in &rows {
        tx.note_lifted(&row.text(0)?);
    }
    Ok(rows.len() as u64)
}

async fn change_contact(tx: &mut Tx, contact: &Contact) -> Result<u64, StoreError> {
    tx.run(
        "UPDATE contacts SET name = $2, language = $3, internet = $4, tags = $5 WHERE id = $1 AND phone = $6",
        args![
            contact.id,
            &contact.name,
            &contact.language,
            contact.internet.as_str(),
            &contact.tags.join(";"),
            contact.phone.e164(),
        ],
    )
    .await
}

/// The event, and beside it what is personal about it.
pub(super) async fn record(tx: &mut Tx, event: &Event) -> Result<u64, StoreError> {
    tx.run(
        "INSERT INTO event_details (event_id, phone, source, evidence)
         VALUES ($1, (SELECT phone FROM contacts WHERE id = $2), $3, $4)",
        args![event.id, event.contact, &event.source, &event.evidence],
    )
    .await?;
    tx.run(
        "INSERT INTO events (id, at, kind, contact_id, list, campaign, actor, wording)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        args![
            event.id,
            event.at,
            event.kind.as_str(),
            event.contact,
            &event.list,
            &event.campaign,
            &event.actor,
            &event.wording,
        ],
    )
    .await
}

async fn receive(
    tx: &mut Tx,
    text: &InboundText,
    contact: Option<Id>,
    meaning: &str,
    needs_person: bool,
) -> Result<u64, StoreError> {
    tx.run(
        "INSERT INTO inbounds (id, gateway, gateway_id, contact_id, sender, body, meaning, needs_person, received_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (gateway, gateway_id) DO NOTHING",
        args![
            text.id, &text.gateway, &text.gateway_id, contact, &text.raw_from, &text.body, meaning, needs_person,
            text.received_at,
        ],
    )
    .await
}

async fn apply_campaign(
    tx: &mut Tx,
    id: &str,
    list: &str,
    source: &str,
    revision: i64,
    at: Timestamp,
) -> Result<u64, StoreError> {
    if revision == 0 {
        return tx
            .run(
                "INSERT INTO campaigns (id, list, revision, source, state, planned_until, changed_at)
                 VALUES ($1, $2, 1, $3, 'draft', 0, $4) ON CONFLICT (id) DO NOTHING",
                args![id, list, source, at],
            )
            .await;
    }
    tx.run(
        "UPDATE campaigns SET list = $2, source = $3, revision = revision + 1, changed_at = $5
         WHERE id = $1 AND revision = $4",
        args![id, list, source, revision, at],
    )
    .await
}

async fn steer(
    tx: &mut Tx,
    id: &str,
    from: &[CampaignState],
    to: CampaignState,
    at: Timestamp,
) -> Result<u64, StoreError> {
    // The words come from an enum: nothing of a user's ends in this text.
    let from: Vec<String> = from.iter().map(|s| format!("'{}'", s.as_str())).collect();
    let sql = format!(
        "UPDATE campaigns SET state = $2, changed_at = $3, revision = revision + 1 WHERE id = $1 AND state IN ({})",
        from.join(",")
    );
    tx.run(AssertSqlSafe(sql), args![id, to.as_str(), at]).await
}

async fn open_broadcast(
    tx: &mut Tx,
    id: Id,
    campaign: &str,
    occurrence: &Occurrence,
    fate: Fate,
    reason: Option<&str>,
    at: Timestamp,
) -> Result<u64, StoreError> {
    tx.run(
        "INSERT INTO broadcasts
           (id, campaign, step, local_time, pass, due_at, not_after, fate, reason, filled_to, opened_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)
         ON CONFLICT (campaign, step, local_time, pass) DO NOTHING",
        args![
            id,
            campaign,
            &occurrence.step,
            &occurrence.local,
            i64::from(occurrence.pass),
            occurrence.due_at,
            occurrence.not_after,
            fate.as_str(),
            reason,
            at,
        ],
    )
    .await
}

async fn store_report(tx: &mut Tx, report: &DeliveryReport) -> Result<u64, StoreError> {
    tx.run(
        "INSERT INTO reports (id, gateway, fingerprint, message_id, status, detail, received_at)
         SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS TEXT),
           CAST($6 AS TEXT), CAST($7 AS BIGINT)
         WHERE NOT EXISTS (SELECT 1 FROM contacts c JOIN messages m ON m.contact_id = c.id
           WHERE m.id = $4 AND c.phone LIKE 'forgotten:%')
         ON CONFLICT (gateway, fingerprint) DO NOTHING",
        args![
            report.id,
            &report.gateway,
            &report.fingerprint,
            report.message,
            report.status.as_str(),
            &report.detail,
            report.received_at,
        ],
    )
    .await
}
