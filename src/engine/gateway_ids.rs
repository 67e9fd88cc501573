//! The ids that a gateway gave lately. One id for two texts means that one of them has no name of its own there: a
//! person has to look, and nothing is sent again because of it.

use crate::domain::ids::Id;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// So many are remembered: at 50 texts a second, those of three minutes.
const REMEMBERED: usize = 10_000;

/// See the module's head. Hashes are kept, not ids: of 10,000 two are equal by chance once in 10^11 times.
#[derive(Debug, Default)]
pub struct GatewayIds {
    by_id: HashMap<u64, Id>,
    order: VecDeque<u64>,
    conflicts: u64,
}

impl GatewayIds {
    /// Remembers an id; says to which other text it was given before, and how often that has happened by now.
    pub fn given(&mut self, gateway_id: &str, message: Id) -> Option<(Id, u64)> {
        if gateway_id.is_empty() {
            return None; // this gateway gives none
        }
        let mut hasher = DefaultHasher::new();
        gateway_id.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(first) = self.by_id.get(&hash) {
            let other = (*first != message).then_some(*first)?;
            self.conflicts += 1;
            return Some((other, self.conflicts));
        }
        self.by_id.insert(hash, message);
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_for_two_texts_is_noticed_and_counted() {
        let mut ids = GatewayIds::default();
        assert_eq!(ids.given("a", 1), None);
        assert_eq!(ids.given("a", 1), None, "the same text");
        assert_eq!(ids.given("b", 2), None);
        assert_eq!(ids.given("a", 3), Some((1, 1)));
        assert_eq!(ids.given("b", 3), Some((2, 2)));
        assert_eq!((ids.given("", 4), ids.given("", 5)), (None, None), "a gateway that gives none");
    }

    #[test]
    fn it_forgets_what_is_long_ago_and_does_not_grow() {
        let mut ids = GatewayIds::default();
        for message in 0..50_000 {
            assert_eq!(ids.given(&message.to_string(), message), None);
        }
        assert_eq!((ids.by_id.len(), ids.order.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(ids.given("49999", 1), Some((49_999, 1)));
        assert_eq!(ids.given("0", 1), None);
    }
}
