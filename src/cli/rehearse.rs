//! `ringround rehearse`: the whole calendar with the real list, on the virtual clock, in seconds. Nothing leaves.

use super::setting::Setting;
use super::voice::say;
use super::{Done, FOUND_PROBLEMS, Failure, campaign, print};
use crate::app::rehearsal::{Played, RehearsalError, Rehearsed, rehearse};
use crate::clock::random_seed;
use crate::config::read_campaign;
use crate::domain::campaign::Campaign;
use crate::domain::phone::Phone;
use crate::engine::plan;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Arguments of `rehearse`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The campaign's id
    id: String,
    /// When the rehearsal begins, a wall-clock time in the campaign's zone: 2022-01-24T09:00 [default: now, or an hour before
    /// the first step of a campaign that is over]
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime>,
    /// Show every text that this number gets
    #[arg(long, value_name = "NUMBER")]
    person: Option<String>,
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let desk = setting.desk().await?;
    let row = campaign::find(&desk, &args.id).await?;
    let Some(campaign) = read_campaign(&row.source).0 else {
        return Err(Failure::new(1, "this campaign can't be read", "apply its file again"));
    };
    let person = match args.person {
        Some(number) => Some(
            Phone::parse(&number, &desk.settings.phone_rules)
                .map_err(|problem| Failure::new(2, format!("--person: {problem}"), problem.advice()))?,
        ),
        None => None,
    };
    let begin = begin(&campaign, args.from, desk.clock.now())?;
    let seed = random_seed().map_err(|e| Failure::new(1, format!("no random numbers: {e}"), ""))?;
    let rehearsed =
        rehearse(&desk.store, &desk.settings, &row.source, begin, seed).await.map_err(|error| match error {
            RehearsalError::Store(error) => Failure::from(error),
            RehearsalError::Io(_) => Failure::new(1, error.to_string(), "make room in the folder for temporary files"),
            RehearsalError::Unfit => Failure::new(1, error.to_string(), "mend it, and apply it again"),
        })?;
    let missing = rehearsed.steps.iter().any(|step| step.lost > 0 || step.missed.is_some());
    if setting.json {
        say!("{}", in_json(&rehearsed, person.as_ref()));
    } else {
        in_words(&rehearsed, person.as_ref());
    }
    Ok(if missing { FOUND_PROBLEMS } else { 0 })
}

fn begin(campaign: &Campaign, from: Option<DateTime>, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Some(local) = from {
        return local.to_zoned_datetime(campaign.zone.clone()).map(|zoned| zoned.timestamp()).map_err(|_| {
            Failure::new(2, format!("{local} can't be a time in {}", campaign.zone_name), "choose another --from")
        });
    }
    if plan::next_due(campaign, now).is_some() {
        return Ok(now);
    }
    let first = plan::next_due(campaign, Timestamp::MIN).unwrap_or(now);
    Ok(first.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(first))
}

fn in_words(rehearsed: &Rehearsed, person: Option<&Phone>) {
    let zone = &rehearsed.campaign.zone;
    say!(
        "{}: rehearsed from {} with {} who may be texted. Nothing has left this computer.\n",
        rehearsed.campaign.id,
        print::local(rehearsed.span.0, zone),
        print::people(rehearsed.people)
    );
    let left = |step: &Played| match step.left {
        Some((first, last)) => (print::local(first, zone), print::local(last, zone)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let rows = rehearsed.steps.iter().map(|step| {
        let (first, last) = left(step);
        vec![
            print::local(step.due_at, zone),
            step.step.clone(),
            step.texts.to_string(),
            step.parts.to_string(),
            first,
            last,
        ]
    });
    say!("{}", print::table(&["due", "step", "texts", "parts", "first left", "last left"], &[2, 3], rows.collect()));
    for step in &rehearsed.steps {
        let due = print::local(step.due_at, zone);
        if let Some(why) = &step.missed {
            say!("  {} of {due} was missed: {why}", step.step);
        }
        if step.lost > 0 {
            say!("  {} of {due}: {} texts could not leave before their deadline", step.step, step.lost);
        }
    }
    for ((why, people), steps) in nothing(&rehearsed.steps) {
        say!("  {} nothing: {why} ({})", gets(people), steps.join(", "));
    }
    if let Some(person) = person {
        say!("\n  {} gets:", person.masked());
        let mut none = true;
        for text in rehearsed.heard.iter().filter(|text| text.to == person.e164()) {
            say!("  {}  [{}] {}", print::local(text.at, zone), text.step, text.text);
            none = false;
        }
        if none {
            say!("  nothing");
        }
    }
    let parts: u64 = rehearsed.steps.iter().map(|step| step.parts).sum();
    say!(
        "\n  in all {} texts, {parts} parts. The same list and file give the same: {}",
        rehearsed.heard.len(),
        rehearsed.hash
    );
}

/// Who gets nothing, and why: each said once, with the steps it holds for.
fn nothing(steps: &[Played]) -> BTreeMap<(&str, i64), Vec<&str>> {
    let mut all: BTreeMap<(&str, i64), Vec<&str>> = BTreeMap::new();
    for step in steps {
        for (why, people) in &step.nothing {
            let named = all.entry((why, *people)).or_default();
            if !named.contains(&step.step.as_str()) {
                named.push(&step.step);
            }
        }
    }
    all
}

fn gets(people: i64) -> String {
    if people == 1 { "1 person gets".to_owned() } else { format!("{people} people get") }
}

fn in_json(rehearsed: &Rehearsed, person: Option<&Phone>) -> Value {
    let at = |at: Timestamp| print::rfc3339(at);
    let steps = rehearsed.steps.iter().map(|step| {
        json!({
            "step": step.step, "due": at(step.due_at), "texts": step.texts, "parts": step.parts, "lost": step.lost,
            "first": step.left.map(|(first, _)| at(first)), "last": step.left.map(|(_, last)| at(last)), "missed": step.missed,
            "nothing": step.nothing.iter().map(|(why, people)| json!({"reason": why, "people": people})).collect::<Vec<_>>(),
        })
    });
    let theirs = person.map(|person| {
        let theirs = rehearsed.heard.iter().filter(|text| text.to == person.e164());
        theirs.map(|text| json!({"at": at(text.at), "step": text.step, "text": text.text})).collect::<Vec<_>>()
    });
    json!({
        "format": "ringround.rehearsal/1", "campaign": rehearsed.campaign.id, "from": at(rehearsed.span.0),
        "to": at(rehearsed.span.1), "people": rehearsed.people, "texts": rehearsed.heard.len(),
        "steps": steps.collect::<Vec<_>>(), "person": theirs, "hash": rehearsed.hash,
    })
}
