//! Takes what a gateway hands to us: inbound texts and delivery reports. Stored before it is acknowledged; a repeat
//! changes nothing; many share one commit; a conflict is read again and decided again, at most three times.

use super::campaigns::going_on;
use super::desk::Desk;
use crate::domain::campaign::Campaign;
use crate::domain::change::{Change, Decision};
use crate::domain::ids::Id;
use crate::domain::inbound::InboundText;
use crate::domain::list::Reply;
use crate::domain::message::State;
use crate::domain::phone::Phone;
use crate::domain::report::{DeliveryReport, ReportStatus, StrayReport};
use crate::engine::may_send::Revocation;
use crate::engine::{inbound, report};
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::rc::Rc;

const TRIES: usize = 3;
/// A YES counts for no longer than this (`confirm_hours`).
const ASKED_WITHIN: SignedDuration = SignedDuration::from_hours(168);
/// So many answers leave in so long at most, goodbyes excepted.
const ANSWERS: u16 = 30;
const ANSWERS_OVER: SignedDuration = SignedDuration::from_mins(1);

/// One thing that a gateway hands over.
#[derive(Clone)]
pub enum Handed {
    /// A text from a phone.
    Text {
        /// The gateway's id; the same for a repeat.
        gateway_id: String,
        /// The sender as given.
        from: String,
        /// The words.
        body: String,
        /// The gateway saw an opt-out in it, and has answered by itself.
        opt_out_handled: bool,
    },
    /// A delivery report.
    Report {
        /// Our reference.
        reference: String,
        /// The gateway's id of the text, where it says.
        gateway_id: Option<String>,
        /// What it says.
        status: ReportStatus,
        /// Its words for it.
        detail: String,
        /// The number opted out at the gateway.
        opted_out: bool,
    },
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Stored, and acted on.
    Stored,
    /// We have it already.
    Repeat,
    /// A report whose reference is none of ours: forged, foreign, or of another time.
    Foreign,
}

/// Takes many things in one commit; whatever conflicts is taken once more by itself.
pub async fn take(desk: &Desk, gateway: &str, handed: &[Handed]) -> Result<Vec<Taken>, StoreError> {
    let mut taken = vec![Taken::Repeat; handed.len()];
    let (mut decisions, mut waiting, mut singly) = (Vec::new(), Vec::new(), Vec::new());
    let (mut revoked, mut senders) = (Vec::new(), HashSet::new());
    let mut lately = desk.store.last_answers(ANSWERS.into()).await?;
    for (at, (one, slot)) in handed.iter().zip(&mut taken).enumerate() {
        if matches!(one, Handed::Text { from, .. } if !senders.insert(from)) {
            singly.push(at); // what they wrote before changes what this one means
            continue;
        }
        match decide(desk, gateway, one, &mut lately).await? {
            Looked::Nothing(found) => *slot = found,
            Looked::Repeat(contact) => revoked.extend(contact),
            Looked::Decided(decision, revocation) => {
                revoked.extend(remember(desk, revocation));
                decisions.push(decision);
                waiting.push(at);
                *slot = Taken::Stored;
            }
        }
    }
    let held = desk.store.commit(&decisions, desk.clock.now()).await?;
    singly.extend(waiting.iter().zip(held).filter(|(_, held)| !held).map(|(at, _)| *at));
    singly.sort_unstable();
    for at in singly {
        if let (Some(one), Some(slot)) = (handed.get(at), taken.get_mut(at)) {
            *slot = take_one(desk, gateway, one, &mut revoked, &mut lately).await?;
        }
    }
    desk.revoked(&revoked, desk.clock.now());
    Ok(taken)
}

async fn take_one(
    desk: &Desk,
    gateway: &str,
    handed: &Handed,
    all: &mut Vec<Id>,
    lately: &mut Vec<Timestamp>,
) -> Result<Taken, StoreError> {
    for _ in 0..TRIES {
        match decide(desk, gateway, handed, lately).await? {
            Looked::Nothing(taken) => return Ok(taken),
            Looked::Repeat(contact) => {
                all.extend(contact);
                return Ok(Taken::Repeat);
            }
            Looked::Decided(decision, revoked) => {
                all.extend(remember(desk, revoked));
                let only_stored = matches!(decision.0.first(), Some(Change::ReportStored(_) | Change::StrayKept(_)));
                if desk.store.commit_one(decision, desk.clock.now()).await? {
                    return Ok(Taken::Stored);
                }
                if only_stored {
                    return Ok(Taken::Repeat); // its only guard is that it was not stored before
                }
            }
        }
    }
    Err(StoreError::Busy)
}

