//! One attempt: one request, and the answer when its time has come. A process that was frozen in the middle of it, or a
//! machine that slept, does not go on with it; a failure of our own in it is caught here.

use super::desk::Desk;
use super::line::{Answer, InFlight};
use crate::domain::message::{Claimed, Outcome};
use crate::gateway::{Gateway, LONGEST_REQUEST, Submission};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};

/// One attempt: one request, and the answer when its time has come.
pub(super) fn request(desk: &Desk, gateway: &Gateway, claimed: Claimed, now: Timestamp) -> InFlight {
    let submission = Submission {
        reference: desk.store.identity().mint().reference(claimed.id),
        to: claimed.phone.e164().to_owned(),
        text: claimed.text.clone(),
        valid_until: claimed.not_after,
        handed_at: now,
    };
    let (gateway, clock) = (gateway.clone(), desk.clock.clone());
    // A request that was to be over by then, and is not, belongs to a process that stood still: it does not go on.
    let over = now.saturating_add(LONGEST_REQUEST + SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
    let over = over.min(claimed.not_after);
    let sent = async move {
        let submitted = async {
            let (takes, outcome) = gateway.submit(&submission).await;
            clock.sleep_until(now + takes).await;
            outcome
        };
        let outcome = clock.unless(over, submitted).await;
        outcome.unwrap_or_else(|| Outcome::Unclear { reason: "its time was over before the answer came".to_owned() })
    };
    async move {
        let sent = std::panic::AssertUnwindSafe(sent).catch_unwind().await;
        match sent {
            Ok(outcome) => Answer::Text(claimed, outcome),
            Err(_) => Answer::Failed(claimed),
        }
    }
    .boxed_local()
}
