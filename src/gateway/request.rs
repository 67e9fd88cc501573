//! From a text to the exact bytes of one HTTP request. No I/O: whoever speaks HTTP sends what stands here.

use super::Submission;
use super::profile::{Profile, TimeUnit, Validity};
use super::value::{Filled, Filling, Fixed, MASK, Value};
use crate::domain::text::measure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

/// One deployment's account at a provider.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Overrides the profile's address: a region, one's own host, a test double.
    pub base_url: Option<String>,
    /// What is no secret: sender, template, account name.
    pub settings: BTreeMap<String, String>,
    /// Name to keys; the first is the current one, all are accepted where something is checked against them.
    pub secrets: BTreeMap<String, Vec<SecretString>>,
    /// The public address under which the provider reaches us, for example `https://sms.example.org/hooks/main`.
    pub callback_url: Option<String>,
}

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum Method {
    /// Everything in the address.
    #[serde(rename = "GET")]
    Get,
    /// With a body.
    #[serde(rename = "POST")]
    Post,
}

impl Method {
    /// As HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// One request, ready to be sent once.
#[derive(Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where; some gateways take password, number and text in it.
    pub url: SecretString,
    /// Header lines, the content type among them.
    pub headers: Vec<(String, SecretString)>,
    /// The body of a POST.
    pub body: Option<Vec<u8>>,
    shown: String,
}

impl Request {
    /// A bare GET, to see whether anybody answers.
    pub fn get(url: SecretString) -> Self {
        Self { method: Method::Get, url, headers: Vec::new(), body: None, shown: format!("GET {MASK}") }
    }

    /// For people: secrets and the recipient's number are hidden, the text is not.
    pub fn shown(&self) -> String {
        self.shown.clone()
    }
}

// By hand: a request holds secrets, a number and a text.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body.as_ref().map_or(0, Vec::len);
        write!(f, "Request({} {MASK}, {} headers, {body} bytes)", self.method.as_str(), self.headers.len())
    }
}

/// One kind of request a provider takes.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: Value,
    pub(super) auth: Option<Auth>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) query: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) form: BTreeMap<String, Value>,
    /// JSON pointer to value; a token of digits is an index.
    #[serde(default)]
    pub(super) json: BTreeMap<String, Value>,
}

/// How a request says who we are, beyond fields and headers of its own.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Auth {
    Basic { user: Value, password: Value },
    Bearer { token: Value },
    Jwt { issuer: Value, key: Value, lifetime_seconds: Option<i64> },
}

impl Auth {
    pub(super) fn values(&self) -> Vec<&Value> {
        match self {
            Self::Basic { user, password } => vec![user, password],
            Self::Bearer { token } => vec![token],
            Self::Jwt { issuer, key, .. } => vec![issuer, key],
        }
    }
}

impl Call {
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        let fields = [&self.headers, &self.query, &self.form, &self.json];
        let auth = self.auth.iter().flat_map(Auth::values);
        std::iter::once(&self.path).chain(auth).chain(fields.into_iter().flat_map(BTreeMap::values))
    }
}

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encoding that every server reads alike: a space is `%20`, never `+`.
pub(super) fn encode(text: &str) -> String {
    percent_encode(text.as_bytes(), UNRESERVED).to_string()
}

fn encoded(filled: &Filled) -> String {
    match filled {
        Filled::Verbatim(text) => text.clone(),
        Filled::Fixed(fixed) => encode(&fixed.text()),
    }
}

/// A path: what the profile wrote stays, what was bound is encoded.
pub(super) fn path(value: &Value, filling: &Filling<'_>) -> Result<String, String> {
    match value {
        Value::Fixed(fixed) => Ok(fixed.text()),
        Value::Joined(values) => values.iter().map(|value| path(value, filling)).collect(),
        Value::Piece(_) => match filling.fill(value) {
            Some(filled) => Ok(encoded(&filled)),
            None => Err("a setting that stands in the address of the gateway is missing".to_owned()),
        },
    }
}

pub(super) fn pairs(fields: &BTreeMap<String, Value>, filling: &Filling<'_>) -> String {
    let pairs = fields.iter().filter_map(|(name, value)| Some((name, filling.fill(value)?)));
    pairs.map(|(name, filled)| format!("{}={}", encode(name), encoded(&filled))).collect::<Vec<_>>().join("&")
}

