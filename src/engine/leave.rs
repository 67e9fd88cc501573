//! Somebody leaves by another way than a text of theirs: they rang, or a person read what they wrote.

use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind, Standing};
use crate::domain::contact::Contact;
use crate::domain::ids::{Id, Ids};
use jiff::Timestamp;

/// Who decided, and on what ground; both go into the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// `admin:NAME`
    pub by: &'a str,
    /// "rang the office on Tuesday"
    pub how: &'a str,
}

/// They leave one list, or everything. `known`: the contact has a row already.
pub fn leave(
    contact: &Contact,
    known: bool,
    list: Option<&str>,
    ground: Ground<'_>,
    now: Timestamp,
    ids: &mut Ids,
) -> Decision {
    let mut changes = Vec::new();
    if !known {
        changes.push(Change::ContactAdded(contact.clone()));
    }
    let event = Event::new(ids.take(), now, EventKind::OptedOut, ground.by, ground.how).about(contact.id, list);
    changes.push(Change::Recorded(event));
    changes.extend(gone(contact, list, ground.how, now));
    Decision(changes)
}

/// Somebody told the gateway, not us, to stop: as good as STOP, and without a confirmation of ours.
pub(super) fn at_gateway(contact: Id, how: &str, now: Timestamp, ids: &mut Ids) -> [Change; 4] {
    let reason = "opted out at the gateway";
    let event = Event::new(ids.take(), now, EventKind::OptedOut, "gateway", how).about(contact, None);
    [
        Change::LeftAllLists { contact, at: now },
        Change::Suppressed { contact, reason: reason.to_owned(), at: now },
        Change::WaitingCancelled { contact, list: None, reason, at: now },
        Change::Recorded(event),
    ]
}

/// What leaving changes, besides the ledger.
pub(super) fn gone(contact: &Contact, list: Option<&str>, how: &str, now: Timestamp) -> Vec<Change> {
    let (contact, at) = (contact.id, now);
    let waiting = Change::WaitingCancelled { contact, list: list.map(str::to_owned), reason: "left", at };
    match list {
        Some(list) => {
            vec![
                Change::StandingSet { contact, list: list.to_owned(), standing: Standing::Out, unless_out: false, at },
                waiting,
            ]
        }
        None => vec![
            Change::LeftAllLists { contact, at },
            Change::Suppressed { contact, reason: how.to_owned(), at },
            waiting,
        ],
    }
}
