use super::*;

fn means(body: &str) -> Meaning {
    let join = [("DUDLEY".to_owned(), "dudley".to_owned()), ("SEND".to_owned(), "send".to_owned())];
    let lists = ["dudley".to_owned(), "send".to_owned()];
    let extra_stop = ["STOPIO", "بند کرو", "ਬੰਦ ਕਰੋ", "বন্ধ", "إيقاف"].map(str::to_owned);
    understand(body, &Situation { join: &join, lists: &lists, extra_stop: &extra_stop, ..Situation::default() })
}

#[test]
fn stop_in_all_its_dress() {
    for body in [
        "STOP", "stop", "Stop!", "“STOP”", "S T O P", "s.t.o.p.", "STOP\nSent from my iPhone", "STOP PLEASE",
        "please stop texting me", "Take me off", "take me off your list please", "STOP HELP", "Help. Stop",
        "stop sending me these messages", "I want to stop these texts", "unsubscribe me", "opt-out", "OPT OUT",
        "Revoke", "arrêt", "END", "cancel", "Quit please", "STOP to 60777", "no more texts", "Don't text me again",
        "Please do not contact me", "stopio", "بند کرو", "ਬੰਦ ਕਰੋ", "বন্ধ", "إيقاف", "STOP. I never asked for this",
        "STOP ALL", "stop stop stop", "\u{200b}STOP\u{a0}", "ＳＴＯＰ", "START STOP", "can you please stop",
        "Stop it now", "I'd like to opt out", "STOP❤️", "☎️ STOP", "STOP™", "STOPIO HELP", "REVOKE HELP",
        "stop txting me", "Re: STOP", "Hello,\nplease stop\nJane", "take me off\nJane", "STOP بند کرو",
        "I dont want any more messages", "remove my number from your list",
    ] {
        assert_eq!(means(body), Meaning::OptOut(Scope::All), "{body}");
    }
    assert_eq!(means("STOP SEND"), Meaning::OptOut(Scope::List("send".into())));
    assert_eq!(means("stop dudley please"), Meaning::OptOut(Scope::List("dudley".into())));
}

#[test]
fn questions_and_stories_are_not_stop() {
    for body in [
        "Please don't stop",
        "please don't stop the support",
        "When does the meeting end?",
        "Can I cancel my appointment on Tuesday?",
        "How do I stop him being excluded?",
        "I live in Dudley",
        "Send me the link",
        "My son will not stop crying at school",
        "YES",
        "ok thanks",
        "The bus stop is closed",
        "Is it non-stop?",
        "I quit my job to care for her",
        "not done yet",
        "What is the end date",
    ] {
        assert_eq!(means(body), Meaning::Other, "{body}");
    }
    for body in [
        "stopp",
        "Sotp",
        "wrong number",
        "Leave me alone",
        "unsubscibe",
        "Who is this? wrong person",
        "how can I stop these texts coming to my old number",
        "🛑",
        "STOPPP",
        "ST OP",
        "stop pleas",
        "STOP, I already did the survey",
        "stop - Jane",
        "We have moved away. Please remove us",
        "STOP FOO",
        "END HELP",
        "STOP proszę",
        "Leave us alone please",
        "withdraw my consent",
        "How do I unsubscribe?",
        "unsub",
        "ЅТОР",
        "I already said stop",
        "STOP doesn't work",
        "this is spam",
    ] {
        assert_eq!(means(body), Meaning::NeedsReview, "{body}");
    }
}

#[test]
fn words_that_ask_for_something() {
    let joined = |list: &str| Meaning::OptIn { list: Some(list.into()) };
    assert_eq!(means("Dudley!"), joined("dudley"));
    assert_eq!(means("dudley please"), joined("dudley"));
    assert_eq!(means("JOIN DUDLEY"), joined("dudley"));
    assert_eq!(means("SEND"), joined("send"));
    assert_eq!(means("send please"), Meaning::Other, "an everyday word joins only alone");
    assert_eq!(means("Start"), Meaning::OptIn { list: None });
    for body in ["can I join please", "Dudly", "sign me up for dudley"] {
        assert_eq!(means(body), Meaning::NearJoin { word: "DUDLEY".into() }, "{body}");
    }
    for (body, meaning) in [
        ("Done thanks!", Meaning::Done),
        ("I've done it", Meaning::Done),
        ("PHONE please", Meaning::Phone),
        ("web", Meaning::Web),
        ("?", Meaning::Help),
        ("Help please", Meaning::Help),
        ("INFO", Meaning::Help),
        ("", Meaning::Empty),
        ("👍", Meaning::Empty),
        ("I want to join but not now", Meaning::Other),
    ] {
        assert_eq!(means(body), meaning, "{body}");
    }
}

#[test]
fn yes_answers_only_our_own_question() {
    let asked =
        |body: &str, opted_out| understand(body, &Situation { pending: true, opted_out, ..Situation::default() });
    assert_eq!(asked("Yes please", false), Meaning::Confirm);
    assert_eq!(asked("no thank you", false), Meaning::Decline);
    for yes in ["Yes thank you", "yes ok", "YES YES", "Yes please do", "YES❤️"] {
        assert_eq!(asked(yes, false), Meaning::Confirm, "{yes}");
    }
    assert_eq!(asked("yes", true), Meaning::Other, "YES never undoes a STOP");
    assert_eq!(asked("yes stop", false), Meaning::OptOut(Scope::All));
}

#[test]
fn join_words_may_not_be_taken_for_others() {
    assert_eq!(check_join_word("DUDLEY"), Ok(None));
    assert_eq!(check_join_word("SEND"), Ok(Some(JoinWordWarning::EverydayWord)));
    for (word, problem) in [
        ("STOP", JoinWordProblem::Reserved),
        ("st op", JoinWordProblem::NotAWord),
        ("ST0P", JoinWordProblem::LikeReserved),
        ("ЅТОР", JoinWordProblem::LikeReserved),
        ("AAAAAAAAAAAAAAAAAAAAA", JoinWordProblem::NotAWord),
        ("STOPP", JoinWordProblem::LikeReserved),
        ("Stopsend", JoinWordProblem::LikeReserved),
        ("START", JoinWordProblem::Reserved),
        ("STAR", JoinWordProblem::LikeReserved),
        ("YES", JoinWordProblem::Reserved),
        ("END", JoinWordProblem::Reserved),
        ("GO", JoinWordProblem::NotAWord),
        ("", JoinWordProblem::NotAWord),
        ("60777", JoinWordProblem::NotAWord),
        ("two words", JoinWordProblem::NotAWord),
        ("Phone", JoinWordProblem::Reserved),
        ("opt out", JoinWordProblem::Reserved),
    ] {
        assert_eq!(check_join_word(word), Err(problem), "{word}");
    }
}