fn put(root: &mut serde_json::Value, pointer: &str, leaf: serde_json::Value) {
    let mut at = root;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        match token.parse::<usize>() {
            Ok(index) if index < 100 => {
                if !at.is_array() {
                    *at = json!([]);
                }
                let Some(items) = at.as_array_mut() else { return };
                if items.len() <= index {
                    items.resize(index + 1, serde_json::Value::Null);
                }
                at = &mut items[index];
            }
            _ => {
                if !at.is_object() {
                    *at = json!({});
                }
                let Some(members) = at.as_object_mut() else { return };
                at = members.entry(token).or_insert(serde_json::Value::Null);
            }
        }
    }
    *at = leaf;
}

fn json_body(fields: &BTreeMap<String, Value>, filling: &Filling<'_>) -> serde_json::Value {
    let mut root = json!({});
    for (pointer, value) in fields {
        let leaf = match filling.fill(value) {
            None => continue,
            Some(Filled::Fixed(Fixed::Integer(number))) => json!(number),
            Some(Filled::Fixed(Fixed::Flag(flag))) => json!(flag),
            Some(filled) => json!(filled.text()),
        };
        put(&mut root, pointer, leaf);
    }
    root
}

/// Claims in the order providers publish them.
#[derive(serde::Serialize)]
struct Claims {
    iss: String,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
}

fn authorization(auth: &Auth, filling: &Filling<'_>) -> Result<String, String> {
    let text = |value: &Value| match filling.fill(value) {
        Some(filled) => Ok(filled.text()),
        None => Err("a credential is missing".to_owned()),
    };
    Ok(match auth {
        Auth::Basic { .. } if filling.masked => format!("Basic {MASK}"),
        Auth::Basic { user, password } => {
            format!("Basic {}", STANDARD.encode(format!("{}:{}", text(user)?, text(password)?)))
        }
        Auth::Bearer { token } => format!("Bearer {}", text(token)?),
        Auth::Jwt { .. } if filling.masked => format!("Bearer {MASK}"),
        Auth::Jwt { issuer, key, lifetime_seconds } => {
            let iat = filling.now.as_second();
            let claims = Claims { iss: text(issuer)?, iat, exp: lifetime_seconds.map(|lifetime| iat + lifetime) };
            let key = jsonwebtoken::EncodingKey::from_secret(text(key)?.as_bytes());
            let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key);
            format!("Bearer {}", token.map_err(|_| "the token could not be made".to_owned())?)
        }
    })
}

/// One request in the clear, or as people may see it.
struct Built {
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

fn build(call: &Call, auth: Option<&Auth>, base: &str, filling: &Filling<'_>) -> Result<Built, String> {
    let mut url = format!("{base}{}", path(&call.path, filling)?);
    let query = pairs(&call.query, filling);
    if !query.is_empty() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&query);
    }
    let mut headers = Vec::new();
    if let Some(auth) = auth {
        headers.push(("authorization".to_owned(), authorization(auth, filling)?));
    }
    for (name, value) in &call.headers {
        if let Some(filled) = filling.fill(value) {
            headers.push((name.to_lowercase(), filled.text()));
        }
    }
    let body = if !call.json.is_empty() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        Some(json_body(&call.json, filling).to_string())
    } else if call.method == Method::Post {
        headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        Some(pairs(&call.form, filling))
    } else {
        None
    };
    if headers.iter().any(|(_, value)| value.chars().any(char::is_control)) {
        return Err("a header would hold a control character".to_owned());
    }
    Ok(Built { url, headers, body })
}

