//! What a provider hands to us: delivery reports and inbound texts, verified, read, and answered as it expects.
//! The answer may be given only after the events are stored; where storing fails the listener answers 503 instead.

use super::answer::ErrorClass;
use super::numbers::{self, quiet};
use super::one_or_many::{OneOrMany, Pattern};
use super::profile::Profile;
use super::reading::{Content, Parts, Readings, header};
use super::request::{Account, Method};
use super::signature::{Verify, hex};
use super::value::Fixed;
use crate::domain::message::RefusalClass;
use crate::domain::report::ReportStatus;
use jiff::Timestamp;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::fmt;
use toml::Spanned;

/// Bytes of a callback's body.
const LARGEST_BODY: usize = 64 * 1024;

/// One request that reached us.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// How.
    pub method: Method,
    /// What follows the account's `callback_url`: path and query as they came, not decoded.
    pub target: &'a str,
    /// Header lines.
    pub headers: &'a [(String, String)],
    /// The body as it came.
    pub body: &'a [u8],
}

impl Incoming<'_> {
    pub(super) fn is_form(&self) -> bool {
        let kind = header(self.headers, "content-type").unwrap_or_default().to_lowercase();
        kind.starts_with("application/x-www-form-urlencoded")
    }
}

/// A genuine callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it says; several where a provider bundles.
    pub events: Vec<CallbackEvent>,
    /// What to answer once that is stored.
    pub reply: Reply,
}

/// What a provider says.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are those of domain::report and domain::inbound")]
pub enum CallbackEvent {
    /// About a text of ours; at least one of `reference` and `gateway_id` is there.
    Report {
        reference: Option<String>,
        gateway_id: Option<String>,
        status: ReportStatus,
        detail: String,
        /// Why it was not delivered, where that says something about number or text.
        refusal: Option<RefusalClass>,
        /// The same for two copies of one report.
        fingerprint: String,
    },
    /// A text from somebody; numbers are E.164 where they are numbers.
    Inbound {
        gateway_id: String,
        from: String,
        to: Option<String>,
        body: String,
        /// The provider has seen an opt-out in it and has answered by itself.
        opt_out_handled: bool,
    },
    /// Genuine, and of no interest.
    Ignored,
}

// By hand: numbers and words never reach a log.
impl fmt::Debug for CallbackEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report { status, detail, .. } => write!(f, "Report({}, {detail})", status.as_str()),
            Self::Inbound { gateway_id, body, .. } => {
                write!(f, "Inbound({gateway_id}, {} characters)", body.chars().count())
            }
            Self::Ignored => f.write_str("Ignored"),
        }
    }
}

/// What a provider wants to hear.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Content type of the body.
    #[serde(default)]
    pub content_type: Option<String>,
    /// The body, exactly.
    #[serde(default)]
    pub body: String,
}

/// Why a callback is not taken. Nothing is stored of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Nothing proves who sent it.
    #[error("the callback is not signed by the gateway")]
    Unverified,
    /// Signed, but too long ago or too far ahead: a replay, or a wrong clock.
    #[error("the callback is too old")]
    Stale,
    /// Genuine, but unreadable.
    #[error("the callback can't be read")]
    Malformed,
    /// More bytes than any callback has.
    #[error("the callback is too large")]
    TooLarge,
}

impl Rejected {
    /// The HTTP status that says so.
    pub fn status(self) -> u16 {
        match self {
            Self::Unverified => 401,
            Self::Stale => 403,
            Self::Malformed => 400,
            Self::TooLarge => 413,
        }
    }
}

/// Everything a profile says about callbacks.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Callbacks {
    pub(super) verify: Option<Verify>,
    pub(super) reply: Reply,
    /// In order: the first that fits a callback reads it; one that fits none is acknowledged and ignored.
    pub(super) on: Vec<Spanned<On>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Report,
    Inbound,
    Ignored,
}

/// One kind of callback.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct On {
    pub(super) kind: Kind,
    pub(super) method: Option<Method>,
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) content: Content,
    #[serde(default)]
    pub(super) when: Readings,
    /// JSON pointer to an array of which every item is one event; `""` is the body itself.
    pub(super) each: Option<String>,
    #[serde(default)]
    pub(super) reference: Readings,
    #[serde(default)]
    pub(super) gateway_id: Readings,
    /// What makes two copies the same; without it the fields read do.
    #[serde(default)]
    pub(super) event_id: Readings,
    #[serde(default)]
    pub(super) state: Readings,
    #[serde(default)]
    pub(super) code: Readings,
    #[serde(default)]
    pub(super) states: Vec<StateRule>,
    #[serde(default)]
    pub(super) from: Readings,
    #[serde(default)]
    pub(super) to: Readings,
    #[serde(default)]
    pub(super) body: Readings,
    #[serde(default)]
    pub(super) opt_out: Readings,
    pub(super) reply: Option<Reply>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    Sent,
    Delivered,
    Undelivered,
    Ignored,
}

/// In order: the first whose conditions all hold says what a report means.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateRule {
    #[serde(default)]
    pub(super) is: OneOrMany<Fixed>,
    /// Any of these bits of the state.
    pub(super) bits: Option<u32>,
    #[serde(default)]
    pub(super) code: OneOrMany<Fixed>,
    pub(super) code_matches: Option<Pattern>,
    pub(super) state: Told,
    pub(super) refusal: Option<Spanned<ErrorClass>>,
    pub(super) detail: Option<String>,
}

