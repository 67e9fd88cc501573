//! A person pauses all sending, or the line to the gateway, and resumes it.

use super::leave::Ground;
use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind};
use crate::domain::ids::Ids;
use crate::domain::pause::Pause;
use jiff::Timestamp;

/// Nothing is claimed from now on.
pub fn pause(what: Pause, ground: Ground<'_>, now: Timestamp, ids: &mut Ids) -> Decision {
    let event = Event::new(ids.take(), now, EventKind::Paused, ground.by, ground.how).because(what.as_str());
    Decision(vec![Change::Paused { pause: what, reason: ground.how.to_owned(), at: now }, Change::Recorded(event)])
}

/// It goes on; what has missed its deadline meanwhile stays unsent.
pub fn resume(what: Pause, ground: Ground<'_>, now: Timestamp, ids: &mut Ids) -> Decision {
    let event = Event::new(ids.take(), now, EventKind::Resumed, ground.by, ground.how).because(what.as_str());
    Decision(vec![Change::Resumed { pause: what }, Change::Recorded(event)])
}
