//! The listener for what gateways send to us: the one address that a proxy may publish.
//!
//! Verified on the raw body, stored before it is acknowledged. Bounds: 64 KiB of body, 16 KiB of headers within 5
//! seconds, 10 seconds in all, 256 connections. What is forged, stale or garbage is refused, counted, and not stored.

use super::intake::{Delivery, deliver};
use super::receiver::{Handed, Taken};
use super::run::Shared;
use crate::domain::message::RefusalClass;
use crate::gateway::{CallbackEvent, Incoming, Method};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming as Body};
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::SignedDuration;
use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_local;
use tokio::time::timeout;

const MOST_BODY: usize = 64 * 1024;
const MOST_HEADERS: usize = 16 * 1024;
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
const ALL_WITHIN: Duration = Duration::from_secs(10);
/// What can't be stored by then is answered 503, while there is still time for an answer.
const STORED_WITHIN: Duration = Duration::from_secs(8);
const CONNECTIONS: usize = 256;
const AFTER_FAILURE: SignedDuration = SignedDuration::from_millis(100);

/// Serves until it is stopped. Must run inside a `LocalSet`.
pub async fn serve(listener: TcpListener, shared: Shared, intake: mpsc::Sender<Delivery>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    if let Ok(address) = listener.local_addr() {
        tracing::info!("callbacks are listened for at {address}");
    }
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            let now = shared.desk.clock.now();
            shared.desk.clock.sleep_until(now.saturating_add(AFTER_FAILURE).unwrap_or(now)).await; // no file left to open
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue }; // hung up on: it will come again
        let (shared, intake) = (shared.clone(), intake.clone());
        spawn_local(async move {
            let _ = timeout(ALL_WITHIN, connection(stream, &shared, &intake)).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, shared: &Shared, intake: &mpsc::Sender<Delivery>) {
    let answer = service_fn(async |request| Ok::<_, Infallible>(answer(request, shared, intake).await));
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .keep_alive(false) // or the time of the whole connection would cut off whoever comes late in it
            .header_read_timeout(HEADERS_WITHIN)
            .max_buf_size(MOST_HEADERS)
            .serve_connection(TokioIo::new(stream), answer)
    );
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = shared.stop.cancelled() => {
            serving.as_mut().graceful_shutdown(); // somebody who says nothing does not hold up the end
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!("a callback broke off: {error}");
    }
}

async fn answer(request: Request<Body>, shared: &Shared, intake: &mpsc::Sender<Delivery>) -> Response<Full<Bytes>> {
    let counts = &shared.callbacks;
    let count = |counter: &Cell<u64>| counter.set(counter.get() + 1);
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MOST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            count(&counts.refused);
            return plain(if error.is::<LengthLimitError>() { 413 } else { 400 });
        }
    };
    let headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let incoming = Incoming {
        method: if parts.method == hyper::Method::GET { Method::Get } else { Method::Post },
        target: parts.uri.path_and_query().map_or("/", |p| p.as_str()),
        headers: &headers,
        body: &body,
    };
    let received = match shared.gateway.receive(&incoming, shared.desk.clock.now()) {
        Ok(received) => received,
        Err(rejected) => {
            count(&counts.refused);
            tracing::warn!("a callback was refused: {rejected}");
            return plain(rejected.status());
        }
    };
    let things: Vec<Handed> = received.events.into_iter().filter_map(handed).collect();
    let Ok(Some(taken)) = timeout(STORED_WITHIN, deliver(intake, things)).await else { return plain(503) };
    count(&counts.taken);
    let foreign = taken.iter().filter(|t| **t == Taken::Foreign).count() as u64;
    counts.foreign.set(counts.foreign.get() + foreign);
    let reply = received.reply;
    let mut response = plain(reply.status);
    *response.body_mut() = Full::new(Bytes::from(reply.body));
    if let Some(kind) = reply.content_type.and_then(|kind| HeaderValue::from_str(&kind).ok()) {
        response.headers_mut().insert("content-type", kind);
    }
    response
}

/// What a profile has read, as the receiver takes it. A report that names none of our references is of no use to us.
pub(super) fn handed(event: CallbackEvent) -> Option<Handed> {
    match event {
        CallbackEvent::Inbound { gateway_id, from, body, opt_out_handled, .. } => {
            Some(Handed::Text { gateway_id, from, body, opt_out_handled })
        }
        CallbackEvent::Report { reference, gateway_id, status, detail, refusal, .. } => Some(Handed::Report {
            reference: reference.unwrap_or_default(),
            gateway_id,
            status,
            detail,
            opted_out: refusal == Some(RefusalClass::OptedOut),
        }),
        CallbackEvent::Ignored => None,
    }
}

fn plain(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::BAD_REQUEST);
    response
}
