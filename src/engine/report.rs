//! What a delivery report makes of a message. The end does not depend on the order of reports nor on repetition.

use super::leave;
use crate::domain::change::{Change, Decision, MessageMove};
use crate::domain::ids::Ids;
use crate::domain::message::{Edge, State};
use crate::domain::report::{DeliveryReport, ReportStatus};
use jiff::{SignedDuration, Timestamp};

/// The decision for one report about a message that is in `state`. Where it moves the message, the move is the guard:
/// if the message has moved meanwhile, look again. Where it does not, the guard is that it was not stored before.
pub fn report(
    report: &DeliveryReport,
    state: State,
    report_within: SignedDuration,
    now: Timestamp,
    ids: &mut Ids,
) -> Decision {
    let to = match report.status {
        ReportStatus::Delivered => Some(State::Delivered),
        ReportStatus::Undelivered => Some(State::Undelivered),
        // "Sent" proves that the gateway has it, which is news only while we have no answer.
        ReportStatus::Sent => {
            matches!(state, State::Submitting | State::InDoubt | State::Queued).then_some(State::Accepted)
        }
    };
    let moved = to.filter(|to| Edge::between(state, *to).is_some()).map(|to| {
        Change::MessageMoved(MessageMove {
            gateway_id: report.gateway_id.clone(),
            next_at: (to == State::Accepted).then_some(now.checked_add(report_within).ok()).flatten(),
            ..MessageMove::new(report.message, state, to, now).because(report.detail.clone())
        })
    });
    let left = report.opted_out.then(|| leave::at_gateway(report.contact, "report: the number opted out", now, ids));
    let stored = [Change::ReportStored(report.clone())];
    Decision(moved.into_iter().chain(stored).chain(left.into_iter().flatten()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Ids;

    #[test]
    fn a_number_that_opted_out_elsewhere_is_out_here_too() {
        let now: Timestamp = "2022-01-10T10:00:00Z".parse().unwrap();
        let stored = DeliveryReport {
            id: 1,
            gateway: "g".into(),
            fingerprint: "f".into(),
            message: 2,
            contact: 3,
            gateway_id: None,
            status: ReportStatus::Undelivered,
            detail: "21610".into(),
            opted_out: true,
            received_at: now,
        };
        let within = SignedDuration::from_hours(72);
        let left = report(&stored, State::Accepted, within, now, &mut Ids::new(9..10)).0;
        assert!(matches!(left.first(), Some(Change::MessageMoved(moved)) if moved.to == State::Undelivered));
        assert!(left.iter().any(|c| matches!(c, Change::Suppressed { contact: 3, .. })));
        assert!(left.iter().any(|c| matches!(c, Change::WaitingCancelled { contact: 3, list: None, .. })));

        let other = DeliveryReport { opted_out: false, ..stored };
        let stays = report(&other, State::Accepted, within, now, &mut Ids::new(0..0)).0;
        assert_eq!(stays.len(), 2, "an ordinary failure throws nobody off the list");
    }
}
