//! An installation with a running service: the real binary, its settings, its log.

use crate::program;
use crate::run::sink::Sink;
use serde_json::Value;
use std::cell::Cell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

pub const CALLBACK: &str = "the-bearer-token-of-the-callbacks";
const API_KEY: &str = "test-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b0";
/// Nothing here takes longer, on a slow machine under load.
const BOUND: Duration = Duration::from_mins(1);

pub struct Installation {
    pub folder: TempDir,
    hooks: Cell<u16>,
}

impl Installation {
    /// Settings for the sink, an empty database, and the sample's people loaded.
    pub fn new(sink: &Sink) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, secret) in [("api-key", API_KEY), ("callback", CALLBACK)] {
            let path = folder.path().join(name);
            fs::write(&path, format!("{secret}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let gateway = format!(
            "[gateway]\nprofile = \"gov-uk-notify\"\nbase_url = \"{}\"\ncallback_url = \"http://127.0.0.1/hooks\"\nsettle_seconds = 1\n",
            sink.url
        );
        let settings = include_str!("../../config/demo.toml")
            .replace("settle_seconds = 60\n", "")
            .replace("per_second = 2\n", "per_second = 20\n")
            .replace("[gateway]\n", &gateway);
        let rest = "\n[gateway.account]\ntemplate = \"26785a09-ab16-4eb0-8407-a37497a57506\"\n[gateway.secrets]\n\
             api_key = { file = \"api-key\" }\ncallback = { file = \"callback\" }\n[hooks]\nlisten = \"127.0.0.1:0\"\n\
             [testers]\nnumbers = [\"07700 900001\"]\n"
            .to_string();
        fs::create_dir(folder.path().join("config")).unwrap();
        fs::write(folder.path().join("config/ringround.toml"), settings + &rest).unwrap();
        fs::write(folder.path().join("parents.csv"), include_bytes!("../../config/sample-parents.csv")).unwrap();
        let installation = Self { folder, hooks: Cell::new(0) };
        installation.ok(&["migrate"]);
        assert_eq!(installation.run(&["import", "parents.csv"]).status.code(), Some(3), "the sample has bad rows");
        installation
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

    /// How many messages are in this state.
    pub fn count(&self, state: &str) -> i64 {
        self.status()["states"][state].as_i64().unwrap()
    }

    /// Looks again and again until it is so.
    pub fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let (_never, wait) = channel::<()>();
        for _ in 0..600 {
            if is_so(self) {
                return;
            }
            let _ = wait.recv_timeout(Duration::from_millis(100)); // the other end never speaks
        }
        panic!("{what} did not come about: {}", self.status());
    }

    /// A campaign with one text to everybody, due at this instant.
    pub fn campaign(&self, due: jiff::Timestamp) {
        let local = due.strftime("%Y-%m-%dT%H:%M:%S");
        let campaign = format!(
            "schema = 1\nid = \"now\"\ntitle = \"t\"\nlist = \"send\"\ntimezone = \"Etc/UTC\"\nquiet = \"none\"\n\
             [milestones]\nbegins = {local}\n[[step]]\nid = \"only\"\nat = \"begins\"\nnot_after = \"begins + 2h\"\n\
             [step.everyone]\nen = \"Dudley SEND: the survey is open. Ring 01632 960001\"\n"
        );
        fs::write(self.folder.path().join("now.toml"), campaign).unwrap();
        self.ok(&["campaign", "apply", "now.toml"]);
        self.ok(&["campaign", "start", "now", "--yes-to", "33"]);
    }

    /// Hands something to the hooks, as the gateway would; the status.
    pub fn hook(&self, path: &str, token: &str, body: &Value) -> u16 {
        let body = body.to_string();
        let mut stream = self.connect();
        write!(
            stream,
            "POST /hooks{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut first = String::new();
        BufReader::new(stream).read_line(&mut first).unwrap();
        first.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// A connection to the hooks of the running service.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.hooks.get())).unwrap()
    }

    pub fn start(&self) -> Service {
        self.start_with(&[])
    }

    pub fn start_with(&self, environment: &[(&str, &str)]) -> Service {
        let mut command = self.command();
        command.envs(environment.iter().copied());
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
        let line = service.until_log("callbacks are listened for");
        self.hooks.set(line.rsplit(':').next().unwrap().parse().unwrap());
        service
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

pub struct Service {
    child: Child,
    log: Receiver<String>,
    said: Vec<String>,
}

impl Service {
    /// Waits for a line of the log; the line.
    pub fn until_log(&mut self, words: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(words)) {
            return line.clone();
        }
        while let Ok(line) = self.log.recv_timeout(BOUND) {
            self.said.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
        panic!("the log never said {words:?}, but: {:#?}", self.said);
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// SIGTERM; the exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.child.wait().unwrap().code()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything the log has said so far.
    pub fn said(&mut self) -> String {
        self.said.extend(self.log.try_iter());
        self.said.join("\n")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
