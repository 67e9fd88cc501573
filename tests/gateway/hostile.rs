//! Whatever a text holds, it arrives as written: the request is read back by a decoder that is not ours.

use super::fixtures::all;
use jiff::{SignedDuration, Timestamp};
use ringround::gateway::{Method, Profile, Submission};
use secrecy::ExposeSecret;

const TEXTS: [&str; 18] = [
    "{{to}} {to} ${text} %(to)s ((to",
    "\"quoted\" and 'quoted' and \\ and \\\" and \\u0041",
    "a&to=+447700900999&text=other",
    "a=b&c=d;e=f#g?h",
    "line\nline\r\nline\ttab",
    "100% %d %A %C3%A9 %% %",
    "+ plus + and %2B and %20",
    "😀 👩‍👩‍👧 🇬🇧",
    "Опрос для родителей",
    "مرحبا ‏بكم",
    "é as one, e\u{301} as two",
    "£ € ^{}[~]|\\",
    "{\"text\":\"other\"}",
    "</text><to>447700900999</to>",
    "{F1#} ${x} %SHORT_LINK%",
    " leading and trailing ",
    "\u{0}\u{1}\u{7f}\u{feff}",
    "STOP",
];

fn submission(text: &str, now: Timestamp) -> Submission {
    Submission {
        reference: "aaaaaabbbbbbccccccdddddd".to_owned(),
        to: "+447700900123".to_owned(),
        text: text.to_owned(),
        valid_until: now + SignedDuration::from_hours(1),
        handed_at: now,
    }
}

/// Percent-decoding of our own making, for this test only.
fn decode(written: &str) -> String {
    let bytes = written.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                out.push(u8::from_str_radix(std::str::from_utf8(&bytes[at + 1..at + 3]).unwrap(), 16).unwrap());
                at += 3;
            }
            b'+' => {
                out.push(b' ');
                at += 1;
            }
            b => {
                out.push(b);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

fn fields(written: &str) -> Vec<(String, String)> {
    written.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(n, v)| (decode(n), decode(v))).collect()
}

/// The fields of a request, however it carries them; JSON by pointer.
fn read(request: &ringround::gateway::Request) -> Vec<(String, String)> {
    let url = request.url.expose_secret();
    if request.method == Method::Get {
        return fields(url.split_once('?').unwrap().1);
    }
    let body = std::str::from_utf8(request.body.as_ref().unwrap()).unwrap();
    let kind = request.headers.iter().find(|(name, _)| name == "content-type").unwrap().1.expose_secret();
    if kind == "application/x-www-form-urlencoded" {
        return fields(body);
    }
    let mut found = Vec::new();
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    let mut open = vec![(String::new(), json)];
    while let Some((at, value)) = open.pop() {
        match value {
            serde_json::Value::Object(o) => open.extend(o.into_iter().map(|(k, v)| (format!("{at}/{k}"), v))),
            serde_json::Value::Array(a) => {
                open.extend(a.into_iter().enumerate().map(|(i, v)| (format!("{at}/{i}"), v)));
            }
            serde_json::Value::String(text) => found.push((at, text)),
            other => found.push((at, other.to_string())),
        }
    }
    found
}

fn text_and_to(provider: &str) -> (&'static str, &'static str) {
    match provider {
        "kannel" => ("text", "to"),
        "twilio" => ("Body", "To"),
        "gov-uk-notify" => ("/personalisation/message", "/phone_number"),
        "telnyx" => ("/text", "/to"),
        "smsgate" => ("/textMessage/text", "/phoneNumbers/0"),
        other => panic!("{other} is new: say where its text and number stand"),
    }
}

