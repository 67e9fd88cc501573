//! I9: where a message ends is a matter of the set of its reports, whatever their order and however often they come.

use super::model::Model;
use jiff::SignedDuration;
use ringround::domain::change::Change;
use ringround::domain::ids::{Id, Ids};
use ringround::domain::message::State;
use ringround::domain::report::{DeliveryReport, ReportStatus};
use ringround::engine::report::report;
use std::collections::BTreeMap;

/// Each message's end against the set of its reports, and that set in every order.
pub fn judge(model: &Model, excused: impl Fn(Id) -> bool, found: &mut Vec<(&'static str, String)>) {
    let mut of: BTreeMap<Id, Vec<&DeliveryReport>> = BTreeMap::new();
    for report in &model.reports {
        of.entry(report.message).or_default().push(report);
    }
    let mut permuted = 0;
    for (id, reports) in &of {
        let state = model.messages[id].state;
        let any = |status| reports.iter().any(|r| r.status == status);
        let wanted = if any(ReportStatus::Delivered) {
            State::Delivered
        } else if any(ReportStatus::Undelivered) {
            State::Undelivered
        } else {
            State::Accepted
        };
        let ended_before = matches!(state, State::Rejected | State::Expired | State::Cancelled | State::Unresolved);
        let only_sent = wanted == State::Accepted && state == State::Unresolved;
        if state != wanted && !only_sent && !(ended_before && excused(*id)) {
            found.push(("I9", format!("{id} is {state}, its reports say {wanted}")));
        }
        if reports.len() > 1 && permuted < 4 {
            permuted += 1;
            in_every_order(reports, wanted, found);
        }
    }
}

/// All orders, the first one also said twice, from each state in which a report can come.
fn in_every_order(reports: &[&DeliveryReport], wanted: State, found: &mut Vec<(&'static str, String)>) {
    let mut reports: Vec<&DeliveryReport> = reports.iter().take(4).copied().collect();
    let short: Vec<ReportStatus> = reports.iter().map(|r| r.status).collect();
    let wanted = if short.contains(&ReportStatus::Delivered) {
        State::Delivered
    } else if short.contains(&ReportStatus::Undelivered) {
        State::Undelivered
    } else {
        wanted
    };
    let first = reports[0];
    reports.push(first);
    permute(&mut reports, 0, &mut |order| {
        for begin in [State::Submitting, State::InDoubt, State::Accepted, State::Queued] {
            let end = order.iter().fold(begin, |state, one| after(one, state));
            if end != wanted {
                let said: Vec<ReportStatus> = order.iter().map(|r| r.status).collect();
                found.push(("I9", format!("{begin} ends {end} after {said:?}, not {wanted}")));
            }
        }
    });
}

fn after(one: &DeliveryReport, state: State) -> State {
    let mut ids = Ids::new(1..10);
    let decision = report(one, state, SignedDuration::from_hours(1), one.received_at, &mut ids);
    match decision.0.first() {
        Some(Change::MessageMoved(moved)) if moved.from == state => moved.to,
        _ => state,
    }
}

fn permute(reports: &mut Vec<&DeliveryReport>, from: usize, each: &mut impl FnMut(&[&DeliveryReport])) {
    if from + 1 >= reports.len() {
        return each(reports);
    }
    for at in from..reports.len() {
        reports.swap(from, at);
        permute(reports, from + 1, each);
        reports.swap(from, at);
    }
}
