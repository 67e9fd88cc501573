//! What a campaign will do: the same `engine::plan` and `engine::choose` that the scheduler uses, over everybody on the
//! list as they stand now. Reads only.

use crate::config::Settings;
use crate::domain::campaign::Campaign;
use crate::domain::price::Price;
use crate::engine::choose::{Pass, choose};
use crate::engine::{fill, plan};
use crate::store::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

const PAGE: i64 = 500;

/// One occurrence to come.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// The step.
    pub step: String,
    /// When its texts leave (after quiet hours, where it falls into them).
    pub leaves_at: Timestamp,
    /// When it is due, if quiet hours move it.
    pub moved_from: Option<Timestamp>,
    /// Nothing leaves at or after this.
    pub not_after: Timestamp,
    /// People who get a text.
    pub people: u64,
    /// Parts of all texts together.
    pub parts: u64,
    /// Parts of the shortest and of the longest text.
    pub parts_each: (u32, u32),
    /// What that costs.
    pub price: Price,
    /// Seconds it takes at the gateway's rate.
    pub takes_seconds: u64,
    /// People who get nothing, by reason.
    pub nothing: BTreeMap<Pass, u64>,
    /// People who asked for another language than they get: language → people.
    pub fell_back: BTreeMap<String, u64>,
    /// One text of each door and language, as sent: (door and language, text, parts).
    pub samples: BTreeMap<String, (String, u32)>,
}

/// All occurrences of a campaign in `[from, to]`, in order of time.
pub async fn forecast(
    store: &Store,
    settings: &Settings,
    campaign: &Campaign,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Forecast>, StoreError> {
    let context = campaign.context();
    let mut forecasts = Vec::new();
    for step in &campaign.steps {
        for occurrence in plan::occurrences(campaign, step, from, to) {
            let leaves_at = fill::leaves_at(campaign, occurrence.due_at, occurrence.not_after);
            forecasts.push((
                step,
                Forecast {
                    step: step.id.clone(),
                    leaves_at: leaves_at.unwrap_or(occurrence.due_at),
                    moved_from: leaves_at.is_some_and(|at| at != occurrence.due_at).then_some(occurrence.due_at),
                    not_after: occurrence.not_after,
                    people: 0,
                    parts: 0,
                    parts_each: (u32::MAX, 0),
                    price: Price::default(),
                    takes_seconds: 0,
                    nothing: BTreeMap::new(),
                    fell_back: BTreeMap::new(),
                    samples: BTreeMap::new(),
                },
            ));
        }
    }
    let mut after = 0;
    loop {
        let page = store.candidates(&campaign.list, &campaign.id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.contact.id;
        for (step, forecast) in &mut forecasts {
            for who in &page {
                match choose(campaign, step, &context, who) {
                    Ok(chosen) => forecast.count(who.contact.language.as_deref(), chosen),
                    Err(pass) => *forecast.nothing.entry(pass).or_default() += 1,
                }
            }
        }
    }
    let mut forecasts: Vec<Forecast> = forecasts.into_iter().map(|(_, forecast)| forecast).collect();
    for forecast in &mut forecasts {
        forecast.price = settings.gateway.price_per_part.times(forecast.parts);
        forecast.takes_seconds = forecast.people.div_ceil(u64::from(settings.gateway.per_second));
    }
    forecasts.sort_by_key(|f| f.leaves_at);
    Ok(forecasts)
}

impl Forecast {
    /// Would it take longer than there is time?
    pub fn is_too_slow(&self) -> bool {
        let takes = SignedDuration::from_secs(i64::try_from(self.takes_seconds).unwrap_or(i64::MAX));
        self.people > 0 && self.leaves_at.saturating_add(takes).is_ok_and(|end| end > self.not_after)
    }

    fn count(&mut self, wanted: Option<&str>, chosen: crate::engine::choose::Chosen) {
        self.people += 1;
        self.parts += u64::from(chosen.parts);
        self.parts_each = (self.parts_each.0.min(chosen.parts), self.parts_each.1.max(chosen.parts));
        if let (true, Some(wanted)) = (chosen.fell_back, wanted) {
            *self.fell_back.entry(wanted.to_owned()).or_default() += 1;
        }
        let door = if chosen.by_web { "link" } else { "phone" };
        self.samples.entry(format!("{door} {}", chosen.language)).or_insert((chosen.text, chosen.parts));
    }
}
