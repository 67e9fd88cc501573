//! The gateway: hands a text over and says what came of it. One attempt is one request; nothing here retries.

mod answer;
mod callback;
mod check;
mod http;
mod look_up;
mod numbers;
mod one_or_many;
mod poll;
mod probe;
mod profile;
mod provider;
mod reading;
mod request;
mod signature;
pub mod simulated;
mod value;

pub use answer::Answer;
pub use callback::{CallbackEvent, Incoming, Received, Rejected, Reply};
pub use http::{Answered, Client, NoAnswer};
pub use look_up::Asked;
pub use poll::Polled;
pub use probe::Probed;
pub use profile::{Class, Limits, Profile, SHIPPED};
pub use provider::Provider;
pub use request::{Account, Method, Request};

use crate::domain::doubt::{LookUp, Means, Question};
use crate::domain::message::Outcome;
use jiff::{SignedDuration, Timestamp};
use simulated::World;
use std::rc::Rc;

/// From the first byte of the connection to the last byte of the answer: a request takes no longer.
pub const LONGEST_REQUEST: SignedDuration = SignedDuration::from_secs(20);

/// One text, ready for the wire.
#[derive(Clone)]
pub struct Submission {
    /// Our name for it; reports carry it back.
    pub reference: String,
    /// The number, E.164.
    pub to: String,
    /// The text.
    pub text: String,
    /// The gateway is asked to drop it if it could not deliver it by then.
    pub valid_until: Timestamp,
    /// When it was handed over, by our clock: with `valid_until` this is the validity period gateways take.
    pub handed_at: Timestamp,
}

/// A way to reach phones.
#[derive(Clone, Debug)]
pub enum Gateway {
    /// The simulated world that ships in the binary.
    Simulated(World),
    /// A provider, over HTTP.
    Provider(Rc<Provider>),
}

impl Gateway {
    /// Its name, for store and logs.
    pub fn name(&self) -> &str {
        match self {
            Self::Simulated(_) => "simulated",
            Self::Provider(provider) => provider.name(),
        }
    }

    /// How many texts may be claimed ahead of the wire, at least two. After a crash each of them is in doubt: where the
    /// gateway can't be asked for certain, as few as possible.
    pub fn most_ahead(&self) -> usize {
        match self {
            Self::Provider(provider) if matches!(provider.profile().class(), Class::C | Class::D) => 2,
            Self::Simulated(_) | Self::Provider(_) => 2000,
        }
    }

    /// Do its reports carry nothing but its own id of a text?
    pub fn reports_by_its_own_id(&self) -> bool {
        match self {
            Self::Simulated(_) => false,
            Self::Provider(provider) => provider.profile().reports_by_its_own_id(),
        }
    }

    /// What it offers to settle a doubt with.
    pub fn means(&self) -> Means {
        match self {
            Self::Simulated(_) => Means { repeats_refused: None, question: Question::ByReference },
            Self::Provider(provider) => provider.profile().means(),
        }
    }

    /// Hands one text over: one request, one outcome. A simulated answer comes at once, with the time it would have
    /// taken: the caller, who has the clock, waits that long.
    pub async fn submit(&self, submission: &Submission) -> (SignedDuration, Outcome) {
        match self {
            Self::Simulated(world) => world.submit(submission),
            Self::Provider(provider) => (SignedDuration::ZERO, provider.submit(submission).await),
        }
    }

    /// Asks whether it has a text.
    pub async fn look_up(&self, asked: &Asked<'_>, now: Timestamp) -> LookUp {
        match self {
            Self::Simulated(world) => world.look_up(asked.reference),
            Self::Provider(provider) => provider.look_up(asked, now).await,
        }
    }

    /// Can it be asked whether it is there, without a text?
    pub fn can_be_probed(&self) -> bool {
        match self {
            Self::Simulated(_) => true,
            Self::Provider(provider) => provider.profile().can_be_probed(),
        }
    }

    /// Asks whether it is there: one request. `reference` is one that no text ever had.
    pub async fn probe(&self, reference: &str, now: Timestamp) -> Probed {
        match self {
            Self::Simulated(world) => world.probe(),
            Self::Provider(provider) => provider.probe(reference, now).await,
        }
    }

    /// Verifies and reads what it sends to us. The simulated world hands things over by itself.
    pub fn receive(&self, incoming: &Incoming<'_>, now: Timestamp) -> Result<Received, Rejected> {
        match self {
            Self::Simulated(_) => Err(Rejected::Unverified),
            Self::Provider(provider) => provider.receive(incoming, now),
        }
    }
}
