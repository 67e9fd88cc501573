//! `ringround run` as a process: its log, its memory, its end.

use super::callbacks::CALLBACK;
use super::waiting::{now_ms, until};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Nothing here takes longer, on a slow machine under load.
const BOUND: Duration = Duration::from_mins(1);

/// The most memory that any service took, in kilobytes (VmHWM).
pub static MOST_MEMORY: AtomicU64 = AtomicU64::new(0);
/// Lines of logs that held a number, a secret or a text (P7).
pub static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// What must never stand in a log: any number for tests, the secrets, a word of the texts.
const NEVER_SAID: [&str; 6] = ["7700900", "7700 900", CALLBACK, "the-key-of-the-account", "Ring 01632", "paper form"];
/// The times from a start to knowing the doubts, in milliseconds.
pub static STARTS: Mutex<Vec<i64>> = Mutex::new(Vec::new());

pub struct Service {
    child: Child,
    log: Receiver<String>,
    said: Vec<String>,
    begun: i64,
    /// How many texts the log said were in doubt at the start.
    pub doubts: u64,
}

impl Service {
    pub fn start(mut command: Command) -> Self {
        let begun = now_ms();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, log, said: Vec::new(), begun, doubts: 0 }
    }

    /// Waits until it runs; false if it ended before.
    pub fn try_ready(&mut self) -> bool {
        let Some(line) = self.until_log("ringround runs;", BOUND) else { return false };
        STARTS.lock().unwrap().push(now_ms() - self.begun);
        let words = line.split("runs; ").nth(1).unwrap_or_default();
        self.doubts = words.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        true
    }

    pub fn until_ready(&mut self) {
        assert!(self.try_ready(), "the service did not start: {:#?}", self.said);
    }

    /// Waits for a line of the log; none if the log ended or nothing came within the bound.
    pub fn until_log(&mut self, words: &str, bound: Duration) -> Option<String> {
        if let Some(line) = self.said.iter().find(|line| line.contains(words)) {
            return Some(line.clone());
        }
        let end = now_ms() + i64::try_from(bound.as_millis()).unwrap();
        loop {
            let left = u64::try_from(end - now_ms()).ok()?;
            let line = self.log.recv_timeout(Duration::from_millis(left)).ok()?;
            self.said.push(line.clone());
            if line.contains(words) {
                return Some(line);
            }
        }
    }

    /// Everything the log has said so far.
    pub fn said(&mut self) -> String {
        self.said.extend(self.log.try_iter());
        self.said.join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it ever took, in kilobytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
        MOST_MEMORY.fetch_max(kilobytes, Ordering::Relaxed);
        kilobytes
    }

    pub fn signal(&self, name: &str) {
        let _ = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.kill_now();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill_now(&mut self) {
        self.memory();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; the exit code, none if a signal ended it.
    pub fn stop(self) -> Option<i32> {
        self.memory();
        self.signal("TERM");
        self.ended(BOUND).and_then(|status| status.code())
    }

    /// Has it ended?
    pub fn is_over(&mut self) -> bool {
        self.memory();
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; none if it goes on.
    pub fn ended(mut self, bound: Duration) -> Option<ExitStatus> {
        let mut status = None;
        until(bound, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status
    }

    /// Waits for its end by SIGKILL; false if it goes on, or ended in another way.
    pub fn was_killed(self, bound: Duration) -> bool {
        self.ended(bound).is_some_and(|status| status.signal() == Some(9))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.said.extend(self.log.try_iter());
        let leaks = self.said.iter().filter(|line| NEVER_SAID.iter().any(|word| line.contains(word)));
        LEAKS.lock().unwrap().extend(leaks.cloned());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
