//! Contacts as a spreadsheet that can be imported again and changes nothing then.

use super::desk::Desk;
use super::sheet::{neutral, private_csv};
use crate::domain::consent::Standing;
use crate::domain::contact::Contact;
use crate::store::{OptIn, StoreError};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::io::{self, Write};
use std::path::Path;

/// Why it could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const HEADINGS: [&str; 9] =
    ["phone", "name", "language", "internet", "tags", "standing", "consent source", "consent date", "wording"];

/// Writes a new file with whole numbers, which only its owner may read; how many contacts are in it. With a list: who has
/// to do with it, and the proof of consent of those who are in it.
pub async fn export(desk: &Desk, path: &Path, list: Option<&str>) -> Result<u64, ExportError> {
    let mut file = private_csv(path)?;
    file.write_record(HEADINGS).map_err(io::Error::other)?;
    let (mut after, mut written) = (0, 0);
    loop {
        let page = desk.store.contacts(after, 500).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        let phones: Vec<_> = page.iter().map(|c| c.phone.clone()).collect();
        let suppressed = desk.store.suppressed_among(&phones).await?;
        let ids: Vec<i64> = page.iter().map(|c| c.id).collect();
        let standings = match list {
            Some(list) => desk.store.standings_among(list, &ids).await?,
            None => std::collections::HashMap::new(),
        };
        for contact in &page {
            let left = suppressed.contains(&contact.phone).then_some(Standing::Out);
            let standing = left.or_else(|| standings.get(&contact.id).copied());
            let proof = match (list, standing) {
                (Some(list), Some(Standing::In)) => desk.store.last_opt_in(contact.id, list).await?,
                (Some(_), None) => continue,
                _ => None,
            };
            let cells = cells(contact, standing, proof.as_ref());
            file.write_record(cells.iter().map(|cell| neutral(cell))).map_err(io::Error::other)?;
            written += 1;
        }
    }
    file.into_inner().map_err(|error| io::Error::other(error.to_string()))?.flush()?;
    Ok(written)
}

/// A table without anybody's number in it, as a new file.
pub fn table<'a>(
    path: &Path,
    headings: impl Iterator<Item = &'a str>,
    rows: impl Iterator<Item = Vec<String>>,
) -> io::Result<()> {
    let mut file = private_csv(path)?;
    file.write_record(headings).map_err(io::Error::other)?;
    for row in rows {
        file.write_record(row.iter().map(|cell| neutral(cell))).map_err(io::Error::other)?;
    }
    file.into_inner().map_err(|error| io::Error::other(error.to_string()))?.flush()
}

fn cells(contact: &Contact, standing: Option<Standing>, proof: Option<&OptIn>) -> [String; 9] {
    let (source, date, wording) = proof.and_then(permission).unwrap_or_default();
    [
        contact.phone.national(),
        contact.name.clone().unwrap_or_default(),
        contact.language.clone().unwrap_or_default(),
        contact.internet.as_str().to_owned(),
        contact.tags.join(";"),
        standing.map_or_else(String::new, |s| s.in_words().to_owned()),
        source,
        date,
        wording,
    ]
}

/// A file or a person's word said where and when; their own text was the consent itself.
fn permission(proof: &OptIn) -> Option<(String, String, String)> {
    let wording = proof.wording.clone()?;
    let said = proof.evidence.as_deref().and_then(|words| words.rsplit_once(", "));
    if let Some((source, date)) = said.filter(|(_, date)| date.parse::<Date>().is_ok()) {
        return Some((source.to_owned(), date.to_owned(), wording));
    }
    let date = TimeZone::UTC.to_datetime(proof.at).date();
    Some(("their own text".to_owned(), date.to_string(), wording))
}
