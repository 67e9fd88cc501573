//! A list: what one opts in to. It has join words, the wording people were shown, and the answers they get.

use super::keyword;

/// The answers a list gives, each one text per language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// To a join word: who, what, how often, cost, HELP, STOP.
    Welcome,
    /// To a join word from somebody who is in.
    AlreadyIn,
    /// To STOP: who, "you will get no more texts", how to come back.
    Goodbye,
    /// To HELP: who, where to ring, STOP.
    Help,
    /// To DONE.
    Done,
    /// To PHONE: from now on phone numbers instead of links.
    Phone,
    /// To WEB: from now on links.
    Web,
    /// To a stranger who nearly asks to join: names the word.
    JoinHint,
}

impl Reply {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Welcome, Self::AlreadyIn, Self::Goodbye, Self::Help, Self::Done, Self::Phone, Self::Web, Self::JoinHint];

    /// The key in configuration and store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::AlreadyIn => "already_in",
            Self::Goodbye => "goodbye",
            Self::Help => "help",
            Self::Done => "done",
            Self::Phone => "phone",
            Self::Web => "web",
            Self::JoinHint => "join_hint",
        }
    }
}

/// A list as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its name in configuration, store and commands.
    pub name: String,
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
}

impl List {
    /// The answer in `language`, else in the fallback; none if the list has no such answer.
    pub fn reply(&self, which: Reply, language: Option<&str>) -> Option<&str> {
        let wanted = language.unwrap_or(&self.fallback);
        let find =
            |tag: &str| self.replies.iter().find(|(r, l, _)| *r == which && l == tag).map(|(_, _, text)| text.as_str());
        find(wanted).or_else(|| find(&self.fallback))
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
}

impl Listening {
    /// What a text means to us, for somebody who has (`opted_out`) or has not left before.
    pub fn understand(&self, body: &str, opted_out: bool) -> keyword::Meaning {
        keyword::understand(
            body,
            &keyword::Situation {
                join: &self.join,
                lists: &self.lists,
                pending: false,
                opted_out,
                extra_stop: &self.extra_stop,
                extra_help: &self.extra_help,
            },
        )
    }
}
