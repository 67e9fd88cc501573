//! Where a command works: which settings file, which database.

use super::failure::Failure;
use super::print;
use crate::app::control;
use crate::app::desk::Desk;
use crate::clock::Clock;
use crate::config::Settings;
use crate::config::credentials::{CredentialProblem, read_secret};
use crate::config::settings::wording_place;
use crate::domain::problem::{Problem, any_error};
use crate::store::{Place, Store};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// The global arguments, and the desk the command works at.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) config: Option<PathBuf>,
    pub(super) database: Option<String>,
    pub(super) json: bool,
    /// The command changes the database.
    pub(super) changes: bool,
    /// Opened when first asked for; the running service puts its own here.
    pub(super) desk: OnceCell<Rc<Desk>>,
    /// Set where the running service carries a command out for somebody.
    pub(super) asked: Option<Asked>,
}

/// Somebody's command, carried out by the running service.
#[derive(Debug)]
pub(super) struct Asked {
    /// Who types it.
    pub(super) user: String,
    /// The files it names, by the name as typed: the service itself may not see them.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Wakes the worker.
    pub(super) wake: Arc<Notify>,
}

impl Setting {
    /// The settings file in use; none: the built-in defaults.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let usual = ["/etc/ringround/ringround.toml", "config/ringround.toml"];
        self.config.clone().or_else(|| usual.iter().map(PathBuf::from).find(|p| p.exists()))
    }

    /// The settings, or all that is wrong with them.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        let Some(file) = self.file() else { return Ok(Settings::read("").0) };
        let source = self.read(&file)?;
        let (settings, problems) = Settings::read(&source);
        if any_error(&problems) {
            print::problems(&file.display().to_string(), &source, &problems, self.json);
            return Err(Failure::new(
                78,
                format!("the settings in {} are wrong", file.display()),
                "mend what stands above",
            ));
        }
        Ok(settings)
    }

    /// Where the database is.
    pub(super) fn place(&self, settings: &Settings) -> Place {
        Place::new(self.database.as_ref().unwrap_or(&settings.database))
    }

    /// Settings, an open database, the system's clock.
    pub(super) async fn desk(&self) -> Result<Rc<Desk>, Failure> {
        if let Some(desk) = self.desk.get() {
            return Ok(Rc::clone(desk));
        }
        let settings = self.settings()?;
        let mut store = Store::open(&self.place(&settings)).await?;
        // Whoever has no key goes on without: what needs it says so.
        if let Some(place) = settings.suppression_key.as_ref().filter(|_| store.has_outside_key()) {
            match read_secret(place) {
                Ok(secret) => drop(store.use_key(Some(&secret), Clock::System.now()).await?),
                Err(CredentialProblem::NoDirectory(_) | CredentialProblem::Unreadable(..)) => {}
                Err(problem) => {
                    return Err(Failure::new(78, format!("suppression.key: {problem}"), problem.hint()));
                }
            }
        }
        if self.changes {
            self.keep_wordings(&store, &settings).await?;
        }
        let desk = Rc::new(Desk::new(store, Clock::System, settings));
        Ok(Rc::clone(self.desk.get_or_init(|| desk)))
    }

    /// Keeps the wordings that people are shown; one that was changed under its version is refused.
    pub(super) async fn keep_wordings(&self, store: &Store, settings: &Settings) -> Result<(), Failure> {
        let Some(list) = store.keep_wordings(&settings.lists, Clock::System.now()).await? else { return Ok(()) };
        let message = format!("the wording of list {} was changed, and its version was not", list.name);
        let hint =
            format!("give it a new wording_version (now \"{}\"): people agreed to the old text", list.wording_version);
        if let Some(file) = self.file() {
            let source = self.read(&file)?;
            if let Some(place) = wording_place(&source, &list.name) {
                let problem = Problem::error("config.wording_changed", place, &message, &hint);
                print::problems(&file.display().to_string(), &source, &[problem], self.json);
            }
        }
        Err(Failure::new(78, message, hint))
    }

    /// Closes the desk that was opened for this command.
    pub(super) async fn close(self) {
        if let Some(desk) = self.desk.into_inner().and_then(Rc::into_inner) {
            desk.store.close().await;
        }
    }
}

impl Setting {
    /// A file that the command names.
    pub(super) fn read_bytes(&self, file: &Path) -> Result<Vec<u8>, Failure> {
        let read = match &self.asked {
            Some(asked) => {
                let sent = asked.files.get(&file.display().to_string()).cloned();
                sent.ok_or_else(|| std::io::Error::other("it did not come with the command"))
            }
            None => std::fs::read(file),
        };
        read.map_err(|error| {
            let hint = "look at the path and at who may read it";
            Failure::new(1, format!("{} can't be read: {error}", file.display()), hint)
        })
    }

    /// A text file that the command names.
    pub(super) fn read(&self, file: &Path) -> Result<String, Failure> {
        let text = String::from_utf8(self.read_bytes(file)?);
        text.map_err(|_| Failure::new(1, format!("{} is not a text in UTF-8", file.display()), "save it as UTF-8"))
    }

    /// Where the running service listens for commands.
    pub(super) fn socket(&self, settings: &Settings) -> PathBuf {
        let beside = || self.place(settings).file().map(|file| control::beside(&file));
        settings.socket.clone().or_else(beside).unwrap_or_else(|| PathBuf::from("/run/ringround/control.sock"))
    }

    /// Does a service run that sends?
    pub(super) async fn is_served(&self, settings: &Settings) -> bool {
        control::is_listening(&self.socket(settings)).await.unwrap_or(true) // where it can't be known, nothing is said
    }

    /// There is something new for the worker.
    pub(super) fn wake(&self) {
        if let Some(asked) = &self.asked {
            asked.wake.notify_one();
        }
    }
}

/// The list a command is for: the named one, or the only one there is.
pub(super) fn one_list(settings: &Settings, named: Option<&str>) -> Result<String, Failure> {
    let names: Vec<&str> = settings.lists.iter().map(|l| l.name.as_str()).collect();
    match (named, names.as_slice()) {
        (Some(name), _) if names.contains(&name) => Ok(name.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (_, []) => {
            Err(Failure::new(78, "the settings name no list", "add one: ringround check --defaults shows how it looks"))
        }
        (named, _) => {
            let message = named.map_or("which list?".to_owned(), |name| format!("there is no list \"{name}\""));
            Err(Failure::new(2, message, format!("say --list with one of: {}", names.join(", "))))
        }
    }
}

/// Who types the command, for the ledger: the operating system's user.
pub(super) fn user(setting: &Setting) -> String {
    setting.asked.as_ref().map_or_else(local_user, |asked| asked.user.clone())
}

/// The same, where somebody else says so: both are kept.
pub(super) fn user_as(setting: &Setting, said: Option<&str>) -> String {
    let typed = user(setting);
    said.map_or(typed.clone(), |name| format!("admin:{name} (typed by {})", typed.trim_start_matches("admin:")))
}

/// The user of this process, or who became it by sudo.
pub(super) fn local_user() -> String {
    let name = std::env::var("SUDO_USER").ok().or_else(|| whoami::username().ok());
    format!("admin:{}", name.as_deref().unwrap_or("unknown"))
}
