//! Fetches received texts from gateways that can't reach us, and as a net below webhooks that got lost. The cursor is
//! kept only after the texts of its page are stored.

use super::hooks::handed;
use super::intake::{Delivery, deliver};
use super::run::Shared;
use crate::domain::change::Change;
use crate::gateway::{Gateway, Polled};
use crate::store::StoreError;
use jiff::SignedDuration;
use tokio::sync::mpsc;

/// Polls until it is stopped; does nothing for a gateway that does not offer it.
pub async fn poll(shared: &Shared, intake: mpsc::Sender<Delivery>) {
    let Gateway::Provider(provider) = &shared.gateway else { return };
    let Some(every) = provider.profile().poll_every() else { return };
    while !shared.stop.is_cancelled() {
        let now = shared.desk.clock.now();
        let more = match page(shared, &intake).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!("received texts can't be fetched: {error}");
                false
            }
        };
        if more {
            continue;
        }
        let until = now.saturating_add(every.max(SignedDuration::from_secs(1))).unwrap_or(now);
        tokio::select! {
            () = shared.desk.clock.sleep_until(until) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// One page: fetched, stored, and only then is the cursor moved. True if there is more.
async fn page(shared: &Shared, intake: &mpsc::Sender<Delivery>) -> Result<bool, String> {
    let Gateway::Provider(provider) = &shared.gateway else { return Ok(false) };
    let (desk, told) = (&shared.desk, |error: StoreError| error.to_string());
    let cursor = desk.store.polled_to(provider.name()).await.map_err(told)?;
    let Some(polled) = provider.poll(cursor.as_deref(), desk.clock.now()).await else { return Ok(false) };
    let Polled { texts, cursor, more } = polled?;
    let things: Vec<_> = texts.into_iter().filter_map(handed).collect();
    if !things.is_empty() && deliver(intake, things).await.is_none() {
        return Err("they can't be stored".to_owned());
    }
    if let Some(cursor) = cursor {
        let gateway = provider.name().to_owned();
        desk.store.commit_one(Change::PolledTo { gateway, cursor }.into(), desk.clock.now()).await.map_err(told)?;
    }
    Ok(more)
}
