//! Asks the gateway about sends in doubt, when their time to be asked has come.

use super::desk::Desk;
use crate::engine::doubt;
use crate::gateway::{Asked, Gateway};
use crate::store::{Pulse, StoreError};

/// Doubts looked at in one turn.
const PAGE: i64 = 50;

/// One turn: true if anybody was asked about.
pub async fn turn(desk: &Desk, gateway: &Gateway, pulse: &Pulse) -> Result<bool, StoreError> {
    if !pulse.doubts || pulse.line_paused {
        return Ok(false);
    }
    let doubts = desk.store.doubts(desk.clock.now(), PAGE).await?;
    let waits = &desk.settings.gateway;
    let mint = desk.store.identity().mint();
    let mut asked_any = false;
    for doubt in &doubts {
        if desk.is_away() {
            break; // questions would cost as many requests as texts
        }
        asked_any = true;
        let reference = mint.reference(doubt.id);
        let asked =
            Asked { reference: &reference, to: doubt.to.e164(), text: &doubt.text, submitted_at: doubt.handed_at };
        let answer = gateway.look_up(&asked, desk.clock.now()).await;
        let now = desk.clock.now(); // an answer may take long, and the next question counts from it
        let decision = doubt::resolve(doubt, &answer, waits.settle, waits.report_within, now);
        desk.store.commit_one(decision, now).await?;
    }
    Ok(asked_any)
}
