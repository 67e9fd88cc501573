//! One request over HTTP, and what came of it. One attempt is one request: no redirects (a 307 would carry text and
//! credentials elsewhere), no retries of the client's own, no proxies from the environment, no decompression; one total
//! timeout, body included; 64 KiB of answer and no more.

use super::LONGEST_REQUEST;
use super::request::{Method, Request};
use crate::fault;
use reqwest::redirect::Policy;
use rustls::CertificateError;
use secrecy::ExposeSecret;
use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error as Words;

/// More of an answer than this is never read.
pub const MOST_BYTES: usize = 64 * 1024;

/// What a gateway answered.
#[derive(Debug)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    /// At most [`MOST_BYTES`].
    pub body: Vec<u8>,
    /// There was more.
    pub truncated: bool,
}

/// Why there is no answer. Never holds an address: a GET gateway's URL holds password and number.
#[derive(Clone, Debug, Words, PartialEq, Eq)]
pub enum NoAnswer {
    /// No byte of the request left. May be tried again.
    #[error("{0}")]
    NotSent(String),
    /// No byte of the request left: who answers there can't prove to be the gateway.
    #[error("{0}")]
    Untrusted(String),
    /// The request may have arrived.
    #[error("{0}")]
    Unclear(String),
}

/// A client; make one and keep it.
#[derive(Clone, Debug)]
pub struct Client(reqwest::Client);

impl Client {
    /// A client with the rules of the module's head.
    pub fn new() -> Result<Self, NoAnswer> {
        reqwest::Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            // A request on a connection that died while it lay idle would be sent again by the pool itself.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .referer(false)
            .timeout(LONGEST_REQUEST.unsigned_abs())
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("ringround/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(|error| NoAnswer::NotSent(format!("the HTTP client can't be made: {}", error.without_url())))
    }

    /// Sends one request.
    pub async fn send(&self, request: &Request) -> Result<Answered, NoAnswer> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let url = reqwest::Url::parse(request.url.expose_secret())
            .map_err(|error| NoAnswer::NotSent(format!("the gateway's address can't be read: {error}")))?;
        if !is_safe(&url) {
            return Err(NoAnswer::NotSent("the gateway's address must begin with https://".to_owned()));
        }
        let mut building = self.0.request(method, url);
        for (name, value) in &request.headers {
            building = building.header(name, value.expose_secret());
        }
        if let Some(body) = &request.body {
            building = building.body(whole(body));
        }
        fault::at("E4", "before");
        let response = building.send().await.map_err(no_answer)?;
        fault::at("E4", "after");
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers.map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
        let headers = headers.collect();
        let (body, truncated) = read(response).await?;
        Ok(Answered { status, headers, body, truncated })
    }
}

#[cfg(not(feature = "faults"))]
fn whole(body: &[u8]) -> reqwest::Body {
    body.to_vec().into()
}

/// For tests that kill the program while the bytes leave: the body goes in two halves, the second after the first.
#[cfg(feature = "faults")]
fn whole(body: &[u8]) -> reqwest::Body {
    use http_body_util::StreamBody;
    use hyper::body::{Bytes, Frame};
    if !fault::is_set("E4", "inside") {
        return body.to_vec().into();
    }
    let (first, second) = body.split_at(body.len() / 2);
    let (first, second) = (Bytes::copy_from_slice(first), Bytes::copy_from_slice(second));
    let halves = futures_util::stream::unfold(0, move |half| {
        let (first, second) = (first.clone(), second.clone());
        async move {
            match half {
                0 => Some((Ok::<_, std::convert::Infallible>(Frame::data(first)), 1)),
                1 => {
                    tokio::task::yield_now().await; // what is there is written meanwhile
                    fault::at("E4", "inside");
                    Some((Ok(Frame::data(second)), 2))
                }
                _ => None,
            }
        }
    });
    reqwest::Body::wrap(StreamBody::new(Box::pin(halves)))
}

async fn read(mut response: reqwest::Response) -> Result<(Vec<u8>, bool), NoAnswer> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        let room = MOST_BYTES - body.len();
        if chunk.len() > room {
            body.extend_from_slice(chunk.get(..room).unwrap_or_default());
            return Ok((body, true)); // dropping the response drops the connection
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, false))
}

/// https everywhere but on this machine itself.
fn is_safe(url: &reqwest::Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url.as_str()))
}

/// Does this address lead to this machine itself?
pub(super) fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Only what failed before the connection stood is certain not to have arrived.
fn no_answer(error: reqwest::Error) -> NoAnswer {
    let error = error.without_url();
    if let Some(what) = distrust(&error) {
        return NoAnswer::Untrusted(format!("its certificate {what}"));
    }
    if error.is_connect() || error.is_builder() {
        return NoAnswer::NotSent(format!("the gateway can't be reached: {}", innermost(&error)));
    }
    let what = if error.is_timeout() { "no answer in time" } else { "the answer broke off" };
    NoAnswer::Unclear(format!("{what}: {}", innermost(&error)))
}

/// What is wrong with the certificate, where that is why there is no connection.
fn distrust(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(here) = cause {
        if let Some(rustls::Error::InvalidCertificate(why)) = here.downcast_ref() {
            return Some(match why {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "has expired, or this machine's clock is wrong"
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "is not valid yet, or this machine's clock is wrong"
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    "is for another name than that of the gateway"
                }
                CertificateError::UnknownIssuer => "is signed by nobody whom this machine trusts",
                CertificateError::Revoked => "was revoked",
                _ => "is not sound",
            });
        }
        // What an I/O error wraps is not among its sources.
        let inside = here.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| here.source());
    }
    None
}

/// The innermost cause says what happened; what stands around it repeats.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
