//! Nouns and their laws. Everything here is a value: no clock, no I/O, no randomness.
//!
//! Read in this order: [`phone`], [`text`], [`contact`], [`consent`], [`campaign`], [`message`], [`change`].

pub mod broadcast;
pub mod campaign;
pub mod change;
pub mod consent;
pub mod contact;
pub mod dial_in;
pub mod doubt;
pub mod ids;
pub mod inbound;
pub mod keyword;
mod keyword_rules;
mod keyword_text;
#[rustfmt::skip]
mod keyword_words;
pub mod list;
pub mod message;
pub mod moment;
pub mod pause;
pub mod phone;
mod phone_problem;
mod phone_reading;
pub mod price;
pub mod problem;
pub mod reference;
pub mod report;
pub mod schedule;
pub mod template;
pub mod text;
pub(crate) mod words;
