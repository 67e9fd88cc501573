//! The account at the end: what the phones' own book says, joined to the ledger. It counts broken promises from outside,
//! with none of the code that was meant to keep them.

use crate::domain::ids::Id;
use crate::domain::phone::Phone;
use crate::gateway::simulated::World;
use crate::store::{Counts, LedgerLine, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// Totals. The last four must be 0.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Contacts in the database.
    pub contacts: i64,
    /// Contacts with a live opt-in to some list.
    pub opted_in: i64,
    /// Messages by state, and parts.
    pub counts: Counts,
    /// Texts that phones received.
    pub received: u64,
    /// Texts that phones wrote.
    pub written: u64,
    /// Texts a phone received beyond the first of the same message, or of the same broadcast.
    pub sent_twice: u64,
    /// Texts a phone received at or after the message's own deadline.
    pub after_deadline: u64,
    /// Texts handed over after the phone's STOP had been handed to us (its one confirmation excepted).
    pub after_stop: u64,
    /// Texts to a number without a live opt-in in the ledger (the one answer to its own text excepted).
    pub without_consent: u64,
}

impl Account {
    /// What must be 0, by name.
    pub fn broken(&self) -> [(&'static str, u64); 4] {
        [
            ("sent_twice", self.sent_twice),
            ("after_deadline", self.after_deadline),
            ("after_stop", self.after_stop),
            ("without_consent", self.without_consent),
        ]
    }

    /// True if no promise was broken.
    pub fn holds(&self) -> bool {
        self.broken().iter().all(|(_, count)| *count == 0)
    }
}

/// Reads both books and joins them.
pub async fn account(store: &Store, world: &World) -> Result<Account, StoreError> {
    let ledger: HashMap<Id, LedgerLine> = store.ledger().await?.into_iter().map(|l| (l.message, l)).collect();
    let history = store.consent_history().await?;
    let mint = store.identity().mint();
    let stops = stops(store, world).await?;
    let mut account = Account {
        contacts: store.contact_count().await?,
        opted_in: store.opted_in().await?,
        counts: store.counts(None).await?,
        written: world.written().len() as u64,
        ..Account::default()
    };
    let mut seen: BTreeMap<(Id, Id, Id), u64> = BTreeMap::new();
    for entry in world.book() {
        account.received += 1;
        let Some(line) = mint.message(&entry.reference).and_then(|id| ledger.get(&id)) else {
            account.without_consent += 1; // a text that is in no ledger at all
            continue;
        };
        // Two messages of one broadcast to one contact, or two of the same answer, are the same text twice.
        let key = (line.contact, line.broadcast.unwrap_or(-line.message), line.inbound.unwrap_or(0));
        let times = seen.entry(key).or_default();
        *times += 1;
        account.sent_twice += u64::from(*times > 1);
        account.after_deadline += u64::from(entry.received_at >= line.not_after);
        let answer = line.list.is_none();
        account.after_stop += u64::from(!answer && stopped(&stops, &entry.to, entry.handed_at));
        // Both books count in milliseconds: of a STOP and a text within the same one nobody knows which was first.
        let just_before = entry.handed_at - SignedDuration::from_millis(1);
        let agreed = [entry.handed_at, just_before].into_iter().any(|at| agreed(&history, line, at));
        account.without_consent += u64::from(!answer && !agreed);
    }
    Ok(account)
}

/// What each phone said of wanting to hear: (when, goes on), from the phones' own book.
type Stops = HashMap<String, Vec<(Timestamp, bool)>>;

/// A phone's plain STOP and its plain ways back, read with eyes of our own: not the code that is being judged.
async fn stops(store: &Store, world: &World) -> Result<Stops, StoreError> {
    let mut stops = Stops::new();
    let mut all = world.written();
    all.sort_by_key(|written| written.at); // what is handed over at one instant, after a stop of ours, is so in this order
    for written in all {
        let said = written.text.to_uppercase();
        let word = said.split(|c: char| !c.is_alphanumeric()).find(|w| !w.is_empty()).unwrap_or_default().to_owned();
        let wants = match word.as_str() {
            "STOP" | "STOPIO" | "UNSUBSCRIBE" => false,
            "START" | "DUDLEY" => true,
            _ => continue,
        };
        // Only what was handed to us counts: the world may still hold a text when the run ends.
        let handed = store.inbound_at("simulated", &written.gateway_id).await?;
        if let Some(at) = handed {
            stops.entry(written.from.clone()).or_default().push((at.max(written.at), wants));
        }
    }
    Ok(stops)
}

fn stopped(stops: &Stops, number: &str, at: Timestamp) -> bool {
    let before =
        stops.get(number).and_then(|said| said.iter().filter(|(when, _)| *when < at).max_by_key(|(when, _)| *when));
    before.is_some_and(|(_, wants)| !wants)
}

/// Does the ledger hold a live opt-in to the message's list at that time?
fn agreed(history: &[(Id, Option<String>, bool, Timestamp)], line: &LedgerLine, at: Timestamp) -> bool {
    let last = history.iter().rfind(|(contact, list, _, when)| {
        *contact == line.contact && *when <= at && (list.is_none() || *list == line.list)
    });
    last.is_some_and(|(_, _, opted_in, _)| *opted_in)
}

/// The masked form of a number in the world's book.
pub fn masked(number: &str) -> String {
    Phone::from_e164(number).map_or_else(|| "a short code".to_owned(), |p| p.masked())
}
