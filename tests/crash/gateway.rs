//! The recording gateway, a process of its own: it outlives every kill of the service. It keeps its own book of every
//! request, in memory and in a file, answers as its script says, and knows nothing of the program under test.

use super::book::{Book, Send};
use super::callbacks;
use super::http::{self, Request};
use super::reporter::Reporter;
use super::script::{Class, Entry, Fault, LookUps, Rule, Script};
use super::waiting::{now_ms, rest};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The most that anybody waits here.
const LONGEST: u64 = 120;

struct Gateway {
    class: Class,
    book: Mutex<Book>,
    reporter: Reporter,
    listening: AtomicBool,
    main_port: u16,
    elsewhere: u16,
}

/// Runs until standard input ends. Prints its control port and the port that takes texts.
pub fn serve(arguments: &[String]) -> ExitCode {
    let class = serde_json::from_value(json!(arguments[0])).unwrap();
    let control = TcpListener::bind("127.0.0.1:0").unwrap();
    let main = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let main_port = main.local_addr().unwrap().port();
    let gateway = Arc::new(Gateway {
        class,
        book: Mutex::new(Book::new(arguments.get(1).map(String::as_str))),
        reporter: Reporter::start(),
        listening: AtomicBool::new(true),
        main_port,
        elsewhere: other.local_addr().unwrap().port(),
    });
    println!("{} {main_port}", control.local_addr().unwrap().port());
    let (taking, led) = (Arc::clone(&gateway), Arc::clone(&gateway));
    std::thread::spawn(move || take_texts(&taking, main));
    std::thread::spawn(move || {
        for stream in other.incoming().map_while(Result::ok) {
            led.book.lock().unwrap().counts.elsewhere += 1;
            drop(stream);
        }
    });
    std::thread::spawn(move || {
        for stream in control.incoming().map_while(Result::ok) {
            let gateway = Arc::clone(&gateway);
            std::thread::spawn(move || controlled(&gateway, stream));
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

fn take_texts(gateway: &Arc<Gateway>, mut listener: TcpListener) {
    loop {
        let accepted = listener.accept();
        if !gateway.listening.load(Ordering::SeqCst) {
            drop(accepted);
            drop(listener); // from here on connections are refused
            while !gateway.listening.load(Ordering::SeqCst) {
                rest(Duration::from_millis(10));
            }
            listener = TcpListener::bind(("127.0.0.1", gateway.main_port)).unwrap();
            continue;
        }
        let Ok((stream, _)) = accepted else { continue };
        let (gateway, at) = (Arc::clone(gateway), now_ms());
        std::thread::spawn(move || {
            gateway.book.lock().unwrap().opened();
            answer(&gateway, stream, at);
            gateway.book.lock().unwrap().counts.open -= 1;
        });
    }
}

/// One connection carries one request: the client keeps none.
fn answer(gateway: &Gateway, mut stream: TcpStream, at: i64) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(LONGEST)));
    // A look at the first byte takes nothing away: what is hung up on here was never read.
    let mut first = [0];
    let is_send = stream.peek(&mut first).is_ok_and(|length| length == 1) && first == *b"P";
    if is_send && gateway.book.lock().unwrap().hangs_up_unread() {
        return;
    }
    let Some(head) = http::read_head(&mut stream) else { return };
    if head.method == "GET" {
        let Some(request) = http::read_body(&mut stream, head, None) else { return };
        return look_up(gateway, &mut stream, &request);
    }
    let fault = gateway.book.lock().unwrap().begun(&head);
    if let Some(Fault::ReadHalf) = fault {
        let half = head.length.unwrap_or(200) / 2;
        let _ = http::read_body(&mut stream, head, Some(half));
        return;
    }
    let Some(request) = http::read_body(&mut stream, head, None) else { return };
    let Some(send) = Send::read(gateway.class, &request) else {
        return http::reply(&mut stream, 422, &[], &json!({"error": "this can't be read"}).to_string());
    };
    let (generation, fault) = {
        let book = gateway.book.lock().unwrap();
        (book.generation, fault.or_else(|| book.for_number(&send.to)))
    };
    let take = fault.as_ref().is_none_or(takes);
    let entry = Entry { at, read_at: now_ms(), ..send.entry() };
    let (repeat, id) = gateway.book.lock().unwrap().record(gateway.class, entry, &send, take);
    let (latency, script) = {
        let mut book = gateway.book.lock().unwrap();
        (book.latency(), book.script.clone())
    };
    if take && !repeat {
        reports(gateway, &script, &send, &id);
    }
    if latency > 0 {
        rest(Duration::from_millis(latency));
    }
    let right = accepted(gateway.class, repeat, &id);
    match fault {
        None => http::reply(&mut stream, right.0, &[], &right.1),
        Some(fault) => misbehave(gateway, &mut stream, &fault, generation, &right),
    }
}

/// Does the text leave under this fault?
fn takes(fault: &Fault) -> bool {
    match fault {
        Fault::TakeAndHangUp | Fault::SameId => true,
        Fault::HangUpBeforeReading | Fault::ReadHalf => false,
        Fault::Wait { take }
        | Fault::SlowLoris { take }
        | Fault::Say { take, .. }
        | Fault::Huge { take, .. }
        | Fault::ManyHeaders { take }
        | Fault::GzipBomb { take } => *take,
    }
}

fn accepted(class: Class, repeat: bool, id: &str) -> (u16, String) {
    if class == Class::A && repeat {
        return (409, json!({"error": "the same id again"}).to_string());
    }
    (class.taken_status(), json!({"id": id}).to_string())
}

fn reports(gateway: &Gateway, script: &Script, send: &Send, id: &str) {
    let Some(reports) = &script.reports else { return };
    for (at, status) in reports.statuses.iter().enumerate() {
        let report = callbacks::report(gateway.class, &script.hooks, &send.reference, id, status);
        let due = now_ms() + i64::try_from(reports.after_ms + at as u64 * reports.apart_ms).unwrap();
        let now = reports.before_answer && at == 0 && report.post() == Some(200);
        for _ in usize::from(now)..reports.copies {
            gateway.reporter.later(due, report.clone());
        }
    }
}

fn misbehave(gateway: &Gateway, stream: &mut TcpStream, fault: &Fault, generation: u64, right: &(u16, String)) {
    let length = right.1.len();
    match fault {
        Fault::TakeAndHangUp | Fault::HangUpBeforeReading | Fault::ReadHalf => {}
        Fault::Wait { .. } => {
            if !waits(gateway, stream, generation) {
                http::reply(stream, right.0, &[], &right.1);
            }
        }
        Fault::SlowLoris { .. } => {
            let whole = format!(
                "HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{}",
                right.0, right.1
            );
            for byte in whole.as_bytes() {
                if stream.write_all(&[*byte]).is_err() || gateway.book.lock().unwrap().generation != generation {
                    return;
                }
                rest(Duration::from_secs(1));
            }
        }
        Fault::Say { status, headers, body, .. } => {
            let here = format!("http://127.0.0.1:{}", gateway.elsewhere);
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (name.clone(), value.replace("{elsewhere}", &here))).collect();
            http::reply(stream, *status, &headers, body);
        }
        Fault::Huge { megabytes, .. } => {
            let head = format!(
                "HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                right.0,
                megabytes << 20
            );
            let block = vec![b' '; 1 << 20];
            let _ = stream.write_all(head.as_bytes());
            for _ in 0..*megabytes {
                if stream.write_all(&block).is_err() {
                    return;
                }
            }
        }
        Fault::ManyHeaders { .. } => {
            let headers: Vec<_> = (0..10_000).map(|n| (format!("x-{n}"), "y".repeat(20))).collect();
            http::reply(stream, right.0, &headers, &right.1);
        }
        Fault::GzipBomb { .. } => {
            // Ten kilobytes of a stream that claims to unpack to a gigabyte; nobody is to look.
            let head = format!(
                "HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 10240\r\n\r\n",
                right.0
            );
            let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
            body.resize(10_240, 0xaa);
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body);
        }
        Fault::SameId => http::reply(stream, right.0, &[], &json!({"id": "always-the-same"}).to_string()),
    }
}

