//! `ringround status`: how things stand, first as a sentence, then as a table.

use super::setting::Setting;
use super::voice::say;
use super::{Done, print};
use crate::app::desk::Desk;
use crate::app::unread::alarm;
use crate::config::read_campaign;
use crate::domain::broadcast::Fate;
use crate::domain::campaign::CampaignState;
use crate::domain::message::State;
use crate::engine::plan;
use crate::store::{CampaignRow, Counts, LastNight, Seal, Unread};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// The next step to come: (campaign, step, when, the campaign's zone).
type Next = (String, String, Timestamp, TimeZone);

pub(super) async fn run(setting: &Setting, _: Args) -> Done {
    let desk = setting.desk().await?;
    let counts = desk.store.counts(None).await?;
    let unread = desk.store.unread().await?;
    let next = next(&desk).await?;
    let campaigns = desk.store.campaigns().await?;
    let running = campaigns.iter().filter(|c| c.state == CampaignState::Running).count();
    let pauses = desk.store.pauses().await?;
    let doubts = desk.store.doubts_open(None).await?;
    let (workers, strays) = (desk.store.workers().await?, desk.store.stray_count().await?);
    let (head, swept) = (desk.store.head().await?, desk.store.last_night().await?);
    if setting.json {
        let lists: Vec<Value> = lists(&desk)
            .await?
            .into_iter()
            .map(|(name, standing, people)| json!({"list": name, "standing": standing, "people": people}))
            .collect();
        say!(
            "{}",
            json!({
                "format": "ringround.status/1", "contacts": desk.store.contact_count().await?, "opted_in": desk.store.opted_in().await?,
                "campaigns": campaigns.len(), "running": running, "messages": counts.total(), "states": print::states(&counts),
                "parts": counts.parts, "paused": pauses.iter().map(|(name, reason, _)| json!({"what": name, "reason": reason})).collect::<Vec<_>>(), "not_sent": not_sent(&desk, &campaigns).await?, "unread": unread.all, "unread_since": unread.since.map(print::rfc3339), "held": unread.held, "held_since": unread.held_since.map(print::rfc3339), "lists": lists,
                "doubts": print::doubts_json(&doubts), "strays": strays,
                "ledger": head.map(|seal| json!({"seal": seal.id, "head": seal.hash, "at": print::rfc3339(seal.at)})),
                "swept": swept.map(|night| json!({"due": print::rfc3339(night.due), "removed": night.removed})),
                "workers": workers.iter().map(|w| json!({"place": w.place, "since": print::rfc3339(w.started_at), "lease_until": print::rfc3339(w.lease_until)})).collect::<Vec<_>>(),
                "next": next.map(|(campaign, step, at, zone)| json!({"campaign": campaign, "step": step, "at": print::rfc3339(at), "local": print::local_json(at, &zone)})),
            })
        );
    } else {
        say!("{}", sentence(running, next.as_ref(), counts.of(State::Queued), &unread));
        if let Some(words) = alarm(&unread, desk.clock.now()) {
            say!("  {words}");
        }
        for line in print::doubts(&doubts, desk.clock.now()) {
            say!("  {line} (ringround doubts list)");
        }
        for (name, reason, since) in pauses {
            let (what, resume) = print::pause(&name);
            say!("  {what} is paused since {}: {reason}. To go on: {resume}", print::utc(since));
        }
        for campaign in campaigns.iter().filter(|c| c.state == CampaignState::Paused) {
            say!("  {} is paused: ringround campaign resume {}", campaign.id, campaign.id);
        }
        for line in not_sent(&desk, &campaigns).await? {
            say!("  {line}");
        }
        if strays > 0 {
            say!("  {strays} delivery reports are about texts that are not known here; each is kept for seven days.");
        }
        for worker in workers.iter().filter(|_| workers.len() > 1) {
            say!("  a worker at {}, since {}", worker.place, print::utc(worker.started_at));
        }
        if !setting.is_served(&desk.settings).await {
            say!("  The service does not run: nothing is sent, and nothing received, until it does (ringround run).");
        }
        for (name, standing, people) in lists(&desk).await? {
            say!("  list {name}: {} {standing}", print::people(people));
        }
        kept_and_removed(head.as_ref(), swept.as_ref());
        say!("{}", table(&counts));
    }
    Ok(0)
}

