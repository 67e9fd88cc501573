//! An installation of ringround beside a Kannel: the real binary, its settings, its log.

use super::peer::{Kannel, PASSWORD, SECRET};
use super::{BOUND, until};
use crate::program;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use tempfile::TempDir;

pub const TESTER: &str = "07700 900001";

pub struct Installation {
    folder: TempDir,
}

impl Installation {
    /// The shipped profile, with a short wait before a doubt is shown to a person.
    pub fn new(kannel: &Kannel) -> Self {
        Self::with_profile(kannel, |profile| profile)
    }

    pub fn with_profile(kannel: &Kannel, change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = include_str!("../../config/gateways/kannel.toml");
        let profile = profile.replace("settle_seconds = 60", "settle_seconds = 1");
        fs::create_dir(folder.path().join("config")).unwrap();
        fs::write(folder.path().join("kannel.toml"), change(profile)).unwrap();
        let gateway = format!(
            "[gateway]\nprofile = \"kannel.toml\"\nbase_url = \"http://127.0.0.1:{}\"\n\
             callback_url = \"http://127.0.0.1:{}/hooks\"\nsettle_seconds = 1\n",
            kannel.sendsms, kannel.hooks
        );
        let settings = include_str!("../../config/demo.toml")
            .replace("settle_seconds = 60\n", "")
            .replace("per_second = 2\n", "per_second = 20\n")
            .replace("[gateway]\n", &gateway);
        let rest = format!(
            "\n[gateway.account]\nusername = \"ringround\"\nsmsc = \"phones\"\n[gateway.secrets]\n\
             password = {{ file = \"password\" }}\ncallback = {{ file = \"callback\" }}\n\
             [hooks]\nlisten = \"127.0.0.1:{}\"\n[testers]\nnumbers = [\"{TESTER}\"]\n",
            kannel.hooks
        );
        fs::write(folder.path().join("config/ringround.toml"), settings + &rest).unwrap();
        fs::write(folder.path().join("parents.csv"), include_bytes!("../../config/sample-parents.csv")).unwrap();
        let installation = Self { folder };
        installation.secret("password", PASSWORD);
        installation.secret("callback", SECRET);
        installation.ok(&["migrate"]);
        installation
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn secret(&self, name: &str, secret: &str) {
        let path = self.path().join(name);
        fs::write(&path, format!("{secret}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn command(&self) -> Command {
        program::ringround(self.path())
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        program::run(&mut self.command(), arguments)
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        program::ok(&mut self.command(), arguments)
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).unwrap()
    }

    /// How many messages are in each state, where there are any.
    pub fn states(&self) -> BTreeMap<String, i64> {
        let status = self.status();
        let states = status["states"].as_object().unwrap().iter();
        states.map(|(state, count)| (state.clone(), count.as_i64().unwrap())).filter(|(_, count)| *count > 0).collect()
    }

    pub fn count(&self, state: &str) -> i64 {
        self.states().get(state).copied().unwrap_or(0)
    }

    /// Is no message in one of these states?
    pub fn is_settled(&self, states: &[&str]) -> bool {
        let now = self.states();
        states.iter().all(|state| !now.contains_key(*state))
    }

    pub fn until_count(&self, state: &str, count: i64) {
        until(&format!("{count} {state}"), || self.count(state) == count);
    }

    /// The sample's 33 people, and a campaign with one text to each, due now.
    pub fn campaign(&self) {
        assert_eq!(self.run(&["import", "parents.csv"]).status.code(), Some(3), "the sample has bad rows");
        let due = ringround::clock::Clock::System.now().strftime("%Y-%m-%dT%H:%M:%S");
        let campaign = format!(
            "schema = 1\nid = \"now\"\ntitle = \"t\"\nlist = \"send\"\ntimezone = \"Etc/UTC\"\nquiet = \"none\"\n\
             [milestones]\nbegins = {due}\n[[step]]\nid = \"only\"\nat = \"begins\"\nnot_after = \"begins + 2h\"\n\
             [step.everyone]\nen = \"Dudley SEND: the survey is open. Ring 01632 960001\"\n"
        );
        fs::write(self.path().join("now.toml"), campaign).unwrap();
        self.ok(&["campaign", "apply", "now.toml"]);
        self.ok(&["campaign", "start", "now", "--yes-to", "33"]);
    }

    pub fn start(&self) -> Service {
        let mut command = self.command();
        let mut child = command.arg("run").stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut service = Service { child, log, said: Vec::new() };
        service.until_log("ringround runs");
        service
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let status = self.run(&["status"]);
            eprintln!("--- status\n{}", String::from_utf8_lossy(&status.stdout));
        }
    }
}

pub struct Service {
    child: Child,
    log: Receiver<String>,
    said: Vec<String>,
}

impl Service {
    /// Waits for a line of the log.
    pub fn until_log(&mut self, words: &str) {
        while !self.said.iter().any(|line| line.contains(words)) {
            let Ok(line) = self.log.recv_timeout(BOUND) else {
                panic!("the log never said {words:?}, but: {:#?}", self.said);
            };
            self.said.push(line);
        }
    }

    /// SIGTERM; it must end well.
    pub fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.said.extend(self.log.iter());
        self.said.join("\n")
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.said.extend(self.log.try_iter());
            eprintln!("--- ringround\n{}", self.said.join("\n"));
        }
    }
}
