//! What the gateway's answer to one attempt makes of a message (edges E5 to E8).

use super::leave;
use crate::domain::change::{Change, Decision, MessageMove};
use crate::domain::ids::Ids;
use crate::domain::message::{Bar, Claimed, Outcome, Refusal, RefusalClass, State};
use crate::domain::pause::Pause;
use jiff::{SignedDuration, Timestamp};

/// What the decision after an attempt rests on besides the answer.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The epoch of the claim.
    pub epoch: i64,
    /// When the line may be tried again.
    pub retry_at: Timestamp,
    /// How long a text whose answer got lost may take to be visible to a look-up.
    pub settle: SignedDuration,
    /// How long a delivery report is waited for.
    pub report_within: SignedDuration,
}

/// It bars every message: nothing leaves until a person has seen to it.
pub fn barred(bar: Bar, detail: &str, now: Timestamp) -> Change {
    Change::Paused { pause: Pause::Line, reason: format!("{}: {detail}", bar.in_words()), at: now }
}

/// The decision after one attempt.
pub fn deliver(claimed: &Claimed, outcome: &Outcome, terms: &Terms, now: Timestamp, ids: &mut Ids) -> Decision {
    let to = |state: State| MessageMove {
        epoch: Some(terms.epoch),
        ..MessageMove::new(claimed.id, State::Submitting, state, now)
    };
    let moved = match outcome {
        Outcome::Accepted { gateway_id } => MessageMove {
            gateway_id: Some(gateway_id.clone()),
            next_at: now.checked_add(terms.report_within).ok(),
            ..to(State::Accepted)
        },
        Outcome::Refused(Refusal { detail, .. }) => to(State::Rejected).because(detail.clone()),
        Outcome::Throttled { .. } => {
            MessageMove { next_at: Some(terms.retry_at), ..to(State::Queued).because("the gateway asked to wait") }
        }
        Outcome::Barred { detail, .. } => {
            MessageMove { next_at: Some(terms.retry_at), ..to(State::Queued).because(detail.clone()) }
        }
        Outcome::NotSent { reason } | Outcome::Untrusted { reason } => {
            MessageMove { next_at: Some(terms.retry_at), ..to(State::Queued).because(reason.clone()) }
        }
        Outcome::Unclear { reason } => {
            MessageMove { next_at: now.checked_add(terms.settle).ok(), ..to(State::InDoubt).because(reason.clone()) }
        }
    };
    let mut changes = vec![Change::MessageMoved(moved)];
    if let Outcome::Barred { bar, detail } = outcome {
        changes.push(barred(*bar, detail, now));
    }
    if let Outcome::Refused(Refusal { class: RefusalClass::OptedOut, .. }) = outcome {
        // The number told the gateway to stop: as good as STOP to us, and without a confirmation of ours.
        changes.extend(leave::at_gateway(claimed.contact, "refusal: the number opted out there", now, ids));
    }
    Decision(changes)
}
