//! A failure as people see it: one sentence, then a hint on its own line, and an exit code that scripts can tell apart.

use super::voice::tell;
use crate::app::import::ImportError;
use crate::store::StoreError;
use serde_json::json;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    message: String,
    hint: String,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }

    /// Why a file was not imported.
    pub(super) fn import(file: &str, error: &ImportError) -> Self {
        match error {
            ImportError::Sheet(sheet) => Self::new(1, format!("{file}: {sheet}"), sheet.hint()),
            ImportError::Store(store) => Self { message: format!("{file}: {store}"), ..Self::store(store) },
            ImportError::Service(_) => {
                Self::new(1, error.to_string(), "look at its log, then repeat the command: what is loaded stays loaded")
            }
            ImportError::Refused { .. } => Self::new(1, error.to_string(), "move it away, or say --report PATH"),
        }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn hint(&self) -> &str {
        &self.hint
    }

    /// Prints it; the exit code.
    pub(super) fn print(&self, json: bool) -> u8 {
        if json {
            let told = json!({ "format": "ringround.error/1", "message": self.message, "hint": self.hint });
            tell!("{told}");
        } else {
            tell!("error: {}", self.message);
            if !self.hint.is_empty() {
                tell!("hint: {}", self.hint);
            }
        }
        self.code
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::store(&error)
    }
}

impl Failure {
    fn store(error: &StoreError) -> Self {
        let code = match error {
            StoreError::NeedsMigration { .. }
            | StoreError::TooNew { .. }
            | StoreError::NotFound(_)
            | StoreError::Busy => 5,
            // Starting again would change nothing: the service manager is not to try.
            StoreError::BadUrl(_)
            | StoreError::Corrupt(_)
            | StoreError::Damaged(_)
            | StoreError::Disagrees(_)
            | StoreError::KeyMissing
            | StoreError::WrongKey => 78,
            StoreError::Locked
            | StoreError::Fenced
            | StoreError::Moved(_)
            | StoreError::Full
            | StoreError::Database(_) => 1,
        };
        Self::new(code, error.to_string(), error.hint())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(1, format!("reading or writing failed: {error}"), "look whether the file exists and may be read")
    }
}
