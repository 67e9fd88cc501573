//! What `src/store` does not do yet: workers with leases, and a database taken back from a backup.

use super::model::Model;
use super::rows::Worker;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::broadcast::Fate;
use ringround::domain::ids::Id;
use ringround::domain::message::{Edge, State};

impl Model {
    /// A worker may claim from now on.
    pub fn register(&mut self, epoch: i64, lease_until: Timestamp) {
        self.workers.insert(epoch, Worker { lease_until });
    }

    /// Renews a worker's lease; false: it is off the table, and must start anew.
    pub fn renew(&mut self, epoch: i64, lease_until: Timestamp) -> bool {
        let worker = self.workers.get_mut(&epoch);
        worker.map(|worker| worker.lease_until = worker.lease_until.max(lease_until)).is_some()
    }

    /// Takes workers off whose lease is over; what they had claimed is in doubt.
    pub fn sweep_workers(&mut self, settle: SignedDuration, now: Timestamp) {
        self.workers.retain(|_, worker| worker.lease_until > now);
        for id in self.submitting.clone() {
            if !self.workers.contains_key(&self.messages[&id].epoch) {
                self.doubt(id, settle, now);
            }
        }
    }

    /// A backup has become the database: whatever had not ended when it was taken may have left since, and nothing that
    /// was due since then fires (E22, and E8 for what was on its way).
    pub fn restored(&mut self, settle: SignedDuration, now: Timestamp) {
        for id in self.submitting.clone() {
            self.doubt(id, settle, now);
        }
        let waits = |state| matches!(state, State::Held | State::Queued);
        let open: Vec<Id> = self.messages.values().filter(|m| waits(m.state)).map(|m| m.new.id).collect();
        for id in open {
            self.passed.push((id, Edge::Restored));
            self.change(id, |row| {
                (row.state, row.ask_at, row.absent) = (State::InDoubt, Some(now + settle), 0);
                row.reason = Some("restored from a backup: it may have left since".to_owned());
            });
        }
        for broadcast in self.broadcasts.values_mut().filter(|b| b.fate == Fate::Filling) {
            broadcast.fate = Fate::Filled;
        }
        for campaign in self.campaigns.values_mut() {
            campaign.planned_until = campaign.planned_until.max(now);
        }
        self.workers.clear();
    }
}
