//! What the commands do, in the order an admin would use them.

use crate::{Said, installation, ringround};
use serde_json::Value;
use std::fs;
use std::path::Path;

const ID: &str = "dudley-january-2022";

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    let said = ringround(folder, &arguments);
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{arguments:?}: {}{}", said.out, said.err))
}

fn ok(folder: &Path, arguments: &[&str]) -> Said {
    let said = ringround(folder, arguments);
    assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
    said
}

/// An installation with the sample's people and the real campaign, not started.
fn ready() -> tempfile::TempDir {
    let folder = installation();
    fs::write(folder.path().join("parents.csv"), include_bytes!("../../config/sample-parents.csv")).unwrap();
    fs::write(folder.path().join("campaign.toml"), include_str!("../../config/campaigns/dudley-january-2022.toml"))
        .unwrap();
    ringround(folder.path(), &["import", "parents.csv"]);
    ok(folder.path(), &["campaign", "apply", "campaign.toml"]);
    folder
}

#[test]
fn help_is_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("help", ok(folder.path(), &["--help"]).out);
    for command in ["demo", "check", "import", "campaign", "plan", "contacts", "inbox", "status", "inspect", "migrate"]
    {
        assert!(ok(folder.path(), &[command, "--help"]).out.contains("Usage:"), "{command}");
    }
    assert_eq!(ringround(folder.path(), &["fly"]).code, 2);
}

#[test]
fn the_plan_says_what_will_be_sent() {
    let folder = ready();
    insta::assert_snapshot!("plan", ok(folder.path(), &["plan", "--from", "2022-01-20T09:00"]).out);
    let plan = json(folder.path(), &["plan", "--from", "2022-01-20T09:00"]);
    let occurrences = plan["occurrences"].as_array().unwrap();
    assert_eq!(occurrences.len(), 8);
    assert_eq!(occurrences[1]["at"], "2022-01-25T10:00:00Z");
    assert_eq!(occurrences[1]["local"], "2022-01-25T10:00:00+00:00[Europe/London]");
    let parts: u64 = occurrences.iter().map(|o| o["parts"].as_u64().unwrap()).sum();
    assert_eq!(plan["parts"].as_u64().unwrap(), parts);
}

#[test]
fn a_start_wants_the_number_of_people_said() {
    let folder = ready();
    let silent = ringround(folder.path(), &["campaign", "start", ID]);
    assert_eq!(silent.code, 4);
    assert!(silent.err.contains("--yes-to 33"), "{}", silent.err);
    let wrong = ringround(folder.path(), &["campaign", "start", ID, "--yes-to", "4000"]);
    assert_eq!(wrong.code, 4);
    assert_eq!(json(folder.path(), &["campaign", "show", ID])["state"], "draft");
    ok(folder.path(), &["campaign", "start", ID, "--yes-to", "33"]);
    assert_eq!(json(folder.path(), &["campaign", "show", ID])["state"], "running");
    assert_eq!(ringround(folder.path(), &["campaign", "start", ID, "--yes-to", "33"]).code, 1, "it runs already");
    ok(folder.path(), &["campaign", "pause", ID]);
    ok(folder.path(), &["campaign", "resume", ID]);
    ok(folder.path(), &["campaign", "cancel", ID]);
    assert_eq!(ringround(folder.path(), &["campaign", "resume", ID]).code, 1, "it is over");
    let nowhere = ringround(folder.path(), &["campaign", "show", "nowhere"]);
    assert!(nowhere.err.contains(&format!("there are: {ID}")), "{}", nowhere.err);
}

#[test]
fn who_left_by_phone_stays_left_whatever_a_file_says() {
    let folder = ready();
    ok(folder.path(), &["contacts", "leave", "121", "--how", "rang the office"]);
    let shown = json(folder.path(), &["contacts", "show", "121"]);
    assert_eq!(shown["suppressed"], true);
    assert_eq!(shown["lists"][0], "send: left");
    let last = shown["ledger"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["kind"], &last["source"]), (&"opted_out".into(), &"rang the office".into()));
    assert!(last["actor"].as_str().unwrap().starts_with("admin:"));
    let report = json(folder.path(), &["import", "parents.csv"]);
    assert_eq!(report["counts"]["suppressed"], 1);
    let add =
        ["contacts", "add", "07700900121", "--consent-source", "x", "--consent-date", "2022-01-01", "--wording", "1"];
    let refused = ringround(folder.path(), &add);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("nobody but they can undo that"), "{}", refused.err);
    ok(folder.path(), &["contacts", "leave", "07700900199", "--how", "a stranger rang"]);
    assert_eq!(json(folder.path(), &["contacts", "show", "07700900199"])["suppressed"], true);
}

