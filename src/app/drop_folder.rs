//! The drop folder, for admins without a shell: a file that is laid into it is imported, and a report appears beside it.
//!
//! The import is a program of its own, the same that one types: whatever a file does to it, the service goes on, and its
//! memory does not grow. What is slow or hangs here (a folder on the network) is waited for beside everything else.

use super::run::Shared;
use crate::config::settings::DropFolder;
use jiff::SignedDuration;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::SystemTime;
use tokio::process::Command;
use tokio::select;
use tokio::task::spawn_blocking;

/// Between two looks. A file is taken when it was the same at two of them.
const EVERY: SignedDuration = SignedDuration::from_secs(3);
/// What we lay down ourselves, and what programs lay down while they write.
const NOT_OURS_TO_READ: [&str; 6] = [".report.txt", ".refused.csv", ".tmp", ".part", ".partial", ".crdownload"];

/// A file as it was at a look: size and when it was last written.
type State = (u64, Option<SystemTime>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Once(State),
    Taken(State),
}

/// Watches the folder until the service ends. `program`: how the program is started that imports a file.
pub async fn watch(shared: &Shared, program: &[OsString]) {
    let Some(drop) = shared.desk.settings.drop.clone() else { return };
    let (mut before, mut said): (HashMap<OsString, Seen>, _) = (HashMap::new(), String::new());
    while !shared.stop.is_cancelled() {
        let folder = drop.folder.clone();
        let found = match spawn_blocking(move || look(&folder)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                let words = format!("the drop folder can't be looked at: {error}");
                if words != said {
                    tracing::error!("{words}; trying again");
                    said = words;
                }
                HashMap::new()
            }
            Err(_) => HashMap::new(), // it panicked: that look has seen nothing
        };
        let mut ready: Vec<&OsString> = found
            .iter()
            .filter(|(name, state)| before.get(*name) == Some(&Seen::Once(**state)))
            .map(|(name, _)| name)
            .collect();
        ready.sort();
        for name in ready {
            let taken = select! {
                taken = take(&drop, name, program) => taken,
                () = shared.stop.cancelled() => return, // the program dies with us; the file is taken at the next start
            };
            shared.wake.notify_one();
            match taken {
                Ok(counts) => tracing::info!("a file of the drop folder was {counts}"),
                Err(error) => tracing::error!("a file of the drop folder is left where it is: {error}"),
            }
        }
        // What was taken and is still there could not be moved away: it is not taken again until it changes.
        let stays = |name: &OsString, state: &State| match before.get(name) {
            Some(Seen::Once(was) | Seen::Taken(was)) if was == state => Seen::Taken(*state),
            _ => Seen::Once(*state),
        };
        before = found.iter().map(|(name, state)| (name.clone(), stays(name, state))).collect();
        let now = shared.desk.clock.now();
        select! {
            () = shared.desk.clock.sleep_until(now.saturating_add(EVERY).unwrap_or(now)) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// The files that wait. Links and whatever is no file are not looked at.
fn look(folder: &Path) -> io::Result<HashMap<OsString, State>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let lower = name.to_string_lossy().to_lowercase();
        let is_other = lower.starts_with(['.', '~']) || NOT_OURS_TO_READ.iter().any(|end| lower.ends_with(end));
        if !is_other && entry.file_type()?.is_file() {
            let seen = entry.metadata()?;
            found.insert(name, (seen.len(), seen.modified().ok()));
        }
    }
    Ok(found)
}

/// Imports one file; what to say in the log: counts, and no names.
async fn take(drop: &DropFolder, name: &OsString, program: &[OsString]) -> io::Result<String> {
    let path = drop.folder.join(name);
    let opening = path.clone();
    let file = spawn_blocking(move || open(&opening)).await.map_err(io::Error::other)??;
    let refused = beside(&path, ".refused.csv");
    let output = command(drop, name, &refused, file, program)?.output().await?;
    let (drop, name) = (drop.clone(), name.clone());
    spawn_blocking(move || put_away(&drop, &name, &refused, &output)).await.map_err(io::Error::other)?
}

