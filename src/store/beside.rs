//! The files beside an SQLite database.
//!
//! `NAME.mark` says on which machine, under which path and at which commit the database was last written. A database that
//! is behind its mark was restored from a backup; one with another machine's or path's mark, or none, is a copy. What
//! can't be seen: a whole machine cloned while it runs. The mark is written after each commit without a sync: a kill
//! loses nothing of it, and after a power cut it can only be behind, which says nothing.
//!
//! `NAME.suppressed` lists the hashes of all numbers that must not be texted, and which of them were forgotten: what a
//! restored database has forgotten of them it learns from there.
//!
//! `NAME.reserve` holds a mebibyte of the disk: when that is full, it is given up, so that what came of the texts in
//! flight can still be recorded.

use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

const RESERVE: usize = 1024 * 1024;
/// Fixed, so that writing it again never needs room.
const MARK_LENGTH: usize = 80;

/// See the module's head.
#[derive(Debug)]
pub struct Beside {
    database: PathBuf,
    /// Device and number of the file that was opened.
    file: Option<(u64, u64)>,
    /// None where it can't be written: then it only gets behind.
    mark: Mutex<Option<File>>,
    /// What stood in it when the database was opened.
    found: Option<Mark>,
    /// Lines for the list of suppressions, written when what they say is committed.
    notes: Mutex<Vec<String>>,
    /// The mark is not this database's: it stays as it is until somebody has seen to it.
    foreign: AtomicBool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    home: String,
    commits: i64,
}

impl Beside {
    /// Reads what is beside a database. `new`: the database was just made, and so is its mark.
    pub(super) fn open(database: &Path, new: bool) -> Self {
        let path = with_suffix(database, ".mark");
        let mark = Mutex::new(open_mark(&path, new));
        let mut text = String::new();
        let readable = std::fs::File::open(&path).and_then(|mut file| file.read_to_string(&mut text)).is_ok();
        let found = if readable && !new { Mark::parse(&text) } else { None };
        let file = number(database);
        Self {
            database: database.to_owned(),
            file,
            mark,
            found,
            notes: Mutex::default(),
            foreign: AtomicBool::new(!new),
        }
    }

    /// The database's file.
    pub(super) fn database(&self) -> &Path {
        &self.database
    }

    /// What speaks against this database being where and what it was, if anything does.
    pub(super) fn moved(&self, commits: i64) -> Option<String> {
        if number(&self.database) != self.file {
            return Some("its file was taken away, or another one was put in its place".to_owned());
        }
        if !self.foreign.load(Ordering::Relaxed) {
            return None;
        }
        let Some(mark) = &self.found else {
            let path = with_suffix(&self.database, ".mark");
            return Some(match std::fs::File::open(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    format!("{} can't be read: {error}", path.display())
                }
                Ok(_) => format!("{} does not say what it should", path.display()),
                Err(_) => "the mark beside it is missing: it was copied here, or restored".to_owned(),
            });
        };
        if mark.home != home(&self.database) {
            return Some("it was copied from another machine or folder".to_owned());
        }
        if mark.commits > commits {
            return Some(format!("it was restored: {} commits are missing", mark.commits - commits));
        }
        self.foreign.store(false, Ordering::Relaxed);
        None
    }

    /// Is the mark another database's, as far as anybody has looked?
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign.load(Ordering::Relaxed)
    }

    /// From now on the mark is this database's.
    pub(super) fn settle(&self, commits: i64) {
        self.foreign.store(false, Ordering::Relaxed);
        *self.mark() = open_mark(&with_suffix(&self.database, ".mark"), true);
        self.raise(commits);
    }

    /// After a commit, before anybody acts on it.
    pub(super) fn raise(&self, commits: i64) {
        if self.foreign.load(Ordering::Relaxed) {
            return;
        }
        if let Some(mark) = &*self.mark() {
            let text = Mark { home: home(&self.database), commits }.write();
            let _ = mark.write_all_at(text.as_bytes(), 0); // a mark that can't be written gets behind, and says less
        }
    }

    /// A line for the list of suppressions, once the transaction is committed.
    pub(super) fn note(&self, line: String) {
        self.notes().push(line);
    }

    /// What was noted is not to be: its transaction was given up.
    pub(super) fn drop_notes(&self) {
        self.notes().clear();
    }

    /// Appends what was noted; a line that can't be written is missing until the next start, which writes the list anew.
    pub(super) fn write_suppressed(&self) {
        let lines = std::mem::take(&mut *self.notes());
        if lines.is_empty() {
            return;
        }
        let path = with_suffix(&self.database, ".suppressed");
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o600).open(path);
        let _ = file.and_then(|mut file| file.write_all(lines.concat().as_bytes()).and_then(|()| file.sync_data()));
    }

    /// The list of suppressions.
    pub(super) fn suppressed(&self) -> String {
        std::fs::read_to_string(with_suffix(&self.database, ".suppressed")).unwrap_or_default()
    }

    /// Writes the list anew, as a whole or not at all.
    pub(super) fn rewrite_suppressed(&self, lines: &str) -> io::Result<()> {
        let (path, new) = (with_suffix(&self.database, ".suppressed"), with_suffix(&self.database, ".suppressed-new"));
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(lines.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, path)
    }

    fn notes(&self) -> MutexGuard<'_, Vec<String>> {
        self.notes.lock().expect("nothing panics while it holds this lock")
    }

    fn mark(&self) -> MutexGuard<'_, Option<File>> {
        self.mark.lock().expect("nothing panics while it holds this lock")
    }

    /// Gives the reserve back to the disk.
    pub(super) fn give_up_reserve(&self) {
        let _ = std::fs::remove_file(with_suffix(&self.database, ".reserve")); // it may be gone already
    }

    /// Sees to it that the reserve is there. An error: there is no room for it.
    pub(super) fn keep_reserve(&self) -> io::Result<()> {
        let path = with_suffix(&self.database, ".reserve");
        if std::fs::metadata(&path).is_ok_and(|m| m.len() == RESERVE as u64) {
            return Ok(());
        }
        let kept = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0x52; RESERVE])?;
            file.sync_all()
        });
        if kept.is_err() {
            let _ = std::fs::remove_file(&path); // half a reserve takes the room that is missing
        }
        kept
    }
}

fn open_mark(path: &Path, create: bool) -> Option<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(create).truncate(false).mode(0o600).open(path).ok()
}

impl Mark {
    fn write(&self) -> String {
        format!("{:<width$}\n", format!("ringround {} {:020}", self.home, self.commits), width = MARK_LENGTH - 1)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        if words.next() != Some("ringround") {
            return None;
        }
        Some(Self { home: words.next()?.to_owned(), commits: words.next()?.parse().ok()? })
    }
}

fn number(file: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(file).ok().map(|found| (found.dev(), found.ino()))
}

/// This machine and this path, as a hash.
fn home(database: &Path) -> String {
    let machine = std::fs::read("/etc/machine-id").unwrap_or_default();
    let path = database.canonicalize().unwrap_or_else(|_| database.to_owned());
    let hash = Sha256::new().chain_update(machine).chain_update(path.as_os_str().as_encoded_bytes()).finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
