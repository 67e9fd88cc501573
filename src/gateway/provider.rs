//! A provider reached over HTTP: a profile, an account, a client. Every decision is the profile's.

use super::http::{Answered, Client, NoAnswer, is_loopback};
use super::{Account, Answer, Asked, Incoming, Polled, Probed, Profile, Received, Rejected, Request, Submission};
use crate::domain::doubt::LookUp;
use crate::domain::message::{Outcome, Refusal, RefusalClass};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use std::fmt;

/// See the module's head.
pub struct Provider {
    name: String,
    profile: Profile,
    account: Account,
    client: Client,
}

// By hand: an account holds secrets.
impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.name)
    }
}

impl Answered {
    fn as_answer(&self) -> Answer<'_> {
        Answer { status: self.status, headers: &self.headers, body: &self.body, truncated: self.truncated }
    }
}

impl NoAnswer {
    /// What it means for a text, or for a line.
    fn outcome(self) -> Outcome {
        match self {
            Self::NotSent(reason) => Outcome::NotSent { reason },
            Self::Untrusted(reason) => Outcome::Untrusted { reason },
            Self::Unclear(reason) => Outcome::Unclear { reason },
        }
    }
}

impl Provider {
    /// A provider under the name that store and logs know it by.
    pub fn new(name: &str, profile: Profile, account: Account) -> Result<Self, NoAnswer> {
        Ok(Self { name: name.to_owned(), profile, account, client: Client::new()? })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A gateway on this machine itself, which answers at once.
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.base_url())
    }

    /// Where it is.
    pub fn base_url(&self) -> &str {
        self.account.base_url.as_deref().or(self.profile.base_url()).unwrap_or_default()
    }

    /// Its profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Profile and account as one text, secrets included: to be hashed with a key, never to be shown.
    pub fn fingerprint(&self) -> String {
        let secrets = self.account.secrets.iter().map(|(name, values)| {
            let values = values.iter().map(|value| value.expose_secret().to_owned()).collect::<Vec<_>>();
            format!("{name}={values:?}")
        });
        let secrets: Vec<String> = secrets.collect();
        format!("{:?} {:?} {:?} {secrets:?}", self.profile, self.account.base_url, self.account.settings)
    }

    /// The request that would be made.
    pub fn request(&self, submission: &Submission) -> Result<Request, String> {
        self.profile.send(&self.account, submission, submission.handed_at)
    }

    /// Hands one text over: one request, one outcome.
    pub async fn submit(&self, submission: &Submission) -> Outcome {
        let request = match self.request(submission) {
            Ok(request) => request,
            Err(detail) => return Outcome::Refused(Refusal { class: RefusalClass::Text, detail }),
        };
        match self.client.send(&request).await {
            Ok(answered) => self.profile.outcome(&answered.as_answer(), submission.handed_at),
            Err(none) => none.outcome(),
        }
    }

    /// Asks whether it has a text.
    pub async fn look_up(&self, asked: &Asked<'_>, now: Timestamp) -> LookUp {
        if !self.profile.has_look_up() {
            return LookUp::Mute;
        }
        let Some(request) = self.profile.look_up(&self.account, asked, now) else { return LookUp::Unknown };
        match self.client.send(&request).await {
            Ok(answered) => match self.profile.looked_up(asked, &answered.as_answer()) {
                LookUp::Unknown if !(200..300).contains(&answered.status) => LookUp::Failed,
                answer => answer,
            },
            Err(_) => LookUp::Failed,
        }
    }

    /// Asks whether it is there: one request.
    pub async fn probe(&self, reference: &str, now: Timestamp) -> Probed {
        let Some(request) = self.profile.probe(&self.account, reference, now) else { return Probed::Mute };
        match self.client.send(&request).await {
            Ok(answered) => self.profile.probed(&answered.as_answer(), now),
            Err(none) => Probed::Failed(none.outcome()),
        }
    }

    /// Asks for the balance, in words for people; none where the provider is not asked for it.
    pub async fn balance(&self, now: Timestamp) -> Option<Result<String, String>> {
        let request = self.profile.balance(&self.account, now)?;
        Some(match self.client.send(&request).await {
            Ok(answered) => {
                let balance = self.profile.balanced(&answered.as_answer());
                balance.ok_or_else(|| format!("the gateway tells no balance (HTTP {})", answered.status))
            }
            Err(none) => Err(none.to_string()),
        })
    }

    /// Verifies and reads what it sends to us. `incoming.target` is path and query as they reached the listener: the
    /// path of the account's callback address comes first in it, or it is nothing of this gateway's.
    pub fn receive(&self, incoming: &Incoming<'_>, now: Timestamp) -> Result<Received, Rejected> {
        let own = self.account.callback_url.as_deref().map_or("", path_of);
        let target = incoming.target.strip_prefix(own).ok_or(Rejected::Unverified)?;
        self.profile.receive(&self.account, &Incoming { target, ..*incoming }, now)
    }

    /// Asks for texts that have come; none where the provider does not offer that.
    pub async fn poll(&self, cursor: Option<&str>, now: Timestamp) -> Option<Result<Polled, String>> {
        let request = self.profile.poll(&self.account, cursor, now)?;
        Some(match self.client.send(&request).await {
            Ok(answered) => self.profile.polled(cursor, &answered.as_answer()),
            Err(none) => Err(none.to_string()),
        })
    }
}

/// The path of an address, without a slash at its end.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("").trim_end_matches('/')
}
