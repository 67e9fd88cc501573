//! One table test for all providers: what is sent, byte for byte, and what is made of what comes back.

use super::fixtures::{all, answer, event, exposed, method, outcome, probed};
use jiff::Timestamp;
use ringround::domain::doubt::LookUp;
use ringround::gateway::{Asked, Incoming, Submission};
use secrecy::ExposeSecret;

#[test]
fn every_account_of_the_fixtures_is_complete() {
    for (name, profile, _, account) in all() {
        assert_eq!(profile.check_account(&account), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn requests_are_as_the_provider_wants_them() {
    for (provider, profile, cases, account) in all() {
        assert!(!cases.send.is_empty());
        for case in &cases.send {
            let at = format!("{provider}: {}", case.name);
            let submission = Submission {
                reference: case.reference.clone(),
                to: case.to.clone(),
                text: case.text.clone(),
                valid_until: case.valid_until,
                handed_at: case.now,
            };
            let request = match (profile.send(&account, &submission, case.now), &case.refused) {
                (Err(why), Some(refused)) => {
                    assert_eq!(&why, refused, "{at}");
                    continue;
                }
                (made, _) => made.unwrap_or_else(|why| panic!("{at}: {why}")),
            };
            assert_eq!(Some(request.method.as_str()), case.method.as_deref(), "{at}");
            assert_eq!(Some(request.url.expose_secret()), case.url.as_deref(), "{at}");
            assert_eq!(exposed(&request.headers), case.headers, "{at}");
            let body = request.body.as_ref().map(|body| std::str::from_utf8(body).unwrap());
            assert_eq!(body, case.body.as_deref(), "{at}");
            hides_what_nobody_should_see(&at, &request, &cases.account, &case.to);
        }
    }
}

fn hides_what_nobody_should_see(
    at: &str,
    request: &ringround::gateway::Request,
    account: &super::fixtures::Given,
    to: &str,
) {
    for seen in [request.shown(), format!("{request:?}")] {
        assert!(!seen.contains(to.trim_start_matches('+')), "{at}: {seen}");
        for key in account.secrets.values().flatten() {
            let escaped = key.replace('&', "%26").replace(' ', "%20");
            assert!(!seen.contains(key) && !seen.contains(&escaped), "{at}: {seen}");
        }
        assert!(!seen.contains("eyJ") && !seen.contains("Basic c") && !seen.contains("Basic U"), "{at}: {seen}");
    }
    assert!(request.shown().contains("•••"), "{at}: {}", request.shown());
}

#[test]
fn answers_mean_what_they_mean() {
    for (provider, profile, cases, _) in all() {
        assert!(cases.answer.len() > 15);
        let now: Timestamp = "2022-01-24T12:00:00Z".parse().unwrap();
        for case in &cases.answer {
            let answer = answer(case.status, &case.headers, case.body.as_bytes(), case.truncated);
            assert_eq!(outcome(&profile.outcome(&answer, now)), case.outcome, "{provider}: {}", case.name);
        }
    }
}

#[test]
fn callbacks_are_verified_read_and_answered() {
    for (provider, profile, cases, account) in all() {
        let refused = |why: &str| cases.callback.iter().filter(|c| c.rejected.as_deref() == Some(why)).count();
        assert!(refused("Unverified") >= 3, "{provider}");
        for case in &cases.callback {
            let at = format!("{provider}: {}", case.name);
            let account = ringround::gateway::Account {
                callback_url: case.callback_url.clone().or(account.callback_url.clone()),
                ..account.clone()
            };
            let incoming = Incoming {
                method: method(&case.method),
                target: &case.target,
                headers: &case.headers,
                body: case.body.as_bytes(),
            };
            match profile.receive(&account, &incoming, case.now) {
                Err(why) => assert_eq!(Some(format!("{why:?}")), case.rejected, "{at}"),
                Ok(received) => {
                    assert_eq!(case.rejected, None, "{at}: {received:?}");
                    let events: Vec<String> = received.events.iter().map(event).collect();
                    assert_eq!(Some(&events), case.events.as_ref(), "{at}");
                    let reply = received.reply;
                    let kind = reply.content_type.unwrap_or_default();
                    let reply = format!("{} {kind} {}", reply.status, reply.body);
                    assert_eq!(Some(reply.trim_end()), case.reply.as_deref(), "{at}");
                }
            }
        }
    }
}

#[test]
fn copies_of_a_report_have_one_fingerprint_and_other_reports_another() {
    for (provider, profile, cases, account) in all() {
        let mut seen = std::collections::BTreeMap::new();
        for case in cases.callback.iter().filter(|c| c.rejected.is_none() && c.callback_url.is_none()) {
            let incoming = Incoming {
                method: method(&case.method),
                target: &case.target,
                headers: &case.headers,
                body: case.body.as_bytes(),
            };
            for received in profile.receive(&account, &incoming, case.now).expect(&case.name).events {
                let told = event(&received);
                let ringround::gateway::CallbackEvent::Report { fingerprint, .. } = received else { continue };
                if !told.contains("fingerprint=") {
                    assert_eq!(seen.entry(fingerprint).or_insert(told.clone()), &told, "{provider}");
                }
            }
        }
    }
}

#[test]
fn look_ups_find_believe_and_doubt() {
    for (provider, profile, cases, account) in all() {
        let now = "2022-01-24T12:02:00Z".parse().unwrap();
        assert_eq!(
            profile.class() == ringround::gateway::Class::D,
            cases.look_up.is_empty(),
            "{provider}: a class is proven"
        );
        for case in &cases.look_up {
            let at = format!("{provider}: {}", case.name);
            let asked =
                Asked { reference: &case.reference, to: &case.to, text: &case.text, submitted_at: case.submitted_at };
            let request = profile.look_up(&account, &asked, now).unwrap();
            assert_eq!(request.url.expose_secret(), case.url, "{at}");
            assert_eq!(request.method.as_str(), case.method, "{at}");
            assert!(!exposed(&request.headers).is_empty(), "{at}: it asks with credentials");
            let found =
                profile.looked_up(&asked, &answer(case.status, &case.headers, case.body.as_bytes(), case.truncated));
            let found = match found {
                LookUp::Found { gateway_id } => format!("found {gateway_id}"),
                LookUp::Absent => "absent".to_owned(),
                LookUp::Unknown => "unknown".to_owned(),
                LookUp::Failed => "failed".to_owned(),
                LookUp::Mute => "mute".to_owned(),
            };
            assert_eq!(found, case.found, "{at}");
        }
    }
}

#[test]
fn polling_walks_back_until_it_meets_what_it_knows() {
    for (provider, profile, cases, account) in all() {
        assert_eq!(profile.poll_every().is_none(), cases.poll.is_empty(), "{provider}");
        for case in &cases.poll {
            let at = format!("{provider}: {}", case.name);
            let now = "2022-01-24T12:00:00Z".parse().unwrap();
            let request = profile.poll(&account, case.cursor.as_deref(), now).unwrap();
            assert_eq!(request.url.expose_secret(), case.url, "{at}");
            let answer = answer(case.status, &case.headers, case.body.as_bytes(), false);
            match profile.polled(case.cursor.as_deref(), &answer) {
                Err(why) => assert_eq!(Some(why), case.error, "{at}"),
                Ok(page) => {
                    let texts: Vec<String> = page.texts.iter().map(event).collect();
                    assert_eq!(Some(&texts), case.texts.as_ref(), "{at}");
                    assert_eq!(page.cursor, case.next, "{at}");
                    assert_eq!(Some(page.more), case.more, "{at}");
                }
            }
        }
    }
}

/// A closed line asks for what is there and gives away nothing: no text, and no number that is anybody's.
#[test]
fn a_probe_is_no_text_and_every_well_formed_answer_will_do() {
    for (provider, profile, cases, account) in all() {
        assert_eq!(profile.can_be_probed(), !cases.probe.is_empty(), "{provider}");
        let now = "2022-01-24T12:00:00Z".parse().unwrap();
        for case in &cases.probe {
            let at = format!("{provider}: {}", case.name);
            let request = profile.probe(&account, "aaaaaaaaaaaaaaaaaaaaaaaa", now).unwrap();
            assert_eq!((request.method.as_str(), request.url.expose_secret()), ("GET", case.url.as_str()), "{at}");
            assert!(!exposed(&request.headers).is_empty(), "{at}: it asks with credentials");
            let answer = answer(case.status, &case.headers, case.body.as_bytes(), case.truncated);
            assert_eq!(probed(&profile.probed(&answer, now)), case.probed, "{at}");
            assert_eq!(profile.balanced(&answer), case.balance, "{at}");
        }
    }
}
