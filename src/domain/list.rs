//! A list: what one opts in to. It has join words, the wording people were shown, and the answers they get.

use super::keyword;
use super::words::words;
use jiff::SignedDuration;

words! {
    /// The answers a list gives, each one text per language.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Reply {
        /// To a join word: who, what, how often, cost, HELP, STOP.
        Welcome = "welcome",
        /// To a join word when all campaigns of the list are over.
        TooLate = "too_late",
        /// To a join word where YES is asked for before anything is sent.
        Confirm = "confirm",
        /// To a join word from somebody who is in.
        AlreadyIn = "already_in",
        /// To STOP: who, "you will get no more texts", how to come back.
        Goodbye = "goodbye",
        /// To HELP: who, where to ring, STOP.
        Help = "help",
        /// To DONE.
        Done = "done",
        /// To PHONE: from now on phone numbers instead of links.
        Phone = "phone",
        /// To WEB: from now on links.
        Web = "web",
        /// To the name of a language, in that language.
        Language = "language",
        /// To anything that a person has to read, while no campaign runs.
        NoCampaign = "no_campaign",
        /// To a stranger who nearly asks to join: names the word.
        JoinHint = "join_hint",
    }
}

/// A list as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its name in configuration, store and commands.
    pub name: String,
    /// Who writes: stands in every answer.
    pub sender: String,
    /// Words that join it, as people are told to text them.
    pub join: Vec<String>,
    /// Version of the wording that people are shown when asked to join.
    pub wording_version: String,
    /// That wording.
    pub wording: String,
    /// Answer texts: (which, language tag, text).
    pub replies: Vec<(Reply, String, String)>,
    /// The language used when an answer does not exist in the asked one.
    pub fallback: String,
    /// Whoever texts a join word is asked for a YES, which counts for so long; none: the word is enough.
    pub confirm_within: Option<SignedDuration>,
}

impl List {
    /// The answer in `language`, else in the fallback; none if the list has no such answer.
    pub fn reply(&self, which: Reply, language: Option<&str>) -> Option<&str> {
        let wanted = language.unwrap_or(&self.fallback);
        let find =
            |tag: &str| self.replies.iter().find(|(r, l, _)| *r == which && l == tag).map(|(_, _, text)| text.as_str());
        let said = find(wanted).or_else(|| find(&self.fallback));
        let else_help = matches!(which, Reply::Language | Reply::NoCampaign);
        said.or_else(|| if else_help { self.reply(Reply::Help, language) } else { None })
    }
}

/// The words we listen for beyond the fixed ones, and the lists they join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// (join word, list).
    pub join: Vec<(String, String)>,
    /// Names of all lists.
    pub lists: Vec<String>,
    /// Words for STOP in other languages.
    pub extra_stop: Vec<String>,
    /// Words for HELP in other languages.
    pub extra_help: Vec<String>,
    /// Languages that some list answers in: (word, tag).
    pub languages: Vec<(String, String)>,
}

impl Listening {
    /// What a text means to us, from somebody who has or has not left before, or been asked for a YES since.
    pub fn understand(&self, body: &str, opted_out: bool, pending: bool) -> keyword::Meaning {
        keyword::understand(
            body,
            &keyword::Situation {
                join: &self.join,
                lists: &self.lists,
                pending,
                opted_out,
                extra_stop: &self.extra_stop,
                extra_help: &self.extra_help,
                languages: &self.languages,
            },
        )
    }
}
