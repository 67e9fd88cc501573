//! The heartbeat (tokio-cron-scheduler) and the service manager's watchdog.
//!
//! The heartbeat wakes the worker and nothing more: the scheduler freezes UTC offsets, forgets across restarts and loses
//! runs when the clock jumps. The worker has its own timer to the next due instant and is on time without it. A worker
//! that has had no turn for half a minute does not pet the watchdog: the service manager starts us again.

use super::run::Shared;
use jiff::SignedDuration;
use sd_notify::NotifyState;
use std::sync::Arc;
use tokio::select;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// Every ten seconds, in UTC.
const BEAT: &str = "*/10 * * * * *";
/// A worker without a turn for longer than this hangs.
const ALIVE_WITHIN: SignedDuration = SignedDuration::from_secs(30);
const PET_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// Starts the heartbeat. It ends with the program.
pub async fn start(shared: &Shared) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let wake = Arc::clone(&shared.wake);
    let job = Job::new_async(BEAT, move |_, _| {
        let wake = Arc::clone(&wake);
        Box::pin(async move { wake.notify_one() })
    })?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

/// Says to the service manager what we do; without one nothing happens.
pub fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the service manager can't be told: {error}");
    }
}

/// Pets the watchdog for as long as the worker has its turns.
pub async fn watchdog(shared: &Shared) {
    loop {
        let now = shared.desk.clock.now();
        let silent = shared.desk.clock.elapsed() - shared.last_turn.get();
        if silent < ALIVE_WITHIN {
            let status = format!("running; {}", shared.callbacks.in_words());
            notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
        } else {
            tracing::error!("the worker has had no turn for {} seconds", silent.as_secs());
        }
        let until = now.saturating_add(PET_EVERY).unwrap_or(now);
        select! {
            () = shared.desk.clock.sleep_until(until) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}
