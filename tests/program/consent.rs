//! Consent as a data protection officer meets it: one page of proof, a chain that shows every change, people who are
//! forgotten, wordings that don't change under their version, a key that is kept apart.

use crate::{Said, installation, ringround};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn ok(folder: &Path, arguments: &[&str]) -> Said {
    let said = ringround(folder, arguments);
    assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
    said
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let said = ringround(folder, &[arguments, &["--json"]].concat());
    serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{arguments:?}: {}{}", said.out, said.err))
}

/// An installation with the sample's people.
fn people() -> tempfile::TempDir {
    let folder = installation();
    fs::write(folder.path().join("parents.csv"), include_bytes!("../../config/sample-parents.csv")).unwrap();
    ringround(folder.path(), &["import", "parents.csv"]);
    fs::remove_file(folder.path().join("parents.csv")).unwrap();
    let add = [
        "contacts", "add", "07700 900150", "--consent-source", "rang the office", "--consent-date", "2022-01-03",
        "--wording", "2022-01",
    ];
    ok(folder.path(), &add);
    folder
}

/// Changes rows behind the program's back.
fn sql(folder: &Path, text: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let place = ringround::store::Place::new(&format!("sqlite:{}", folder.join("ringround.db").display()));
        let store = ringround::store::Store::open(&place).await.unwrap();
        let mut tx = store.db().begin().await.unwrap();
        assert!(tx.run(sqlx::AssertSqlSafe(text.to_owned()), vec![]).await.unwrap() > 0, "{text}");
        tx.commit().await.unwrap();
        store.close().await;
    });
}

fn settings(folder: &Path, change: impl Fn(String) -> String) {
    let file = folder.join("config/ringround.toml");
    fs::write(&file, change(fs::read_to_string(&file).unwrap())).unwrap();
}

#[test]
fn one_page_says_all_that_proves_a_consent() {
    let folder = people();
    let folder = folder.path();
    ok(folder, &["contacts", "leave", "150", "--how", "rang the office"]);
    ok(folder, &["consent", "seal"]);
    let page = ok(folder, &["consent", "show", "07700900150"]).out;
    for words in [
        "Proof of consent for +44•••••••150",
        "Dudley Parent Carer Forum",
        "list send: left since",
        "must not be texted since",
        "what: opted in, list send",
        "shown: wording",
        "what: opted out",
        "how:  rang the office",
        "each fits its entries and the seal before it",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("7700900150") && !page.contains("NOT"), "{page}");
    let proof = json(folder, &["consent", "show", "150"]);
    assert_eq!((&proof["suppressed"], &proof["lists"][0]["standing"]), (&true.into(), &"out".into()));
    let first = &proof["entries"][0];
    assert_eq!((&first["what"], &first["wording"]["version"]), (&"opted_in".into(), &"2022-01".into()));
    assert!(first["wording"]["text"].as_str().unwrap().contains("Text STOP to leave at any time"), "{first}");
    let file = ok(folder, &["consent", "show", "121"]).out;
    assert!(file.contains("how:  file ") && file.contains(" row 2") && !file.contains("•••• row"), "{file}");
    assert_eq!(ringround(folder, &["consent", "show", "07700900777"]).code, 1, "nobody's number");
}

#[test]
fn a_ledger_that_was_changed_says_where() {
    let folder = people();
    let folder = folder.path();
    let open = json(folder, &["consent", "verify"]);
    assert_eq!(
        (&open["holds"], &open["seals"], open["unsealed"].as_i64().unwrap() > 30),
        (&true.into(), &0.into(), true)
    );
    ok(folder, &["consent", "seal"]);
    let head = json(folder, &["consent", "verify"])["head"].as_str().unwrap().to_owned();
    assert_eq!(json(folder, &["status"])["ledger"]["head"], head.as_str());
    ok(folder, &["contacts", "leave", "121", "--how", "rang"]);
    ok(folder, &["consent", "seal"]);
    assert!(ok(folder, &["consent", "verify", "--head", &head]).out.contains("The head that was noted is on it"));
    let other = ringround(folder, &["consent", "verify", "--head", &"a".repeat(64)]);
    assert_eq!(other.code, 3, "{}", other.out);
    assert!(other.out.contains("NOT on it"), "{}", other.out);
    assert_eq!(ringround(folder, &["consent", "verify", "--head", "short"]).code, 2);

    sql(folder, "UPDATE events SET kind = 'opted_in' WHERE kind = 'opted_out'");
    let broken = ringround(folder, &["consent", "verify"]);
    assert_eq!(broken.code, 3, "{}", broken.out);
    assert!(
        broken.out.contains("The chain is broken at seal 2, entry") && broken.out.contains("opted_in"),
        "{}",
        broken.out
    );
    assert_eq!(ringround(folder, &["consent", "show", "121"]).code, 3);
}

