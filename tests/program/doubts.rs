//! Doubts as a comms officer meets them: what is shown, what is asked, what is refused, what the ledger keeps.

use crate::{installation, ringround};
use ringround::clock::Clock;
use ringround::store::{Place, Store};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const CAMPAIGN: &str = "schema = 1\nid = \"now\"\ntitle = \"t\"\nlist = \"send\"\n[milestones]\nbegins = 2030-01-24T12:00:00\n\
    [[step]]\nid = \"opening\"\nat = \"begins\"\nnot_after = \"+3h\"\n[step.everyone]\nen = \"Ring 01632 960001\"\n";

fn sql(folder: &Path, statements: &[String]) {
    let place = Place::new(&format!("sqlite:{}", folder.join("ringround.db").display()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&place).await.unwrap();
        let mut tx = store.db().begin().await.unwrap();
        for statement in statements {
            tx.run(AssertSqlSafe(statement.clone()), vec![]).await.unwrap();
        }
        tx.commit().await.unwrap();
        store.close().await;
    });
}

/// Texts 9001, 9002… to the sample's people, one in each of these states; of use until 2100, or until 2000.
fn with_doubts(states: &[(&str, bool)]) -> tempfile::TempDir {
    let folder = installation();
    fs::write(folder.path().join("parents.csv"), include_bytes!("../../config/sample-parents.csv")).unwrap();
    fs::write(folder.path().join("now.toml"), CAMPAIGN).unwrap();
    ringround(folder.path(), &["import", "parents.csv"]);
    assert_eq!(ringround(folder.path(), &["campaign", "apply", "now.toml"]).code, 0);
    assert_eq!(ringround(folder.path(), &["campaign", "start", "now", "--yes-to", "33"]).code, 0);
    let mut statements = vec![
        "INSERT INTO bodies (id, body) VALUES (1, 'Ring 01632 960001')".to_owned(),
        "INSERT INTO broadcasts (id, campaign, step, local_time, pass, due_at, not_after, fate, filled_to, opened_at)
         VALUES (8000, 'now', 'opening', 'once', 1, 0, 0, 'filled', 0, 0)"
            .to_owned(),
    ];
    for (n, (state, in_time)) in states.iter().enumerate() {
        let not_after = if *in_time { 4_102_444_800_000_i64 } else { 946_684_800_000 };
        statements.push(format!(
            "INSERT INTO messages (id, contact_id, broadcast_id, campaign, list, body_id, parts, not_before, not_after,
               state, reason, attempts, epoch, absent, created_at, ask_at)
             SELECT {}, k.contact_id, 8000, 'now', 'send', 1, 1, 0, {not_after}, '{state}', 'nobody could say', 1, 1, 0,
               1643025600000, 4102444800000 FROM consents k WHERE k.standing = 'in' ORDER BY k.contact_id LIMIT 1 OFFSET {n}",
            9001 + n
        ));
    }
    sql(folder.path(), &statements);
    folder
}

fn json(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let said = ringround(folder, &[arguments, &["--json"]].concat());
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn states(folder: &Path) -> Value {
    json(folder, &["status"])[0]["states"].clone()
}

#[test]
fn doubts_are_shown_with_age_reason_and_masked_numbers() {
    let folder = with_doubts(&[("unresolved", true), ("unresolved", false), ("in_doubt", true), ("delivered", true)]);
    let list = ringround(folder.path(), &["doubts", "list"]);
    assert_eq!(list.code, 0, "{}", list.err);
    assert!(list.out.contains("  9001  +44•••••••") && list.out.contains("now/opening"), "{}", list.out);
    assert!(list.out.contains("unresolved for") && list.out.contains("since 2022-01-24 12:00Z"), "{}", list.out);
    assert!(list.out.contains("nobody could say") && list.out.contains("past its deadline"), "{}", list.out);
    assert!(list.out.contains("ringround doubts resolve NUMBER… --as"), "{}", list.out);
    for hidden in ["07700", "447700", "01632", "9004"] {
        assert!(!list.out.contains(hidden), "{hidden}: {}", list.out);
    }
    assert!(ringround(folder.path(), &["doubts", "list", "--reveal"]).out.contains("+447700900"));
    assert!(ringround(folder.path(), &["doubts", "list", "--texts", "--reveal"]).out.contains("Ring 01632 960001"));
    let lines = json(folder.path(), &["doubts", "list", "--campaign", "now"]);
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["id"], &lines[0]["state"]), (&9001.into(), &"unresolved".into()));
    assert_eq!((&lines[0]["can_be_sent_again"], &lines[1]["can_be_sent_again"]), (&true.into(), &false.into()));
    assert_eq!((&lines[2]["state"], &lines[0]["since"]), (&"in_doubt".into(), &"2022-01-24T12:00:00Z".into()));
    assert!(lines[0]["age_seconds"].as_i64().unwrap() > 0 && lines[0]["text"].is_null());
    assert_eq!(ringround(folder.path(), &["doubts", "list", "--campaign", "nowhere"]).code, 1);

    for command in [&["status"][..], &["campaign", "show", "now"]] {
        let words = ringround(folder.path(), command).out;
        assert!(words.contains("a person must decide: 2 texts, the oldest for"), "{command:?}: {words}");
        assert!(words.contains("still being settled: 1 text, the oldest for"), "{command:?}: {words}");
        let doubts = &json(folder.path(), command)[0]["doubts"];
        assert_eq!((&doubts["unresolved"], &doubts["in_doubt"]), (&2.into(), &1.into()));
        assert_eq!(doubts["oldest"], "2022-01-24T12:00:00Z");
    }
    let none = installation();
    assert_eq!(ringround(none.path(), &["doubts", "list"]).out, "No text is in doubt.\n");
    let clean = ringround(none.path(), &["status"]).out;
    assert!(!clean.contains("doubt"), "{clean}");
}

