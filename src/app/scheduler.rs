//! Finds what is due, opens broadcasts and fills them page by page. Woken by whatever wakes it; what is due is computed
//! from stored cursors, so that a missed wake-up costs nothing.

use super::desk::Desk;
use crate::config::read_campaign;
use crate::domain::broadcast::Fate;
use crate::domain::campaign::{Campaign, CampaignState};
use crate::domain::change::{Change, Decision};
use crate::domain::template::Context;
use crate::engine::{fill, plan};
use crate::store::{CampaignRow, Pulse, StoreError, Swept};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// People looked at in one commit.
const PAGE: i64 = 500;
/// Occurrences opened in one commit.
const AT_ONCE: usize = 500;
/// A cursor older than this is moved even when nothing was due, so that looking stays cheap.
const CURSOR_AGE: SignedDuration = SignedDuration::from_hours(1);

/// Running campaigns as last read.
#[derive(Debug, Default)]
pub struct Scheduler {
    known: Vec<Known>,
    /// The pulse's count of campaign changes at that time.
    seen: Option<i64>,
}

#[derive(Debug)]
struct Known {
    row: CampaignRow,
    campaign: Campaign,
    context: Context,
    next_due: Option<Timestamp>,
}

/// What was to be sent and is not, in one turn: after an outage, all of it at once.
#[derive(Debug, Default)]
struct Unsent {
    /// (campaign, step, why): how often, and the last time.
    missed: BTreeMap<(String, String, &'static str), (u64, String)>,
    /// Texts whose deadline came first.
    expired: u64,
}

impl Unsent {
    fn count<'a>(&mut self, known: &Known, due: impl Iterator<Item = &'a plan::Due>) {
        for due in due {
            let Some(why) = due.reason else { continue };
            let of = (known.row.id.clone(), due.occurrence.step.clone(), why);
            let (times, last) = self.missed.entry(of).or_default();
            *times += 1;
            *last = known.campaign.local(due.occurrence.due_at).strftime("%a %-d %b %H:%M").to_string();
        }
    }

    /// One digest, however much it is.
    fn say(&self) {
        if let Some(words) = self.in_words() {
            tracing::error!("alarm: not sent: {words}; ringround campaign show ID has all of it");
        }
    }

