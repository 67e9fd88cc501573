//! Who sent a callback. Tags and tokens are compared in constant time, over the raw body, with every key that is
//! valid at the moment; what is too old or too new is refused although its signature is right.

use super::callback::{Incoming, Rejected};
use super::one_or_many::deserialize_any;
use super::reading::{Parts, Reading, pairs, unhex};
use super::request::Account;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::collections::BTreeMap;
use std::fmt;
use subtle::ConstantTimeEq;
use toml::Spanned;

/// How callbacks prove who sent them.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Verify {
    Hmac { algorithm: Hash, signed: Signed },
    Ed25519 { signed: Signed },
    Bearer { secret: Spanned<String> },
    Basic { user: Spanned<String>, secret: Spanned<String> },
    Token { at: Reading, secret: Spanned<String> },
    SecretPath { secret: Spanned<String> },
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Writing {
    Hex,
    Base64,
}

/// What is signed, and where the tag stands.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    /// Name of the secret; for Ed25519 the public key, Base64.
    pub(super) key: Spanned<String>,
    pub(super) tag: Reading,
    pub(super) encoding: Writing,
    /// Between several tags of which one has to fit.
    pub(super) separator: Option<String>,
    pub(super) message: Vec<Part>,
    pub(super) timestamp: Option<Reading>,
    #[serde(default)]
    pub(super) timestamp_in_milliseconds: bool,
    pub(super) window_seconds: Option<i64>,
    /// A hash of the body that stands in the signed address; every body that is no form needs it.
    pub(super) body_sha256: Option<Reading>,
    /// The address may have been signed with or without its port.
    #[serde(default)]
    pub(super) any_port: bool,
}

/// One piece of what is signed.
#[derive(Debug)]
pub(super) enum Part {
    Url,
    UrlWithoutQuery,
    Body,
    BodySha256Hex,
    Timestamp,
    /// Of a form: every name, sorted, each followed by its values, sorted, each once.
    SortedForm,
    Literal(String),
    Read(Box<Reading>),
}

const PARTS: [&str; 6] = ["url", "url_without_query", "body", "body_sha256_hex", "timestamp", "sorted_form"];

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherPart {
    literal: Option<String>,
    read: Option<Reading>,
}

struct AnyPart;

impl<'de> Visitor<'de> for AnyPart {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of what is signed")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Part, E> {
        match word {
            "url" => Ok(Part::Url),
            "url_without_query" => Ok(Part::UrlWithoutQuery),
            "body" => Ok(Part::Body),
            "body_sha256_hex" => Ok(Part::BodySha256Hex),
            "timestamp" => Ok(Part::Timestamp),
            "sorted_form" => Ok(Part::SortedForm),
            other => Err(E::unknown_variant(other, &PARTS)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
        match OtherPart::deserialize(MapAccessDeserializer::new(map))? {
            OtherPart { literal: Some(text), read: None } => Ok(Part::Literal(text)),
            OtherPart { literal: None, read: Some(reading) } => Ok(Part::Read(Box::new(reading))),
            _ => Err(A::Error::custom("write either literal or read")),
        }
    }
}

deserialize_any!(Part, AnyPart);

impl Verify {
    /// Settings and secrets it needs: (name, is a secret).
    pub(super) fn names(&self) -> Vec<(&Spanned<String>, bool)> {
        match self {
            Self::Hmac { signed, .. } | Self::Ed25519 { signed } => vec![(&signed.key, true)],
            Self::Bearer { secret } | Self::Token { secret, .. } | Self::SecretPath { secret } => vec![(secret, true)],
            Self::Basic { user, secret } => vec![(user, false), (secret, true)],
        }
    }

