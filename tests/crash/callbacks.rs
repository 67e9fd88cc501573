//! What a gateway of each class hands to the hooks, signed as its profile says, and how it is posted there.

use super::script::Class;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ringround::clock::Clock;
use serde_json::json;
use sha2::Sha256;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The secret that callbacks are proven by, whatever the kind of proof.
pub const CALLBACK: &str = "the-secret-of-the-callbacks";

/// One request to the hooks, ready to be written.
#[derive(Clone, Debug)]
pub struct Callback {
    /// Address of the hooks, `127.0.0.1:port`.
    pub host: String,
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A delivery report. `report_to`: the address that came with the text (classes C and D).
pub fn report(class: Class, hooks: &str, reference: &str, gateway_id: &str, status: &str) -> Callback {
    let body = json!({"reference": reference, "id": gateway_id, "status": status}).to_string();
    match class {
        Class::A | Class::B => signed(class, hooks, "/report", body),
        Class::C => signed(class, hooks, &format!("/report?ref={reference}"), body),
        Class::D => signed(class, hooks, &format!("/report?ref={reference}&status={status}"), String::new()),
    }
}

/// A text from a phone.
pub fn inbound(class: Class, hooks: &str, id: &str, from: &str, text: &str) -> Callback {
    if class == Class::D {
        let written = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let target = format!("/inbound?id={id}&from={}&text={}", written(from), written(text));
        return signed(class, hooks, &target, String::new());
    }
    signed(class, hooks, "/inbound", json!({"id": id, "from": from, "text": text}).to_string())
}

/// The same request with the proof that the class asks for.
pub fn signed(class: Class, hooks: &str, target: &str, body: String) -> Callback {
    signed_at(class, hooks, target, body, Clock::System.now().as_second())
}

/// As it was signed at that second (class A signs the time).
pub fn signed_at(class: Class, hooks: &str, target: &str, body: String, second: i64) -> Callback {
    let host = hooks.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let tag = |message: String| {
        let mac = Hmac::<Sha256>::new_from_slice(CALLBACK.as_bytes()).unwrap();
        mac.chain_update(message.as_bytes()).finalize().into_bytes()
    };
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let mut path = format!("/hooks{target}");
    match class {
        Class::A => {
            let hex: String = tag(format!("{body}{second}")).iter().map(|byte| format!("{byte:02x}")).collect();
            headers.push(("x-signature".to_owned(), hex));
            headers.push(("x-timestamp".to_owned(), second.to_string()));
        }
        Class::B => headers.push(("authorization".to_owned(), format!("Bearer {CALLBACK}"))),
        Class::C => {
            let tag = STANDARD.encode(tag(format!("{hooks}{target}{body}")));
            headers.push(("x-signature".to_owned(), tag));
        }
        Class::D => {
            path = format!("/hooks/{CALLBACK}{target}");
            headers.clear();
        }
    }
    let method = if class == Class::D { "GET" } else { "POST" };
    Callback { host, method, target: path, headers, body }
}

impl Callback {
    /// Posts it; the status, or none if nobody answered.
    pub fn post(&self) -> Option<u16> {
        let address = self.host.parse().ok()?;
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(40))).ok()?;
        stream.write_all(self.as_bytes().as_slice()).ok()?;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer); // a reset after the answer is an answer
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// As it goes over the wire.
    pub fn as_bytes(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.method, self.target, self.host);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{}", self.body.len(), self.body));
        head.into_bytes()
    }
}