#[test]
fn a_contact_is_added_with_proof_and_changed_by_word() {
    let folder = ready();
    let add = [
        "contacts", "add", "07700 900150", "--consent-source", "rang", "--consent-date", "2022-01-03", "--wording",
        "2022-01", "--internet", "no",
    ];
    ok(folder.path(), &add);
    assert_eq!(ok(folder.path(), &add).out, "+44•••••••150: unchanged\n");
    ok(folder.path(), &["contacts", "set", "150", "--language", "Urdu", "--tags", "b;a", "--how", "rang"]);
    let shown = json(folder.path(), &["contacts", "show", "150"]);
    assert_eq!((&shown["language"], &shown["internet"], &shown["tags"][0]), (&"ur".into(), &"no".into(), &"a".into()));
    assert_eq!(shown["ledger"].as_array().unwrap().len(), 2);
    ok(folder.path(), &["contacts", "set", "150", "--language", "-", "--how", "rang"]);
    assert_eq!(json(folder.path(), &["contacts", "show", "150"])["language"], Value::Null);
    assert_eq!(ringround(folder.path(), &["contacts", "set", "150", "--internet", "perhaps", "--how", "x"]).code, 2);
    assert_eq!(ringround(folder.path(), &["contacts", "show", "900"]).code, 1, "nobody ends with 900");
}

#[test]
fn the_example_deployment_and_the_defaults_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    let defaults = ok(folder.path(), &["check", "--defaults"]);
    assert_eq!(defaults.out, include_str!("../../config/defaults.toml"));
    for (name, source) in [
        ("example.toml", include_str!("../../config/ringround.example.toml")),
        ("demo.toml", include_str!("../../config/demo.toml")),
        ("campaign.toml", include_str!("../../config/campaigns/dudley-january-2022.toml")),
    ] {
        fs::write(folder.path().join(name), source).unwrap();
        let said = ok(folder.path(), &["check", name]);
        // The demo answers in Urdu, whose words no native speaker has checked.
        let warnings = if name == "demo.toml" { "1 warning" } else { "0 warnings" };
        assert!(said.out.contains(&format!("0 errors, {warnings}")), "{name}: {}{}", said.out, said.err);
    }
}

#[test]
fn a_rehearsal_plays_the_calendar_and_touches_nothing() {
    let folder = ready();
    let before = json(folder.path(), &["status"]);
    let said = ok(folder.path(), &["rehearse", ID, "--person", "07700 900111"]).out;
    assert!(
        said.contains("with 33 people who may be texted") && said.contains("in all 205 texts, 236 parts"),
        "{said}"
    );
    assert!(said.contains("3 people get nothing: has not agreed yet (survey-open, survey-reminder,"), "{said}");
    assert!(said.contains("gets:\n  Mon 24 Jan 2022 12:00  [survey-open] Dudley SEND: tell the inspectors"), "{said}");
    assert!(!said.contains("900111") && !said.contains("https://"), "they have no internet: {said}");
    let told = json(folder.path(), &["rehearse", ID]);
    assert!(said.ends_with(&format!("{}\n", told["hash"].as_str().unwrap())), "the same each time");
    assert_eq!((&told["people"], told["steps"].as_array().unwrap().len()), (&33.into(), 8));
    let late = json(folder.path(), &["rehearse", ID, "--from", "2022-01-26T15:00"]);
    assert_eq!(late["texts"], 106);
    assert_ne!(late["hash"], told["hash"]);
    assert_eq!(json(folder.path(), &["status"]), before);
    // Its own database, with the list in it, is gone; TMPDIR is this folder.
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains("rehearsal")).count(), 0);
    let nobody = ringround(folder.path(), &["rehearse", ID, "--person", "07700 9"]);
    assert_eq!(nobody.code, 2);
}
