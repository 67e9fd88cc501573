//! Takes what a gateway hands to us: inbound texts and delivery reports. Stored before it is acknowledged; a repeat
//! changes nothing; a conflict is read again and decided again, at most three times.

use super::desk::Desk;
use crate::domain::inbound::InboundText;
use crate::domain::phone::Phone;
use crate::domain::report::{DeliveryReport, ReportStatus};
use crate::engine::{inbound, report};
use crate::gateway::simulated::{Report, Text};
use crate::store::StoreError;
use jiff::SignedDuration;

const TRIES: usize = 3;
/// One answer of a kind per number in this time (R-WORD: loops).
const ANSWER_ONCE_IN: SignedDuration = SignedDuration::from_hours(1);

/// Stores and acts on an inbound text. `running`: (id, list) of running campaigns.
pub async fn receive(desk: &Desk, gateway: &str, text: &Text) -> Result<(), StoreError> {
    let received_at = desk.clock.now();
    let from = Phone::parse(&text.from, &desk.settings.phone_rules).ok();
    for _ in 0..TRIES {
        if desk.store.inbound_at(gateway, &text.gateway_id).await?.is_some() {
            return Ok(());
        }
        let sender = match &from {
            Some(phone) => known(desk, phone).await?,
            None => inbound::Sender::default(),
        };
        let running: Vec<(String, String)> = desk
            .store
            .campaigns()
            .await?
            .into_iter()
            .filter(|c| c.state == crate::domain::campaign::CampaignState::Running)
            .map(|c| (c.id, c.list))
            .collect();
        desk.stock().await?;
        let now = desk.clock.now();
        let received = desk.decide(|ids| {
            let text = InboundText {
                id: ids.take(),
                gateway: gateway.to_owned(),
                gateway_id: text.gateway_id.clone(),
                from: from.clone(),
                raw_from: text.from.clone(),
                body: text.body.clone(),
                received_at,
            };
            let around =
                inbound::Around { lists: &desk.settings.lists, listening: &desk.settings.listening, running: &running };
            inbound::receive(&text, &sender, around, now, ids)
        });
        // Before the commit: from here on nothing of theirs leaves, wherever the sender is.
        if let Some((contact, revocation)) = received.revoked {
            desk.revoke(contact, revocation, now);
        }
        if desk.store.commit_one(received.decision, now).await? {
            return Ok(());
        }
    }
    Err(StoreError::Busy)
}

async fn known(desk: &Desk, phone: &Phone) -> Result<inbound::Sender, StoreError> {
    let suppressed = !desk.store.suppressed_among(std::slice::from_ref(phone)).await?.is_empty();
    let Some(contact) = desk.store.contact(phone).await? else {
        return Ok(inbound::Sender { suppressed, ..inbound::Sender::default() });
    };
    let since = desk.clock.now().saturating_sub(ANSWER_ONCE_IN).unwrap_or(jiff::Timestamp::MIN);
    Ok(inbound::Sender {
        standings: desk.store.standings(contact.id).await?,
        answered: desk.store.answered(contact.id, since).await?,
        contact: Some(contact),
        suppressed,
    })
}

/// Stores and acts on a delivery report. False: the reference is none of ours (forged, foreign, or of another time).
pub async fn report(desk: &Desk, gateway: &str, told: &Report) -> Result<bool, StoreError> {
    let Some(message) = desk.store.identity().mint().message(&told.reference) else { return Ok(false) };
    let status = match told.status {
        "DELIVERED" => ReportStatus::Delivered,
        "SENT" => ReportStatus::Sent,
        _ => ReportStatus::Undelivered,
    };
    for _ in 0..TRIES {
        let Some(state) = desk.store.message_state(message).await? else { return Ok(false) };
        desk.stock().await?;
        let now = desk.clock.now();
        let decision = desk.decide(|ids| {
            let stored = DeliveryReport {
                id: ids.take(),
                gateway: gateway.to_owned(),
                fingerprint: format!("{} {}", told.reference, told.status),
                message,
                gateway_id: Some(told.gateway_id.clone()),
                status,
                detail: told.status.to_lowercase(),
                received_at: now,
            };
            report::report(&stored, state, desk.settings.gateway.report_within, now)
        });
        let moves = decision.0.len() > 1;
        if desk.store.commit_one(decision, now).await? || !moves {
            return Ok(true);
        }
    }
    Err(StoreError::Busy)
}
