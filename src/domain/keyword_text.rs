//! A text as plain words, whatever a phone, a signature or an autocorrect has made of it (R-WORD).

use super::keyword_words as words;
use super::text::is_invisible;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// More of a text than this is not looked at: ten joined parts are 1,530 characters.
const MOST: usize = 2000;

/// Words: no case, no accents, no punctuation; letters that stand alone are joined (S T O P).
#[derive(Debug)]
pub(super) struct Words(pub(super) Vec<String>);

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let (mut joined, mut letters): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let join = |letters: &mut Vec<String>, joined: &mut Vec<String>| {
            if letters.len() >= 3 {
                joined.push(letters.concat());
            } else {
                joined.append(letters);
            }
            letters.clear();
        };
        for word in folded(text).split_whitespace() {
            if word.chars().count() == 1 && word.chars().all(char::is_alphabetic) {
                letters.push(word.to_owned());
            } else {
                join(&mut letters, &mut joined);
                joined.push(word.to_owned());
            }
        }
        join(&mut letters, &mut joined);
        Self(joined)
    }

    /// The words without the polite ones; all of them if nothing else is left.
    pub(super) fn plain(&self) -> Vec<&str> {
        self.without(&words::POLITE)
    }

    pub(super) fn without(&self, list: &[&str]) -> Vec<&str> {
        let rest: Vec<&str> = self.0.iter().map(String::as_str).filter(|w| !list.contains(w)).collect();
        if rest.is_empty() { self.0.iter().map(String::as_str).collect() } else { rest }
    }

    pub(super) fn has(&self, list: &[&str]) -> bool {
        self.0.iter().any(|w| list.contains(&w.as_str()))
    }

    /// Are there words, and do all of them satisfy this?
    pub(super) fn all(&self, holds: impl Fn(&str) -> bool) -> bool {
        !self.0.is_empty() && self.0.iter().all(|w| holds(w))
    }

    /// Do these words stand in it, in this order and side by side?
    pub(super) fn says(&self, phrase: &str) -> bool {
        !phrase.is_empty() && format!(" {} ", self.0.join(" ")).contains(&format!(" {phrase} "))
    }

    pub(super) fn says_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.says(phrase))
    }
}

/// NFKC, no invisible characters, lower case, Latin letters without accents, apostrophes closed up, all else spaces.
pub(super) fn folded(text: &str) -> String {
    let kept = text.trim_start().chars().take(MOST).filter(|c| !is_invisible(*c) && *c != '\u{20e3}' && *c != '\0');
    // Symbols go before NFKC would make letters of them (™ is no "tm"); letters in circles are letters.
    let kept = kept.map(|c| match c {
        '\'' | '’' | '‘' | 'ʼ' | '`' | '´' => '\u{ad}',
        _ if c.is_alphanumeric() || is_combining_mark(c) || c == '\u{640}' => c,
        _ => ' ',
    });
    let mut out = String::with_capacity(text.len().min(MOST));
    for c in kept.nfkc().filter(|c| !is_invisible(*c)).flat_map(char::to_lowercase) {
        match c {
            _ if c.is_ascii_alphanumeric() => out.push(c),
            'ı' => out.push('i'),
            'ß' => out.push_str("ss"),
            'ς' => out.push('σ'),
            // One letter, several keyboards: alef with hamza, kaf, yeh; lengthening and vowel marks.
            'أ' | 'إ' | 'آ' => out.push('ا'),
            'ك' => out.push('ک'),
            'ي' | 'ى' => out.push('ی'),
            '\u{640}' | '\u{64b}'..='\u{655}' | '\u{300}'..='\u{36f}' => {}
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

/// A word with every Cyrillic or Greek letter that looks like a Latin one read as that one.
pub(super) fn as_it_looks(word: &str) -> String {
    const LOOKALIKES: &str = "аaеeоoрpсcуyхxѕsіiјjкkмmнhтtвbԁdոnαaεeοoρpτtυuκkιiνvχx";
    let pairs: Vec<char> = LOOKALIKES.chars().collect();
    let latin = |c: char| pairs.chunks_exact(2).find(|pair| pair[0] == c).map_or(c, |pair| pair[1]);
    word.chars().map(latin).collect()
}

/// The same letter twice and more, once: "stoppp" is "stop".
pub(super) fn squeezed(word: &str) -> String {
    let mut out: Vec<char> = word.chars().collect();
    out.dedup();
    out.into_iter().collect()
}

/// What the phone or the mail program adds at the end is not the parent's.
pub(super) fn without_signature(body: &str) -> &str {
    let lower = body.to_ascii_lowercase();
    let at = words::SIGNATURES.iter().filter_map(|s| lower.find(s)).min();
    at.and_then(|at| body.get(..at)).filter(|rest| !rest.trim().is_empty()).unwrap_or(body)
}

/// The first line that is more than a greeting, and the first sentence of it.
pub(super) fn first_line_and_sentence(body: &str) -> (Words, Words) {
    let says_something =
        |line: &&str| !Words::of(line).all(|w| words::POLITE.contains(&w)) && !Words::of(line).0.is_empty();
    let line = body.lines().find(says_something).unwrap_or(body);
    let mut parts = line.split(['.', '!', '。']).filter(|s| !s.trim().is_empty());
    // "Stop. Sending. My. Son. Home." is one sentence, said slowly.
    let slow = parts.clone().count() > 2 && parts.clone().all(|part| !part.trim().contains(' '));
    let sentence = if slow { line } else { parts.next().unwrap_or(line) };
    (Words::of(line), Words::of(sentence))
}

/// Every sentence: a line break ends one too.
pub(super) fn sentences(body: &str) -> impl Iterator<Item = Words> {
    body.split(['\n', '\r', '.', '!', '?', ';', '。', '؟', '۔', '।'])
        .map(Words::of)
        .filter(|words| !words.0.is_empty())
        .take(50)
}
