//! What is due: a campaign, a cursor and `now` become occurrences, each with its fate. R-CLAIM, R-CATCHUP.
//!
//! The occurrence's identity, not this computation, is what keeps it from firing twice: the store holds it unique.

use crate::domain::broadcast::{Fate, Occurrence};
use crate::domain::campaign::{Campaign, Step, When};
use crate::domain::schedule::catch_up::{Policy, Verdict, catch_up};
use crate::domain::schedule::cron::Fire;
use jiff::{SignedDuration, Timestamp};

/// How late a repeated step may still fire (R-CATCHUP). One-off steps fire until their own deadline.
pub const CATCH_UP: SignedDuration = SignedDuration::from_hours(1);

/// An occurrence that has come due, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub occurrence: Occurrence,
    /// Send it, or record it as missed.
    pub fate: Fate,
    /// Why it was missed, for people.
    pub reason: Option<&'static str>,
}

/// All occurrences in `(cursor, now]`, in order of time.
pub fn due(campaign: &Campaign, cursor: Timestamp, now: Timestamp) -> Vec<Due> {
    let mut all: Vec<Due> = campaign.steps.iter().flat_map(|step| due_of(campaign, step, cursor, now)).collect();
    all.sort_by_key(|a| a.occurrence.due_at);
    all
}

fn due_of(campaign: &Campaign, step: &Step, cursor: Timestamp, now: Timestamp) -> Vec<Due> {
    let occurrences: Vec<_> =
        occurrences(campaign, step, cursor, now).into_iter().filter(|o| o.due_at > cursor).collect();
    let instants: Vec<Timestamp> = occurrences.iter().map(|o| o.due_at).collect();
    // A one-off step fires until its own deadline, however late it is noticed.
    let window = if matches!(step.when, When::Cron { .. }) { CATCH_UP } else { SignedDuration::MAX };
    let verdicts = catch_up(&instants, now, window, Policy::Latest);
    occurrences
        .into_iter()
        .zip(verdicts)
        .map(|(occurrence, verdict)| {
            let reason = match verdict {
                _ if now >= occurrence.not_after => Some("its deadline had passed when it was noticed"),
                Verdict::Superseded => Some("a newer one of the same step took its place"),
                Verdict::TooLate => Some("noticed more than an hour late"),
                Verdict::Run => None,
            };
            Due { occurrence, fate: if reason.is_some() { Fate::Missed } else { Fate::Filling }, reason }
        })
        .collect()
}

/// All occurrences of one step in `[from, to]`.
pub fn occurrences(campaign: &Campaign, step: &Step, from: Timestamp, to: Timestamp) -> Vec<Occurrence> {
    let make = |due_at: Timestamp, local: String, pass: u8| {
        let not_after = step.deadline(campaign, due_at)?;
        Some(Occurrence { step: step.id.clone(), local, pass, due_at, not_after })
    };
    match &step.when {
        When::At(at) if from <= *at && *at <= to => make(*at, "once".to_owned(), 1).into_iter().collect(),
        When::At(_) | When::Joining { .. } => Vec::new(),
        When::Cron { cron, from: first, to: last } => cron
            .fires(&campaign.zone, from.max(*first), to.min(*last))
            .into_iter()
            .filter_map(|Fire { local, pass, at }| make(at, local.to_string(), pass))
            .collect(),
    }
}

/// The next instant after `after` at which any step of the campaign is due; none when nothing is left.
pub fn next_due(campaign: &Campaign, after: Timestamp) -> Option<Timestamp> {
    let just_after = after.checked_add(SignedDuration::from_millis(1)).ok()?;
    campaign
        .steps
        .iter()
        .filter_map(|step| match &step.when {
            When::At(at) => (*at > after).then_some(*at),
            When::Joining { .. } => None,
            When::Cron { cron, from, to } => {
                let from = just_after.max(*from);
                cron.next(&campaign.zone, from, *to).map(|fire| fire.at)
            }
        })
        .min()
}
