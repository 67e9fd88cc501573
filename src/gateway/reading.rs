//! Where in an answer or a callback a value stands, and how it is read: JSON pointer, header, query, form or the whole
//! body, then decoded, tested and cut out. A reading yields a value only if it is there and every test holds, so the
//! same words serve as a condition and as "the first of these that exists".

use super::one_or_many::{OneOrMany, Pattern};
use super::value::Fixed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::Encoding;
use percent_encoding::percent_decode;
use serde_json::Value as Json;
use toml::Spanned;

/// How a body is to be understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    Json,
    Form,
    Text,
    /// Everything is in the address; a body is not looked at.
    #[default]
    Query,
}

/// One place, with tests.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reading {
    pub(super) json: Option<Spanned<String>>,
    pub(super) header: Option<String>,
    pub(super) query: Option<String>,
    pub(super) form: Option<String>,
    #[serde(default)]
    pub(super) body: bool,
    /// Holds when the value is not there, or null, or empty.
    #[serde(default)]
    pub(super) absent: bool,
    /// One of these, whatever the case of its letters.
    #[serde(default)]
    pub(super) is: OneOrMany<Fixed>,
    /// A number in this range, both ends included.
    pub(super) between: Option<(i64, i64)>,
    /// What the first group catches, or all of it.
    pub(super) matches: Option<Pattern>,
    /// Where the name of its character set stands.
    pub(super) charset: Option<Box<Reading>>,
    pub(super) decode: Option<Decode>,
}

/// Bytes written as text.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decode {
    Hex,
    Base64,
}

pub(super) type Readings = OneOrMany<Reading>;

/// Something that was received, taken apart.
pub(super) struct Parts<'a> {
    pub(super) headers: &'a [(String, String)],
    pub(super) query: Vec<(String, Vec<u8>)>,
    pub(super) form: Vec<(String, Vec<u8>)>,
    pub(super) json: Option<Json>,
    pub(super) text: Option<String>,
}

impl<'a> Parts<'a> {
    /// Takes a body apart; none if it is not what it should be: another kind, another character set, HTML, empty,
    /// broken, or two documents in one.
    pub(super) fn new(content: Content, headers: &'a [(String, String)], query: &str, body: &[u8]) -> Option<Self> {
        let mut parts = Self { headers, query: pairs(query)?, form: Vec::new(), json: None, text: None };
        let kind = header(headers, "content-type").unwrap_or_default().to_lowercase();
        let charset = kind.split("charset=").nth(1).map(|c| c.trim_matches(['"', ' ', ';']).to_owned());
        if content != Content::Query && !matches!(charset.as_deref(), None | Some("utf-8" | "utf8" | "us-ascii")) {
            return None;
        }
        match content {
            Content::Query => {}
            Content::Json if !kind.is_empty() && !kind.contains("json") => return None,
            Content::Json => parts.json = Some(serde_json::from_slice(body).ok()?),
            Content::Form => parts.form = pairs(std::str::from_utf8(body).ok()?)?,
            Content::Text => {
                let text = std::str::from_utf8(body).ok()?.trim();
                parts.text = (!text.is_empty()).then(|| text.to_owned());
                parts.text.as_ref()?;
            }
        }
        Some(parts)
    }

    /// The items a fan-out is made of; the body itself where there is none.
    pub(super) fn items(&self, each: Option<&str>) -> Option<Vec<Option<&Json>>> {
        match each {
            None => Some(vec![self.json.as_ref()]),
            Some(pointer) => {
                let items = self.json.as_ref()?.pointer(pointer)?.as_array()?;
                Some(items.iter().map(Some).collect())
            }
        }
    }

    /// The first reading that yields a value.
    pub(super) fn first(&self, readings: &Readings, item: Option<&Json>) -> Option<String> {
        readings.0.iter().find_map(|reading| self.read(reading, item))
    }

    /// The same, where an empty value is none.
    pub(super) fn filled(&self, readings: &Readings, item: Option<&Json>) -> Option<String> {
        self.first(readings, item).filter(|value| !value.trim().is_empty())
    }

    /// True if every one of them yields a value.
    pub(super) fn all(&self, readings: &Readings, item: Option<&Json>) -> bool {
        readings.0.iter().all(|reading| self.read(reading, item).is_some())
    }

    pub(super) fn read(&self, reading: &Reading, item: Option<&Json>) -> Option<String> {
        let found = self.found(reading, item);
        if reading.absent {
            return found.is_none_or(|value| value.is_empty()).then(String::new);
        }
        let value = found?;
        let is = &reading.is.0;
        if !is.is_empty() && !is.iter().any(|fixed| fixed.text().eq_ignore_ascii_case(value.trim())) {
            return None;
        }
        if let Some((from, to)) = reading.between
            && !value.trim().parse().is_ok_and(|number: i64| (from..=to).contains(&number))
        {
            return None;
        }
        match &reading.matches {
            None => Some(value),
            Some(Pattern(regex)) => {
                let caught = regex.captures(&value)?;
                caught.get(1).or(caught.get(0)).map(|m| m.as_str().to_owned())
            }
        }
    }

    fn found(&self, reading: &Reading, item: Option<&Json>) -> Option<String> {
        let bytes = if let Some(pointer) = &reading.json {
            scalar(item?.pointer(pointer.get_ref())?)?.into_bytes()
        } else if let Some(name) = &reading.header {
            header(self.headers, name)?.as_bytes().to_vec()
        } else if let Some(name) = &reading.query {
            field(&self.query, name)?
        } else if let Some(name) = &reading.form {
            field(&self.form, name)?
        } else if reading.body {
            self.text.as_ref()?.as_bytes().to_vec()
        } else {
            return None;
        };
        let bytes = match reading.decode {
            None => bytes,
            Some(Decode::Base64) => STANDARD.decode(bytes).ok()?,
            Some(Decode::Hex) => unhex(std::str::from_utf8(&bytes).ok()?)?,
        };
        let charset = reading.charset.as_ref().and_then(|named| self.read(named, item)).filter(|c| !c.is_empty());
        match charset {
            None => String::from_utf8(bytes).ok(),
            Some(label) => {
                let charset = Encoding::for_label(label.as_bytes())?;
                Some(charset.decode_without_bom_handling_and_without_replacement(&bytes)?.into_owned())
            }
        }
    }
}

fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A header's value; none if it stands there twice, because then nobody knows which is meant.
pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut named = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    let (_, value) = named.next()?;
    named.next().is_none().then_some(value)
}

fn field(fields: &[(String, Vec<u8>)], name: &str) -> Option<Vec<u8>> {
    let mut named = fields.iter().filter(|(n, _)| n == name);
    let (_, value) = named.next()?;
    named.next().is_none().then(|| value.clone())
}

/// `a=b&c=d` taken apart; values stay bytes, because some gateways send them in other character sets. None where a
/// pair has no `=`: no sender of ours writes that, and it makes signatures over names and values ambiguous.
pub(super) fn pairs(written: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let decoded = |part: &str| percent_decode(part.replace('+', " ").as_bytes()).collect::<Vec<u8>>();
    let pairs = written.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((String::from_utf8(decoded(name)).ok()?, decoded(value)))
    });
    pairs.collect()
}

/// Lower-case hexadecimal only: one tag has one spelling.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
