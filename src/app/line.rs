//! The line as the sender holds it: what comes back over it, what is said about it, and the probe that is no text.

use super::desk::Desk;
use crate::domain::change::Decision;
use crate::domain::message::{Claimed, Outcome};
use crate::engine::deliver::barred;
use crate::engine::line::Line;
use crate::gateway::{Gateway, Probed};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use jiff::Timestamp;

/// What comes back over the line.
pub enum Answer {
    /// What came of a text.
    Text(Claimed, Outcome),
    /// ringround itself failed in the middle of sending it.
    Failed(Claimed),
    /// What came of a question whether anybody is there.
    Probe(Probed),
}

/// A request on the wire, and the answer when its time has come.
pub type InFlight = LocalBoxFuture<'static, Answer>;

/// One probe: one request. It asks for a text that never was: ids begin at 1.
pub fn probe(desk: &Desk, gateway: &Gateway, now: Timestamp) -> InFlight {
    let reference = desk.store.identity().mint().reference(0);
    let gateway = gateway.clone();
    async move { Answer::Probe(gateway.probe(&reference, now).await) }.boxed_local()
}

/// The line after a probe; and a decision, where nothing may leave until a person has seen to it.
pub fn probed(desk: &Desk, line: Line, probed: Probed, now: Timestamp) -> (Line, Option<Decision>) {
    let outcome = match probed {
        Probed::There => return (moved(desk, line, line.after_probe(None, now), None), None),
        Probed::Mute => return (moved(desk, line, line.without_probes(), None), None),
        Probed::Failed(outcome) => line.trying().judged(outcome),
    };
    let paused = match &outcome {
        Outcome::Barred { bar, detail } => Some(barred(*bar, detail, now).into()),
        _ => None,
    };
    (moved(desk, line, line.after_probe(Some(&outcome), now), Some(&outcome)), paused)
}

/// The line has moved: everybody is told, and so is the log, once per outage and not once per text.
pub fn moved(desk: &Desk, before: Line, after: Line, because: Option<&Outcome>) -> Line {
    desk.set_away(after.is_away());
    let (was_open, is_open) = (before.closed_until().is_none(), after.closed_until().is_none());
    match because {
        Some(Outcome::Barred { bar, detail }) if !before.is_barred() => tracing::error!(
            "the line to the gateway is paused: {}: {detail}; mend it, then: ringround line resume",
            bar.in_words()
        ),
        Some(Outcome::Throttled { .. }) if was_open && !is_open => tracing::warn!("the gateway asks to wait"),
        Some(Outcome::NotSent { reason } | Outcome::Untrusted { reason }) if was_open && !is_open => {
            tracing::warn!("the gateway can't be reached: {reason}; texts wait, it is tried again");
        }
        Some(Outcome::Unclear { reason }) if was_open && !is_open => {
            tracing::warn!("the gateway does not answer as it should: {reason}; texts wait, it is tried again");
        }
        _ if is_open && !was_open && !after.is_barred() => tracing::info!("the gateway takes texts again"),
        _ => {}
    }
    after
}
