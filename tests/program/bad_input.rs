//! Bad input gets a clear error that names the place and says what to do; nothing is half done, nothing is lost.

use crate::{installation, ringround};
use serde_json::Value;
use std::fs;

#[test]
fn everything_wrong_with_a_campaign_is_said_at_once() {
    let folder = installation();
    let broken = folder.path().join("broken.toml");
    fs::write(&broken, include_str!("../fixtures/broken-campaign.toml")).unwrap();
    for command in [&["check", "broken.toml"][..], &["campaign", "apply", "broken.toml"]] {
        let said = ringround(folder.path(), command);
        assert_eq!(said.code, 3, "{command:?}");
        insta::allow_duplicates! { insta::assert_snapshot!("broken_campaign", said.err); }
    }
    let list = ringround(folder.path(), &["campaign", "list", "--json"]);
    assert_eq!(list.out, "", "a refused file leaves nothing behind");
}

/// Warnings about words: a person may know better, and the file is taken.
#[test]
fn texts_that_read_badly_are_named() {
    let folder = installation();
    let campaign = |id: &str, text: &str, value: &str| {
        let source = format!(
            "schema = 1\nid = \"{id}\"\ntitle = \"t\"\nlist = \"send\"\n[milestones]\nbegins = 2030-01-24T12:00:00\n{value}\
             [[step]]\nid = \"a\"\nat = \"begins\"\nnot_after = \"+3h\"\n[step.everyone]\nen = \"{text}\"\n"
        );
        fs::write(folder.path().join("one.toml"), source).unwrap();
        let said = ringround(folder.path(), &["check", "one.toml", "--json"]);
        let problems = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let warnings = problems.filter(|p| p["severity"] == "warning" && p["file"] == "one.toml");
        warnings.map(|p| p["code"].as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    for (text, codes) in [
        ("Ring 01632 960001 before 12pm today", vec!["campaign.noon"]),
        ("Ring 01632 960001 before 12 p.m. today", vec!["campaign.noon"]),
        ("Ring 01632 960001 from 9am, 2.12 pm or 12 noon", vec![]),
        ("The autism team: ring 01632 960001", vec!["campaign.reveals"]),
        ("Your EHCP review: ring 01632 960001", vec!["campaign.reveals"]),
        ("Ring 01632 960001 or see https://bit.ly/abc", vec!["campaign.short_link"]),
        ("Ring 01632 960001 or see https://rabbit.lyme.example/abc", vec![]),
    ] {
        let found = campaign("words", text, "");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), codes, "{text}");
    }
    let value = "[values]\nsurvey = { link = \"https://tinyurl.com/x\" }\nhelp = { phone = \"01632 960001\" }\n[phone_hint]\nen = \"Reply PHONE\"\n";
    assert!(campaign("value", "{{ survey }} or ring {{ help }}", value).contains("campaign.short_link"));
}

#[test]
fn problems_in_json_name_file_line_and_column() {
    let folder = installation();
    fs::write(folder.path().join("broken.toml"), include_str!("../fixtures/broken-campaign.toml")).unwrap();
    let said = ringround(folder.path(), &["check", "broken.toml", "--json"]);
    let problems: Vec<Value> = said.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(problems.len() >= 12);
    let milestone = problems.iter().find(|p| p["code"] == "campaign.unknown_milestone").unwrap();
    assert_eq!(
        (&milestone["file"], &milestone["line"], &milestone["column"]),
        (&"broken.toml".into(), &23.into(), &6.into())
    );
    assert_eq!(milestone["hint"], "did you mean closes?");
}

#[test]
fn unknown_keys_in_the_settings_are_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("my.toml"), "schema = 1\n[gateway]\nper_secnod = 5\n").unwrap();
    let said = ringround(folder.path(), &["--config", "my.toml", "status"]);
    assert_eq!(said.code, 78);
    assert!(said.err.contains("my.toml:3:1") && said.err.contains("did you mean per_second?"), "{}", said.err);
}

/// Good rows load, bad ones are named; the dry run says the same and changes not a byte.
#[test]
fn a_spreadsheet_with_broken_rows_loads_the_good_ones() {
    let folder = installation();
    fs::write(folder.path().join("parents.csv"), include_bytes!("../../config/sample-parents.csv")).unwrap();
    let database = folder.path().join("ringround.db");
    let before = fs::read(&database).unwrap();
    let dry = ringround(folder.path(), &["import", "parents.csv", "--dry-run"]);
    assert_eq!(dry.code, 3);
    assert_eq!(fs::read(&database).unwrap(), before, "a dry run changes not a byte");
    assert!(!folder.path().join("ringround.db-wal").exists());
    insta::assert_snapshot!("import", dry.out);
    let wet = ringround(folder.path(), &["import", "parents.csv"]);
    let (told, undo) = wet.out.split_once("To take it back: ringround import undo ").unwrap();
    assert_eq!(told, dry.out.replace("Nothing was changed (--dry-run).\n", ""), "the dry run told the truth");
    assert!(undo.trim().parse::<i64>().is_ok(), "{undo}");
    let again = ringround(folder.path(), &["import", "parents.csv", "--json"]);
    let report: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!((&report["counts"]["unchanged"], &report["counts"]["new"]), (&36.into(), &0.into()));
    assert_eq!(report["rows"], 46);
    let sum: i64 = report["counts"].as_object().unwrap().values().map(|n| n.as_i64().unwrap()).sum();
    assert_eq!(sum, 46, "every row has one verdict");
}

#[test]
fn consent_from_the_future_is_no_proof() {
    let folder = installation();
    let row = "07700900101,phone call,2031-11-17,2022-01\n";
    fs::write(folder.path().join("p.csv"), format!("phone,consent source,consent date,wording\n{row}")).unwrap();
    let said = ringround(folder.path(), &["import", "p.csv"]);
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("consent date") && all.contains("2031-11-17") && all.contains("still to come"), "{all}");
}

#[test]
fn files_that_are_no_spreadsheet_are_refused_in_words() {
    let folder = installation();
    for (name, bytes, word) in [
        ("book.xlsx", &b"PK\x03\x04zzzz"[..], "save it again"),
        ("book.xls", &b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], "save it as .xlsx"),
        ("empty.csv", b"", "the file is empty"),
        ("nophone.csv", b"name,age\nA,7\n", "no column holds phone numbers"),
        ("nul.csv", b"phone\n0770\x0000900101\n", "row 2"),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let said = ringround(folder.path(), &["import", name]);
        assert_ne!(said.code, 0, "{name}");
        assert!(format!("{}{}", said.out, said.err).contains(word), "{name}: {}{}", said.out, said.err);
    }
    let missing = ringround(folder.path(), &["import", "nowhere.csv"]);
    assert_eq!((missing.code, missing.err.contains("nowhere.csv")), (1, true));
}

#[test]
fn a_database_that_is_not_there_is_said_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let said = ringround(folder.path(), &["status"]);
    assert_eq!(said.code, 5);
    assert!(said.err.contains("hint: create it with: ringround migrate"), "{}", said.err);
    assert!(!folder.path().join("ringround.db").exists());
    fs::write(folder.path().join("ringround.db"), b"this is no database at all, but long enough to look at").unwrap();
    assert_ne!(ringround(folder.path(), &["status"]).code, 0);
}
