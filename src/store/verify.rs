//! Looking through the ledger's chain, with bounded memory: the first event that does not fit is named, and nothing
//! personal of it.

use super::ledger::{Details, Entry, ORIGIN, Seal, sum};
use super::{Row, Store, StoreError};
use crate::domain::ids::Id;
use jiff::Timestamp;

/// Seals looked at in one read.
const AT_ONCE: i64 = 4;

/// Where a chain is broken first. Nothing personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The event that does not fit, or before which something is missing.
    pub event: Option<(Id, Timestamp, String)>,
    /// Its seal.
    pub seal: i64,
    /// What does not fit.
    pub what: &'static str,
}

/// What looking through the chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Events looked at.
    pub events: i64,
    /// Seals looked at.
    pub seals: i64,
    /// Events whose personal part was erased.
    pub erased: i64,
    /// Events that no seal holds yet.
    pub unsealed: i64,
    /// The head: the last seal's hash.
    pub head: Option<String>,
    /// A head that was noted earlier is one of this chain's (where one was asked about).
    pub on_chain: Option<bool>,
    /// The first thing that does not fit.
    pub broken: Option<Broken>,
}

impl Store {
    /// Looks through the whole chain, page by page. `noted`: (the beginning of) a head that was written down earlier.
    pub async fn verify_ledger(&self, noted: Option<&str>) -> Result<Verified, StoreError> {
        let mut found = Verified { unsealed: self.unsealed().await?, ..Verified::default() };
        let last = self.head().await?.map_or(0, |seal| seal.id);
        let mut chain = Chain { noted_found: noted.map(|_| false), ..Chain::default() };
        let mut after = 0;
        while chain.broken.is_none() && after < last {
            let to = last.min(after + AT_ONCE);
            let (page, seals) = (self.sealed_events(after, to).await?, self.seals(chain.seal, to).await?);
            for entry in &page {
                chain.take(entry, &seals, noted);
            }
            after = to;
        }
        if chain.broken.is_none() {
            let seals = self.seals(chain.seal, last).await?;
            chain.close(&seals, noted);
            if chain.broken.is_none() && chain.seal < last {
                chain.broken = Some(Broken { event: None, seal: chain.seal + 1, what: "its events are missing" });
            }
        }
        if chain.broken.is_none() && chain.erased > 0 {
            chain.broken = self.unexplained().await?;
        }
        (found.events, found.seals, found.erased) = (chain.events, chain.closed, chain.erased);
        (found.head, found.on_chain, found.broken) = (chain.head, chain.noted_found, chain.broken);
        Ok(found)
    }

    /// Does one seal fit its events and the seal before it?
    pub async fn seal_holds(&self, seal: i64) -> Result<bool, StoreError> {
        let seals = self.seals(seal - 1, seal).await?;
        let before = self.seals(seal - 2, seal - 1).await?;
        let previous = before.first().map_or(ORIGIN.to_owned(), |(of, _)| of.hash.clone());
        let mut chain = Chain { seal: seal - 1, link: previous.clone(), head: Some(previous), ..Chain::default() };
        for entry in &self.page((seal, 0), seal).await? {
            chain.take(entry, &seals, None);
        }
        chain.close(&seals, None);
        Ok(chain.broken.is_none() && chain.seal == seal)
    }

    /// A personal part that is gone although nobody was forgotten and no sweep took it.
    async fn unexplained(&self) -> Result<Option<Broken>, StoreError> {
        let sql = "SELECT e.id, e.at, e.kind, e.seal FROM events e
                   LEFT JOIN event_details d ON d.event_id = e.id
                   WHERE e.seal IS NOT NULL AND d.event_id IS NULL
                     AND NOT EXISTS (SELECT 1 FROM events f WHERE f.contact_id = e.contact_id AND f.kind = 'erased')
                     AND (e.kind IN ('asked', 'opted_in', 'opted_out', 'pending', 'erased')
                       OR e.at >= COALESCE((SELECT at FROM sweeps WHERE name = 'event_details'), 0))
                   ORDER BY e.seal, e.id LIMIT 1";
        let rows = self.db.rows(sql, vec![]).await?;
        let broken = |row: &Row| {
            Ok(Broken {
                event: Some((row.int(0)?, row.instant(1)?, row.text(2)?)),
                seal: row.int(3)?,
                what: "its personal part is gone, and nobody was forgotten",
            })
        };
        rows.first().map(broken).transpose()
    }
}

/// Walks along the chain.
#[derive(Default)]
struct Chain {
    /// The last seal that was closed.
    seal: i64,
    /// Its hash.
    head: Option<String>,
    link: String,
    /// Events of the seal that is open.
    inside: i64,
    events: i64,
    closed: i64,
    erased: i64,
    noted_found: Option<bool>,
    broken: Option<Broken>,
}

impl Chain {
    fn take(&mut self, entry: &Entry, seals: &[(Seal, String)], noted: Option<&str>) {
        if self.broken.is_some() {
            return;
        }
        let of = entry.seal.unwrap_or_default();
        if of > self.seal + 1 {
            self.close(seals, noted);
            let next = self.seal + 1;
            if self.broken.is_none() && next != of {
                let missing = "a seal before it is missing, or its events are";
                self.broken = Some(Broken { event: Some(entry.named()), seal: next, what: missing });
            }
            if self.broken.is_some() {
                return;
            }
        }
        let digest = entry.details.as_ref().map(Details::digest);
        if entry.details.is_none() {
            self.erased += 1;
        }
        let link = entry.follow(&self.link);
        let what = if digest.is_some() && digest != entry.digest {
            "what it rests on was changed"
        } else if entry.link.as_ref() != Some(&link) {
            "it was changed, or one before it is missing"
        } else {
            self.link = link;
            self.inside += 1;
            self.events += 1;
            return;
        };
        self.broken = Some(Broken { event: Some(entry.named()), seal: of, what });
    }

    /// The seal that is open ends here.
    fn close(&mut self, seals: &[(Seal, String)], noted: Option<&str>) {
        if self.inside == 0 || self.broken.is_some() {
            return;
        }
        let wanted = self.seal + 1;
        let found = seals.iter().find(|(seal, _)| seal.id == wanted);
        let fits = found.filter(|(seal, previous)| {
            seal.events == self.inside
                && *previous == self.head.clone().unwrap_or_default()
                && seal.hash == sum(seal.id, seal.at.as_millisecond(), self.inside, &self.link)
        });
        let Some((seal, _)) = fits else {
            let what = if found.is_some() { "the seal does not fit its events" } else { "the seal is missing" };
            self.broken = Some(Broken { event: None, seal: wanted, what });
            return;
        };
        if noted.is_some_and(|noted| seal.hash.starts_with(noted)) {
            self.noted_found = Some(true);
        }
        (self.seal, self.inside, self.closed) = (wanted, 0, self.closed + 1);
        (self.link, self.head) = (seal.hash.clone(), Some(seal.hash.clone()));
    }
}
