//! The thin layer that lets one SQL text run on two engines: values in, rows out, nothing clever.

use super::StoreError;
use super::beside::Beside;
use sqlx::{PgPool, Postgres, Row as _, SqlSafeStr, Sqlite, SqlitePool, Transaction};
use std::sync::Arc;

/// An open database.
#[derive(Clone, Debug)]
pub enum Db {
    /// One file, embedded, and what lies beside it (nothing beside one in memory).
    Sqlite(SqlitePool, Option<Arc<Beside>>),
    /// A server.
    Postgres(PgPool),
}

/// A transaction that may write. On SQLite it holds the write lock from its first moment: a read that is upgraded to a
/// write later failed as busy in 349 of 400 tries.
#[derive(Debug)]
pub enum Tx {
    /// SQLite's.
    Sqlite(Transaction<'static, Sqlite>, Option<Arc<Beside>>),
    /// PostgreSQL's.
    Postgres(Transaction<'static, Postgres>),
}

/// A parameter.
#[derive(Clone, Debug)]
pub enum Value {
    /// BIGINT, or NULL.
    Int(Option<i64>),
    /// TEXT, or NULL.
    Text(Option<String>),
    /// BOOLEAN.
    Bool(bool),
}

/// A row of either engine.
#[derive(Debug)]
pub enum Row {
    /// SQLite's.
    Sqlite(sqlx::sqlite::SqliteRow),
    /// PostgreSQL's.
    Postgres(sqlx::postgres::PgRow),
}

macro_rules! on {
    ($either:expr, $both:ident => $body:expr) => {
        match $either {
            Self::Sqlite($both) => $body,
            Self::Postgres($both) => $body,
        }
    };
}

macro_rules! bound {
    ($sql:expr, $args:expr) => {
        $args.into_iter().fold(sqlx::query($sql), |query, arg| match arg {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bool(value) => query.bind(value),
        })
    };
}

impl Db {
    /// True for PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Begins a transaction that writes.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite(pool, beside) => {
                let tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                if let Some(beside) = beside {
                    beside.drop_notes(); // of a transaction that was given up
                }
                Tx::Sqlite(tx, beside.clone())
            }
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Reads, outside any transaction.
    pub async fn rows(&self, sql: impl SqlSafeStr, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(pool, _) => bound!(sql, args).fetch_all(pool).await?.into_iter().map(Row::Sqlite).collect(),
            Self::Postgres(pool) => bound!(sql, args).fetch_all(pool).await?.into_iter().map(Row::Postgres).collect(),
        })
    }

    /// Closes all connections; on SQLite the write-ahead log is folded back into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool, _) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Writes; how many rows it changed.
    pub async fn run(&mut self, sql: impl SqlSafeStr, args: Vec<Value>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(tx, _) => bound!(sql, args).execute(&mut **tx).await?.rows_affected(),
            Self::Postgres(tx) => bound!(sql, args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    /// Reads, or writes with RETURNING.
    pub async fn rows(&mut self, sql: impl SqlSafeStr, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(tx, _) => bound!(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Sqlite).collect(),
            Self::Postgres(tx) => {
                bound!(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// Once this is committed, the list beside an SQLite file says so too.
    pub(super) fn note_suppressed(&self, hash: &str, key_version: i64, since: jiff::Timestamp, forgotten: bool) {
        if let Self::Sqlite(_, Some(beside)) = self {
            let why = if forgotten { "forgotten" } else { "left" };
            beside.note(format!("+ {hash} {key_version} {} {why}\n", since.as_millisecond()));
        }
    }

    /// The same for a suppression that was lifted.
    pub(super) fn note_lifted(&self, hash: &str) {
        if let Self::Sqlite(_, Some(beside)) = self {
            beside.note(format!("- {hash}\n"));
        }
    }

    /// True for PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Makes all of it durable. After an error it is unknown whether it is.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            // As long as nobody has seen to a restore, the count stays where it was: else it would catch up with its mark.
            Self::Sqlite(tx, Some(beside)) if beside.is_foreign() => tx.commit().await?,
            Self::Sqlite(mut tx, beside) => {
                let counted = sqlx::query("UPDATE high_water SET commits = commits + 1 RETURNING commits");
                let commits: i64 = counted.fetch_one(&mut *tx).await?.try_get(0)?;
                tx.commit().await?;
                if let Some(beside) = beside {
                    beside.raise(commits);
                    beside.write_suppressed();
                }
            }
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Takes all of it back.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx, _) => tx.rollback().await?,
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}

impl Row {
    /// A BIGINT that is never NULL.
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        on!(self, row => Ok(row.try_get(column)?))
    }

    /// A BIGINT or NULL.
    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        on!(self, row => Ok(row.try_get(column)?))
    }

    /// A TEXT that is never NULL.
    pub fn text(&self, column: usize) -> Result<String, StoreError> {
        on!(self, row => Ok(row.try_get(column)?))
    }

    /// A TEXT or NULL.
    pub fn opt_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        on!(self, row => Ok(row.try_get(column)?))
    }

    /// A BOOLEAN.
    pub fn bool(&self, column: usize) -> Result<bool, StoreError> {
        on!(self, row => Ok(row.try_get(column)?))
    }

    /// An instant kept as milliseconds.
    pub fn instant(&self, column: usize) -> Result<jiff::Timestamp, StoreError> {
        jiff::Timestamp::from_millisecond(self.int(column)?).map_err(|_| StoreError::Corrupt("an instant"))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        // PostgreSQL's TEXT cannot hold U+0000, and a gateway may hand over anything: one such character in any word of
        // theirs would have the whole decision refused, a STOP included.
        Self::Text(Some(value.replace('\0', "\u{fffd}")))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::from(value.as_str())
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        value.map_or(Self::Text(None), Self::from)
    }
}

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Self {
        Self::from(value.as_deref())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<jiff::Timestamp> for Value {
    fn from(value: jiff::Timestamp) -> Self {
        Self::Int(Some(value.as_millisecond()))
    }
}

impl From<Option<jiff::Timestamp>> for Value {
    fn from(value: Option<jiff::Timestamp>) -> Self {
        Self::Int(value.map(jiff::Timestamp::as_millisecond))
    }
}

/// Parameters, in order: `args![id, "in", now]`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::db::Value::from($value)),*] };
}
pub(super) use args;

/// `(…), (…), …` for a multi-row statement: `rows` times `columns` placeholders.
pub(super) fn placeholders(rows: usize, columns: usize) -> String {
    let row = |r: usize| {
        let numbers: Vec<String> = (1..=columns).map(|c| format!("${}", r * columns + c)).collect();
        format!("({})", numbers.join(","))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(",")
}
