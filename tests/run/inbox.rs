//! What a person does with texts that parents wrote, and that nothing of anybody's leaks on the way (P7).

use super::service::{CALLBACK, Installation};
use super::sink::{Manner, Sink};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ringround::clock::Clock;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;

fn text(id: &str, from: &str, said: &str) -> Value {
    json!({"id": id, "source_number": from, "destination_number": "07700900900", "message": said,
           "date_received": "2022-01-24T12:00:00.000000Z"})
}

/// The number of the only text that waits to be read.
fn waiting(installation: &Installation) -> String {
    let line = installation.ok(&["inbox", "--json"]);
    let text: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    text["id"].to_string()
}

#[test]
fn a_person_answers_once_and_never_after_a_stop() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let service = installation.start();
    installation.campaign(Clock::System.now() + jiff::SignedDuration::from_hours(1)); // it runs: no answer of ours
    assert_eq!(installation.hook("/inbound", CALLBACK, &text("q-1", "447700900101", "My son can't do Thursday")), 200);
    installation.until("it waits", |i| i.status()["unread"] == 1);
    let id = waiting(&installation);
    let long = "x".repeat(700);
    for (said, words) in [("  ", "no part"), (long.as_str(), "5 parts")] {
        let refused = installation.run(&["inbox", "reply", &id, said]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8(refused.stderr).unwrap().contains(words));
    }
    let said = "Dudley SEND: any day this week is fine.";
    assert_eq!(installation.ok(&["inbox", "reply", &id, said]), format!("Text {id} is answered, in one part.\n"));
    sink.until_requests(1);
    let taken = sink.taken();
    assert_eq!((taken[0].text.as_str(), taken[0].to.as_str()), (said, "+447700900101"));
    assert_eq!(installation.status()["unread"], 0);
    let again = installation.run(&["inbox", "reply", &id, "And again."]);
    assert_eq!(again.status.code(), Some(1), "one answer to each text");

    assert_eq!(installation.hook("/inbound", CALLBACK, &text("q-2", "447700900102", "Who are you people")), 200);
    installation.until("it waits", |i| i.status()["unread"] == 1);
    let id = waiting(&installation);
    assert_eq!(installation.hook("/inbound", CALLBACK, &text("q-3", "447700900102", "STOP")), 200);
    sink.until_requests(2);
    let late = installation.run(&["inbox", "reply", &id, "Dudley SEND: hello."]);
    assert_eq!(late.status.code(), Some(1));
    assert!(String::from_utf8(late.stderr).unwrap().contains("they said STOP"));
    let wish = text("q-4", "447700900103", "leave me alone");
    assert_eq!(installation.hook("/inbound", CALLBACK, &wish), 200);
    installation.until("both wait", |i| i.status()["unread"] == 2);
    let all = installation.ok(&["inbox", "--json"]);
    let held: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let id = held.iter().find(|t| t["understood"] == "may be stop").unwrap()["id"].to_string();
    assert_eq!(installation.run(&["inbox", "reply", &id, "Dudley SEND: sorry."]).status.code(), Some(4), "say first");
    assert_eq!(service.stop(), Some(0));
    assert_eq!(sink.taken().len(), 2);
}

/// Everything that must not be seen, in the writings in which it could slip through.
fn never_said(installation: &Installation) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for file in ["api-key", "callback"] {
        let secret = fs::read_to_string(installation.path().join(file)).unwrap().trim().to_owned();
        all.push((file.to_owned(), secret.clone()));
        // Notify's key ends with the secret that signs.
        let parts = [secret.clone(), secret[secret.len().saturating_sub(36)..].to_owned()];
        for part in parts {
            all.push((format!("{file}, raw"), part.clone()));
            all.push((format!("{file}, URL"), utf8_percent_encode(&part, NON_ALPHANUMERIC).to_string()));
            // Base64 of something that holds it: whatever stands before shifts its bytes, and both ends mix with others.
            for shift in 0..3 {
                let shifted = format!("{}{part}", "x".repeat(shift));
                for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let coded = engine.encode(&shifted);
                    all.push((format!("{file}, Base64"), coded[4..coded.len() - 4].to_owned()));
                }
            }
            all.push((format!("{file}, Base64"), STANDARD.encode(&part)));
        }
    }
    for n in 100..=150 {
        all.push((format!("number {n}"), format!("7700900{n}")));
        let coded = STANDARD_NO_PAD.encode(format!("+447700900{n}"));
        all.push((format!("number {n}, Base64"), coded[..12].to_owned() + &coded[12..]));
    }
    for name in ["Ayesha", "Kowalski", "Siân"] {
        all.push((format!("name {name}"), name.to_owned()));
    }
    all
}

