//! A provider's HTTP API written down as data. `docs/gateways.md` explains every key; no provider has Rust of its own.

use super::answer::AnswerRules;
use super::callback::Callbacks;
use super::look_up::{By, LookUpRules};
use super::numbers;
use super::one_or_many::Pattern;
use super::poll::PollRules;
use super::probe::BalanceRules;
use super::request::Call;
use super::signature::Verify;
use super::value::Value;
use crate::domain::doubt::{Means, Question};
use crate::domain::problem::{Place, Problem, any_error, did_you_mean};
use jiff::SignedDuration;
use std::collections::BTreeMap;
use toml::Spanned;

/// The profiles that ship in the binary: name and source.
pub const SHIPPED: [(&str, &str); 5] = [
    ("gov-uk-notify", include_str!("../../config/gateways/gov-uk-notify.toml")),
    ("kannel", include_str!("../../config/gateways/kannel.toml")),
    ("smsgate", include_str!("../../config/gateways/smsgate.toml")),
    ("telnyx", include_str!("../../config/gateways/telnyx.toml")),
    ("twilio", include_str!("../../config/gateways/twilio.toml")),
];

/// What a send in doubt can be resolved by. A wrong class texts people twice: the default is the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub enum Class {
    /// Sending again under the same id: the provider refuses a repeat, and that counts as accepted.
    A,
    /// Asking for our reference.
    B,
    /// Asking for recipient, text and time; exactly one match counts, anything else says nothing.
    C,
    /// Nothing but a delivery report that carries our reference.
    #[default]
    D,
}

/// A profile, read and checked.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub(super) schema: Spanned<i64>,
    /// Short name, the file's.
    pub name: String,
    /// For people.
    pub title: String,
    base_url: Option<Spanned<String>>,
    #[serde(default)]
    class: Option<Spanned<Class>>,
    pub(super) repeats_refused_hours: Option<Spanned<i64>>,
    settle_seconds: Spanned<i64>,
    report_hours: Spanned<i64>,
    #[serde(default)]
    pub(super) settings: BTreeMap<Spanned<String>, Ask>,
    #[serde(default)]
    pub(super) secrets: BTreeMap<Spanned<String>, Ask>,
    /// Sets of settings of which at least one is needed.
    #[serde(default)]
    pub(super) any_of: Vec<Vec<Spanned<String>>>,
    /// What the provider takes.
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub(super) numbers: Numbers,
    #[serde(default)]
    pub(super) text: TextRules,
    pub(super) validity: Option<Validity>,
    pub(super) reference: Spanned<Reference>,
    pub(super) callback_url: Option<CallbackUrl>,
    pub(super) send: Call,
    pub(super) answer: AnswerRules,
    pub(super) callbacks: Option<Callbacks>,
    pub(super) look_up: Option<LookUpRules>,
    pub(super) balance: Option<BalanceRules>,
    pub(super) poll: Option<PollRules>,
}

/// Something a deployment has to say.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    pub(super) about: String,
    #[serde(default)]
    pub(super) optional: bool,
    pub(super) matches: Option<Pattern>,
}

