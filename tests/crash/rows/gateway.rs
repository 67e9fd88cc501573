//! What happens on the way to the gateway: refused, silent, slow, cut off.

use super::super::faults::{Bench, Row, Seen, demands, verdict};
use super::super::installation::Wish;
use super::super::script::{Class, Fault, LookUps, Rule, Script};
use super::super::waiting::{at_once, now_ms, rest, until};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub fn rows() -> Vec<Row> {
    let row = |number, done, expected, run| Row { number, done, expected, run };
    vec![
        row("F20", "connections refused, then open again", "waits, nothing in doubt, then each once", refused),
        row(
            "F20b",
            "no such name; TLS to a self-signed, a wrong and no certificate",
            "waits, nothing in doubt, nothing leaves",
            no_tls,
        ),
        row(
            "F21",
            "takes the connection, then says nothing",
            "in doubt after 20 s; at most in_flight sockets; then each once",
            black_hole,
        ),
        row("F22", "answers one byte a second", "in doubt after 20 s, body included; then each once", slow_loris),
        row("F23", "hangs up after it took the text", "in doubt, found, one text", |_| hang_up(Fault::TakeAndHangUp)),
        row("F24", "hangs up in the middle of the request", "in doubt, absent twice, one text", |_| {
            hang_up(Fault::ReadHalf)
        }),
        row("F29", "503 on every call, then well again", "a handful of requests, in doubt, then each once", outage),
        row(
            "F33",
            "look-up down, a proxy's page, another text, lagging",
            "stays in doubt, then found; nothing twice",
            look_ups,
        ),
        row("I4", "the gateway looks into the books when a text arrives", "it says submitting there already", written),
    ]
}

fn refused(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 60, 1);
    bench.peer.tell(&Script { hooks: bench.hooks(), closed: true, ..Script::default() });
    let service = bench.installation.start();
    let tried = tries(&bench);
    let (doubts, queued) = (bench.count("in_doubt"), bench.count("queued") + bench.count("submitting"));
    bench.peer.accept(&bench.hooks());
    let all = bench.end(service);
    verdict(
        "one text tried it, then the gateway was asked whether it is there",
        &all,
        demands![tried && doubts == 0 && queued == 60 => "{doubts} in doubt, {queued} queued"],
    )
}

/// A text has tried the line and is back in the queue; what comes after it are questions, where there are any.
fn tries(bench: &Bench) -> bool {
    let back = "SELECT COUNT(*) FROM messages WHERE attempts > 0 AND state = 'queued'";
    let tried = until(Duration::from_secs(20), || bench.installation.books.number(back) > 0);
    rest(Duration::from_secs(4));
    tried
}

/// A TLS server with a certificate of its own making; none where openssl is missing.
fn tls_server(folder: &std::path::Path, port: u16) -> Option<Child> {
    let (key, certificate) = (folder.join("tls-key"), folder.join("tls-certificate"));
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=wrong.example"]);
    let made = make.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().ok()?;
    if !made.status.success() {
        return None;
    }
    let mut serve = Command::new("openssl");
    serve
        .args(["s_server", "-quiet", "-accept", &port.to_string()])
        .arg("-key")
        .arg(&key)
        .arg("-cert")
        .arg(&certificate);
    serve.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

fn no_tls(_: bool) -> Seen {
    let all = ["no such name", "a plain server", "self-signed, another name"];
    match at_once(&all, |what| one_without_tls(what)).into_iter().collect::<Result<Vec<String>, String>>() {
        Ok(words) => Seen::Right(format!("{}; the line backs off, it is not paused after three", words.join(" | "))),
        Err(wrong) => Seen::Wrong(wrong),
    }
}

fn one_without_tls(what: &str) -> Result<String, String> {
    let bench = Bench::new(Class::B, 20, 1);
    let tls_port = 33_000 - u16::try_from(std::process::id() % 500).unwrap();
    let mut server = None;
    let url = match what {
        "no such name" => "https://no-such-name.invalid".to_owned(),
        "a plain server" => bench.peer.url.replace("http:", "https:"),
        _ => {
            server = tls_server(bench.installation.path(), tls_port);
            if server.is_none() {
                return Ok(format!("{what}: openssl is missing"));
            }
            format!("https://127.0.0.1:{tls_port}")
        }
    };
    let settings = bench.installation.settings(&bench.peer).replace(&bench.peer.url, &url);
    bench.installation.write_settings(&settings);
    let service = bench.installation.start();
    let books = &bench.installation.books;
    let tried = tries(&bench);
    let (doubts, taken) = (bench.count("in_doubt"), bench.peer.counts().taken);
    let sql = "SELECT reason FROM messages WHERE reason IS NOT NULL ORDER BY attempts DESC LIMIT 1";
    let reason = books.rows(sql).unwrap().concat().concat();
    service.stop();
    if let Some(mut server) = server {
        let _ = server.kill();
        let _ = server.wait();
    }
    if !tried || doubts > 0 || taken > 0 {
        return Err(format!("{what}: tried {tried}, {doubts} in doubt, {taken} taken; {reason}"));
    }
    Ok(format!("{what}: {reason}"))
}

fn black_hole(_: bool) -> Seen {
    silent(Fault::Wait { take: false })
}

fn slow_loris(_: bool) -> Seen {
    silent(Fault::SlowLoris { take: true })
}

fn silent(fault: Fault) -> Seen {
    let bench = Bench::new(Class::B, 40, 1);
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::first(8, fault)]);
    let begun = now_ms();
    let service = bench.installation.start();
    until(Duration::from_secs(40), || bench.count("in_doubt") >= 8);
    let took = now_ms() - begun;
    let most = bench.peer.counts().most_open;
    let all = bench.end(service);
    verdict(
        format!("in doubt after {} s, {most} sockets at most", took / 1000),
        &all,
        demands![(19_000..30_000).contains(&took) => "after {took} ms"; most <= 9 => "{most} sockets"],
    )
}

