//! `ringround contacts forget`: a person is forgotten, and what proves it is said.

use super::setting::{Setting, user};
use super::voice::say;
use super::{Done, FOUND_PROBLEMS, Failure, contacts};
use crate::app::desk::Desk;
use crate::app::forget::{Erasure, forget};
use crate::domain::phone::Phone;
use serde_json::json;

/// Arguments of `contacts forget`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The number, or its last digits
    number: String,
    /// Why, for the ledger; without name or number: "asked in writing on 3 May"
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Who decided [default: you]
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
}

pub(super) async fn run(setting: &Setting, desk: &Desk, args: Args) -> Done {
    let (phone, name) = match contacts::find(desk, &args.number).await {
        Ok(contact) => (contact.phone, contact.name),
        // A stranger may ask to be never texted, too.
        Err(missing) => match Phone::parse(&args.number, &desk.settings.phone_rules) {
            Ok(phone) => (phone, None),
            Err(_) => return Err(missing),
        },
    };
    let by = args.by.map_or_else(|| user(setting), |name| format!("admin:{name}"));
    let names = name
        .is_some_and(|name| !name.trim().is_empty() && args.why.to_lowercase().contains(&name.trim().to_lowercase()));
    if names || args.why.chars().filter(char::is_ascii_digit).count() > 8 {
        let hint = "say it without: this reason is kept when all else is gone";
        return Err(Failure::new(2, "the reason holds a name or a number", hint));
    }
    let erasure = forget(desk, &phone, &by, &args.why).await?;
    let left = erasure.traces.as_ref().map_or(0, |traces| traces.found.len());
    if setting.json {
        let traces = erasure.traces.as_ref();
        say!(
            "{}",
            json!({
                "format": "ringround.forgotten/1", "number": phone.masked(), "known": erasure.known, "cancelled": erasure.cancelled,
                "files": traces.map(|t| t.files), "left_in": traces.map(|t| t.found.iter().map(|f| f.display().to_string()).collect::<Vec<_>>()),
            })
        );
    } else {
        in_words(&phone, &erasure);
    }
    Ok(if left > 0 { FOUND_PROBLEMS } else { 0 })
}

fn in_words(phone: &Phone, erasure: &Erasure) {
    let known = if erasure.known { "forgotten" } else { "was not known, and will not be" };
    say!("{}: {known}. No file brings this number back; only their own START or join word does.", phone.masked());
    if erasure.cancelled > 0 {
        say!("  {} texts that waited were cancelled.", erasure.cancelled);
    }
    match &erasure.traces {
        Some(traces) if traces.found.is_empty() => {
            say!("  Nothing left of it in {} files (database, log, and what lies beside them).", traces.files);
        }
        Some(traces) => {
            let files: Vec<String> = traces.found.iter().map(|file| file.display().to_string()).collect();
            say!(
                "  Still found in {}: somebody else's text may name the number (ringround inbox), or a reader holds the log.",
                files.join(", ")
            );
        }
        None => say!("  Gone from rows and indexes; the server's own files and backups age out (docs/privacy.md)."),
    }
}
