//! What happens to the database as a whole: restored, cut off, restarted, shared.

use super::super::books::wait_for;
use super::super::faults::{Bench, Row, Seen, demands, verdict};
use super::super::installation::Installation;
use super::super::judge::settles;
use super::super::peer::Peer;
use super::super::postgres;
use super::super::script::{Class, Script};
use super::super::waiting::{rest, until};
use super::super::workers;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub fn rows() -> Vec<Row> {
    let row = |number, done, expected, run| Row { number, done, expected, run };
    vec![
        row(
            "F15",
            "an old backup put back, and started",
            "fenced until: resume --after-restore; then nothing twice",
            restored,
        ),
        row(
            "F17",
            "PostgreSQL: every connection cut, ten times under load",
            "no claim without commit; each once",
            cut_off,
        ),
        row("F17b", "PostgreSQL: the server restarted three times under load", "as above", restarted),
        row(
            "F18",
            "PostgreSQL: 4 workers, clocks 5 minutes apart, SIGKILLs",
            "each once; each broadcast once",
            several,
        ),
        row("F19", "NOTIFY never comes", "work starts within 2 s all the same", unnotified),
    ]
}

fn restored(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 200, 1);
    bench.peer.tell(&Script { hooks: bench.hooks(), latency_ms: (5, 20), ..Script::default() });
    let service = bench.installation.start();
    bench.peer.until_requests(60, Duration::from_secs(20));
    service.stop();
    let path = bench.installation.path().join("ringround.db");
    let backup = fs::read(&path).unwrap(); // stopped: the log is folded back
    let first = bench.end(bench.installation.start());
    if !first.is_right() {
        return Seen::Wrong(first.in_words());
    }
    for name in ["ringround.db-wal", "ringround.db-shm"] {
        let _ = fs::remove_file(bench.installation.path().join(name));
    }
    fs::write(&path, backup).unwrap();
    let before = bench.peer.counts().requests;
    let service = bench.installation.start();
    let left = bench.peer.until_requests(before + 1, Duration::from_secs(4)).requests - before;
    let resumed = bench.installation.run(&["resume", "--after-restore"]);
    let settled = settles(&bench.installation, Duration::from_mins(1));
    let all = bench.stop(service, settled);
    verdict(
        format!("{left} left before anybody said so"),
        &all,
        demands![left == 0 => "{left} texts"; resumed.status.success() => "resume --after-restore: {:?}", resumed.status.code()],
    )
}

/// A database of its own on the cluster for tests; none where there is no PostgreSQL.
fn on_postgres(people: usize, steps: usize) -> Option<(Bench, String)> {
    let url = wait_for(postgres::new_database())?;
    Some((on_database(&url, people, steps), url))
}

fn on_database(url: &str, people: usize, steps: usize) -> Bench {
    let peer = Peer::start(Class::B);
    let wish = super::super::installation::Wish::new(Class::B, people, steps);
    let installation = Installation::on(&wish, &peer, Some(url), None);
    peer.tell(&Script { hooks: installation.hooks.clone(), latency_ms: (2, 20), ..Script::default() });
    Bench { peer, installation, stops: Vec::new() }
}

const NO_POSTGRES: &str = "!!! PostgreSQL is not here (apt-get install postgresql)";

/// What was `submitting` when the answer to a commit was lost is in doubt at the next start, and not before: so there is
/// one more start.
fn end_with_one_more_start(bench: &Bench, service: super::super::service::Service) -> super::super::judge::Verdict {
    let settled = settles(&bench.installation, Duration::from_secs(20));
    if settled {
        return bench.stop(service, true);
    }
    service.stop();
    bench.end(bench.installation.start())
}

fn cut_off(_: bool) -> Seen {
    let Some((bench, url)) = on_postgres(300, 2) else { return Seen::NotRun(NO_POSTGRES.to_owned()) };
    let service = bench.installation.start();
    let (mut seen, mut cut) = (0, 0);
    for _ in 0..10 {
        seen = bench.peer.until_requests(seen + 20, Duration::from_secs(10)).requests;
        let sql = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        cut += bench.installation.books.number(sql);
    }
    let all = end_with_one_more_start(&bench, service);
    let seen = verdict(format!("{cut} connections cut"), &all, demands![cut >= 10 => "only {cut} cut"]);
    drop(bench);
    wait_for(postgres::drop_database(&url));
    seen
}

/// A cluster of its own, to be restarted.
struct Cluster(Child, String);

impl Cluster {
    fn start() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/postgres.sh");
        let mut holder =
            Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut url = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut url).ok()?;
        (!url.is_empty()).then(|| Self(holder, url.trim().to_owned()))
    }

    fn restart(&self) -> bool {
        let data = format!("{}/data", self.1.split("host=").nth(1).unwrap());
        let program =
            Command::new("sh").args(["-c", "ls -d /usr/lib/postgresql/*/bin/pg_ctl | tail -1"]).output().unwrap();
        let program = String::from_utf8_lossy(&program.stdout).trim().to_owned();
        let owner = Command::new("stat").args(["-c", "%u", &data]).output().unwrap();
        let owner = String::from_utf8_lossy(&owner.stdout).trim().to_owned();
        let mut restart = Command::new("setpriv");
        restart.args([
            &format!("--reuid={owner}"),
            "--clear-groups",
            &program,
            "restart",
            "-D",
            &data,
            "-m",
            "immediate",
            "-w",
        ]);
        restart.args(["-l", "/dev/null"]).current_dir("/");
        restart
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.0.stdin.take()); // the script stops the cluster
        let _ = self.0.wait();
    }
}

fn restarted(_: bool) -> Seen {
    let Some(cluster) = Cluster::start() else { return Seen::NotRun(NO_POSTGRES.to_owned()) };
    let name = "under_fire";
    wait_for(async {
        let mut connection = PgConnection::connect(&cluster.1).await.unwrap();
        let sql = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    });
    let url = cluster.1.replace("/postgres?", &format!("/{name}?"));
    let bench = on_database(&url, 300, 2);
    let mut service = bench.installation.start();
    let (mut seen, mut restarts) = (0, 0);
    for _ in 0..3 {
        seen = bench.peer.until_requests(seen + 60, Duration::from_secs(10)).requests;
        restarts += usize::from(cluster.restart());
    }
    let lives = !service.is_over();
    let all = end_with_one_more_start(&bench, service);
    verdict(
        format!("{restarts} restarts"),
        &all,
        demands![restarts == 3 => "only {restarts}"; lives => "the service ended"],
    )
}

fn several(long: bool) -> Seen {
    let (workers, kills, people) = if long { (8, 400, 900) } else { (4, 24, 300) };
    workers::under_fire(&workers::Plan { workers, kills, people, steps: 3, skewed: true, seed: 18 })
}

fn unnotified(_: bool) -> Seen {
    let Some((bench, url)) = on_postgres(20, 1) else { return Seen::NotRun(NO_POSTGRES.to_owned()) };
    // Whoever starts the campaign does so behind the service's back: nothing wakes it but its own looking around.
    let sql = "UPDATE campaigns SET state = 'draft'";
    bench.installation.books.rows(sql).unwrap();
    let service = bench.installation.start();
    rest(Duration::from_secs(1));
    bench.installation.books.rows("UPDATE campaigns SET state = 'running', revision = revision + 1").unwrap();
    let in_time = until(Duration::from_secs(3), || bench.peer.counts().requests > 0);
    let all = bench.end(service);
    drop(bench);
    wait_for(postgres::drop_database(&url));
    verdict("", &all, demands![in_time => "not within 3 s"])
}
