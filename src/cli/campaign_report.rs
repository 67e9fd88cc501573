//! `ringround campaign report`: what a campaign came to, to hand upwards. No number and no name is in it.

use super::setting::Setting;
use super::voice::say;
use super::{Done, Failure, print};
use crate::app::desk::Desk;
use crate::config::read_campaign;
use crate::domain::message::State;
use crate::store::{CampaignRow, Counts, Doubts, Group, StoreError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::path::Path;

/// Reasons that are named; the others are few.
const REASONS: i64 = 10;

/// One firing of a step.
struct Line {
    step: String,
    due: Timestamp,
    counts: Counts,
    within: [i64; 3],
    nothing: Vec<(String, i64)>,
    missed: Option<String>,
}

/// All that is in it.
struct Report {
    title: String,
    zone: TimeZone,
    on_list: u64,
    joined: i64,
    left: i64,
    lines: Vec<Line>,
    groups: Vec<Group>,
    failures: Vec<(String, String, i64)>,
    doubts: Doubts,
    parts: u64,
    cost: String,
}

pub(super) async fn run(setting: &Setting, desk: &Desk, row: &CampaignRow, csv: Option<&Path>) -> Done {
    let report = gather(desk, row).await?;
    if let Some(path) = csv {
        write_csv(&report, path).map_err(|error| {
            let shown = path.display();
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                Failure::new(1, format!("{shown} is there already"), "name a new file, or take that one away first")
            } else {
                Failure::new(1, format!("{shown} can't be written: {error}"), "look at who may write there")
            }
        })?;
    }
    if setting.json {
        say!("{}", in_json(row, &report));
    } else {
        in_words(row, &report, desk.clock.now());
    }
    Ok(0)
}

async fn gather(desk: &Desk, row: &CampaignRow) -> Result<Report, StoreError> {
    let (store, campaign) = (&desk.store, read_campaign(&row.source).0);
    let mut lines = Vec::new();
    for broadcast in store.broadcasts(&row.id).await? {
        let due = broadcast.occurrence.due_at;
        lines.push(Line {
            step: broadcast.occurrence.step,
            due,
            counts: store.broadcast_counts(broadcast.id).await?,
            within: store.delivered_within(broadcast.id, due).await?,
            nothing: store.passed_over(broadcast.id).await?,
            missed: broadcast.reason,
        });
    }
    let now = desk.clock.now();
    let began = lines.iter().map(|line| line.due).min().unwrap_or(now);
    let (joined, left) = store.came_and_went(&row.list, began, now).await?;
    let parts = u64::try_from(store.counts(Some(&row.id)).await?.parts).unwrap_or(0);
    let gateway = &desk.settings.gateway;
    Ok(Report {
        title: campaign.as_ref().map_or_else(String::new, |campaign| campaign.title.clone()),
        zone: campaign.map_or(TimeZone::UTC, |campaign| campaign.zone),
        on_list: u64::try_from(store.textable(&row.list).await?).unwrap_or(0),
        joined,
        left,
        lines,
        groups: store.groups(&row.id).await?,
        failures: store.failures(&row.id, REASONS).await?,
        doubts: store.doubts_open(Some(&row.id)).await?,
        parts,
        cost: format!("{} {}", gateway.price_per_part.times(parts), gateway.currency),
    })
}

/// Columns of the table and of the file, and how they are counted.
const COLUMNS: [(&str, &[State]); 7] = [
    ("arrived", &[State::Delivered]),
    ("no report", &[State::Accepted]),
    ("not arrived", &[State::Undelivered]),
    ("refused", &[State::Rejected]),
    ("too late", &[State::Expired]),
    ("withdrawn", &[State::Cancelled]),
    ("nobody knows", &[State::InDoubt, State::Unresolved]),
];

fn count(line: &Line, states: &[State]) -> i64 {
    states.iter().map(|state| line.counts.of(*state)).sum()
}

