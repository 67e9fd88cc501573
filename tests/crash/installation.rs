//! An installation of the real binary: any class of gateway, any database, as many people as there are numbers for tests.

use super::books::{Books, wait_for};
use super::callbacks::{self, CALLBACK};
use super::peer::Peer;
use super::program;
use super::script::Class;
use super::service::Service;
use ringround::clock::Clock;
use ringround::domain::change::Change;
use ringround::domain::pause::Pause;
use ringround::store::{Place, Store};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU16, Ordering};
use tempfile::TempDir;

/// What an installation is to be like.
#[derive(Clone, Debug)]
pub struct Wish {
    pub class: Class,
    pub people: usize,
    /// Texts that each of them gets.
    pub steps: usize,
    pub in_flight: usize,
    pub per_second: usize,
    pub settle: u32,
    /// The last step is over so many seconds after it began; none: all have two hours.
    pub short_deadline: Option<i64>,
    /// In place of the campaign above.
    pub own_campaign: Option<String>,
    /// More settings.
    pub settings: String,
    /// For every start of the program.
    pub environment: Vec<(String, String)>,
}

impl Wish {
    pub fn new(class: Class, people: usize, steps: usize) -> Self {
        Self {
            class,
            people,
            steps,
            in_flight: 8,
            per_second: 1000,
            settle: 1,
            short_deadline: None,
            own_campaign: None,
            settings: String::new(),
            environment: Vec::new(),
        }
    }
}

pub struct Installation {
    pub wish: Wish,
    pub books: Books,
    pub hooks: String,
    folder: Folder,
}

enum Folder {
    Own(TempDir),
    Given(PathBuf),
}

/// The n-th number that belongs to nobody, E.164.
pub fn number(n: usize) -> String {
    assert!(n < 1000, "there are a thousand numbers for tests");
    format!("+447700900{n:03}")
}

/// The text of the n-th step.
pub fn text(step: usize) -> String {
    format!("Dudley SEND: text {step} of the survey. Ring 01632 960001")
}

