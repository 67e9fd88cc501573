//! `ringround plan`: what will be sent, by the same decisions that will send it. Reads only.

use super::setting::Setting;
use super::voice::say;
use super::{Done, Failure, campaign, print};
use crate::app::desk::Desk;
use crate::app::forecast::{Forecast, forecast};
use crate::config::read_campaign;
use crate::domain::campaign::{Campaign, CampaignState, Step, When};
use crate::domain::price::Price;
use crate::store::CampaignRow;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The campaign's id [default: all that are not cancelled]
    id: Option<String>,
    /// How many days ahead, 1 to 400
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(i64).range(1..=400))]
    days: i64,
    /// From when, a wall-clock time in the campaign's zone: 2022-01-24T09:00 [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<DateTime>,
    /// Show one text of each kind as it will be sent
    #[arg(long)]
    texts: bool,
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let desk = setting.desk().await?;
    let rows = match &args.id {
        Some(id) => vec![campaign::find(&desk, id).await?],
        None => desk.store.campaigns().await?.into_iter().filter(|r| r.state != CampaignState::Cancelled).collect(),
    };
    if rows.is_empty() && !setting.json {
        say!("There is no campaign yet. Put one in with: ringround campaign apply FILE");
    }
    for row in &rows {
        let Some(campaign) = read_campaign(&row.source).0 else { continue };
        let from = match args.from {
            Some(local) => local
                .to_zoned_datetime(campaign.zone.clone())
                .map_err(|_| {
                    Failure::new(
                        2,
                        format!("{local} can't be a time in {}", campaign.zone_name),
                        "choose another --from",
                    )
                })?
                .timestamp(),
            None => desk.clock.now(),
        };
        let to = from.saturating_add(SignedDuration::from_hours(24 * args.days)).unwrap_or(Timestamp::MAX);
        let forecasts = forecast(&desk.store, &desk.settings, &campaign, from, to).await?;
        if setting.json {
            say!("{}", in_json(&desk, row, &campaign, from, to, &forecasts));
        } else {
            in_words(&desk, row, &campaign, from, args.days, &forecasts);
            if args.texts {
                samples(&forecasts);
            }
        }
    }
    Ok(0)
}

fn in_words(desk: &Desk, row: &CampaignRow, campaign: &Campaign, from: Timestamp, days: i64, forecasts: &[Forecast]) {
    let gateway = &desk.settings.gateway;
    say!("{}: {} ({})", row.id, campaign.title, row.state.as_str());
    say!("{days} days from {} ({})\n", print::local(from, &campaign.zone), campaign.zone_name);
    if forecasts.is_empty() {
        say!("  Nothing is due in this time.\n");
        welcomes(campaign);
        return;
    }
    let cells = forecasts
        .iter()
        .map(|f| {
            let each = if f.parts_each.0 >= f.parts_each.1 {
                f.parts_each.1.to_string()
            } else {
                format!("{}-{}", f.parts_each.0, f.parts_each.1)
            };
            vec![
                print::local(f.leaves_at, &campaign.zone),
                print::utc(f.leaves_at),
                f.step.clone(),
                f.people.to_string(),
                each,
                f.parts.to_string(),
                f.price.to_string(),
                format!("{} s", f.takes_seconds),
                print::local(f.not_after, &campaign.zone),
            ]
        })
        .collect();
    let price = gateway.currency.clone();
    let heading = ["when", "UTC", "step", "people", "each", "parts", &price, "takes", "not after"];
    say!("{}", print::table(&heading, &[3, 4, 5, 6, 7], cells));
    let parts: u64 = forecasts.iter().map(|f| f.parts).sum();
    say!("\n  in all {parts} parts, {} {}\n", gateway.price_per_part.times(parts), gateway.currency);
    if gateway.price_per_part == Price::default() {
        say!("  note: no price is set (gateway.price_per_part), so everything seems free");
    }
    welcomes(campaign);
    notes(campaign, forecasts);
    if row.state == CampaignState::Draft {
        say!("  Not started: nothing is sent. If this is right:  ringround campaign start {}", row.id);
    }
    say!("");
}

/// Steps that answer a join word.
fn welcomes(campaign: &Campaign) {
    for step in &campaign.steps {
        if let When::Joining { from, to } = step.when {
            let (from, to) = (print::local(from, &campaign.zone), print::local(to, &campaign.zone));
            say!("  {}: said to whoever joins from {from} until {to}", step.id);
        }
    }
}

