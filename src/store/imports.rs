//! What was loaded from spreadsheets: written as part of the decisions it belongs to, read to undo it.

use super::db::args;
use super::{Store, StoreError, Tx};
use crate::domain::change::ImportNote;
use crate::domain::ids::Id;
use crate::domain::phone::Phone;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use std::collections::HashSet;

/// An import, as people read it.
#[derive(Clone, Debug)]
pub struct ImportRow {
    /// Its id.
    pub id: Id,
    /// When it began.
    pub at: Timestamp,
    /// The file's name.
    pub file: String,
    /// The file's hash.
    pub hash: String,
    /// The list it was for.
    pub list: String,
    /// Who loaded it.
    pub by: String,
    /// It was loaded to the end.
    pub finished: bool,
    /// When it was taken back.
    pub undone_at: Option<Timestamp>,
    /// Contacts it added, changed, took out of the list.
    pub counts: [i64; 3],
}

const KINDS: [&str; 3] = ["added", "changed", "removed"];

const BEGIN: &str = "INSERT INTO imports (id, at, file, hash, list, by_whom) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING";
const NOTE: &str = "INSERT INTO import_rows (import_id, contact_id, kind, did) VALUES ($1, $2, $3, $4)
    ON CONFLICT (import_id, contact_id) DO NOTHING";
const END: &str = "UPDATE imports SET finished_at = COALESCE(finished_at, $2),
      undone_at = CASE WHEN $3 THEN CAST($2 AS BIGINT) END
    WHERE id = $1 AND undone_at IS NULL";
const IMPORT: &str = "SELECT id, at, file, hash, list, by_whom, finished_at, undone_at FROM imports";

pub(super) async fn note(tx: &mut Tx, note: &ImportNote) -> Result<u64, StoreError> {
    match note {
        ImportNote::Begun { id, file, hash, list, by, at } => {
            tx.run(BEGIN, args![*id, *at, file, hash, list, by]).await
        }
        ImportNote::Row { import, contact, kind, did } => tx.run(NOTE, args![*import, *contact, *kind, did]).await,
        ImportNote::Ended { id, undone, at } => tx.run(END, args![*id, *at, *undone]).await,
    }
}

impl Store {
    /// The import of this file into this list that has not come to its end.
    pub async fn open_import(&self, list: &str, hash: &str) -> Result<Option<Id>, StoreError> {
        let sql = "SELECT id FROM imports WHERE list = $1 AND hash = $2 AND finished_at IS NULL";
        let rows = self.db.rows(sql, args![list, hash]).await?;
        rows.first().map(|row| row.int(0)).transpose()
    }

    /// One import, or (none) the newest, at most `limit`.
    pub async fn imports(&self, id: Option<Id>, limit: i64) -> Result<Vec<ImportRow>, StoreError> {
        let sql = format!("{IMPORT} WHERE CAST($1 AS BIGINT) IS NULL OR id = $1 ORDER BY at DESC, id DESC LIMIT $2");
        let mut imports = Vec::new();
        for row in self.db.rows(AssertSqlSafe(sql), args![id, limit]).await? {
            let id = row.int(0)?;
            imports.push(ImportRow {
                id,
                at: row.instant(1)?,
                file: row.text(2)?,
                hash: row.text(3)?,
                list: row.text(4)?,
                by: row.text(5)?,
                finished: row.opt_int(6)?.is_some(),
                undone_at: row.opt_int(7)?.map(|_| row.instant(7)).transpose()?,
                counts: self.import_counts(id).await?,
            });
        }
        Ok(imports)
    }

    async fn import_counts(&self, import: Id) -> Result<[i64; 3], StoreError> {
        let sql = "SELECT kind, COUNT(*) FROM import_rows WHERE import_id = $1 GROUP BY kind";
        let mut counts = [0; 3];
        for row in self.db.rows(sql, args![import]).await? {
            let kind = row.text(0)?;
            let at = KINDS.iter().position(|k| *k == kind).ok_or(StoreError::Corrupt("import_rows.kind"))?;
            counts[at] = row.int(1)?;
        }
        Ok(counts)
    }

    /// One page of what an import did: (contact, what), in order of contact.
    pub async fn import_rows(&self, import: Id, after: Id, limit: i64) -> Result<Vec<(Id, String)>, StoreError> {
        let sql = "SELECT contact_id, did FROM import_rows
            WHERE import_id = $1 AND contact_id > $2 ORDER BY contact_id LIMIT $3";
        let rows = self.db.rows(sql, args![import, after, limit]).await?;
        rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?))).collect()
    }

    /// Which people have joined a list by their own text since, or by another way than a file.
    pub async fn joined_since(&self, list: &str, since: Timestamp) -> Result<HashSet<Id>, StoreError> {
        let sql = "SELECT DISTINCT e.contact_id FROM events e JOIN event_details d ON d.event_id = e.id
             WHERE e.list = $1 AND e.kind = 'opted_in' AND e.at >= $2 AND d.source NOT LIKE 'file %'
               AND e.contact_id IS NOT NULL
             UNION SELECT DISTINCT contact_id FROM inbounds
             WHERE meaning = 'join' AND received_at >= $2 AND contact_id IS NOT NULL";
        let rows = self.db.rows(sql, args![list, since]).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// One page of the people of a list who are in it by a file and nothing else, in order of contact.
    pub async fn in_by_file(&self, list: &str, after: Id, limit: i64) -> Result<Vec<(Id, Phone)>, StoreError> {
        let sql = "SELECT k.contact_id, c.phone FROM consents k JOIN contacts c ON c.id = k.contact_id
             WHERE k.list = $1 AND k.standing = 'in' AND k.contact_id > $2
               AND NOT EXISTS (SELECT 1 FROM events e JOIN event_details d ON d.event_id = e.id
                 WHERE e.contact_id = k.contact_id AND e.list = k.list AND e.kind = 'opted_in'
                   AND d.source NOT LIKE 'file %')
               AND NOT EXISTS (SELECT 1 FROM inbounds i WHERE i.contact_id = k.contact_id AND i.meaning = 'join')
             ORDER BY k.contact_id LIMIT $3";
        let rows = self.db.rows(sql, args![list, after, limit]).await?;
        let phone = |text: String| Phone::from_e164(&text).ok_or(StoreError::Corrupt("contacts.phone"));
        rows.iter().map(|row| Ok((row.int(0)?, phone(row.text(1)?)?))).collect()
    }

    /// By which words somebody is in a list: source, wording and instant of the last opt-in.
    pub async fn last_opt_in(&self, contact: Id, list: &str) -> Result<Option<OptIn>, StoreError> {
        let sql = "SELECT d.source, d.evidence, e.wording, e.at FROM events e
            JOIN event_details d ON d.event_id = e.id
            WHERE e.contact_id = $1 AND e.list = $2 AND e.kind = 'opted_in' ORDER BY e.at DESC, e.id DESC LIMIT 1";
        let rows = self.db.rows(sql, args![contact, list]).await?;
        let read = |row: &super::Row| {
            Ok(OptIn {
                source: row.text(0)?,
                evidence: row.opt_text(1)?,
                wording: row.opt_text(2)?,
                at: row.instant(3)?,
            })
        };
        rows.first().map(read).transpose()
    }
}

/// The entry of the ledger by which somebody is in a list.
#[derive(Clone, Debug)]
pub struct OptIn {
    /// How.
    pub source: String,
    /// The words it rests on.
    pub evidence: Option<String>,
    /// Wording shown.
    pub wording: Option<String>,
    /// When.
    pub at: Timestamp,
}
