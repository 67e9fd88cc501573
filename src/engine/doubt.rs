//! How a send in doubt is settled, by what its gateway offers: sending again under the same id where a repeat is refused;
//! else asking, where found is found and absent is believed only when asked twice; else the report, the step's policy, a
//! person.
//!
//! A look-up right after the fact texted 472 of 5,000 people twice in a prototype, because the gateway had not yet
//! written down what it had taken. Hence the settle time before the first question, and the second question.

use super::leave::Ground;
use super::may_send::WIRE_SLACK;
use crate::domain::campaign::CampaignState;
use crate::domain::change::{Change, Decision, MessageMove};
use crate::domain::consent::{Event, EventKind, Standing};
use crate::domain::doubt::{Doubt, DoubtVerdict, Hindrance, LookUp, Means, OpenDoubt, Question};
use crate::domain::ids::Ids;
use crate::domain::message::State;
use jiff::{SignedDuration, Timestamp};

/// Longest time between two questions that both hear "absent"; a gateway that settles faster is asked again after that.
const BETWEEN: SignedDuration = SignedDuration::from_secs(30);
/// Longest time between two questions of which the first brought nothing.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);
/// After this long nobody is asked any more.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);

/// What a decision rests on besides the doubt and the answer.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What the gateway offers.
    pub means: Means,
    /// How long the gateway takes to know what it took.
    pub settle: SignedDuration,
    /// How long a delivery report is waited for.
    pub report_within: SignedDuration,
}

/// The decision that needs no question; none: ask the gateway.
pub fn unasked(doubt: &Doubt, terms: &Terms, now: Timestamp, ids: &mut Ids) -> Option<Decision> {
    let in_window = |until: &Timestamp| in_time(*until, now) && in_time(doubt.not_after, now);
    if let Some(until) = repeats_until(doubt, &terms.means).filter(|until| in_window(until) && !doubt.revoked) {
        let again = MessageMove { next_at: Some(now), repeat_until: Some(until), ..to(doubt, State::Queued, now) };
        let why = "its answer was lost: sent again under the same id, which the gateway takes only once";
        return Some(Change::MessageMoved(again.because(why)).into());
    }
    // Only a report can tell. One that comes later still does.
    (terms.means.question == Question::Nobody)
        .then(|| give_up(doubt, "this gateway can't be asked, and no report has come", now, ids))
}

/// The decision after one question.
pub fn resolve(doubt: &Doubt, answer: &LookUp, terms: &Terms, now: Timestamp, ids: &mut Ids) -> Decision {
    let by_reference = terms.means.question == Question::ByReference;
    let soon = BETWEEN.min(terms.settle);
    let asked = |absent, again_at| {
        Decision::from(Change::DoubtAsked { message: doubt.id, asked: doubt.ask_at, absent, again_at })
    };
    let asks_until = asks_until(doubt, now);
    match answer {
        LookUp::Found { gateway_id } => {
            let found = MessageMove {
                gateway_id: Some(gateway_id.clone()),
                next_at: now.checked_add(terms.report_within).ok(),
                ..to(doubt, State::Accepted, now).because("asked the gateway: it has it")
            };
            Change::MessageMoved(found).into()
        }
        LookUp::Absent if by_reference && doubt.absent >= 1 => {
            let absent = to(doubt, State::Queued, now).because("asked the gateway twice: it never had it");
            Change::MessageMoved(MessageMove { next_at: Some(now), ..absent }).into()
        }
        LookUp::Absent if by_reference => asked(doubt.absent + 1, now.checked_add(soon).unwrap_or(now)),
        LookUp::Mute => give_up(doubt, "this gateway can't be asked, and no report has come", now, ids),
        LookUp::Absent | LookUp::Unknown | LookUp::Failed if now >= asks_until => {
            give_up(doubt, "the gateway was asked and could not say", now, ids)
        }
        // As long again as it has been in doubt, so that a gateway that says nothing hears ever fewer questions.
        LookUp::Absent | LookUp::Unknown | LookUp::Failed => {
            let wait = now.duration_since(doubt.since).clamp(soon, LONGEST.max(soon));
            asked(doubt.absent, now.checked_add(wait).unwrap_or(asks_until).min(asks_until))
        }
    }
}

/// A move by a question: it holds for this very doubt only.
fn to(doubt: &Doubt, state: State, now: Timestamp) -> MessageMove {
    MessageMove { asked: Some(doubt.ask_at), ..MessageMove::new(doubt.id, State::InDoubt, state, now) }
}

