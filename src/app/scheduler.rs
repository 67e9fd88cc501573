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

impl Scheduler {
    /// One turn: true if anything was done.
    pub async fn turn(&mut self, desk: &Desk, pulse: &Pulse) -> Result<bool, StoreError> {
        let now = desk.clock.now();
        if self.seen != Some(pulse.campaigns) {
            self.known = running(desk).await?;
            self.seen = Some(pulse.campaigns);
        }
        let mut busy = pulse.ended && desk.store.sweep(now).await? != Swept::default();
        if pulse.fenced {
            return Ok(busy); // what has fired and is forgotten would fire again
        }
        for known in &mut self.known {
            busy |= open_due(desk, known, now).await?;
        }
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
async fn open_due(desk: &Desk, known: &mut Known, now: Timestamp) -> Result<bool, StoreError> {
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
    known.row.planned_until = to;
    known.next_due = plan::next_due(&known.campaign, to);
    Ok(!due.is_empty())
}
