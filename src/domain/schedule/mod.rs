//! When: zones, cron lines, quiet hours, and what to do about runs that were missed.

pub mod catch_up;
pub mod cron;
pub mod quiet;
pub mod zone;