#[test]
fn a_person_decides_about_one_and_says_why() {
    let folder = with_doubts(&[("unresolved", true), ("unresolved", false), ("in_doubt", true), ("unresolved", true)]);
    let resolve = |rest: &[&str]| ringround(folder.path(), &[&["doubts", "resolve"], rest].concat());
    assert_eq!(resolve(&["9001", "--as", "arrived"]).code, 2, "without a reason nothing is decided");
    assert_eq!(resolve(&["9001", "--as", "arrived", "--why", ""]).code, 2);
    assert_eq!(resolve(&["--as", "arrived", "--why", "x"]).code, 2, "about which?");
    assert_eq!(resolve(&["9001", "--all", "--as", "arrived", "--why", "x"]).code, 2);
    let done = resolve(&["9001", "--as", "arrived", "--why", "rang them: they have it"]);
    assert_eq!((done.code, done.out.as_str()), (0, "1 text: counts as arrived.\n"), "{}", done.err);
    let again = resolve(&["9001", "--as", "drop", "--why", "x"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("text 9001 waits for nobody's decision"), "{}", again.err);
    let late = resolve(&["9002", "--as", "send-again", "--why", "x"]);
    assert_eq!(late.code, 1);
    assert!(late.err.contains("past its deadline") && late.err.contains("hint: decide --as"), "{}", late.err);
    let asked = resolve(&["9003", "--as", "drop", "--why", "x"]);
    assert_eq!(asked.code, 1);
    assert!(asked.err.contains("still in doubt"), "{}", asked.err);
    assert!(resolve(&["77", "--as", "drop", "--why", "x"]).err.contains("there is no text 77"));
    assert_eq!(resolve(&["9004", "--as", "send-again", "--why", "x"]).out, "1 text: is sent again.\n");
    let now = states(folder.path());
    assert_eq!((&now["accepted"], &now["queued"]), (&1.into(), &1.into()));
    assert_eq!((&now["unresolved"], &now["in_doubt"]), (&1.into(), &1.into()));

    let contacts = json(folder.path(), &["contacts", "list", "--reveal"]);
    let kept = contacts.iter().take(4).any(|contact| {
        let shown = json(folder.path(), &["contacts", "show", contact["number"].as_str().unwrap(), "--reveal"]);
        shown[0]["ledger"].as_array().unwrap().iter().any(|entry| {
            let by = entry["actor"].as_str().unwrap();
            entry["kind"] == "doubt_decided" && entry["source"] == "rang them: they have it" && by.starts_with("admin:")
        })
    });
    assert!(kept, "the ledger says who and why");
}

#[test]
fn a_decision_about_many_wants_their_number_said() {
    let folder = with_doubts(&[("unresolved", true), ("unresolved", false), ("in_doubt", true), ("unresolved", true)]);
    let all = ["doubts", "resolve", "--campaign", "now", "--as", "send-again", "--why", "nobody had it"];
    let silent = ringround(folder.path(), &all);
    assert_eq!(silent.code, 4);
    assert!(silent.err.contains("2 texts would be") && silent.err.contains("--yes-to 2"), "{}", silent.err);
    assert_eq!(ringround(folder.path(), &[&all[..], &["--yes-to", "400"]].concat()).code, 4);
    assert_eq!(states(folder.path())["unresolved"], 3, "nothing was decided");
    let done = ringround(folder.path(), &[&all[..], &["--yes-to", "2"]].concat());
    assert_eq!(done.code, 3, "one could not be decided so: {}", done.err);
    assert!(done.out.contains("2 texts are sent again.") && done.out.contains("9002"), "{}", done.out);
    let rest = ["doubts", "resolve", "--all", "--as", "drop", "--why", "too late", "--yes-to", "1"];
    let dropped = json(folder.path(), &rest);
    assert_eq!((&dropped[0]["doubts"], &dropped[0]["as"]), (&1.into(), &"drop".into()));
    let now = states(folder.path());
    assert_eq!((&now["queued"], &now["cancelled"], &now["unresolved"]), (&2.into(), &1.into(), &0.into()));
    let nothing = ringround(folder.path(), &rest);
    assert_eq!((nothing.code, nothing.out.as_str()), (0, "No text waits for a decision.\n"));
}

#[test]
fn who_left_is_never_sent_again() {
    let folder = with_doubts(&[("unresolved", true)]);
    sql(folder.path(), &["UPDATE consents SET standing = 'out'".to_owned()]);
    let refused = ringround(folder.path(), &["doubts", "resolve", "9001", "--as", "send-again", "--why", "x"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("somebody who has left"), "{}", refused.err);
    assert_eq!(states(folder.path())["unresolved"], 1);
}

#[test]
fn a_step_that_may_send_twice_is_said_beforehand() {
    let folder = installation();
    let check = |in_doubt: &str| {
        let source = CAMPAIGN.replace("[step.everyone]", &format!("in_doubt = \"{in_doubt}\"\n[step.everyone]"));
        fs::write(folder.path().join("now.toml"), source).unwrap();
        ringround(folder.path(), &["check", "now.toml"])
    };
    let held = check("hold");
    assert_eq!((held.code, held.out.contains("0 warnings")), (0, true), "{}", held.err);
    let resend = check("resend");
    assert_eq!(resend.code, 0);
    assert!(resend.err.contains("some people may get it twice"), "{}", resend.err);
    let wrong = check("retry");
    assert_eq!(wrong.code, 3);
    assert!(wrong.err.contains("is no policy") && wrong.err.contains("in_doubt = \"hold\""), "{}", wrong.err);
    check("resend");
    assert_eq!(ringround(folder.path(), &["campaign", "apply", "now.toml"]).code, 0);
    let plan = ["plan", "now", "--from", "2030-01-24T09:00"];
    let words = ringround(folder.path(), &plan).out;
    assert!(words.contains("some people may get it twice"), "{words}");
    assert_eq!(json(folder.path(), &plan)[0]["occurrences"][0]["in_doubt"], "resend");
}

/// Nobody reads a log at noon: what was not sent, and what nobody has read, stands in `status`.
#[test]
fn what_was_missed_and_what_is_unread_stand_in_status() {
    let folder = with_doubts(&[]);
    let now = Clock::System.now().as_millisecond();
    let missed = |id: u32, hours: i64| {
        let due = now - hours * 3_600_000;
        format!(
            "INSERT INTO broadcasts (id, campaign, step, local_time, pass, due_at, not_after, fate, reason, filled_to, opened_at)
             VALUES ({id}, 'now', 'opening', '{id}', 1, {due}, {now}, 'missed', 'noticed more than an hour late', 0, {now})"
        )
    };
    let unread = format!(
        "INSERT INTO inbounds (id, gateway, gateway_id, contact_id, sender, body, meaning, needs_person, received_at)
         SELECT 7000, 'g', '1', id, phone, 'stopp', 'may be stop', TRUE, {} FROM contacts ORDER BY id LIMIT 1",
        now - 3 * 3_600_000 - 1000
    );
    sql(folder.path(), &[missed(8001, 3), missed(8002, 2), missed(8003, 24 * 8), unread]);
    let said = ringround(folder.path(), &["status"]).out;
    assert!(said.contains("not sent: opening of now, 2 times this week, the last one due"), "{said}");
    assert!(said.contains("alarm: 1 text that may mean STOP waits to be read, for 3 hours now"), "{said}");
    let told = &json(folder.path(), &["status"])[0];
    assert_eq!((&told["unread"], &told["held"]), (&1.into(), &1.into()));
    assert_eq!(told["not_sent"].as_array().unwrap().len(), 1);
}

/// The file for phoning: who is in it, why, and that nothing of it stands anywhere else.
#[test]
fn whom_a_campaign_has_not_reached_is_a_file_for_phoning() {
    let early = with_doubts(&[]);
    sql(early.path(), &["DELETE FROM broadcasts".to_owned()]);
    let nothing = ringround(early.path(), &["campaign", "not-reached", "now", "ring.csv"]);
    assert!(nothing.code == 1 && nothing.err.contains("nothing of now has been due yet"), "{}", nothing.err);
    assert!(!early.path().join("ring.csv").exists());

    let states = ["delivered", "delivered", "accepted", "undelivered", "rejected", "unresolved", "in_doubt", "expired"];
    let folder = with_doubts(&states.map(|state| (state, true)));
    let nth = |n: u8| {
        format!("(SELECT contact_id FROM consents WHERE standing = 'in' ORDER BY contact_id LIMIT 1 OFFSET {n})")
    };
    sql(
        folder.path(),
        &[
            format!("UPDATE contacts SET held_for = 'their text may mean STOP' WHERE id = {}", nth(1)),
            format!("INSERT INTO dones (contact_id, campaign, at) VALUES ({}, 'now', 0)", nth(9)),
            format!("UPDATE contacts SET name = '=cmd()' WHERE id = {}", nth(3)),
        ],
    );
    let said = ringround(folder.path(), &["campaign", "not-reached", "now", "ring.csv"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.starts_with("31 of 33 people were not reached by now."), "{}", said.out);
    assert!(said.out.contains("     2  nobody knows whether it arrived (ringround doubts)"), "{}", said.out);
    assert!(said.out.contains("    24  no text was for them") && !said.out.contains("900"), "{}", said.out);
    let file = folder.path().join("ring.csv");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let rows = fs::read_to_string(&file).unwrap();
    assert_eq!(rows.lines().count(), 32);
    assert!(rows.contains("\r\n07700 900104,'=cmd(),"), "no formula runs: {rows}");
    assert!(rows.contains(",it did not arrive: nobody could say,opening,"), "{rows}");
    assert!(
        rows.contains(",\"held: what they wrote may mean STOP, and nobody has read it (ringround inbox)\","),
        "{rows}"
    );
    let again = ringround(folder.path(), &["campaign", "not-reached", "now", "ring.csv"]);
    assert!(again.code == 1 && again.err.contains("is there already"), "{}", again.err);
    let told = &json(folder.path(), &["campaign", "not-reached", "now", "other.csv"])[0];
    assert_eq!(
        (&told["people"], &told["not_reached"], &told["why"]["it did not arrive"]),
        (&33.into(), &31.into(), &1.into())
    );
}

/// The page to hand upwards: everything in numbers, nobody in it.
#[test]
fn what_a_campaign_came_to_is_one_page_without_anybody_s_number() {
    let states = ["delivered", "delivered", "accepted", "undelivered", "rejected", "unresolved", "expired"];
    let folder = with_doubts(&states.map(|state| (state, true)));
    // Due at the epoch: one arrived within a minute, one within the hour.
    let nth = |n: u32| 9001 + n;
    sql(
        folder.path(),
        &[
            format!("UPDATE messages SET ended_at = 59000 WHERE id = {}", nth(0)),
            format!("UPDATE messages SET ended_at = 3599000 WHERE id = {}", nth(1)),
            "INSERT INTO passed_over (broadcast_id, reason, people) VALUES (8000, 'said DONE', 4)".to_owned(),
        ],
    );
    let said = ringround(folder.path(), &["campaign", "report", "now", "--csv", "report.csv"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("7 people were sent something, 2 of them have at least one text"), "{}", said.out);
    assert!(said.out.contains("33 people can be texted now"), "{}", said.out);
    assert!(
        said.out.contains("1  undelivered: nobody could say") && said.out.contains("ringround doubts resolve"),
        "{}",
        said.out
    );
    let rows = fs::read_to_string(folder.path().join("report.csv")).unwrap();
    let wanted = "1970-01-01 01:00,opening,2,1,1,1,1,0,1,1,1,2,4,4,\r\n";
    assert!(rows.ends_with(wanted), "{rows}");
    for text in [&said.out, &rows] {
        assert!(!text.contains("7700") && !text.contains("Mr "), "{text}");
    }
    let told = &json(folder.path(), &["campaign", "report", "now"])[0];
    assert_eq!((&told["steps"][0]["delivered_within_minutes"]["60"], &told["parts"]), (&2.into(), &4.into()));
    let reached: i64 = told["groups"].as_array().unwrap().iter().map(|group| group["reached"].as_i64().unwrap()).sum();
    assert_eq!(reached, 2);
    let again = ringround(folder.path(), &["campaign", "report", "now", "--csv", "report.csv"]);
    assert!(again.code == 1 && again.err.contains("is there already"), "{}", again.err);
}