/// Before the commit: from here on nothing of theirs leaves, wherever the sender is.
fn remember(desk: &Desk, revoked: Option<(Id, Revocation)>) -> Option<Id> {
    let (contact, revocation) = revoked?;
    desk.revoke(contact, revocation);
    Some(contact)
}

enum Looked {
    Nothing(Taken),
    /// We have this text already, of whom we know. Its commit may have been thought to have failed: the store has what they
    /// revoked, and memory must not hold it against texts that they ask for later.
    Repeat(Option<Id>),
    Decided(Decision, Option<(Id, Revocation)>),
}

/// `lately`: when the last answers left or leave; what is decided here is added.
async fn decide(
    desk: &Desk,
    gateway: &str,
    handed: &Handed,
    lately: &mut Vec<Timestamp>,
) -> Result<Looked, StoreError> {
    match handed {
        Handed::Text { .. } => decide_text(desk, gateway, handed, lately).await,
        Handed::Report { .. } => decide_report(desk, gateway, handed).await,
    }
}

async fn decide_text(
    desk: &Desk,
    gateway: &str,
    handed: &Handed,
    lately: &mut Vec<Timestamp>,
) -> Result<Looked, StoreError> {
    let Handed::Text { gateway_id, from: raw_from, body, opt_out_handled } = handed else {
        return Ok(Looked::Nothing(Taken::Foreign));
    };
    let from = Phone::parse(raw_from, &desk.settings.phone_rules).ok();
    if desk.store.inbound_at(gateway, gateway_id).await?.is_some() {
        let contact = match &from {
            Some(phone) => desk.store.contact(phone).await?.map(|contact| contact.id),
            None => None,
        };
        return Ok(Looked::Repeat(contact));
    }
    let sender = match &from {
        Some(phone) => known(desk, phone).await?,
        None => inbound::Sender::default(),
    };
    let going_on = going_on(desk).await?;
    let welcoming: Vec<&Campaign> = going_on.welcoming.iter().map(Rc::as_ref).collect();
    desk.stock().await?;
    let now = desk.clock.now();
    let free_at = next_answer(lately, now);
    let received = desk.decide(|ids| {
        let text = InboundText {
            id: ids.take(),
            gateway: gateway.to_owned(),
            gateway_id: gateway_id.clone(),
            from,
            raw_from: raw_from.clone(),
            body: body.clone(),
            received_at: now,
        };
        let (lists, listening) = (&desk.settings.lists, &desk.settings.listening);
        let around = inbound::Around {
            lists,
            listening,
            running: &going_on.running,
            welcoming: &welcoming,
            over: &going_on.over,
            free_at,
            gateway_confirms: *opt_out_handled,
        };
        inbound::receive(&text, &sender, around, now, ids)
    });
    lately.extend(answers(&received.decision));
    Ok(Looked::Decided(received.decision, received.revoked))
}

/// When the next answer may leave: so long after the one that is so many back.
fn next_answer(lately: &mut [Timestamp], now: Timestamp) -> Timestamp {
    lately.sort_unstable_by(|a, b| b.cmp(a));
    let full = lately.get(usize::from(ANSWERS) - 1).and_then(|at| at.checked_add(ANSWERS_OVER).ok());
    full.map_or(now, |free| free.max(now))
}

/// When the answers of a decision leave that count against the cap.
fn answers(Decision(changes): &Decision) -> impl Iterator<Item = Timestamp> {
    let queued = changes.iter().filter_map(|change| match change {
        Change::MessagesQueued(messages) => Some(messages),
        _ => None,
    });
    queued.flatten().filter(|message| message.reply != Some(Reply::Goodbye.as_str())).map(|message| message.not_before)
}

