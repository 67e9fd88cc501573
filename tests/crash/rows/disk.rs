//! What happens to the disk and the file: full, read-only, locked, corrupt, of another version.

use super::super::books::{Books, wait_for};
use super::super::faults::{Bench, Row, Seen, demand, demands, verdict};
use super::super::installation::{Installation, Wish, number};
use super::super::judge::judge;
use super::super::peer::Peer;
use super::super::script::{Class, Fault, Rule, Script};
use super::super::waiting::{now_ms, rest, until};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

pub fn rows() -> Vec<Row> {
    let row = |number, done, expected, run| Row { number, done, expected, run };
    vec![
        row(
            "F9",
            "disk full (tmpfs) when texts come due",
            "nothing leaves unwritten; it says so; within 5 s of space it sends",
            full_before,
        ),
        row(
            "F10",
            "disk full between sends and their outcomes",
            "nothing twice; the outcomes are stored when there is space",
            full_between,
        ),
        row(
            "F10a",
            "disk full when the last outcomes come: nothing waits behind them",
            "within 5 s of space a STOP is taken again",
            full_at_the_end,
        ),
        row(
            "F11",
            "the folder is read-only at the start",
            "code other than 0 within 2 s, one line that names the path",
            read_only,
        ),
        row(
            "F12",
            "the file locked by another process",
            "nothing leaves without a claim; a STOP is answered 503",
            locked,
        ),
        row("F13", "pages of the file overwritten", "sends nothing twice, says so, exit code other than 0", corrupt),
        row("F14", "a newer file; SIGKILL during migrate x 20", "refused with 5; all or nothing", versions),
    ]
}

/// A small disk of its own.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where mounting is not allowed.
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fill(&self) {
        let mut file = File::create(self.path().join("filler")).unwrap();
        let mut size = 65_536;
        while size > 0 {
            if file.write_all(&vec![b'x'; size]).is_err() {
                size /= 4;
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }

    fn remount(&self, how: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{how}")]).arg(self.path());
        mount.output().is_ok_and(|output| output.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

const NO_MOUNT: &str = "!!! mounting a tmpfs is not allowed here (it needs root)";

fn on_small_disk(disk: &SmallDisk, people: usize) -> Bench {
    let peer = Peer::start(Class::B);
    let installation = Installation::on(&Wish::new(Class::B, people, 1), &peer, None, Some(disk.path()));
    peer.accept(&installation.hooks);
    Bench { peer, installation, stops: Vec::new() }
}

fn full_before(_: bool) -> Seen {
    let Some(disk) = SmallDisk::new("8m") else { return Seen::NotRun(NO_MOUNT.to_owned()) };
    let bench = on_small_disk(&disk, 300);
    bench.installation.ok(&["pause", "--why", "the disk is filled"]);
    let mut service = bench.installation.start();
    until(Duration::from_secs(20), || bench.count("queued") == 300);
    let database = bench.installation.path().join("ringround.db").display().to_string();
    bench.peer.tell(&Script { hooks: bench.hooks(), written_in: Some(database), ..Script::default() });
    bench.installation.ok(&["resume"]);
    disk.fill();
    let said = service.until_log("full", Duration::from_secs(20)).is_some();
    rest(Duration::from_secs(2));
    let before = bench.peer.counts().requests;
    rest(Duration::from_secs(2));
    let while_full = bench.peer.counts().requests - before;
    disk.free();
    let freed = now_ms();
    bench.peer.until_requests(before + 1, Duration::from_secs(20));
    let took = now_ms() - freed;
    let all = bench.end(service);
    verdict(
        format!("{before} left on what space was there, {while_full} later; again {took} ms after there was space"),
        &all,
        demands![said => "the log does not say it"; took <= 5000 => "{took} ms"],
    )
}

fn full_between(_: bool) -> Seen {
    let Some(disk) = SmallDisk::new("8m") else { return Seen::NotRun(NO_MOUNT.to_owned()) };
    let bench = on_small_disk(&disk, 200);
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::always(Fault::Wait { take: true })]);
    let mut service = bench.installation.start();
    bench.peer.until_requests(8, Duration::from_secs(20));
    disk.fill();
    bench.peer.accept(&bench.hooks()); // the eight are answered
    rest(Duration::from_secs(3));
    let lives = !service.is_over();
    let (stored, requests) = (bench.count("accepted"), bench.peer.counts().requests);
    disk.free();
    let all = bench.end(service);
    verdict(
        format!("{stored} outcomes stored and {requests} sent when it was full"),
        &all,
        demands![lives => "the service ended"],
    )
}

fn full_at_the_end(_: bool) -> Seen {
    let Some(disk) = SmallDisk::new("8m") else { return Seen::NotRun(NO_MOUNT.to_owned()) };
    let mut bench = on_small_disk(&disk, 8);
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::always(Fault::Wait { take: true })]);
    let mut service = bench.installation.start();
    bench.peer.until_requests(8, Duration::from_secs(20));
    disk.fill();
    bench.peer.accept(&bench.hooks()); // the eight are answered, and no text is left
    let said = service.until_log("full", Duration::from_secs(20)).is_some();
    rest(Duration::from_secs(2));
    disk.free();
    rest(Duration::from_secs(5));
    let phone = number(1);
    let answer = bench.installation.text_from("stop-1", &phone, "STOP");
    if answer == Some(200) {
        bench.stops.push((phone, now_ms()));
    }
    let all = bench.end(service);
    verdict(
        format!("a STOP is answered {answer:?}"),
        &all,
        demands![said => "the log does not say it"; answer == Some(200) => "STOP is refused for ever"],
    )
}

