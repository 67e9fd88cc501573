//! Small ways of reading TOML that several parts of a profile share.

use regex::Regex;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// `Deserialize` for a type whose visitor takes values of several kinds.
macro_rules! deserialize_any {
    ($type:ty, $visitor:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }
    };
}
pub(super) use deserialize_any;

/// One value, or a list of them.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub(super) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct AnyNumber<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AnyNumber<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value or a list of values")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        T::deserialize(flag.into_deserializer()).map(|one| OneOrMany(vec![one]))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        T::deserialize(number.into_deserializer()).map(|one| OneOrMany(vec![one]))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::deserialize(text.into_deserializer()).map(|one| OneOrMany(vec![one]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNumber(PhantomData))
    }
}

/// A regular expression, compiled.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub(super) Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        Regex::new(&written).map(Pattern).map_err(|error| {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            D::Error::custom(format!("this regular expression does not compile: {why}"))
        })
    }
}

/// HTTP statuses: `201`, or `"4xx"` for a hundred of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Status {
    Exactly(u16),
    Hundred(u16),
}

impl Status {
    pub(super) fn holds(self, status: u16) -> bool {
        match self {
            Self::Exactly(exactly) => status == exactly,
            Self::Hundred(hundred) => status / 100 == hundred,
        }
    }
}

struct AnyStatus;

impl Visitor<'_> for AnyStatus {
    type Value = Status;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an HTTP status from 100 to 599, or \"2xx\" to \"5xx\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Status, E> {
        match u16::try_from(number) {
            Ok(status) if (100..600).contains(&status) => Ok(Status::Exactly(status)),
            _ => Err(E::custom("an HTTP status is a number from 100 to 599")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Status, E> {
        match text {
            "2xx" => Ok(Status::Hundred(2)),
            "3xx" => Ok(Status::Hundred(3)),
            "4xx" => Ok(Status::Hundred(4)),
            "5xx" => Ok(Status::Hundred(5)),
            _ => Err(E::custom("write a status as a number, or as \"2xx\", \"3xx\", \"4xx\", \"5xx\"")),
        }
    }
}

deserialize_any!(Status, AnyStatus);

/// True if there is no condition, or one holds.
pub(super) fn status_in(statuses: &OneOrMany<Status>, status: u16) -> bool {
    statuses.0.is_empty() || statuses.0.iter().any(|s| s.holds(status))
}
