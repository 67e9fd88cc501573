//! A spreadsheet row meets what is already known: new, changed, unchanged, or a person who left, who stays left.
//!
//! An import alone never makes anybody textable: without source, date and wording of consent a row is pending. Reading
//! the file is not here (`app::spreadsheet`), nor is writing.

use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind, Standing};
use crate::domain::contact::{Contact, ContactDraft, Edit, Internet};
use crate::domain::ids::Ids;
use crate::domain::words::words;
use jiff::Timestamp;

/// What is already known of a row's number.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    /// The contact, if there is one.
    pub contact: Option<Contact>,
    /// Its standing to the list the file is for.
    pub standing: Option<Standing>,
    /// The number is suppressed.
    pub suppressed: bool,
}

words! {
    /// What became of a good row.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Verdict {
        /// A contact that was not known, with consent.
        New = "new",
        /// A contact that was not known, without proof of consent: not texted.
        NewPending = "new_pending",
        /// Known, and something differs now.
        Changed = "changed",
        /// Known, and nothing differs.
        Unchanged = "unchanged",
        /// Said STOP or left the list: a file never brings anybody back.
        Suppressed = "suppressed",
    }
}

/// Where rows come from, for the ledger.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The list the file is for.
    pub list: &'a str,
    /// Where the rows come from: `file 1f3a…`, or how somebody told us.
    pub how: &'a str,
    /// Who loads it.
    pub by: &'a str,
}

/// The verdict on one row, and what to write (nothing where nothing changes).
pub fn admit(
    row: &ContactDraft,
    existing: &Existing,
    source: &Source<'_>,
    now: Timestamp,
    ids: &mut Ids,
) -> (Verdict, Option<Decision>) {
    if existing.suppressed || existing.standing == Some(Standing::Out) {
        return (Verdict::Suppressed, None);
    }
    let standing = if row.permission.is_some() { Standing::In } else { Standing::Pending };
    let Some(old) = &existing.contact else {
        let contact = edited(&Contact::unknown(ids.take(), row.phone.clone()), row);
        let mut changes = vec![Change::ContactAdded(contact.clone())];
        changes.extend(stand(row, contact.id, standing, source, now, ids));
        let verdict = if standing == Standing::In { Verdict::New } else { Verdict::NewPending };
        return (verdict, Some(Decision(changes)));
    };
    let better = match existing.standing {
        None => true,
        Some(Standing::Pending) => standing == Standing::In,
        Some(Standing::In | Standing::Out) => false,
    };
    // The standing first: it is the guard that they have not left meanwhile.
    let mut changes = if better { stand(row, old.id, standing, source, now, ids).to_vec() } else { Vec::new() };
    changes.extend(change(row, old, source, now, ids).into_iter().flat_map(|Decision(changes)| changes));
    if changes.is_empty() { (Verdict::Unchanged, None) } else { (Verdict::Changed, Some(Decision(changes))) }
}

/// A contact is changed by a person's word, without touching consent; none where nothing changes.
pub fn change(
    row: &ContactDraft,
    contact: &Contact,
    source: &Source<'_>,
    now: Timestamp,
    ids: &mut Ids,
) -> Option<Decision> {
    let changed = edited(contact, row);
    if changed == *contact {
        return None;
    }
    let event = event(EventKind::Changed, row, source, now, ids).about(contact.id, None);
    Some(Decision(vec![Change::ContactChanged(changed), Change::Recorded(event)]))
}

/// The contact with the row's cells applied: a blank keeps, `-` clears.
fn edited(old: &Contact, row: &ContactDraft) -> Contact {
    Contact {
        name: row.name.apply(old.name.clone()),
        language: row.language.apply(old.language.clone()),
        internet: match &row.internet {
            Edit::Keep => old.internet,
            Edit::Clear => Internet::Unknown,
            Edit::Set(internet) => *internet,
        },
        tags: row.tags.apply(Some(old.tags.clone())).unwrap_or_default(),
        ..old.clone()
    }
}

fn stand(
    row: &ContactDraft,
    contact: i64,
    standing: Standing,
    source: &Source<'_>,
    now: Timestamp,
    ids: &mut Ids,
) -> [Change; 2] {
    let kind = if standing == Standing::In { EventKind::OptedIn } else { EventKind::Pending };
    let mut event = event(kind, row, source, now, ids).about(contact, Some(source.list));
    if let Some(permission) = &row.permission {
        event = event.shown(&permission.wording).because(&format!("{}, {}", permission.source, permission.date));
    }
    [
        Change::StandingSet { contact, list: source.list.to_owned(), standing, unless_out: true, at: now },
        Change::Recorded(event),
    ]
}

fn event(kind: EventKind, row: &ContactDraft, source: &Source<'_>, now: Timestamp, ids: &mut Ids) -> Event {
    let how = if row.line == 0 { source.how.to_owned() } else { format!("{} row {}", source.how, row.line) };
    Event::new(ids.take(), now, kind, source.by, &how)
}
