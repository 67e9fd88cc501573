//! What an erasure leaves behind in the bytes of an SQLite file, and of the files beside it: looked for, and driven out.

use super::db::args;
use super::{Db, Store, StoreError};
use sqlx::Row as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Files looked through.
    pub files: usize,
    /// Those that still hold something.
    pub found: Vec<PathBuf>,
}

/// Whose words these are besides: `$1` stands somewhere in a row that stays.
const STILL_SAID: &str = "SELECT CAST(CASE WHEN
      EXISTS (SELECT 1 FROM contacts WHERE REPLACE(COALESCE(name, '') || tags, $1, '') <> COALESCE(name, '') || tags)
      OR EXISTS (SELECT 1 FROM inbounds WHERE REPLACE(body, $1, '') <> body)
      OR EXISTS (SELECT 1 FROM bodies WHERE REPLACE(body, $1, '') <> body)
      OR EXISTS (SELECT 1 FROM wordings WHERE REPLACE(text, $1, '') <> text)
      OR EXISTS (SELECT 1 FROM campaigns WHERE REPLACE(source, $1, '') <> source)
      OR EXISTS (SELECT 1 FROM event_details
        WHERE REPLACE(COALESCE(evidence, '') || source, $1, '') <> COALESCE(evidence, '') || source)
      THEN 1 ELSE 0 END AS BIGINT)";

impl Store {
    /// Do these words stand in a row that stays? Then they are others' too, and prove nothing.
    pub async fn still_said(&self, words: &str) -> Result<bool, StoreError> {
        let rows = self.db.rows(STILL_SAID, args![words]).await?;
        rows.first().map_or(Ok(false), |row| Ok(row.int(0)? != 0))
    }

    /// Folds the write-ahead log of an SQLite file into it and empties it; false while somebody reads.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        let Db::Sqlite(pool, _) = &self.db else { return Ok(true) };
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await?;
        Ok(row.try_get::<i64, _>(0)? == 0)
    }

    /// Writes an SQLite file anew, without its empty places.
    pub async fn rewrite_file(&self) -> Result<(), StoreError> {
        let Db::Sqlite(pool, _) = &self.db else { return Ok(()) };
        sqlx::query("VACUUM").execute(pool).await?;
        Ok(())
    }

    /// An SQLite database's file.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.db {
            Db::Sqlite(_, beside) => beside.as_ref().map(|beside| beside.database().to_owned()),
            Db::Postgres(_) => None,
        }
    }
}

/// Looks for any of `words` in the bytes of a database's file and of all files beside it.
pub fn traces(database: &Path, words: &[String]) -> io::Result<Traces> {
    let words: Vec<&[u8]> = words.iter().map(String::as_bytes).filter(|word| word.len() > 2).collect();
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = database.file_name().unwrap_or_default().as_encoded_bytes();
    let mut traces = Traces::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(name) && entry.file_type()?.is_file() {
            if entry.file_name().as_encoded_bytes().ends_with(b"-shm") {
                continue; // numbers of pages and nothing else; and see `opened`
            }
            let held = opened(&entry.path(), entry.path() == database).and_then(|file| holds(&file, &words));
            match held {
                Ok(false) => {}
                Ok(true) => traces.found.push(entry.path()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // it was taken away meanwhile
                Err(error) => return Err(error),
            }
            traces.files += 1;
        }
    }
    Ok(traces)
}

/// Device and number of a file, and the file.
type Kept = ((u64, u64), Arc<File>);

/// The database's own file is opened once and never closed again: whoever closes any handle of a file gives up all locks
/// that the process has on it (POSIX), SQLite's as well, and the next program to open it would take the file for nobody's.
fn opened(path: &Path, is_database: bool) -> io::Result<Arc<File>> {
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    if !is_database {
        return File::open(path).map(Arc::new);
    }
    let found = std::fs::metadata(path)?;
    let number = (found.dev(), found.ino());
    let mut kept = KEPT.lock().expect("nothing panics while it holds this lock");
    if let Some((_, file)) = kept.iter().find(|(known, _)| *known == number) {
        return Ok(Arc::clone(file));
    }
    let file = Arc::new(File::open(path)?);
    kept.push((number, Arc::clone(&file)));
    Ok(file)
}

/// A mebibyte at a time; what lies across the border is in the next one as well.
fn holds(file: &File, words: &[&[u8]]) -> io::Result<bool> {
    let longest = words.iter().map(|word| word.len()).max().unwrap_or(0);
    let mut begins = [false; 256];
    for first in words.iter().filter_map(|word| word.first()) {
        if let Some(begins) = begins.get_mut(usize::from(*first)) {
            *begins = true;
        }
    }
    let mut bytes = vec![0; 1024 * 1024 + longest];
    let (mut kept, mut offset) = (0, 0);
    loop {
        let read = file.read_at(bytes.get_mut(kept..).unwrap_or_default(), offset)?;
        offset += read as u64;
        let filled = bytes.get(..kept + read).unwrap_or_default();
        let begun = |(at, byte): (usize, &u8)| {
            begins.get(usize::from(*byte)) == Some(&true) && {
                let rest = filled.get(at..).unwrap_or_default();
                words.iter().any(|word| rest.starts_with(word))
            }
        };
        if filled.iter().enumerate().any(begun) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        let end = kept + read;
        kept = longest.min(end);
        bytes.copy_within(end - kept..end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_across_a_border_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        let words = vec!["7700900101".to_owned(), "Ayesha".to_owned()];
        std::fs::write(&database, vec![b'7'; 3_000_000]).unwrap();
        std::fs::write(folder.path().join("other.csv"), "7700900101").unwrap();
        assert_eq!(traces(&database, &words).unwrap(), Traces { files: 1, found: vec![] });
        for at in [0, 1024 * 1024 - 3, 1024 * 1024 + 4, 2_999_990] {
            let mut bytes = vec![b'7'; 3_000_000];
            bytes[at..at + 10].copy_from_slice(b"7700900101");
            std::fs::write(folder.path().join("a.db-wal"), bytes).unwrap();
            let found = traces(&database, &words).unwrap();
            assert_eq!((found.files, found.found.len()), (2, 1), "{at}");
        }
    }
}
