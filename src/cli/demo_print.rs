//! The telling of the demo's story: what was loaded, what left when, how it looked on some phones, what was not sent and
//! why, what it cost, and the account at the end.

use super::Failure;
use super::print::{people, table};
use crate::app::account::{Account, masked};
use crate::app::story::{SHOWN, Told};
use crate::domain::ids::Id;
use crate::domain::message::State;
use crate::domain::phone::Phone;
use crate::engine::admit::Verdict;
use crate::engine::choose::Pass;
use crate::store::{BroadcastRow, Counts};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;

/// Columns of the terminal that a text is wrapped at.
const WIDTH: usize = 64;

pub(super) fn opening() {
    println!(
        "\nringround demo. Nothing leaves this computer: gateway and phones are simulated, the people are invented.\n\n  \
         A council has four days to hear from parents of children with special needs: a survey from Monday\n  \
         noon to Friday noon, a meeting by phone the week after. Some parents have no internet. This is what\n  \
         ringround does for them in two weeks, told from its own database and from the phones' own book.\n"
    );
}

pub(super) async fn story(told: &Told) -> Result<(), Failure> {
    spreadsheet(told);
    calendar(told).await?;
    phones(told);
    not_sent(told).await?;
    Ok(())
}

fn heading(text: &str) {
    println!("\n── {text} {}\n", "─".repeat(96_usize.saturating_sub(text.chars().count())));
}

fn spreadsheet(told: &Told) {
    heading("Monday 17 January: the admin loads a spreadsheet, as Excel left it");
    let report = &told.import;
    let of = |verdict| report.of(verdict);
    println!(
        "  {} rows: {} with proof of consent, {} without (never texted), {} twice in the file, {} refused:",
        report.rows,
        of(Verdict::New),
        of(Verdict::NewPending),
        report.duplicates + report.other_names,
        report.refused
    );
    for problem in &report.problems {
        println!("    row {:>2}  {:<24} {}", problem.line, problem.value, problem.message);
        println!("            {:<24} → {}", "", problem.advice);
    }
}

/// One line of the calendar.
type Line = (Timestamp, String);

async fn calendar(told: &Told) -> Result<(), Failure> {
    heading("What left when");
    let mut lines: Vec<Line> = Vec::new();
    for (from, until) in told.world.outages() {
        let minutes = until.duration_since(from).as_mins();
        lines.push((from, format!("  ✗   the gateway goes down for {minutes} minutes (on purpose)")));
        lines.push((until, "  ✓   the gateway is back; what waited leaves now, once".to_owned()));
    }
    for written in told.world.written() {
        let meaning = told.desk.store.inbound_meaning("simulated", &written.gateway_id).await?.unwrap_or_default();
        lines.push((
            written.at,
            format!("  ←   {}  “{}”{}", masked(&written.from), written.text.trim(), understood(&meaning)),
        ));
    }
    let book = told.world.book();
    for (at, reference) in told.world.faults().lost_answers {
        let to =
            book.iter().find(|entry| entry.reference == reference).map_or_else(String::new, |entry| masked(&entry.to));
        lines.push((at, format!("  ?   the answer to a text to {to} got lost: in doubt, asked about, not sent again")));
    }
    let left = departures(told).await?;
    for broadcast in told.desk.store.broadcasts(&told.campaign.id).await? {
        let counts = told.desk.store.broadcast_counts(broadcast.id).await?;
        let at = left.get(&broadcast.id).map_or(broadcast.occurrence.due_at, |(first, _)| *first);
        lines.push((at, departure(&broadcast, &counts, left.get(&broadcast.id), &told.campaign.zone)));
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut day = String::new();
    for (at, line) in lines {
        let local = told.campaign.local(at);
        let today = local.strftime("%a %-d %b").to_string();
        let shown = if today == day { String::new() } else { today.clone() };
        println!("  {shown:<10}  {} {line}", local.strftime("%H:%M"));
        day = today;
    }
    Ok(())
}

/// What was made of an inbound text, for the calendar.
fn understood(meaning: &str) -> &'static str {
    match meaning {
        "stop" => "  → left; nothing more is sent",
        "join" => "  → joined",
        "help" => "  → help sent",
        "done" => "  → no more reminders",
        "phone" => "  → from now on numbers to ring",
        "web" => "  → from now on links",
        "may be stop" => "  → held until a person has read it",
        "nearly join" => "  → told the word",
        "empty" => "  → help sent",
        "no number" => "  → no phone: kept, not answered",
        _ => "  → kept for a person to read",
    }
}

/// First and last instant at which texts of a broadcast reached the gateway.
async fn departures(told: &Told) -> Result<BTreeMap<Id, (Timestamp, Timestamp)>, Failure> {
    let mint = told.desk.store.identity().mint();
    let broadcasts: BTreeMap<Id, Id> =
        told.desk.store.ledger().await?.iter().filter_map(|line| Some((line.message, line.broadcast?))).collect();
    let mut left: BTreeMap<Id, (Timestamp, Timestamp)> = BTreeMap::new();
    for entry in told.world.book() {
        let broadcast = mint.message(&entry.reference).and_then(|message| broadcasts.get(&message));
        if let Some(broadcast) = broadcast {
            let (first, last) = left.entry(*broadcast).or_insert((entry.handed_at, entry.handed_at));
            (*first, *last) = ((*first).min(entry.handed_at), (*last).max(entry.handed_at));
        }
    }
    Ok(left)
}

