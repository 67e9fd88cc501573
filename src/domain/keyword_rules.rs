//! The rules of [`super::keyword`], each a question put to a text's words.

use super::keyword::{Meaning, Scope, Situation};
use super::keyword_text::{Words, as_it_looks, folded, sentences, squeezed};
use super::keyword_words as words;

impl Words {
    /// A plain opt-out.
    pub(super) fn opt_out(&self, situation: &Situation<'_>) -> Option<Scope> {
        if let Some(scope) = self.opt_out_alone(situation) {
            return Some(scope);
        }
        if let [word] = self.plain()[..] {
            return words::STOP_WHOLE.contains(&word).then_some(Scope::All);
        }
        let extra: Vec<String> = situation.extra_stop.iter().map(|w| folded(w)).collect();
        let of_others = situation.extra_stop.iter().chain(situation.extra_help).chain(situation.lists);
        let named: Vec<String> =
            of_others.chain(situation.join.iter().map(|(word, _)| word)).map(|w| folded(w)).collect();
        let filler = |w: &str| {
            [&words::FILLER, &words::STOP, &words::STOP_AMONG, &words::COMMANDS, &words::POLITE]
                .iter()
                .any(|l| l.contains(&w))
                || w.bytes().all(|b| b.is_ascii_digit())
                || named.iter().any(|phrase| phrase.split(' ').any(|part| part == w))
        };
        let negated = self.has(&words::NEGATIONS);
        let says_stop =
            self.has(&words::STOP_AMONG) || self.says("opt out") || extra.iter().any(|phrase| self.says(phrase));
        if says_stop && !negated && self.all(filler) {
            return Some(Scope::All);
        }
        let about_texts = self.all(|w| filler(w) || words::NEGATIONS.contains(&w) || words::AROUND.contains(&w));
        let phrase = self.says_any(&words::STOP_PHRASES) && !negated;
        (about_texts && (phrase || self.says_any(&words::REFUSALS))).then_some(Scope::All)
    }

    /// One of the words, alone but for politeness; or one of them and the name of a list.
    pub(super) fn opt_out_alone(&self, situation: &Situation<'_>) -> Option<Scope> {
        let sentence = self.plain().join(" ");
        let is_extra = |said: &str| situation.extra_stop.iter().any(|w| folded(w) == said);
        if words::STOP.contains(&sentence.as_str()) || is_extra(&sentence) || is_extra(&self.0.join(" ")) {
            return Some(Scope::All);
        }
        let is_verb = |word: &str| words::STOP_WITH_FILLER.contains(&word) || is_extra(word);
        let (first, rest) = sentence.split_once(' ')?;
        let (before, last) = sentence.rsplit_once(' ')?;
        let name = if is_verb(first) { rest } else { Some(before).filter(|_| is_verb(last))? };
        let by_word = situation.join.iter().find(|(word, _)| folded(word) == name).map(|(_, list)| list);
        let by_name = || situation.lists.iter().find(|list| folded(list) == name);
        by_word.or_else(by_name).map(|list| Scope::List(list.clone()))
    }

    /// A plain opt-in: the list whose word it was, or none for START.
    #[expect(clippy::option_option, reason = "not an opt-in, one without a list, one with")]
    pub(super) fn opt_in(&self, situation: &Situation<'_>) -> Option<Option<String>> {
        let sentence = self.without(&words::COURTESY).join(" ");
        let list_of =
            |name: &str| situation.join.iter().find(|(word, _)| folded(word) == name).map(|(_, list)| list.clone());
        // An everyday word joins only as the whole message: "send please" asks for something to be sent.
        let may_join = sentence == self.0.join(" ") || !words::EVERYDAY.contains(&sentence.as_str());
        if let Some(list) = list_of(&sentence).filter(|_| may_join) {
            return Some(Some(list));
        }
        if words::START.contains(&sentence.as_str()) {
            return Some(None);
        }
        let (verb, name) = sentence.split_once(' ')?;
        if words::START.contains(&verb) { list_of(name).map(Some) } else { None }
    }

    pub(super) fn yes_or_no(&self) -> Option<bool> {
        let rest = self.without(&words::AROUND_YES);
        let all = |list: &[&str]| rest.iter().all(|w| list.contains(w));
        if all(&words::YES) { Some(true) } else { all(&words::NO).then_some(false) }
    }

