//! An import is taken back, as far as what it did still stands; and people who are no longer in a file that replaces the
//! list's leave it. Both end in "not yet agreed", never in "left": nobody but the person said anything of the kind.

use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind, Standing};
use crate::domain::contact::{Contact, Internet};
use crate::domain::ids::{Id, Ids};
use crate::engine::admit::Source;
use jiff::Timestamp;

/// What it was before, and what the import made of it.
pub type Swap<T> = Option<(T, T)>;

/// What an import did to one contact; none: left alone.
#[expect(missing_docs, reason = "named like the fields of a contact")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Did {
    pub name: Swap<Option<String>>,
    pub language: Swap<Option<String>>,
    pub internet: Swap<Internet>,
    pub tags: Swap<Vec<String>>,
    pub standing: Swap<Option<Standing>>,
}

/// Takes it back; none where nothing is left of it. `acted`: they have joined by their own word since.
pub fn undo(
    did: &Did,
    contact: &Contact,
    standing: Option<Standing>,
    acted: bool,
    source: &Source<'_>,
    now: Timestamp,
    ids: &mut Ids,
) -> Option<Decision> {
    let before = Contact {
        name: back(did.name.as_ref(), &contact.name),
        language: back(did.language.as_ref(), &contact.language),
        internet: back(did.internet.as_ref(), &contact.internet),
        tags: back(did.tags.as_ref(), &contact.tags),
        ..contact.clone()
    };
    let mut changes = match did.standing {
        Some((_, after)) if after != standing || acted => Vec::new(),
        // It had taken them out of the list.
        Some((Some(Standing::In), _)) => stand(contact.id, Standing::In, EventKind::Undone, source, now, ids),
        Some((_, Some(Standing::In))) => stand(contact.id, Standing::Pending, EventKind::Undone, source, now, ids),
        _ => Vec::new(),
    };
    if before != *contact {
        let event = Event::new(ids.take(), now, EventKind::Changed, source.by, source.how).about(contact.id, None);
        changes.extend([Change::ContactChanged(before), Change::Recorded(event)]);
    }
    (!changes.is_empty()).then_some(Decision(changes))
}

fn back<T: Clone + PartialEq>(swap: Option<&(T, T)>, now: &T) -> T {
    swap.filter(|(_, after)| after == now).map_or(now, |(before, _)| before).clone()
}

/// They are no longer in the file that replaces the list's.
pub fn remove(contact: Id, source: &Source<'_>, now: Timestamp, ids: &mut Ids) -> Decision {
    Decision(stand(contact, Standing::Pending, EventKind::Removed, source, now, ids))
}

/// The standing first: it is the guard that they have not left meanwhile.
fn stand(
    contact: Id,
    standing: Standing,
    kind: EventKind,
    source: &Source<'_>,
    at: Timestamp,
    ids: &mut Ids,
) -> Vec<Change> {
    let list = source.list.to_owned();
    let event = Event::new(ids.take(), at, kind, source.by, source.how).about(contact, Some(source.list));
    let set = Change::StandingSet { contact, list: list.clone(), standing, unless_out: true, at };
    let mut changes = vec![set, Change::Recorded(event)];
    if standing == Standing::Pending {
        changes.push(Change::WaitingCancelled { contact, list: Some(list), reason: "not in the list", at });
    }
    changes
}
