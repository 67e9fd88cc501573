//! Stores what gateways hand over: things that wait share a commit, and whoever handed one over hears of it after the
//! commit.
//!
//! A STOP does not queue behind a flood: whatever its sender has handed over goes first, in the order in which it came, so
//! that a STOP never overtakes the same person's earlier text.

use super::receiver::{self, Handed, Taken};
use super::run::Shared;
use crate::domain::keyword::Meaning;
use crate::domain::list::Listening;
use crate::store::StoreError;
use std::collections::HashSet;
use tokio::sync::{mpsc, oneshot};

/// Things that share a commit at most: a STOP that comes just after one has begun waits for so many.
const SHARE_A_COMMIT: usize = 64;
/// Deliveries that are looked through for a STOP; more than connections can be open at once.
const LOOKED_THROUGH: usize = 1024;

/// A thing handed over by a gateway, and whoever waits for it to be stored.
pub type Delivery = (Vec<Handed>, oneshot::Sender<Option<Vec<Taken>>>);

/// Until nobody hands over anything any more.
pub async fn intake(shared: &Shared, mut deliveries: mpsc::Receiver<Delivery>) {
    let mut waiting: Vec<Delivery> = Vec::new();
    loop {
        if waiting.is_empty() && deliveries.recv_many(&mut waiting, LOOKED_THROUGH).await == 0 {
            return;
        }
        while waiting.len() < LOOKED_THROUGH
            && let Ok(delivery) = deliveries.try_recv()
        {
            waiting.push(delivery);
        }
        let batch = next(&mut waiting, &shared.desk.settings.listening);
        store(shared, batch).await;
    }
}

/// Takes what is stored next out of what waits.
fn next(waiting: &mut Vec<Delivery>, listening: &Listening) -> Vec<Delivery> {
    let from = |handed: &Handed| match handed {
        Handed::Text { from, .. } => Some(from.clone()),
        Handed::Report { .. } => None,
    };
    let is_stop = |handed: &&Handed| match handed {
        Handed::Text { body, opt_out_handled, .. } => {
            *opt_out_handled || matches!(listening.understand(body, false, false), Meaning::OptOut(_))
        }
        Handed::Report { .. } => false,
    };
    if waiting.len() > SHARE_A_COMMIT {
        let things = waiting.iter().flat_map(|(things, _)| things);
        let stopping: HashSet<String> = things.filter(is_stop).filter_map(from).collect();
        if !stopping.is_empty() {
            let theirs = |things: &[Handed]| things.iter().filter_map(from).any(|from| stopping.contains(&from));
            let (first, rest): (Vec<_>, Vec<_>) = waiting.drain(..).partition(|(things, _)| theirs(things));
            *waiting = rest;
            return first;
        }
    }
    waiting.drain(..waiting.len().min(SHARE_A_COMMIT)).collect()
}

async fn store(shared: &Shared, batch: Vec<Delivery>) {
    let (things, listeners): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let counts: Vec<usize> = things.iter().map(Vec::len).collect();
    let all: Vec<Handed> = things.into_iter().flatten().collect();
    let stored = if shared.desk.owes() {
        Err(StoreError::Full)
    } else {
        receiver::take(&shared.desk, shared.gateway.name(), &all).await
    };
    let mut taken = match stored {
        Ok(taken) => Some(taken.into_iter()),
        Err(error) => {
            tracing::error!("what the gateway handed over can't be stored: {error}; it is asked to come again");
            None
        }
    };
    shared.wake.notify_one();
    for (listener, count) in listeners.into_iter().zip(counts) {
        let share = taken.as_mut().map(|taken| taken.take(count).collect());
        let _ = listener.send(share); // whoever asked may have hung up
    }
}

/// Hands something to the intake; none: it could not be stored.
pub async fn deliver(intake: &mpsc::Sender<Delivery>, things: Vec<Handed>) -> Option<Vec<Taken>> {
    let (tell, told) = oneshot::channel();
    intake.send((things, tell)).await.ok()?;
    told.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(n: usize, body: &str) -> Delivery {
        let text = Handed::Text {
            gateway_id: format!("{n} {body}"),
            from: format!("+4477009{n:05}"),
            body: body.to_owned(),
            opt_out_handled: false,
        };
        (vec![text], oneshot::channel().0)
    }

    fn ids(batch: &[Delivery]) -> Vec<String> {
        let id = |handed: &Handed| match handed {
            Handed::Text { gateway_id, .. } => gateway_id.clone(),
            Handed::Report { .. } => String::new(),
        };
        batch.iter().flat_map(|(things, _)| things.iter().map(id)).collect()
    }

    #[test]
    fn a_stop_goes_first_and_after_its_senders_own_texts() {
        let mut waiting: Vec<Delivery> = (0..200).map(|n| wrote(n, "DUDLEY")).collect();
        waiting.push(wrote(150, "Stop please"));
        waiting.push(wrote(300, "STOP"));
        waiting.push(wrote(150, "DUDLEY"));
        let listening = Listening::default();
        assert_eq!(ids(&next(&mut waiting, &listening)), ["150 DUDLEY", "150 Stop please", "300 STOP", "150 DUDLEY"]);
        assert_eq!(waiting.len(), 199);
        assert_eq!(ids(&next(&mut waiting, &listening))[..2], ["0 DUDLEY", "1 DUDLEY"]);
        assert_eq!((next(&mut waiting, &listening).len(), waiting.len()), (64, 71));
        waiting.truncate(3);
        waiting.push(wrote(7, "STOP"));
        assert_eq!(next(&mut waiting, &listening).len(), 4, "few enough to share one commit");
    }
}
