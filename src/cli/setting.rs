//! Where a command works: which settings file, which database.

use super::failure::Failure;
use super::print;
use crate::app::desk::Desk;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::problem::any_error;
use crate::store::{Place, Store};
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The global arguments, and the desk the command works at.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) config: Option<PathBuf>,
    pub(super) database: Option<String>,
    pub(super) json: bool,
    /// Opened when first asked for; the running service puts its own here.
    pub(super) desk: OnceCell<Rc<Desk>>,
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
        let source = read(&file)?;
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
        let store = Store::open(&self.place(&settings)).await?;
        let desk = Rc::new(Desk::new(store, Clock::System, settings));
        Ok(Rc::clone(self.desk.get_or_init(|| desk)))
    }

    /// Closes the desk that was opened for this command.
    pub(super) async fn close(self) {
        if let Some(desk) = self.desk.into_inner().and_then(Rc::into_inner) {
            desk.store.close().await;
        }
    }
}

/// A text file, or a failure that names it.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::new(1, format!("{} can't be read: {error}", file.display()), "look at the path and at who may read it")
    })
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

/// Who runs the command, for the ledger: the operating system's user.
pub(super) fn user() -> String {
    let name = std::env::var("SUDO_USER").ok().or_else(|| whoami::username().ok());
    format!("admin:{}", name.as_deref().unwrap_or("unknown"))
}