/// What the provider takes.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests a second.
    pub per_second: Option<u32>,
    /// Requests on a day (UTC).
    pub per_day: Option<u32>,
    /// Characters of a text.
    pub max_characters: Option<usize>,
    /// SMS parts of a text; beyond, some cut silently.
    pub max_parts: Option<usize>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbers {
    #[serde(default)]
    pub(super) send: numbers::Form,
    #[serde(default)]
    pub(super) receive: numbers::Form,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TextRules {
    #[serde(default)]
    pub(super) forbidden: Vec<String>,
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimeUnit {
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Validity {
    pub(super) unit: TimeUnit,
    pub(super) min: i64,
    pub(super) max: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Carrier {
    OwnId,
    Field,
    CallbackUrl,
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Characters {
    #[default]
    Any,
    Alphanumeric,
    Digits,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reference {
    pub(super) carrier: Carrier,
    pub(super) max_length: Option<usize>,
    #[serde(default)]
    pub(super) characters: Characters,
}

/// The address for reports that goes with each text.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallbackUrl {
    pub(super) path: Value,
    #[serde(default)]
    pub(super) query: BTreeMap<String, Value>,
    /// The provider has `%` escapes of its own in it: ours are doubled.
    #[serde(default)]
    pub(super) double_percent: bool,
    pub(super) max_length: Option<usize>,
    /// The provider refuses host names with an underscore.
    #[serde(default)]
    pub(super) host_without_underscore: bool,
}

impl Profile {
    /// Reads a profile. A profile comes back only if no problem is an error.
    pub fn parse(source: &str) -> (Option<Self>, Vec<Problem>) {
        match toml::from_str::<Self>(source) {
            Err(error) => (None, vec![problem(&error)]),
            Ok(profile) => {
                let problems = profile.problems();
                ((!any_error(&problems)).then_some(profile), problems)
            }
        }
    }

    /// A profile of the five that ship.
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, source) = SHIPPED.into_iter().find(|(shipped, _)| *shipped == name)?;
        Self::parse(source).0
    }

    /// What a doubt can be resolved by.
    pub fn class(&self) -> Class {
        self.class.as_ref().map(|class| *class.get_ref()).unwrap_or_default()
    }

    /// The same, as the decision about a doubt sees it. What a profile can do beyond its class is not used.
    pub fn means(&self) -> Means {
        let hours = self.repeats_refused_hours.as_ref().filter(|_| self.class() == Class::A);
        let question = match (self.class(), self.look_up.as_ref().map(|rules| *rules.by.get_ref())) {
            (Class::D, _) | (_, None) => Question::Nobody,
            (_, Some(By::Reference)) => Question::ByReference,
            (_, Some(By::Recipient)) => Question::ByRecipient,
        };
        Means { repeats_refused: hours.map(|hours| SignedDuration::from_hours(*hours.get_ref())), question }
    }

    /// How long after a lost answer a look-up is believed.
    pub fn settle(&self) -> SignedDuration {
        SignedDuration::from_secs(*self.settle_seconds.get_ref())
    }

    /// How long a delivery report is waited for.
    pub fn report_within(&self) -> SignedDuration {
        SignedDuration::from_hours(*self.report_hours.get_ref())
    }

    /// Between two polls for received texts; none where the provider is not polled.
    pub fn poll_every(&self) -> Option<SignedDuration> {
        self.poll.as_ref().map(|poll| SignedDuration::from_secs(poll.every_seconds))
    }

    /// True if the provider knows a text by our reference and gives it no name of its own.
    pub fn names_by_reference(&self) -> bool {
        self.reference.get_ref().carrier == Carrier::OwnId
    }

    /// True if nothing of ours comes back in a report.
    pub fn reports_by_its_own_id(&self) -> bool {
        self.reference.get_ref().carrier == Carrier::None
    }

    /// Where the provider is, unless the account says otherwise.
    pub fn base_url(&self) -> Option<&str> {
        self.base_url.as_ref().map(|url| url.get_ref().as_str())
    }

    pub(super) fn base_url_place(&self) -> Option<Place> {
        self.base_url.as_ref().map(place)
    }

    /// The secret that stands in the address of our callbacks.
    pub(super) fn path_secret(&self) -> Option<&str> {
        match &self.callbacks.as_ref()?.verify.as_ref()? {
            Verify::SecretPath { secret } => Some(secret.get_ref()),
            _ => None,
        }
    }

    /// (name, value, its place, lowest, highest).
    pub(super) fn ranges(&self) -> Vec<(&'static str, i64, Place, i64, i64)> {
        let settle = &self.settle_seconds;
        let report = &self.report_hours;
        let repeats = self.repeats_refused_hours.as_ref();
        let repeats = repeats.map(|hours| ("repeats_refused_hours", *hours.get_ref(), place(hours), 1, 8760));
        let always = [
            ("settle_seconds", *settle.get_ref(), place(settle), 1, 3600),
            ("report_hours", *report.get_ref(), place(report), 1, 168),
        ];
        always.into_iter().chain(repeats).collect()
    }

    pub(super) fn class_place(&self) -> Place {
        self.class.as_ref().map_or_else(|| place(&self.schema), place)
    }
}

pub(super) fn place<T>(spanned: &Spanned<T>) -> Place {
    let span = spanned.span();
    Place { start: span.start, end: span.end }
}

/// What serde found, with a hint: the key or word probably meant.
fn problem(error: &toml::de::Error) -> Problem {
    let at = error.span().map_or(Place::default(), |span| Place { start: span.start, end: span.end });
    let message = error.message().lines().next().unwrap_or_default().to_owned();
    let mut names = message.split('`').skip(1).step_by(2);
    let hint = match names.next() {
        Some(wrong) if message.starts_with("unknown") => did_you_mean(wrong, names),
        Some(missing) if message.starts_with("missing") => format!("add {missing} = … here"),
        _ => "see docs/gateways.md for what may stand here".to_owned(),
    };
    Problem::error("profile.syntax", at, message, hint)
}