async fn known(desk: &Desk, phone: &Phone) -> Result<inbound::Sender, StoreError> {
    let suppressed = !desk.store.suppressed_among(std::slice::from_ref(phone)).await?.is_empty();
    let Some(contact) = desk.store.contact(phone).await? else {
        return Ok(inbound::Sender { suppressed, ..inbound::Sender::default() });
    };
    let since = |back| desk.clock.now().saturating_sub(back).unwrap_or(Timestamp::MIN);
    Ok(inbound::Sender {
        standings: desk.store.standings(contact.id).await?,
        answered: desk.store.answered(contact.id, since(inbound::CAPPED_OVER)).await?,
        asked: desk.store.asked(contact.id, since(ASKED_WITHIN)).await?,
        contact: Some(contact),
        suppressed,
    })
}

async fn decide_report(desk: &Desk, gateway: &str, handed: &Handed) -> Result<Looked, StoreError> {
    let Handed::Report { reference, gateway_id, status, detail, opted_out } = handed else {
        return Ok(Looked::Nothing(Taken::Foreign));
    };
    let mint = desk.store.identity().mint();
    let fingerprint = fingerprint(reference, gateway_id.as_deref(), *status, detail);
    let found = match (mint.message(reference), gateway_id) {
        (Some(message), _) => {
            desk.store.message_state(message).await?.map(|(state, contact)| (message, state, contact))
        }
        (None, Some(gateway_id)) if reference.is_empty() => desk.store.by_handle(gateway_id).await?,
        (None, _) => None,
    };
    desk.stock().await?;
    let now = desk.clock.now();
    let stray = |id| StrayReport {
        id,
        gateway: gateway.to_owned(),
        fingerprint,
        gateway_id: gateway_id.clone().unwrap_or_default(),
        status: *status,
        detail: detail.clone(),
        opted_out: *opted_out,
        received_at: now,
    };
    let stray = desk.decide(|ids| stray(ids.take()));
    if let Some((message, state, contact)) = found {
        if state == State::Submitting {
            desk.arrived(message, now);
        }
        return Ok(joined(desk, &stray, message, state, contact));
    }
    // About a text that is not known yet, or no more. A reference that we never made is nothing of ours.
    if reference.is_empty() || mint.is_ours(reference) {
        return Ok(Looked::Decided(Change::StrayKept(stray).into(), None));
    }
    Ok(Looked::Nothing(Taken::Foreign))
}

/// A report is about a text of ours.
fn joined(desk: &Desk, stray: &StrayReport, message: Id, state: State, contact: Id) -> Looked {
    let now = desk.clock.now();
    let decision = desk.decide(|ids| {
        let stored = DeliveryReport {
            id: ids.take(),
            gateway: stray.gateway.clone(),
            fingerprint: stray.fingerprint.clone(),
            message,
            contact,
            gateway_id: Some(stray.gateway_id.clone()).filter(|id| !id.is_empty()),
            status: stray.status,
            detail: stray.detail.clone(),
            opted_out: stray.opted_out,
            received_at: stray.received_at,
        };
        report::report(&stored, state, desk.settings.gateway.report_within, now, ids)
    });
    Looked::Decided(decision, stray.opted_out.then_some((contact, Revocation::Left(None))))
}

/// What makes two copies of one report the same report.
fn fingerprint(reference: &str, gateway_id: Option<&str>, status: ReportStatus, detail: &str) -> String {
    let name = if reference.is_empty() { gateway_id.unwrap_or_default() } else { reference };
    format!("{name} {} {detail}", status.as_str())
}

/// Joins reports that came too early to the texts they are about, now that these are known: true if there were any.
pub async fn join_strays(desk: &Desk) -> Result<bool, StoreError> {
    let strays = desk.store.found_strays(100).await?;
    for stray in &strays {
        let Some((message, state, contact)) = desk.store.by_handle(&stray.gateway_id).await? else { continue };
        desk.stock().await?;
        let Looked::Decided(mut decision, revocation) = joined(desk, stray, message, state, contact) else { continue };
        let revoked = remember(desk, revocation);
        decision.0.push(Change::StrayJoined { stray: stray.id });
        if !desk.store.commit_one(decision, desk.clock.now()).await?
            && desk.store.by_handle(&stray.gateway_id).await?.is_some_and(|now| now.1 == state)
        {
            // The same report is stored already: only the stray has to go.
            desk.store.commit_one(Change::StrayJoined { stray: stray.id }.into(), desk.clock.now()).await?;
        }
        desk.revoked(revoked.as_slice(), desk.clock.now());
    }
    Ok(!strays.is_empty())
}
