//! What is personal, under the running service: forgotten to the last byte, suppressed beyond a restore, hashed with a key
//! that is kept apart.

use crate::run::service::{CALLBACK, Installation};
use crate::run::sink::{Manner, Sink};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const SAID: &str = "When does the meeting at Elm Lodge begin, please?";

fn wrote(installation: &Installation, id: &str, n: u32, words: &str) {
    let text = json!({"id": id, "source_number": format!("447700900{n}"), "destination_number": "07700900900",
        "message": words, "date_received": "2022-01-24T12:00:00.000000Z"});
    assert_eq!(installation.hook("/inbound", CALLBACK, &text), 200);
}

/// Which of these words stand in any byte of any file below this folder, and where.
fn found(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(self::found(&entry.path(), words));
        } else if entry.file_type().unwrap().is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            let holds = |word: &&&str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
            found.extend(words.iter().filter(holds).map(|word| format!("{word} in {}", entry.path().display())));
        }
    }
    found
}

#[test]
fn who_is_forgotten_while_the_service_runs_is_gone_from_every_byte() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    fs::remove_file(installation.path().join("parents.csv")).unwrap();
    let mut service = installation.start();
    installation.ok(&["contacts", "set", "101", "--name", "Ayesha Example-Khan", "--how", "rang"]);
    wrote(&installation, "in-1", 101, SAID);
    let theirs = || sink.taken().into_iter().filter(|text| text.to.ends_with("900101")).count();
    installation.until("answered", |_| theirs() == 1);
    installation.ok(&["pause"]);
    installation.campaign(ringround::clock::Clock::System.now());
    installation.until("queued", |i| i.count("queued") == 33);
    wrote(&installation, "in-2", 102, "STOP");
    let words = ["7700900101", "+447700900101", "07700900101", "07700 900101", "Example-Khan", SAID, "Elm Lodge"];
    assert!(!found(installation.path(), &words).is_empty());
    let said = installation.ok(&["contacts", "forget", "07700 900101", "--why", "asked in writing"]);
    assert!(said.contains("texts that waited were cancelled") && said.contains("Nothing left of it in"), "{said}");
    assert_eq!(found(installation.path(), &words), [""; 0], "while the service runs");
    installation.ok(&["resume"]);
    installation.until("all taken", |i| i.count("queued") == 0 && i.count("submitting") == 0);
    assert_eq!(theirs(), 1, "after that answer nothing has left for them");
    let log = service.said();
    assert!(words.iter().all(|word| !log.contains(word)), "{log}");
    assert_eq!(service.stop(), Some(0));
    assert_eq!(found(installation.path(), &words), [""; 0]);
    let verified: serde_json::Value = serde_json::from_str(&installation.ok(&["consent", "verify", "--json"])).unwrap();
    assert_eq!(
        (&verified["holds"], &verified["unsealed"]),
        (&json!(true), &json!(0)),
        "sealed at the stop: {verified}"
    );
    let mut service = installation.start();
    let head = service.until_log("the ledger's head is");
    let head = head.split("the ledger's head is ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(installation.ok(&["consent", "verify", "--head", &head]).contains("The head that was noted is on it"));
    wrote(&installation, "in-9", 101, "START");
    installation.until("back by their own word", |i| {
        i.ok(&["consent", "show", "07700900101", "--json"]).contains("\"suppressed\":false")
    });
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_restore_brings_back_nobody_who_left_or_was_forgotten() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    fs::remove_file(installation.path().join("parents.csv")).unwrap();
    let file = |suffix: &str| installation.path().join(format!("ringround.db{suffix}"));
    fs::copy(file(""), installation.path().join("backup")).unwrap();
    let service = installation.start();
    wrote(&installation, "in-1", 102, "STOP");
    installation.ok(&["contacts", "forget", "07700 900101", "--why", "asked"]);
    installation.until("left", |i| i.status()["opted_in"] == 31);
    assert_eq!(service.stop(), Some(0));
    fs::rename(installation.path().join("backup"), file("")).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(file(suffix));
    }
    assert_eq!(installation.status()["opted_in"], 33, "the backup knows of neither");
    let mut service = installation.start();
    service.until_log("were forgotten once more");
    assert_eq!(installation.status()["opted_in"], 31);
    assert!(installation.ok(&["consent", "show", "07700900101"]).contains("Nothing else is kept"));
    assert_eq!(found(installation.path(), &["7700900101"]), [""; 0]);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_key_kept_apart_is_taken_up_once_and_asked_for_ever_after() {
    let sink = Sink::start(Manner::Accept);
    let installation = Installation::new(&sink);
    let write = |secret: &str, mode: u32| {
        let path = installation.path().join("suppression-key");
        fs::write(&path, format!("{secret}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let settings = installation.path().join("config/ringround.toml");
    let without = fs::read_to_string(&settings).unwrap();
    let refused = |words: &[&str]| {
        let output = installation.run(&["run"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    installation.ok(&["contacts", "leave", "103", "--how", "rang"]);
    fs::write(&settings, format!("{without}\n[suppression]\nkey = {{ file = \"suppression-key\" }}\n")).unwrap();
    write("the-key-of-some-length", 0o644);
    refused(&["suppression.key", "chmod 600"]);
    write("the-key-of-some-length", 0o600);
    let mut service = installation.start();
    service.until_log("back it up, apart from the database");
    installation.ok(&["contacts", "forget", "07700 900101", "--why", "asked"]);
    assert_eq!(installation.status()["opted_in"], 31, "one left before, one was forgotten");
    assert_eq!(service.stop(), Some(0));

    write("another-key-altogether", 0o600);
    refused(&["is not the one that this database's suppressions were made with", "lay the key that was backed up"]);
    fs::write(&settings, &without).unwrap();
    refused(&["the settings name none"]);
    fs::write(&settings, format!("{without}\n[suppression]\nkey = {{ file = \"suppression-key\" }}\n")).unwrap();
    write("the-key-of-some-length", 0o600);
    let mut service = installation.start();
    assert!(!service.said().contains("back it up"), "it was taken up already");
    assert_eq!(service.stop(), Some(0));
    let report = installation.run(&["import", "parents.csv", "--json"]);
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("\"suppressed\":2"), "{report}");
}
