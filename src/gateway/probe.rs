//! "Are you there?": what a closed line is probed with, so that a probe is no parent's text. The balance where the
//! profile has such a call; else a look-up of a text that never was: any answer that is well formed will do.

use super::answer::{Answer, Test};
use super::look_up::Asked;
use super::profile::Profile;
use super::reading::{Content, Readings};
use super::request::{Account, Call, Request};
use super::value::Filling;
use crate::domain::message::Outcome;
use jiff::Timestamp;

/// A number that belongs to nobody: Ofcom keeps 07700 900000 to 900999 for dramas.
const NOBODY: &str = "+447700900000";

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It answers as it should.
    There,
    /// It does not let us ask this; a text has to show.
    Mute,
    /// As of a text that failed like this.
    Failed(Outcome),
}

/// How a provider is asked for the balance, and how its answer is understood.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BalanceRules {
    pub(super) request: Call,
    pub(super) body: Content,
    /// The answer is a balance.
    pub(super) found: Test,
    /// For people.
    #[serde(default)]
    pub(super) amount: Readings,
    #[serde(default)]
    pub(super) currency: Readings,
}

impl Profile {
    /// Can it be asked whether it is there, without a text?
    pub fn can_be_probed(&self) -> bool {
        self.balance.is_some() || self.look_up.is_some()
    }

    /// The request that asks for the balance; none where there is no such call, or something is not set up.
    pub fn balance(&self, account: &Account, now: Timestamp) -> Option<Request> {
        let rules = self.balance.as_ref()?;
        self.request(&rules.request, account, |masked| Ok(Filling::new(account, now, masked))).ok()
    }

    /// The balance in words; none where the answer is no balance.
    pub fn balanced(&self, answer: &Answer<'_>) -> Option<String> {
        let rules = self.balance.as_ref()?;
        let parts = answer.parts(rules.body).filter(|parts| rules.found.holds(answer.status, parts))?;
        let read = |readings: &Readings| parts.filled(readings, parts.json.as_ref()).unwrap_or_default();
        Some(format!("{} {}", read(&rules.amount), read(&rules.currency)).trim().to_owned())
    }

    /// The request that asks whether it is there. `reference` is one that no text ever had.
    pub fn probe(&self, account: &Account, reference: &str, now: Timestamp) -> Option<Request> {
        if self.balance.is_some() {
            return self.balance(account, now);
        }
        self.look_up(account, &Asked { reference, to: NOBODY, text: "", submitted_at: now }, now)
    }

    /// What the answer to a probe says.
    pub fn probed(&self, answer: &Answer<'_>, now: Timestamp) -> Probed {
        let there = match (&self.balance, &self.look_up) {
            (Some(_), _) => self.balanced(answer).is_some(),
            (None, Some(rules)) => answer.parts(rules.body).is_some_and(|parts| {
                let known = |test: &Test| test.holds(answer.status, &parts);
                known(&rules.found) || rules.absent.iter().any(known)
            }),
            (None, None) => return Probed::Mute,
        };
        if there {
            return Probed::There;
        }
        let reason = format!("answered a question with {}", answer.status);
        match answer.status {
            401 | 403 => match self.outcome(answer, now) {
                barred @ Outcome::Barred { .. } => Probed::Failed(barred),
                // A key may be allowed to send, and not to see the balance.
                _ if self.balance.is_some() => Probed::Mute,
                _ => Probed::Failed(Outcome::Unclear { reason }),
            },
            429 => Probed::Failed(Outcome::Throttled { retry_after: None }),
            _ => Probed::Failed(Outcome::Unclear { reason }),
        }
    }
}
