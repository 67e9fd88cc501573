//! `ringround run`, the real binary, against a recording gateway on this machine: on time, once, and whatever kills it.

#![allow(missing_docs, clippy::unwrap_used)]

mod run {
    pub mod service;
    pub mod sink;
}

use jiff::SignedDuration;
use ringround::clock::Clock;
use run::service::{CALLBACK, Installation};
use run::sink::{Manner, Sink};
use serde_json::json;

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
    assert!(service.said().contains("a callback was refused"));
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
