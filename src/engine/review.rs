//! A person has read a text that waited to be read, and decides what it was.

use super::leave::{Ground, gone};
use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind};
use crate::domain::contact::Contact;
use crate::domain::ids::{Id, Ids};
use crate::domain::message::{NewMessage, Origin};
use crate::domain::text;
use jiff::{SignedDuration, Timestamp};

/// An answer that has not left by then comes too late to be understood as one.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_hours(4);

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

/// A person answers a text in their own words. Guard: nobody has answered it yet.
pub fn answer(inbound: Id, sender: Id, said: &str, ground: Ground<'_>, now: Timestamp, ids: &mut Ids) -> Decision {
    let said = text::clean(said, false);
    let message = NewMessage {
        id: ids.take(),
        contact: sender,
        origin: Origin::Reply(inbound),
        campaign: None,
        list: None,
        reply: Some("person"),
        parts: u32::try_from(text::measure(&said).parts).unwrap_or(u32::MAX),
        text: said.clone(),
        not_before: now,
        not_after: now.saturating_add(ANSWER_WITHIN).unwrap_or(now),
        may_resend: false,
    };
    let event = Event::new(ids.take(), now, EventKind::Answered, ground.by, ground.how).about(sender, None);
    Decision(vec![
        Change::MessagesQueued(vec![message]),
        Change::InboundClosed { inbound, at: now },
        Change::Recorded(event.because(&said)),
    ])
}
