//! Opening and migrating a database.

use super::beside::Beside;
use super::{Db, Identity, Store, StoreError};
use crate::domain::phone::Phone;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlSafeStr};
use std::borrow::Cow;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The newest migration this program knows.
pub const SCHEMA_VERSION: i64 = 4;

/// Where a database is. The address of a PostgreSQL server may hold a password: it is never printed.
#[derive(Clone, Debug)]
pub struct Place(SecretString);

impl Place {
    /// `sqlite:/path/to/file` or `postgres://…`.
    pub fn new(url: &str) -> Self {
        Self(SecretString::from(url.to_owned()))
    }

    /// The address without anything secret, for people.
    pub fn shown(&self) -> String {
        let url = self.0.expose_secret();
        match url.split_once("://") {
            Some((scheme, rest)) => {
                let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("{scheme}://{}", host.split('?').next().unwrap_or_default())
            }
            None => url.to_owned(),
        }
    }

    /// The file of an SQLite database.
    pub fn file(&self) -> Option<PathBuf> {
        let url = self.0.expose_secret();
        let path = url.strip_prefix("sqlite:")?.trim_start_matches("//");
        Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
    }

    fn is_postgres(&self) -> bool {
        let url = self.0.expose_secret();
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    }
}

/// Each migration is one transaction, but the migrator takes no lock on SQLite: that another program was faster with one of
/// them is no failure, and the rest is tried again.
async fn bring_up_to_date(db: &Db, found: i64) -> Result<(), StoreError> {
    let mut before = found;
    loop {
        let migrated = match db {
            Db::Sqlite(pool, _) => migrator().run(pool).await,
            Db::Postgres(pool) => migrator().run(pool).await,
        };
        let Err(error) = migrated else { return Ok(()) };
        let now = version(db).await?;
        if now == SCHEMA_VERSION {
            return Ok(());
        }
        if now == before {
            return Err(StoreError::Database(error.to_string()));
        }
        before = now;
    }
}

fn migrator() -> Migrator {
    let all = [
        (1, "first", include_str!("../../migrations/0001_first.sql")),
        (2, "workers", include_str!("../../migrations/0002_workers.sql")),
        (3, "ledger", include_str!("../../migrations/0003_ledger.sql")),
        (4, "imports", include_str!("../../migrations/0004_imports.sql")),
    ];
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(all.into_iter().map(migration).collect())
}

async fn connect(place: &Place, create: bool) -> Result<Db, StoreError> {
    let url = place.0.expose_secret();
    if place.is_postgres() {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| StoreError::BadUrl(place.shown()))?
            // Whatever the server's default is: an intent must survive a power cut before its bytes leave.
            .options([("synchronous_commit", "on")]);
        let pool = PgPoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(10));
        return Ok(Db::Postgres(pool.connect_with(options).await?));
    }
    if !url.starts_with("sqlite:") {
        return Err(StoreError::BadUrl(place.shown()));
    }
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|_| StoreError::BadUrl(place.shown()))?
        .create_if_missing(create)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: an intent must survive a power cut before its bytes leave. NORMAL lost commits in every power-cut test.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is deleted or shortened is overwritten with zeros: erasure means the file's bytes too.
        .pragma("secure_delete", "ON")
        .busy_timeout(Duration::from_secs(10));
    if !create && !options.get_filename().exists() {
        return Err(StoreError::NotFound(place.shown()));
    }
    // On a full disk SQLite takes a transaction back by itself, and sqlx goes on counting it: such a connection could never
    // begin another one. It is thrown away, and the next one is sound.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }));
    Ok(Db::Sqlite(pool.connect_with(options).await?, None))
}

/// The same database, with what lies beside it.
fn with_files(db: Db, place: &Place, new: bool) -> Db {
    let file = place.file().filter(|file| file.exists());
    match (db, file) {
        (Db::Sqlite(pool, _), Some(file)) => Db::Sqlite(pool, Some(Arc::new(Beside::open(&file, new)))),
        (db, _) => db,
    }
}

async fn version(db: &Db) -> Result<i64, StoreError> {
    let known = match db {
        Db::Sqlite(..) => db.rows("SELECT name FROM sqlite_master WHERE name = '_sqlx_migrations'", vec![]).await?,
        Db::Postgres(_) => {
            db.rows(
                "SELECT table_name::text FROM information_schema.tables WHERE table_name = '_sqlx_migrations'",
                vec![],
            )
            .await?
        }
    };
    if known.is_empty() {
        return Ok(0);
    }
    let rows = db.rows("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations", vec![]).await?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

impl Store {
    /// Opens a database that is up to date.
    pub async fn open(place: &Place) -> Result<Self, StoreError> {
        let db = connect(place, false).await?;
        let found = version(&db).await?;
        match found.cmp(&SCHEMA_VERSION) {
            std::cmp::Ordering::Less => Err(StoreError::NeedsMigration { found, needed: SCHEMA_VERSION }),
            std::cmp::Ordering::Greater => Err(StoreError::TooNew { found, needed: SCHEMA_VERSION }),
            std::cmp::Ordering::Equal => {
                let db = with_files(db, place, false);
                let identity = Identity::read(&db).await?;
                let mut store = Self { db, identity, home: None };
                if store.is_shared() {
                    store.home = Some(store.home().await?);
                } else {
                    store.moved().await?; // looked at before anything is written
                }
                Ok(store)
            }
        }
    }

    /// Creates the database if there is none, brings it up to date, and opens it. `seed`: 32 random bytes for the keys
    /// of a new database. Returns the version it had before.
    pub async fn migrate(place: &Place, seed: [u8; 32]) -> Result<(Self, i64), StoreError> {
        let db = connect(place, true).await?;
        let found = version(&db).await?;
        if found > SCHEMA_VERSION {
            return Err(StoreError::TooNew { found, needed: SCHEMA_VERSION });
        }
        bring_up_to_date(&db, found).await?;
        // Before the second version there were no marks.
        let new = found < 2;
        let db = with_files(db, place, new);
        Identity::draw(&db, seed).await?;
        let identity = Identity::read(&db).await?;
        let mut store = Self { db, identity, home: None };
        if store.is_shared() {
            store.home = Some(store.home().await?);
        }
        if new {
            store.settle_here().await?;
        }
        Ok((store, found))
    }

    /// Closes it.
    pub async fn close(self) {
        self.db.close().await;
    }

    /// The keys drawn when the database was made.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The hash under which a number is suppressed.
    pub fn number_hash(&self, phone: &Phone) -> Result<String, StoreError> {
        self.identity.number_hashes(phone)?.into_iter().next().ok_or(StoreError::Locked)
    }

    /// The database, for tests that need a second hand on it.
    pub fn db(&self) -> &Db {
        &self.db
    }
}
