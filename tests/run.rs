//! `ringround run`, the real binary, against a recording gateway on this machine: on time, once, and whatever kills it.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/program.rs"]
mod program;
#[path = "support/tls.rs"]
mod tls;

mod run {
    mod doubts;
    mod drop_folder;
    mod inbox;
    mod privacy;
    pub mod service;
    pub mod sink;
}

use jiff::SignedDuration;
use ringround::clock::Clock;
use run::service::{CALLBACK, Installation};
use run::sink::{Manner, Sink};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::atomic::Ordering;

/// A whole second, far enough ahead that everything is ready.
fn soon() -> jiff::Timestamp {
    let now = Clock::System.now();
    jiff::Timestamp::from_second(now.as_second() + 4).unwrap()
}

#[test]
fn a_step_leaves_on_time_and_its_reports_come_back() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let mut service = installation.start();
    let due = soon();
    installation.campaign(due);
    sink.until_requests(33);
    let taken = sink.taken();
    let first = taken.iter().map(|t| t.at).min().unwrap();
    assert!(first >= due, "nothing leaves before its time");
    assert!(
        first.duration_since(due) <= SignedDuration::from_secs(1),
        "first bytes within a second: {first} for {due}"
    );
    assert!(taken.iter().all(|t| t.text == "Dudley SEND: the survey is open. Ring 01632 960001"));
    installation.until("33 accepted", |i| i.count("accepted") == 33);
    for (at, text) in taken.iter().enumerate() {
        let status = if at == 0 { "permanent-failure" } else { "delivered" };
        let report = json!({"id": format!("id-{}", text.reference), "reference": text.reference, "to": text.to,
            "status": status, "notification_type": "sms", "created_at": "2022-01-24T12:00:00.000000Z"});
        assert_eq!(installation.hook("/report", CALLBACK, &report), 200);
        assert_eq!(installation.hook("/report", CALLBACK, &report), 200, "a repeat is acknowledged too");
    }
    installation.until("all reported", |i| i.count("delivered") == 32 && i.count("undelivered") == 1);
    let stop = json!({"id": "in-1", "source_number": "447700900101", "destination_number": "07700900900",
        "message": "STOP", "date_received": "2022-01-24T12:00:00.000000Z"});
    assert_eq!(installation.hook("/inbound", "a-forged-token-of-some-length-00", &stop), 401);
    assert_eq!(installation.status()["opted_in"], 33, "nothing is stored of a forgery");
    assert_eq!(installation.hook("/inbound", CALLBACK, &stop), 200);
    installation.until("left", |i| i.status()["opted_in"] == 32);
    sink.until_requests(34);
    assert!(sink.taken().last().unwrap().text.contains("you have left"));
    installation.until("the goodbye is taken", |i| i.count("accepted") == 1);
    let said = service.said();
    assert!(said.contains("a callback was refused"));
    for secret in ["7700900", "7700 900", CALLBACK, "3d844edf-8d35-48ac-975b-e847b4f122b0"] {
        assert!(!said.contains(secret), "the log holds {secret}");
    }
    assert_eq!(service.stop(), Some(0));
    assert_eq!((installation.count("in_doubt"), installation.count("submitting")), (0, 0));
    assert_eq!(sink.twice(), [""; 0]);
    assert!(!installation.path().join("ringround.db.sock").exists());
}

#[test]
fn a_stop_finishes_what_is_on_the_wire_and_gives_back_the_rest() {
    let sink = Sink::start(Manner::TakeAndWait);
    let installation = Installation::new(&sink);
    let service = installation.start();
    installation.campaign(Clock::System.now());
    sink.until_requests(4); // as many as may be in flight
    let pid = service.pid().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    sink.set(Manner::Accept);
    assert_eq!(service.stop(), Some(0));
    assert_eq!(installation.count("accepted"), 4);
    assert_eq!(installation.count("queued"), 29, "never on the wire: they wait for the next start");
    let service = installation.start();
    sink.until_requests(33);
    installation.until("33 accepted", |i| i.count("accepted") == 33);
    assert_eq!(service.stop(), Some(0));
    assert_eq!(sink.twice(), [""; 0]);
}

