//! The nightly sweep: what is too old is removed at the configured hour, a piece in each turn, so that the sender is never
//! held up. A night that was missed is made up for at the next start; one that was broken off is begun again.

use super::desk::Desk;
use crate::clock::random_seed;
use crate::config::read_campaign;
use crate::domain::campaign::CampaignState;
use crate::domain::change::Change;
use crate::domain::consent::{Event, EventKind};
use crate::domain::ids::Id;
use crate::engine::plan;
use crate::store::{Night, StoreError};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Whether a night is due is looked at this often.
const EVERY: SignedDuration = SignedDuration::from_mins(1);

/// What is being removed.
#[derive(Clone, Copy, Debug)]
enum Part {
    Bodies(Option<Id>),
    UnusedBodies(Id),
    Inbounds,
    Reports,
    Details,
    LeftOver,
}

/// How much was removed.
#[derive(Clone, Copy, Debug, Default)]
struct Removed {
    bodies: u64,
    inbounds: u64,
    reports: u64,
    details: u64,
    left_over: u64,
}

impl Removed {
    fn in_words(self) -> String {
        let mut words = format!(
            "the texts of {} messages, {} received texts, {} reports, the details of {} entries",
            self.bodies, self.inbounds, self.reports, self.details
        );
        if self.left_over > 0 {
            words.push_str(&format!(", what had come in about {} people who were forgotten", self.left_over));
        }
        words
    }
}

/// A night's work of this worker.
#[derive(Debug)]
struct Work {
    night: Night,
    part: Part,
    /// Campaigns whose texts are too old.
    campaigns: Vec<String>,
    removed: Removed,
}

/// See the module's head.
#[derive(Debug)]
pub struct Sweeper {
    next: Timestamp,
    work: Option<Work>,
}

impl Default for Sweeper {
    fn default() -> Self {
        Self { next: Timestamp::MIN, work: None }
    }
}

impl Sweeper {
    /// One piece, if there is one: true if there may be more.
    pub async fn turn(&mut self, desk: &Desk) -> Result<bool, StoreError> {
        let now = desk.clock.now();
        let Some(mut work) = self.work.take() else {
            if now < self.next && self.next <= now.saturating_add(EVERY).unwrap_or(now) {
                return Ok(false);
            }
            self.next = now.saturating_add(EVERY).unwrap_or(now);
            let due = due(now, desk.settings.retention.hour, &desk.settings.zone);
            if let Some(night) = desk.store.take_night(due, now).await? {
                let campaigns = ended(desk, now).await?;
                self.work = Some(Work { night, part: Part::Bodies(None), campaigns, removed: Removed::default() });
            }
            return Ok(self.work.is_some());
        };
        if !desk.store.hold_night(&mut work.night, now).await? {
            return Ok(false); // another worker thinks that we are gone, and goes on
        }
        match work.piece(desk, now).await? {
            Some(part) => {
                work.part = part;
                self.work = Some(work);
                Ok(true)
            }
            None => work.end(desk, now).await.map(|()| false),
        }
    }
}

