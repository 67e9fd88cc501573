//! What makes this database itself: the keys drawn when it was made, its generation, and the count of worker starts.

use super::db::{args, placeholders};
use super::{Db, Store, StoreError, Tx};
use crate::domain::ids::{Id, Ids};
use crate::domain::phone::Phone;
use crate::domain::reference::Mint;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;
use std::fmt;

/// Keys and generation of a database.
#[derive(Clone)]
pub struct Identity {
    /// Keys of number hashes by version, the current one first. Version 1 was drawn when the database was made; version 2
    /// is kept outside it.
    number_keys: Vec<(i64, [u8; 32])>,
    /// What shows that a key is the one that was kept outside; none as long as the database has its own.
    check: Option<String>,
    reference_key: [u8; 32],
    /// (first message id, generation), ascending.
    generations: Vec<(Id, u32)>,
}

// By hand: keys are never printed.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} generations)", self.generations.len())
    }
}

/// The version of the key that the database has in itself.
const OWN_KEY: i64 = 1;
/// The version of a key that is kept outside.
const OUTSIDE_KEY: i64 = 2;

impl Identity {
    /// Keys for a new database, derived from 32 random bytes; a database that has them keeps them.
    pub(super) async fn draw(db: &Db, seed: [u8; 32]) -> Result<(), StoreError> {
        let derived =
            |purpose: &str| hex(&Sha256::new().chain_update(seed).chain_update(purpose.as_bytes()).finalize());
        let mut tx = db.begin().await?;
        for (name, value) in
            [("number_key", derived("number")), ("reference_key", derived("reference")), ("epoch", "0".to_owned())]
        {
            tx.run("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", args![name, &value])
                .await?;
        }
        let generation: String = derived("generation").chars().take(6).collect();
        tx.run(
            "INSERT INTO generations (first_id, generation) SELECT 0, CAST($1 AS TEXT)
             WHERE NOT EXISTS (SELECT 1 FROM generations)",
            args![&generation],
        )
        .await?;
        tx.commit().await
    }

    pub(super) async fn read(db: &Db) -> Result<Self, StoreError> {
        let mut identity =
            Self { number_keys: Vec::new(), check: None, reference_key: [0; 32], generations: Vec::new() };
        for row in db.rows("SELECT name, value FROM meta", vec![]).await? {
            let value = row.text(1)?;
            match row.text(0)?.as_str() {
                "number_key" => identity.number_keys.push((OWN_KEY, key(&value)?)),
                "reference_key" => identity.reference_key = key(&value)?,
                "suppression_check" => identity.check = Some(value),
                _ => {}
            }
        }
        for row in db.rows("SELECT first_id, generation FROM generations ORDER BY first_id", vec![]).await? {
            let generation = u32::from_str_radix(&row.text(1)?, 16);
            identity.generations.push((row.int(0)?, generation.map_err(|_| StoreError::Corrupt("generations"))?));
        }
        Ok(identity)
    }

    /// The mint of this database's references.
    pub fn mint(&self) -> Mint {
        Mint::new(&self.generations, self.reference_key)
    }

    /// The version of the key that new hashes are made with.
    pub(super) fn key_version(&self) -> i64 {
        if self.check.is_some() { OUTSIDE_KEY } else { OWN_KEY }
    }

    /// The number's hash under every key that there is, the current one first.
    pub(super) fn number_hashes(&self, phone: &Phone) -> Result<Vec<String>, StoreError> {
        match self.number_keys.first() {
            Some((version, _)) if *version == self.key_version() => {
                Ok(self.number_keys.iter().map(|(_, key)| number_hash(key, phone)).collect())
            }
            _ => Err(StoreError::Locked),
        }
    }
}

/// HMAC-SHA-256 of the number, in hex.
fn number_hash(key: &[u8; 32], phone: &Phone) -> String {
    mac(key, phone.e164().as_bytes())
}

fn mac(key: &[u8; 32], text: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    hex(&mac.chain_update(text).finalize().into_bytes())
}

/// A key from whatever its owner wrote into the file.
fn outside_key(secret: &SecretString) -> [u8; 32] {
    let hash = Sha256::new().chain_update("ringround suppression key\0").chain_update(secret.expose_secret());
    hash.finalize().into()
}

fn check_of(key: &[u8; 32]) -> String {
    mac(key, b"ringround check").chars().take(16).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |hex, byte| hex + &format!("{byte:02x}"))
}

fn key(hex: &str) -> Result<[u8; 32], StoreError> {
    let corrupt = || StoreError::Corrupt("meta: a key");
    let mut key = [0; 32];
    if hex.len() != 64 {
        return Err(corrupt());
    }
    for (i, byte) in key.iter_mut().enumerate() {
        let digits = hex.get(2 * i..2 * i + 2).ok_or_else(corrupt)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| corrupt())?;
    }
    Ok(key)
}

