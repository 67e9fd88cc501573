//! Doubts at a gateway that can't be asked: what the step says, or a person through the running service.

use crate::run::service::Installation;
use crate::run::sink::{Manner, Sink};
use ringround::clock::Clock;
use serde_json::Value;
use std::fs;

/// The recording gateway under a profile of the lowest class, and a running campaign whose first texts get no answer.
fn first_answers_lost(sink: &Sink, in_doubt: &str) -> (Installation, crate::run::service::Service) {
    let installation = Installation::new(sink);
    let profile = include_str!("../../config/gateways/gov-uk-notify.toml").replace("class = \"B\"", "class = \"D\"");
    fs::write(installation.path().join("mute.toml"), profile.replace("name = \"gov-uk-notify\"", "name = \"mute\""))
        .unwrap();
    let settings = installation.path().join("config/ringround.toml");
    let mute = fs::read_to_string(&settings).unwrap().replace("\"gov-uk-notify\"", "\"mute.toml\"");
    fs::write(settings, mute).unwrap();
    let service = installation.start();
    let local = Clock::System.now().strftime("%Y-%m-%dT%H:%M:%S");
    let campaign = format!(
        "schema = 1\nid = \"now\"\ntitle = \"t\"\nlist = \"send\"\ntimezone = \"Etc/UTC\"\nquiet = \"none\"\n\
         [milestones]\nbegins = {local}\n[[step]]\nid = \"only\"\nat = \"begins\"\nnot_after = \"begins + 2h\"\n\
         in_doubt = \"{in_doubt}\"\n[step.everyone]\nen = \"Dudley SEND: the survey is open. Ring 01632 960001\"\n"
    );
    fs::write(installation.path().join("now.toml"), campaign).unwrap();
    installation.ok(&["campaign", "apply", "now.toml"]);
    installation.ok(&["campaign", "start", "now", "--yes-to", "33"]);
    sink.until_requests(1);
    sink.set(Manner::Accept);
    (installation, service)
}

fn ledger_of_decisions(installation: &Installation) -> Vec<Value> {
    let contacts = installation.ok(&["contacts", "list", "--reveal", "--json"]);
    let mut decisions = Vec::new();
    for line in contacts.lines().take(6) {
        let contact: Value = serde_json::from_str(line).unwrap();
        let number = contact["number"].as_str().unwrap().to_owned();
        let shown = installation.ok(&["contacts", "show", &number, "--reveal", "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let entries = shown["ledger"].as_array().unwrap().iter();
        decisions.extend(entries.filter(|entry| entry["kind"] == "doubt_decided").cloned());
    }
    decisions
}

#[test]
fn where_nobody_can_be_asked_a_person_decides_through_the_service() {
    let sink = Sink::start(Manner::TakeAndHangUp);
    let (installation, service) = first_answers_lost(&sink, "hold");
    installation.until("the rest is taken", |i| i.count("accepted") + i.count("unresolved") == 33);
    let lost = installation.count("unresolved");
    assert!((1..=4).contains(&lost), "no more than were in flight: {lost}");
    assert_eq!(sink.taken().len(), 33, "nothing is sent again by itself");
    let list = installation.ok(&["doubts", "list"]);
    assert!(list.contains("this gateway can't be asked, and no report has come: a person must decide"), "{list}");

    let silent = installation.run(&["doubts", "resolve", "--all", "--as", "send-again", "--why", "none had it"]);
    assert_eq!(silent.status.code(), Some(4));
    let (yes, why) = (lost.to_string(), ["--why", "none of them had it"]);
    let all = ["doubts", "resolve", "--all", "--as", "send-again", "--yes-to", &yes];
    installation.ok(&[&all[..], &why].concat());
    installation.until("they are sent again", |i| i.count("accepted") == 33);
    assert_eq!(i64::try_from(sink.taken().len()).unwrap(), 33 + lost, "each of them once, at once");
    let decisions = ledger_of_decisions(&installation);
    assert_eq!(i64::try_from(decisions.len()).unwrap(), lost);
    assert_eq!(decisions[0]["source"], "none of them had it");
    assert!(decisions[0]["actor"].as_str().unwrap().starts_with("admin:"));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn where_the_step_says_so_it_is_sent_once_more_and_the_ledger_names_the_step() {
    let sink = Sink::start(Manner::TakeAndHangUp);
    let (installation, service) = first_answers_lost(&sink, "resend");
    installation.until("all taken", |i| i.count("accepted") == 33);
    let again = sink.taken().len() - 33;
    assert!((1..=4).contains(&again), "{again}");
    assert_eq!(sink.twice().len(), again, "under the same reference, once more and no more");
    let decisions = ledger_of_decisions(&installation);
    assert_eq!(decisions.len(), again);
    assert!(decisions.iter().all(|entry| entry["actor"] == "policy:now/only"), "{decisions:?}");
    assert_eq!(service.stop(), Some(0));
}