#[test]
fn every_text_arrives_as_written() {
    let now: Timestamp = "2022-01-24T12:00:00Z".parse().unwrap();
    for (provider, profile, _, account) in all() {
        let (text_at, to_at) = text_and_to(provider);
        let plain = read(&profile.send(&account, &submission("plain", now), now).unwrap());
        for text in TEXTS {
            let request = match profile.send(&account, &submission(text, now), now) {
                Ok(request) => request,
                Err(why) => {
                    assert!(provider == "gov-uk-notify" && text.contains("(("), "{provider}: {text:?}: {why}");
                    continue;
                }
            };
            let fields = read(&request);
            let one = |name: &str| {
                let values: Vec<_> = fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
                assert_eq!(values.len(), 1, "{provider}: {name} in {fields:?}");
                values[0].to_owned()
            };
            assert_eq!(one(text_at), text, "{provider}");
            assert_eq!(one(to_at), "+447700900123", "{provider}");
            assert_eq!(fields.len(), plain.len(), "{provider}: no field was added or lost by {text:?}");
        }
    }
}

/// What Kannel makes of a dlr-url: it fills in its escapes, and `%%` is a percent sign.
fn filled_in_by_kannel(url: &str) -> String {
    let mut out = String::new();
    let mut characters = url.chars();
    while let Some(c) = characters.next() {
        match c {
            '%' => match characters.next().unwrap() {
                'd' => out.push('1'),
                'A' => out.push_str("id%3A1+stat%3ADELIVRD"),
                '%' => out.push('%'),
                other => panic!("%{other} in {url} is an escape that we did not mean"),
            },
            c => out.push(c),
        }
    }
    out
}

#[test]
fn kannel_gives_the_address_for_reports_back_as_it_was() {
    let now: Timestamp = "2022-01-24T12:00:00Z".parse().unwrap();
    let (_, profile, _, mut account) = all().into_iter().find(|(name, ..)| *name == "kannel").unwrap();
    account.callback_url = Some("https://sms.example.org/caf%C3%A9/%41".to_owned());
    let request = profile.send(&account, &submission("hello", now), now).unwrap();
    let (_, url) = read(&request).into_iter().find(|(name, _)| name == "dlr-url").unwrap();
    let called = filled_in_by_kannel(&url);
    let begins = "https://sms.example.org/caf%C3%A9/%41/current-secret-0123456789/report?";
    assert!(called.starts_with(begins), "{called}");
    let query = fields(called.split_once('?').unwrap().1);
    assert!(query.contains(&("ref".to_owned(), "aaaaaabbbbbbccccccdddddd".to_owned())), "{query:?}");
    assert!(query.contains(&("state".to_owned(), "1".to_owned())), "{query:?}");
}

#[test]
fn a_header_cannot_be_broken_out_of() {
    let now: Timestamp = "2022-01-24T12:00:00Z".parse().unwrap();
    let (_, profile, _, mut account) = all().into_iter().find(|(name, ..)| *name == "telnyx").unwrap();
    account.secrets.insert("api_key".to_owned(), vec!["KEY\r\nX-Other: 1".to_owned().into()]);
    assert!(profile.send(&account, &submission("hello", now), now).is_err());
}

#[test]
fn a_text_past_its_deadline_or_empty_is_not_sent() {
    let now: Timestamp = "2022-01-24T12:00:00Z".parse().unwrap();
    for (provider, profile, _, account) in all() {
        let late = Submission { valid_until: now, ..submission("hello", now) };
        assert!(profile.send(&account, &late, now).is_err(), "{provider}");
        assert!(profile.send(&account, &submission("", now), now).is_err(), "{provider}: an empty text");
        let nobody = Submission { to: "07700900123".to_owned(), ..submission("hello", now) };
        let why = profile.send(&account, &nobody, now).unwrap_err();
        assert!(!why.contains("900123"), "{provider}: {why}");
    }
}

#[test]
fn a_text_of_too_many_parts_is_refused_before_a_gateway_cuts_it() {
    let (_, profile, _, _): (_, Profile, _, _) = all().into_iter().find(|(name, ..)| *name == "kannel").unwrap();
    assert!(profile.check_text(&"a".repeat(6 * 153)).is_ok());
    assert_eq!(profile.check_text(&"a".repeat(6 * 153 + 1)).unwrap_err(), "the text has 7 parts, this gateway takes 6");
}
