//! Garbage of every kind: it never panics, is never taken for an answer, and is never "failed, retry".

use super::fixtures::{all, answer, method};
use jiff::Timestamp;
use proptest::prelude::*;
use ringround::domain::doubt::LookUp;
use ringround::domain::message::Outcome;
use ringround::gateway::{Asked, Incoming};

fn now() -> Timestamp {
    "2022-01-24T12:00:00Z".parse().unwrap()
}

fn asked() -> Asked<'static> {
    Asked { reference: "aaaaaabbbbbbccccccdddddd", to: "+447700900123", text: "Hello", submitted_at: now() }
}

/// What proxies, broken servers and other people's servers say.
const BODIES: [&str; 16] = [
    "",
    " ",
    "<!DOCTYPE html><html><body>It works!</body></html>",
    "OK",
    "null",
    "true",
    "0",
    "[]",
    "{}",
    "\"id\"",
    "{\"id\":\"a\"}{\"id\":\"b\"}",
    "{\"id\":\"a\"} trailing",
    "{\"id\":",
    "{\"id\":null,\"sid\":[],\"data\":{\"id\":{}}}",
    "\u{feff}{\"id\":\"a\",\"state\":\"Pending\"}",
    "id=a&state=Pending",
];

#[test]
fn what_cannot_be_read_is_unclear_and_says_nothing_of_a_look_up() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let utf16: Vec<u8> = "{\"id\":\"a\"}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut bodies: Vec<Vec<u8>> = BODIES.iter().map(|body| body.as_bytes().to_vec()).collect();
    bodies.extend([deep.into_bytes(), utf16, vec![0xff, 0xfe, 0x00], vec![0; 4096]]);
    for (provider, profile, ..) in all() {
        for status in [200, 201, 202, 204, 206, 301, 302, 307, 418, 500, 502, 503, 504, 599] {
            for body in &bodies {
                for kind in ["", "application/json", "text/html", "application/json; charset=utf-16"] {
                    let headers = vec![("content-type".to_owned(), kind.to_owned())];
                    let answer = answer(status, &headers, body, false);
                    let outcome = profile.outcome(&answer, now());
                    let shown = String::from_utf8_lossy(body);
                    assert!(matches!(outcome, Outcome::Unclear { .. }), "{provider} {status} {shown}: {outcome:?}");
                    assert_eq!(profile.looked_up(&asked(), &answer), LookUp::Unknown, "{provider} {status} {shown}");
                }
            }
        }
    }
}

#[test]
fn nothing_good_is_believed_when_it_was_cut_off_or_came_with_an_error_status() {
    for (provider, profile, cases, _) in all() {
        for case in cases.answer.iter().filter(|case| case.outcome.starts_with("accepted")) {
            let cut = profile.outcome(&answer(case.status, &case.headers, case.body.as_bytes(), true), now());
            assert!(matches!(cut, Outcome::Unclear { .. }), "{provider}: {}", case.name);
            for end in 1..case.body.trim_end().len() {
                if !case.body.is_char_boundary(end) {
                    continue;
                }
                let half =
                    profile.outcome(&answer(case.status, &case.headers, &case.body.as_bytes()[..end], false), now());
                assert!(matches!(half, Outcome::Unclear { .. }), "{provider}: {}: {}", case.name, &case.body[..end]);
            }
            for status in [500, 502, 503, 504] {
                let error = profile.outcome(&answer(status, &case.headers, case.body.as_bytes(), false), now());
                assert!(matches!(error, Outcome::Unclear { .. }), "{provider}: {} with {status}", case.name);
            }
        }
    }
}

/// Pieces of real answers and callbacks, broken and put together anew.
fn pieces() -> impl Strategy<Value = String> {
    let bodies: Vec<String> = all()
        .into_iter()
        .flat_map(|(_, _, cases, _)| {
            let answers = cases.answer.into_iter().map(|case| case.body);
            answers.chain(cases.callback.into_iter().map(|case| case.body)).collect::<Vec<_>>()
        })
        .filter(|body| !body.is_empty())
        .collect();
    let piece = (proptest::sample::select(bodies), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let piece = piece.prop_map(|(body, a, b)| {
        let characters: Vec<char> = body.chars().collect();
        let (a, b) = (a.index(characters.len() + 1), b.index(characters.len() + 1));
        characters[a.min(b)..a.max(b)].iter().collect::<String>()
    });
    prop::collection::vec(prop_oneof![piece, any::<String>()], 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(
        body in prop_oneof![pieces().prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..200)],
        status in 100u16..600,
        headers in prop::collection::vec(("[ -~]{0,20}", "[ -~]{0,40}"), 0..4),
        target in "[ -~]{0,60}",
        cursor in prop::option::of("[ -~]{0,40}"),
        post in any::<bool>(),
    ) {
        thread_local!(static ALL: Vec<(&'static str, ringround::gateway::Profile, super::fixtures::Cases,
            ringround::gateway::Account)> = all());
        ALL.with(|all| {
            for (_, profile, _, account) in all {
                let answer = answer(status, &headers, &body, false);
                let outcome = profile.outcome(&answer, now());
                if status >= 500 {
                    let later = matches!(outcome, Outcome::Throttled { .. });
                    let documented = status == 503 && later;
                    assert!(documented || matches!(outcome, Outcome::Unclear { .. }), "{outcome:?}");
                }
                let _ = profile.looked_up(&asked(), &answer);
                let _ = profile.polled(cursor.as_deref(), &answer);
                let _ = profile.poll(account, cursor.as_deref(), now());
                let method = method(if post { "POST" } else { "GET" });
                let incoming = Incoming { method, target: &target, headers: &headers, body: &body };
                assert!(profile.receive(account, &incoming, now()).is_err());
            }
        });
    }
}
