//! Gateways as data: every profile against its fixtures, hostile texts, forged callbacks, garbage, and its own typos.

#![allow(missing_docs, clippy::unwrap_used)]

mod gateway {
    pub mod fixtures;
    pub mod forged;
    pub mod garbage;
    pub mod hostile;
    pub mod table;
    pub mod waits;
    pub mod written;
}
