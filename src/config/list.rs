//! A list as the settings say: its join words, what people were shown, and what they are answered.

use super::reader::Reader;
use super::settings::Words;
use crate::domain::keyword::{JoinWordWarning, check_join_word, same_word};
use crate::domain::list::{List, Reply};
use crate::domain::problem::{Place, Problem};
use crate::domain::text;
use jiff::SignedDuration;
use toml::de::DeValue;

/// How long a YES counts, where the list does not say.
const CONFIRM_HOURS: i64 = 48;

pub(super) fn read_list(table: &Reader<'_>, name: String, others: &[List], words: &Words) -> List {
    let join = read_join(table, others, words);
    let sender = table.need_text("sender").map(|(s, _)| s).unwrap_or_default();
    let wording_version = table.need_text("wording_version").map(|(v, _)| v).unwrap_or_default();
    let wording = table.need_text("wording").map(|(w, _)| w).unwrap_or_default();
    let fallback = table.text("fallback").map_or_else(|| "en".to_owned(), |(tag, _)| tag);
    let confirm = table.flag("confirm").unwrap_or(false);
    let hours = table.number("confirm_hours", 1..=168).unwrap_or(CONFIRM_HOURS);
    let confirm_within = confirm.then(|| SignedDuration::from_hours(hours));
    let saying = Saying { sender: &sender, join: &join, words };
    let replies = table.table("replies").map(|r| read_replies(&r, &saying)).unwrap_or_default();
    let needed = |reply: &Reply| match reply {
        Reply::Confirm => confirm,
        Reply::Language | Reply::NoCampaign => false,
        _ => true,
    };
    for reply in Reply::ALL.iter().filter(|reply| needed(reply)) {
        if !replies.iter().any(|(r, tag, _)| r == reply && *tag == fallback) {
            let key = format!("replies.{fallback}.{}", reply.as_str());
            table.missing(&key, "a text of one part that names who is writing");
        }
    }
    table.finish();
    List { name, sender, join, wording_version, wording, replies, fallback, confirm_within }
}

fn read_join(table: &Reader<'_>, others: &[List], words: &Words) -> Vec<String> {
    let mut join = Vec::new();
    for (word, at) in table.texts("join").unwrap_or_default() {
        let taken = others.iter().any(|l| l.join.iter().any(|w| same_word(w, &word)));
        let foreign = words.all().any(|other| same_word(other, &word));
        match check_join_word(&word) {
            Err(problem) => table.problem(
                "config.join_word",
                at,
                problem.to_string(),
                "choose another word, for example the name of the place",
            ),
            Ok(_) if foreign => {
                let message = "this word means something else already, in another language";
                table.problem("config.join_word", at, message, "see [words]; choose another word");
            }
            Ok(_) if taken => {
                table.problem("config.join_word", at, "another list has this join word", "give each list its own");
            }
            Ok(Some(JoinWordWarning::EverydayWord)) => {
                let warning = Problem::warning(
                    "config.join_word",
                    at,
                    format!("{word} is an everyday word"),
                    "it joins only as the whole message; a second, rarer word beside it helps parents",
                );
                table.problems.borrow_mut().push(warning);
            }
            Ok(None) => {}
        }
        join.push(word);
    }
    if join.is_empty() {
        table.missing("join", "[\"DUDLEY\"]");
    }
    join
}

/// What answers are held to.
struct Saying<'a> {
    sender: &'a str,
    join: &'a [String],
    words: &'a Words,
}

impl Saying<'_> {
    /// Who writes, how to leave, how to come back (R-WORD).
    fn check(&self, table: &Reader<'_>, reply: Reply, said: &str, at: Place) {
        let holds = |what: &str| said.to_lowercase().contains(&what.to_lowercase());
        if !self.sender.is_empty() && !holds(self.sender) {
            let hint = format!("it must hold the list's sender, \"{}\"", self.sender);
            table.problem("config.nameless_reply", at, "this answer does not say who writes", hint);
        }
        if matches!(reply, Reply::Welcome | Reply::TooLate | Reply::Help) && !holds("STOP") {
            let message = "this answer does not say how to leave";
            table.problem("config.no_way_out", at, message, "add: Text STOP to leave");
        }
        if reply == Reply::Confirm && !holds("YES") {
            table.problem("config.no_question", at, "this question does not ask for a YES", "add: Reply YES to join");
        }
        let names_word = holds("START") || self.join.iter().any(|word| holds(word));
        if matches!(reply, Reply::Goodbye | Reply::JoinHint) && !names_word {
            let message = "this answer does not say how to come in";
            table.problem("config.no_way_in", at, message, "add the join word: To come back text …");
        }
        let size = text::measure(&text::clean(said, false));
        if size.parts != 1 {
            let message = format!("this answer takes {} parts", size.parts);
            let hint = "one part is 160 plain characters, or 70 with any other";
            table.problems.borrow_mut().push(Problem::warning("config.long_reply", at, message, hint));
        }
    }
}

fn read_replies(table: &Reader<'_>, saying: &Saying<'_>) -> Vec<(Reply, String, String)> {
    let mut replies = Vec::new();
    for (tag, _, value, at) in table.entries() {
        let DeValue::Table(inner) = value else {
            table.problem(
                "config.wrong_kind",
                at,
                format!("{tag} should be a table"),
                format!("write [lists.NAME.replies.{tag}]"),
            );
            continue;
        };
        if saying.words.stop.contains_key(&tag) && !saying.words.checked.contains(&tag) {
            let message = format!("the words for STOP and HELP in \"{tag}\" have not been checked by a native speaker");
            let hint = format!("have them looked at (defaults.toml), then write  checked = [\"{tag}\"]  under [words]");
            table.problems.borrow_mut().push(Problem::warning("config.unchecked_words", at, message, hint));
        }
        let inner = Reader::new(inner, at, &table.problems);
        for reply in Reply::ALL {
            let Some((said, at)) = inner.text(reply.as_str()) else { continue };
            saying.check(&inner, reply, &said, at);
            replies.push((reply, tag.clone(), said));
        }
        inner.finish();
    }
    replies
}