    /// What is left of the target once the callback is known to be genuine: without a secret that stood in it.
    pub(super) fn check<'i>(
        &self,
        account: &Account,
        incoming: &Incoming<'i>,
        now: Timestamp,
    ) -> Result<&'i str, Rejected> {
        let whole = incoming.target;
        let keys = |name: &Spanned<String>| {
            let keys = account.secrets.get(name.get_ref()).map(Vec::as_slice).unwrap_or_default();
            keys.iter().filter(|key| !key.expose_secret().is_empty()).collect::<Vec<_>>()
        };
        let query = whole.split_once('?').map_or("", |(_, query)| query);
        let parts = Parts {
            headers: incoming.headers,
            query: pairs(query).ok_or(Rejected::Malformed)?,
            form: Vec::new(),
            json: None,
            text: None,
        };
        let same = |given: &str, name| keys(name).iter().any(|key| equal(given, key));
        let genuine = match self {
            Self::Hmac { algorithm, signed } => {
                return signed.check(account, incoming, &parts, now, |tag, message| {
                    keys(&signed.key).iter().any(|key| algorithm.fits(key.expose_secret().as_bytes(), message, tag))
                });
            }
            Self::Ed25519 { signed } => {
                return signed.check(account, incoming, &parts, now, |tag, message| {
                    keys(&signed.key).iter().any(|key| ed25519_fits(key, message, tag))
                });
            }
            Self::Bearer { secret } => authorization(&parts, "bearer").is_some_and(|token| same(&token, secret)),
            Self::Token { at, secret } => parts.read(at, None).is_some_and(|token| same(&token, secret)),
            Self::Basic { user, secret } => {
                let given = authorization(&parts, "basic").and_then(|coded| STANDARD.decode(coded).ok());
                let given = given.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
                let user = account.settings.get(user.get_ref()).map_or("", String::as_str);
                match given.split_once(':') {
                    Some((name, password)) => {
                        let known = bool::from(name.as_bytes().ct_eq(user.as_bytes()));
                        same(password, secret) & known
                    }
                    None => false,
                }
            }
            Self::SecretPath { secret } => {
                let rest = whole.strip_prefix('/').ok_or(Rejected::Unverified)?;
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (given, rest) = rest.split_at(end);
                return if same(given, secret) { Ok(rest) } else { Err(Rejected::Unverified) };
            }
        };
        if genuine { Ok(whole) } else { Err(Rejected::Unverified) }
    }
}

impl Signed {
    fn check<'i>(
        &self,
        account: &Account,
        incoming: &Incoming<'i>,
        parts: &Parts<'_>,
        now: Timestamp,
        fits: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<&'i str, Rejected> {
        let tags = parts.read(&self.tag, None).ok_or(Rejected::Unverified)?;
        let tags: Vec<&str> = match &self.separator {
            Some(separator) => tags.split(separator.as_str()).map(str::trim).collect(),
            None => vec![&tags],
        };
        let tags: Vec<Vec<u8>> = tags
            .into_iter()
            .filter_map(|tag| match self.encoding {
                Writing::Hex => unhex(tag),
                Writing::Base64 => STANDARD.decode(tag).ok(),
            })
            .collect();
        let timestamp = self.timestamp.as_ref().map(|at| parts.read(at, None).ok_or(Rejected::Unverified));
        let timestamp = timestamp.transpose()?;
        let base = account.callback_url.as_deref().unwrap_or_default().trim_end_matches('/');
        let urls = addresses(&format!("{base}{}", incoming.target), self.any_port);
        let fitting = urls.iter().any(|url| {
            let message = self.message(url, incoming, parts, timestamp.as_deref());
            message.is_some_and(|message| tags.iter().any(|tag| fits(tag, &message)))
        });
        if !fitting || !self.body_is_covered(incoming, parts) {
            return Err(Rejected::Unverified);
        }
        if let (Some(window), Some(timestamp)) = (self.window_seconds, timestamp) {
            let number: i64 = timestamp.parse().map_err(|_| Rejected::Stale)?;
            let at = if self.timestamp_in_milliseconds {
                Timestamp::from_millisecond(number)
            } else {
                Timestamp::from_second(number)
            };
            let age = now.duration_since(at.map_err(|_| Rejected::Stale)?).abs();
            if age > SignedDuration::from_secs(window) {
                return Err(Rejected::Stale);
            }
        }
        Ok(incoming.target)
    }

    fn message(
        &self,
        url: &str,
        incoming: &Incoming<'_>,
        parts: &Parts<'_>,
        timestamp: Option<&str>,
    ) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        for part in &self.message {
            match part {
                Part::Url => message.extend(url.as_bytes()),
                Part::UrlWithoutQuery => message.extend(url.split('?').next()?.as_bytes()),
                Part::Body => message.extend(incoming.body),
                Part::BodySha256Hex => message.extend(hex(&Sha256::digest(incoming.body)).as_bytes()),
                Part::Timestamp => message.extend(timestamp?.as_bytes()),
                Part::SortedForm if incoming.is_form() => message.extend(sorted_form(incoming.body)?),
                Part::SortedForm => {}
                Part::Literal(text) => message.extend(text.as_bytes()),
                Part::Read(reading) => message.extend(parts.read(reading, None)?.as_bytes()),
            }
        }
        Some(message)
    }

    /// Where a form is signed field by field, any other body has to be vouched for by its hash.
    fn body_is_covered(&self, incoming: &Incoming<'_>, parts: &Parts<'_>) -> bool {
        let whole = self.message.iter().any(|part| matches!(part, Part::Body | Part::BodySha256Hex));
        let as_form = self.message.iter().any(|part| matches!(part, Part::SortedForm)) && incoming.is_form();
        if whole || as_form || incoming.body.is_empty() {
            return true;
        }
        let given = self.body_sha256.as_ref().and_then(|at| parts.read(at, None));
        given.is_some_and(|given| bool::from(hex(&Sha256::digest(incoming.body)).as_bytes().ct_eq(given.as_bytes())))
    }
}