fn read_only(_: bool) -> Seen {
    let Some(disk) = SmallDisk::new("8m") else { return Seen::NotRun(NO_MOUNT.to_owned()) };
    let bench = on_small_disk(&disk, 10);
    if !disk.remount("ro") {
        return Seen::NotRun("!!! a remount is not allowed here".to_owned());
    }
    let begun = now_ms();
    let output = bench.installation.run(&["run"]);
    let took = now_ms() - begun;
    let (code, said) = (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());
    disk.remount("rw");
    let all = bench.end(bench.installation.start());
    let named = said.contains(&disk.path().display().to_string());
    verdict(
        format!("code {code:?} after {took} ms; a folder that turns read-only while files are open can't be had here"),
        &all,
        demands![code.is_some_and(|code| code != 0) && took <= 2000 => "{said}"; named => "the path is not named: {said}"],
    )
}

fn connect(path: &Path) -> SqliteConnection {
    wait_for(SqliteConnectOptions::new().filename(path).connect()).unwrap()
}

fn locked(long: bool) -> Seen {
    let mut bench = Bench::new(Class::B, 400, 2);
    bench.peer.tell(&Script { hooks: bench.hooks(), latency_ms: (20, 20), ..Script::default() });
    let mut service = bench.installation.start();
    bench.peer.until_requests(40, Duration::from_secs(20));
    let path = bench.installation.path().join("ringround.db");
    let seconds = if long { 30 } else { 13 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut other = runtime.block_on(SqliteConnectOptions::new().filename(&path).connect()).unwrap();
    let sql = |text: &str| AssertSqlSafe(text.to_owned());
    runtime.block_on(sqlx::raw_sql(sql("BEGIN IMMEDIATE")).execute(&mut other)).unwrap();
    let begun = now_ms();
    rest(Duration::from_secs(1));
    let before = bench.peer.counts().requests;
    let stopped = number(399);
    let first = bench.installation.text_from("stop-1", &stopped, "STOP");
    let waited = now_ms() - begun;
    let left = u64::try_from(seconds * 1000 - waited).unwrap_or(0);
    rest(Duration::from_millis(left));
    let requests = bench.peer.counts().requests - before;
    runtime.block_on(sqlx::raw_sql(sql("ROLLBACK")).execute(&mut other)).unwrap();
    runtime.block_on(other.close()).unwrap();
    let mut again = None;
    until(Duration::from_secs(40), || {
        again = bench.installation.text_from("stop-1", &stopped, "STOP");
        again == Some(200)
    });
    bench.stops.push((stopped, now_ms()));
    let said = service.said().contains("trying again");
    let all = bench.end(service);
    verdict(
        format!("{seconds} s; {requests} requests; the STOP was answered {first:?} after {waited} ms, later {again:?}"),
        &all,
        demands![
            requests == 0 => "{requests} requests";
            first == Some(503) && again == Some(200) => "acknowledged without being stored, or never";
            said => "the log does not say it"
        ],
    )
}

fn corrupt(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 300, 1);
    let service = bench.installation.start();
    bench.peer.until_requests(60, Duration::from_secs(20));
    service.stop();
    let path = bench.installation.path().join("ringround.db");
    let root = bench.installation.books.number("SELECT rootpage FROM sqlite_master WHERE name = 'messages'");
    let mut file = File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(u64::try_from(root - 1).unwrap() * 4096)).unwrap();
    file.write_all(&[0x5a; 4096]).unwrap();
    drop(file);
    let before = bench.peer.counts().taken;
    let begun = now_ms();
    let mut service = bench.installation.begin(&[]);
    until(Duration::from_secs(8), || service.is_over());
    let said = service.said();
    let over = service.is_over();
    let code = service.ended(Duration::from_millis(10)).and_then(|status| status.code());
    let took = now_ms() - begun;
    let after = bench.peer.counts().taken;
    let mut people = bench.peer.book().into_iter().map(|entry| (entry.to, entry.hash)).collect::<Vec<_>>();
    people.sort();
    people.dedup();
    let twice = after - people.len();
    let seen = format!("{} sent after it, {twice} twice; exit code {code:?} after {took} ms", after - before);
    let says = said.contains("malformed") || said.contains("integrity") || said.contains("corrupt");
    demand(
        &seen,
        demands![
            twice == 0 && after == before => "it goes on sending";
            says => "it does not say so: {said}";
            over && code == Some(78) => "it stays up, or would be started again"
        ],
    )
}

