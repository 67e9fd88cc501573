//! What a delivery report makes of a message. The end does not depend on the order of reports nor on repetition.

use crate::domain::change::{Change, Decision, MessageMove};
use crate::domain::message::{Edge, State};
use crate::domain::report::{DeliveryReport, ReportStatus};
use jiff::{SignedDuration, Timestamp};

/// The decision for one report about a message that is in `state`. Where it moves the message, the move is the guard:
/// if the message has moved meanwhile, look again. Where it does not, the guard is that it was not stored before.
pub fn report(report: &DeliveryReport, state: State, report_within: SignedDuration, now: Timestamp) -> Decision {
    let to = match report.status {
        ReportStatus::Delivered => Some(State::Delivered),
        ReportStatus::Undelivered => Some(State::Undelivered),
        // "Sent" proves that the gateway has it, which is news only while we are in doubt.
        ReportStatus::Sent => (state == State::InDoubt).then_some(State::Accepted),
    };
    let moved = to.filter(|to| Edge::between(state, *to).is_some()).map(|to| {
        Change::MessageMoved(MessageMove {
            gateway_id: report.gateway_id.clone(),
            next_at: (to == State::Accepted).then_some(now.checked_add(report_within).ok()).flatten(),
            ..MessageMove::new(report.message, state, to, now).because(report.detail.clone())
        })
    });
    Decision(moved.into_iter().chain([Change::ReportStored(report.clone())]).collect())
}