fn in_words(row: &CampaignRow, report: &Report, now: Timestamp) {
    say!("{}: {}", row.id, report.title);
    say!("as of {}, {} campaign\n", print::local(now, &report.zone), row.state.as_str());
    let (people, reached) = report.groups.iter().fold((0, 0), |(p, r), group| (p + group.people, r + group.reached));
    say!("  {people} people were sent something, {reached} of them have at least one text by its delivery report.");
    say!(
        "  {} can be texted now; {} joined and {} left since it began.",
        print::people(report.on_list),
        report.joined,
        report.left
    );
    say!("  {} parts, {}.\n", report.parts, report.cost);
    let heading: Vec<&str> =
        ["due", "step"].into_iter().chain(COLUMNS.iter().map(|(name, _)| *name)).chain(["in 5 min"]).collect();
    let rows = report.lines.iter().map(|line| {
        let counts = COLUMNS.iter().map(|(_, states)| count(line, states).to_string());
        let delivered = line.counts.of(State::Delivered);
        let fast = if delivered == 0 { "-".to_owned() } else { format!("{} %", 100 * line.within[1] / delivered) };
        [print::local(line.due, &report.zone), line.step.clone()].into_iter().chain(counts).chain([fast]).collect()
    });
    say!("{}", print::table(&heading, &[2, 3, 4, 5, 6, 7, 8, 9], rows.collect()));
    for line in report.lines.iter().filter_map(|line| line.missed.as_ref().map(|why| (line, why))) {
        say!("  {} of {} was missed: {}", line.0.step, print::local(line.0.due, &report.zone), line.1);
    }
    say!("");
    let rows = report.groups.iter().map(|group| {
        let language = group.language.clone().unwrap_or_else(|| "not said".to_owned());
        vec![group.internet.clone(), language, group.people.to_string(), group.reached.to_string()]
    });
    say!("{}", print::table(&["internet", "language", "people", "reached"], &[2, 3], rows.collect()));
    for (state, reason, texts) in &report.failures {
        say!("  {texts:>6}  {state}: {}", if reason.is_empty() { "no reason is known" } else { reason });
    }
    for line in print::doubts(&report.doubts, now) {
        say!("  {line}: ringround doubts resolve --campaign {}", row.id);
    }
}

fn in_json(row: &CampaignRow, report: &Report) -> Value {
    let line = |line: &Line| {
        json!({
            "step": line.step, "due": print::rfc3339(line.due), "local": print::local_json(line.due, &report.zone),
            "states": print::states(&line.counts), "delivered_within_minutes": {"1": line.within[0], "5": line.within[1], "60": line.within[2]},
            "nothing": line.nothing.iter().map(|(reason, people)| json!({"reason": reason, "people": people})).collect::<Vec<_>>(),
            "missed": line.missed,
        })
    };
    let group = |group: &Group| json!({"internet": group.internet, "language": group.language, "people": group.people, "reached": group.reached});
    let failure =
        |(state, reason, texts): &(String, String, i64)| json!({"state": state, "reason": reason, "texts": texts});
    json!({
        "format": "ringround.report/1", "campaign": row.id, "title": report.title, "state": row.state.as_str(),
        "on_list": report.on_list, "joined": report.joined, "left": report.left, "parts": report.parts, "cost": report.cost,
        "steps": report.lines.iter().map(line).collect::<Vec<_>>(), "groups": report.groups.iter().map(group).collect::<Vec<_>>(),
        "failures": report.failures.iter().map(failure).collect::<Vec<_>>(), "doubts": print::doubts_json(&report.doubts),
    })
}

/// One row for each firing, as a spreadsheet.
fn write_csv(report: &Report, path: &Path) -> std::io::Result<()> {
    let rows = report.lines.iter().map(|line| {
        let due = report.zone.to_datetime(line.due).strftime("%Y-%m-%d %H:%M").to_string();
        let counts = COLUMNS.iter().map(|(_, states)| count(line, states).to_string());
        let nothing: i64 = line.nothing.iter().map(|(_, people)| people).sum();
        let fast = line.within.iter().map(i64::to_string);
        let last = [nothing.to_string(), line.counts.parts.to_string(), line.missed.clone().unwrap_or_default()];
        [due, line.step.clone()].into_iter().chain(counts).chain(fast).chain(last).collect::<Vec<String>>()
    });
    let counted = COLUMNS.iter().map(|(name, _)| *name);
    let headings = ["due", "step"]
        .into_iter()
        .chain(counted)
        .chain(["arrived in 1 min", "arrived in 5 min", "arrived in 60 min", "got nothing", "parts", "missed"]);
    crate::app::export::table(path, headings, rows)
}
