//! What stands in a field of a request: a fixed value, a typed slot, a setting, a secret, or several joined.
//!
//! Values are bound to slots and encoded where they stand; nothing is ever replaced inside a text, so a text that
//! holds `{{to}}`, quotes, `&` or `%` arrives as written.

use super::numbers;
use super::one_or_many::deserialize_any;
use super::request::Account;
use crate::domain::text::{Encoding, measure};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use toml::Spanned;

/// What people see where a secret stands.
pub(super) const MASK: &str = "•••";

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fixed {
    Text(String),
    Integer(i64),
    Flag(bool),
}

impl Fixed {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

/// What stands in a field.
#[derive(Debug)]
pub(super) enum Value {
    Fixed(Fixed),
    Piece(Box<Piece>),
    Joined(Vec<Value>),
}

/// The named things a field can hold; which of them exist depends on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Slot {
    To,
    Text,
    Reference,
    Validity,
    ValidUntil,
    CallbackUrl,
    Alphabet,
    Parts,
    Now,
    SubmittedAt,
    Cursor,
}

/// How an instant is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimeForm {
    Rfc3339,
    Unix,
    UnixMilliseconds,
    Date,
}

/// The JSON type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum JsonType {
    Text,
    Number,
}

/// One table of a value: exactly one of slot, setting, secret, verbatim.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Piece {
    pub(super) slot: Option<Spanned<Slot>>,
    pub(super) setting: Option<Spanned<String>>,
    pub(super) secret: Option<Spanned<String>>,
    /// Handed over without any encoding; only inside a callback URL, for the provider's own escapes.
    pub(super) verbatim: Option<Spanned<String>>,
    pub(super) gsm7: Option<Fixed>,
    pub(super) ucs2: Option<Fixed>,
    /// The last characters of it.
    pub(super) tail: Option<usize>,
    /// The first characters of what `tail` left.
    pub(super) take: Option<usize>,
    pub(super) form: Option<TimeForm>,
    pub(super) minus_seconds: Option<i64>,
    #[serde(rename = "as")]
    pub(super) json_type: Option<JsonType>,
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a constant, a table like { slot = \"to\" }, or a list of them")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Fixed(Fixed::Flag(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Fixed(Fixed::Integer(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Fixed(Fixed::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Value::Joined)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        Piece::deserialize(MapAccessDeserializer::new(map)).map(|piece| Value::Piece(Box::new(piece)))
    }
}

deserialize_any!(Value, AnyValue);

struct AnyFixed;

impl Visitor<'_> for AnyFixed {
    type Value = Fixed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, or true or false")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Fixed, E> {
        Ok(Fixed::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Fixed, E> {
        Ok(Fixed::Integer(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Fixed, E> {
        Ok(Fixed::Text(text.to_owned()))
    }
}

deserialize_any!(Fixed, AnyFixed);

impl Value {
    /// All its tables.
    pub(super) fn pieces(&self) -> Vec<&Piece> {
        match self {
            Self::Fixed(_) => Vec::new(),
            Self::Piece(piece) => vec![piece],
            Self::Joined(values) => values.iter().flat_map(Value::pieces).collect(),
        }
    }
}

/// A value with what it was bound to.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Filled {
    Fixed(Fixed),
    /// Not to be encoded.
    Verbatim(String),
}

impl Filled {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Fixed(fixed) => fixed.text(),
            Self::Verbatim(text) => text.clone(),
        }
    }
}

/// What the slots of one request hold.
pub(super) struct Filling<'a> {
    pub(super) account: &'a Account,
    pub(super) now: Timestamp,
    /// As this provider writes numbers.
    pub(super) to: Option<String>,
    pub(super) text: Option<&'a str>,
    pub(super) reference: Option<&'a str>,
    /// In the unit of the profile.
    pub(super) validity: Option<i64>,
    pub(super) valid_until: Option<Timestamp>,
    pub(super) callback_url: Option<String>,
    pub(super) submitted_at: Option<Timestamp>,
    pub(super) cursor: Option<&'a str>,
    /// For people: secrets and the number hidden.
    pub(super) masked: bool,
}

impl<'a> Filling<'a> {
    pub(super) fn new(account: &'a Account, now: Timestamp, masked: bool) -> Self {
        Self {
            account,
            now,
            to: None,
            text: None,
            reference: None,
            validity: None,
            valid_until: None,
            callback_url: None,
            submitted_at: None,
            cursor: None,
            masked,
        }
    }

    /// The recipient as the provider writes numbers, hidden where people look.
    pub(super) fn with_number(mut self, to: &str, form: numbers::Form) -> Result<Self, String> {
        let written = numbers::write(to, form)?;
        self.to = Some(if self.masked { numbers::hide(&written) } else { written });
        Ok(self)
    }

    /// None: there is nothing to put there, and the field is left out.
    pub(super) fn fill(&self, value: &Value) -> Option<Filled> {
        match value {
            Value::Fixed(fixed) => Some(Filled::Fixed(fixed.clone())),
            Value::Piece(piece) => self.fill_piece(piece),
            Value::Joined(values) => {
                let mut joined = String::new();
                for value in values {
                    joined.push_str(&self.fill(value)?.text());
                }
                Some(Filled::Fixed(Fixed::Text(joined)))
            }
        }
    }

    fn fill_piece(&self, piece: &Piece) -> Option<Filled> {
        if let Some(verbatim) = &piece.verbatim {
            return Some(Filled::Verbatim(verbatim.get_ref().clone()));
        }
        if let Some(name) = &piece.setting {
            let setting = self.account.settings.get(name.get_ref()).filter(|s| !s.is_empty())?;
            return typed(cut(setting, piece), piece);
        }
        if let Some(name) = &piece.secret {
            let key = self.account.secrets.get(name.get_ref())?.first()?;
            let shown = if self.masked { MASK.to_owned() } else { cut(key.expose_secret(), piece) };
            return typed(shown, piece);
        }
        match piece.slot.as_ref()?.get_ref() {
            Slot::Validity => Some(Filled::Fixed(Fixed::Integer(self.validity?))),
            Slot::Parts => {
                let parts = i64::try_from(measure(self.text?).parts).ok()?;
                Some(Filled::Fixed(Fixed::Integer(parts)))
            }
            Slot::Alphabet => match measure(self.text?).encoding {
                Encoding::Gsm7 => piece.gsm7.clone(),
                Encoding::Ucs2 => piece.ucs2.clone(),
            }
            .map(Filled::Fixed),
            Slot::To => typed(self.to.clone()?, piece),
            Slot::Text => typed(self.text?.to_owned(), piece),
            Slot::Reference => typed(self.reference?.to_owned(), piece),
            Slot::CallbackUrl => typed(self.callback_url.clone()?, piece),
            Slot::Cursor => typed(self.cursor?.to_owned(), piece),
            Slot::Now => instant(self.now, piece),
            Slot::ValidUntil => instant(self.valid_until?, piece),
            Slot::SubmittedAt => instant(self.submitted_at?, piece),
        }
    }
}

fn cut(text: &str, piece: &Piece) -> String {
    let length = text.chars().count();
    let skip = piece.tail.map_or(0, |tail| length.saturating_sub(tail));
    text.chars().skip(skip).take(piece.take.unwrap_or(usize::MAX)).collect()
}

fn typed(text: String, piece: &Piece) -> Option<Filled> {
    let number = (piece.json_type == Some(JsonType::Number)).then(|| text.trim_start_matches('+').parse().ok());
    Some(Filled::Fixed(number.flatten().map_or(Fixed::Text(text), Fixed::Integer)))
}

fn instant(at: Timestamp, piece: &Piece) -> Option<Filled> {
    let at = at.checked_sub(jiff::SignedDuration::from_secs(piece.minus_seconds.unwrap_or(0))).ok()?;
    Some(Filled::Fixed(match piece.form.unwrap_or(TimeForm::Rfc3339) {
        TimeForm::Unix => Fixed::Integer(at.as_second()),
        TimeForm::UnixMilliseconds => Fixed::Integer(at.as_millisecond()),
        TimeForm::Rfc3339 => Fixed::Text(Timestamp::from_second(at.as_second()).ok()?.to_string()),
        TimeForm::Date => Fixed::Text(at.to_string().get(..10)?.to_owned()),
    }))
}
