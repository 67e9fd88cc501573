//! What makes this database itself: the keys drawn when it was made, its generation, and the count of worker starts.

use super::db::args;
use super::{Db, Store, StoreError, Tx};
use crate::domain::ids::{Id, Ids};
use crate::domain::phone::Phone;
use crate::domain::reference::Mint;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;

/// Keys and generation of a database.
#[derive(Clone)]
pub struct Identity {
    number_key: [u8; 32],
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

/// The version of the key that number hashes are made with, kept beside each hash.
pub(super) const KEY_VERSION: i64 = 1;

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
        let mut identity = Self { number_key: [0; 32], reference_key: [0; 32], generations: Vec::new() };
        for row in db.rows("SELECT name, value FROM meta", vec![]).await? {
            let value = row.text(1)?;
            match row.text(0)?.as_str() {
                "number_key" => identity.number_key = key(&value)?,
                "reference_key" => identity.reference_key = key(&value)?,
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

    /// HMAC-SHA-256 of the number under this database's key, in hex.
    pub(super) fn number_hash(&self, phone: &Phone) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.number_key).expect("HMAC takes keys of any length");
        hex(&mac.chain_update(phone.e164().as_bytes()).finalize().into_bytes())
    }
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

impl Store {
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
