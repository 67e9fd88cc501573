//! The database of the program under test, read from outside: while it runs, right after a kill, and at the end.

use ringround::store::{Place, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs something async to its end.
pub fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Where the books are kept.
#[derive(Clone, Debug)]
pub enum Books {
    Sqlite(PathBuf),
    Postgres(String),
}

/// A message, as the books have it.
#[derive(Clone, Debug)]
pub struct Message {
    pub reference: String,
    pub phone: String,
    pub state: String,
    pub reason: String,
    pub reply: Option<String>,
    /// It waits for its turn under the cap on answers: made to leave later than it was made, at this instant.
    pub turn_at: Option<i64>,
    pub not_after: i64,
    pub claimed_at: Option<i64>,
    pub attempts: i64,
    pub opted_in: bool,
}

impl Books {
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// Rows of numbers and texts, as texts; NULL is empty. Changes nothing: not even the write-ahead log is folded back.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, sqlx::Error> {
        let sql = || AssertSqlSafe(sql.to_owned());
        wait_for(async {
            match self {
                Self::Sqlite(path) => {
                    let mut connection = read_only(path).connect().await?;
                    let rows = sqlx::query(sql()).fetch_all(&mut connection).await?;
                    connection.close().await?;
                    Ok(rows.iter().map(|row| (0..row.len()).map(|at| sqlite_text(row, at)).collect()).collect())
                }
                Self::Postgres(url) => {
                    let mut connection = PgConnection::connect(url).await?;
                    let rows = sqlx::query(sql()).fetch_all(&mut connection).await?;
                    connection.close().await?;
                    Ok(rows.iter().map(|row| (0..row.len()).map(|at| postgres_text(row, at)).collect()).collect())
                }
            }
        })
    }

    pub fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql).unwrap();
        rows.first().and_then(|row| row.first()).and_then(|cell| cell.parse().ok()).unwrap_or(0)
    }

    /// Messages by state.
    pub fn states(&self) -> BTreeMap<String, i64> {
        let rows = self.rows("SELECT state, COUNT(*) FROM messages GROUP BY state").unwrap_or_default();
        rows.into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect()
    }

    pub fn count(&self, state: &str) -> i64 {
        self.states().get(state).copied().unwrap_or(0)
    }

    /// What the worker that began last had on its way. On PostgreSQL what earlier ones left waits for the end of their leases.
    pub fn in_last_hands(&self) -> i64 {
        self.number(
            "SELECT COUNT(*) FROM messages WHERE state = 'submitting'
             AND epoch = (SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'epoch')",
        )
    }

    /// What the worker of this process has on its way.
    pub fn in_hands_of(&self, process: u32) -> i64 {
        self.number(&format!(
            "SELECT COUNT(*) FROM messages m JOIN workers w ON w.epoch = m.epoch
             WHERE m.state = 'submitting' AND w.place LIKE '%process {process}'"
        ))
    }

    /// All messages with the references that the gateway saw. The service must not run.
    pub fn messages(&self) -> Vec<Message> {
        let sql =
            "SELECT m.id, c.phone, m.state, COALESCE(m.reason, ''), m.reply, m.not_after, m.claimed_at, m.attempts,
              (SELECT COUNT(*) FROM consents k WHERE k.contact_id = m.contact_id AND k.standing = 'in'),
              CASE WHEN m.reply IS NOT NULL AND m.not_before > m.created_at + 1000 THEN m.not_before END
            FROM messages m JOIN contacts c ON c.id = m.contact_id ORDER BY m.id";
        wait_for(async {
            let store = Store::open(&Place::new(&self.url())).await.unwrap();
            let mint = store.identity().mint();
            let rows = store.db().rows(sql, vec![]).await.unwrap();
            let message = |row: &ringround::store::Row| Message {
                reference: mint.reference(row.int(0).unwrap()),
                phone: row.text(1).unwrap(),
                state: row.text(2).unwrap(),
                reason: row.text(3).unwrap(),
                reply: row.opt_text(4).unwrap(),
                not_after: row.int(5).unwrap(),
                claimed_at: row.opt_int(6).unwrap(),
                attempts: row.int(7).unwrap(),
                opted_in: row.int(8).unwrap() > 0,
                turn_at: row.opt_int(9).unwrap(),
            };
            let messages = rows.iter().map(message).collect();
            store.close().await;
            messages
        })
    }

    /// `ok`, or what is wrong with the file.
    pub fn integrity(&self) -> String {
        match self {
            Self::Sqlite(_) => match self.rows("PRAGMA integrity_check") {
                Ok(rows) => rows.concat().join(" "),
                Err(error) => error.to_string(),
            },
            Self::Postgres(_) => "ok".to_owned(),
        }
    }
}

fn read_only(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(Duration::from_secs(5))
}

fn sqlite_text(row: &sqlx::sqlite::SqliteRow, at: usize) -> String {
    let text = row.try_get_unchecked::<Option<String>, _>(at).ok().flatten();
    text.or_else(|| row.try_get_unchecked::<Option<i64>, _>(at).ok().flatten().map(|n| n.to_string()))
        .unwrap_or_default()
}

fn postgres_text(row: &sqlx::postgres::PgRow, at: usize) -> String {
    let number = row.try_get::<Option<i64>, _>(at).ok().flatten().map(|n| n.to_string());
    number.or_else(|| row.try_get::<Option<String>, _>(at).ok().flatten()).unwrap_or_default()
}

/// For the gateway, at the arrival of a text: is a text to this number on its way, by the books?
pub fn is_submitting(path: &str, to: &str) -> bool {
    let sql = format!(
        "SELECT COUNT(*) FROM messages m JOIN contacts c ON c.id = m.contact_id
         WHERE c.phone = '{to}' AND m.state = 'submitting'"
    );
    Books::Sqlite(PathBuf::from(path)).number(&sql) > 0
}
