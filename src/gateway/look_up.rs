//! "Do you have this text?": asked when nobody knows what became of a send. Absent is said only where the provider
//! says so in words that it can't say by accident; a page of a proxy, an error or a cut answer says nothing.

use super::answer::{Answer, Test};
use super::numbers;
use super::profile::Profile;
use super::reading::{Content, Parts, Readings};
use super::request::{Account, Call, Request};
use super::value::Filling;
use crate::domain::doubt::LookUp;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use toml::Spanned;

/// The text that is asked about.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Our name for it.
    pub reference: &'a str,
    /// The recipient, E.164.
    pub to: &'a str,
    /// The text as it was handed over.
    pub text: &'a str,
    /// When it was handed over, by our clock.
    pub submitted_at: Timestamp,
}

/// By what a text is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    Reference,
    Recipient,
}

/// How a provider is asked, and how its answer is understood.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookUpRules {
    pub(super) by: Spanned<By>,
    pub(super) request: Call,
    pub(super) body: Content,
    /// The answer lists or is the text.
    pub(super) found: Test,
    /// The provider says that it does not have it.
    #[serde(default)]
    pub(super) absent: Vec<Test>,
    /// JSON pointer to the list; without it the answer is the text.
    pub(super) each: Option<String>,
    pub(super) id: Readings,
    #[serde(default)]
    pub(super) reference: Readings,
    #[serde(default)]
    pub(super) to: Readings,
    #[serde(default)]
    pub(super) text: Readings,
    #[serde(default)]
    pub(super) created_at: Readings,
    /// Seconds before and after our own time at which it may have been made.
    #[serde(default)]
    pub(super) window_seconds: (i64, i64),
    /// There are more pages: then what is not on this one is not known to be absent.
    #[serde(default)]
    pub(super) more: Readings,
}

impl Profile {
    /// Can it be asked at all?
    pub fn has_look_up(&self) -> bool {
        self.look_up.is_some()
    }

    /// The request that asks; none where the provider can't be asked, or something is not set up.
    pub fn look_up(&self, account: &Account, asked: &Asked<'_>, now: Timestamp) -> Option<Request> {
        let rules = self.look_up.as_ref()?;
        let request = self.request(&rules.request, account, |masked| {
            let filling = Filling::new(account, now, masked).with_number(asked.to, self.numbers.send)?;
            Ok(Filling { reference: Some(asked.reference), submitted_at: Some(asked.submitted_at), ..filling })
        });
        request.ok()
    }

    /// What the answer says about the text.
    pub fn looked_up(&self, asked: &Asked<'_>, answer: &Answer<'_>) -> LookUp {
        let Some(rules) = &self.look_up else { return LookUp::Unknown };
        let Some(parts) = answer.parts(rules.body) else { return LookUp::Unknown };
        if rules.absent.iter().any(|test| test.holds(answer.status, &parts)) {
            return LookUp::Absent;
        }
        if !rules.found.holds(answer.status, &parts) {
            return LookUp::Unknown;
        }
        let Some(items) = parts.items(rules.each.as_deref()) else { return LookUp::Unknown };
        let matching: Vec<Option<&Json>> =
            items.iter().copied().filter(|item| self.is_it(rules, &parts, *item, asked)).collect();
        let by = *rules.by.get_ref();
        match matching[..] {
            [] if items.is_empty() && by == By::Reference && !parts.any(&rules.more) => LookUp::Absent,
            [item] => match parts.filled(&rules.id, item) {
                Some(gateway_id) => LookUp::Found { gateway_id },
                None => LookUp::Unknown,
            },
            // The same reference twice is the same text; the same recipient, text and time twice may be two.
            [first, ..] if by == By::Reference => match parts.filled(&rules.id, first) {
                Some(gateway_id) => LookUp::Found { gateway_id },
                None => LookUp::Unknown,
            },
            _ => LookUp::Unknown,
        }
    }

    fn is_it(&self, rules: &LookUpRules, parts: &Parts<'_>, item: Option<&Json>, asked: &Asked<'_>) -> bool {
        match rules.by.get_ref() {
            By::Reference => parts.filled(&rules.reference, item).is_some_and(|found| found == asked.reference),
            By::Recipient => {
                let (before, after) = rules.window_seconds;
                let earliest = asked.submitted_at.saturating_sub(SignedDuration::from_secs(before));
                let latest = asked.submitted_at.saturating_add(SignedDuration::from_secs(after));
                let (Ok(earliest), Ok(latest)) = (earliest, latest) else { return false };
                let to = parts.filled(&rules.to, item);
                let made = parts.filled(&rules.created_at, item).and_then(|written| instant(&written));
                to.is_some_and(|to| numbers::same(&to, asked.to, self.numbers.receive))
                    && parts.first(&rules.text, item).is_some_and(|text| text == asked.text)
                    && made.is_some_and(|made| (earliest..=latest).contains(&made))
            }
        }
    }
}

impl Parts<'_> {
    /// True if any of them yields a value.
    fn any(&self, readings: &Readings) -> bool {
        self.filled(readings, self.json.as_ref()).is_some()
    }
}

/// RFC 3339, RFC 2822 or seconds since 1970.
fn instant(written: &str) -> Option<Timestamp> {
    let seconds = written.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let rfc3339 = || written.parse().ok();
    seconds.or_else(rfc3339).or_else(|| rfc2822::DateTimeParser::new().parse_timestamp(written).ok())
}
