//! The shell: reads the store, asks the engine, commits what it says, and speaks to the gateway. No decision is taken
//! here. Every part is a function of one turn, so that the same code runs on the system's clock and on a virtual one.

pub mod account;
mod attempt;
pub mod beat;
pub mod campaigns;
pub mod control;
pub mod desk;
pub mod drop_folder;
pub mod export;
pub mod forecast;
pub mod forget;
pub mod heartbeat;
pub mod hooks;
pub mod import;
pub mod import_load;
pub mod import_notes;
mod import_seen;
pub mod import_undo;
pub mod intake;
pub mod ledger;
pub mod line;
pub mod lock;
pub mod not_reached;
pub mod poller;
pub mod receiver;
pub mod rehearsal;
pub mod resolver;
pub mod retention;
pub mod run;
pub mod run_virtual;
pub mod scheduler;
pub mod sender;
pub mod sheet;
pub mod story;
pub mod unread;