impl Profile {
    /// Makes a request twice: in the clear, and as people may see it. `filling` is told which.
    pub(super) fn request<'a>(
        &self,
        call: &Call,
        account: &'a Account,
        filling: impl Fn(bool) -> Result<Filling<'a>, String>,
    ) -> Result<Request, String> {
        let base = account.base_url.as_deref().or(self.base_url()).ok_or("the gateway's base_url is missing")?;
        let base = base.trim_end_matches('/');
        let auth = call.auth.as_ref().or(self.send.auth.as_ref());
        let clear = build(call, auth, base, &filling(false)?)?;
        let masked = build(call, auth, base, &filling(true)?)?;
        let mut shown = format!("{} {}\n", call.method.as_str(), masked.url);
        for (name, value) in &masked.headers {
            let _ = writeln!(shown, "{name}: {value}");
        }
        if let Some(body) = &masked.body {
            let _ = writeln!(shown, "\n{body}");
        }
        Ok(Request {
            method: call.method,
            url: SecretString::from(clear.url),
            headers: clear.headers.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect(),
            body: clear.body.map(String::into_bytes),
            shown: shown.replace("%E2%80%A2", "•"),
        })
    }

    /// The request that hands one text over.
    ///
    /// # Errors
    /// Why it can't be made, without number, text or secret: the text does not fit, or something is not set up.
    pub fn send(&self, account: &Account, submission: &Submission, now: Timestamp) -> Result<Request, String> {
        self.check_text(&submission.text)?;
        if submission.valid_until <= now {
            return Err("its deadline has passed".to_owned());
        }
        self.request(&self.send, account, |masked| {
            let filling = Filling::new(account, now, masked).with_number(&submission.to, self.numbers.send)?;
            let callback_url = self.report_url(account, &submission.reference, masked)?;
            Ok(Filling {
                text: Some(&submission.text),
                reference: Some(&submission.reference),
                validity: self.validity.as_ref().map(|v| validity(v, now, submission.valid_until)),
                valid_until: Some(submission.valid_until),
                callback_url,
                ..filling
            })
        })
    }

    /// Whether this gateway can carry a text at all, by its length and by what its template language would touch.
    ///
    /// # Errors
    /// What stands in the way, for a person.
    pub fn check_text(&self, text: &str) -> Result<(), String> {
        if text.trim().is_empty() {
            return Err("the text is empty".to_owned());
        }
        let characters = text.chars().count();
        if let Some(most) = self.limits.max_characters.filter(|most| characters > *most) {
            return Err(format!("the text has {characters} characters, this gateway takes {most}"));
        }
        let parts = measure(text).parts;
        if let Some(most) = self.limits.max_parts.filter(|most| parts > *most) {
            return Err(format!("the text has {parts} parts, this gateway takes {most}"));
        }
        match self.text.forbidden.iter().find(|syntax| text.contains(syntax.as_str())) {
            Some(syntax) => Err(format!("the text holds {syntax}, which this gateway would take for a placeholder")),
            None => Ok(()),
        }
    }

    /// Where reports of one text are to be sent; none where the profile hands no address over.
    fn report_url(&self, account: &Account, reference: &str, masked: bool) -> Result<Option<String>, String> {
        let (Some(rules), Some(base)) = (&self.callback_url, &account.callback_url) else { return Ok(None) };
        let filling = Filling { reference: Some(reference), ..Filling::new(account, Timestamp::UNIX_EPOCH, masked) };
        let secret = match self.path_secret().map(|name| account.secrets.get(name).and_then(|keys| keys.first())) {
            None => String::new(),
            Some(Some(_)) if masked => format!("/{MASK}"),
            Some(Some(key)) => format!("/{}", key.expose_secret()),
            Some(None) => return Err("the secret of the callback address is missing".to_owned()),
        };
        let double = |text: String| if rules.double_percent { text.replace('%', "%%") } else { text };
        let mut url = double(format!("{}{secret}{}", base.trim_end_matches('/'), path(&rules.path, &filling)?));
        let mut sign = '?';
        for (name, value) in &rules.query {
            let Some(filled) = filling.fill(value) else { continue };
            let value = match filled {
                Filled::Verbatim(text) => text,
                Filled::Fixed(fixed) => double(encode(&fixed.text())),
            };
            let _ = write!(url, "{sign}{}={value}", double(encode(name)));
            sign = '&';
        }
        match rules.max_length.filter(|most| url.len() > *most) {
            Some(most) => Err(format!("the callback address is longer than the {most} characters this gateway takes")),
            None => Ok(Some(url)),
        }
    }
}

/// Rounded down, so that no text lives longer than asked, then held within what the provider takes.
fn validity(rules: &Validity, now: Timestamp, until: Timestamp) -> i64 {
    let milliseconds = i64::try_from(until.duration_since(now).as_millis()).unwrap_or(i64::MAX);
    let unit = match rules.unit {
        TimeUnit::Milliseconds => 1,
        TimeUnit::Seconds => 1000,
        TimeUnit::Minutes => 60_000,
        TimeUnit::Hours => 3_600_000,
    };
    (milliseconds / unit).max(rules.min).min(rules.max)
}
