//! A fresh database for each run: on SQLite a copy of a template, in memory where the machine has such a folder. A
//! copy is fenced, as every copy is, and released by a person's word. On PostgreSQL one database is emptied.

use crate::support::{Engine, SEED, postgres};
use jiff::{SignedDuration, Timestamp};
use ringround::domain::change::Change;
use ringround::domain::pause::Pause;
use ringround::store::{Db, Place, Store};
use sqlx::AssertSqlSafe;
use std::path::Path;
use tempfile::TempDir;

/// Every move of a message, written by the database itself.
const WATCH: [(&str, &str); 2] = [
    ("CREATE TABLE moves (message BIGINT NOT NULL, was TEXT NOT NULL, is_now TEXT NOT NULL)", ""),
    (
        "CREATE TRIGGER watch AFTER UPDATE OF state ON messages WHEN OLD.state <> NEW.state
           BEGIN INSERT INTO moves VALUES (NEW.id, OLD.state, NEW.state); END",
        "CREATE FUNCTION watch() RETURNS TRIGGER LANGUAGE plpgsql AS
           'BEGIN INSERT INTO moves VALUES (NEW.id, OLD.state, NEW.state); RETURN NULL; END';
         CREATE TRIGGER watch AFTER UPDATE OF state ON messages
           FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION watch()",
    ),
];

/// See the module's head.
pub enum Ground {
    File { place: Place, copies: u64, database: Vec<u8>, folder: TempDir },
    Server { place: Place, url: String, meta: Vec<(String, String)> },
}

impl Ground {
    /// None where the engine can't be had.
    pub async fn new(engine: Engine) -> Option<Self> {
        if engine == Engine::Postgres {
            let url = postgres::new_database().await?;
            let place = Place::new(&url);
            let (store, _) = Store::migrate(&place, SEED).await.unwrap();
            watch(&store, engine).await;
            let rows = store.db().rows("SELECT name, value FROM meta", vec![]).await.unwrap();
            let meta = rows.iter().map(|row| (row.text(0).unwrap(), row.text(1).unwrap())).collect();
            store.close().await;
            return Some(Self::Server { place, url, meta });
        }
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
        let path = folder.path().join("ringround.db");
        let place = Place::new(&format!("sqlite:{}", path.display()));
        let (store, _) = Store::migrate(&place, SEED).await.unwrap();
        watch(&store, engine).await;
        store.close().await;
        let database = std::fs::read(&path).unwrap();
        Some(Self::File { place, copies: 0, database, folder })
    }

    pub fn place(&self) -> &Place {
        let (Self::File { place, .. } | Self::Server { place, .. }) = self;
        place
    }

    pub fn engine(&self) -> Engine {
        if matches!(self, Self::File { .. }) { Engine::Sqlite } else { Engine::Postgres }
    }

    /// As if it had just been made.
    pub async fn renew(&mut self, now: Timestamp) {
        match self {
            Self::File { place, copies, database, folder } => {
                // A connection that was torn out may still be on its way out of the last one.
                let of = |copy: u64| folder.path().join(copy.to_string());
                let _ = std::fs::remove_dir_all(of(*copies)); // before the first there is none
                *copies += 1;
                std::fs::create_dir(of(*copies)).unwrap();
                let path = of(*copies).join("ringround.db");
                std::fs::write(&path, database).unwrap();
                *place = Place::new(&format!("sqlite:{}", path.display()));
                let mut store = Store::open(place).await.unwrap();
                assert!(store.fence_if_moved(SignedDuration::ZERO, SEED, now).await.unwrap().is_some());
                assert!(store.commit_one(Change::Resumed { pause: Pause::Fence }.into(), now).await.unwrap());
                store.close().await;
            }
            Self::Server { place, meta, .. } => {
                let store = Store::open(place).await.unwrap();
                let tables = store
                    .db()
                    .rows(
                        "SELECT string_agg(tablename::text, ',') FROM pg_tables WHERE schemaname = 'public'
                           AND tablename NOT IN ('_sqlx_migrations', 'id_blocks', 'high_water', 'generations')",
                        vec![],
                    )
                    .await
                    .unwrap();
                let mut sql = format!("TRUNCATE {}; UPDATE id_blocks SET next = 1;", tables[0].text(0).unwrap());
                for (name, value) in meta {
                    sql.push_str(&format!("INSERT INTO meta (name, value) VALUES ('{name}', '{value}');"));
                }
                raw(&store, sql).await;
                store.close().await;
            }
        }
    }

    pub async fn clear(self) {
        if let Self::Server { url, .. } = self {
            postgres::drop_database(&url).await;
        }
    }
}

async fn watch(store: &Store, engine: Engine) {
    for (sqlite, server) in WATCH {
        let sql = if engine == Engine::Sqlite || server.is_empty() { sqlite } else { server };
        raw(store, sql.to_owned()).await;
    }
}

/// Several statements at once, behind the store's back.
async fn raw(store: &Store, sql: String) {
    match store.db() {
        Db::Sqlite(pool, _) => sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.map(|_| ()),
        Db::Postgres(pool) => sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.map(|_| ()),
    }
    .unwrap();
}