/// Until when a repeat is refused for certain: half the time, because it is not known when the gateway began to count.
fn repeats_until(doubt: &Doubt, means: &Means) -> Option<Timestamp> {
    doubt.first_at.checked_add(means.repeats_refused? / 2).ok()
}

fn in_time(not_after: Timestamp, now: Timestamp) -> bool {
    now.saturating_add(WIRE_SLACK).is_ok_and(|then| then < not_after)
}

/// A day; where the text may be sent again, half of the time in which that is of use.
fn asks_until(doubt: &Doubt, now: Timestamp) -> Timestamp {
    let left = doubt.not_after.duration_since(doubt.since) / 2;
    let most = if doubt.may_resend && in_time(doubt.not_after, now) { GIVE_UP.min(left) } else { GIVE_UP };
    doubt.since.checked_add(most).unwrap_or(Timestamp::MAX)
}

/// Nobody can tell: the step's policy decides, where it says so and there is time; else a person (edges E10b, E11).
fn give_up(doubt: &Doubt, why: &str, now: Timestamp, ids: &mut Ids) -> Decision {
    let Some((campaign, step)) = doubt.of.as_ref().filter(|_| doubt.may_resend && !doubt.revoked) else {
        let unresolved = to(doubt, State::Unresolved, now).because(format!("{why}: a person must decide"));
        return Change::MessageMoved(unresolved).into();
    };
    if !in_time(doubt.not_after, now) {
        let why = format!("{why}, and its deadline came before it could be sent again: a person must decide");
        return Change::MessageMoved(to(doubt, State::Unresolved, now).because(why)).into();
    }
    let why = format!("{why}: sent once more, as its step says (in_doubt = \"resend\"), and may arrive twice");
    let (by, how) = (format!("policy:{campaign}/{step}"), "in_doubt = \"resend\"");
    let event = Event::new(ids.take(), now, EventKind::DoubtDecided, &by, how)
        .about(doubt.contact, None)
        .of_campaign(campaign)
        .because(&format!("text {}: {why}", doubt.id));
    let again = MessageMove {
        next_at: Some(now),
        by_policy: true,
        repeat_until: Some(doubt.not_after),
        ..to(doubt, State::Queued, now).because(why)
    };
    Decision(vec![Change::MessageMoved(again), Change::Recorded(event)])
}

/// Can a person decide so?
pub fn hindrance(doubt: &OpenDoubt, verdict: DoubtVerdict, now: Timestamp) -> Option<Hindrance> {
    let left = match doubt.standing {
        Some(standing) => standing != Standing::In || doubt.suppressed,
        None => doubt.suppressed && !doubt.is_reply,
    };
    let over = doubt.campaign.as_ref().is_some_and(|(_, state)| *state == CampaignState::Cancelled);
    match doubt.state {
        State::InDoubt => Some(Hindrance::StillAsked),
        State::Unresolved if verdict != DoubtVerdict::SendAgain => None,
        State::Unresolved if !in_time(doubt.not_after, now) => Some(Hindrance::TooLate),
        State::Unresolved if left => Some(Hindrance::Left),
        State::Unresolved => over.then_some(Hindrance::CampaignOver),
        _ => Some(Hindrance::Settled),
    }
}

/// A person decides (edge E14).
pub fn decide(
    doubt: &OpenDoubt,
    verdict: DoubtVerdict,
    ground: Ground<'_>,
    report_within: SignedDuration,
    now: Timestamp,
    ids: &mut Ids,
) -> Result<Decision, Hindrance> {
    if let Some(hindrance) = hindrance(doubt, verdict, now) {
        return Err(hindrance);
    }
    let (state, next_at, word) = match verdict {
        DoubtVerdict::Arrived => (State::Accepted, now.checked_add(report_within).ok(), "it arrived"),
        DoubtVerdict::SendAgain => (State::Queued, Some(now), "send it again"),
        DoubtVerdict::Drop => (State::Cancelled, None, "drop it"),
    };
    let repeat_until = (state == State::Queued).then_some(doubt.not_after);
    let moved = MessageMove { next_at, repeat_until, ..MessageMove::new(doubt.id, State::Unresolved, state, now) }
        .because(format!("{} decided, {word}: {}", ground.by, ground.how));
    let mut event = Event::new(ids.take(), now, EventKind::DoubtDecided, ground.by, ground.how)
        .about(doubt.contact, None)
        .because(&format!("text {}: {word}", doubt.id));
    event.campaign = doubt.campaign.as_ref().map(|(id, _)| id.clone());
    Ok(Decision(vec![Change::MessageMoved(moved), Change::Recorded(event)]))
}

#[cfg(test)]
#[path = "doubt_tests.rs"]
mod tests;
