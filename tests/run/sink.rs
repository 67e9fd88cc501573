//! A recording gateway in the shape of GOV.UK Notify: it keeps its own book of every request, and answers as told.

use ringround::clock::Clock;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};

/// One text that was handed over.
#[derive(Clone, Debug)]
pub struct Taken {
    pub at: jiff::Timestamp,
    pub reference: String,
    pub to: String,
    pub text: String,
}

/// How it answers a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// 201, at once.
    Accept,
    /// It takes the text; the answer, to look-ups as well, waits until the manner changes.
    TakeAndWait,
    /// It takes the text and hangs up.
    TakeAndHangUp,
    /// It hangs up and takes nothing.
    HangUp,
    /// This status and body, to look-ups as well; it takes nothing.
    Say(u16, &'static str),
}

#[derive(Default)]
struct Book {
    taken: Vec<Taken>,
    requests: usize,
    questions: usize,
    by_reference: BTreeMap<String, usize>,
    /// Texts from parents, newest first.
    received: Vec<Value>,
}

/// The gateway, listening on a free port of this machine.
pub struct Sink {
    pub url: String,
    book: Arc<Mutex<Book>>,
    manner: Arc<(Mutex<Manner>, Condvar)>,
    arrivals: Receiver<()>,
}

impl Sink {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let book = Arc::new(Mutex::new(Book::default()));
        let manner = Arc::new((Mutex::new(manner), Condvar::new()));
        let (tell, arrivals) = channel();
        let shared = (Arc::clone(&book), Arc::clone(&manner));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (book, manner, tell) = (Arc::clone(&shared.0), Arc::clone(&shared.1), tell.clone());
                std::thread::spawn(move || answer(stream, &book, &manner, &tell));
            }
        });
        Self { url, book, manner, arrivals }
    }

    pub fn set(&self, manner: Manner) {
        *self.manner.0.lock().unwrap() = manner;
        self.manner.1.notify_all();
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.book.lock().unwrap().taken.clone()
    }

    /// Requests to send a text, taken or not.
    pub fn requests(&self) -> usize {
        self.book.lock().unwrap().requests
    }

    /// Requests that asked for a text.
    pub fn questions(&self) -> usize {
        self.book.lock().unwrap().questions
    }

    /// Waits until so many requests have come in all; a minute at most.
    pub fn until_requests(&self, count: usize) {
        while self.requests() < count {
            let arrived = self.arrivals.recv_timeout(std::time::Duration::from_mins(1));
            assert!(arrived.is_ok(), "{} of {count} requests came within a minute", self.requests());
        }
    }

    /// A parent writes; the text is there to be fetched.
    pub fn write(&self, id: &str, from: &str, body: &str) {
        let text = json!({"id": id, "user_number": from, "notify_number": "07700900900", "content": body,
            "created_at": "2022-01-24T12:00:00.000000Z", "service_id": "26785a09-ab16-4eb0-8407-a37497a57506"});
        self.book.lock().unwrap().received.insert(0, text);
    }

    /// Every reference that was taken more than once.
    pub fn twice(&self) -> Vec<String> {
        let book = self.book.lock().unwrap();
        book.by_reference.iter().filter(|(_, times)| **times > 1).map(|(reference, _)| reference.clone()).collect()
    }
}

fn answer(mut stream: TcpStream, book: &Mutex<Book>, manner: &(Mutex<Manner>, Condvar), tell: &Sender<()>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            assert!(!name.is_empty());
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    if first.starts_with("GET") {
        let now = manner.0.lock().unwrap().clone();
        if now == Manner::TakeAndWait && first.contains("reference=") {
            book.lock().unwrap().questions += 1;
            drop(manner.1.wait_while(manner.0.lock().unwrap(), |m| *m == Manner::TakeAndWait).unwrap());
        }
        return look_up(&mut stream, &first, book, &now);
    }
    let told: Value = serde_json::from_slice(&body).unwrap();
    let say = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let taken = Taken {
        at: Clock::System.now(),
        reference: say(&told, "/reference"),
        to: say(&told, "/phone_number"),
        text: say(&told, "/personalisation/message"),
    };
    let now = manner.0.lock().unwrap().clone();
    let takes = matches!(now, Manner::Accept | Manner::TakeAndWait | Manner::TakeAndHangUp);
    {
        let mut book = book.lock().unwrap();
        book.requests += 1;
        if takes {
            *book.by_reference.entry(taken.reference.clone()).or_default() += 1;
            book.taken.push(taken.clone());
        }
    }
    let _ = tell.send(());
    match now {
        Manner::TakeAndWait => {
            let held = manner.1.wait_while(manner.0.lock().unwrap(), |m| *m == Manner::TakeAndWait).unwrap();
            drop(held);
            reply(&mut stream, 201, &accepted(&taken));
        }
        Manner::Accept => reply(&mut stream, 201, &accepted(&taken)),
        Manner::Say(status, body) => reply(&mut stream, status, body),
        Manner::TakeAndHangUp | Manner::HangUp => {}
    }
}

fn accepted(taken: &Taken) -> String {
    json!({"id": format!("id-{}", taken.reference), "reference": taken.reference}).to_string()
}

/// `GET /v2/notifications?reference=R`, `GET /v2/received-text-messages?older_than=ID`
fn look_up(stream: &mut TcpStream, first: &str, book: &Mutex<Book>, manner: &Manner) {
    if first.contains("received-text-messages") {
        let received = book.lock().unwrap().received.clone();
        let page = if first.contains("older_than") { vec![] } else { received };
        return reply(stream, 200, &json!({"received_text_messages": page, "links": {}}).to_string());
    }
    if *manner != Manner::TakeAndWait {
        book.lock().unwrap().questions += 1; // otherwise it was counted when it came
    }
    if let Manner::Say(status, body) = manner {
        return reply(stream, *status, body);
    }
    let reference = first.split("reference=").nth(1).unwrap_or_default();
    let reference: String = reference.chars().take_while(char::is_ascii_alphanumeric).collect();
    let known = book.lock().unwrap().by_reference.contains_key(&reference);
    let found = if known {
        vec![json!({"id": format!("id-{reference}"), "reference": reference, "type": "sms", "status": "sending"})]
    } else {
        vec![]
    };
    reply(stream, 200, &json!({"notifications": found, "links": {}}).to_string());
}

fn reply(stream: &mut TcpStream, status: u16, body: &str) {
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes());
}
