//! Numbers that must not be texted, by their keyed hashes: asked, and, after a restore, learnt again from the list beside
//! an SQLite file.

use super::db::{args, placeholders};
use super::{Db, Store, StoreError};
use crate::domain::phone::Phone;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use std::collections::HashMap;

/// A suppression as people look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// The reason of whoever was forgotten.
pub const FORGOTTEN: &str = "forgotten";

impl Store {
    /// Which of `phones` are suppressed.
    pub async fn suppressed_among(&self, phones: &[Phone]) -> Result<Vec<Phone>, StoreError> {
        Ok(self.suppressions_among(phones).await?.into_keys().collect())
    }

    /// Whether and why a number is suppressed.
    pub async fn suppression(&self, phone: &Phone) -> Result<Option<Suppression>, StoreError> {
        Ok(self.suppressions_among(std::slice::from_ref(phone)).await?.remove(phone))
    }

    async fn suppressions_among(&self, phones: &[Phone]) -> Result<HashMap<Phone, Suppression>, StoreError> {
        if phones.is_empty() {
            return Ok(HashMap::new());
        }
        let mut hashes: HashMap<String, &Phone> = HashMap::new();
        for phone in phones {
            match self.identity.number_hashes(phone) {
                Ok(all) => hashes.extend(all.into_iter().map(|hash| (hash, phone))),
                // Of a contact the hash is kept.
                Err(locked) => {
                    let kept = self.db.rows("SELECT phone_hash FROM contacts WHERE phone = $1", args![phone.e164()]);
                    hashes.insert(kept.await?.first().ok_or(locked)?.text(0)?, phone);
                }
            }
        }
        let sql = format!(
            "SELECT phone_hash, reason, since FROM suppressions WHERE phone_hash IN {}",
            placeholders(1, hashes.len())
        );
        let rows = self.db.rows(AssertSqlSafe(sql), hashes.keys().flat_map(|h| args![h]).collect()).await?;
        let mut found = HashMap::new();
        for row in &rows {
            if let Some(phone) = hashes.get(&row.text(0)?) {
                found.insert((*phone).clone(), Suppression { reason: row.text(1)?, since: row.instant(2)? });
            }
        }
        Ok(found)
    }

    /// After a restore: what the list beside the file knows and the database has forgotten. Who was forgotten since the
    /// backup is here again, and is to be forgotten again: their numbers.
    pub async fn learn_suppressions(&self) -> Result<(u64, Vec<Phone>), StoreError> {
        let Db::Sqlite(_, Some(beside)) = &self.db else { return Ok((0, Vec::new())) };
        let list = beside.suppressed();
        let mut standing: HashMap<&str, (i64, i64, bool)> = HashMap::new();
        for line in list.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["+", hash, version, since, why] => {
                    if let (Ok(version), Ok(since)) = (version.parse(), since.parse()) {
                        standing.insert(hash, (version, since, why == FORGOTTEN));
                    }
                }
                ["-", hash] => drop(standing.remove(hash)),
                _ => {}
            }
        }
        let (mut learnt, mut again) = (0, Vec::new());
        let mut tx = self.db.begin().await?;
        for (hash, (version, since, forgotten)) in standing {
            let reason = if forgotten { FORGOTTEN } else { "left before the restore" };
            learnt += tx
                .run(
                    "INSERT INTO suppressions (phone_hash, key_version, reason, since) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (phone_hash) DO NOTHING",
                    args![hash, version, reason, since],
                )
                .await?;
            if forgotten {
                let rows = tx.rows("SELECT phone FROM contacts WHERE phone_hash = $1", args![hash]).await?;
                again.extend(rows.first().map(|row| row.text(0)).transpose()?.and_then(|p| Phone::from_e164(&p)));
            }
        }
        tx.commit().await?;
        Ok((learnt, again))
    }

    /// Writes the list beside the file anew, as the database has it; false where it can't be written.
    pub async fn list_suppressions(&self) -> Result<bool, StoreError> {
        let Db::Sqlite(_, Some(beside)) = &self.db else { return Ok(true) };
        let (mut lines, mut after) = (String::new(), String::new());
        loop {
            let sql = "SELECT phone_hash, key_version, since, reason FROM suppressions WHERE phone_hash > $1
                       ORDER BY phone_hash LIMIT 1000";
            let rows = self.db.rows(sql, args![&after]).await?;
            let Some(last) = rows.last() else { break };
            after = last.text(0)?;
            for row in &rows {
                let why = if row.text(3)? == FORGOTTEN { FORGOTTEN } else { "left" };
                lines.push_str(&format!("+ {} {} {} {why}\n", row.text(0)?, row.int(1)?, row.int(2)?));
            }
        }
        Ok(beside.rewrite_suppressed(&lines).is_ok())
    }
}