/// Until the script changes (false) or the other side hangs up (true).
fn waits(gateway: &Gateway, stream: &mut TcpStream, generation: u64) -> bool {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    loop {
        if gateway.book.lock().unwrap().generation != generation {
            return false;
        }
        match stream.read(&mut [0; 16]) {
            Ok(0) => return true,
            Err(error) if !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                return true;
            }
            _ => {}
        }
    }
}

fn look_up(gateway: &Gateway, stream: &mut TcpStream, request: &Request) {
    let mut book = gateway.book.lock().unwrap();
    book.counts.look_ups += 1;
    let manner = book.script.look_ups;
    let before = match manner {
        LookUps::Lag(ms) => now_ms() - ms,
        _ => i64::MAX,
    };
    let found = book.look_up(gateway.class, request, before);
    drop(book);
    match manner {
        LookUps::Down => http::reply(stream, 503, &[], "{\"error\":\"down\"}"),
        LookUps::Proxy => {
            let html = [("content-type".to_owned(), "text/html".to_owned())];
            http::reply(stream, 404, &html, "<html>no such page</html>");
        }
        LookUps::Another => {
            let other = json!({"id": "another", "reference": "another", "to": "+447700900999", "text": "another", "created_at": "2022-01-24T12:00:00Z"});
            let body = if gateway.class == Class::A { other } else { json!({"messages": [other]}) };
            http::reply(stream, 200, &[], &body.to_string());
        }
        LookUps::Right | LookUps::Lag(_) => {
            let (status, body) = match (gateway.class, found) {
                (Class::A, Value::Array(found)) => match found.into_iter().next() {
                    Some(found) => (200, found),
                    None => (404, json!({"error": "no such text"})),
                },
                (_, found) => (200, json!({"messages": found})),
            };
            http::reply(stream, status, &[], &body.to_string());
        }
    }
}