impl Hash {
    /// Compares in constant time; a shortened tag does not fit.
    fn fits(self, key: &[u8], message: &[u8], tag: &[u8]) -> bool {
        macro_rules! fits {
            ($hash:ty) => {
                Hmac::<$hash>::new_from_slice(key).is_ok_and(|mac| mac.chain_update(message).verify_slice(tag).is_ok())
            };
        }
        match self {
            Self::Sha1 => fits!(Sha1),
            Self::Sha256 => fits!(Sha256),
            Self::Sha384 => fits!(Sha384),
            Self::Sha512 => fits!(Sha512),
        }
    }
}

fn ed25519_fits(key: &SecretString, message: &[u8], tag: &[u8]) -> bool {
    let Ok(key) = STANDARD.decode(key.expose_secret().trim()) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(message, tag).is_ok()
}

fn equal(given: &str, key: &SecretString) -> bool {
    given.as_bytes().ct_eq(key.expose_secret().as_bytes()).into()
}

fn authorization(parts: &Parts<'_>, scheme: &str) -> Option<String> {
    let (word, rest) = super::reading::header(parts.headers, "authorization")?.split_once(' ')?;
    word.eq_ignore_ascii_case(scheme).then(|| rest.to_owned())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sorted_form(body: &[u8]) -> Option<Vec<u8>> {
    let mut fields: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, value) in pairs(std::str::from_utf8(body).ok()?)? {
        fields.entry(name).or_default().push(value);
    }
    let mut message = Vec::new();
    for (name, mut values) in fields {
        values.sort();
        values.dedup();
        for value in values {
            message.extend(name.as_bytes());
            message.extend(value);
        }
    }
    Some(message)
}

/// The address as it is, and with and without its port where that is left open.
fn addresses(url: &str, any_port: bool) -> Vec<String> {
    let mut addresses = vec![url.to_owned()];
    if let (true, Some((scheme, rest))) = (any_port, url.split_once("://")) {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let port = if scheme == "http" { 80 } else { 443 };
        addresses.push(match host.rsplit_once(':') {
            Some((host, _)) => format!("{scheme}://{host}{path}"),
            None => format!("{scheme}://{host}:{port}{path}"),
        });
    }
    addresses
}