fn hang_up(fault: Fault) -> Seen {
    let bench = Bench::new(Class::B, 40, 1);
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::first(4, fault)]);
    let service = bench.installation.start();
    let doubted = until(Duration::from_secs(20), || bench.count("in_doubt") > 0);
    let all = bench.end(service);
    verdict("", &all, demands![doubted => "nothing was in doubt"])
}

fn outage(long: bool) -> Seen {
    let (seconds, most) = if long { (600, 33) } else { (14, 13) };
    let bench = Bench::new(Class::B, 200, 1);
    let down = Fault::Say { take: false, status: 503, headers: Vec::new(), body: "{\"error\":\"down\"}".to_owned() };
    let script =
        Script { rules: vec![Rule::always(down)], look_ups: LookUps::Down, hooks: bench.hooks(), ..Script::default() };
    bench.peer.tell(&script);
    let service = bench.installation.start();
    bench.peer.until_requests(1, Duration::from_secs(20));
    rest(Duration::from_secs(seconds));
    let requests = bench.peer.counts().requests;
    bench.peer.accept(&bench.hooks());
    let well = now_ms();
    bench.peer.until_requests(requests + 10, Duration::from_mins(2));
    let took = now_ms() - well;
    let all = bench.end(service);
    verdict(
        format!("{requests} requests in {seconds} s; sending again {} s after it was well", took / 1000),
        &all,
        demands![requests <= most => "{requests} requests"; took <= 60_000 => "{took} ms"],
    )
}

fn look_ups(_: bool) -> Seen {
    let manners = [
        (LookUps::Down, "down"),
        (LookUps::Proxy, "a proxy's page"),
        (LookUps::Another, "another text"),
        (LookUps::Lag(1500), "lagging 1.5 s"),
    ];
    // Class A is not asked: it refuses repeats.
    match at_once(&manners, |(manner, name)| one_look_up(*manner, name, Class::B))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
    {
        Ok(_) => Seen::Right("all found in the end".to_owned()),
        Err(wrong) => Seen::Wrong(wrong),
    }
}

fn one_look_up(manner: LookUps, name: &str, class: Class) -> Result<(), String> {
    let bench = Bench::of(&Wish { settle: 2, ..Wish::new(class, 30, 1) });
    let rules = vec![Rule::first(4, Fault::TakeAndHangUp)];
    bench.peer.tell(&Script { rules, look_ups: manner, hooks: bench.hooks(), ..Script::default() });
    let service = bench.installation.start();
    until(Duration::from_secs(20), || bench.count("in_doubt") > 0);
    let asked = until(Duration::from_secs(20), || bench.peer.counts().look_ups >= 4);
    let doubts = bench.count("in_doubt");
    bench.peer.accept(&bench.hooks());
    let all = bench.end(service);
    let stayed = matches!(manner, LookUps::Lag(_)) || (asked && doubts > 0);
    if all.is_right() && stayed {
        return Ok(());
    }
    Err(format!("{name}, {}: {doubts} in doubt; {}", class.letter(), all.in_words()))
}

fn written(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 300, 1);
    let database = bench.installation.path().join("ringround.db");
    let written_in = Some(database.display().to_string());
    bench.peer.tell(&Script { hooks: bench.hooks(), written_in, ..Script::default() });
    let all = bench.end(bench.installation.start());
    let looked = bench.peer.book().len();
    let size = fs::metadata(database.with_extension("db-wal")).map_or(0, |file| file.len()) >> 20;
    verdict(format!("{looked} looks"), &all, demands![size <= 64 => "the log has {size} MiB"])
}
