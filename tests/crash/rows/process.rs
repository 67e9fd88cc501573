//! What happens to the process itself: signals, panics, a second one. And W1: what strace sees.

use super::super::faults::{Bench, Row, Seen, demand, demands, verdict};
use super::super::script::{Class, Fault, Reports, Rule, Script};
use super::super::waiting::{at_once, now_ms, rest, until};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub fn rows() -> Vec<Row> {
    let row = |number, done, expected, run| Row { number, done, expected, run };
    vec![
        row(
            "W1",
            "one send under strace",
            "the database is synced after the claim and before the first byte",
            written_first,
        ),
        row("F3", "SIGTERM under load", "nothing new 100 ms later; exit 0; nothing in doubt; STOPPING=1", term),
        row("F4", "SIGTERM, SIGKILL a second later", "as after a kill: each text once", term_then_kill),
        row("F5", "SIGSTOP for three seconds under load, SIGCONT", "nothing twice", frozen),
        row("F7", "spreadsheets through the running service", "at most 64 MiB", big_spreadsheet),
        row("F8", "panic at E4.before, E5.before, E3.after, E12.before", "started again: each text once", panics),
        row("F16", "a second service on the same file", "leaves within a second, code 5, names the first", second),
    ]
}

fn term(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 200, 2);
    let script = Script { hooks: bench.hooks(), latency_ms: (100, 300), ..Script::default() };
    bench.peer.tell(&script);
    let path = bench.installation.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let service = bench.installation.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    bench.peer.until_requests(30, Duration::from_secs(20));
    service.signal("TERM");
    let at = now_ms();
    let code = service.ended(Duration::from_secs(45)).and_then(|status| status.code());
    let took = now_ms() - at;
    let last = bench.peer.book().iter().map(|entry| entry.at).max().unwrap() - at;
    socket.set_nonblocking(true).unwrap();
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = socket.recv(&mut buffer) {
        heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    let (doubts, submitting) = (bench.count("in_doubt"), bench.count("submitting"));
    let all = bench.end(bench.installation.start());
    verdict(
        format!("exit after {took} ms, last request {last} ms after the signal"),
        &all,
        demands![
            code == Some(0) => "exit code {code:?}";
            last <= 100 => "a request {last} ms after the signal";
            doubts == 0 && submitting == 0 => "{doubts} in doubt, {submitting} submitting";
            heard.contains("STOPPING=1") => "the service manager was not told"
        ],
    )
}

fn term_then_kill(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 100, 1);
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::always(Fault::Wait { take: true })]);
    let service = bench.installation.start();
    bench.peer.until_requests(8, Duration::from_secs(20));
    service.signal("TERM");
    rest(Duration::from_secs(1));
    service.kill();
    let submitting = bench.count("submitting");
    bench.peer.accept(&bench.hooks());
    let service = bench.installation.start();
    let doubts = service.doubts;
    let all = bench.end(service);
    let doubted = i64::try_from(doubts).unwrap();
    verdict(
        format!("{doubts} in doubt"),
        &all,
        demands![doubted == submitting && submitting <= 8 => "{submitting} were submitting"],
    )
}

fn frozen(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 300, 2);
    bench.peer.tell(&Script { hooks: bench.hooks(), latency_ms: (2, 40), ..Script::default() });
    let service = bench.installation.start();
    let mut seen = 0;
    for _ in 0..3 {
        seen = bench.peer.until_requests(seen + 40, Duration::from_secs(20)).requests;
        service.signal("STOP");
        rest(Duration::from_secs(3));
        service.signal("CONT");
    }
    let all = bench.end(service);
    verdict("three times; the watchdog needs systemd and is not tried here", &all, &[])
}

