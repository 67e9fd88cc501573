//! One SQLite file has one service: a second one leaves at once and names the first.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Held until it is dropped, or its process ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is the open file that holds the lock")] File);

/// Why it can't be held.
#[derive(Debug, Error)]
pub enum LockProblem {
    /// Another process has it.
    #[error("another ringround (process {0}) runs on this database")]
    Held(String),
    /// The file beside the database can't be made.
    #[error("{0} can't be written: {1}")]
    Unwritable(PathBuf, io::Error),
}

impl LockProblem {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Held(_) => "stop it first",
            Self::Unwritable(..) => "look at who may write beside the database",
        }
    }
}

/// Takes the lock beside an SQLite file.
pub fn hold(database: &Path) -> Result<Lock, LockProblem> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let unwritable = |e| LockProblem::Unwritable(path.clone(), e);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder); // without a number the sentence still says enough
            return Err(LockProblem::Held(holder.trim().to_owned()));
        }
        Err(TryLockError::Error(error)) => return Err(unwritable(error)),
    }
    let write = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(unwritable)?;
    Ok(Lock(file))
}