fn departure(
    broadcast: &BroadcastRow,
    counts: &Counts,
    left: Option<&(Timestamp, Timestamp)>,
    zone: &TimeZone,
) -> String {
    let step = &broadcast.occurrence.step;
    if let Some(reason) = &broadcast.reason {
        return format!("  ✗   {step}: not sent, {reason}");
    }
    let time = |at: &Timestamp| zone.to_datetime(*at).strftime("%H:%M:%S").to_string();
    let when = left.map_or_else(String::new, |(first, last)| {
        let due = broadcast.occurrence.due_at;
        let late = first.duration_since(due) > SignedDuration::from_secs(60);
        let late = if late { format!(" (due {})", zone.to_datetime(due).strftime("%H:%M")) } else { String::new() };
        format!(" until {}{late}", time(last))
    });
    let ends: Vec<String> = State::ALL
        .into_iter()
        .filter(|state| counts.of(*state) > 0)
        .map(|state| format!("{} {}", counts.of(state), in_words(state)))
        .collect();
    format!("  →   {step}: {} texts{when}: {}", counts.total(), ends.join(", "))
}

fn in_words(state: State) -> &'static str {
    match state {
        State::Accepted => "taken, never reported",
        State::Rejected => "refused by the gateway",
        State::Cancelled => "withdrawn (STOP)",
        other => other.as_str(),
    }
}

/// Some phones, with what stood on their screens.
fn phones(told: &Told) {
    heading("As it looked on some phones");
    let (book, written) = (told.world.book(), told.world.written());
    for (number, why) in SHOWN {
        println!("  {}  {why}", masked(number));
        let received = book.iter().filter(|e| e.to == *number).map(|e| (e.received_at, false, e.text.as_str()));
        let wrote = written.iter().filter(|w| w.from == *number).map(|w| (w.at, true, w.text.as_str()));
        let mut all: Vec<(Timestamp, bool, &str)> = received.chain(wrote).collect();
        all.sort();
        for (at, theirs, text) in all {
            let stamp = told.campaign.local(at).strftime("%a %H:%M").to_string();
            for (i, line) in wrapped(text).into_iter().enumerate() {
                let stamp = if i == 0 { stamp.as_str() } else { "" };
                if theirs {
                    println!("    {stamp:<9}  {line:>WIDTH$} ▐");
                } else {
                    println!("    {stamp:<9}▌ {line}");
                }
            }
        }
        println!();
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

async fn not_sent(told: &Told) -> Result<(), Failure> {
    heading("What was not sent, and why");
    let store = &told.desk.store;
    let mut reasons: BTreeMap<String, (i64, String)> = BTreeMap::new();
    for broadcast in store.broadcasts(&told.campaign.id).await? {
        let passed = store.passed_over(broadcast.id).await?;
        for (reason, count) in passed.into_iter().filter(|(reason, _)| reason != Pass::OtherAudience.as_str()) {
            let (people, steps) = reasons.entry(reason).or_default();
            *people += count;
            if !steps.contains(&broadcast.occurrence.step) {
                steps.push_str(if steps.is_empty() { "" } else { ", " });
                steps.push_str(&broadcast.occurrence.step);
            }
        }
    }
    for (reason, (count, steps)) in reasons {
        println!("  {count:>4} texts  {reason:<40} {steps}");
    }
    let waiting = store.inbounds(true, 100).await?;
    println!("\n  Texts that a person has to read (ringround inbox):");
    for text in waiting.iter().rev() {
        let from = text.from.as_ref().map_or_else(|| "a short code".to_owned(), Phone::masked);
        println!("    {from}  “{}”", text.body.trim());
    }
    Ok(())
}

/// The account, what it cost, and where to look further.
pub(super) fn closing(told: &Told, config: &Path, sabotaged: bool) {
    let account = &told.account;
    heading("The account");
    let rows = State::ALL
        .into_iter()
        .filter(|state| account.counts.of(*state) > 0)
        .map(|state| vec![account.counts.of(state).to_string(), in_words(state).to_owned()])
        .chain([vec![
            account.counts.total().to_string(),
            "messages in all: every one has an end and a reason".to_owned(),
        ]])
        .collect();
    println!("{}", table(&["", ""], &[0], rows).trim_start_matches('\n'));
    let price = told.desk.settings.gateway.price_per_part;
    let parts = u64::try_from(account.counts.parts).unwrap_or(0);
    let faults = told.world.faults();
    println!(
        "\n  {} of {} joined. {parts} parts at {} each: {} {}.",
        account.opted_in,
        people(u64::try_from(account.contacts).unwrap_or(0)),
        told.desk.settings.gateway.price_text(),
        price.times(parts),
        told.desk.settings.gateway.currency
    );
    println!(
        "  The gateway saw {} requests, lost {} answers, refused {} connections while it was down; of its reports {}\n  \
         came hours late, {} twice, {} never.",
        faults.requests,
        faults.lost_answers.len(),
        faults.refused_connections,
        faults.late_reports,
        faults.repeated_reports,
        faults.missing_reports
    );
    judged(account, sabotaged);
    println!(
        "\n  Look for yourself:\n    cargo run -- --config {0} status\n    cargo run -- --config {0} contacts show 121 --reveal\n    \
         cargo run -- --config {0} inbox",
        config.display()
    );
}

fn judged(account: &Account, sabotaged: bool) {
    println!("\n  Counted from the phones' own book, not from ringround's:");
    let said = ["texts that arrived twice", "texts after their deadline", "texts after STOP", "texts without consent"];
    for ((_, count), said) in account.broken().iter().zip(said) {
        println!("  {count:>4}  {said}");
    }
    match (account.holds(), sabotaged) {
        (true, _) => println!("\n  Every promise was kept."),
        (false, true) => println!("\n  A rule was broken on purpose, and the account says so."),
        (false, false) => println!("\n  A PROMISE WAS BROKEN. Please report the seed."),
    }
}
