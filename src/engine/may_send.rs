//! May this message leave now? The law in one place. The claim statement says the same in SQL, and a property test
//! holds the two together; right before the first byte the sender asks [`overtaken`] once more, in memory.

use crate::domain::consent::Standing;
use crate::domain::message::{Claimed, State};
use jiff::{SignedDuration, Timestamp};

/// Between the last check and the gateway taking the text: nothing starts later than this before its deadline.
pub const WIRE_SLACK: SignedDuration = SignedDuration::from_secs(2);

/// All that the decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The message's state.
    pub state: State,
    /// It answers somebody's own text (P1's one exception).
    pub is_reply: bool,
    /// The contact's standing to the message's list, where it has one.
    pub standing: Option<Standing>,
    /// The number is suppressed.
    pub suppressed: bool,
    /// All sending is paused.
    pub paused: bool,
    /// A person must look at the contact first.
    pub in_review: bool,
    /// The campaign is running (true for replies).
    pub running: bool,
    /// The campaign's quiet hours (false for replies: quiet hours do not apply to answers).
    pub quiet: bool,
    /// Its window, half-open.
    pub not_before: Timestamp,
    /// End of its window.
    pub not_after: Timestamp,
}

/// The claim's question.
pub fn may_send(facts: &Facts, now: Timestamp) -> bool {
    let agreed = facts.standing == Some(Standing::In) && !facts.suppressed && !facts.in_review;
    facts.state == State::Queued
        && !facts.paused
        && facts.not_before <= now
        && now.saturating_add(WIRE_SLACK).is_ok_and(|then| then < facts.not_after)
        && (facts.is_reply || (agreed && facts.running && !facts.quiet))
}

/// Somebody has just taken their consent back, or wrote what may mean that: known in memory before it is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// Left everything, or one list.
    Left(Option<String>),
    /// A person must look first.
    Review,
}

impl Revocation {
    /// Does it speak of a message of this list? None: a test, which belongs to no list.
    pub fn covers(&self, list: Option<&str>) -> bool {
        match self {
            Self::Left(Some(left)) => list == Some(left),
            Self::Left(None) | Self::Review => true,
        }
    }
}

/// What overtook a claimed message before its first byte, if anything did: where it goes, and why (edges E8, E15, E16).
/// A reply answers a text of theirs and outlives a STOP. What is sent again may have arrived the first time: when it is too
/// late for that, or they have left, it is in doubt again.
pub fn overtaken(claimed: &Claimed, revoked: Option<&Revocation>, now: Timestamp) -> Option<(State, &'static str)> {
    match revoked.filter(|revocation| !claimed.is_reply && revocation.covers(claimed.list.as_deref())) {
        Some(Revocation::Left(_)) if claimed.repeat_until.is_some() => {
            Some((State::InDoubt, "STOP came before it could be sent again"))
        }
        Some(Revocation::Left(_)) => Some((State::Cancelled, "STOP came before it left")),
        Some(Revocation::Review) => Some((State::Queued, "their text may mean STOP")),
        None => {
            let before = |end| now.saturating_add(WIRE_SLACK).is_ok_and(|then| then < end);
            match (before(claimed.not_after), claimed.repeat_until) {
                (true, Some(until)) if !before(until) => {
                    Some((State::InDoubt, "it waited too long: the gateway may have forgotten that it had it"))
                }
                (true, _) => None,
                (false, Some(_)) => Some((State::InDoubt, "its deadline came before it could be sent again")),
                (false, None) => Some((State::Expired, "its deadline came before it left")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::phone::Phone;

    /// It may have arrived the first time: "expired" would be a lie, and a second copy after the window too likely.
    #[test]
    fn a_repeat_that_comes_too_late_is_in_doubt_again() {
        let now: Timestamp = "2022-01-24T12:00:00Z".parse().unwrap();
        let at = |minutes| now + SignedDuration::from_mins(minutes);
        let repeat = |not_after, repeat_until| Claimed {
            id: 1,
            contact: 2,
            phone: Phone::from_e164("+447700900101").unwrap(),
            list: Some("send".into()),
            is_reply: false,
            text: "The survey is open".into(),
            not_after,
            attempt: 2,
            repeat_until,
        };
        let to = |not_after, until| overtaken(&repeat(not_after, until), None, now).map(|(to, _)| to);
        assert_eq!(to(at(60), Some(at(30))), None);
        assert_eq!(to(at(60), Some(now)), Some(State::InDoubt), "the gateway may have forgotten it");
        assert_eq!(to(now, Some(at(30))), Some(State::InDoubt));
        assert_eq!(to(now, None), Some(State::Expired));
        let left = overtaken(&repeat(at(60), Some(at(30))), Some(&Revocation::Left(None)), now);
        assert_eq!(left.unwrap().0, State::InDoubt, "STOP wins, and the first copy may have arrived");
        let first = overtaken(&repeat(at(60), None), Some(&Revocation::Left(None)), now);
        assert_eq!(first.unwrap().0, State::Cancelled);
    }
}
