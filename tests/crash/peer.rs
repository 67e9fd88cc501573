//! The recording gateway as the tests hold it: started, told, asked, and gone when it is dropped.

use super::script::{Class, Counts, Entry, Rule, Script};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct Peer {
    /// Where texts go.
    pub url: String,
    control: u16,
    child: Child,
}

impl Peer {
    pub fn start(class: Class) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child =
            command.args(["gateway", class.letter()]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().unwrap()).collect();
        Self { url: format!("http://127.0.0.1:{}", ports[1]), control: ports[0], child }
    }

    fn ask<T: DeserializeOwned>(&self, target: &str, body: &Value) -> T {
        let mut stream = TcpStream::connect(("127.0.0.1", self.control)).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(3))).unwrap();
        let body = body.to_string();
        write!(stream, "POST {target} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let begins = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        serde_json::from_slice(&answer[begins..]).unwrap()
    }

    pub fn tell(&self, script: &Script) {
        self.ask::<Value>("/script", &json!(script));
    }

    /// From now on it does its work, and answers as fast as it can.
    pub fn accept(&self, hooks: &str) {
        self.tell(&Script { hooks: hooks.to_owned(), ..Script::default() });
    }

    pub fn tell_rules(&self, hooks: &str, rules: Vec<Rule>) {
        self.tell(&Script { hooks: hooks.to_owned(), rules, ..Script::default() });
    }

    pub fn book(&self) -> Vec<Entry> {
        self.ask("/book", &json!({}))
    }

    pub fn counts(&self) -> Counts {
        self.ask("/counts", &json!({}))
    }

    /// A report about a text, repeated until it is acknowledged.
    pub fn report(&self, reference: &str, status: &str) {
        self.ask::<Value>("/report", &json!({"reference": reference, "status": status}));
    }

    /// Waits until so many requests to send have come in all; the figures then.
    pub fn until_requests(&self, requests: usize, bound: Duration) -> Counts {
        self.ask(&format!("/wait?requests={requests}&ms={}", bound.as_millis()), &json!({}))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