/// Sets a row of `meta`.
pub(super) async fn set(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.run(sql, args![name, value]).await.map(|_| ())
}

const REHASH_SUPPRESSED: &str = "UPDATE suppressions SET phone_hash = v.column2, key_version = 2
    FROM (VALUES {PAIRS}) AS v WHERE suppressions.phone_hash = v.column1";
const REHASH_CONTACTS: &str = "UPDATE contacts SET phone_hash = v.column2, key_version = 2
    FROM (VALUES {PAIRS}) AS v WHERE contacts.phone_hash = v.column1";

impl Store {
    /// Are its numbers hashed with a key that is kept outside it?
    pub fn has_outside_key(&self) -> bool {
        self.identity.check.is_some()
    }

    /// Says which key numbers are hashed with: the one that is kept outside, or none. A database that has been using the one
    /// it drew itself changes to the outside one, once: true. Numbers of people who were forgotten stay under the old one,
    /// which is asked as well.
    pub async fn use_key(&mut self, secret: Option<&SecretString>, now: Timestamp) -> Result<bool, StoreError> {
        let Some(secret) = secret else {
            return if self.identity.check.is_some() { Err(StoreError::KeyMissing) } else { Ok(false) };
        };
        let key = outside_key(secret);
        let check = check_of(&key);
        let adopted = match &self.identity.check {
            Some(kept) if *kept != check => return Err(StoreError::WrongKey),
            Some(_) => false,
            None => {
                self.adopt(&key, &check, now).await?;
                true
            }
        };
        self.identity.check = Some(check);
        self.identity.number_keys.retain(|(version, _)| *version != OUTSIDE_KEY);
        self.identity.number_keys.insert(0, (OUTSIDE_KEY, key));
        Ok(adopted)
    }

    /// All or nothing: a contact under one key and its suppression under the other would be no suppression.
    async fn adopt(&self, key: &[u8; 32], check: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let working = tx.rows("SELECT COUNT(*) FROM workers WHERE lease_until > $1", args![now]).await?;
        if self.db.is_postgres() && working.first().map_or(Ok(0), |row| row.int(0))? > 0 {
            return Err(StoreError::Busy); // they would go on with the old key
        }
        let mut after = 0;
        loop {
            let sql = "SELECT id, phone, phone_hash FROM contacts WHERE id > $1 AND phone NOT LIKE 'forgotten:%' ORDER BY id LIMIT 500";
            let rows = tx.rows(sql, args![after]).await?;
            let Some(last) = rows.last() else { break };
            after = last.int(0)?;
            let mut pairs = Vec::new();
            for row in &rows {
                let phone = Phone::from_e164(&row.text(1)?).ok_or(StoreError::Corrupt("contacts.phone"))?;
                pairs.extend(args![&row.text(2)?, &number_hash(key, &phone)]);
            }
            let values = placeholders(rows.len(), 2);
            tx.run(AssertSqlSafe(REHASH_SUPPRESSED.replace("{PAIRS}", &values)), pairs.clone()).await?;
            tx.run(AssertSqlSafe(REHASH_CONTACTS.replace("{PAIRS}", &values)), pairs).await?;
        }
        set(&mut tx, "suppression_check", check).await?;
        tx.commit().await
    }

    /// Brings a suppression from an older key to the current one, now that its number is seen again.
    pub(super) async fn renew_hash(&self, tx: &mut Tx, phone: &Phone) -> Result<(), StoreError> {
        let hashes = self.identity.number_hashes(phone)?;
        let Some((current, older)) = hashes.split_first() else { return Ok(()) };
        for old in older {
            let twice = "DELETE FROM suppressions WHERE phone_hash = $1
                         AND EXISTS (SELECT 1 FROM suppressions s WHERE s.phone_hash = $2)";
            tx.run(twice, args![old, current]).await?;
            let sql = "UPDATE suppressions SET phone_hash = $2, key_version = $3 WHERE phone_hash = $1";
            tx.run(sql, args![old, current, self.identity.key_version()]).await?;
        }
        Ok(())
    }

    /// What all workers of one database must agree on, as a keyed hash: nothing of it can be read back.
    pub fn agreement(&self, parts: &[&str]) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.identity.reference_key).expect("HMAC takes keys of any length");
        let mac = parts.iter().fold(mac, |mac, part| mac.chain_update(part.as_bytes()).chain_update([0]));
        hex(&mac.finalize().into_bytes()).chars().take(32).collect()
    }

    /// Reserves a block of ids. What is not used is never handed out again.
    pub async fn ids(&self, count: i64) -> Result<Ids, StoreError> {
        let mut tx = self.db.begin().await?;
        let rows = tx.rows("UPDATE id_blocks SET next = next + $1 RETURNING next", args![count]).await?;
        let end = rows.first().ok_or(StoreError::Corrupt("id_blocks is empty"))?.int(0)?;
        tx.commit().await?;
        Ok(Ids::new(end - count..end))
    }
}
