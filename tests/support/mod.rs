//! What tests on a real database stand on: each gets a database of its own, on SQLite and on PostgreSQL.
//!
//! A test is a plain `async fn name(world: &World)`; `both_engines! { name, … }` makes `name::sqlite` and
//! `name::postgres` of it. Time stands still at [`World::now`]. Tests never sleep: they wait for an event
//! ([`until`]), and each as a whole is bounded.

#![allow(dead_code, unused_macros, unused_imports, reason = "each test binary uses its own part of this")]

pub mod postgres;

use jiff::{SignedDuration, Timestamp};
use ringround::store::{Place, Recruit, Store};
use sqlx::AssertSqlSafe;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// No test takes longer, on a slow machine under load.
const BOUND: Duration = Duration::from_mins(2);
/// Keys of a test's database are derived from this.
pub const SEED: [u8; 32] = [7; 32];

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in a temporary folder.
    Sqlite,
    /// A database in a throwaway cluster.
    Postgres,
}

/// Where a database can be made: no file yet, or an empty database on the server.
#[derive(Debug)]
pub struct Ground {
    pub engine: Engine,
    pub url: String,
    pub place: Place,
    _folder: Option<TempDir>,
}

impl Ground {
    /// None where the engine cannot be had on this machine.
    async fn new(engine: Engine) -> Option<Self> {
        let (url, folder) = match engine {
            Engine::Sqlite => {
                let folder = TempDir::new().unwrap();
                (format!("sqlite:{}/ringround.db", folder.path().display()), Some(folder))
            }
            Engine::Postgres => (postgres::new_database().await?, None),
        };
        Some(Self { engine, place: Place::new(&url), url, _folder: folder })
    }

    async fn clear(self) {
        if self.engine == Engine::Postgres {
            postgres::drop_database(&self.url).await;
        }
    }
}

/// A migrated database, and the little that every test does with it.
#[derive(Debug)]
pub struct World {
    pub store: Store,
    pub engine: Engine,
    pub place: Place,
    /// The instant at which everything happens.
    pub now: Timestamp,
    next_id: AtomicI64,
}

impl World {
    async fn new(ground: &Ground) -> Self {
        let (store, _) = Store::migrate(&ground.place, SEED).await.unwrap();
        let now = "2022-01-24T12:00:00Z".parse().unwrap();
        let first = Recruit { place: "here", agreement: "", settle: SignedDuration::from_secs(60) };
        assert_eq!(store.enlist(&first, now).await.unwrap(), (1, 0), "epoch 1 is the first worker's");
        Self { store, engine: ground.engine, place: ground.place.clone(), now, next_id: AtomicI64::new(1) }
    }

    /// An id that no other row of this world has.
    pub fn id(&self) -> i64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// `now`, that many seconds later (or earlier).
    pub fn at(&self, seconds: i64) -> Timestamp {
        self.now + jiff::SignedDuration::from_secs(seconds)
    }

    /// A second worker on the same database.
    pub async fn second(&self) -> Store {
        Store::open(&self.place).await.unwrap()
    }

    /// Writes behind the store's back; how many rows it changed.
    pub async fn sql(&self, text: &str) -> u64 {
        let mut tx = self.store.db().begin().await.unwrap();
        let rows = tx.run(AssertSqlSafe(text.to_owned()), vec![]).await.unwrap();
        tx.commit().await.unwrap();
        rows
    }

    /// Reads one number behind the store's back.
    pub async fn number(&self, text: &str) -> Option<i64> {
        let rows = self.store.db().rows(AssertSqlSafe(text.to_owned()), vec![]).await.unwrap();
        rows.first().unwrap().opt_int(0).unwrap()
    }

    /// Waits until some connection of this database waits for a lock of another. Only PostgreSQL can say so.
    pub async fn until_somebody_waits(&self) {
        assert_eq!(self.engine, Engine::Postgres);
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until(async || self.number(waiting).await > Some(0)).await;
    }
}

/// Asks again and again until it is so. The bound of the whole test is its bound.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    while !is_so().await {
        tokio::task::yield_now().await;
    }
}

/// Runs a test on a place where there is no database yet.
pub fn on_ground(engine: Engine, test: impl AsyncFnOnce(&Ground)) {
    with_ground(engine, |runtime, ground| bounded(runtime, test(ground)));
}

/// Runs a test on a migrated database.
pub fn on(engine: Engine, test: impl AsyncFnOnce(&World)) {
    with_world(engine, |runtime, world| bounded(runtime, test(world)));
}

/// The same for a test that cannot be async as a whole, and bounds its own parts.
pub fn with_world(engine: Engine, test: impl FnOnce(&Runtime, &World)) {
    with_ground(engine, |runtime, ground| {
        let world = runtime.block_on(World::new(ground));
        test(runtime, &world);
        runtime.block_on(world.store.close());
    });
}

fn with_ground(engine: Engine, test: impl FnOnce(&Runtime, &Ground)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some(ground) = runtime.block_on(Ground::new(engine)) else { return };
    test(&runtime, &ground);
    runtime.block_on(ground.clear());
}

/// Waits for the end of it, but not for ever.
pub fn bounded<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let in_time = runtime.block_on(async { tokio::time::timeout(BOUND, future).await });
    in_time.expect("a test is done within its bound")
}

/// Makes `name::sqlite` and `name::postgres` of each `async fn name`. With `on_ground: `, of functions that take a
/// [`Ground`].
macro_rules! both_engines {
    (on_ground: $($name:ident),+ $(,)?) => { crate::support::both_engines!(@ on_ground $($name)+); };
    (@ $runner:ident $($name:ident)+) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                crate::support::$runner(crate::support::Engine::Sqlite, super::$name);
            }

            #[test]
            fn postgres() {
                crate::support::$runner(crate::support::Engine::Postgres, super::$name);
            }
        }
    )+};
    ($($name:ident),+ $(,)?) => { crate::support::both_engines!(@ on $($name)+); };
}
pub(crate) use both_engines;
