//! The store's conformance suite: every statement of `src/store` on SQLite and on PostgreSQL, with concurrent cases.

#![allow(clippy::unwrap_used)]

mod support;

/// The simulator once more, on this package's own types: its model store is compared with the real one.
#[path = "simulator"]
#[allow(dead_code, reason = "what only the simulator's own runs use")]
mod simulator {
    pub mod acts;
    pub mod fixes;
    pub mod intake;
    pub mod judge;
    pub mod model;
    pub mod operations;
    pub mod reports;
    pub mod rows;
    pub mod run;
    pub mod seed;
    pub mod sending;
    pub mod shell;
    pub mod sim;
    pub mod tally;
    pub mod views;
    pub mod workers;
    pub mod world;
}

mod store {
    mod agreement;
    mod answering;
    mod claims;
    mod edges;
    mod fence;
    mod forgetting;
    mod gateway_optouts;
    mod guards;
    mod imports;
    mod joining;
    mod ledger;
    mod made;
    mod opening;
    mod races;
    mod reached;
    mod receiving;
    mod retention;
    mod same;
    mod sending;
    mod statements;
    mod unread;
    mod views;
    mod views_doubts;
    mod views_messages;
    mod workers;
    mod writes;
}
