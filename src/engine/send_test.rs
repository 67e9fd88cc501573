//! One text to a tester: a number that the settings name for it. No consent is asked for, but a STOP still holds.

use super::leave::Ground;
use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind};
use crate::domain::contact::Contact;
use crate::domain::ids::{Id, Ids};
use crate::domain::message::{NewMessage, Origin};
use crate::domain::text;
use jiff::{SignedDuration, Timestamp};

/// A test that has not left by then is of no use.
const WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// The decision, and the message it makes. `known`: the tester has a row already.
pub fn send_test(
    tester: &Contact,
    known: bool,
    said: &str,
    ground: Ground<'_>,
    now: Timestamp,
    ids: &mut Ids,
) -> (Decision, Id) {
    let said = text::clean(said, false);
    let message = NewMessage {
        id: ids.take(),
        contact: tester.id,
        origin: Origin::Test,
        campaign: None,
        list: None,
        reply: Some("test"),
        parts: u32::try_from(text::measure(&said).parts).unwrap_or(u32::MAX),
        text: said,
        not_before: now,
        not_after: now.saturating_add(WITHIN).unwrap_or(now),
        may_resend: false,
    };
    let id = message.id;
    let event = Event::new(ids.take(), now, EventKind::Tested, ground.by, ground.how).about(tester.id, None);
    let added = (!known).then(|| Change::ContactAdded(tester.clone()));
    let rest = [Change::MessagesQueued(vec![message]), Change::Recorded(event)];
    (Decision(added.into_iter().chain(rest).collect()), id)
}
