//! Do the pages of an SQLite file fit together? Looked for in the background, beside the one writing connection.

use super::{Place, Store, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row as _};

impl Store {
    /// Reads every page once; an error if any is damaged. On PostgreSQL that is the server's own work.
    pub async fn check_pages(place: &Place) -> Result<(), StoreError> {
        let Some(file) = place.file() else { return Ok(()) };
        let options = SqliteConnectOptions::new().filename(file).read_only(true).create_if_missing(false);
        let mut connection: SqliteConnection = options.connect().await?;
        let rows = sqlx::query("PRAGMA quick_check(1)").fetch_all(&mut connection).await?;
        connection.close().await?;
        let found: String = rows.first().map_or(Ok("no answer".to_owned()), |row| row.try_get(0))?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Damaged(found.replace('\n', "; "))) }
    }

    /// Gives up the mebibyte that is kept for a full disk.
    pub fn give_up_reserve(&self) {
        if let super::Db::Sqlite(_, Some(beside)) = &self.db {
            beside.give_up_reserve();
        }
    }

    /// Keeps a mebibyte for a full disk; false where there is no room for it.
    pub fn keep_reserve(&self) -> bool {
        match &self.db {
            super::Db::Sqlite(_, Some(beside)) => beside.keep_reserve().is_ok(),
            _ => true,
        }
    }
}
