//! A problem found in something a person wrote: what is wrong, where, and what to do. A value, not an error, because
//! all of them are reported at once.

/// Where in a file, as byte offsets; whoever prints it turns them into line and column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Byte offset of the first character, for the picture of the error.
    pub start: usize,
    /// Byte offset after the last character.
    pub end: usize,
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Refused.
    Error,
    /// Accepted, and said.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable code, for example `campaign.unknown_milestone`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Where, if it is at one place.
    pub place: Option<Place>,
    /// What is wrong: one sentence, without full stop.
    pub message: String,
    /// What to do: something that can be typed.
    pub hint: String,
}

impl Problem {
    /// An error at a place.
    pub fn error(code: &'static str, place: Place, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, place: Some(place), message: message.into(), hint: hint.into() }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, place: Place, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, message, hint) }
    }
}

/// True if any of them is an error.
pub fn any_error(problems: &[Problem]) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

/// A hint for a name that is not known: the one probably meant, else all that are.
pub fn did_you_mean<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let beginning = |name: &&&str| name.len() >= 4 && (wrong.starts_with(**name) || name.starts_with(wrong));
    let near = known.iter().map(|name| (strsim::damerau_levenshtein(name, wrong), name)).min();
    let near = near.filter(|(distance, _)| *distance <= 3 && *distance < wrong.len()).map(|(_, name)| name);
    match near.or_else(|| known.iter().find(beginning)) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