impl StateRule {
    fn holds(&self, state: &str, code: &str) -> bool {
        let among = |list: &OneOrMany<Fixed>, value: &str| {
            list.0.is_empty() || list.0.iter().any(|fixed| fixed.text().eq_ignore_ascii_case(value))
        };
        let bits = self.bits.is_none_or(|mask| state.parse::<u32>().is_ok_and(|value| value & mask != 0));
        let matching = self.code_matches.as_ref().is_none_or(|Pattern(regex)| regex.is_match(code));
        bits && matching && among(&self.is, state) && among(&self.code, code)
    }
}

impl ErrorClass {
    /// What a report can say about number or text.
    pub(super) fn refusal(self) -> Option<RefusalClass> {
        match self {
            Self::Invalid => Some(RefusalClass::Number),
            Self::Unroutable => Some(RefusalClass::Unroutable),
            Self::OptedOut => Some(RefusalClass::OptedOut),
            Self::Content => Some(RefusalClass::Text),
            _ => None,
        }
    }
}

impl Profile {
    /// Verifies and reads one callback. What is rejected must leave no trace but a counter.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn receive(&self, account: &Account, incoming: &Incoming<'_>, now: Timestamp) -> Result<Received, Rejected> {
        if incoming.body.len() > LARGEST_BODY {
            return Err(Rejected::TooLarge);
        }
        let Some(callbacks) = &self.callbacks else { return Err(Rejected::Unverified) };
        let Some(verify) = &callbacks.verify else { return Err(Rejected::Unverified) };
        let target = verify.check(account, incoming, now)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (mut tried, mut readable) = (false, false);
        for on in callbacks.on.iter().map(Spanned::get_ref) {
            let here = on.method.is_none_or(|method| method == incoming.method)
                && on.path.as_ref().is_none_or(|wanted| wanted == path);
            if !here {
                continue;
            }
            tried = true;
            let Some(parts) = Parts::new(on.content, incoming.headers, query, incoming.body) else { continue };
            readable = true;
            let Some(items) = parts.items(on.each.as_deref()) else { continue };
            if on.each.is_none() && !parts.all(&on.when, parts.json.as_ref()) {
                continue;
            }
            let fitting = items.into_iter().filter(|item| on.each.is_none() || parts.all(&on.when, *item));
            let events: Result<Vec<_>, _> = fitting.map(|item| self.event(on, &parts, item)).collect();
            return Ok(Received { events: events?, reply: on.reply.as_ref().unwrap_or(&callbacks.reply).clone() });
        }
        if tried && !readable {
            return Err(Rejected::Malformed);
        }
        Ok(Received { events: vec![CallbackEvent::Ignored], reply: callbacks.reply.clone() })
    }

    fn event(&self, on: &On, parts: &Parts<'_>, item: Option<&Json>) -> Result<CallbackEvent, Rejected> {
        match on.kind {
            Kind::Ignored => Ok(CallbackEvent::Ignored),
            Kind::Report => Ok(report(on, parts, item).unwrap_or(CallbackEvent::Ignored)),
            Kind::Inbound => {
                let read = |readings| parts.filled(readings, item);
                let (Some(gateway_id), Some(from)) = (read(&on.gateway_id), read(&on.from)) else {
                    return Err(Rejected::Malformed);
                };
                Ok(CallbackEvent::Inbound {
                    gateway_id,
                    from: numbers::read(&from, self.numbers.receive),
                    to: read(&on.to).map(|to| numbers::read(&to, self.numbers.receive)),
                    body: parts.first(&on.body, item).ok_or(Rejected::Malformed)?,
                    opt_out_handled: read(&on.opt_out).is_some(),
                })
            }
        }
    }
}

/// None where the report says nothing we know, or names no text.
fn report(on: &On, parts: &Parts<'_>, item: Option<&Json>) -> Option<CallbackEvent> {
    let read = |readings| parts.filled(readings, item);
    let (reference, gateway_id) = (read(&on.reference), read(&on.gateway_id));
    if reference.is_none() && gateway_id.is_none() {
        return None;
    }
    let state = read(&on.state)?;
    let code = read(&on.code).unwrap_or_default();
    let rule = on.states.iter().find(|rule| rule.holds(state.trim(), code.trim()))?;
    let status = match rule.state {
        Told::Sent => ReportStatus::Sent,
        Told::Delivered => ReportStatus::Delivered,
        Told::Undelivered => ReportStatus::Undelivered,
        Told::Ignored => return None,
    };
    let words = rule.detail.clone().unwrap_or_else(|| state.trim().to_lowercase());
    let detail = quiet(&format!("{words} {}", code.trim()));
    let fingerprint = read(&on.event_id).unwrap_or_else(|| {
        let fields = serde_json::json!([reference, gateway_id, state, code]).to_string();
        hex(&Sha256::digest(fields)[..16])
    });
    let refusal = rule.refusal.as_ref().and_then(|class| class.get_ref().refusal());
    Some(CallbackEvent::Report { reference, gateway_id, status, detail, refusal, fingerprint })
}
