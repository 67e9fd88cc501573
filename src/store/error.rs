//! What can go wrong with the store. Each answers: retry? whose fault? what now?

use thiserror::Error;

/// A store error. Never holds a number, a name or a password.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no database at this place.
    #[error("there is no database at {0}")]
    NotFound(String),
    /// It was never migrated, or is older than this program.
    #[error("the database is at version {found}, this program needs {needed}")]
    NeedsMigration {
        /// Highest migration applied.
        found: i64,
        /// Highest migration known.
        needed: i64,
    },
    /// It is newer than this program.
    #[error("the database is at version {found}, newer than this program ({needed})")]
    TooNew {
        /// Highest migration applied.
        found: i64,
        /// Highest migration known.
        needed: i64,
    },
    /// The address of the database cannot be read.
    #[error("\"{0}\" is not the address of a database")]
    BadUrl(String),
    /// Somebody else holds it.
    #[error("the database is in use by another program")]
    Busy,
    /// Whoever waited for a sign of life took this worker off.
    #[error("this worker was silent for too long and has been taken for dead")]
    Fenced,
    /// Another worker of this database has other settings, another profile or other credentials.
    #[error(
        "the worker at {0} has other settings, another profile, other credentials, or is another version of ringround"
    )]
    Disagrees(String),
    /// Under the running service, the database has become another one.
    #[error("the database has changed under the service: {0}")]
    Moved(String),
    /// There is no room left where the database is.
    #[error("the disk is full")]
    Full,
    /// The pages of the database don't fit together.
    #[error("the database is damaged (integrity check: {0})")]
    Damaged(String),
    /// The key that numbers are hashed with is kept outside the database, and is not at hand here.
    #[error("the suppression key is not at hand: whether a number must not be texted can't be known")]
    Locked,
    /// The settings name no key, but the database's hashes were made with one.
    #[error("the database's suppressions were made with a key that is kept outside it, and the settings name none")]
    KeyMissing,
    /// The key is another one than the database's hashes were made with.
    #[error("the suppression key is not the one that this database's suppressions were made with")]
    WrongKey,
    /// A row holds something that this program never writes.
    #[error("the database holds a value that ringround never writes: {0}")]
    Corrupt(&'static str),
    /// Anything the database says.
    #[error("the database failed: {0}")]
    Database(String),
}

impl StoreError {
    /// What to do now.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "create it with: ringround migrate",
            Self::NeedsMigration { .. } => "bring it up to date with: ringround migrate",
            Self::TooNew { .. } => "use the ringround that wrote it, or a newer one",
            Self::BadUrl(_) => "write sqlite:/path/to/ringround.db or postgres://user@host/database",
            Self::Fenced => "it begins anew by itself",
            Self::Disagrees(_) => {
                "give all workers of one database the same program, settings, profile and credentials"
            }
            Self::Moved(_) => "start it again: nothing is sent until a person says ringround resume --after-restore",
            Self::Full => "make room on the disk; it goes on by itself",
            Self::Damaged(_) => "keep this file for a closer look and restore the last backup",
            Self::Locked => {
                "run this while the service runs, or keep the key in a file that you may read: suppression.key = { file = … }"
            }
            Self::KeyMissing => "set suppression.key to where the key is; it was backed up apart from the database",
            Self::WrongKey => {
                "lay the key that was backed up at its first use back where suppression.key says: with another one nobody \
                 who was forgotten would be known"
            }
            Self::Busy => "stop the other program, or wait for it to end, and try again",
            Self::Corrupt(_) => "restore the last backup; keep this file for a closer look",
            Self::Database(_) => "look whether the database server runs and its disk has room",
        }
    }

    /// May the same call succeed later, unchanged?
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy | Self::Full | Self::Database(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("5" | "6" | "261" | "517")) => Self::Busy,
            sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("13" | "53100")) => Self::Full,
            sqlx::Error::Database(e) if matches!(e.code().as_deref(), Some("11" | "26" | "267" | "523" | "779")) => {
                Self::Damaged(e.message().to_owned())
            }
            // The message of a database error may quote a row's values (PostgreSQL's DETAIL does not come with Display).
            sqlx::Error::Database(e) => Self::Database(e.message().to_owned()),
            sqlx::Error::Configuration(_) => Self::BadUrl("database.url".to_owned()),
            other => Self::Database(other.to_string()),
        }
    }
}
