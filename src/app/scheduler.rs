//! Finds what is due, opens broadcasts and fills them page by page. Woken by whatever wakes it; what is due is computed
//! from stored cursors, so that a missed wake-up costs nothing.

use super::desk::Desk;
use crate::config::read_campaign;
use crate::domain::campaign::{Campaign, CampaignState};
use crate::domain::change::{Change, Decision};
use crate::domain::template::Context;
use crate::engine::{fill, plan};
use crate::store::{CampaignRow, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

/// People looked at in one commit.
const PAGE: i64 = 500;
/// A cursor older than this is moved even when nothing was due, so that looking stays cheap.
const CURSOR_AGE: SignedDuration = SignedDuration::from_hours(1);

/// Campaigns as last read, by id; read again when their revision changes.
#[derive(Debug, Default)]
pub struct Scheduler {
    known: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    revision: i64,
    campaign: Campaign,
    context: Context,
}

impl Scheduler {
    /// One turn: true if anything was done.
    pub async fn turn(&mut self, desk: &Desk) -> Result<bool, StoreError> {
        let now = desk.clock.now();
        let rows = self.running(desk).await?;
        let mut busy = desk.store.expire(now).await?.expired > 0;
        for row in &rows {
            busy |= self.open_due(desk, row, now).await?;
        }
        for broadcast in desk.store.open_broadcasts().await? {
            let Some(known) = self.known.get(&broadcast.campaign) else { continue };
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
    pub async fn next_due(&mut self, desk: &Desk) -> Result<Option<Timestamp>, StoreError> {
        let now = desk.clock.now();
        let rows = self.running(desk).await?;
        Ok(rows.iter().filter_map(|row| plan::next_due(&self.known.get(&row.id)?.campaign, now)).min())
    }

    /// Campaigns that are in their quiet hours now (a second ahead, so that nothing leaves on the stroke).
    pub fn quiet(&self, now: Timestamp) -> Vec<String> {
        let soon = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
        let quiet = |c: &Campaign| c.quiet.contains(now, &c.zone) || c.quiet.contains(soon, &c.zone);
        self.known.values().filter(|k| quiet(&k.campaign)).map(|k| k.campaign.id.clone()).collect()
    }

    /// When the quiet hours of some campaign end, if it is in them now.
    pub fn quiet_ends(&self, now: Timestamp) -> Option<Timestamp> {
        use crate::domain::schedule::quiet::Deferred;
        let ends = |c: &Campaign| match c.quiet.defer(now, &c.zone, None) {
            Deferred::SendAt(at) if at > now => Some(at),
            _ => None,
        };
        self.known.values().filter_map(|k| ends(&k.campaign)).min()
    }

    async fn running(&mut self, desk: &Desk) -> Result<Vec<CampaignRow>, StoreError> {
        let mut rows = desk.store.campaigns().await?;
        rows.retain(|row| row.state == CampaignState::Running);
        for row in &rows {
            if self.known.get(&row.id).is_some_and(|k| k.revision == row.revision) {
                continue;
            }
            // What is stored was checked when it was applied.
            if let (Some(campaign), _) = read_campaign(&row.source) {
                let context = campaign.context();
                self.known.insert(row.id.clone(), Known { revision: row.revision, campaign, context });
            }
        }
        Ok(rows)
    }

    async fn open_due(&self, desk: &Desk, row: &CampaignRow, now: Timestamp) -> Result<bool, StoreError> {
        let Some(known) = self.known.get(&row.id) else { return Ok(false) };
        let due = plan::due(&known.campaign, row.planned_until, now);
        if due.is_empty() && now.duration_since(row.planned_until) < CURSOR_AGE {
            return Ok(false);
        }
        desk.stock().await?;
        let mut decisions: Vec<Decision> = desk.decide(|ids| {
            due.iter()
                .take(500) // the rest waits for the next turn: the cursor stops before it
                .map(|due| {
                    Decision::from(Change::BroadcastOpened {
                        id: ids.take(),
                        campaign: row.id.clone(),
                        occurrence: due.occurrence.clone(),
                        fate: due.fate,
                        reason: due.reason.map(str::to_owned),
                        at: now,
                    })
                })
                .collect()
        });
        let to = if due.len() > 500 { due.get(499).map_or(now, |d| d.occurrence.due_at) } else { now };
        decisions.push(Change::CursorMoved { campaign: row.id.clone(), to }.into());
        desk.store.commit(&decisions, now).await?;
        Ok(!due.is_empty())
    }
}
