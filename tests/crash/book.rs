//! The gateway's own book: what came, when, and what left.

use super::gateway::ruled;
use super::http::{Head, Request, field};
use super::script::{Class, Counts, Entry, Fault, Script};
use super::waiting::now_ms;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Told to whoever waits for requests.
static ARRIVED: Condvar = Condvar::new();

/// A text that somebody wants to be sent.
pub struct Send {
    pub reference: String,
    pub to: String,
    pub text: String,
}

impl Send {
    /// As the class writes it.
    pub fn read(class: Class, request: &Request) -> Option<Self> {
        if class == Class::D {
            let form = std::str::from_utf8(&request.body).ok()?;
            let reference = reference_in(&field(form, "report_to")?)?;
            return Some(Self { reference, to: field(form, "to")?, text: field(form, "text")? });
        }
        let told: Value = serde_json::from_slice(&request.body).ok()?;
        let word = |key: &str| told[key].as_str().map(str::to_owned);
        let reference = match class {
            Class::A => word("id")?,
            Class::B => word("reference")?,
            Class::C | Class::D => reference_in(&word("report_to")?)?,
        };
        Some(Self { reference, to: word("to")?, text: word("text")? })
    }

    pub fn entry(&self) -> Entry {
        Entry {
            at: 0,
            read_at: 0,
            reference: self.reference.clone(),
            to: self.to.clone(),
            hash: hash(&self.text),
            taken: false,
            unwritten: false,
        }
    }
}

/// SHA-256 of a text, in hex.
pub fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `…?ref=REFERENCE&…`
fn reference_in(url: &str) -> Option<String> {
    field(url.split_once('?')?.1, "ref")
}

/// A text that left.
struct Sent {
    id: String,
    at: i64,
    to: String,
    text: String,
}

pub struct Book {
    pub entries: Vec<Entry>,
    pub counts: Counts,
    pub script: Script,
    /// Grows with every script.
    pub generation: u64,
    /// Requests to send since this script began.
    nth: usize,
    random: fastrand::Rng,
    sent: BTreeMap<String, Sent>,
    file: Option<File>,
}

impl Book {
    pub fn new(file: Option<&str>) -> Self {
        Self {
            entries: Vec::new(),
            counts: Counts::default(),
            script: Script::default(),
            generation: 0,
            nth: 0,
            random: fastrand::Rng::with_seed(0),
            sent: BTreeMap::new(),
            file: file.map(|path| File::options().create(true).append(true).open(path).unwrap()),
        }
    }

    pub fn tell(&mut self, script: Script) {
        self.random = fastrand::Rng::with_seed(script.seed);
        self.script = script;
        self.generation += 1;
        self.nth = 0;
    }

    pub fn opened(&mut self) {
        self.counts.connections += 1;
        self.counts.open += 1;
        self.counts.most_open = self.counts.most_open.max(self.counts.open);
    }

    /// Is the next request to send one that is hung up on unread?
    pub fn hangs_up_unread(&mut self) -> bool {
        let drawn = self.random.u32(0..1000);
        let unread = matches!(ruled(&self.script.rules, self.nth + 1, drawn), Some(Fault::HangUpBeforeReading));
        if unread {
            self.nth += 1;
            self.counts.requests += 1;
            ARRIVED.notify_all();
        }
        unread
    }

    /// A request to send begins; what the script has for it, by its place in the row.
    pub fn begun(&mut self, _head: &Head) -> Option<Fault> {
        self.nth += 1;
        self.counts.requests += 1;
        ARRIVED.notify_all();
        let drawn = self.random.u32(0..1000);
        ruled(&self.script.rules, self.nth, drawn).filter(|fault| !matches!(fault, Fault::HangUpBeforeReading))
    }

    /// What the script has for a number.
    pub fn for_number(&self, to: &str) -> Option<Fault> {
        let mine = |rule: &&super::script::Rule| rule.numbers.iter().any(|number| number == to);
        self.script.rules.iter().find(mine).map(|rule| rule.fault.clone())
    }

    pub fn latency(&mut self) -> u64 {
        let (least, most) = self.script.latency_ms;
        self.random.u64(least..=most)
    }

    /// Writes it down. True for a repeat of class A; and the id under which the gateway has it.
    pub fn record(&mut self, class: Class, entry: Entry, send: &Send, take: bool) -> (bool, String) {
        let known = self.sent.get(&entry.reference).map(|sent| sent.id.clone());
        let repeat = class == Class::A && known.is_some();
        let taken = take && !repeat;
        let unwritten =
            self.script.written_in.as_ref().is_some_and(|path| !super::books::is_submitting(path, &entry.to));
        let entry = Entry { taken, unwritten, ..entry };
        let id = match (class, known) {
            (Class::A, _) => entry.reference.clone(),
            (_, _) => format!("{}-{}", class.letter().to_lowercase(), self.counts.requests),
        };
        if taken {
            self.counts.taken += 1;
            let sent = Sent { id: id.clone(), at: entry.read_at, to: entry.to.clone(), text: send.text.clone() };
            self.sent.insert(entry.reference.clone(), sent);
        }
        if let Some(file) = &mut self.file {
            let _ = writeln!(file, "{}", json!(entry));
        }
        self.entries.push(entry);
        (repeat, id)
    }

    /// The texts that a question is about, and that were there before an instant.
    pub fn look_up(&self, class: Class, request: &Request, before: i64) -> Value {
        let shown = |(reference, sent): (&String, &Sent)| {
            let made = Timestamp::from_millisecond(sent.at).unwrap().to_string();
            json!({"id": sent.id, "reference": reference, "to": sent.to, "text": sent.text, "created_at": made})
        };
        let wanted = match class {
            Class::A => request.path().rsplit('/').next().map(str::to_owned),
            _ => request.query("reference"),
        };
        if let Some(reference) = wanted {
            let found = self.sent.get_key_value(&reference).filter(|(_, sent)| sent.at <= before);
            return found.into_iter().map(shown).collect();
        }
        let to = request.query("to").unwrap_or_default();
        self.sent.iter().filter(|(_, sent)| sent.to == to && sent.at <= before).map(shown).collect()
    }

    /// Waits until so many requests have come in all.
    pub fn until_requests(book: &Mutex<Self>, enough: usize, end: i64) {
        let mut held = book.lock().unwrap();
        while held.counts.requests < enough {
            let Ok(left) = u64::try_from(end - now_ms()) else { return };
            held = ARRIVED.wait_timeout(held, Duration::from_millis(left.max(1))).unwrap().0;
            if now_ms() >= end {
                return;
            }
        }
    }
}
