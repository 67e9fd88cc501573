//! Hands a changing command to the running service, if one runs: one program alone changes the database.

use super::setting::{Setting, local_user};
use super::voice::{say, tell};
use super::{Command, Failure, campaign, doubts, load_rows};
use crate::app::control::{self, Request};
use crate::app::import::ImportError;
use crate::app::import_load::{Batch, Load, Loaded};
use crate::app::import_notes;
use crate::config::SecretPlace;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The exit code, if the service has carried the command out; none if it is to be carried out here.
pub(super) async fn forward(
    setting: &Setting,
    arguments: &[OsString],
    command: &Command,
) -> Result<Option<u8>, Failure> {
    if !command.changes() && !command.asks_numbers() {
        return Ok(None);
    }
    let key = setting.settings()?.suppression_key;
    if !command.changes() && !matches!(key, Some(SecretPlace::Credential(_))) {
        return Ok(None);
    }
    let Some(Service { socket, database }) = service(setting).await? else { return Ok(None) };
    let words = arguments.iter().skip(1).map(|word| word.clone().into_string());
    let wrong = |_| Failure::new(2, "an argument is not in UTF-8", "rename the file");
    let mut words = words.collect::<Result<Vec<String>, _>>().map_err(wrong)?;
    // A question is asked here, where somebody can answer it.
    let number = match command {
        Command::Campaign(args) => campaign::asked(setting, args).await?,
        Command::Doubts(args) => doubts::asked(setting, args).await?,
        _ => None,
    };
    if let Some(number) = number {
        words.extend(["--yes-to".to_owned(), number.to_string()]);
    }
    let mut files = BTreeMap::new();
    for file in named_files(command) {
        files.insert(file.display().to_string(), setting.read_bytes(file)?);
    }
    let request = Request { arguments: words, database, user: local_user(), files };
    let answered = control::ask(&socket, &request).await.map_err(|error| {
        Failure::new(
            1,
            format!("the running service did not answer: {error}"),
            "look at its log, then repeat the command",
        )
    })?;
    let Some(response) = answered else { return Ok(None) };
    for line in response.out.lines() {
        say!("{line}");
    }
    for line in response.err.lines() {
        tell!("{line}");
    }
    Ok(Some(response.code))
}

/// Files that the command reads.
fn named_files(command: &Command) -> Vec<&Path> {
    match command {
        Command::Campaign(campaign::Args::Apply { file }) => vec![file],
        _ => Vec::new(),
    }
}

/// A running service.
pub(super) struct Service {
    socket: PathBuf,
    database: String,
}

/// The service that runs on the same database, if one does.
pub(super) async fn service(setting: &Setting) -> Result<Option<Service>, Failure> {
    let settings = setting.settings()?;
    let socket = setting.socket(&settings);
    let unknown = |error| {
        let message = format!("whether a service runs can't be known: {}: {error}", socket.display());
        Failure::new(1, message, "run this as the user of the service: sudo -u ringround ringround …")
    };
    if !control::is_listening(&socket).await.map_err(unknown)? {
        return Ok(None);
    }
    let database = control::identity(&setting.place(&settings));
    Ok(Some(Service { socket, database }))
}

impl Service {
    /// Has it write some rows of a spreadsheet; none: it does not run any more.
    pub(super) async fn carry(&self, batch: &Batch, part: &Load) -> Result<Option<Loaded>, ImportError> {
        let failed = |what: String| ImportError::Service(format!("the running service did not load the rows: {what}"));
        let rows = import_notes::sent(part).map_err(|error| failed(error.to_string()))?;
        let words = ["load-rows", "--list", &batch.list, "--hash", &batch.hash, "--file", &batch.file];
        let request = Request {
            arguments: words.map(str::to_owned).to_vec(),
            database: self.database.clone(),
            user: batch.by.clone(),
            files: BTreeMap::from([(load_rows::ROWS.to_owned(), rows)]),
        };
        let answered = control::ask(&self.socket, &request).await.map_err(|error| failed(error.to_string()))?;
        let Some(response) = answered else { return Ok(None) };
        if response.code != 0 {
            return Err(failed(response.err.trim().trim_start_matches("error: ").replace('\n', "; ")));
        }
        import_notes::understood(&response.out)
            .map(Some)
            .ok_or_else(|| failed("it answered in another language".to_owned()))
    }
}
