//! One attempt is one request, whatever the gateway answers: bounded, and never a guess.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/tls.rs"]
mod tls;

use ringround::gateway::{Client, NoAnswer, Request};
use secrecy::SecretString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A server that answers every request in this way, and counts them.
fn server(answer: impl Fn(&mut TcpStream) + Send + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/send?password=secret&to=447700900123", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            answer(&mut stream);
        }
    });
    (url, count)
}

fn send(url: &str) -> Result<(u16, Vec<u8>, bool), NoAnswer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sent = async { Client::new()?.send(&Request::get(SecretString::from(url.to_owned()))).await };
    runtime.block_on(sent).map(|answered| (answered.status, answered.body, answered.truncated))
}

fn says(head: &'static str, body: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    server(move |stream| {
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    })
}

#[test]
fn redirects_are_answers_and_nobody_follows_them() {
    for status in [301, 302, 303, 307, 308] {
        let (elsewhere, never) = says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"");
        let (url, count) = server(move |stream| {
            let _ = write!(stream, "HTTP/1.1 {status} Moved\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
        });
        assert_eq!(send(&url).unwrap().0, status);
        assert_eq!((count.load(Ordering::SeqCst), never.load(Ordering::SeqCst)), (1, 0));
    }
}

/// A gigabyte is offered, with a length or in chunks: 64 KiB are kept, and the connection goes at once. What the server
/// could write is what fits into the buffers between us.
#[test]
fn an_endless_answer_is_cut_at_64_kib_and_the_connection_goes() {
    const OFFERED: usize = 1 << 30;
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(8192));
    for (head, piece) in [
        (format!("content-length: {OFFERED}"), "x".repeat(8192)),
        ("transfer-encoding: chunked".to_owned(), chunk),
        ("content-encoding: gzip".to_owned(), "\0".repeat(8192)),
    ] {
        let (tell, told) = channel();
        let (url, count) = server(move |stream| {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n");
            let mut written = 0;
            while written < OFFERED && stream.write_all(piece.as_bytes()).is_ok() {
                written += piece.len(); // until we are hung up on
            }
            let _ = tell.send(written);
        });
        let (status, body, truncated) = send(&url).unwrap();
        assert_eq!((status, body.len(), truncated), (200, 64 * 1024, true));
        let written = told.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(written < 32 << 20, "the server could write {written} bytes before it was hung up on");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}

/// What comes packed stays packed: it can't grow here.
#[test]
fn nothing_is_unpacked() {
    let bomb = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0\xf7Om\x0e7\xa0";
    for name in ["gzip", "deflate", "br", "zstd"] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {name}\r\ncontent-length: {}\r\n\r\n", bomb.len());
        let (url, _) = server(move |stream| {
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(bomb));
        });
        assert_eq!(send(&url).unwrap().1, bomb, "a packed bomb stays packed");
    }
}

/// More head than any gateway has is no answer: the text is in doubt, and nothing of it is kept.
#[test]
fn ten_thousand_headers_are_no_answer() {
    let (tell, told) = channel();
    let (url, count) = server(move |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        let mut written = 0;
        for line in 0..10_000 {
            let line = format!("x-{line}: {}\r\n", "y".repeat(1000));
            written += if stream.write_all(line.as_bytes()).is_ok() { line.len() } else { 0 };
        }
        let _ = stream.write_all(b"content-length: 2\r\n\r\n{}");
        let _ = tell.send(written);
    });
    let answer = send(&url).unwrap_err();
    assert!(matches!(answer, NoAnswer::Unclear(_)), "{answer:?}");
    assert!(told.recv_timeout(Duration::from_secs(30)).unwrap() < 10_000_000, "it hung up on the way");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn a_certificate_that_nobody_can_trust_is_told_apart_and_nothing_leaves() {
    for (name, last_year) in [("localhost", 4000), ("localhost", 2021), ("another.example", 4000)] {
        let (port, count) = tls::server(name, last_year);
        let url = format!("https://localhost:{port}/send?password=secret");
        let answer = send(&url).unwrap_err();
        let NoAnswer::Untrusted(why) = &answer else { panic!("{name} until {last_year}: {answer:?}") };
        assert!(why.starts_with("its certificate ") && !why.contains("localhost"), "{why}");
        assert!((1..1000).contains(&count.load(Ordering::SeqCst)), "no byte of the request left");
    }
}

#[test]
fn what_breaks_off_after_the_request_is_unclear_and_is_not_asked_again() {
    for head in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"id\":", "this is no HTTP\r\n\r\n"] {
        let (url, count) = says(head, b"");
        let answer = send(&url).unwrap_err();
        assert!(matches!(answer, NoAnswer::Unclear(_)), "{head:?}: {answer:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{head:?}: one attempt is one request");
    }
}

#[test]
fn what_never_left_is_known_not_to_have_left() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // closed again: nobody listens
    let refused = send(&format!("http://{nobody}/")).unwrap_err();
    assert!(matches!(refused, NoAnswer::NotSent(_)), "{refused:?}");
    let unknown = send("https://no-such-host.invalid/").unwrap_err();
    assert!(matches!(unknown, NoAnswer::NotSent(_)), "{unknown:?}");
    let (plain, count) = says("HTTP/1.1 200 OK\r\n\r\n", b"");
    let no_tls = send(&plain.replace("http://", "https://")).unwrap_err();
    assert!(matches!(no_tls, NoAnswer::NotSent(_)), "{no_tls:?}");
    assert!(count.load(Ordering::SeqCst) <= 1);
    for url in ["http://192.0.2.1/", "ftp://127.0.0.1/", "not an address"] {
        assert!(matches!(send(url).unwrap_err(), NoAnswer::NotSent(_)), "{url}");
    }
}

/// The total timeout holds for an answer that comes byte by byte, too.
#[test]
fn an_answer_that_trickles_is_given_up() {
    let (url, count) = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        while stream.write_all(b"x").is_ok() {
            let _ = wait.recv_timeout(std::time::Duration::from_millis(500)); // the other end never speaks
        }
    });
    let answer = send(&url).unwrap_err();
    assert!(matches!(&answer, NoAnswer::Unclear(why) if why.contains("in time")), "{answer:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

/// P7: a GET gateway has password and number in its address; no error holds them.
#[test]
fn no_error_holds_the_address() {
    let (url, _) = says("", b"");
    for error in [send(&url).unwrap_err(), send("http://127.0.0.1:9/?password=secret&to=447700900123").unwrap_err()] {
        let said = format!("{error} {error:?}");
        assert!(!said.contains("secret") && !said.contains("7700900123") && !said.contains("127.0.0.1"), "{said}");
    }
}
