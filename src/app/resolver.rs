//! Settles sends in doubt, when their time has come; asks the gateway where that is needed.

use super::desk::Desk;
use crate::domain::change::Decision;
use crate::domain::doubt::{Doubt, LookUp};
use crate::engine::doubt::{Terms, resolve, unasked};
use crate::gateway::{Asked, Gateway};
use crate::store::{Pulse, StoreError};

/// Doubts looked at in one turn.
const PAGE: i64 = 50;

/// One turn: true if anything was decided.
pub async fn turn(desk: &Desk, gateway: &Gateway, pulse: &Pulse) -> Result<bool, StoreError> {
    // On a full disk what little room there is belongs to what came of the texts in flight.
    if !pulse.doubts || pulse.line_paused || desk.is_starved() {
        return Ok(false);
    }
    let doubts = desk.store.doubts(desk.clock.now(), PAGE).await?;
    let waits = &desk.settings.gateway;
    let terms = Terms { means: gateway.means(), settle: waits.settle, report_within: waits.report_within };
    let mut answers = true;
    let mut decided = false;
    for doubt in &doubts {
        desk.stock().await?;
        let now = desk.clock.now();
        let decision = match desk.decide(|ids| unasked(doubt, &terms, now, ids)) {
            Some(decision) => decision,
            None if desk.is_away() => continue, // questions would cost as many requests as texts
            None => asked(desk, gateway, doubt, &terms, &mut answers).await,
        };
        decided = true;
        let now = desk.clock.now(); // an answer may take long
        let decision = if gateway.reports_by_its_own_id() { decision.with_handles() } else { decision };
        desk.store.commit_one(decision, now).await?;
    }
    Ok(decided)
}

/// The decision after the gateway was asked. Once a question has failed, the others of this turn are not asked: they
/// wait as if they had failed, too.
async fn asked(desk: &Desk, gateway: &Gateway, doubt: &Doubt, terms: &Terms, answers: &mut bool) -> Decision {
    let reference = desk.store.identity().mint().reference(doubt.id);
    let question =
        Asked { reference: &reference, to: doubt.to.e164(), text: &doubt.text, submitted_at: doubt.handed_at };
    let answer = if *answers { gateway.look_up(&question, desk.clock.now()).await } else { LookUp::Failed };
    if answer == LookUp::Failed && *answers {
        tracing::warn!("the gateway can't be asked about texts in doubt now; it is asked again later");
        *answers = false;
    }
    let now = desk.clock.now(); // the next question counts from here
    desk.decide(|ids| resolve(doubt, &answer, terms, now, ids))
}
