//! The `[retention]` and `[suppression]` tables: how long what is personal is kept, and where the key of number hashes is.

use super::gateway::{SecretPlace, read_secret};
use super::reader::Reader;

/// A hundred years.
const LONGEST: i64 = 36_500;

/// How many days what is kept; none: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The local hour at which what is too old is removed.
    pub hour: i8,
    /// Texts of ours, after their campaign has ended.
    pub message_bodies: Option<i64>,
    /// Received texts, and who wrote them.
    pub inbound_bodies: Option<i64>,
    /// Delivery reports.
    pub reports: Option<i64>,
    /// What entries of the ledger rest on, but for those of consent.
    pub event_details: Option<i64>,
}

impl Retention {
    /// Reads the table over what is known.
    pub(super) fn overlay(&mut self, table: &Reader<'_>) {
        if let Some(hour) = table.number("hour", 0..=23) {
            self.hour = i8::try_from(hour).unwrap_or(0);
        }
        let days = |key, kept: &mut Option<i64>| {
            if let Some(days) = table.number(key, 0..=LONGEST) {
                *kept = (days > 0).then_some(days);
            }
        };
        days("message_bodies_days", &mut self.message_bodies);
        days("inbound_bodies_days", &mut self.inbound_bodies);
        days("reports_days", &mut self.reports);
        days("event_details_days", &mut self.event_details);
        table.finish();
    }
}

/// Where the key of number hashes is kept, if it is kept outside the database.
pub(super) fn suppression_key(table: &Reader<'_>) -> Option<SecretPlace> {
    let key = table.has("key").then(|| table.entries().find(|(name, ..)| name == "key")).flatten();
    table.finish();
    key.and_then(|(_, _, value, at)| read_secret(table, value, at))
}