/// Who gets nothing and why, what quiet hours moved, who gets another language than they asked for: each said once, with
/// the steps it holds for.
fn notes(campaign: &Campaign, forecasts: &[Forecast]) {
    let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
    let mut note = |text: String, step| match notes.iter_mut().find(|(known, _)| *known == text) {
        Some((_, steps)) if steps.contains(&step) => {}
        Some((_, steps)) => steps.push(step),
        None => notes.push((text, vec![step])),
    };
    for forecast in forecasts {
        let step = forecast.step.as_str();
        if forecast.is_too_slow() {
            note("warning: at the line's pace not everybody can get it before its deadline".into(), step);
        }
        if may_resend(campaign, step) {
            note(
                "some people may get it twice: what stays in doubt is sent once more (in_doubt = \"resend\")".into(),
                step,
            );
        }
        if let Some(due) = forecast.moved_from {
            note(format!("due {} in quiet hours, leaves when they end", print::local(due, &campaign.zone)), step);
        }
        for (pass, people) in &forecast.nothing {
            note(format!("{} nothing: {}", gets(*people), pass.as_str()), step);
        }
        for (language, people) in &forecast.fell_back {
            note(format!("{} it in {}: there is no text in {language}", gets(*people), campaign.fallback), step);
        }
    }
    for (text, steps) in notes {
        say!("  {text}\n      ({})", steps.join(", "));
    }
    say!("  People are counted as they stand now: those who say DONE or STOP until then get nothing more.\n");
}

fn may_resend(campaign: &Campaign, step: &str) -> bool {
    campaign.steps.iter().any(|s| s.id == step && s.may_resend)
}

fn gets(people: u64) -> String {
    if people == 1 { "1 person gets".to_owned() } else { format!("{people} people get") }
}

fn samples(forecasts: &[Forecast]) {
    let mut shown: Vec<&str> = Vec::new();
    for forecast in forecasts {
        if shown.contains(&forecast.step.as_str()) {
            continue; // each firing of a cron step says the same
        }
        shown.push(&forecast.step);
        for (kind, (text, parts)) in &forecast.samples {
            let parts = if *parts == 1 { "1 part".to_owned() } else { format!("{parts} parts") };
            say!("  {} ({kind}, {parts}):\n    {}", forecast.step, text.replace('\n', "\n    "));
        }
    }
}

fn in_json(
    desk: &Desk,
    row: &CampaignRow,
    campaign: &Campaign,
    from: Timestamp,
    to: Timestamp,
    forecasts: &[Forecast],
) -> Value {
    let zone = &campaign.zone;
    let one = |f: &Forecast| {
        json!({
            "step": f.step, "at": print::rfc3339(f.leaves_at), "local": print::local_json(f.leaves_at, zone),
            "moved_from": f.moved_from.map(print::rfc3339), "not_after": print::rfc3339(f.not_after),
            "people": f.people, "parts": f.parts, "price": f.price.exact(), "takes_seconds": f.takes_seconds, "too_slow": f.is_too_slow(),
            "nothing": f.nothing.iter().map(|(pass, people)| json!({"reason": pass.as_str(), "people": people})).collect::<Vec<_>>(),
            "fell_back": f.fell_back, "in_doubt": if may_resend(campaign, &f.step) { "resend" } else { "hold" },
            "texts": f.samples.iter().map(|(kind, (text, parts))| json!({"kind": kind, "text": text, "parts": parts})).collect::<Vec<_>>(),
        })
    };
    let welcome = |step: &Step| match step.when {
        When::Joining { from, to } => {
            Some(json!({"step": step.id, "from": print::rfc3339(from), "to": print::rfc3339(to)}))
        }
        _ => None,
    };
    let parts: u64 = forecasts.iter().map(|f| f.parts).sum();
    json!({
        "format": "ringround.plan/1", "campaign": row.id, "state": row.state.as_str(), "timezone": campaign.zone_name,
        "from": print::rfc3339(from), "to": print::rfc3339(to), "parts": parts,
        "price": desk.settings.gateway.price_per_part.times(parts).exact(), "currency": desk.settings.gateway.currency,
        "occurrences": forecasts.iter().map(one).collect::<Vec<_>>(), "welcomes": campaign.steps.iter().filter_map(welcome).collect::<Vec<_>>(),
    })
}
