//! What came of handing a text over. Nothing is accepted or refused that the profile does not know for sure; all the
//! rest is unclear, and a text that is unclear is never sent again without asking.

use super::numbers::quiet;
use super::one_or_many::{OneOrMany, Status, status_in};
use super::profile::Profile;
use super::reading::{Content, Parts, Readings};
use crate::domain::message::{Bar, Outcome, Refusal, RefusalClass};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use toml::Spanned;

/// Longest id a gateway may give a text.
const LONGEST_ID: usize = 256;

/// Seconds of a day in UTC.
const DAY: i64 = 86_400;

/// An HTTP answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its header lines.
    pub headers: &'a [(String, String)],
    /// Its body, as far as it was read.
    pub body: &'a [u8],
    /// The body was longer than what was read, or was cut off.
    pub truncated: bool,
}

impl Answer<'_> {
    /// Taken apart; none if it is not what it should be.
    pub(super) fn parts(&self, content: Content) -> Option<Parts<'_>> {
        if self.truncated { None } else { Parts::new(content, self.headers, "", self.body) }
    }
}

/// How the answer to a send is understood.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerRules {
    pub(super) body: Content,
    /// Any of these means accepted.
    pub(super) accepted: Vec<Test>,
    /// The provider's id; a profile without it takes the empty id for one.
    pub(super) id: Option<Readings>,
    /// The provider's words for a refusal.
    #[serde(default)]
    pub(super) detail: Readings,
    /// In order: the first that holds decides.
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
}

/// Status and conditions, all of which must hold.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    #[serde(default)]
    pub(super) status: OneOrMany<Status>,
    #[serde(default)]
    pub(super) when: Readings,
}

impl Test {
    pub(super) fn holds(&self, status: u16, parts: &Parts<'_>) -> bool {
        status_in(&self.status, status) && parts.all(&self.when, parts.json.as_ref())
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(default)]
    pub(super) status: OneOrMany<Status>,
    #[serde(default)]
    pub(super) when: Readings,
    pub(super) class: Spanned<ErrorClass>,
    pub(super) wait: Option<Spanned<Wait>>,
}

/// What kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ErrorClass {
    /// A repeat of what it has: as good as accepted.
    Duplicate,
    Invalid,
    Unroutable,
    OptedOut,
    Content,
    Credentials,
    Credit,
    Throttled,
    /// Documented as "not processed"; the next try may succeed.
    Temporary,
    Unclear,
}

/// How long a throttled line is asked to wait.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    pub(super) seconds: Option<i64>,
    /// A number of seconds (a fraction is rounded up), or an HTTP date.
    pub(super) from: Option<Readings>,
    /// The number is in milliseconds.
    #[serde(default)]
    pub(super) milliseconds: bool,
    /// Until the next midnight UTC.
    #[serde(default)]
    pub(super) midnight_utc: bool,
}

impl Wait {
    /// None where the gateway said nothing that can be understood.
    fn read(&self, parts: &Parts<'_>, now: Timestamp) -> Option<SignedDuration> {
        if self.midnight_utc {
            return Some(SignedDuration::from_secs(DAY - now.as_second().rem_euclid(DAY)));
        }
        let written = self.from.as_ref().and_then(|from| parts.filled(from, parts.json.as_ref()));
        let asked = written.and_then(|written| {
            let written = written.trim();
            if let Some(number) = whole(written) {
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                let unit = if self.milliseconds { SignedDuration::from_millis } else { SignedDuration::from_secs };
                return Some(unit(number));
            }
            let at = rfc2822::DateTimeParser::new().parse_timestamp(written).ok()?;
            Some(at.duration_since(now).max(SignedDuration::ZERO))
        });
        asked.or(self.seconds.map(SignedDuration::from_secs))
    }
}

/// A number, rounded up to a whole one; none for anything else, a sign among it.
fn whole(written: &str) -> Option<u64> {
    let (before, after) = written.split_once('.').unwrap_or((written, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let more = u64::from(after.bytes().any(|b| b != b'0'));
    if digits(before) && digits(after) { before.parse::<u64>().ok()?.checked_add(more) } else { None }
}

impl Profile {
    /// What an answer to [`Profile::send`] means. An accepted text without an id of the provider's comes back with an
    /// empty one: the reference is then its only name.
    pub fn outcome(&self, answer: &Answer<'_>, now: Timestamp) -> Outcome {
        let rules = &self.answer;
        let unclear = |why: &str| Outcome::Unclear { reason: format!("answered {}{why}", answer.status) };
        if answer.truncated {
            return unclear(", and the answer was cut off");
        }
        let parts = answer.parts(rules.body);
        if let Some(parts) = &parts
            && rules.accepted.iter().any(|test| test.holds(answer.status, parts))
        {
            return match &rules.id {
                None => Outcome::Accepted { gateway_id: String::new() },
                Some(id) => match parts.filled(id, parts.json.as_ref()) {
                    Some(gateway_id) if gateway_id.len() <= LONGEST_ID => Outcome::Accepted { gateway_id },
                    _ => unclear(", without an id of the text"),
                },
            };
        }
        // A status alone may decide even where the body can't be read: rules that look into it then do not hold.
        let empty = Parts { headers: answer.headers, query: Vec::new(), form: Vec::new(), json: None, text: None };
        let readable = parts.is_some();
        let parts = parts.unwrap_or(empty);
        let holds = |rule: &&Rule| status_in(&rule.status, answer.status) && parts.all(&rule.when, parts.json.as_ref());
        let Some(rule) = rules.rules.iter().find(holds) else {
            let why = if readable { ", which the profile does not know" } else { ", and the answer can't be read" };
            return unclear(why);
        };
        let said = parts.filled(&rules.detail, parts.json.as_ref());
        let detail = quiet(&said.unwrap_or_else(|| format!("answered {}", answer.status)));
        let refused = |class| Outcome::Refused(Refusal { class, detail: detail.clone() });
        match *rule.class.get_ref() {
            ErrorClass::Duplicate => Outcome::Accepted { gateway_id: String::new() },
            ErrorClass::Invalid => refused(RefusalClass::Number),
            ErrorClass::Unroutable => refused(RefusalClass::Unroutable),
            ErrorClass::OptedOut => refused(RefusalClass::OptedOut),
            ErrorClass::Content => refused(RefusalClass::Text),
            ErrorClass::Credentials => Outcome::Barred { bar: Bar::Credentials, detail },
            ErrorClass::Credit => Outcome::Barred { bar: Bar::Credit, detail },
            ErrorClass::Throttled | ErrorClass::Temporary => {
                let wait = rule.wait.as_ref().and_then(|wait| wait.get_ref().read(&parts, now));
                Outcome::Throttled { retry_after: wait }
            }
            ErrorClass::Unclear => Outcome::Unclear { reason: detail },
        }
    }
}