#[test]
fn a_kill_leaves_doubt_that_is_said_asked_about_and_never_a_second_text() {
    let sink = Sink::start(Manner::TakeAndWait);
    let installation = Installation::new(&sink);
    let service = installation.start();
    installation.campaign(Clock::System.now());
    sink.until_requests(4);
    service.kill();
    sink.set(Manner::Accept);
    let mut service = installation.start();
    let said = service.said();
    assert!(said.contains("in doubt until the gateway is asked"), "{said}");
    sink.until_requests(33);
    installation.until("all taken", |i| i.count("accepted") == 33);
    assert_eq!(service.stop(), Some(0));
    assert_eq!(sink.taken().len(), 33);
    assert_eq!(sink.twice(), [""; 0]);
}

#[test]
fn an_answer_that_breaks_off_is_doubt_and_one_that_never_began_too() {
    let sink = Sink::start(Manner::TakeAndHangUp);
    let installation = Installation::new(&sink);
    let service = installation.start();
    installation.campaign(Clock::System.now());
    sink.until_requests(1);
    sink.set(Manner::HangUp);
    sink.until_requests(3);
    sink.set(Manner::Accept);
    installation.until("all taken", |i| i.count("accepted") == 33);
    assert_eq!(service.stop(), Some(0));
    let mut people: Vec<String> = sink.taken().into_iter().map(|t| t.to).collect();
    people.sort();
    people.dedup();
    assert_eq!((sink.taken().len(), people.len()), (33, 33), "each parent once");
    assert_eq!(sink.twice(), [""; 0]);
}

#[test]
fn wrong_credentials_pause_the_line_at_once_until_a_person_resumes_it() {
    let sink = Sink::start(Manner::Say(
        403,
        r#"{"status_code":403,"errors":[{"error":"AuthError","message":"Invalid token"}]}"#,
    ));
    let installation = Installation::new(&sink);
    let service = installation.start();
    installation.campaign(Clock::System.now());
    installation.until("paused", |i| i.status()["paused"][0]["what"] == "line");
    assert!(sink.requests() <= 4, "no more than were in flight: {}", sink.requests());
    let words = installation.ok(&["status"]);
    assert!(words.contains("The line to the gateway is paused") && words.contains("Invalid token"), "{words}");
    sink.set(Manner::Accept);
    let before = sink.requests();
    installation.ok(&["contacts", "set", "101", "--how", "rang", "--internet", "no"]); // a turn of the worker
    assert_eq!(sink.requests(), before);
    installation.ok(&["line", "resume"]);
    installation.until("all taken", |i| i.count("accepted") == 33);
    assert_eq!(service.stop(), Some(0));
    assert_eq!(sink.twice(), [""; 0]);
}

/// The gateway answers 503 to everything: what is in flight and one more go out, then it is asked at longer and longer
/// intervals, and not with texts; those whose answers were lost are not asked about meanwhile.
#[test]
fn an_outage_costs_a_handful_of_requests_and_is_said_once() {
    let sink = Sink::start(Manner::Say(503, "<html>busy</html>"));
    let installation = Installation::new(&sink);
    let mut service = installation.start();
    installation.campaign(Clock::System.now());
    installation.until("asked three times", |_| sink.questions() >= 3);
    assert!(sink.requests() <= 4 + 1, "in flight, and the one that is forgiven: {}", sink.requests());
    assert_eq!(sink.questions(), 3, "after 1, 2 and 4 seconds");
    sink.set(Manner::Accept);
    installation.until("all taken", |i| i.count("accepted") == 33);
    let said = service.said();
    for words in ["does not answer as it should: answered 503", "the gateway takes texts again"] {
        assert_eq!(said.matches(words).count(), 1, "{words}: {said}");
    }
    assert_eq!(service.stop(), Some(0));
    assert_eq!((sink.taken().len(), sink.twice()), (33, vec![]), "each parent once");
}

