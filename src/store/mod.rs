//! The store: one SQL text for SQLite and PostgreSQL. [`commit`](Store::commit) is the one way decisions are written;
//! the other named writes are the claim, the sweep, workers and their leases, the fence, id blocks, the ledger's seals, and
//! erasure (by a person's wish, and by age). Everything else reads.
//!
//! The differences between the engines, all of them: the lock clause of the claim, how a transaction begins, pragmas.
//! No database clock is read: every instant is a parameter. `tests/store.rs` runs every statement on both engines.

mod beside;
mod claim;
mod commit;
mod db;
mod error;
mod fence;
mod forget;
mod hint;
mod imports;
mod ledger;
mod line;
mod meta;
mod open;
mod packed;
mod pages;
mod pulse;
mod retention;
mod sabotage;
mod strays;
mod suppressions;
mod sweep;
mod traces;
mod verify;
mod views;
mod views_consent;
mod views_contacts;
mod views_doubts;
mod views_messages;
mod views_reached;
mod views_report;
mod wordings;
mod workers;
mod write_messages;

pub use claim::{ClaimRequest, LineTerms, Turn, claim};
pub use db::{Db, Row, Tx};
pub use error::StoreError;
pub use forget::Forgotten;
pub use hint::{Hint, Hints};
pub use imports::{ImportRow, OptIn};
pub use ledger::Seal;
pub use meta::Identity;
pub use open::{Place, SCHEMA_VERSION};
pub use pulse::Pulse;
pub use retention::{LastNight, Night};
pub use sabotage::Sabotage;
pub use suppressions::{FORGOTTEN, Suppression};
pub use sweep::Swept;
pub use traces::{Traces, traces};
pub use verify::{Broken, Verified};
pub use views::{BroadcastRow, CampaignRow, InboundRow, Unread};
pub use views_consent::Answer;
pub use views_contacts::EventRow;
pub use views_doubts::Doubts;
pub use views_messages::{ConversationLine, Counts, LedgerLine, MessageRow};
pub use views_reached::LastText;
pub use views_report::Group;
pub use workers::{LEASE, Recruit, WorkerRow};

/// An open, migrated database.
#[derive(Debug)]
pub struct Store {
    db: Db,
    identity: Identity,
    /// The server's identity when this was opened; none on SQLite.
    home: Option<String>,
}