/// `POST /script`, `GET /book`, `GET /counts`, `GET /wait?requests=N&ms=M`
fn controlled(gateway: &Gateway, mut stream: TcpStream) {
    let Some(head) = http::read_head(&mut stream) else { return };
    let Some(request) = http::read_body(&mut stream, head, None) else { return };
    let answer = match request.path() {
        "/script" => {
            let script: Script = serde_json::from_slice(&request.body).unwrap();
            let open = !script.closed;
            gateway.book.lock().unwrap().tell(script);
            let was_open = gateway.listening.swap(open, Ordering::SeqCst);
            if was_open && !open {
                let _ = TcpStream::connect(("127.0.0.1", gateway.main_port)); // wakes the listener
            }
            json!({})
        }
        "/book" => json!(gateway.book.lock().unwrap().entries),
        "/report" => {
            let told: Value = serde_json::from_slice(&request.body).unwrap();
            let word = |key: &str| told[key].as_str().unwrap().to_owned();
            let hooks = gateway.book.lock().unwrap().script.hooks.clone();
            let report = callbacks::report(gateway.class, &hooks, &word("reference"), "id", &word("status"));
            gateway.reporter.later(now_ms(), report);
            json!({})
        }
        "/wait" => {
            let number = |name: &str| request.query(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
            let end = now_ms() + number("ms");
            let enough = usize::try_from(number("requests")).unwrap();
            Book::until_requests(&gateway.book, enough, end);
            json!(gateway.book.lock().unwrap().counts)
        }
        _ => {
            let mut counts = gateway.book.lock().unwrap().counts;
            (counts.reported, counts.report_refused) = gateway.reporter.counts();
            json!(counts)
        }
    };
    http::reply(&mut stream, 200, &[], &answer.to_string());
}

/// Which rule is for this request, by its place in the row alone?
pub(super) fn ruled(rules: &[Rule], nth: usize, drawn: u32) -> Option<Fault> {
    let here = |rule: &&Rule| (rule.first..=rule.last).contains(&nth) && drawn < rule.of_a_thousand;
    rules.iter().filter(|rule| rule.numbers.is_empty()).find(here).map(|rule| rule.fault.clone())
}
