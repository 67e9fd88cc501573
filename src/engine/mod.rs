//! Verbs: every decision, as a function of values and `now`. No I/O, no clock, no randomness: whoever calls these has
//! read the store, and commits what they return.

pub mod admit;
pub mod check;
pub mod choose;
pub mod deliver;
pub mod doubt;
pub mod fill;
pub mod freeze;
pub mod gateway_ids;
pub mod hour;
pub mod inbound;
pub mod leave;
pub mod line;
pub mod may_send;
pub mod pause;
pub mod plan;
pub mod report;
pub mod review;
pub mod send_test;
mod tone;
pub mod undo;
