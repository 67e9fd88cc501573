//! The fixtures of a profile: an account, and cases of everything that passes between us and the provider.

use jiff::Timestamp;
use ringround::domain::message::Outcome;
use ringround::gateway::{Account, Answer, CallbackEvent, Method, Probed, Profile, SHIPPED};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub type Headers = Vec<(String, String)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    pub account: Given,
    #[serde(default)]
    pub send: Vec<Send>,
    #[serde(default)]
    pub answer: Vec<Answered>,
    #[serde(default)]
    pub callback: Vec<Called>,
    #[serde(default)]
    pub look_up: Vec<LookedUp>,
    #[serde(default)]
    pub poll: Vec<Page>,
    #[serde(default)]
    pub probe: Vec<Probe>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    pub base_url: Option<String>,
    pub callback_url: Option<String>,
    pub settings: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    pub name: String,
    pub now: Timestamp,
    pub reference: String,
    pub to: String,
    pub text: String,
    pub valid_until: Timestamp,
    pub refused: Option<String>,
    pub method: Option<String>,
    pub url: Option<String>,
    #[serde(default)]
    pub headers: Headers,
    pub body: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    pub name: String,
    pub status: u16,
    pub headers: Headers,
    pub body: String,
    #[serde(default)]
    pub truncated: bool,
    pub outcome: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Called {
    pub name: String,
    pub now: Timestamp,
    pub method: String,
    pub callback_url: Option<String>,
    pub target: String,
    pub headers: Headers,
    pub body: String,
    pub events: Option<Vec<String>>,
    pub rejected: Option<String>,
    pub reply: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookedUp {
    pub name: String,
    pub reference: String,
    pub to: String,
    pub text: String,
    pub submitted_at: Timestamp,
    pub url: String,
    pub method: String,
    pub status: u16,
    pub headers: Headers,
    pub body: String,
    #[serde(default)]
    pub truncated: bool,
    pub found: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    pub name: String,
    pub cursor: Option<String>,
    pub url: String,
    pub status: u16,
    pub headers: Headers,
    pub body: String,
    pub texts: Option<Vec<String>>,
    pub next: Option<String>,
    pub more: Option<bool>,
    pub error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    pub name: String,
    pub url: String,
    pub status: u16,
    pub headers: Headers,
    pub body: String,
    #[serde(default)]
    pub truncated: bool,
    pub probed: String,
    pub balance: Option<String>,
}

/// Every profile that ships, with its cases and the account in them.
pub fn all() -> Vec<(&'static str, Profile, Cases, Account)> {
    SHIPPED
        .into_iter()
        .map(|(name, source)| {
            let (profile, problems) = Profile::parse(source);
            assert!(problems.is_empty(), "{name}: {problems:#?}");
            let profile = profile.unwrap();
            assert_eq!(profile.name, name);
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gateways").join(name);
            let cases: Cases = toml::from_str(&fs::read_to_string(folder.join("cases.toml")).unwrap()).unwrap();
            let account = cases.account.account();
            (name, profile, cases, account)
        })
        .collect()
}

impl Given {
    pub fn account(&self) -> Account {
        let keys = |keys: &Vec<String>| keys.iter().map(|key| SecretString::from(key.clone())).collect();
        Account {
            base_url: self.base_url.clone(),
            settings: self.settings.clone(),
            secrets: self.secrets.iter().map(|(name, given)| (name.clone(), keys(given))).collect(),
            callback_url: self.callback_url.clone(),
        }
    }
}

pub fn method(word: &str) -> Method {
    if word == "GET" { Method::Get } else { Method::Post }
}

pub fn answer<'a>(status: u16, headers: &'a Headers, body: &'a [u8], truncated: bool) -> Answer<'a> {
    Answer { status, headers, body, truncated }
}

pub fn exposed(headers: &[(String, SecretString)]) -> Headers {
    headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect()
}

/// An outcome in the words of the fixtures.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { gateway_id } => format!("accepted {gateway_id}"),
        Outcome::Refused(refusal) => format!("refused {:?}: {}", refusal.class, refusal.detail),
        Outcome::Throttled { retry_after } => format!("throttled {}", retry_after.unwrap().as_secs()),
        Outcome::Barred { bar, detail } => format!("barred {bar:?}: {detail}"),
        Outcome::NotSent { reason } | Outcome::Untrusted { reason } => format!("not sent: {reason}"),
        Outcome::Unclear { .. } => "unclear".to_owned(),
    }
}

/// What came of a probe, in the words of the fixtures.
pub fn probed(probed: &Probed) -> String {
    match probed {
        Probed::There => "there".to_owned(),
        Probed::Mute => "mute".to_owned(),
        Probed::Failed(Outcome::Throttled { .. }) => "throttled".to_owned(),
        Probed::Failed(failed) => outcome(failed),
    }
}

/// An event in the words of the fixtures; the fingerprint only where it is the provider's own.
pub fn event(event: &CallbackEvent) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    match event {
        CallbackEvent::Ignored => "ignored".to_owned(),
        CallbackEvent::Report { reference, gateway_id, status, detail, refusal, fingerprint } => {
            let refusal = refusal.map_or("-".to_owned(), |class| format!("{class:?}"));
            let hashed = fingerprint.len() == 32 && fingerprint.chars().all(|c| c.is_ascii_hexdigit());
            let own = if hashed { String::new() } else { format!(" fingerprint={fingerprint}") };
            let (reference, gateway_id) = (or_dash(reference), or_dash(gateway_id));
            format!("report ref={reference} id={gateway_id} {} refusal={refusal} detail={detail}{own}", status.as_str())
        }
        CallbackEvent::Inbound { gateway_id, from, to, body, opt_out_handled } => {
            format!("inbound id={gateway_id} from={from} to={} opt_out={opt_out_handled} body={body}", or_dash(to))
        }
    }
}
