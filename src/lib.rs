//! ringround texts families what they asked to be told: once, in time, and never after STOP.
//!
//! ARCHITECTURE.md is the map; `tests/layering.rs` holds the modules to it.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod engine;
pub mod fault;
pub mod gateway;
pub mod store;
