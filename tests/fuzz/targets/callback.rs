//! Any body that a gateway could post, for each profile that ships. Two passes: as it comes, where nothing may be taken for
//! genuine, and behind the signature's check (the profile with a secret path in its place), where it is read.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use ringround::gateway::{Account, Incoming, Method, Profile, SHIPPED};
use secrecy::SecretString;
use std::sync::LazyLock;

const SECRET: &str = "a-secret-path-0123456789";

static PROFILES: LazyLock<Vec<(Profile, Profile)>> = LazyLock::new(|| {
    let read = |source: &str| {
        let (profile, problems) = Profile::parse(source);
        profile.unwrap_or_else(|| panic!("a profile that ships: {problems:#?}"))
    };
    SHIPPED.iter().map(|(_, source)| (read(source), read(&unlocked(source)))).collect()
});

/// The profile's text with a secret path in place of its signature's check.
fn unlocked(source: &str) -> String {
    let (before, after) = source.split_once("[callbacks.verify").expect("callbacks are verified");
    let on = after.find("[[callbacks.on]]").expect("what callbacks mean");
    let key = after[..on].split("key = \"").nth(1).or_else(|| after[..on].split("secret = \"").nth(1));
    let key = key.and_then(|rest| rest.split('"').next()).expect("the name of the key it is verified with");
    format!("{before}[callbacks.verify.secret_path]\nsecret = \"{key}\"\n\n{}", &after[on..])
}

/// `public`: a key for signatures, where one is needed.
fn account(public: bool) -> Account {
    let names = ["callback", "auth_token", "public_key", "signing_key"];
    let key = |name| if public && name == "public_key" { "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" } else { SECRET };
    Account {
        base_url: None,
        settings: Default::default(),
        secrets: names.map(|name| (name.to_owned(), vec![SecretString::from(key(name))])).into(),
        callback_url: Some("https://sms.example.org/hooks/main".to_owned()),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [profile, way, rest @ ..] = bytes else { return };
    let (locked, open) = &PROFILES[usize::from(*profile) % PROFILES.len()];
    let now: Timestamp = "2022-01-24T12:00:00Z".parse().expect("an instant");
    let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let query = String::from_utf8_lossy(&rest[..line]);
    let body = rest.get(line + 1..).unwrap_or_default();
    let method = if way & 1 == 0 { Method::Post } else { Method::Get };
    let path = ["", "/report", "/inbound", "/"][usize::from(way >> 1) % 4];
    let kind = if way & 16 == 0 { "application/json" } else { "application/x-www-form-urlencoded" };
    let headers = [("content-type".to_owned(), kind.to_owned())];
    let incoming = |target| Incoming { method, target, headers: &headers, body };
    let target = format!("{path}?{query}");
    assert!(locked.receive(&account(true), &incoming(&target), now).is_err(), "nobody signed it");
    let (account, target) = (account(false), format!("/{SECRET}{target}"));
    if let Ok(received) = open.receive(&account, &incoming(&target), now) {
        let again = open.receive(&account, &incoming(&target), now).expect("what was read once");
        assert_eq!(received.events, again.events);
    }
});
