//! Any text that somebody could send us: it is understood the same way twice, STOP survives its dress, and nothing but
//! START or a join word brings anybody back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringround::domain::keyword::{Meaning, Situation, understand};

fuzz_target!(|text: &str| {
    let join = [("DUDLEY".to_owned(), "send".to_owned())];
    let lists = ["send".to_owned(), "transport".to_owned()];
    let stop = ["ARRET".to_owned(), "رکو".to_owned(), "بند کرو".to_owned()];
    let help = ["AIDE".to_owned()];
    let languages = [("URDU".to_owned(), "ur".to_owned())];
    let plain = Situation {
        join: &join,
        lists: &lists,
        extra_stop: &stop,
        extra_help: &help,
        languages: &languages,
        ..Situation::default()
    };
    for (pending, opted_out) in [(false, false), (true, false), (true, true), (false, true)] {
        let situation = Situation { pending, opted_out, ..plain };
        let meaning = understand(text, &situation);
        assert_eq!(understand(text, &situation), meaning);
        if opted_out || !pending {
            assert!(!matches!(meaning, Meaning::Confirm), "YES answers our own question only");
        }
        if matches!(meaning, Meaning::OptOut(_)) {
            for dressed in [format!("  {text}\u{a0}"), format!("{text}\r\n")] {
                assert!(matches!(understand(&dressed, &situation), Meaning::OptOut(_)), "STOP in another dress");
            }
        }
    }
});
