//! `ringround demo`: the main job on a bare machine, the four zeros, and that they would not be zero if a rule were broken.

use crate::ringround;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn totals(arguments: &[&str]) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let said = ringround(folder.path(), arguments);
    (said.code, serde_json::from_str(said.out.lines().last().unwrap()).unwrap())
}

const STATES: [&str; 11] = [
    "held", "queued", "submitting", "accepted", "delivered", "undelivered", "rejected", "expired", "cancelled",
    "in_doubt", "unresolved",
];
const ZEROS: [&str; 4] = ["sent_twice", "after_deadline", "after_stop", "without_consent"];

#[test]
fn every_message_has_an_end_and_no_promise_is_broken() {
    let (code, totals) = totals(&["demo", "--json"]);
    let of = |name: &str| totals[name].as_i64().unwrap();
    assert_eq!(code, 0);
    assert_eq!(STATES.iter().map(|s| of(s)).sum::<i64>(), of("messages"), "{totals}");
    assert_eq!(ZEROS.iter().map(|z| of(z)).sum::<i64>(), 0, "{totals}");
    for open in ["held", "queued", "submitting", "in_doubt", "unresolved"] {
        assert_eq!(of(open), 0, "{open} is no end");
    }
    for shown in ["delivered", "undelivered", "rejected", "cancelled", "accepted", "expired", "parts"] {
        assert!(of(shown) > 0, "the story should show something {shown}: {totals}");
    }
}

#[test]
fn the_same_seed_tells_the_same_story_and_others_hold_too() {
    let (_, first) = totals(&["demo", "--json"]);
    let (_, again) = totals(&["demo", "--json"]);
    assert_eq!(first, again);
    for seed in ["1", "7", "99"] {
        let (code, totals) = totals(&["demo", "--json", "--seed", seed]);
        assert_eq!(code, 0, "seed {seed}: {totals}");
    }
}

#[test]
fn each_broken_rule_makes_its_number_speak() {
    for (rule, number) in
        [("twice", "sent_twice"), ("late", "after_deadline"), ("stop", "after_stop"), ("consent", "without_consent")]
    {
        let (code, totals) = totals(&["demo", "--json", "--sabotage", rule]);
        assert_eq!(code, 1, "{rule}");
        assert!(totals[number].as_i64().unwrap() > 0, "{rule}: {totals}");
    }
}

/// P7: whatever the demo and the commands after it say, no number and no key of the database is in it.
#[test]
fn nothing_that_is_said_holds_a_number_or_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = String::new();
    let mut run = |arguments: &[&str]| {
        let said = ringround(folder.path(), arguments);
        all.push_str(&said.out);
        all.push_str(&said.err);
        said.code
    };
    assert_eq!(run(&["demo"]), 0);
    let config = config_in(folder.path());
    let campaign = include_str!("../../config/campaigns/dudley-january-2022.toml");
    fs::write(folder.path().join("campaign.toml"), campaign).unwrap();
    fs::write(folder.path().join("parents.csv"), include_bytes!("../../config/sample-parents.csv")).unwrap();
    let id = "dudley-january-2022";
    for arguments in [
        &["status"][..],
        &["contacts", "list"],
        &["contacts", "show", "121"],
        &["contacts", "show", "07700900108"],
        &["inbox", "--all"],
        &["inbox", "reply", "1", "Dudley SEND: thank you."],
        &["campaign", "list"],
        &["campaign", "show", id],
        &["campaign", "apply", "campaign.toml"],
        &["plan", "--from", "2022-01-20T09:00", "--texts"],
        &["import", "parents.csv"],
        &["contacts", "leave", "07700900101", "--how", "rang"],
        &[
            "contacts", "add", "07700 900160", "--consent-source", "rang", "--consent-date", "2022-01-01", "--wording",
            "1",
        ],
        &["contacts", "set", "160", "--how", "rang", "--name", "Somebody"],
        &["contacts", "show", "07700 900999"],
        &["check", "campaign.toml"],
        &["campaign", "start", id, "--yes-to", "1"],
        &["campaign", "pause", id],
        &["campaign", "resume", id],
        &["campaign", "cancel", id],
    ] {
        for json in [false, true] {
            let mut with_config = vec!["--config", config.as_str()];
            with_config.extend(arguments);
            if json {
                with_config.push("--json");
            }
            run(&with_config);
        }
    }
    assert!(all.len() > 20_000, "the commands said something");
    assert!(all.contains("•••••••121"), "numbers are shown masked");
    let squeezed: String = all.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
    for number in (100..=300).map(|n| format!("7700900{n:03}")) {
        assert!(!squeezed.contains(&number), "{number} stands in the output");
    }
    for key in keys(folder.path()) {
        assert!(!all.contains(&key), "a key of the database stands in the output");
    }
    let revealed = ringround(folder.path(), &["--config", &config, "contacts", "show", "121", "--reveal"]);
    assert!(revealed.out.contains("+447700900121"), "a person who asks sees it");
}

fn config_in(folder: &Path) -> String {
    let demo = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).find(|p| p.join("ringround.db").exists());
    demo.unwrap().join("ringround.toml").display().to_string()
}

/// The keys that the database was made with, read with another program's eyes.
fn keys(folder: &Path) -> Vec<String> {
    let database = Path::new(&config_in(folder)).with_file_name("ringround.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite:{}", database.display());
        let store = ringround::store::Store::open(&ringround::store::Place::new(&url)).await.unwrap();
        let rows = store.db().rows("SELECT value FROM meta WHERE name LIKE '%key'", vec![]).await.unwrap();
        let keys: Vec<String> = rows.iter().map(|row| row.text(0).unwrap()).collect();
        assert_eq!(keys.len(), 2);
        keys
    })
}