/// The log of a service on a bad day, and what every command says, without a number, a name, a word or a secret.
#[test]
fn nothing_leaks_into_logs_and_answers() {
    let sink = Sink::start(Manner::Say(503, "{\"errors\":[{\"error\":\"X\",\"message\":\"07700900101 is down\"}]}"));
    let installation = Installation::new(&sink);
    let mut service = installation.start_with(&[("RUST_LOG", "debug")]);
    installation.campaign(Clock::System.now());
    sink.until_requests(2);
    sink.set(Manner::TakeAndHangUp);
    sink.until_requests(4);
    for (manner, id) in [
        (
            Manner::Say(400, "{\"errors\":[{\"error\":\"BadRequestError\",\"message\":\"phone_number 07700900101\"}]}"),
            "l-1",
        ),
        (Manner::Say(403, "{\"errors\":[{\"error\":\"AuthError\",\"message\":\"Invalid token\"}]}"), "l-2"),
        (Manner::Say(200, "07700 900101 is not JSON"), "l-3"),
        (Manner::Accept, "l-4"),
    ] {
        sink.set(manner);
        assert_eq!(installation.hook("/inbound", CALLBACK, &text(id, "447700900101", "My son can't do Thursday")), 200);
        assert_eq!(installation.hook("/inbound", "not-the-token-07700900101", &text(id, "447700900101", "x")), 401);
        assert_eq!(installation.hook("/inbound?from=07700900101", CALLBACK, &json!({"from": "07700900101"})), 400);
    }
    assert_eq!(installation.hook("/inbound", CALLBACK, &text("l-5", "447700900102", "STOP")), 200);
    let mut all = String::new();
    let commands = [
        "status",
        "doctor",
        "inbox --all",
        "contacts list",
        "contacts show 101",
        "contacts show 07700900101",
        "contacts show 07700900199",
        "campaign list",
        "campaign show now",
        "campaign report now --csv report.csv",
        "campaign not-reached now ring.csv",
        "rehearse now --person 07700900101",
        "plan",
        "doubts list",
        "gateway check",
        "line resume",
        "send-test 07700900101",
        "contacts leave 07700900103 --how rang",
        "import parents.csv",
        "pause",
        "resume",
        "check",
        "inbox reply 999999 hello",
        "doubts resolve 999999 --sent --why x",
        "import missing.csv",
        "contacts set 07700900104 --how rang --name Ayesha",
        "contacts add 07700900104x",
        "nonsense 07700900101",
    ];
    for command in commands {
        for json in [false, true] {
            let mut arguments: Vec<&str> = command.split(' ').collect();
            if json {
                arguments.push("--json");
            }
            let said = installation.run(&arguments);
            let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
            // What was typed may be repeated: the person who typed it has it before their eyes.
            let typed: Vec<&str> =
                arguments.iter().copied().filter(|a| a.contains("7700900") || *a == "Ayesha").collect();
            let mut text = format!("{out}{err}");
            for word in typed {
                text = text.replace(word, "(typed)");
            }
            let _ = writeln!(all, "$ {}\n{text}", command.split(' ').next().unwrap());
        }
    }
    assert!(all.len() > 8_000, "the commands said something: {}", all.len());
    let log = service.said();
    assert!(log.len() > 2_000, "the log says something: {}", log.len());
    service.kill();
    assert!(!log.contains("Thursday"), "what they wrote is for the inbox alone");
    for (what, never) in never_said(&installation) {
        for (place, text) in [("the log", &log), ("a command", &all)] {
            let squeezed: String = text.chars().filter(|c| !matches!(c, ' ' | '(' | ')')).collect();
            let found = text
                .lines()
                .find(|line| line.contains(&never))
                .or_else(|| squeezed.lines().find(|line| line.contains(&never)));
            assert!(found.is_none(), "{place} holds {what}: {}", found.unwrap());
        }
    }
}
