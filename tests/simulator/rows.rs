//! The rows of the model store; fields are named like the columns they stand for.

use jiff::Timestamp;
use ringround::domain::broadcast::{Fate, Occurrence};
use ringround::domain::campaign::CampaignState;
use ringround::domain::ids::Id;
use ringround::domain::inbound::InboundText;
use ringround::domain::message::{NewMessage, State};

#[derive(Clone, Debug)]
pub struct Inbound {
    pub text: InboundText,
    pub contact: Option<Id>,
    pub meaning: &'static str,
    pub needs_person: bool,
    pub closed_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct CampaignLine {
    pub list: String,
    pub source: String,
    pub revision: i64,
    pub state: CampaignState,
    pub planned_until: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Broadcast {
    pub campaign: String,
    pub occurrence: Occurrence,
    pub fate: Fate,
    pub filled_to: Id,
    #[allow(dead_code, reason = "compared with the real store's")]
    pub opened_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Message {
    pub new: NewMessage,
    pub state: State,
    pub reason: Option<String>,
    pub attempts: u32,
    pub epoch: i64,
    pub gateway_id: Option<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub ask_at: Option<Timestamp>,
    pub absent: i64,
    pub created_at: Timestamp,
    pub claimed_at: Option<Timestamp>,
    pub answered_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

impl Message {
    /// Just made.
    pub fn new(new: &NewMessage, now: Timestamp) -> Self {
        Self {
            state: State::Queued,
            reason: None,
            attempts: 0,
            epoch: 0,
            gateway_id: None,
            not_before: super::model::ms(new.not_before),
            not_after: super::model::ms(new.not_after),
            ask_at: None,
            absent: 0,
            created_at: now,
            claimed_at: None,
            answered_at: None,
            ended_at: None,
            new: new.clone(),
        }
    }
}

/// A worker that may claim.
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    pub lease_until: Timestamp,
}
