//! Alarms when nobody reads what people have written. A text that may mean STOP holds all that its sender would get: it is
//! no use to anybody that it was understood so carefully if the reminder is then missed. Alarms go to the log, as errors.

use super::desk::Desk;
use crate::store::{StoreError, Unread};
use jiff::{SignedDuration, Timestamp};

/// A sender is held this long before it is an alarm: half a morning of a survey that lives four days.
pub const HELD_FOR: SignedDuration = SignedDuration::from_hours(2);
/// Any other text waits this long.
pub const UNREAD_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Looked at this often.
const EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Said again this often while it lasts.
const SAID_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// See the module's head.
#[derive(Debug, Default)]
pub struct Reminder {
    next: Option<Timestamp>,
    said: Option<Timestamp>,
}

impl Reminder {
    /// Looks, if it is time to; what it said.
    pub async fn turn(&mut self, desk: &Desk) -> Result<Option<String>, StoreError> {
        let now = desk.clock.now();
        // A clock that was set back must not silence it.
        let passed = |at: Option<Timestamp>, wait: SignedDuration| {
            at.is_none_or(|at| now >= at || at.duration_since(now) > wait)
        };
        if !passed(self.next, EVERY) {
            return Ok(None);
        }
        self.next = now.checked_add(EVERY).ok();
        let Some(words) = alarm(&desk.store.unread().await?, now) else {
            self.said = None;
            return Ok(None);
        };
        if !passed(self.said, SAID_EVERY) {
            return Ok(None);
        }
        self.said = now.checked_add(SAID_EVERY).ok();
        tracing::error!("{words}");
        Ok(Some(words))
    }
}

/// What is to be said about texts that wait, if they have waited too long.
pub fn alarm(unread: &Unread, now: Timestamp) -> Option<String> {
    let waited = |since: Option<Timestamp>, limit| {
        since.map(|since| now.duration_since(since)).filter(|waited| *waited >= limit).map(|waited| waited.as_hours())
    };
    if let Some(hours) = waited(unread.held_since, HELD_FOR) {
        let people = if unread.held == 1 { "1 text that may mean STOP waits" } else { "texts that may mean STOP wait" };
        let count = if unread.held == 1 { String::new() } else { format!("{} ", unread.held) };
        return Some(format!(
            "alarm: {count}{people} to be read, for {hours} hours now, and who wrote gets nothing until then: ringround inbox"
        ));
    }
    let hours = waited(unread.since, UNREAD_FOR)?;
    Some(format!("alarm: texts wait to be read ({}), the oldest for {hours} hours: ringround inbox", unread.all))
}
