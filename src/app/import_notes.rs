//! The words in which rows travel to the running service, and in which an import keeps what it did: compact JSON.

use super::import_load::{Load, Loaded};
use super::sheet::cells::{cell_of, language, tags};
use crate::domain::consent::Standing;
use crate::domain::contact::{ContactDraft, Edit, Internet, Permission};
use crate::domain::phone::Phone;
use crate::engine::admit::Verdict;
use crate::engine::undo::{Did, Swap};
use serde::{Deserialize, Serialize};

/// Every verdict.
pub const VERDICTS: [Verdict; 5] =
    [Verdict::New, Verdict::NewPending, Verdict::Changed, Verdict::Unchanged, Verdict::Suppressed];

/// A row as its cells would say it.
#[derive(Serialize, Deserialize)]
struct Cells {
    row: u64,
    phone: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    language: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    internet: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tags: String,
    /// Source, date, wording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consent: Option<(String, String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Sent {
    rows: Vec<Cells>,
    gone: Vec<i64>,
    end: bool,
}

#[derive(Serialize, Deserialize)]
struct Answered {
    import: Option<i64>,
    verdicts: Vec<String>,
    removed: u64,
}

/// What goes to the running service.
pub fn sent(load: &Load) -> serde_json::Result<Vec<u8>> {
    let rows = load.rows.iter().map(|row| Cells {
        row: row.line,
        phone: row.phone.e164().to_owned(),
        name: cell(&row.name, Clone::clone),
        language: cell(&row.language, Clone::clone),
        internet: cell(&row.internet, |internet| internet.as_str().to_owned()),
        tags: cell(&row.tags, |tags| tags.join(";")),
        consent: row.permission.as_ref().map(|p| (p.source.clone(), p.date.to_string(), p.wording.clone())),
    });
    serde_json::to_vec(&Sent { rows: rows.collect(), gone: load.gone.clone(), end: load.end })
}

fn cell<T>(edit: &Edit<T>, word: impl Fn(&T) -> String) -> String {
    match edit {
        Edit::Keep => String::new(),
        Edit::Clear => "-".to_owned(),
        Edit::Set(value) => word(value),
    }
}

/// What has come to the running service; none: it is not what we send.
pub fn received(bytes: &[u8]) -> Option<Load> {
    let Sent { rows, gone, end } = serde_json::from_slice(bytes).ok()?;
    let draft = |cells: Cells| {
        Some(ContactDraft {
            line: cells.row,
            phone: Phone::from_e164(&cells.phone)?,
            name: cell_of(&cells.name, |name| Some(name.to_owned()))?,
            language: cell_of(&cells.language, language)?,
            internet: cell_of(&cells.internet, Internet::parse)?,
            tags: cell_of(&cells.tags, |cell| Some(tags(cell)))?,
            permission: match cells.consent {
                Some((source, date, wording)) => Some(Permission { source, date: date.parse().ok()?, wording }),
                None => None,
            },
        })
    };
    Some(Load { rows: rows.into_iter().map(draft).collect::<Option<_>>()?, gone, end })
}

/// What goes back.
pub fn answered(loaded: &Loaded) -> serde_json::Result<String> {
    let verdicts = loaded.verdicts.iter().map(|v| v.as_str().to_owned()).collect();
    serde_json::to_string(&Answered { import: loaded.import, verdicts, removed: loaded.removed })
}

/// What has come back.
pub fn understood(text: &str) -> Option<Loaded> {
    let Answered { import, verdicts, removed } = serde_json::from_str(text).ok()?;
    let verdict = |word: &String| VERDICTS.into_iter().find(|v| v.as_str() == word);
    Some(Loaded { import, verdicts: verdicts.iter().map(verdict).collect::<Option<_>>()?, removed })
}

/// What an import did to a contact, field by field: before, after.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Swap<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Swap<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    internet: Swap<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Swap<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    standing: Swap<Option<String>>,
}

/// For the store.
pub(super) fn written(did: &Did) -> String {
    let word = |standing: Option<Standing>| standing.map(|s| s.as_str().to_owned());
    let kept = Kept {
        name: did.name.clone(),
        language: did.language.clone(),
        internet: did.internet.map(|(before, after)| (before.as_str().to_owned(), after.as_str().to_owned())),
        tags: did.tags.clone(),
        standing: did.standing.map(|(before, after)| (word(before), word(after))),
    };
    serde_json::to_string(&kept).unwrap_or_default() // texts and lists of texts: nothing that JSON can't say
}

/// From the store; none: nobody of us wrote that.
pub(super) fn read(text: &str) -> Option<Did> {
    let kept: Kept = serde_json::from_str(text).ok()?;
    let internet = |(before, after): (String, String)| Internet::parse(&before).zip(Internet::parse(&after));
    let standing = |word: Option<String>| word.and_then(|word| Standing::parse(&word));
    Some(Did {
        name: kept.name,
        language: kept.language,
        internet: kept.internet.and_then(internet),
        tags: kept.tags,
        standing: kept.standing.map(|(before, after)| (standing(before), standing(after))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_import_did_is_read_as_it_was_written() {
        let did = Did {
            name: Some((None, Some("=cmd|\"' \u{202e}".to_owned()))),
            tags: Some((vec!["a".to_owned()], Vec::new())),
            internet: Some((Internet::Unknown, Internet::No)),
            standing: Some((None, Some(Standing::In))),
            language: None,
        };
        assert_eq!(read(&written(&did)), Some(did));
        assert_eq!(read("{}"), Some(Did::default()));
        assert_eq!(read("no"), None);
    }

    #[test]
    fn rows_arrive_as_they_left() {
        let row = |name, consent| ContactDraft {
            line: 7,
            phone: Phone::from_e164("+447700900123").unwrap(),
            name,
            language: Edit::Keep,
            internet: Edit::Set(Internet::No),
            tags: Edit::Set(vec!["a, b".to_owned(), "c".to_owned()]),
            permission: consent,
        };
        let consent =
            Permission { source: "form".to_owned(), date: "2022-01-17".parse().unwrap(), wording: "1".to_owned() };
        let rows = vec![row(Edit::Clear, None), row(Edit::Set("A \"B\"\nC".to_owned()), Some(consent))];
        let load = Load { rows, gone: vec![4], end: true };
        let back = received(&sent(&load).unwrap()).unwrap();
        assert!(back.rows == load.rows && back.gone == load.gone && back.end);
        assert!(received(b"{}").is_none());
        let loaded = Loaded { import: Some(3), verdicts: VERDICTS.to_vec(), removed: 2 };
        assert_eq!(understood(&answered(&loaded).unwrap()).unwrap().verdicts, loaded.verdicts);
    }
}