/// The program gets the open file and not its name: whatever somebody puts in its place meanwhile is not read.
fn command(
    drop: &DropFolder,
    name: &OsString,
    refused: &Path,
    file: File,
    program: &[OsString],
) -> io::Result<Command> {
    let (first, rest) = program.split_first().ok_or_else(|| io::Error::other("it is not known how to start"))?;
    let mut command = Command::new(first);
    command.args(rest).args(["import", "/proc/self/fd/0", "--called"]).arg(name).arg("--report").arg(refused);
    command.args(["--as", &drop.by]);
    if let Some(list) = &drop.list {
        command.args(["--list", list]);
    }
    if drop.dry_run {
        command.arg("--dry-run");
    }
    command.stdin(Stdio::from(file)).kill_on_drop(true);
    Ok(command)
}

/// Opens a file that lies in the folder itself: not what a link points to.
fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    let (inside, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    if !there.is_file() || (inside.dev(), inside.ino()) != (there.dev(), there.ino()) {
        return Err(io::Error::other("it is no file of its own"));
    }
    Ok(file)
}

/// Writes the report, and moves the file to where it is not taken again.
fn put_away(drop: &DropFolder, name: &OsString, refused: &Path, output: &Output) -> io::Result<String> {
    let path = drop.folder.join(name);
    let was_read = matches!(output.status.code(), Some(0 | 3 | 4));
    let out = String::from_utf8_lossy(&output.stdout);
    write_report(&beside(&path, ".report.txt"), &[output.stderr.as_slice(), output.stdout.as_slice()].concat())?;
    if refused.exists() {
        // The folder's group may read what the folder's group has laid down.
        open(refused)?.set_permissions(Permissions::from_mode(0o640))?;
    }
    let folder = drop.folder.join(if was_read { "done" } else { "refused" });
    if fs::symlink_metadata(&folder).is_err() {
        fs::DirBuilder::new().mode(0o750).create(&folder)?;
    }
    if !fs::symlink_metadata(&folder)?.is_dir() {
        return Err(io::Error::other("done and refused must be folders"));
    }
    let mut to = folder.join(name);
    for n in 2.. {
        if fs::symlink_metadata(&to).is_err() {
            break;
        }
        let mut numbered = OsString::from(format!("{n} "));
        numbered.push(name);
        to = folder.join(numbered);
    }
    fs::rename(&path, &to)?;
    let counts: Vec<&str> = out.lines().filter_map(count).collect();
    let verb = match (was_read, drop.dry_run) {
        (false, _) => "refused: its report says why",
        (true, true) => "looked at",
        (true, false) => "imported",
    };
    Ok(format!("{verb}: {}", if counts.is_empty() { "no rows".to_owned() } else { counts.join(", ") }))
}

/// A line of the command's counts.
fn count(line: &str) -> Option<&str> {
    let words = line.strip_prefix("  ")?.trim_start();
    words.starts_with(|c: char| c.is_ascii_digit()).then_some(words)
}

fn write_report(path: &Path, words: &[u8]) -> io::Result<()> {
    let new = beside(path, ".tmp");
    let _ = fs::remove_file(&new); // of a start that was killed
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&new)?;
    file.write_all(words)?;
    file.set_permissions(Permissions::from_mode(0o640))?;
    fs::rename(&new, path)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_what_is_half_written_are_left_alone() {
        let folder = std::env::temp_dir().join(format!("ringround-drop-{}", std::process::id()));
        fs::create_dir_all(folder.join("done")).unwrap();
        for name in ["a.csv", ".a.csv", "~$a.xlsx", "a.csv.report.txt", "a.csv.refused.csv", "b.csv.part"] {
            fs::write(folder.join(name), "phone\n").unwrap();
        }
        std::os::unix::fs::symlink(folder.join("a.csv"), folder.join("link.csv")).unwrap();
        let found: Vec<OsString> = look(&folder).unwrap().into_keys().collect();
        assert_eq!(found, ["a.csv"]);
        assert!(open(&folder.join("a.csv")).is_ok() && open(&folder.join("link.csv")).is_err());
        assert_eq!(count("      33  new"), Some("33  new"));
        assert_eq!((count("  hint: x"), count("p.csv: 3 rows")), (None, None));
        fs::remove_dir_all(&folder).unwrap();
    }
}
