//! Applying campaign files and steering campaigns: shared by the command line and the demo.

use super::desk::Desk;
use crate::config::read_campaign;
use crate::domain::campaign::{Campaign, CampaignState};
use crate::domain::change::{Change, Decision};
use crate::domain::consent::{Event, EventKind};
use crate::domain::problem::{Place, Problem, Severity, any_error};
use crate::engine::plan::CATCH_UP;
use crate::engine::{check, freeze};
use crate::store::{CampaignRow, Store, StoreError};
use jiff::Timestamp;
use std::rc::Rc;

/// A campaign file read and checked, without a database: the campaign if it is fit, and all problems.
pub fn check_source(source: &str, lists: &[String]) -> (Option<Campaign>, Vec<Problem>) {
    let (campaign, mut problems) = read_campaign(source);
    if let Some(campaign) = &campaign {
        problems.extend(check::check(campaign));
        if !lists.is_empty() && !lists.contains(&campaign.list) {
            problems.push(Problem {
                code: "campaign.unknown_list",
                severity: Severity::Error,
                place: source.find("list").map(|start| Place { start, end: start + 4 }),
                message: format!("there is no list \"{}\"", campaign.list),
                hint: format!("lists in the settings: {}", lists.join(", ")),
            });
        }
    }
    problems.sort_by_key(|p| p.place);
    problems.dedup(); // a text for everyone stands behind both doors
    let fit = campaign.filter(|_| !any_error(&problems));
    (fit, problems)
}

/// What came of applying a file.
#[derive(Debug)]
pub enum Applied {
    /// It is new, and waits to be started.
    New(Campaign),
    /// It replaces what was there.
    Changed(Campaign),
    /// It is what is there already.
    Unchanged(Campaign),
    /// It is not fit, or touches what has been sent: nothing was changed.
    Refused(Vec<Problem>),
}

/// Applies a file: all of it, or nothing.
pub async fn apply(desk: &Desk, source: &str, by: &str) -> Result<(Applied, Vec<Problem>), StoreError> {
    let (campaign, mut problems) = check_source(source, &desk.settings.listening.lists);
    let Some(campaign) = campaign else { return Ok((Applied::Refused(problems), Vec::new())) };
    for _ in 0..3 {
        let old = desk.store.campaign(&campaign.id).await?;
        if let Some(old) = &old {
            if old.source == source {
                return Ok((Applied::Unchanged(campaign), problems));
            }
            let fired = desk.store.fired(&campaign.id).await?;
            if let (Some(before), _) = read_campaign(&old.source) {
                let frozen = freeze::frozen(&before, &campaign, &fired);
                if !frozen.is_empty() {
                    problems.extend(frozen);
                    return Ok((Applied::Refused(problems), Vec::new()));
                }
            }
        }
        let now = desk.clock.now();
        desk.stock().await?;
        let decision = desk.decide(|ids| {
            let event = Event::new(ids.take(), now, EventKind::Applied, by, "campaign apply").of_campaign(&campaign.id);
            Decision(vec![
                Change::CampaignApplied {
                    id: campaign.id.clone(),
                    list: campaign.list.clone(),
                    source: source.to_owned(),
                    revision: old.as_ref().map_or(0, |o| o.revision),
                    at: now,
                },
                Change::Recorded(event),
            ])
        });
        if desk.store.commit_one(decision, now).await? {
            let applied = if old.is_some() { Applied::Changed(campaign) } else { Applied::New(campaign) };
            return Ok((applied, problems));
        }
    }
    Err(StoreError::Busy)
}

/// What goes on.
#[derive(Clone, Debug, Default)]
pub struct GoingOn {
    /// Campaigns that run and are not over: (id, list).
    pub running: Vec<(String, String)>,
    /// Those that say welcome in words of their own just now.
    pub welcoming: Vec<Rc<Campaign>>,
    /// Lists of which a campaign has ended and no other is to come.
    pub over: Vec<String>,
}

/// See [`GoingOn`].
pub async fn going_on(desk: &Desk) -> Result<GoingOn, StoreError> {
    let now = desk.clock.now();
    let (mut all, mut to_come) = (GoingOn::default(), Vec::new());
    for row in desk.store.campaigns().await? {
        match row.state {
            CampaignState::Running => {
                let campaign = desk.campaign(&row);
                let end = campaign.as_ref().and_then(|campaign| campaign.ends_at());
                all.welcoming.extend(campaign.filter(|campaign| campaign.welcome(now).is_some()));
                if end.is_some_and(|end| end <= now) {
                    all.over.push(row.list);
                } else {
                    all.running.push((row.id, row.list));
                }
            }
            CampaignState::Draft | CampaignState::Paused => to_come.push(row.list),
            CampaignState::Cancelled => {}
        }
    }
    let GoingOn { running, over, .. } = &mut all;
    over.retain(|list| !to_come.contains(list) && !running.iter().any(|(_, other)| other == list));
    Ok(all)
}

/// How many people a campaign of this list can text now: agreed, not suppressed, not held for review.
pub async fn textable(store: &Store, list: &str) -> Result<u64, StoreError> {
    Ok(u64::try_from(store.textable(list).await?).unwrap_or(0))
}

/// A person's word to a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steer {
    /// Begin: from now on steps fire.
    Start,
    /// Nothing fires, what waits goes on waiting.
    Pause,
    /// Go on after a pause: what is still in time fires.
    Resume,
    /// End it: what waits is withdrawn.
    Cancel,
}

impl Steer {
    fn edge(self) -> (Vec<CampaignState>, CampaignState) {
        use CampaignState::{Cancelled, Draft, Paused, Running};
        match self {
            Self::Start => (vec![Draft], Running),
            Self::Pause => (vec![Running], Paused),
            Self::Resume => (vec![Paused], Running),
            Self::Cancel => (vec![Draft, Running, Paused], Cancelled),
        }
    }

    /// As in "it was …".
    pub fn past(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
        }
    }
}

/// Steers a campaign; false: it is not in a state that this word applies to.
pub async fn steer(desk: &Desk, row: &CampaignRow, word: Steer, by: &str) -> Result<bool, StoreError> {
    let now = desk.clock.now();
    let (from, to) = word.edge();
    desk.stock().await?;
    let decision = desk.decide(|ids| {
        let event = Event::new(ids.take(), now, EventKind::Steered, by, "campaign command")
            .of_campaign(&row.id)
            .because(word.past());
        let mut changes = vec![Change::CampaignSteered { id: row.id.clone(), from, to, at: now }];
        if word == Steer::Start {
            // What was due in the last hour still fires, if it is in time (R-CATCHUP).
            let to = now.saturating_sub(CATCH_UP).unwrap_or(Timestamp::UNIX_EPOCH);
            changes.push(Change::CursorMoved { campaign: row.id.clone(), to });
        }
        if word == Steer::Cancel {
            changes.push(Change::CampaignCancelled {
                campaign: row.id.clone(),
                reason: "the campaign was cancelled",
                at: now,
            });
        }
        changes.push(Change::Recorded(event));
        Decision(changes)
    });
    desk.store.commit_one(decision, now).await
}
