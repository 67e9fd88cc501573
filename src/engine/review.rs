//! A person has read a text that waited to be read, and decides what it was.

use super::leave::{Ground, gone};
use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind};
use crate::domain::contact::Contact;
use crate::domain::ids::{Id, Ids};
use jiff::Timestamp;

/// What the reader decides about the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing but read.
    Read,
    /// It was no wish to stop: what waits for them may leave.
    CarryOn,
    /// It was.
    Stop,
}

/// The decision; its guard is that the text still waited to be read.
pub fn review(
    inbound: Id,
    sender: Option<&Contact>,
    verdict: Verdict,
    ground: Ground<'_>,
    now: Timestamp,
    ids: &mut Ids,
) -> Decision {
    let mut changes = vec![Change::InboundClosed { inbound, at: now }];
    if let Some(contact) = sender.filter(|_| verdict != Verdict::Read) {
        let release = Change::HeldForReview { contact: contact.id, reason: None };
        let kind = if verdict == Verdict::Stop { EventKind::OptedOut } else { EventKind::Unheld };
        changes.push(release);
        changes
            .push(Change::Recorded(Event::new(ids.take(), now, kind, ground.by, ground.how).about(contact.id, None)));
        if verdict == Verdict::Stop {
            changes.extend(gone(contact, None, ground.how, now));
        }
    }
    Decision(changes)
}
