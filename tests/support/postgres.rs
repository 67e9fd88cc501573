//! One PostgreSQL cluster per test binary, or the one that `RINGROUND_TEST_POSTGRES` names (`test.sh` starts it once for
//! all binaries). It must be a throwaway one: a test that panics leaves its database behind.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, OnceLock};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/postgres.sh");

/// The address of the cluster's own database, or why there is none.
static CLUSTER: LazyLock<Result<String, String>> = LazyLock::new(|| match std::env::var("RINGROUND_TEST_POSTGRES") {
    Ok(url) => Ok(url),
    Err(_) => start(),
});

/// The script that holds our own cluster. Never dropped: when this process ends, the pipe to it closes and it stops
/// the cluster.
static HOLDER: OnceLock<Child> = OnceLock::new();

fn start() -> Result<String, String> {
    let mut holder = Command::new(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{SCRIPT}: {e}"))?;
    let mut url = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut url).map_err(|e| e.to_string())?;
    if url.is_empty() {
        let mut why = String::new();
        holder.stderr.take().unwrap().read_to_string(&mut why).map_err(|e| e.to_string())?;
        return Err(why.trim().to_owned());
    }
    HOLDER.set(holder).map_err(|_| "started twice".to_owned())?;
    Ok(url.trim().to_owned())
}

/// The address of a new, empty database. None where PostgreSQL cannot be had: its tests are skipped then, with one
/// loud line, except where nobody would read it.
pub async fn new_database() -> Option<String> {
    let base = match &*CLUSTER {
        Ok(base) => base,
        Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("no PostgreSQL to test on: {why}"),
        Err(why) => {
            static SAID: OnceLock<()> = OnceLock::new();
            // Straight to standard error: what a passing test prints is not shown.
            SAID.get_or_init(|| {
                let line = format!("\n!!! SKIPPED: every test on PostgreSQL. {}\n", why.replace('\n', " "));
                std::io::stderr().write_all(line.as_bytes()).unwrap_or_default();
            });
            return None;
        }
    };
    let name = format!("test_{:016x}", fastrand::u64(..));
    run(base, &format!("CREATE DATABASE {name}")).await;
    Some(renamed(base, &name))
}

/// Drops a database of [`new_database`], whoever is still connected to it.
pub async fn drop_database(url: &str) {
    if let Ok(base) = &*CLUSTER {
        run(base, &format!("DROP DATABASE {} WITH (FORCE)", name(url))).await;
    }
}

async fn run(base: &str, sql: &str) {
    let mut connection = PgConnection::connect(base).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The database's name: what stands between the last slash and the question mark of the address.
fn name(url: &str) -> &str {
    let path = url.split('?').next().unwrap();
    path.rsplit('/').next().unwrap()
}

fn renamed(url: &str, database: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let server = path.strip_suffix(name(url)).unwrap();
    format!("{server}{database}?{query}")
}