    pub(super) fn command(&self, situation: &Situation<'_>) -> Option<Meaning> {
        let plain = self.plain().join(" ");
        if words::HELP.contains(&plain.as_str()) || situation.extra_help.iter().any(|w| folded(w) == plain) {
            return Some(Meaning::Help);
        }
        match plain.as_str() {
            "phone" => return Some(Meaning::Phone),
            "web" => return Some(Meaning::Web),
            _ => {}
        }
        let asked = plain.strip_prefix("lang ").or_else(|| plain.strip_prefix("language ")).unwrap_or(&plain);
        if let Some((_, tag)) = situation.languages.iter().find(|(word, _)| folded(word) == asked) {
            return Some(Meaning::Language(tag.clone()));
        }
        let about_doing = |w: &&str| words::DONE.contains(w) || words::AROUND_DONE.contains(w);
        let done = self.has(&words::DONE) && self.plain().iter().all(about_doing) && !self.has(&words::NEGATIONS);
        done.then_some(Meaning::Done)
    }

    /// Not plain, but a person must look before anything more is sent. `body`: the text, sentence by sentence.
    pub(super) fn may_be_stop(&self, body: &str, situation: &Situation<'_>) -> bool {
        let stopping = self.has(&words::STOP_AMONG) || self.has(&words::LIKE_STOPPING);
        let whole_words = self.has(&words::STOP_WHOLE)
            && self.all(|w| words::STOP_WHOLE.contains(&w) || words::COMMANDS.contains(&w));
        self.plain() == ["enough"]
            || self.says_any(&words::REVIEW_PHRASES)
            || self.says_any(&words::REFUSALS)
            || self.says_any(&words::STOP_PHRASES)
            || self.is_misspelt_stop()
            || whole_words
            || (stopping && self.has(&words::TEXTS) && !self.has(&words::NEGATIONS))
            || sentences(body)
                .any(|sentence| sentence.opt_out(situation).is_some() || sentence.begins_or_ends_with_stop(situation))
    }

    /// "STOP doesn't work", "We have moved, please stop": but not "don't stop" nor "he will not stop".
    fn begins_or_ends_with_stop(&self, situation: &Situation<'_>) -> bool {
        let stops =
            |w: &str| words::STOP_AMONG.contains(&w) || situation.extra_stop.iter().any(|extra| folded(extra) == w);
        let unmistakable = self.has(&["unsubscribe", "optout", "unsub", "unsubscribing"]) || self.says("opt out");
        let negated_at =
            |at: usize| self.0.iter().take(at).rev().take(2).any(|w| words::NEGATIONS.contains(&w.as_str()));
        let plain = self.plain();
        let first = plain.first().is_some_and(|w| stops(w));
        let last = plain.last().is_some_and(|w| stops(w)) && !negated_at(self.0.len() - 1);
        first || last || (unmistakable && !self.has(&words::NEGATIONS))
    }

    /// A slip of the finger, a stutter, letters of another alphabet that look the same.
    fn is_misspelt_stop(&self) -> bool {
        let plain = self.plain();
        let near = |w: &str| {
            let looks = as_it_looks(w);
            let slip = strsim::osa_distance(&looks, "stop") <= 1 || squeezed(&looks) == "stop";
            let stutter = looks.len() > 4 && looks.replace("stop", "").is_empty();
            let near_stop = w.len() >= 3 && w != "stop" && !words::NOT_STOP.contains(&w) && (slip || stutter);
            near_stop || (w.len() >= 8 && strsim::osa_distance(&looks, "unsubscribe") <= 2)
        };
        let closed_up = plain.concat();
        let split = plain.len() <= 3
            && ["stop", "stopall", "unsubscribe", "optout"]
                .iter()
                .any(|w| closed_up.len() >= 4 && strsim::osa_distance(&closed_up, w) <= 1);
        let around = |w: &&str| near(w) || words::FILLER.contains(w);
        let slips =
            plain.iter().any(|w| near(w)) && (plain.len() <= 2 || (plain.len() <= 4 && plain.iter().all(around)));
        slips || (split && !words::NOT_STOP.contains(&closed_up.as_str()))
    }

    /// Asks to join without saying the word, or misspells it.
    pub(super) fn near_join(&self, situation: &Situation<'_>) -> Option<String> {
        let (first, _) = situation.join.first()?;
        if self.has(&words::NEGATIONS) {
            return None;
        }
        if self.says_any(&words::WANTS_TO_JOIN) {
            let named = situation.join.iter().find(|(word, _)| self.says(&folded(word)));
            return Some(named.map_or(first, |(word, _)| word).clone());
        }
        let [word] = self.plain()[..] else { return None };
        let near = |join: &str| join.chars().count() >= 5 && strsim::osa_distance(word, join) == 1;
        situation.join.iter().find(|(join, _)| near(&folded(join))).map(|(join, _)| join.clone())
    }
}