fn versions(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 5, 1);
    let path = bench.installation.path().join("ringround.db");
    let run = |sql: &str| {
        let mut connection = connect(&path);
        let sql = AssertSqlSafe(sql.to_owned());
        wait_for(async {
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        });
    };
    run(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'x', 1, x'00', 0)",
    );
    let newer = bench.installation.run(&["run"]).status.code();
    let migrate = bench.installation.run(&["migrate"]).status.code();
    run("DELETE FROM _sqlx_migrations WHERE version = 999");
    let mut random = fastrand::Rng::with_seed(7);
    let (mut killed, mut wrong) = (0, Vec::new());
    for _ in 0..20 {
        let fresh = Installation::bare(&bench.installation.wish, &bench.peer, None, None);
        let mut child = fresh.command().arg("migrate").stdout(std::process::Stdio::null()).spawn().unwrap();
        rest(Duration::from_micros(random.u64(0..60_000)));
        let _ = child.kill();
        killed += usize::from(!child.wait().unwrap().success());
        let again = fresh.run(&["migrate"]);
        let integrity = Books::Sqlite(fresh.path().join("ringround.db")).integrity();
        if !again.status.success() || integrity != "ok" || !fresh.run(&["status"]).status.success() {
            wrong.push(String::from_utf8_lossy(&again.stderr).into_owned());
        }
    }
    let service = bench.installation.start();
    bench.peer.until_requests(5, Duration::from_secs(20));
    until(Duration::from_secs(20), || bench.count("accepted") == 5);
    service.stop();
    let all = judge(&bench.installation, &bench.peer, &[]);
    verdict(
        format!("newer: run {newer:?}, migrate {migrate:?}; {killed} of 20 killed in the middle"),
        &all,
        demands![newer == Some(5) && migrate == Some(5) => "not refused"; wrong.is_empty() => "{}", wrong.join("; ")],
    )
}
