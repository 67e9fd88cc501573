//! The words of [`super::keyword`], folded: lower case, no accents, no apostrophes. Sources: 47 CFR 64.1200(a)(10), the
//! lists of Twilio, AWS and Telnyx, and what parents write.

/// Opt out, alone or as the first sentence.
pub(super) const STOP: &[&str] = &[
    "stop", "stopall", "stop all", "unsubscribe", "opt out", "optout", "revoke", "remove", "arret", "remove me",
    "opt me out",
];
/// Opt out only as the whole message: "when does it end?" is a question.
pub(super) const STOP_WHOLE: &[&str] = &["cancel", "end", "quit"];
/// Opt out also among [`FILLER`].
pub(super) const STOP_WITH_FILLER: &[&str] = &["stop", "stopall", "unsubscribe", "optout", "remove"];
/// The same and a few more: a STOP beats every other word of ours.
pub(super) const STOP_AMONG: &[&str] = &["stop", "stopall", "unsubscribe", "optout", "remove", "revoke", "arret"];
/// Words that may stand around a STOP without changing what it means.
pub(super) const FILLER: &[&str] = &[
    "me", "my", "mine", "number", "phone", "mobile", "texting", "messaging", "contacting", "sending", "getting",
    "receiving", "message", "messages", "msg", "msgs", "text", "texts", "txt", "txts", "sms", "these", "those", "this",
    "that", "the", "them", "all", "any", "more", "to", "from", "for", "of", "off", "out", "opt", "list", "lists",
    "mailing", "your", "you", "us", "and", "i", "id", "want", "would", "like", "wish", "can", "could", "need", "will",
    "must", "be", "am", "im", "unsubscribed", "removed", "taken", "alerts", "reminders", "updates", "spam", "a", "it",
    "with", "subscription", "service", "immediately", "completely", "stop", "again", "by", "txting", "calling",
    "bothering", "msging", "emailing", "contact", "everything", "send",
];
/// Politeness.
pub(super) const POLITE: &[&str] = &[
    "please", "pls", "plz", "plse", "thanks", "thank", "thankyou", "thx", "ta", "cheers", "now", "ok", "okay", "hi",
    "hello", "hey", "kindly", "asap", "sorry", "dear", "sir", "madam", "just", "right", "away", "today", "xx", "x",
    "you", "re", "fw", "fwd", "very", "much", "u", "kind", "regards", "many",
];
/// Politeness around a join word or a YES: narrower, because here a mistake texts somebody.
pub(super) const COURTESY: &[&str] = &["please", "pls", "plz", "thanks", "thank", "thankyou", "thx", "ta"];
/// Ours; a STOP beats them in the same text.
pub(super) const COMMANDS: &[&str] = &[
    "help", "info", "start", "unstop", "join", "subscribe", "yes", "no", "done", "phone", "web",
];
/// Opt in, alone.
pub(super) const START: &[&str] = &["start", "unstop", "join", "subscribe", "opt in", "optin"];
/// Yes, alone.
pub(super) const YES: &[&str] = &[
    "yes", "y", "yeah", "yep", "yup", "ok", "okay", "sure", "confirm", "confirmed", "agree", "agreed", "definitely",
    "absolutely",
];
/// May stand around YES and NO.
pub(super) const AROUND_YES: &[&str] = &["please", "pls", "plz", "thanks", "thank", "thankyou", "thx", "ta", "cheers", "you", "u", "i", "do", "very", "much", "that", "would", "be", "great", "of", "course", "to", "this"];
/// No, alone.
pub(super) const NO: &[&str] = &["no", "n", "nope", "nah", "decline", "not", "me"];
/// Help, alone.
pub(super) const HELP: &[&str] = &["help", "info", "help me", "aide", "i need help", "need help"];
/// Done, among [`AROUND_DONE`].
pub(super) const DONE: &[&str] = &["done", "completed", "finished"];
pub(super) const AROUND_DONE: &[&str] = &[
    "ive", "i", "have", "it", "all", "already", "the", "survey", "that", "weve", "we", "its", "is", "been", "was",
    "yes", "now", "this",
];
/// A STOP beside one of these is not plain.
pub(super) const NEGATIONS: &[&str] = &[
    "dont", "not", "never", "doesnt", "didnt", "wont", "cant", "cannot", "shouldnt", "wouldnt", "isnt", "havent",
    "without", "dnt", "donot", "wasnt", "arent", "non",
];
/// Plain opt-outs that are not one word.
pub(super) const STOP_PHRASES: &[&str] = &[
    "take me off", "no more texts", "no more messages", "no more text", "no more sms", "no more", "take my number off",
    "get me off", "delete me from", "remove me", "remove my number", "opt me out", "take us off",
    "take this number off", "remove us",
];
/// Plain refusals that use a negation themselves.
pub(super) const REFUSALS: &[&str] = &[
    "dont text me", "do not text me", "dont text", "do not text", "dont message me", "do not message me",
    "dont contact me", "do not contact me", "dont send me any more", "do not send me any more", "dont send me anymore",
    "do not send me anymore", "never text me", "dont want any more texts", "dont want these texts",
    "dont want these messages", "do not want these texts", "do not want these messages", "dont want to receive",
    "do not want to receive", "no longer want", "dont want texts", "dont want any texts", "dont want messages",
    "dont want any more", "do not want any more", "dont want anymore", "dont call me", "do not call me",
];
/// May stand around phrases and refusals.
pub(super) const AROUND: &[&str] = &[
    "take", "no", "get", "delete", "do", "anymore", "ever", "longer", "send", "contact", "receive", "on", "in",
    "future", "if", "so", "want", "call", "this", "us",
];
/// Nouns and verbs of texting.
pub(super) const TEXTS: &[&str] = &[
    "text", "texts", "texting", "txt", "txts", "message", "messages", "messaging", "msgs", "msg", "sms", "contacting",
    "number", "list", "spam", "spamming", "subscription", "alerts", "reminders",
];
/// Words that speak of stopping without being ours.
pub(super) const LIKE_STOPPING: &[&str] = &[
    "stopped", "stopping", "cancel", "quit", "end", "unsubscribed", "remove", "removed", "delete", "block", "blocked",
    "opt",
];
/// May be a wish to stop.
pub(super) const REVIEW_PHRASES: &[&str] = &[
    "wrong number", "wrong person", "leave me alone", "not interested", "go away", "fuck off", "piss off", "get lost",
    "sod off", "not my number", "lose my number", "delete my number", "delete my details", "delete my data",
    "blocking you", "block you", "reporting you", "report you", "harassment", "harassing me", "dont know you",
    "dont have children", "dont have a child", "dont have kids", "no longer live", "no longer interested",
    "leave us alone", "wrong no", "take me off", "take us off", "take this number off", "get me off", "off this list",
    "off your list", "off the list", "withdraw my consent", "withdraw consent", "revoke my consent", "revoke consent",
    "delete me", "never signed up", "did not sign up", "didnt sign up", "this is spam", "how do i stop these",
    "how do i stop the texts", "had enough", "enough is enough", "spam",
];
/// One slip away from "stop", and words of their own.
pub(super) const NOT_STOP: &[&str] = &["shop", "step", "top", "stow"];
/// Cut off before a text is read.
pub(super) const SIGNATURES: &[&str] = &[
    "sent from my", "get outlook for", "sent from yahoo", "sent via", "sent from samsung",
];
/// Asks to join.
pub(super) const WANTS_TO_JOIN: &[&str] = &[
    "join", "sign up", "sign me up", "signup", "subscribe", "opt in", "add me", "register",
];
/// Everyday words: a join word among them joins only as the whole message.
pub(super) const EVERYDAY: &[&str] = &[
    "send", "text", "hello", "thanks", "please", "now", "news", "school", "home", "child", "children", "parent",
    "parents", "family", "support", "meeting", "survey", "update", "updates", "call", "ring", "link", "more", "list",
    "free", "care", "carer", "carers", "love", "good", "new", "reply", "question", "forum", "group", "sorry", "okay",
    "today", "message", "sms", "chat", "talk", "what", "when", "where", "who", "why", "how",
];
/// No join word may be one slip away from these.
pub(super) const RESERVED_LIKE: &[&str] = &[
    "stop", "stopall", "unsubscribe", "optout", "revoke", "remove", "arret", "cancel", "quit", "start", "unstop",
    "subscribe", "optin", "help", "info", "done", "phone",
];
