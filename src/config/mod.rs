//! Configuration: TOML in, checked values out. Every problem is found at once and knows its place in the file; unknown
//! keys are refused with the key that was probably meant. No environment, no clock, no database.

pub mod campaign;
pub mod credentials;
pub mod gateway;
mod list;
mod reader;
pub mod retention;
pub mod settings;

pub use campaign::read_campaign;
pub use gateway::{GatewaySettings, SecretPlace};
pub use retention::Retention;
pub use settings::Settings;

/// The defaults file: compiled in, and the reference of every key.
pub const DEFAULTS: &str = include_str!("../../config/defaults.toml");
