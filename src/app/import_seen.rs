//! The numbers that a file has named so far, packed as closely as a sheet of a million rows asks for: 16 bytes a row.

use crate::domain::contact::{ContactDraft, Edit};
use crate::domain::phone::Phone;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A number of at most fifteen digits (fifty bits), its row, sixteen bits of its name. A number of zero: nobody.
type Slot = [u8; 13];

/// A table that is made once, large enough for all, and looked through from where the number's hash says.
#[derive(Debug)]
pub(super) struct Seen(Vec<Slot>);

impl Seen {
    /// For so many numbers.
    pub(super) fn new(at_most: u64) -> Self {
        let rows = usize::try_from(at_most).unwrap_or(usize::MAX / 64);
        Self(vec![Slot::default(); rows + rows / 4 + 16])
    }

    fn number(phone: &Phone) -> u64 {
        phone.e164().trim_start_matches('+').parse().unwrap_or(0)
    }

    /// Where this number stands, or the first free place for it.
    fn place(&self, number: u64) -> usize {
        let mut hasher = DefaultHasher::new();
        number.hash(&mut hasher);
        let begin = usize::try_from(hasher.finish() % self.0.len() as u64).unwrap_or(0);
        let wanted = &number.to_le_bytes()[..7];
        let order = (begin..self.0.len()).chain(0..begin);
        let fits = |at: &usize| self.0[*at][..7] == *wanted || self.0[*at][..7] == [0; 7];
        order.into_iter().find(fits).unwrap_or(begin) // never full: it was made for all rows of the file
    }

    /// The row in which this number was before, and whether it had another name there. One pair of names in 65,536 has the
    /// same sixteen bits, and counts as a plain repeat.
    pub(super) fn before(&mut self, row: &ContactDraft) -> Option<(u64, bool)> {
        let name = match &row.name {
            Edit::Set(name) => {
                let mut hasher = DefaultHasher::new();
                name.to_lowercase().split_whitespace().for_each(|word| word.hash(&mut hasher));
                u16::try_from(hasher.finish() % 0xffff).unwrap_or(0) + 1
            }
            _ => 0,
        };
        let number = Self::number(&row.phone);
        let at = self.place(number);
        if self.0[at][..7] != [0; 7] {
            let read = |range: std::ops::Range<usize>| {
                self.0[at][range].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
            };
            let (line, first) = (read(7..11), read(11..13));
            return Some((line, name != 0 && first != 0 && u64::from(name) != first));
        }
        let line = u32::try_from(row.line).unwrap_or(u32::MAX);
        self.0[at][..7].copy_from_slice(&number.to_le_bytes()[..7]);
        self.0[at][7..11].copy_from_slice(&line.to_le_bytes());
        self.0[at][11..].copy_from_slice(&name.to_le_bytes());
        None
    }

    /// Has this number been?
    pub(super) fn holds(&self, phone: &Phone) -> bool {
        self.0[self.place(Self::number(phone))][..7] != [0; 7]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, number: u64, name: Option<&str>) -> ContactDraft {
        ContactDraft {
            line,
            phone: Phone::from_e164(&format!("+{number}")).unwrap(),
            name: name.map_or(Edit::Keep, |name| Edit::Set(name.to_owned())),
            language: Edit::Keep,
            internet: Edit::Keep,
            tags: Edit::Keep,
            permission: None,
        }
    }

    #[test]
    fn each_number_once_and_two_people_on_one_phone_are_seen() {
        let mut seen = Seen::new(1000);
        for n in 0..1000 {
            assert_eq!(seen.before(&row(n + 2, 447_700_900_000 + n, Some("Ann B"))), None);
        }
        for n in 0..1000 {
            let before = |name, seen: &mut Seen| seen.before(&row(5000, 447_700_900_000 + n, name));
            assert_eq!(before(Some(" ann  B"), &mut seen), Some((n + 2, false)));
            assert_eq!(before(None, &mut seen), Some((n + 2, false)));
            assert_eq!(before(Some("Bob"), &mut seen), Some((n + 2, true)));
        }
        assert!(seen.holds(&row(1, 447_700_900_999, None).phone));
        assert!(!seen.holds(&row(1, 447_700_901_000, None).phone));
    }
}