fn big_spreadsheet(long: bool) -> Seen {
    let mut words = Vec::new();
    let mut most = 0;
    for thousands in if long { vec![10, 30, 500] } else { vec![30] } {
        let bench = Bench::new(Class::B, 10, 1);
        let service = bench.installation.start();
        let row = |n: usize| format!("not a number {n},{}\n", "x".repeat(180));
        let rows: String = std::iter::once("mobile,name\n".to_owned()).chain((0..thousands * 1000).map(row)).collect();
        fs::write(bench.installation.path().join("big.csv"), &rows).unwrap();
        let code = bench.installation.run(&["import", "big.csv"]).status.code();
        let memory = service.memory();
        drop(service); // a kill
        most = most.max(memory);
        words.push(format!("{} MB: {} MiB, exit code {code:?}", rows.len() >> 20, memory / 1024));
    }
    demand(words.join(", "), demands![most <= super::super::faults::MOST_KILOBYTES => "more than 64 MiB"])
}

fn panics(_: bool) -> Seen {
    let all = ["E4.before:3", "E5.before:4", "E3.after:2", "E12.before:3"];
    match at_once(&all, |at| one_panic(at)).into_iter().collect::<Result<Vec<String>, String>>() {
        Ok(words) => Seen::Right(format!("{}; a text that panics three times is not set aside yet", words.join(", "))),
        Err(wrong) => Seen::Wrong(wrong),
    }
}

fn one_panic(at: &str) -> Result<String, String> {
    let bench = Bench::new(Class::B, 40, 1);
    let reports = at.starts_with("E12").then(|| Reports::of("delivered", 30));
    bench.peer.tell(&Script { hooks: bench.hooks(), reports, ..Script::default() });
    let mut service = bench.installation.begin(&[("RINGROUND_FAULT", &format!("panic:{at}"))]);
    until(Duration::from_secs(10), || service.is_over());
    let over = service.is_over();
    let said = service.until_log("a fault was asked for", Duration::from_secs(10)).is_some();
    let status = service.ended(Duration::from_secs(1));
    bench.peer.accept(&bench.hooks());
    let all = bench.end(bench.installation.start());
    if !all.is_right() || !said {
        return Err(format!("{at}: {status:?}, {}", all.in_words()));
    }
    Ok(format!("{at}: {}", if over { "ended, started again" } else { "went on" }))
}

fn second(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 10, 1);
    let service = bench.installation.start();
    let begun = now_ms();
    let output = bench.installation.run(&["run"]);
    let took = now_ms() - begun;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let (code, pid) = (output.status.code(), service.pid());
    let all = bench.end(service);
    verdict(
        format!("code {code:?} after {took} ms"),
        &all,
        demands![code == Some(5) && took <= 1000 && said.contains(&format!("process {pid}")) => "{said}"],
    )
}

/// Durable before the wire: the last sync of the write-ahead log before the first byte comes after the claim's frames.
fn written_first(_: bool) -> Seen {
    let has = Command::new("strace").arg("-V").output().is_ok();
    if !has {
        return Seen::NotRun("strace is missing (apt-get install strace)".to_owned());
    }
    let bench = Bench::new(Class::B, 1, 1);
    let trace = bench.installation.path().join("trace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-y", "-s", "24", "-e", "trace=fdatasync,fsync,pwrite64,sendto,write,writev", "-o"])
        .arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_ringround")).arg("run").current_dir(bench.installation.path());
    let service = super::super::service::Service::start(command);
    bench.peer.until_requests(1, Duration::from_mins(1));
    until(Duration::from_secs(20), || bench.count("accepted") == 1);
    drop(service);
    let order = order(&trace);
    demand(order.join(", "), demands![order == ["claim written", "synced", "first byte"] => "in this order only"])
}

/// The last write to the log, and what came between it and the first byte of the request.
fn order(trace: &Path) -> Vec<&'static str> {
    let text = fs::read_to_string(trace).unwrap();
    let mut order = Vec::new();
    for line in text.lines() {
        let is_call = |names: &[&str]| names.iter().any(|name| line.contains(&format!(" {name}(")));
        if line.contains("POST /messages") {
            order.push("first byte");
            return order;
        }
        if line.contains("ringround.db-wal") && is_call(&["pwrite64"]) {
            order.clear();
            order.push("claim written");
        } else if line.contains("ringround.db-wal")
            && is_call(&["fdatasync", "fsync"])
            && order.last() == Some(&"claim written")
        {
            order.push("synced");
        }
    }
    order.push("no request was seen");
    order
}
