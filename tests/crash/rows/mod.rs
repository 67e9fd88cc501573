//! The rows of the fault matrix, by what breaks.

pub mod answers;
pub mod clock;
pub mod database;
pub mod disk;
pub mod gateway;
pub mod hooks;
pub mod process;
