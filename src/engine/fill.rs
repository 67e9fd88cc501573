//! One page of a broadcast's audience becomes messages (edge E1), and counts of who gets nothing and why.

use super::choose::{Pass, choose};
use crate::domain::broadcast::OpenBroadcast;
use crate::domain::campaign::{Campaign, Step};
use crate::domain::change::{Change, Decision};
use crate::domain::contact::Candidate;
use crate::domain::ids::{Id, Ids};
use crate::domain::message::{NewMessage, Origin};
use crate::domain::schedule::quiet::Deferred;
use crate::domain::template::Context;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// When an occurrence's texts may leave: at its time, or when quiet hours end; none when that is past the deadline.
pub fn leaves_at(campaign: &Campaign, due_at: Timestamp, not_after: Timestamp) -> Option<Timestamp> {
    match campaign.quiet.defer(due_at, &campaign.zone, Some(not_after)) {
        Deferred::SendAt(at) => Some(at),
        Deferred::Expired => None,
    }
}

/// The decision for one page. `last`: no contact comes after it.
pub fn fill(
    campaign: &Campaign,
    step: &Step,
    context: &Context,
    broadcast: &OpenBroadcast,
    page: &[Candidate],
    last: bool,
    ids: &mut Ids,
) -> Decision {
    let occurrence = &broadcast.occurrence;
    let leaves_at = leaves_at(campaign, occurrence.due_at, occurrence.not_after);
    let mut messages = Vec::new();
    let mut passed: BTreeMap<Pass, i64> = BTreeMap::new();
    for who in page {
        let chosen = choose(campaign, step, context, who).and_then(|c| Ok((c, leaves_at.ok_or(Pass::Quiet)?)));
        match chosen {
            Ok((chosen, not_before)) => messages.push(NewMessage {
                id: ids.take(),
                contact: who.contact.id,
                origin: Origin::Broadcast(broadcast.id),
                campaign: Some(campaign.id.clone()),
                list: Some(campaign.list.clone()),
                reply: None,
                text: chosen.text,
                parts: chosen.parts,
                not_before,
                not_after: occurrence.not_after,
                may_resend: step.may_resend,
            }),
            Err(pass) => *passed.entry(pass).or_default() += 1,
        }
    }
    let to: Id = page.last().map_or(broadcast.filled_to, |who| who.contact.id);
    let mut changes = vec![Change::BroadcastFilled { id: broadcast.id, from: broadcast.filled_to, to, last }];
    if !messages.is_empty() {
        changes.push(Change::MessagesQueued(messages));
    }
    changes.extend(passed.into_iter().map(|(pass, people)| Change::PassedOver {
        broadcast: broadcast.id,
        reason: pass.as_str(),
        people,
    }));
    Decision(changes)
}
