//! The phones: Debian's `fakesmsc`, which prints every text that reaches it, and what it printed, read back.

use super::peer::FAKESMSC;
use super::{BOUND, until};
use percent_encoding::percent_decode_str;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

/// A text on a phone, its parts joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub to: String,
    pub words: String,
    pub parts: usize,
}

/// Remembers what arrived over all its connections.
#[derive(Default)]
pub struct Phone {
    child: Option<Child>,
    said: Arc<Mutex<Vec<String>>>,
    told: Option<Receiver<()>>,
}

impl Phone {
    /// Connects and only receives.
    pub fn connect(&mut self, port: u16) {
        self.start(port, "0", "1 2 text nothing is written");
        until("fakesmsc connects", || self.said("Connecting to"));
    }

    /// Connects and writes one text.
    pub fn connect_to_write(&mut self, port: u16, message: &str) {
        self.start(port, "1", message);
    }

    fn start(&mut self, port: u16, most: &str, message: &str) {
        let mut command = Command::new(FAKESMSC);
        command.args(["-H", "127.0.0.1", "-r", &port.to_string(), "-i", "0.01", "-m", most, message]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let (tell, told) = channel();
        let said = Arc::clone(&self.said);
        std::thread::spawn(move || {
            for line in lines.split(b'\n').map_while(Result::ok) {
                said.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                let _ = tell.send(());
            }
        });
        self.child = Some(child);
        self.told = Some(told);
    }

    pub fn is_connected(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    pub fn disconnect(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn said(&self, words: &str) -> bool {
        self.said.lock().unwrap().iter().any(|line| line.contains(words))
    }

    /// Waits until fakesmsc says so.
    pub fn until_said(&self, words: &str) {
        while !self.said(words) {
            let told = self.told.as_ref().unwrap().recv_timeout(BOUND);
            assert!(told.is_ok(), "fakesmsc never said {words:?}: {:#?}", self.said.lock().unwrap());
        }
    }

    /// Everything that has arrived, in order.
    pub fn texts(&self) -> Vec<Text> {
        let mut arrived = Vec::new();
        let said = self.said.lock().unwrap().clone();
        for line in said {
            let Some(printed) = line.split_once("Got message ").and_then(|(_, rest)| rest.split_once(": <")) else {
                continue;
            };
            read(printed.1.strip_suffix('>').unwrap_or(printed.1), &mut arrived);
        }
        arrived
    }

    /// Waits for a text with these words in it.
    pub fn until_text(&self, words: &str) -> Text {
        let found = || self.texts().into_iter().find(|text| text.words.contains(words));
        until(&format!("{words:?} on the phone"), || found().is_some());
        found().unwrap()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.disconnect();
    }
}

/// `FROM TO KIND WORDS`; what does not look so is the next line of the text before, because fakesmsc knows no line breaks.
fn read(printed: &str, arrived: &mut Vec<Text>) {
    let mut words = printed.splitn(4, ' ');
    let (from, to, kind) = (words.next(), words.next().unwrap_or_default().trim_start_matches('+'), words.next());
    let rest = words.next().unwrap_or_default();
    let is_number = |word: &str| word.len() > 5 && word.bytes().all(|b| b.is_ascii_digit());
    let begins = from.is_some_and(is_number) && is_number(to);
    match kind.filter(|_| begins) {
        Some("text") => arrived.push(Text { to: to.to_owned(), words: rest.to_owned(), parts: 1 }),
        Some("ucs-2") => arrived.push(Text { to: to.to_owned(), words: utf16(&bytes(rest)), parts: 1 }),
        Some("udh") => {
            let (header, payload) = rest.split_once(' ').unwrap();
            let payload = bytes(payload.split_once(' ').unwrap().1);
            // No plain text holds such bytes, and no other script does without them.
            let words = if payload.iter().any(|byte| *byte <= 6) {
                utf16(&payload)
            } else {
                String::from_utf8(payload).unwrap()
            };
            match arrived.last_mut().filter(|last| bytes(header)[5] > 1 && last.to == to) {
                Some(last) => {
                    last.words.push_str(&words);
                    last.parts += 1;
                }
                None => arrived.push(Text { to: to.to_owned(), words, parts: 1 }),
            }
        }
        _ => {
            let last = arrived.last_mut().expect("a text has a first line");
            last.words.push('\n');
            last.words.push_str(printed);
        }
    }
}

fn bytes(encoded: &str) -> Vec<u8> {
    percent_decode_str(&encoded.replace('+', " ")).collect()
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).unwrap()
}
