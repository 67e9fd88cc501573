//! A text with places to fill: `{{ survey }}`, `{{ name | default("parent") }}`, `{{ survey_closes.day }}`.
//!
//! Parsed once, when the campaign is read; a text that could fail for some contact is refused there, so that rendering
//! for a parent never fails. The language is minijinja's, with bounded work (`fuel`) and nothing that reads the world.

use jiff::civil::DateTime;
use minijinja::value::Value;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use thiserror::Error;

/// What a text can speak of: campaign values, milestones, and the contact's `name` where known.
pub type Context = BTreeMap<String, Value>;

/// Steps of the template machine one text may take; a text of three sentences takes some dozens.
const FUEL: u64 = 10_000;

/// A parsed text.
#[derive(Clone)]
pub struct Template {
    source: String,
    environment: Environment<'static>,
}

/// What is wrong with a text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TemplateProblem {
    /// It cannot be read.
    #[error("the text cannot be read: {detail}")]
    Syntax {
        /// The template machine's words.
        detail: String,
    },
    /// It speaks of something that is not there.
    #[error("the text speaks of something that is not known here{}", .name.as_ref().map(|n| format!(": {n}")).unwrap_or_default())]
    Missing {
        /// What is missing, where it can be told.
        name: Option<String>,
    },
    /// It asks for more work than a text may.
    #[error("the text cannot be filled in: {detail}")]
    Failed {
        /// The template machine's words.
        detail: String,
    },
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Template {
    /// Reads a text.
    pub fn parse(source: &str) -> Result<Self, TemplateProblem> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment
            .add_template_owned("text", source.to_owned())
            .map_err(|e| TemplateProblem::Syntax { detail: e.detail().unwrap_or("unknown reason").to_owned() })?;
        Ok(Self { source: source.to_owned(), environment })
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names it speaks of, for example `survey` and `name`.
    pub fn names(&self) -> BTreeSet<String> {
        self.environment
            .get_template("text")
            .map(|t| t.undeclared_variables(false).into_iter().collect())
            .unwrap_or_default()
    }

    /// The text filled in.
    pub fn render(&self, context: &Context) -> Result<String, TemplateProblem> {
        let template = self.environment.get_template("text").map_err(|e| failed(&e))?;
        template.render(Value::from_pairs(context.iter().map(|(name, value)| (name.as_str(), value.clone())))).map_err(
            |e| match e.kind() {
                ErrorKind::UndefinedError => {
                    let known: BTreeSet<String> = context.keys().cloned().collect();
                    TemplateProblem::Missing { name: self.names().difference(&known).next().cloned() }
                }
                _ => failed(&e),
            },
        )
    }
}

fn failed(error: &minijinja::Error) -> TemplateProblem {
    TemplateProblem::Failed { detail: error.detail().unwrap_or("unknown reason").to_owned() }
}

/// A milestone as texts see it: `.day` "Fri 28 Jan", `.time` "12 noon", `.when` "12 noon, Fri 28 Jan".
///
/// English only; other languages write their dates out. "noon" and "midnight", because "12pm" is misread.
pub fn milestone(local: DateTime) -> Value {
    let day = local.strftime("%a %-d %b").to_string();
    let time = clock_time(local);
    let when = format!("{time}, {day}");
    Value::from_pairs([("day", day), ("time", time), ("when", when)])
}

fn clock_time(local: DateTime) -> String {
    let (half, minute) = (if local.hour() < 12 { "am" } else { "pm" }, local.minute());
    match (local.hour(), minute) {
        (12, 0) => "12 noon".to_owned(),
        (0, 0) => "12 midnight".to_owned(),
        (hour, 0) => format!("{}{half}", (hour + 11) % 12 + 1),
        (hour, _) => format!("{}.{minute:02}{half}", (hour + 11) % 12 + 1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fill(text: &str) -> Result<String, TemplateProblem> {
        let context = Context::from([
            ("survey".to_owned(), Value::from("https://example.org/s")),
            ("closes".to_owned(), milestone("2022-01-28T12:00".parse().unwrap())),
        ]);
        Template::parse(text)?.render(&context)
    }

    #[test]
    fn texts_are_filled_as_written() {
        assert_eq!(
            fill("Until {{ closes.when }}: {{ survey }}").unwrap(),
            "Until 12 noon, Fri 28 Jan: https://example.org/s"
        );
        assert_eq!(fill("Dear {{ name | default('parent') }}, \"<&>\"").unwrap(), "Dear parent, \"<&>\"");
        assert_eq!(fill("{% if name %}Dear {{ name }}{% else %}Hello{% endif %}").unwrap(), "Hello");
    }

    #[test]
    fn what_could_fail_is_named() {
        assert_eq!(fill("Dear {{ name }}"), Err(TemplateProblem::Missing { name: Some("name".into()) }));
        assert!(matches!(fill("{{ survey"), Err(TemplateProblem::Syntax { .. })));
        assert!(matches!(fill("{{ closes.nothing }}"), Err(TemplateProblem::Missing { .. })));
        let endless = "{% for a in range(100) %}{% for b in range(100) %}{% for c in range(100) %}x{% endfor %}{% endfor %}{% endfor %}";
        assert!(matches!(fill(endless), Err(TemplateProblem::Failed { .. })));
    }

    #[test]
    fn times_are_said_so_that_nobody_misreads_them() {
        for (at, said) in [
            (("00:00"), "12 midnight"),
            ("12:00", "12 noon"),
            ("09:30", "9.30am"),
            ("13:05", "1.05pm"),
            ("12:30", "12.30pm"),
            ("00:15", "12.15am"),
        ] {
            assert_eq!(clock_time(format!("2022-01-28T{at}").parse().unwrap()), said);
        }
    }
}
