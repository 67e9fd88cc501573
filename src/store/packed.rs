//! A seal's events in one row: a million of them are looked through in seconds. Row by row each value costs more on its way
//! through the driver than all that is then done with it.

use super::db::args;
use super::ledger::{Details, Entry};
use super::{Row, Store, StoreError};

/// Between the fields of an event, and between events: nobody types them.
const FIELD: char = '\u{1f}';
const EVENT: char = '\u{1e}';
/// Fields of an event.
const FIELDS: usize = 14;

// What may be NULL has a sign before it.
const PACKED: &str = "SELECT e.seal, COUNT(*), string_agg(concat_ws($3, e.id, e.at, e.kind, e.actor,
      COALESCE('=' || e.contact_id, ''), COALESCE('=' || e.list, ''), COALESCE('=' || e.campaign, ''),
      COALESCE('=' || e.wording, ''), COALESCE('=' || e.digest, ''), COALESCE('=' || e.link, ''),
      COALESCE('=' || d.salt, ''), COALESCE('=' || d.phone, ''), COALESCE('=' || d.source, ''),
      COALESCE('=' || d.evidence, '')), $4 ORDER BY e.id)
    FROM events e LEFT JOIN event_details d ON d.event_id = e.id
    WHERE e.seal IS NOT NULL AND e.seal > $1 AND e.seal <= $2 GROUP BY e.seal ORDER BY e.seal";

impl Store {
    /// The events of the seals after one, up to another, in the order of the chain.
    pub(super) async fn sealed_events(&self, after: i64, to: i64) -> Result<Vec<Entry>, StoreError> {
        let rows = self.db.rows(PACKED, args![after, to, &FIELD.to_string(), &EVENT.to_string()]).await?;
        let mut events = Vec::new();
        for row in &rows {
            let seal = row.int(0)?;
            match unpack(row, seal)? {
                Some(unpacked) => events.extend(unpacked),
                // Somebody did type one: its seal is read row by row.
                None => events.extend(self.page((seal, 0), seal).await?),
            }
        }
        Ok(events)
    }
}

/// None where the fields are not those that were packed: then one of them holds a separator.
fn unpack(row: &Row, seal: i64) -> Result<Option<Vec<Entry>>, StoreError> {
    let (count, text) = (row.int(1)?, row.text(2)?);
    let events: Option<Vec<Entry>> = text.split(EVENT).map(|event| entry(event, seal)).collect();
    Ok(events.filter(|events| i64::try_from(events.len()) == Ok(count)))
}

fn entry(event: &str, seal: i64) -> Option<Entry> {
    let mut fields = event.splitn(FIELDS + 1, FIELD);
    let mut next = || fields.next();
    let known = |field: &str| field.strip_prefix('=').map(str::to_owned);
    let (id, at) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let (kind, actor) = (next()?.to_owned(), next()?.to_owned());
    let contact = match next()?.strip_prefix('=') {
        Some(contact) => Some(contact.parse().ok()?),
        None => None,
    };
    let (list, campaign, wording) = (known(next()?), known(next()?), known(next()?));
    let (digest, link) = (known(next()?), known(next()?));
    let (salt, phone, source, evidence) = (known(next()?), known(next()?), known(next()?), known(next()?));
    if next().is_some() {
        return None;
    }
    let details = source.map(|source| Details { salt, phone, source, evidence });
    Some(Entry { id, at, kind, contact, list, campaign, actor, wording, details, seal: Some(seal), digest, link })
}
