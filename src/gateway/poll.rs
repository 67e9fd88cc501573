//! Received texts fetched page by page, for gateways that can't reach us, and as a net below webhooks that got lost.
//! A cursor is the caller's to keep, and to keep only after the texts of its page are stored.

use super::answer::{Answer, Test};
use super::callback::CallbackEvent;
use super::numbers;
use super::profile::Profile;
use super::reading::{Content, Parts, Readings, pairs};
use super::request::{Account, Call, Request, encode};
use super::value::Filling;
use jiff::Timestamp;
use serde_json::Value as Json;
use toml::Spanned;

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// The texts on it, oldest first; those seen before may be among them.
    pub texts: Vec<CallbackEvent>,
    /// What to give to the next poll; none: as before.
    pub cursor: Option<String>,
    /// There is more: ask again at once.
    pub more: bool,
}

/// How a provider's list is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Walk {
    /// Newest first: back, page by page, until a known text is met.
    Back,
    /// Oldest first, after a known id.
    Forward,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PollRules {
    pub(super) every_seconds: i64,
    pub(super) walk: Walk,
    pub(super) request: Call,
    pub(super) body: Content,
    pub(super) found: Test,
    pub(super) each: Spanned<String>,
    pub(super) id: Readings,
    pub(super) from: Readings,
    #[serde(default)]
    pub(super) to: Readings,
    pub(super) text: Readings,
    #[serde(default)]
    pub(super) opt_out: Readings,
}

/// Where a walk stands: the newest text of the walk before, the newest of this one, and the oldest seen in it.
#[derive(Default)]
struct Cursor {
    known: Option<String>,
    newest: Option<String>,
    at: Option<String>,
}

impl Cursor {
    fn read(written: Option<&str>) -> Self {
        let fields = written.and_then(pairs).unwrap_or_default();
        let named = |name: &str| {
            let (_, value) = fields.iter().find(|(n, _)| n == name)?;
            String::from_utf8(value.clone()).ok()
        };
        Self { known: named("known"), newest: named("newest"), at: named("at") }
    }

    fn write(&self) -> Option<String> {
        let fields = [("known", &self.known), ("newest", &self.newest), ("at", &self.at)];
        let written = fields.iter().filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_ref()?))));
        let written = written.collect::<Vec<_>>().join("&");
        (!written.is_empty()).then_some(written)
    }
}

impl Profile {
    /// The request for the next page; none where the provider is not polled, or something is not set up.
    pub fn poll(&self, account: &Account, cursor: Option<&str>, now: Timestamp) -> Option<Request> {
        let rules = self.poll.as_ref()?;
        let cursor = Cursor::read(cursor);
        let request = self.request(&rules.request, account, |masked| {
            Ok(Filling { cursor: cursor.at.as_deref(), ..Filling::new(account, now, masked) })
        });
        request.ok()
    }

    /// What a page says.
    ///
    /// # Errors
    /// Why it can't be used; the cursor stays as it was.
    pub fn polled(&self, cursor: Option<&str>, answer: &Answer<'_>) -> Result<Polled, String> {
        let rules = self.poll.as_ref().ok_or("this gateway is not polled")?;
        let parts = answer.parts(rules.body).ok_or(format!("answered {}, which can't be read", answer.status))?;
        if !rules.found.holds(answer.status, &parts) {
            return Err(format!("answered {}", answer.status));
        }
        let items = parts.items(Some(rules.each.get_ref())).ok_or("the answer holds no list of texts")?;
        let all = items.len();
        let page: Vec<_> = items.into_iter().filter_map(|item| self.text(rules, &parts, item)).collect();
        if page.is_empty() && all > 0 {
            return Err("no text on the page has an id, a sender and words".to_owned());
        }
        let before = Cursor::read(cursor);
        match rules.walk {
            Walk::Back => back(before, page),
            Walk::Forward => {
                let last = page.last().map(|(id, _)| id.clone());
                if last.is_some() && last == before.at {
                    return Err("the gateway gave the same page again".to_owned());
                }
                let more = last.is_some();
                let after = Cursor { at: last.or(before.at), ..Cursor::default() };
                let texts = page.into_iter().map(|(_, text)| text).collect();
                Ok(Polled { texts, cursor: after.write(), more })
            }
        }
    }

    fn text(&self, rules: &PollRules, parts: &Parts<'_>, item: Option<&Json>) -> Option<(String, CallbackEvent)> {
        let id = parts.filled(&rules.id, item)?;
        let text = CallbackEvent::Inbound {
            gateway_id: id.clone(),
            from: numbers::read(&parts.filled(&rules.from, item)?, self.numbers.receive),
            to: parts.filled(&rules.to, item).map(|to| numbers::read(&to, self.numbers.receive)),
            body: parts.first(&rules.text, item)?,
            opt_out_handled: parts.filled(&rules.opt_out, item).is_some(),
        };
        Some((id, text))
    }
}

fn back(before: Cursor, page: Vec<(String, CallbackEvent)>) -> Result<Polled, String> {
    let known = page.iter().position(|(id, _)| Some(id) == before.known.as_ref());
    let newest = before.newest.clone().or_else(|| page.first().map(|(id, _)| id.clone()));
    let last = page.last().map(|(id, _)| id.clone());
    if known.is_none() && last.is_some() && last == before.at {
        return Err("the gateway gave the same page again".to_owned());
    }
    let done = known.is_some() || page.is_empty();
    let after = if done {
        Cursor { known: newest.or(before.known), ..Cursor::default() }
    } else {
        Cursor { known: before.known, newest, at: last }
    };
    let mut texts: Vec<_> = page.into_iter().take(known.unwrap_or(usize::MAX)).map(|(_, text)| text).collect();
    texts.reverse();
    Ok(Polled { texts, cursor: after.write(), more: !done })
}
