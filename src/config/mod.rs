//! Configuration: TOML in, checked values out. Every problem is found at once and knows its place in the file; unknown
//! keys are refused with the key that was probably meant. No environment, no clock, no database.

pub mod campaign;
mod reader;
pub mod settings;

pub use campaign::read_campaign;
pub use settings::{GatewaySettings, Settings};

/// The defaults file: compiled in, and the reference of every key.
pub const DEFAULTS: &str = include_str!("../../config/defaults.toml");
