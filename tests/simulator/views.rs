//! What the model store answers to those who only read.

use super::model::{Model, ms};
use super::rows::{Broadcast, Message};
use super::workers::KEPT_FOR;
use jiff::Timestamp;
use ringround::domain::broadcast::{Fate, OpenBroadcast};
use ringround::domain::campaign::CampaignState;
use ringround::domain::consent::Standing;
use ringround::domain::contact::{Candidate, Contact};
use ringround::domain::doubt::{Doubt, OpenDoubt};
use ringround::domain::ids::Id;
use ringround::domain::message::Origin;
use ringround::domain::phone::Phone;
use ringround::store::Pulse;
use std::collections::BTreeSet;

impl Model {
    /// Is anybody to be asked about?
    pub fn any_doubts(&self, now: Timestamp) -> bool {
        self.doubts.first().is_some_and(|(at, _)| *at <= now)
    }

    /// When the next thing happens by itself.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (std::ops::Bound::Excluded((ms(now), Id::MAX)), std::ops::Bound::Unbounded);
        let starts = self.by_start.range(later).next().map(|(at, _)| *at);
        let first = |set: &BTreeSet<(Timestamp, Id)>| set.first().map(|(at, _)| *at);
        let forgotten = self.strays.values().map(|stray| stray.received_at + KEPT_FOR).min();
        let ends = [first(&self.by_end), first(&self.held), first(&self.unreported), forgotten];
        let ends = ends.into_iter().flatten().min();
        [starts, ends, first(&self.doubts)].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// The pulse.
    pub fn pulse(&self, now: Timestamp) -> Pulse {
        let first = |set: &BTreeSet<(Timestamp, Id)>| set.first().map(|(at, _)| *at);
        let forgotten = self.strays.values().map(|stray| stray.received_at + KEPT_FOR).min();
        let ends = [first(&self.by_end), first(&self.held), first(&self.unreported), forgotten];
        let ends = ends.into_iter().flatten().min();
        let ask_at = first(&self.doubts);
        let passed = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        Pulse {
            at: now,
            claimable: passed(first(&self.by_start)),
            ended: passed(ends),
            doubts: passed(ask_at),
            filling: self.broadcasts.values().any(|b| b.fate == Fate::Filling),
            paused: !self.pauses.is_empty(),
            fenced: self.pauses.contains_key("fence"),
            strays: self.strays.values().any(|stray| self.handles.contains_key(&stray.gateway_id)),
            line_paused: self.pauses.contains_key("line"),
            campaigns: self.campaigns.values().map(|c| c.revision).sum(),
            next: self.next(now),
        }
    }

    /// Messages in doubt to be asked about.
    pub fn doubts(&self, now: Timestamp, limit: usize) -> Vec<Doubt> {
        let due = self.doubts.iter().take_while(|(at, _)| *at <= now).take(limit);
        let doubt = |(ask_at, id): &(Timestamp, Id)| {
            let row = &self.messages[id];
            Doubt {
                id: *id,
                since: row.answered_at.or(row.claimed_at).unwrap_or(row.created_at),
                handed_at: row.claimed_at.unwrap_or(row.created_at),
                contact: row.new.contact,
                to: self.contacts[&row.new.contact].phone.clone(),
                of: self.step_of(row),
                text: row.new.text.clone(),
                absent: row.absent,
                ask_at: *ask_at,
                first_at: row.created_at,
                may_resend: row.new.may_resend,
                not_after: row.not_after,
                revoked: self.is_revoked(row),
            }
        };
        due.map(doubt).collect()
    }

    /// They have left since, or its campaign was cancelled.
    fn is_revoked(&self, row: &Message) -> bool {
        let cancelled = |id: &String| self.campaigns.get(id).is_some_and(|c| c.state == CampaignState::Cancelled);
        self.has_left(row) || row.new.campaign.as_ref().is_some_and(cancelled)
    }

