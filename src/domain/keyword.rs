//! What a parent's text means (R-WORD, R-STOP). Both directions of error matter: a STOP that is missed costs trust, a
//! question taken for one silences a family that wants to hear.
//!
//! Plain words act at once. What only may be a wish to stop is [`Meaning::NeedsReview`]: held, and shown to a person.
//! Everything not understood is [`Meaning::Other`] and is shown to a person too; nothing is guessed.

use super::keyword_words as words;
use super::text::is_invisible;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

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
}

/// Understands a text.
pub fn understand(body: &str, situation: &Situation<'_>) -> Meaning {
    let trimmed = body.trim();
    if !trimmed.is_empty() && trimmed.chars().all(|c| matches!(c, '?' | '？' | '؟')) {
        return Meaning::Help;
    }
    let text = Words::of(without_signature(body));
    if text.0.is_empty() {
        let a_hand_up = body.chars().any(|c| matches!(c, '🛑' | '⛔' | '🚫' | '✋'));
        return if a_hand_up { Meaning::NeedsReview } else { Meaning::Empty };
    }
    let first = Words::of(first_sentence(body));
    if let Some(scope) = text.opt_out(situation).or_else(|| first.opt_out_alone(situation)) {
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
        .or_else(|| text.may_be_stop().then_some(Meaning::NeedsReview))
        .or_else(|| text.near_join(situation).map(|word| Meaning::NearJoin { word }))
        .unwrap_or(Meaning::Other)
}

/// A text as plain words: no case, no accents, no punctuation; letters that stand alone are joined (S T O P).
#[derive(Debug)]
struct Words(Vec<String>);

impl Words {
    fn of(text: &str) -> Self {
        let mut tokens: Vec<String> = folded(text).split_whitespace().map(str::to_owned).collect();
        let single = |t: &String| t.chars().count() == 1 && t.chars().all(char::is_alphabetic);
        let mut joined: Vec<String> = Vec::new();
        while !tokens.is_empty() {
            let run = tokens.iter().take_while(|t| single(t)).count();
            let rest = tokens.split_off(run.max(1));
            if run >= 3 {
                joined.push(tokens.concat());
            } else {
                joined.append(&mut tokens);
            }
            tokens = rest;
        }
        Self(joined)
    }

    /// The words without the polite ones; all of them if nothing else is left.
    fn plain(&self) -> Vec<&str> {
        self.without(words::POLITE)
    }

    fn without(&self, list: &[&str]) -> Vec<&str> {
        let rest: Vec<&str> = self.0.iter().map(String::as_str).filter(|w| !list.contains(w)).collect();
        if rest.is_empty() { self.0.iter().map(String::as_str).collect() } else { rest }
    }

    fn has(&self, list: &[&str]) -> bool {
        self.0.iter().any(|w| list.contains(&w.as_str()))
    }

    /// Do these words stand in it, in this order and side by side?
    fn says(&self, phrase: &str) -> bool {
        format!(" {} ", self.0.join(" ")).contains(&format!(" {phrase} "))
    }

    /// A plain opt-out.
    fn opt_out(&self, situation: &Situation<'_>) -> Option<Scope> {
        if let Some(scope) = self.opt_out_alone(situation) {
            return Some(scope);
        }
        let plain = self.plain();
        if plain.len() == 1 && words::STOP_WHOLE.contains(&plain[0]) {
            return Some(Scope::All);
        }
        let filler = |w: &&str| {
            words::FILLER.contains(w)
                || words::STOP.contains(w)
                || words::COMMANDS.contains(w)
                || words::POLITE.contains(w)
                || w.bytes().all(|b| b.is_ascii_digit())
                || situation.join.iter().any(|(word, _)| folded(word) == **w)
        };
        let all_filler = self.0.iter().all(|w| filler(&w.as_str()));
        let negated = self.has(words::NEGATIONS);
        if all_filler && !negated && (self.has(words::STOP_WITH_FILLER) || self.says("opt out")) {
            return Some(Scope::All);
        }
        let phrase = words::STOP_PHRASES.iter().any(|p| self.says(p));
        let refusal = words::REFUSALS.iter().any(|p| self.says(p));
        let only_about_texts = self.0.iter().all(|w| {
            filler(&w.as_str()) || words::NEGATIONS.contains(&w.as_str()) || words::AROUND.contains(&w.as_str())
        });
        ((phrase && !negated && only_about_texts) || (refusal && only_about_texts)).then_some(Scope::All)
    }

    /// One of the words, alone but for politeness; or STOP and the name of a list.
    fn opt_out_alone(&self, situation: &Situation<'_>) -> Option<Scope> {
        let plain = self.plain();
        let sentence = plain.join(" ");
        if words::STOP.contains(&sentence.as_str())
            || situation.extra_stop.iter().any(|w| folded(w).trim() == sentence || folded(w).trim() == self.0.join(" "))
        {
            return Some(Scope::All);
        }
        let (verb, name) = sentence.split_once(' ')?;
        if !words::STOP_WITH_FILLER.contains(&verb) {
            return None;
        }
        let by_word = situation.join.iter().find(|(word, _)| folded(word).trim() == name).map(|(_, list)| list);
        let by_name = || situation.lists.iter().find(|list| folded(list).trim() == name);
        by_word.or_else(by_name).map(|list| Scope::List(list.clone()))
    }

    /// A plain opt-in: the list whose word it was, or none for START.
    #[expect(clippy::option_option, reason = "not an opt-in, one without a list, one with")]
    fn opt_in(&self, situation: &Situation<'_>) -> Option<Option<String>> {
        let plain = self.without(words::COURTESY);
        let sentence = plain.join(" ");
        let list_of = |name: &str| {
            situation.join.iter().find(|(word, _)| folded(word).trim() == name).map(|(_, list)| list.clone())
        };
        // An everyday word joins only as the whole message: "send please" asks for something to be sent.
        let whole = self.0.join(" ");
        if let Some(list) =
            list_of(&sentence).filter(|_| sentence == whole || !words::EVERYDAY.contains(&sentence.as_str()))
        {
            return Some(Some(list));
        }
        if words::START.contains(&sentence.as_str()) {
            return Some(None);
        }
        let (verb, name) = sentence.split_once(' ')?;
        if words::START.contains(&verb) { list_of(name).map(Some) } else { None }
    }

    fn yes_or_no(&self) -> Option<bool> {
        let plain = self.without(words::COURTESY).join(" ");
        if words::YES.contains(&plain.as_str()) {
            return Some(true);
        }
        words::NO.contains(&plain.as_str()).then_some(false)
    }

    fn command(&self, situation: &Situation<'_>) -> Option<Meaning> {
        let plain = self.plain().join(" ");
        if words::HELP.contains(&plain.as_str()) || situation.extra_help.iter().any(|w| folded(w).trim() == plain) {
            return Some(Meaning::Help);
        }
        match plain.as_str() {
            "phone" => return Some(Meaning::Phone),
            "web" => return Some(Meaning::Web),
            _ => {}
        }
        let about_doing = |w: &&str| words::DONE.contains(w) || words::AROUND_DONE.contains(w);
        let done = self.has(words::DONE) && self.plain().iter().all(about_doing) && !self.has(words::NEGATIONS);
        done.then_some(Meaning::Done)
    }

    /// Not plain, but a person must look before anything more is sent.
    fn may_be_stop(&self) -> bool {
        let plain = self.plain();
        let misspelt = |w: &&str| {
            let near_stop = w.len() >= 3 && !words::NOT_STOP.contains(w) && strsim::osa_distance(w, "stop") == 1;
            near_stop || (w.len() >= 8 && strsim::osa_distance(w, "unsubscribe") <= 2)
        };
        let about_texts = self.has(words::TEXTS);
        let about_stopping = self.has(words::STOP_WITH_FILLER) || self.has(words::LIKE_STOPPING);
        (plain.len() <= 2 && plain.iter().any(misspelt))
            || words::REVIEW_PHRASES.iter().any(|p| self.says(p))
            || words::REFUSALS.iter().any(|p| self.says(p))
            || words::STOP_PHRASES.iter().any(|p| self.says(p))
            || (about_texts && about_stopping && !self.has(words::NEGATIONS))
    }

    /// Asks to join without saying the word, or misspells it.
    fn near_join(&self, situation: &Situation<'_>) -> Option<String> {
        let (first, _) = situation.join.first()?;
        if self.has(words::NEGATIONS) {
            return None;
        }
        let named = situation.join.iter().find(|(word, _)| self.says(folded(word).trim()));
        if words::WANTS_TO_JOIN.iter().any(|p| self.says(p)) {
            return Some(named.map_or(first, |(word, _)| word).clone());
        }
        let [word] = self.plain()[..] else { return None };
        let near = |join: &str| join.chars().count() >= 5 && strsim::osa_distance(word, join) == 1;
        situation.join.iter().find(|(join, _)| near(folded(join).trim())).map(|(join, _)| join.clone())
    }
}

/// NFKC, no invisible characters, lower case, Latin letters without accents, apostrophes closed up, all else spaces.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkc().filter(|c| !is_invisible(*c)).flat_map(char::to_lowercase) {
        match c {
            '\'' | '’' | '‘' | 'ʼ' | '`' | '´' => {}
            _ if c.is_ascii_alphanumeric() => out.push(c),
            'ı' => out.push('i'),
            'ß' => out.push_str("ss"),
            _ if c.is_alphanumeric() || is_combining_mark(c) => {
                let mut base = std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c));
                match base.next() {
                    Some(latin) if latin.is_ascii_alphabetic() => out.push(latin),
                    _ => out.push(c), // a vowel sign of Punjabi or Bengali is part of the word
                }
            }
            _ => out.push(' '),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_signature(body: &str) -> &str {
    let lower = body.to_ascii_lowercase();
    let at = words::SIGNATURES.iter().filter_map(|s| lower.find(s)).min();
    at.and_then(|at| body.get(..at)).filter(|rest| !rest.trim().is_empty()).unwrap_or(body)
}