/// The key is revoked during an outage: the question tells, no text is spent on it, and nothing more is requested.
#[test]
fn a_question_that_finds_the_key_revoked_pauses_the_line() {
    let sink = Sink::start(Manner::Say(503, "<html>busy</html>"));
    let installation = Installation::new(&sink);
    let mut service = installation.start();
    installation.campaign(Clock::System.now());
    sink.until_requests(2);
    sink.set(Manner::Say(403, r#"{"status_code":403,"errors":[{"error":"AuthError","message":"Invalid token"}]}"#));
    installation.until("paused", |i| i.status()["paused"][0]["what"] == "line");
    let before = (sink.requests(), sink.questions());
    assert!(before.0 <= 4 + 1 && before.1 <= 2, "{before:?}");
    sink.set(Manner::Accept);
    for _ in 0..3 {
        installation.ok(&["contacts", "set", "101", "--how", "rang", "--internet", "no"]); // a turn of the worker
    }
    assert_eq!((sink.requests(), sink.questions()), before);
    let said = service.said();
    assert_eq!(said.matches("ERROR").count(), 1, "{said}");
    assert!(said.contains("refuses our credentials: Invalid token; mend it, then: ringround line resume"), "{said}");
    installation.ok(&["line", "resume"]);
    installation.until("all taken", |i| i.count("accepted") == 33);
    assert_eq!(service.stop(), Some(0));
    assert_eq!((sink.taken().len(), sink.twice()), (33, vec![]));
}

/// A question on the wire ends like a text on the wire, and what waits is still queued.
#[test]
fn a_stop_waits_for_a_question_too() {
    let sink = Sink::start(Manner::Say(503, "<html>busy</html>"));
    let installation = Installation::new(&sink);
    let service = installation.start();
    installation.campaign(Clock::System.now());
    installation.until("closed", |i| i.count("in_doubt") >= 2 && i.count("submitting") == 0);
    sink.set(Manner::TakeAndWait);
    installation.until("asked", |_| sink.questions() >= 1);
    let before = sink.requests();
    let pid = service.pid().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    sink.set(Manner::Accept);
    assert_eq!(service.stop(), Some(0));
    assert_eq!((sink.requests(), sink.taken().len()), (before, 0), "no text leaves after the word to stop");
    assert_eq!(installation.count("queued") + installation.count("in_doubt"), 33);
}

#[test]
fn a_gateway_that_can_t_prove_who_it_is_gets_nothing_and_a_person_is_called() {
    let sink = Sink::start(Manner::Accept);
    let (port, connections) = tls::server("localhost", 4000);
    let installation = Installation::new(&sink);
    let settings = installation.path().join("config/ringround.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace(&sink.url, &format!("https://localhost:{port}"))).unwrap();
    let mut service = installation.start();
    installation.campaign(Clock::System.now());
    installation.until("paused", |i| i.status()["paused"][0]["what"] == "line");
    assert!(connections.load(Ordering::SeqCst) <= 4 + 2 + 1, "in flight, two more waits, one poll");
    assert_eq!((installation.count("queued"), installation.count("in_doubt")), (33, 0), "nothing left");
    let said = service.said();
    assert!(
        said.contains("can't prove who it is: its certificate is signed by nobody whom this machine trusts"),
        "{said}"
    );
    assert_eq!(said.matches("ERROR").count(), 1, "{said}");
    fs::write(&settings, text).unwrap();
    assert_eq!(service.stop(), Some(0));
    let service = installation.start();
    installation.ok(&["line", "resume"]);
    installation.until("all taken", |i| i.count("accepted") == 33);
    assert_eq!(service.stop(), Some(0));
}

/// F32: which of the two parents got a text nobody knows; a person has to ask.
#[test]
fn one_id_for_two_texts_is_an_alarm_and_nothing_is_sent_again() {
    let sink = Sink::start(Manner::Say(201, r#"{"id":"always-the-same"}"#));
    let installation = Installation::new(&sink);
    let mut service = installation.start();
    installation.campaign(Clock::System.now());
    sink.until_requests(33);
    installation.until("all accepted", |i| i.count("accepted") == 33);
    let said = service.said();
    assert_eq!(said.matches("gave one id to two texts").count(), 10, "each of the first ten of 32: {said}");
    assert!(said.contains("(10 such texts since the start)"), "{said}");
    assert_eq!(service.stop(), Some(0));
    assert_eq!(sink.requests(), 33);
}

#[test]
fn a_pause_of_everything_holds_and_a_test_goes_only_to_testers() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let nobody = installation.run(&["send-test", "--to", "07700 900001", "hello"]);
    assert_eq!(nobody.status.code(), Some(1), "no service runs");
    let service = installation.start();
    installation.ok(&["pause", "--why", "the link is wrong"]);
    installation.campaign(Clock::System.now());
    installation.until("queued", |i| i.count("queued") == 33);
    assert_eq!(sink.requests(), 0);
    assert!(installation.ok(&["status"]).contains("the link is wrong"));
    installation.ok(&["campaign", "cancel", "now"]);
    installation.ok(&["resume"]);
    assert_eq!(installation.count("cancelled"), 33);
    let said = installation.ok(&["send-test", "--to", "07700 900001", "{{to}} \"quoted\" & 50%\nline 😀"]);
    assert!(said.contains("accepted"), "{said}");
    assert_eq!(sink.taken()[0].text, "{{to}} \"quoted\" & 50%\nline 😀");
    let stranger = installation.run(&["send-test", "--to", "07700 900101", "hello"]);
    assert_eq!(stranger.status.code(), Some(1));
    assert_eq!(sink.requests(), 1);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_second_service_on_the_same_file_leaves_at_once_and_names_the_first() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let service = installation.start();
    let second = installation.run(&["run"]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(5));
    assert!(said.contains(&format!("process {}", service.pid())), "{said}");
    assert_eq!(service.stop(), Some(0));
}

/// A host without a public address: texts are fetched, each once, and the cursor outlives a restart.
#[test]
fn received_texts_are_fetched_where_the_gateway_can_t_reach_us() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    sink.write("poll-1", "447700900102", "STOP");
    let service = installation.start();
    installation.until("left", |i| i.status()["opted_in"] == 32);
    sink.until_requests(1);
    assert_eq!(service.stop(), Some(0));
    sink.write("poll-2", "447700900103", "stop please");
    let service = installation.start();
    installation.until("left", |i| i.status()["opted_in"] == 31);
    sink.until_requests(2);
    installation.until("both goodbyes taken", |i| i.count("accepted") == 2);
    assert_eq!(service.stop(), Some(0));
    assert_eq!((sink.taken().len(), sink.twice()), (2, vec![]), "one goodbye each");
}

#[test]
fn what_reaches_the_hooks_is_bounded_and_garbage_leaves_nothing() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let service = installation.start();
    let answers = |request: &[u8]| {
        let mut stream = installation.connect();
        let _ = stream.write_all(request); // it may hang up before all is written
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok())
    };
    let post = |headers: &str, body: &[u8]| {
        let head =
            format!("POST /hooks/inbound HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n", body.len());
        answers(&[head.as_bytes(), body].concat())
    };
    let bearer = format!("authorization: Bearer {CALLBACK}\r\nconnection: close\r\n");
    assert_eq!(post(&bearer, &vec![b'x'; 70_000]), Some(413));
    assert_eq!(post(&bearer, b"{\"not\": \"a callback\"}"), Some(400));
    assert_eq!(post(&bearer, b"\xff\xfe{"), Some(400));
    assert_eq!(post("connection: close\r\n", b"{}"), Some(401));
    assert!(matches!(
        answers(&[b"GET / HTTP/1.1\r\nx: ".as_slice(), &vec![b'y'; 40_000], b"\r\n\r\n"].concat()),
        Some(431 | 400) | None
    ));
    assert!(matches!(answers(b"\x16\x03\x01 this is no HTTP\r\n\r\n"), Some(400) | None));
    let idle: Vec<_> = (0..300).map(|_| installation.connect()).collect();
    drop(idle); // more connections than places: the service is there all the same
    installation.until("it answers", |_| post("connection: close\r\n", b"{}") == Some(401));
    assert_eq!(installation.status()["opted_in"], 33);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn the_service_manager_is_told() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let path = installation.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let service = installation.start_with(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    let mut heard = String::new();
    let mut until = |word: &str| {
        let mut buffer = [0; 4096];
        while !heard.contains(word) {
            let length = socket.recv(&mut buffer).unwrap();
            heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            heard.push('\n');
        }
    };
    until("READY=1");
    until("WATCHDOG=1");
    assert_eq!(service.stop(), Some(0));
    until("STOPPING=1");
}

#[test]
fn what_is_wrong_with_the_gateway_is_said_before_anything_starts() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let settings = installation.path().join("config/ringround.toml");
    let good = fs::read_to_string(&settings).unwrap();
    let refused = |change: &dyn Fn(&str) -> String, code: i32, words: &[&str]| {
        fs::write(&settings, change(&good)).unwrap();
        let output = installation.run(&["run"]);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    };
    refused(
        &|s| s.replace("{ file = \"api-key\" }", "\"a-bare-secret\""),
        78,
        &["config.bare_secret", "does not belong into this file"],
    );
    let bare = String::from_utf8(installation.run(&["check"]).stderr).unwrap();
    assert!(bare.contains("api_key = ***") && !bare.contains("a-bare-secret"), "it is not printed: {bare}");
    let kannel = |s: &str| {
        let s =
            s.replace("gov-uk-notify", "kannel").replace("template = ", "username = \"r\"\n#").replace("listen", "#");
        s.replace("api_key = ", "password = ")
    };
    refused(&kannel, 78, &["hooks.listen", "STOP would never arrive"]);
    refused(&|s| s.replace("template = ", "templat = "), 78, &["lacks something", "template"]);
    refused(&|s| s.replace("gov-uk-notify", "gov-uk-notfy"), 78, &["there is no profile", "gov-uk-notify"]);
    fs::set_permissions(installation.path().join("callback"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(&|s| s.to_owned(), 78, &["may be read by others (mode 644)", "chmod 600 callback"]);
    let shipped = include_str!("../config/gateways/gov-uk-notify.toml");
    fs::write(installation.path().join("own.toml"), shipped.replace("settle_seconds", "setle_seconds")).unwrap();
    refused(&|s| s.replace("gov-uk-notify", "own.toml"), 78, &["own.toml:", "did you mean settle_seconds?"]);
    let check = installation.run(&["gateway", "check", "own.toml"]);
    assert_eq!(check.status.code(), Some(3));
    assert_eq!(sink.requests(), 0);
}

#[test]
fn the_doctor_looks_at_everything_and_names_what_is_wrong() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let findings = |code: i32| -> BTreeMap<String, (String, String, String)> {
        let output = installation.run(&["doctor", "--json"]);
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
        let lines = String::from_utf8(output.stdout).unwrap();
        let found = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let word = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap().to_owned();
        found.map(|f| (word(&f, "what"), (word(&f, "state"), word(&f, "found"), word(&f, "hint")))).collect()
    };
    let all = findings(0);
    let looked_at = ["TLS roots", "clock", "database", "gateway", "lists", "reachable", "secret", "service"];
    for what in looked_at {
        assert_eq!(all[what].0, "fine", "{what}: {all:?}");
    }
    assert!(all.contains_key("settings") && all.contains_key("time zones"), "{all:?}");

    let mut settings = fs::read_to_string(installation.path().join("config/ringround.toml")).unwrap();
    settings = settings.replace(&sink.url, "http://127.0.0.1:9"); // nobody listens there
    fs::write(installation.path().join("config/ringround.toml"), settings).unwrap();
    let unreachable = findings(3);
    assert_eq!(unreachable["reachable"].0, "wrong", "{unreachable:?}");
    assert!(unreachable["reachable"].2.contains("gateway.base_url"), "{unreachable:?}");

    fs::set_permissions(installation.path().join("api-key"), fs::Permissions::from_mode(0o640)).unwrap();
    let readable = findings(3);
    assert_eq!((readable["gateway"].0.as_str(), readable.contains_key("reachable")), ("wrong", false), "{readable:?}");
    assert!(readable["gateway"].2.contains("chmod 600"), "{readable:?}");
}

#[test]
fn a_command_is_held_up_by_nobody_and_reaches_only_its_own_database() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let service = installation.start();
    let socket = installation.path().join("ringround.db.sock");
    let says_nothing = UnixStream::connect(&socket).unwrap();
    installation.ok(&["pause"]);
    installation.ok(&["resume"]);

    // Large enough that it would not fit if its bytes were written as numbers.
    let big = format!("mobile,name\nnot a number,{}\n", "x".repeat(20_000_000));
    fs::write(installation.path().join("big.csv"), big).unwrap();
    assert_eq!(installation.run(&["import", "big.csv", "--dry-run", "--json"]).status.code(), Some(3));

    let settings = installation.path().join("config/ringround.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{text}\n[service]\nsocket = \"{}\"\n", socket.display())).unwrap();
    installation.ok(&["--database", "sqlite:other.db", "migrate"]);
    let other = installation.run(&["--database", "sqlite:other.db", "pause"]);
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert_eq!(other.status.code(), Some(2), "{said}");
    assert!(said.contains("the service that listens here works on"), "{said}");
    assert_eq!(installation.status()["paused"], json!([]));

    assert_eq!(service.stop(), Some(0), "and nobody who says nothing holds up the end");
    drop(says_nothing);
}
