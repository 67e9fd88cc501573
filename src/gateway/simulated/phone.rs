//! Phones and the habits of their owners.

use jiff::{SignedDuration, Timestamp};
use std::fmt;

/// A phone in the simulated world.
#[derive(Clone)]
pub struct Phone {
    /// Its number, E.164.
    pub number: String,
    /// What its owner writes by themselves, and when.
    pub writes: Vec<(Timestamp, String)>,
    /// What its owner answers to texts.
    pub answers: Vec<Answer>,
    /// What the gateway and the network make of it.
    pub line: Line,
}

/// An answer its owner gives once: to the first text that holds some words.
#[derive(Clone)]
pub struct Answer {
    /// Words that must stand in the text received.
    pub to: &'static str,
    /// How long they take.
    pub after: SignedDuration,
    /// What they write.
    pub body: &'static str,
}

/// What becomes of texts to a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// They arrive.
    Works,
    /// The gateway refuses the number.
    Refused,
    /// The network gives up: switched off for good.
    Dead,
    /// The gateway takes the first text, and its answer gets lost.
    LosesFirstAnswer,
}

impl Phone {
    /// A phone that works, whose owner only reads.
    pub fn new(number: &str) -> Self {
        Self { number: number.to_owned(), writes: Vec::new(), answers: Vec::new(), line: Line::Works }
    }

    /// The same phone, whose owner writes this at that time.
    #[must_use]
    pub fn writes(mut self, at: Timestamp, body: &str) -> Self {
        self.writes.push((at, body.to_owned()));
        self
    }

    /// The same phone, whose owner answers the first text holding `to`, after so many minutes.
    #[must_use]
    pub fn answers(mut self, to: &'static str, minutes: i64, body: &'static str) -> Self {
        self.answers.push(Answer { to, after: SignedDuration::from_mins(minutes), body });
        self
    }

    /// The same phone on another kind of line.
    #[must_use]
    pub fn on(mut self, line: Line) -> Self {
        self.line = line;
        self
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({:?})", self.line)
    }
}