/// Up to the first line break, full stop or exclamation mark with something before it.
fn first_sentence(body: &str) -> &str {
    let body = body.trim_start();
    body.split(['\n', '\r', '.', '!', '。']).find(|s| !s.trim().is_empty()).unwrap_or(body)
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
    #[error("a join word is one word of at least three letters")]
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

/// May this be a join word?
pub fn check_join_word(word: &str) -> Result<Option<JoinWordWarning>, JoinWordProblem> {
    let plain = Words::of(word).0.join(" ");
    if plain.contains(' ') || plain.chars().count() < 3 || !plain.chars().any(char::is_alphabetic) {
        return Err(if is_reserved(&plain) { JoinWordProblem::Reserved } else { JoinWordProblem::NotAWord });
    }
    if is_reserved(&plain) {
        return Err(JoinWordProblem::Reserved);
    }
    let letters = plain.replace('0', "o").replace('1', "i").replace('5', "s");
    let like = |reserved: &&str| reserved.len() >= 4 && strsim::osa_distance(&letters, reserved) <= 1;
    if is_reserved(&letters) || letters.starts_with("stop") || words::RESERVED_LIKE.iter().any(like) {
        return Err(JoinWordProblem::LikeReserved);
    }
    Ok(words::EVERYDAY.contains(&plain.as_str()).then_some(JoinWordWarning::EverydayWord))
}

fn is_reserved(word: &str) -> bool {
    [words::STOP, words::STOP_WHOLE, words::START, words::HELP, words::DONE, words::YES, words::NO]
        .concat()
        .contains(&word)
        || words::COMMANDS.contains(&word)
}

#[cfg(test)]
#[path = "keyword_tests.rs"]
mod tests;
