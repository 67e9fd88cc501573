//! How a send in doubt is resolved by asking the gateway: found is found; absent is believed only when asked twice.
//!
//! A look-up right after the fact texted 472 of 5,000 people twice in a prototype, because the gateway had not yet
//! written down what it had taken. Hence the settle time before the first question, and the second question.

use crate::domain::change::{Change, Decision, MessageMove};
use crate::domain::doubt::{Doubt, LookUp};
use crate::domain::message::State;
use jiff::{SignedDuration, Timestamp};

/// Longest time between two questions; a gateway that settles faster is asked again after that.
const BETWEEN: SignedDuration = SignedDuration::from_secs(30);
/// After this long nobody is asked any more, and a person decides.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);

/// The decision after one question.
/// `settle`: how long the gateway takes to know what it took; `report_within`: how long a delivery report is waited for.
pub fn resolve(
    doubt: &Doubt,
    answer: &LookUp,
    settle: SignedDuration,
    report_within: SignedDuration,
    now: Timestamp,
) -> Decision {
    let again_at = now.checked_add(BETWEEN.min(settle)).unwrap_or(now);
    let to =
        |state| MessageMove { asked: Some(doubt.ask_at), ..MessageMove::new(doubt.id, State::InDoubt, state, now) };
    let asked = |absent| Change::DoubtAsked { message: doubt.id, asked: doubt.ask_at, absent, again_at };
    let old = now.duration_since(doubt.since) > GIVE_UP;
    let change = match answer {
        LookUp::Found { gateway_id } => Change::MessageMoved(MessageMove {
            gateway_id: Some(gateway_id.clone()),
            next_at: now.checked_add(report_within).ok(),
            ..to(State::Accepted).because("asked the gateway: it has it")
        }),
        LookUp::Absent if doubt.absent >= 1 => Change::MessageMoved(MessageMove {
            next_at: Some(now),
            ..to(State::Queued).because("asked the gateway twice: it never had it")
        }),
        LookUp::Absent => asked(doubt.absent + 1),
        LookUp::Unknown if old => Change::MessageMoved(
            to(State::Unresolved).because("the gateway could not say for a day: a person must decide"),
        ),
        // Only a report can tell, and one that comes later still does.
        LookUp::Mute => Change::MessageMoved(
            to(State::Unresolved).because("this gateway can't be asked, and sent no report: a person must decide"),
        ),
        LookUp::Unknown => asked(doubt.absent),
    };
    Decision(vec![change])
}