#[test]
fn who_is_forgotten_is_gone_from_the_files_and_never_comes_back() {
    let folder = people();
    let folder = folder.path();
    ok(folder, &["contacts", "set", "121", "--name", "Ayesha Example-Khan", "--how", "Ayesha Example-Khan rang"]);
    let why = ringround(folder, &["contacts", "forget", "121", "--why", "Ayesha Example-Khan asked"]);
    assert_eq!(why.code, 2, "{}", why.err);
    let said = ok(folder, &["contacts", "forget", "121", "--why", "asked in writing", "--as", "clerk"]);
    assert!(said.out.contains("Nothing left of it in"), "{}", said.out);
    assert!(!format!("{}{}", said.out, said.err).contains("7700900121"));
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        let bytes = fs::read(entry.path()).unwrap();
        for word in ["7700900121", "07700 900121", "Example-Khan"] {
            let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "{word} is in {}", entry.path().display());
        }
    }
    let shown = json(folder, &["consent", "show", "07700900121"]);
    assert_eq!(
        (&shown["known"], &shown["forgotten"], &shown["suppressed"]),
        (&false.into(), &true.into(), &true.into())
    );
    ok(folder, &["consent", "seal"]);
    assert!(ok(folder, &["consent", "show", "07700 900121"]).out.contains("which holds"));
    let verified = json(folder, &["consent", "verify"]);
    assert_eq!((&verified["holds"], verified["erased"].as_i64().unwrap() >= 2), (&true.into(), true), "{verified}");

    fs::write(folder.join("again.csv"), "mobile,name\n07700 900121,Somebody\n").unwrap();
    let again = json(
        folder,
        &["import", "again.csv", "--consent-source", "form", "--consent-date", "2022-01-03", "--wording", "2022-01"],
    );
    assert_eq!(again["counts"]["suppressed"], 1, "{again}");
    assert!(!ok(folder, &["contacts", "list", "--reveal"]).out.contains("900121"));
    let stranger = ok(folder, &["contacts", "forget", "07700 900999", "--why", "wrote to us"]);
    assert!(stranger.out.contains("was not known"), "{}", stranger.out);
}

#[test]
fn a_wording_does_not_change_under_its_version() {
    let folder = people();
    let folder = folder.path();
    settings(folder, |text| text.replace("about 8 in two weeks", "about 80 in two weeks"));
    let refused = ringround(folder, &["contacts", "leave", "150", "--how", "rang"]);
    assert_eq!(refused.code, 78, "{}{}", refused.out, refused.err);
    for words in ["config.wording_changed", "ringround.toml:", "new wording_version", "2022-01"] {
        assert!(refused.err.contains(words), "{words}: {}", refused.err);
    }
    ok(folder, &["status"]);
    settings(folder, |text| text.replace("wording_version = \"2022-01\"", "wording_version = \"2022-02\""));
    ok(folder, &["contacts", "leave", "150", "--how", "rang"]);
    let page = ok(folder, &["consent", "show", "150"]).out;
    assert!(page.contains("wording 2022-02 in force today") && page.contains("about 80 in two weeks"), "{page}");
    assert!(page.contains("shown: wording 2022-01: “Text DUDLEY") && page.contains("about 8 in two weeks"), "{page}");
}

#[test]
fn settings_of_retention_and_key_are_checked() {
    let folder = installation();
    let folder = folder.path();
    settings(folder, |text| {
        text + "\n[retention]\nhour = 24\nreports_days = -1\nbodies = 3\n[suppression]\nkey = \"a-bare-secret\"\n[service]\ntimezone = \"Dudley\"\n"
    });
    let said = ringround(folder, &["check"]);
    for words in [
        "hour is out of range", "reports_days is out of range", "unknown key bodies", "config.bare_secret",
        "not a time zone",
    ] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert!(!said.err.contains("a-bare-secret"), "{}", said.err);
}
