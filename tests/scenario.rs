//! The notice's two weeks on the virtual clock: every text that every parent gets and writes, as a reviewed snapshot, the
//! same on both engines.

#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ringround::app::story::{self, Told};
use ringround::domain::message::State;
use std::collections::BTreeMap;
use std::fmt::Write;
use support::World;

async fn told(world: &World) -> Told {
    story::tell(world.second().await, 2022, None, |_| {}).await.unwrap()
}

/// All conversations, by number, in order of time.
fn conversations(told: &Told) -> String {
    let mut lines: BTreeMap<String, Vec<(jiff::Timestamp, String)>> = BTreeMap::new();
    for entry in told.world.book() {
        lines.entry(entry.to).or_default().push((entry.handed_at, format!("→ {}", entry.text)));
    }
    for written in told.world.written() {
        lines.entry(written.from).or_default().push((written.at, format!("← {}", written.text)));
    }
    let mut out = String::new();
    for (number, mut said) in lines {
        said.sort();
        writeln!(out, "{number}").unwrap();
        for (at, text) in said {
            writeln!(out, "  {} {text}", told.campaign.local(at).strftime("%a %d %b %H:%M")).unwrap();
        }
    }
    out
}

async fn every_text_of_the_two_weeks(world: &World) {
    let told = told(world).await;
    insta::allow_duplicates! { insta::assert_snapshot!("two_weeks", conversations(&told)); }
}

async fn nothing_of_the_survey_comes_after_noon_and_nobody_without_internet_gets_a_link(world: &World) {
    let told = told(world).await;
    let noon = "2022-01-28T12:00:00Z".parse().unwrap();
    let book = told.world.book();
    assert!(book.len() > 200);
    for entry in &book {
        let of_the_survey = entry.text.contains("survey.example.gov.uk") || entry.text.contains("your views");
        assert!(!of_the_survey || entry.received_at < noon, "{} at {}", entry.text, entry.received_at);
        let hour = told.campaign.local(entry.handed_at).hour();
        assert!(
            (8..21).contains(&hour) || entry.text.contains("joined") || entry.text.contains("no links"),
            "quiet hours"
        );
    }
    for number in ["111", "112", "113", "115", "118", "140", "143"] {
        let to = format!("+447700900{number}");
        let texts: Vec<_> = book.iter().filter(|e| e.to == to).collect();
        assert!(!texts.is_empty() && texts.iter().all(|e| !e.text.contains("https://")), "{number}");
    }
}

async fn each_message_has_an_end_and_each_promise_holds(world: &World) {
    let told = told(world).await;
    assert!(told.account.holds(), "{:?}", told.account);
    for open in [State::Held, State::Queued, State::Submitting, State::InDoubt, State::Unresolved] {
        assert_eq!(told.account.counts.of(open), 0, "{open}");
    }
    let faults = told.world.faults();
    assert!(!faults.lost_answers.is_empty() && faults.late_reports > 0 && faults.repeated_reports > 0);
    assert!(faults.refused_connections > 0 && faults.refused_connections < 70, "27 minutes: in flight, and 25 in ten");
}

support::both_engines! {
    every_text_of_the_two_weeks,
    nothing_of_the_survey_comes_after_noon_and_nobody_without_internet_gets_a_link,
    each_message_has_an_end_and_each_promise_holds,
}
