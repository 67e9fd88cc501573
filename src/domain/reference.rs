//! The reference: the name under which a gateway knows a message, and by which a report finds its way back.
//!
//! Generation (random, new after every restore) + message id + keyed check, in 24 characters of `[a-z2-7]`. Never used
//! twice, because ids are not and a restored database draws a new generation; not guessable, because of the check: a
//! forged report dies here, before it reaches the database. It needs no column.

use super::ids::Id;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 3 bytes generation, 8 bytes id, 4 bytes check: 15 bytes are exactly 24 characters.
const GENERATION_BYTES: usize = 3;
const CHECK_BYTES: usize = 4;

/// Makes references and reads them back.
#[derive(Clone)]
pub struct Mint {
    /// (first message id, generation), ascending: a restore begins a new one.
    generations: Vec<(Id, [u8; GENERATION_BYTES])>,
    key: [u8; 32],
}

impl Mint {
    /// A mint for a database's generations: (the first message id that carries it, the generation), ascending. `key` is
    /// 32 random bytes kept with the database.
    pub fn new(generations: &[(Id, u32)], key: [u8; 32]) -> Self {
        let bytes = |generation: u32| {
            let [_, a, b, c] = generation.to_be_bytes();
            [a, b, c]
        };
        Self { generations: generations.iter().map(|(first, g)| (*first, bytes(*g))).collect(), key }
    }

    /// The generation of a message: the last one that began at or before it.
    fn generation(&self, message: Id) -> [u8; GENERATION_BYTES] {
        let before = self.generations.iter().rev().find(|(first, _)| *first <= message);
        before.map(|(_, generation)| *generation).unwrap_or_default()
    }

    /// The reference of a message.
    pub fn reference(&self, message: Id) -> String {
        let mut bytes = Vec::with_capacity(15);
        bytes.extend(self.generation(message));
        bytes.extend(message.to_be_bytes());
        let check = self.mac(&bytes).finalize().into_bytes();
        bytes.extend(&check[..CHECK_BYTES]);
        encode(&bytes)
    }

    /// The message behind a reference; none for anything forged or foreign, and for an id that was given out again after
    /// a restore.
    pub fn message(&self, reference: &str) -> Option<Id> {
        let bytes = decode(reference)?;
        let (body, check) = bytes.split_at_checked(GENERATION_BYTES + 8)?;
        let (generation, id) = body.split_at_checked(GENERATION_BYTES)?;
        self.mac(body).verify_truncated_left(check).ok()?; // constant time
        let message = Id::from_be_bytes(id.try_into().ok()?);
        (generation == self.generation(message)).then_some(message)
    }

    /// Did we make this reference, in whatever generation? A forged one we did not.
    pub fn is_ours(&self, reference: &str) -> bool {
        let bytes = decode(reference);
        let parts = bytes.as_deref().and_then(|bytes| bytes.split_at_checked(GENERATION_BYTES + 8));
        parts.is_some_and(|(body, check)| self.mac(body).verify_truncated_left(check).is_ok())
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length").chain_update(body)
    }
}

fn encode(bytes: &[u8]) -> String {
    bytes
        .chunks(5)
        .flat_map(|chunk| {
            let mut block = [0u8; 8];
            block[3..3 + chunk.len()].copy_from_slice(chunk);
            let bits = u64::from_be_bytes(block);
            (0..8).map(move |i| char::from(ALPHABET[usize::try_from(bits >> (35 - 5 * i) & 31).unwrap_or(0)]))
        })
        .collect()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() != 24 {
        return None;
    }
    let mut bytes = Vec::with_capacity(15);
    for chunk in text.as_bytes().chunks(8) {
        let mut bits = 0u64;
        for c in chunk {
            bits = bits << 5 | u64::try_from(ALPHABET.iter().position(|a| a == c)?).ok()?;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_leads_back_to_its_message_and_only_to_it() {
        let mint = Mint::new(&[(0, 0x00ab_cdef)], [7; 32]);
        for id in [0, 1, 41, i64::from(u32::MAX), i64::MAX] {
            let reference = mint.reference(id);
            assert_eq!(reference.len(), 24);
            assert_eq!(mint.message(&reference), Some(id));
            assert_eq!(Mint::new(&[(0, 0x00ab_cdee)], [7; 32]).message(&reference), None, "another generation");
            assert_eq!(Mint::new(&[(0, 0x00ab_cdef)], [8; 32]).message(&reference), None, "another key");
        }
    }

    #[test]
    fn after_a_restore_an_id_given_out_again_is_another_reference() {
        let before = Mint::new(&[(0, 1)], [7; 32]);
        let after = Mint::new(&[(0, 1), (100, 2)], [7; 32]);
        assert_eq!(after.reference(99), before.reference(99), "what was there is still known by its name");
        assert_ne!(after.reference(100), before.reference(100));
        assert_eq!(after.message(&before.reference(99)), Some(99));
        assert_eq!(after.message(&before.reference(100)), None, "a text that this database has forgotten");
        assert!(after.is_ours(&before.reference(100)) && !after.is_ours("aaaaaaaaaaaaaaaaaaaaaaaa"));
        assert_eq!(after.message(&after.reference(100)), Some(100));
    }

    #[test]
    fn no_changed_character_survives() {
        let mint = Mint::new(&[(0, 1)], [9; 32]);
        let good = mint.reference(123_456);
        for at in 0..good.len() {
            for c in "abz27".chars().filter(|c| good.chars().nth(at) != Some(*c)) {
                let mut forged: Vec<char> = good.chars().collect();
                forged[at] = c;
                assert_eq!(mint.message(&forged.iter().collect::<String>()), None, "position {at}");
            }
        }
        for wrong in ["", "a", "ÄÄÄÄÄÄÄÄÄÄÄÄ", &good[1..], "AAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(mint.message(wrong), None);
        }
    }
}
