//! Reads secrets: from the service manager's credentials directory, or from files that only their owner may read.

use super::gateway::SecretPlace;
use secrecy::SecretString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Where systemd lays a unit's credentials.
const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Why a secret can't be had. Never holds the secret.
#[derive(Debug, Error)]
pub enum CredentialProblem {
    /// Not started by a service manager that lays credentials.
    #[error("the credential \"{0}\" can't be read: this program was not started with credentials")]
    NoDirectory(String),
    /// The file can't be read.
    #[error("{0} can't be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// Others may read it.
    #[error("{0} may be read by others (mode {1:o})")]
    Open(PathBuf, u32),
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(PathBuf),
}

impl CredentialProblem {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoDirectory(name) => {
                format!(
                    "only a service gets it, from LoadCredential={name}:/path in its unit; by hand use {{ file = \"/path\" }}"
                )
            }
            Self::Unreadable(..) => "look at the path, and at who may read it".to_owned(),
            Self::Open(path, _) => format!("chmod 600 {}", path.display()),
            Self::Empty(_) => "write the secret into it, one line".to_owned(),
        }
    }
}

/// Reads one secret.
pub fn read_secret(place: &SecretPlace) -> Result<SecretString, CredentialProblem> {
    match place {
        SecretPlace::Credential(name) => {
            let directory = std::env::var_os(DIRECTORY).ok_or_else(|| CredentialProblem::NoDirectory(name.clone()))?;
            read(&Path::new(&directory).join(name))
        }
        SecretPlace::File(path) => {
            let unreadable = |e| CredentialProblem::Unreadable(path.clone(), e);
            let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(CredentialProblem::Open(path.clone(), mode));
            }
            read(path)
        }
    }
}

/// A trailing line break is the editor's, not the secret's.
fn read(path: &Path) -> Result<SecretString, CredentialProblem> {
    let text = std::fs::read_to_string(path).map_err(|e| CredentialProblem::Unreadable(path.to_owned(), e))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(CredentialProblem::Empty(path.to_owned())),
        secret => Ok(SecretString::from(secret.to_owned())),
    }
}