/// A port that nobody has, out of the range from which the system takes ports for connections.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + u16::try_from(std::process::id() % 40).unwrap() * 250;
    loop {
        let port = base + NEXT.fetch_add(1, Ordering::SeqCst) % 2500;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Installation {
    /// People loaded, campaign started, nothing sent yet.
    pub fn new(wish: &Wish, peer: &Peer) -> Self {
        Self::on(wish, peer, None, None)
    }

    /// On a PostgreSQL database, or in a folder of the caller's.
    pub fn on(wish: &Wish, peer: &Peer, postgres: Option<&str>, given: Option<&Path>) -> Self {
        let installation = Self::bare(wish, peer, postgres, given);
        installation.ok(&["migrate"]);
        installation.ok(&["import", "people.csv"]);
        installation.ok(&["campaign", "apply", "now.toml"]);
        installation.ok(&["campaign", "start", "now", "--yes-to", &wish.people.to_string()]);
        installation
    }

    /// Settings and files; no database yet.
    pub fn bare(wish: &Wish, peer: &Peer, postgres: Option<&str>, given: Option<&Path>) -> Self {
        let folder = match given {
            Some(path) => Folder::Given(path.to_owned()),
            None => Folder::Own(tempfile::tempdir().unwrap()),
        };
        let hooks = format!("http://127.0.0.1:{}/hooks", free_port());
        let installation = Self { wish: wish.clone(), books: Books::Sqlite(PathBuf::new()), hooks, folder };
        let books = match postgres {
            Some(url) => Books::Postgres(url.to_owned()),
            None => Books::Sqlite(installation.path().join("ringround.db")),
        };
        let installation = Self { books, ..installation };
        installation.write_files(peer);
        installation
    }

    /// A copy of this one (which must not run) with another gateway, as if a fresh one had been made.
    pub fn copy(&self, peer: &Peer) -> Self {
        let copied = Self::bare(&self.wish, peer, None, None);
        for name in ["ringround.db", "ringround.db-wal"] {
            let _ = fs::copy(self.path().join(name), copied.path().join(name)); // folded back: there is no log
        }
        // A copy is fenced: this one is made on purpose, before anything was sent.
        let place = Place::new(&format!("sqlite:{}", copied.path().join("ringround.db").display()));
        wait_for(async {
            let mut store = Store::open(&place).await.unwrap();
            let now = Clock::System.now();
            store.fence_if_moved(jiff::SignedDuration::ZERO, [1; 32], now).await.unwrap();
            store.commit_one(Change::Resumed { pause: Pause::Fence }.into(), now).await.unwrap();
            store.close().await;
        });
        copied
    }

    fn write_files(&self, peer: &Peer) {
        let (folder, wish) = (self.path(), &self.wish);
        for (name, secret) in [("key", "the-key-of-the-account"), ("callback", CALLBACK)] {
            fs::write(folder.join(name), format!("{secret}\n")).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let _ = fs::create_dir(folder.join("config"));
        self.write_settings(&self.settings(peer));
        let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/crash");
        let name = format!("{}.toml", wish.class.letter().to_lowercase());
        fs::copy(profile.join(&name), folder.join("gateway.toml")).unwrap();
        let mut people =
            "Mobile No,Parent name,Preferred language,Internet access,Consent source,Consent date,Wording\n".to_owned();
        for n in 0..wish.people {
            people.push_str(&format!("{},Parent {n},English,yes,paper form,17/11/2021,2021-11\n", number(n)));
        }
        fs::write(folder.join("people.csv"), people).unwrap();
        fs::write(folder.join("now.toml"), self.campaign("now", Clock::System.now())).unwrap();
    }

    /// The settings file.
    pub fn settings(&self, peer: &Peer) -> String {
        let (wish, url) = (&self.wish, self.books.url());
        let lists = include_str!("../../config/demo.toml").split("[lists.send]").nth(1).unwrap();
        format!(
            "schema = 1\n[database]\nurl = \"{url}\"\n[numbers]\nallow_test = true\n[hooks]\nlisten = \"{}\"\n\
             [gateway]\nprofile = \"gateway.toml\"\nbase_url = \"{}\"\ncallback_url = \"{}\"\nper_second = {}\n\
             in_flight = {}\nsettle_seconds = {}\nreport_hours = 24\n[gateway.secrets]\nkey = {{ file = \"key\" }}\n\
             callback = {{ file = \"callback\" }}\n[service]\nsocket = \"{}\"\n{}[lists.send]{lists}",
            self.hooks.trim_start_matches("http://").trim_end_matches("/hooks"),
            peer.url,
            self.hooks,
            wish.per_second,
            wish.in_flight,
            wish.settle,
            self.path().join("control.sock").display(),
            wish.settings,
        )
    }

    pub fn write_settings(&self, settings: &str) {
        fs::write(self.path().join("config/ringround.toml"), settings).unwrap();
    }

    /// A campaign whose steps are due at once, one text each to everybody.
    pub fn campaign(&self, id: &str, begins: jiff::Timestamp) -> String {
        let wish = &self.wish;
        if let Some(own) = &wish.own_campaign {
            return own.clone();
        }
        let local = begins.strftime("%Y-%m-%dT%H:%M:%S");
        let mut campaign = format!(
            "schema = 1\nid = \"{id}\"\ntitle = \"t\"\nlist = \"send\"\ntimezone = \"Etc/UTC\"\nquiet = \"none\"\n\
             [milestones]\nbegins = {local}\n"
        );
        if let Some(seconds) = wish.short_deadline {
            let ends = begins + jiff::SignedDuration::from_secs(seconds);
            campaign.push_str(&format!("ends = {}\n", ends.strftime("%Y-%m-%dT%H:%M:%S")));
        }
        for step in 1..=wish.steps {
            let ends = match wish.short_deadline {
                Some(_) if step == wish.steps => "ends",
                _ => "begins + 2h",
            };
            campaign.push_str(&format!(
                "[[step]]\nid = \"step-{step}\"\nat = \"begins\"\nnot_after = \"{ends}\"\n[step.everyone]\nen = \"{}\"\n",
                text(step)
            ));
        }
        campaign
    }

    pub fn path(&self) -> &Path {
        match &self.folder {
            Folder::Own(folder) => folder.path(),
            Folder::Given(path) => path,
        }
    }

    pub fn command(&self) -> Command {
        let mut command = program::ringround(self.path());
        command.envs(self.wish.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        program::run(&mut self.command(), arguments)
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        program::ok(&mut self.command(), arguments)
    }

    /// Starts the service, and waits until it is ready.
    pub fn start(&self) -> Service {
        self.start_with(&[])
    }

    pub fn start_with(&self, environment: &[(&str, &str)]) -> Service {
        let mut service = self.begin(environment);
        service.until_ready();
        service
    }

    /// Starts the service; it may never become ready.
    pub fn begin(&self, environment: &[(&str, &str)]) -> Service {
        let mut command = self.command();
        command.envs(environment.iter().copied()).arg("run");
        Service::start(command)
    }

    /// A text from a phone; the status with which it was acknowledged, none if nobody answered.
    pub fn text_from(&self, id: &str, from: &str, text: &str) -> Option<u16> {
        callbacks::inbound(self.wish.class, &self.hooks, id, from, text).post()
    }
}
