//! A crash in the middle of things: the worker's future is dropped, and nothing of it is heard of again. Where it is
//! dropped is counted in what its own connection tells: rows changed, transactions committed. The connection waits for the
//! end of the step that the worker is in, so that the same seed crashes at the same place. PostgreSQL tells nothing: there
//! the steps are counted.

use sqlx::SqlitePool;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::Poll;

/// Where a worker is torn out, counted from the moment at which it is decided.
#[derive(Clone, Copy, Debug)]
pub enum Crash {
    /// In the middle of the transaction that changes the n-th row.
    Row(u32),
    /// The n-th commit never happens.
    Before(u32),
    /// The n-th commit happens, and nobody hears of it.
    After(u32),
    /// At the n-th step, whatever happens in it.
    Step(u32),
    /// Between two turns.
    Idle,
}

#[derive(Debug, Default)]
struct Inside {
    stepping: bool,
    crash: Option<Crash>,
    /// What it was doing when it was torn out.
    torn: Option<String>,
    /// Tables that the present transaction has changed.
    tables: BTreeSet<String>,
}

/// What tears a worker out; see the module's head.
#[derive(Debug, Default)]
pub struct Switch {
    inside: Mutex<Inside>,
    stepped: Condvar,
}

impl Switch {
    /// From now on it is counted.
    pub fn arm(&self, crash: Crash) {
        self.inside().crash = Some(crash);
    }

    /// Where the worker was torn out, if it was.
    pub fn torn(&self) -> Option<String> {
        self.inside().torn.clone()
    }

    /// Listens to the connection of a worker that begins.
    pub async fn listen(self: &Arc<Self>, pool: &SqlitePool) {
        let mut connection = pool.acquire().await.unwrap();
        let mut handle = connection.lock_handle().await.unwrap();
        let (rows, commits, rollbacks) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        handle.set_update_hook(move |changed| rows.changed(changed.table));
        handle.set_commit_hook(move || commits.commits());
        handle.set_rollback_hook(move || rollbacks.inside().tables.clear());
    }

    /// The future's value; none if the worker was torn out of it.
    pub async fn unless_torn<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        poll_fn(|context| {
            {
                let inside = &mut *self.inside();
                if let Some(Crash::Step(left)) = &mut inside.crash {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        inside.torn = Some("at some step".to_owned());
                    }
                }
                if inside.torn.is_some() {
                    return Poll::Ready(None);
                }
                inside.stepping = true;
            }
            let polled = future.as_mut().poll(context);
            self.inside().stepping = false;
            self.stepped.notify_all();
            polled.map(Some)
        })
        .await
    }

    fn changed(&self, table: &str) {
        let mut inside = self.inside();
        if !inside.tables.contains(table) {
            inside.tables.insert(table.to_owned());
        }
        if let Some(Crash::Row(left)) = &mut inside.crash {
            *left = left.saturating_sub(1);
            if *left == 0 {
                let said = format!("in the middle of {}", what(&inside.tables));
                self.tear(inside, said);
            }
        }
    }

    /// False: the commit does not happen.
    fn commits(&self) -> bool {
        let mut inside = self.inside();
        let what = what(&std::mem::take(&mut inside.tables));
        let (left, happens) = match &mut inside.crash {
            Some(Crash::Before(left)) => (left, false),
            Some(Crash::After(left)) => (left, true),
            _ => return true,
        };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return true;
        }
        let when = if happens { "after" } else { "before" };
        self.tear(inside, format!("{when} the commit of {what}"));
        happens
    }

    /// Waits until the worker's step is over, so that it never hears an answer in the step in which it asked.
    fn tear(&self, mut inside: MutexGuard<'_, Inside>, said: String) {
        inside.crash = None;
        while inside.stepping {
            inside = self.stepped.wait(inside).unwrap();
        }
        inside.torn = Some(said);
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }
}

/// What a transaction is, by the tables it changes.
fn what(tables: &BTreeSet<String>) -> &'static str {
    let kinds = [
        ("lines", "a claim"),
        ("inbounds", "somebody's text"),
        ("reports", "a report"),
        ("broadcasts", "a broadcast"),
        ("workers", "outcomes"),
        ("messages", "a doubt or a sweep"),
        ("id_blocks", "ids"),
    ];
    kinds.iter().find(|(table, _)| tables.contains(*table)).map_or("something else", |(_, what)| what)
}
