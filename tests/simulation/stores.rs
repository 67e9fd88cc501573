//! Databases for the runs on real stores: files in memory, copied from a migrated one, and a throwaway server.

use super::real::{Outcome, run};
use crate::support::postgres;
use ringround::store::{Place, Store};
use sqlx::AssertSqlSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Runtime;

const SEED: [u8; 32] = [7; 32];

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A folder in memory, where there is one: what is judged here does not depend on the disk.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Runs seeds on SQLite until there are no more; one file after another, each a copy of a migrated one.
pub fn on_sqlite(folder: &Path, worker: usize, next: &AtomicU64, runs: u64) -> Vec<(u64, Outcome)> {
    let runtime = runtime();
    let template = folder.join(format!("template-{worker}.db"));
    let place = |file: &Path| Place::new(&format!("sqlite:{}", file.display()));
    runtime.block_on(async { Store::migrate(&place(&template), SEED).await.unwrap().0.close().await });
    let mut outcomes = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= runs {
            return outcomes;
        }
        let file = folder.join(format!("run-{worker}-{seed}.db"));
        std::fs::copy(&template, &file).unwrap();
        let outcome = runtime.block_on(run(seed, &place(&file), false, seed % 20 == 0));
        outcomes.push((seed, told(outcome)));
        for suffix in ["", "-wal", "-shm", ".mark", ".reserve"] {
            let _ = std::fs::remove_file(PathBuf::from(format!("{}{suffix}", file.display())));
        }
    }
}

fn told(outcome: Result<Outcome, ringround::store::StoreError>) -> Outcome {
    outcome.unwrap_or_else(|error| Outcome { violations: vec![format!("the store: {error}")], ..Outcome::default() })
}

const TABLES: [&str; 16] = [
    "messages", "consents", "suppressions", "contacts", "events", "inbounds", "campaigns", "pauses", "dones",
    "broadcasts", "passed_over", "reports", "strays", "handles", "lines", "workers",
];

/// The same on PostgreSQL: one database for all, emptied before each. None where it cannot be had.
pub fn on_postgres(next: &AtomicU64, runs: u64) -> Vec<(u64, Outcome)> {
    let runtime = runtime();
    let Some(url) = runtime.block_on(postgres::new_database()) else { return Vec::new() };
    let place = Place::new(&url);
    let store = runtime.block_on(async { Store::migrate(&place, SEED).await.unwrap().0 });
    let mut outcomes = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= runs {
            break;
        }
        runtime.block_on(async {
            let mut tx = store.db().begin().await.unwrap();
            for table in TABLES {
                tx.run(AssertSqlSafe(format!("DELETE FROM {table}")), vec![]).await.unwrap();
            }
            tx.commit().await.unwrap();
        });
        outcomes.push((seed, told(runtime.block_on(run(seed, &place, true, false)))));
    }
    runtime.block_on(async {
        store.close().await;
        postgres::drop_database(&url).await;
    });
    outcomes
}
