//! The store's conformance suite: every statement of `src/store` on SQLite and on PostgreSQL, with concurrent cases.

#![allow(clippy::unwrap_used)]

mod support;

mod store {
    mod agreement;
    mod claims;
    mod edges;
    mod fence;
    mod guards;
    mod made;
    mod opening;
    mod operations;
    mod races;
    mod receiving;
    mod sending;
    mod statements;
    mod views;
    mod views_doubts;
    mod views_messages;
    mod workers;
    mod writes;
}
