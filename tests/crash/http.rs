//! As much of HTTP/1.1 as the gateway speaks: one request a connection, lengths and chunks, nothing kept open.

use std::io::{Read, Write};
use std::net::TcpStream;

/// What stands before a body.
#[derive(Debug)]
pub struct Head {
    pub method: String,
    pub target: String,
    pub length: Option<usize>,
    pub chunked: bool,
    /// Bytes of the body that came with it.
    rest: Vec<u8>,
}

#[derive(Debug)]
pub struct Request {
    pub target: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// One parameter of the address, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        field(self.target.split_once('?')?.1, name)
    }
}

/// One field of a form.
pub fn field(form: &str, name: &str) -> Option<String> {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
}

/// None where the other side hung up first.
pub fn read_head(stream: &mut TcpStream) -> Option<Head> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return None,
            Ok(length) => read.extend_from_slice(&block[..length]),
        }
    };
    let rest = read.split_off(end + 4);
    let text = String::from_utf8_lossy(&read);
    let mut first = text.lines().next()?.split(' ');
    let header = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    Some(Head {
        method: first.next()?.to_owned(),
        target: first.next()?.to_owned(),
        length: header("content-length").and_then(|length| length.parse().ok()),
        chunked: header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")),
        rest,
    })
}

/// The whole request; none where it broke off, or where only `at_most` so many bytes of the body were wanted.
pub fn read_body(stream: &mut TcpStream, head: Head, at_most: Option<usize>) -> Option<Request> {
    let mut body = head.rest;
    let mut more = |body: &mut Vec<u8>| {
        let mut block = [0; 4096];
        match stream.read(&mut block) {
            Ok(0) | Err(_) => None,
            Ok(length) => {
                body.extend_from_slice(&block[..length]);
                Some(())
            }
        }
    };
    if let Some(most) = at_most {
        while body.len() < most {
            more(&mut body)?;
        }
        return None;
    }
    if head.chunked {
        let mut whole = Vec::new();
        loop {
            let end = loop {
                match body.windows(2).position(|two| two == b"\r\n") {
                    Some(end) => break end,
                    None => more(&mut body)?,
                }
            };
            let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?.trim(), 16).ok()?;
            while body.len() < end + 2 + size + 2 {
                more(&mut body)?;
            }
            whole.extend_from_slice(&body[end + 2..end + 2 + size]);
            body.drain(..end + 2 + size + 2);
            if size == 0 {
                return Some(Request { target: head.target, body: whole });
            }
        }
    }
    let length = head.length.unwrap_or(0);
    while body.len() < length {
        more(&mut body)?;
    }
    Some(Request { target: head.target, body })
}

pub fn reply(stream: &mut TcpStream, status: u16, headers: &[(String, String)], body: &str) {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    if !headers.iter().any(|(name, _)| name == "content-type") {
        head.push_str("content-type: application/json\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes()); // it may have been killed meanwhile
}