    fn in_words(&self) -> Option<String> {
        let missed = self.missed.iter().map(|((campaign, step, why), (times, last))| match times {
            1 => format!("{step} of {campaign}, due {last} ({why})"),
            _ => format!("{step} of {campaign}, {times} times, the last one due {last} ({why})"),
        });
        let mut all: Vec<String> = missed.collect();
        if self.expired > 0 {
            all.push(format!("{} texts whose deadline came before they could leave", self.expired));
        }
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl Scheduler {
    /// One turn: true if anything was done.
    pub async fn turn(&mut self, desk: &Desk, pulse: &Pulse) -> Result<bool, StoreError> {
        let now = desk.clock.now();
        if self.seen != Some(pulse.campaigns) {
            self.known = running(desk).await?;
            self.seen = Some(pulse.campaigns);
        }
        let swept = if pulse.ended { desk.store.sweep(now).await? } else { Swept::default() };
        let mut busy = swept != Swept::default();
        if pulse.fenced {
            return Ok(busy); // what has fired and is forgotten would fire again
        }
        let mut unsent = Unsent { expired: swept.expired, ..Unsent::default() };
        for known in &mut self.known {
            busy |= open_due(desk, known, now, &mut unsent).await?;
        }
        unsent.say();
        if !busy && !pulse.filling {
            return Ok(false);
        }
        for broadcast in desk.store.open_broadcasts().await? {
            let Some(known) = self.known.iter().find(|k| k.row.id == broadcast.campaign) else { continue };
            let Some(step) = known.campaign.steps.iter().find(|s| s.id == broadcast.occurrence.step) else { continue };
            let page =
                desk.store.candidates(&known.campaign.list, &known.campaign.id, broadcast.filled_to, PAGE).await?;
            let last = i64::try_from(page.len()).is_ok_and(|n| n < PAGE);
            desk.stock().await?;
            let decision =
                desk.decide(|ids| fill::fill(&known.campaign, step, &known.context, &broadcast, &page, last, ids));
            desk.store.commit_one(decision, now).await?;
            busy = true;
        }
        Ok(busy)
    }

    /// When the next step of any running campaign is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.known.iter().filter_map(|k| k.next_due).min()
    }

    /// Campaigns that are in their quiet hours now (a second ahead, so that nothing leaves on the stroke).
    pub fn quiet(&self, now: Timestamp) -> Vec<String> {
        let soon = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
        let quiet = |c: &Campaign| c.quiet.contains(now, &c.zone) || c.quiet.contains(soon, &c.zone);
        self.known.iter().filter(|k| quiet(&k.campaign)).map(|k| k.campaign.id.clone()).collect()
    }

    /// When the quiet hours of some campaign end, if it is in them now.
    pub fn quiet_ends(&self, now: Timestamp) -> Option<Timestamp> {
        use crate::domain::schedule::quiet::Deferred;
        let ends = |c: &Campaign| match c.quiet.defer(now, &c.zone, None) {
            Deferred::SendAt(at) if at > now => Some(at),
            _ => None,
        };
        self.known.iter().filter_map(|k| ends(&k.campaign)).min()
    }
}

/// After a restore: what came due since the database's last entry may have been sent by the one that was lost. It is not
/// sent again; the decisions that say so, and what they are about.
pub async fn forgotten(desk: &Desk, reason: &'static str) -> Result<(Vec<Decision>, Vec<String>), StoreError> {
    let now = desk.clock.now();
    let (mut decisions, mut said) = (Vec::new(), Vec::new());
    for known in running(desk).await? {
        for due in plan::due(&known.campaign, known.row.planned_until, now) {
            desk.stock().await?;
            said.push(format!("{} of {}, due at {}", due.occurrence.step, known.row.id, due.occurrence.due_at));
            let open = |id| Change::BroadcastOpened {
                id,
                campaign: known.row.id.clone(),
                occurrence: due.occurrence,
                fate: Fate::Missed,
                reason: Some(reason.to_owned()),
                at: now,
            };
            decisions.push(Decision::from(desk.decide(|ids| open(ids.take()))));
        }
        decisions.push(Change::CursorMoved { campaign: known.row.id, to: now }.into());
    }
    Ok((decisions, said))
}

async fn running(desk: &Desk) -> Result<Vec<Known>, StoreError> {
    let rows = desk.store.campaigns().await?.into_iter().filter(|row| row.state == CampaignState::Running);
    // What is stored was checked when it was applied.
    let read = |row: CampaignRow| {
        let campaign = read_campaign(&row.source).0?;
        let next_due = plan::next_due(&campaign, row.planned_until);
        Some(Known { context: campaign.context(), row, campaign, next_due })
    };
    Ok(rows.filter_map(read).collect())
}

/// Opens what has come due since the campaign's cursor, and moves the cursor.
async fn open_due(desk: &Desk, known: &mut Known, now: Timestamp, unsent: &mut Unsent) -> Result<bool, StoreError> {
    let due = if known.next_due.is_some_and(|at| at <= now) {
        plan::due(&known.campaign, known.row.planned_until, now)
    } else {
        Vec::new()
    };
    if due.is_empty() && now.duration_since(known.row.planned_until) < CURSOR_AGE {
        return Ok(false);
    }
    desk.stock().await?;
    let id = known.row.id.clone();
    let mut decisions: Vec<Decision> = desk.decide(|ids| {
        let open = |due: &plan::Due| {
            Decision::from(Change::BroadcastOpened {
                id: ids.take(),
                campaign: id.clone(),
                occurrence: due.occurrence.clone(),
                fate: due.fate,
                reason: due.reason.map(str::to_owned),
                at: now,
            })
        };
        due.iter().take(AT_ONCE).map(open).collect()
    });
    // The rest waits for the next turn: the cursor stops before it.
    let to = if due.len() > AT_ONCE { due.get(AT_ONCE - 1).map_or(now, |d| d.occurrence.due_at) } else { now };
    decisions.push(Change::CursorMoved { campaign: id, to }.into());
    desk.store.commit(&decisions, now).await?;
    unsent.count(known, due.iter().take(AT_ONCE));
    known.row.planned_until = to;
    known.next_due = plan::next_due(&known.campaign, to);
    Ok(!due.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Unsent;

    #[test]
    fn what_an_outage_has_cost_is_one_line() {
        assert_eq!(Unsent::default().in_words(), None);
        let key = |step: &str| ("january".to_owned(), step.to_owned(), "noticed more than an hour late");
        let missed =
            [(key("opening"), (1, "Mon 24 Jan 12:00".to_owned())), (key("reminder"), (3, "Thu 27 Jan 10:00".into()))];
        let said = Unsent { missed: missed.into(), expired: 31 }.in_words().unwrap();
        assert_eq!(
            said,
            "opening of january, due Mon 24 Jan 12:00 (noticed more than an hour late); reminder of january, 3 times, the last \
             one due Thu 27 Jan 10:00 (noticed more than an hour late); 31 texts whose deadline came before they could leave"
        );
    }
}