/// Firings of the last week that were missed, by campaign and step: nobody got them.
async fn not_sent(desk: &Desk, campaigns: &[CampaignRow]) -> Result<Vec<String>, super::Failure> {
    const LATELY: SignedDuration = SignedDuration::from_hours(24 * 7);
    let since = desk.clock.now().saturating_sub(LATELY).unwrap_or(Timestamp::MIN);
    let mut lines = Vec::new();
    for campaign in campaigns {
        let mut missed: BTreeMap<String, (u64, Timestamp, String)> = BTreeMap::new();
        for row in desk.store.broadcasts(&campaign.id).await? {
            if row.fate == Fate::Missed.as_str() && row.occurrence.due_at >= since {
                let why = row.reason.unwrap_or_default();
                let (times, last, said) = missed.entry(row.occurrence.step).or_insert((0, Timestamp::MIN, why.clone()));
                (*times, *last, *said) = (*times + 1, row.occurrence.due_at, why);
            }
        }
        lines.extend(missed.into_iter().map(|(step, (times, last, why))| {
            let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
            format!(
                "not sent: {step} of {}, {times} this week, the last one due {}: {why}",
                campaign.id,
                print::utc(last)
            )
        }));
    }
    Ok(lines)
}

fn table(counts: &Counts) -> String {
    let rows: Vec<Vec<String>> = State::ALL
        .into_iter()
        .filter(|s| counts.of(*s) > 0)
        .map(|s| vec![s.as_str().to_owned(), counts.of(s).to_string()])
        .chain([
            vec!["all messages".to_owned(), counts.total().to_string()],
            vec!["parts taken".to_owned(), counts.parts.to_string()],
        ])
        .collect();
    print::table(&["", ""], &[1], rows)
}

fn kept_and_removed(head: Option<&Seal>, swept: Option<&LastNight>) {
    if let Some(seal) = head {
        say!("  the ledger's head: {} (seal {}, {})", seal.hash, seal.id, print::utc(seal.at));
    }
    if let Some(night) = swept {
        say!("  removed in the night of {}: {}", print::utc(night.due), night.removed);
    }
}

fn sentence(running: usize, next: Option<&Next>, queued: i64, unread: &Unread) -> String {
    let campaigns = if running == 1 { "1 campaign runs".to_owned() } else { format!("{running} campaigns run") };
    let next = next.map_or_else(
        || "nothing more is due".to_owned(),
        |(campaign, step, at, zone)| format!("next is {step} of {campaign}, {}", print::local(*at, zone)),
    );
    let mut all = format!("{campaigns}; {next}; {queued} texts wait to be sent.");
    match unread.all {
        0 => {}
        1 => all.push_str(" 1 text waits to be read (ringround inbox)."),
        many => all.push_str(&format!(" {many} texts wait to be read (ringround inbox).")),
    }
    all
}

async fn next(desk: &Desk) -> Result<Option<Next>, super::Failure> {
    let now = desk.clock.now();
    let mut all: Vec<Next> = Vec::new();
    for row in desk.store.campaigns().await?.into_iter().filter(|c| c.state == CampaignState::Running) {
        let Some(campaign) = read_campaign(&row.source).0 else { continue };
        if let Some(at) = plan::next_due(&campaign, now) {
            let step = campaign.steps.iter().find(|s| !plan::occurrences(&campaign, s, at, at).is_empty());
            all.push((row.id, step.map_or_else(String::new, |s| s.id.clone()), at, campaign.zone));
        }
    }
    all.sort_by_key(|(_, _, at, _)| *at);
    Ok(all.into_iter().next())
}

async fn lists(desk: &Desk) -> Result<Vec<(String, &'static str, u64)>, super::Failure> {
    let mut all = Vec::new();
    for list in &desk.settings.lists {
        for (standing, people) in desk.store.list_counts(&list.name).await? {
            all.push((list.name.clone(), standing.in_words(), u64::try_from(people).unwrap_or(0)));
        }
    }
    Ok(all)
}
