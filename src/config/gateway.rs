//! The `[gateway]` table: which provider, as which account, how fast, at which price.

use super::reader::Reader;
use crate::domain::price::Price;
use crate::domain::problem::Place;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::de::DeValue;

/// How texts leave and what they cost.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Name of a profile that is shipped, or the path of one's own; none: no gateway.
    pub profile: Option<String>,
    /// In place of the profile's own address.
    pub base_url: Option<String>,
    /// Under which address the provider reaches our hooks, without the last part.
    pub callback_url: Option<String>,
    /// What the profile asks of an account: user name, sender…
    pub account: BTreeMap<String, String>,
    /// Where the account's secrets are; several under one name while they are being exchanged, the current one first.
    pub secrets: BTreeMap<String, Vec<SecretPlace>>,
    /// Price of one part.
    pub price_per_part: Price,
    /// Its currency, ISO 4217.
    pub currency: String,
    /// Requests that may start in one second, 1 to 1,000.
    pub per_second: u32,
    /// Requests that may start on a day (UTC), where that is limited.
    pub per_day: Option<i64>,
    /// Requests in flight at once, 1 to 256.
    pub in_flight: usize,
    /// How long after a lost answer the gateway is asked at the earliest.
    pub settle: SignedDuration,
    /// How long a delivery report is waited for; then the message stays accepted, and is closed as never reported.
    pub report_within: SignedDuration,
}

/// Where a secret is kept: never in the settings themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// In the service manager's credentials directory, under this name.
    Credential(String),
    /// In a file that only its owner may read.
    File(PathBuf),
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            profile: None,
            base_url: None,
            callback_url: None,
            account: BTreeMap::new(),
            secrets: BTreeMap::new(),
            price_per_part: Price::default(),
            currency: String::new(),
            per_second: 1,
            per_day: None,
            in_flight: 1,
            settle: SignedDuration::ZERO,
            report_within: SignedDuration::ZERO,
        }
    }
}

impl GatewaySettings {
    /// The price of a part as written, with its currency.
    pub fn price_text(&self) -> String {
        format!("{} {}", self.price_per_part.exact(), self.currency)
    }

    /// Between the starts of two requests.
    pub fn spacing(&self) -> SignedDuration {
        SignedDuration::from_micros(1_000_000 / i64::from(self.per_second.max(1)))
    }

    /// Reads the table over what is known.
    pub(super) fn overlay(&mut self, table: &Reader<'_>) {
        let filled = |text: Option<(String, Place)>| text.map(|(text, _)| text).filter(|text| !text.is_empty());
        self.profile = filled(table.text("profile")).or(self.profile.take());
        self.base_url = filled(table.text("base_url")).or(self.base_url.take());
        self.callback_url = filled(table.text("callback_url")).or(self.callback_url.take());
        if let Some(account) = table.table("account") {
            self.account = read_account(&account);
        }
        if let Some(secrets) = table.table("secrets") {
            self.secrets = read_secrets(&secrets);
        }
        if let Some((price, at)) = table.text("price_per_part") {
            if let Some(price) = Price::parse(&price) {
                self.price_per_part = price;
            } else {
                let hint = "write it like \"0.024\", at most four decimals";
                table.problem("config.price", at, "this is not a price", hint);
            }
        }
        if let Some((currency, _)) = table.text("currency") {
            self.currency = currency;
        }
        if let Some(rate) = table.number("per_second", 1..=1000) {
            self.per_second = u32::try_from(rate).unwrap_or(1);
        }
        self.per_day = table.number("per_day", 1..=10_000_000).or(self.per_day);
        if let Some(in_flight) = table.number("in_flight", 1..=256) {
            self.in_flight = usize::try_from(in_flight).unwrap_or(1);
        }
        if let Some(seconds) = table.number("settle_seconds", 1..=3600) {
            self.settle = SignedDuration::from_secs(seconds);
        }
        if let Some(hours) = table.number("report_hours", 1..=168) {
            self.report_within = SignedDuration::from_hours(hours);
        }
        table.finish();
    }
}

/// Plain texts, whatever the profile calls them.
fn read_account(table: &Reader<'_>) -> BTreeMap<String, String> {
    let mut account = BTreeMap::new();
    for (name, _, value, at) in table.entries() {
        match value {
            DeValue::String(text) => {
                account.insert(name, text.to_string());
            }
            _ => {
                table.problem("config.wrong_kind", at, format!("{name} should be a text"), "write it in double quotes");
            }
        }
    }
    account
}

/// `name = { credential = "…" }`, `{ file = "…" }`, or a list of them. A bare secret is refused.
fn read_secrets(table: &Reader<'_>) -> BTreeMap<String, Vec<SecretPlace>> {
    let mut secrets = BTreeMap::new();
    for (name, _, value, at) in table.entries() {
        let places: Vec<SecretPlace> = match value {
            DeValue::Array(several) => several
                .iter()
                .filter_map(|one| read_secret(table, one.get_ref(), super::reader::place(one.span())))
                .collect(),
            one => read_secret(table, one, at).into_iter().collect(),
        };
        secrets.insert(name, places);
    }
    secrets
}

pub(super) fn read_secret(table: &Reader<'_>, value: &DeValue<'_>, at: Place) -> Option<SecretPlace> {
    let DeValue::Table(inner) = value else {
        let hint = "put it into a file of mode 0600 and write { file = \"/path\" }, or { credential = \"name\" } under systemd";
        table.problem("config.bare_secret", at, "a secret does not belong into this file", hint);
        return None;
    };
    let inner = Reader::new(inner, at, &table.problems);
    let place = match (inner.text("credential"), inner.text("file")) {
        (Some((name, _)), None) => Some(SecretPlace::Credential(name)),
        (None, Some((path, _))) => Some(SecretPlace::File(PathBuf::from(path))),
        _ => {
            inner.problem("config.secret", at, "a secret is in a credential, or in a file", "write one of the two");
            None
        }
    };
    inner.finish();
    place
}
