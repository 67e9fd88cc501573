//! What a parent's text means (R-WORD, R-STOP). Both directions of error matter: a STOP that is missed costs trust, a
//! question taken for one silences a family that wants to hear.
//!
//! Plain words act at once. What only may be a wish to stop is [`Meaning::NeedsReview`]: held, and shown to a person.
//! Everything not understood is [`Meaning::Other`] and is shown to a person too; nothing is guessed.

use super::keyword_text::{Words, as_it_looks, first_line_and_sentence, without_signature};
use super::keyword_words as words;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// What a text means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Wants no more texts.
    OptOut(Scope),
    /// Wants to join: the list whose word it was, or none for START and its like.
    OptIn {
        /// The list.
        list: Option<String>,
    },
    /// YES to our own question.
    Confirm,
    /// NO to our own question.
    Decline,
    /// Asks for help.
    Help,
    /// Has done what was asked.
    Done,
    /// Wants phone numbers instead of links.
    Phone,
    /// Wants links.
    Web,
    /// Wants to be written to in this language (its tag).
    Language(String),
    /// May be a wish to stop: a person must look, and until then nothing is sent.
    NeedsReview,
    /// Nearly asks to join: gets a hint that names the word.
    NearJoin {
        /// The join word, as people are told to text it.
        word: String,
    },
    /// Nothing in it (a picture, an empty text).
    Empty,
    /// Anything else: a person reads it.
    Other,
}

/// How much an opt-out leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything we send.
    All,
    /// One list.
    List(String),
}

/// What must be known to understand a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Situation<'a> {
    /// (join word, list)
    pub join: &'a [(String, String)],
    /// Names of lists.
    pub lists: &'a [String],
    /// We have asked this number a question that YES answers.
    pub pending: bool,
    /// This number has opted out: YES never undoes that.
    pub opted_out: bool,
    /// Words for STOP in other languages.
    pub extra_stop: &'a [String],
    /// Words for HELP in other languages.
    pub extra_help: &'a [String],
    /// Languages that are offered: (word, tag).
    pub languages: &'a [(String, String)],
}

/// Understands a text.
pub fn understand(body: &str, situation: &Situation<'_>) -> Meaning {
    let asks = |c: char| matches!(c, '?' | '？' | '؟' | '¿') || c.is_whitespace();
    if !body.trim().is_empty() && body.chars().all(asks) {
        return Meaning::Help;
    }
    let body = without_signature(body);
    let text = Words::of(body);
    if text.0.is_empty() {
        let a_hand_up = body.chars().any(|c| matches!(c, '🛑' | '⛔' | '🚫' | '✋'));
        return if a_hand_up { Meaning::NeedsReview } else { Meaning::Empty };
    }
    let (line, sentence) = first_line_and_sentence(body);
    let opt_out =
        text.opt_out(situation).or_else(|| line.opt_out(situation)).or_else(|| sentence.opt_out_alone(situation));
    if let Some(scope) = opt_out {
        return Meaning::OptOut(scope);
    }
    if situation.pending && !situation.opted_out {
        match text.yes_or_no() {
            Some(true) => return Meaning::Confirm,
            Some(false) => return Meaning::Decline,
            None => {}
        }
    }
    if let Some(list) = text.opt_in(situation) {
        return Meaning::OptIn { list };
    }
    text.command(situation)
        .or_else(|| text.may_be_stop(body, situation).then_some(Meaning::NeedsReview))
        .or_else(|| text.near_join(situation).map(|word| Meaning::NearJoin { word }))
        .unwrap_or(Meaning::Other)
}

/// What the question of a STOP's confirmation rests on.
#[derive(Clone, Copy, Debug)]
pub struct StopAsked {
    /// When the STOP reached us.
    pub received_at: Timestamp,
    /// When we come to it.
    pub handled_at: Timestamp,
    /// The number had opted out before.
    pub already_opted_out: bool,
    /// Confirmations sent to it since it last joined.
    pub confirmations_sent: u32,
    /// The gateway sends one of its own.
    pub gateway_confirms: bool,
}

/// A confirmation later than this is not sent (47 CFR 64.1200(a)(12), and good manners anywhere).
const CONFIRM_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// Is a STOP confirmed? Once, at once, and never in answer to a second one (R-STOP).
pub fn confirm_stop(asked: &StopAsked) -> bool {
    let in_time = asked.handled_at.duration_since(asked.received_at) <= CONFIRM_WITHIN;
    in_time && !asked.already_opted_out && asked.confirmations_sent == 0 && !asked.gateway_confirms
}

/// Why a word can't be a join word.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum JoinWordProblem {
    /// Nothing, a number, or too short to be told from a slip.
    #[error("a join word is one word of 3 to 20 letters")]
    NotAWord,
    /// It is one of ours.
    #[error("this word means something else already")]
    Reserved,
    /// It can be taken for one of ours.
    #[error("this word is too like one that means something else")]
    LikeReserved,
}

/// Why a join word deserves a second thought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinWordWarning {
    /// People write it without wanting to join.
    EverydayWord,
}

/// A word that people type from a poster.
const LONGEST_JOIN_WORD: usize = 20;

/// May this be a join word?
pub fn check_join_word(word: &str) -> Result<Option<JoinWordWarning>, JoinWordProblem> {
    let plain = Words::of(word).0.join(" ");
    if word.chars().count() > LONGEST_JOIN_WORD {
        return Err(JoinWordProblem::NotAWord);
    }
    if plain.contains(' ') || plain.chars().count() < 3 || !plain.chars().any(char::is_alphabetic) {
        return Err(if is_reserved(&plain) { JoinWordProblem::Reserved } else { JoinWordProblem::NotAWord });
    }
    if is_reserved(&plain) {
        return Err(JoinWordProblem::Reserved);
    }
    let letters = as_it_looks(&plain).replace('0', "o").replace('1', "i").replace('5', "s");
    let like = |reserved: &&str| reserved.len() >= 4 && strsim::osa_distance(&letters, reserved) <= 1;
    if is_reserved(&letters) || letters.starts_with("stop") || words::RESERVED_LIKE.iter().any(like) {
        return Err(JoinWordProblem::LikeReserved);
    }
    Ok(words::EVERYDAY.contains(&plain.as_str()).then_some(JoinWordWarning::EverydayWord))
}

/// Would a phone's owner mean the same by both words?
pub fn same_word(a: &str, b: &str) -> bool {
    Words::of(a).0 == Words::of(b).0
}

fn is_reserved(word: &str) -> bool {
    use words::{COMMANDS, DONE, HELP, NO, START, STOP, STOP_WHOLE, YES};
    [&STOP, &STOP_WHOLE, &START, &HELP, &DONE, &YES, &NO, &COMMANDS].iter().any(|list| list.contains(&word))
}

#[cfg(test)]
#[path = "keyword_tests.rs"]
mod tests;