    /// A message as a person decides about it.
    pub fn open_doubt(&self, id: Id) -> OpenDoubt {
        let row = &self.messages[&id];
        let contact = &self.contacts[&row.new.contact];
        let campaign = row.new.campaign.clone();
        let list = row.new.list.clone();
        OpenDoubt {
            id,
            state: row.state,
            contact: row.new.contact,
            to: contact.phone.clone(),
            campaign: campaign.map(|id| (id.clone(), self.campaigns[&id].state)),
            step: self.step_of(row).map(|(_, step)| step),
            standing: list.and_then(|list| self.consents.get(&(list, row.new.contact)).map(|(s, _)| *s)),
            is_reply: row.new.reply.is_some_and(|reply| reply != "test"),
            suppressed: self.suppressions.contains_key(contact.phone.e164()),
            since: row.answered_at.or(row.claimed_at).unwrap_or(row.created_at),
            not_after: row.not_after,
            reason: row.reason.clone(),
            text: row.new.text.clone(),
        }
    }

    /// The campaign and the step of a broadcast's text.
    fn step_of(&self, row: &Message) -> Option<(String, String)> {
        let Origin::Broadcast(broadcast) = row.new.origin else { return None };
        let step = self.broadcasts.get(&broadcast)?.occurrence.step.clone();
        Some((row.new.campaign.clone()?, step))
    }

    /// Broadcasts still being filled, of campaigns that run.
    pub fn open_broadcasts(&self) -> Vec<OpenBroadcast> {
        let runs = |b: &Broadcast| self.campaigns.get(&b.campaign).is_some_and(|c| c.state == CampaignState::Running);
        let open = self.broadcasts.iter().filter(|(_, b)| b.fate == Fate::Filling && runs(b));
        let mut open: Vec<OpenBroadcast> = open
            .map(|(id, b)| OpenBroadcast {
                id: *id,
                campaign: b.campaign.clone(),
                occurrence: b.occurrence.clone(),
                filled_to: b.filled_to,
            })
            .collect();
        open.sort_by_key(|b| (b.occurrence.not_after, b.id));
        open
    }

    /// One page of an audience.
    pub fn candidates(&self, list: &str, campaign: &str, after: Id, limit: usize) -> Vec<Candidate> {
        let from = (list.to_owned(), after + 1);
        let page = self.consents.range(from..).take_while(|((l, _), _)| l == list).take(limit);
        page.map(|((_, id), (standing, _))| {
            let contact = self.contacts[id].clone();
            Candidate {
                suppressed: self.suppressions.contains_key(contact.phone.e164()),
                done: self.dones.contains(&(*id, campaign.to_owned())),
                standing: *standing,
                contact,
            }
        })
        .collect()
    }

    /// The contact with this number.
    pub fn contact(&self, phone: &Phone) -> Option<&Contact> {
        self.contacts.get(self.by_phone.get(phone.e164())?)
    }

    /// How a contact stands to every list it ever had to do with.
    pub fn standings(&self, contact: Id) -> Vec<(String, Standing)> {
        let of = self.consents.iter().filter(|((_, c), _)| *c == contact);
        of.map(|((list, _), (standing, _))| (list.clone(), *standing)).collect()
    }

    /// Answers made for a contact at or after `since`: (kind, when).
    pub fn answered(&self, contact: Id, since: Timestamp) -> Vec<(String, Timestamp)> {
        let made = self.messages.values().filter(|m| m.new.contact == contact && m.created_at >= ms(since));
        made.filter_map(|m| Some((m.new.reply?.to_owned(), m.created_at))).collect()
    }

    /// When the answers that count against their cap leave or have left, the last `count` of them, the latest first.
    pub fn last_answers(&self, count: usize) -> Vec<Timestamp> {
        let counts = |m: &&Message| m.new.reply.is_some_and(|reply| !matches!(reply, "test" | "goodbye" | "person"));
        let mut all: Vec<Timestamp> = self.messages.values().filter(counts).map(|m| m.not_before).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        all.truncate(count);
        all
    }
}
