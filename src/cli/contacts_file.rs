//! `ringround contacts find` and `contacts export`.

use super::setting::{Setting, one_list};
use super::voice::say;
use super::{Done, Failure};
use crate::app::desk::Desk;
use crate::app::export::{ExportError, export};
use crate::domain::contact::Contact;
use serde_json::json;
use std::path::PathBuf;

/// Arguments of `contacts export`.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// A new file, .csv: it holds whole numbers and names, and only you may read it
    file: PathBuf,
    /// Who has to do with this list, with their proof of consent [default: everybody, and the only list there is]
    #[arg(long)]
    list: Option<String>,
}

pub(super) async fn run(setting: &Setting, desk: &Desk, args: Export) -> Done {
    let only = desk.settings.lists.len() == 1;
    let list = match &args.list {
        None if !only => None,
        named => Some(one_list(&desk.settings, named.as_deref())?),
    };
    let shown = args.file.display().to_string();
    let written = export(desk, &args.file, list.as_deref()).await.map_err(|error| match error {
        ExportError::Io(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Failure::new(1, format!("{shown} is there already"), "name a new file, or take that one away first")
        }
        ExportError::Io(error) => {
            Failure::new(1, format!("{shown} can't be written: {error}"), "look at who may write there")
        }
        ExportError::Store(error) => error.into(),
    })?;
    if setting.json {
        say!("{}", json!({"format": "ringround.exported/1", "file": shown, "contacts": written}));
    } else {
        say!("{written} contacts are in {shown}: whole numbers and names. Keep it as you would keep the list itself.");
    }
    Ok(0)
}

/// Does it have this in its name, or in its number as people write or as we keep it?
pub(super) fn matches(contact: &Contact, text: &str) -> bool {
    let words = text.trim().to_lowercase();
    let named = !words.is_empty() && contact.name.as_ref().is_some_and(|name| name.to_lowercase().contains(&words));
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let wanted = digits(text);
    let is_number = wanted.len() >= 3 && !text.chars().any(char::is_alphabetic);
    let numbered =
        is_number && [contact.phone.e164(), &contact.phone.national()].iter().any(|n| digits(n).contains(&wanted));
    named || numbered
}
