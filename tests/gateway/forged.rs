//! Forged callbacks: ten thousand changed ones per profile, and not one is taken.

use super::fixtures::{Headers, all, method};
use ringround::gateway::{Incoming, Rejected};

const CHANGED: usize = 10_000;

/// SplitMix64, so that the same forgeries are tried every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// Changes one place: a bit, a byte more, a byte less, an end cut off, two bytes exchanged.
fn change(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let at = random.below(changed.len());
    match random.below(5) {
        _ if changed.is_empty() => changed.push(b'x'),
        0 => changed[at] ^= 1 << random.below(8),
        1 => changed.insert(at, u8::try_from(random.below(256)).unwrap()),
        2 => drop(changed.remove(at)),
        3 => changed.truncate(at),
        _ => {
            let other = random.below(changed.len());
            changed.swap(at, other);
        }
    }
    changed
}

fn change_text(text: &str, random: &mut Random) -> String {
    String::from_utf8_lossy(&change(text.as_bytes(), random)).into_owned()
}

/// Forms are signed by what they mean: another spelling of the same names and values is the same form.
fn meaning(body: &[u8]) -> Vec<(String, String)> {
    let mut fields: Vec<_> = form_pairs(body);
    fields.sort();
    fields.dedup();
    fields
}

fn form_pairs(body: &[u8]) -> Vec<(String, String)> {
    let body = String::from_utf8_lossy(body).replace('+', " ");
    let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    let pairs = body.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decode(n), decode(v))).collect()
}

struct Forged {
    target: String,
    headers: Headers,
    body: Vec<u8>,
}

fn forge(genuine: &Forged, proofs: &[&str], random: &mut Random) -> Option<Forged> {
    let mut forged =
        Forged { target: genuine.target.clone(), headers: genuine.headers.clone(), body: genuine.body.clone() };
    let is_proof = |name: &str| proofs.iter().any(|proof| proof.eq_ignore_ascii_case(name));
    let proof = forged.headers.iter().position(|(name, _)| is_proof(name));
    match (random.below(3), proof) {
        (0, Some(at)) if random.below(20) == 0 => drop(forged.headers.remove(at)),
        (0, Some(_)) => {
            let all: Vec<usize> = (0..forged.headers.len()).filter(|i| is_proof(&forged.headers[*i].0)).collect();
            let at = all[random.below(all.len())];
            forged.headers[at].1 = change_text(&forged.headers[at].1, random);
        }
        _ => forged.body = change(&forged.body, random),
    }
    let same = forged.headers == genuine.headers && meaning(&forged.body) == meaning(&genuine.body);
    (forged.body != genuine.body && !same || forged.headers != genuine.headers).then_some(forged)
}

#[test]
fn no_changed_callback_of_a_signing_provider_is_taken() {
    let proofs: [(&str, &[&str]); 3] = [
        ("twilio", &["x-twilio-signature"]),
        ("telnyx", &["telnyx-signature-ed25519", "telnyx-timestamp"]),
        ("smsgate", &["x-signature", "x-timestamp"]),
    ];
    for (provider, profile, cases, account) in all() {
        let Some((_, proofs)) = proofs.iter().find(|(name, _)| *name == provider) else { continue };
        let genuine: Vec<_> =
            cases.callback.iter().filter(|c| c.rejected.is_none() && c.callback_url.is_none()).collect();
        let mut random = Random(2022);
        let mut tried = 0;
        while tried < CHANGED {
            let case = genuine[random.below(genuine.len())];
            let original = Forged {
                target: case.target.clone(),
                headers: case.headers.clone(),
                body: case.body.clone().into_bytes(),
            };
            let Some(forged) = forge(&original, proofs, &mut random) else { continue };
            tried += 1;
            let incoming = Incoming {
                method: method(&case.method),
                target: &forged.target,
                headers: &forged.headers,
                body: &forged.body,
            };
            let taken = profile.receive(&account, &incoming, case.now);
            let body = String::from_utf8_lossy(&forged.body);
            assert!(taken.is_err(), "{provider}: {}: {taken:?} of {body} {:?}", case.name, forged.headers);
        }
    }
}

#[test]
fn no_changed_token_or_secret_path_is_taken() {
    for (provider, profile, cases, account) in all() {
        if !["kannel", "gov-uk-notify"].contains(&provider) {
            continue;
        }
        let case = cases.callback.iter().find(|c| c.rejected.is_none()).unwrap();
        let secrets: Vec<&String> = cases.account.secrets["callback"].iter().collect();
        let mut random = Random(2023);
        for _ in 0..CHANGED {
            let changed = change_text(secrets[0], &mut random);
            if secrets.contains(&&changed) || changed.contains(['/', '?']) {
                continue;
            }
            let swap = |text: &str| text.replace(secrets[0].as_str(), &changed);
            let headers: Headers = case.headers.iter().map(|(name, value)| (name.clone(), swap(value))).collect();
            let target = swap(&case.target);
            let incoming = Incoming {
                method: method(&case.method),
                target: &target,
                headers: &headers,
                body: case.body.as_bytes(),
            };
            assert!(profile.receive(&account, &incoming, case.now).is_err(), "{provider}: {changed}");
        }
    }
}

#[test]
fn a_proof_that_stands_there_twice_is_no_proof() {
    for (provider, profile, cases, account) in all() {
        if provider == "kannel" {
            continue;
        }
        let case = cases.callback.iter().find(|c| c.rejected.is_none() && c.callback_url.is_none()).unwrap();
        let mut headers = case.headers.clone();
        headers.extend(case.headers.clone());
        let incoming = Incoming {
            method: method(&case.method),
            target: &case.target,
            headers: &headers,
            body: case.body.as_bytes(),
        };
        assert_eq!(profile.receive(&account, &incoming, case.now).unwrap_err(), Rejected::Unverified, "{provider}");
    }
}

#[test]
fn without_keys_nothing_is_genuine() {
    for (provider, profile, cases, mut account) in all() {
        for keys in [Vec::new(), vec![String::new().into()]] {
            for secret in account.secrets.values_mut() {
                secret.clone_from(&keys);
            }
            for case in &cases.callback {
                let incoming = Incoming {
                    method: method(&case.method),
                    target: &case.target,
                    headers: &case.headers,
                    body: case.body.as_bytes(),
                };
                let taken = profile.receive(&account, &incoming, case.now);
                assert_eq!(taken.unwrap_err(), Rejected::Unverified, "{provider}: {}", case.name);
            }
        }
    }
}

#[test]
fn a_callback_of_many_bytes_is_not_even_verified() {
    for (_, profile, cases, account) in all() {
        let body = vec![b'x'; 64 * 1024 + 1];
        let case = &cases.callback[0];
        let incoming =
            Incoming { method: method(&case.method), target: &case.target, headers: &case.headers, body: &body };
        let why = profile.receive(&account, &incoming, case.now).unwrap_err();
        assert_eq!((why, why.status()), (Rejected::TooLarge, 413));
    }
}