impl Work {
    /// Removes a piece; what comes next.
    async fn piece(&mut self, desk: &Desk, now: Timestamp) -> Result<Option<Part>, StoreError> {
        let kept = &desk.settings.retention;
        let before = |days: i64| now.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
        let removed = &mut self.removed;
        let next = match self.part {
            Part::Bodies(after) => match kept.message_bodies {
                Some(days) => {
                    let after = match after {
                        Some(after) => Some(after),
                        None => desk.store.before_first_body().await?,
                    };
                    let Some(after) = after else { return Ok(Some(Part::UnusedBodies(0))) };
                    let (emptied, next) = desk.store.empty_bodies(after, before(days), &self.campaigns).await?;
                    removed.bodies += emptied;
                    next.map_or(Part::UnusedBodies(0), |next| Part::Bodies(Some(next)))
                }
                None => Part::Inbounds,
            },
            Part::UnusedBodies(after) => {
                let (_, next) = desk.store.drop_unused_bodies(after).await?;
                next.map_or(Part::Inbounds, Part::UnusedBodies)
            }
            Part::Inbounds => {
                let emptied = match kept.inbound_bodies {
                    Some(days) => desk.store.empty_inbounds(before(days)).await?,
                    None => 0,
                };
                removed.inbounds += emptied;
                if emptied > 0 { Part::Inbounds } else { Part::Reports }
            }
            Part::Reports => {
                let dropped = match kept.reports {
                    Some(days) => desk.store.drop_reports(before(days)).await?,
                    None => 0,
                };
                removed.reports += dropped;
                if dropped > 0 { Part::Reports } else { Part::Details }
            }
            Part::Details => {
                let dropped = match kept.event_details {
                    Some(days) => desk.store.drop_details(before(days)).await?,
                    None => 0,
                };
                removed.details += dropped;
                if dropped > 0 { Part::Details } else { Part::LeftOver }
            }
            Part::LeftOver => {
                let seed = random_seed().map_err(|e| StoreError::Database(format!("no random numbers: {e}")))?;
                let people = desk.store.forget_the_rest(seed, now).await?;
                removed.left_over += people;
                return Ok((people > 0).then_some(Part::LeftOver));
            }
        };
        Ok(Some(next))
    }

    async fn end(self, desk: &Desk, now: Timestamp) -> Result<(), StoreError> {
        let removed = self.removed.in_words();
        if !desk.store.end_night(&self.night, &removed).await? {
            return Ok(());
        }
        tracing::info!("the nightly sweep removed {removed}");
        desk.stock().await?;
        let event = |id| Event::new(id, now, EventKind::Swept, "policy:retention", "nightly sweep").because(&removed);
        let event = desk.decide(|ids| event(ids.take()));
        desk.store.commit_one(Change::Recorded(event).into(), now).await.map(|_| ())
    }
}

/// The last time, at or before `now`, that the clock on the wall showed this hour.
fn due(now: Timestamp, hour: i8, zone: &TimeZone) -> Timestamp {
    let today = zone.to_datetime(now).date();
    let at = |date: jiff::civil::Date| {
        let local = date.to_datetime(Time::constant(hour.clamp(0, 23), 0, 0, 0));
        local.to_zoned_datetime(zone.clone()).map_or(Timestamp::MIN, |zoned| zoned.timestamp())
    };
    let due = at(today);
    if due <= now { due } else { at(today.saturating_sub(1.day())) }
}

/// Campaigns that have ended, so long ago that their texts go.
async fn ended(desk: &Desk, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let Some(days) = desk.settings.retention.message_bodies else { return Ok(Vec::new()) };
    let before = now.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
    let mut ended = Vec::new();
    for row in desk.store.campaigns().await? {
        let goes_on = matches!(row.state, CampaignState::Running | CampaignState::Paused)
            && read_campaign(&row.source).0.is_some_and(|campaign| plan::next_due(&campaign, before).is_some());
        if !goes_on && desk.store.last_broadcast(&row.id).await?.is_none_or(|end| end < before) {
            ended.push(row.id);
        }
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_is_due_at_its_hour_on_the_wall() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let due = |now: &str, hour| super::due(now.parse().unwrap(), hour, &zone).to_string();
        assert_eq!(due("2022-01-24T03:00:00Z", 3), "2022-01-24T03:00:00Z");
        assert_eq!(due("2022-01-24T02:59:59Z", 3), "2022-01-23T03:00:00Z");
        assert_eq!(due("2022-07-24T02:00:00Z", 3), "2022-07-24T02:00:00Z", "in summer an hour earlier in UTC");
        assert_eq!(due("2022-03-27T12:00:00Z", 1), "2022-03-27T01:00:00Z", "an hour that is skipped");
    }
}
