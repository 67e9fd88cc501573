//! The gateway: hands a text over and says what came of it. One attempt is one request; nothing here retries.

mod answer;
mod callback;
mod check;
mod look_up;
mod numbers;
mod one_or_many;
mod poll;
mod profile;
mod reading;
mod request;
mod signature;
pub mod simulated;
mod value;

pub use answer::Answer;
pub use callback::{CallbackEvent, Incoming, Received, Rejected, Reply};
pub use look_up::Asked;
pub use poll::Polled;
pub use profile::{Class, Limits, Profile, SHIPPED};
pub use request::{Account, Method, Request};

use crate::domain::doubt::LookUp;
use crate::domain::message::Outcome;
use jiff::{SignedDuration, Timestamp};
use simulated::World;

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
}

impl Gateway {
    /// Its name, for store and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Simulated(_) => "simulated",
        }
    }

    /// Hands one text over: one request, one outcome. A simulated answer comes at once, with the time it would have
    /// taken: the caller, who has the clock, waits that long.
    pub fn submit(&self, submission: &Submission) -> (SignedDuration, Outcome) {
        match self {
            Self::Simulated(world) => world.submit(submission),
        }
    }

    /// Asks whether it has a text under this reference.
    pub fn look_up(&self, reference: &str) -> LookUp {
        match self {
            Self::Simulated(world) => world.look_up(reference),
        }
    }
}
