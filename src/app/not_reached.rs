//! Whom a campaign has not reached: a file for phoning, before the deadline.
//!
//! Somebody is reached when the last text that was for them has arrived, or when they have said DONE. "The gateway took it"
//! is not "it arrived": such people are in the file, with those words. Who has left or never agreed is not.

use super::desk::Desk;
use super::export::ExportError;
use super::sheet::{neutral, private_csv};
use crate::domain::consent::Standing;
use crate::domain::contact::Candidate;
use crate::domain::ids::Id;
use crate::domain::message::State;
use crate::store::{CampaignRow, LastText};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// People looked at in one go.
const PAGE: i64 = 300;
const HEADINGS: [&str; 7] = ["phone", "name", "language", "internet", "why", "text", "when"];

/// What the file holds.
#[derive(Debug, Default)]
pub struct NotReached {
    /// People on the list who may be texted, or are held.
    pub people: u64,
    /// Of those, how many were not reached, by reason.
    pub why: BTreeMap<&'static str, u64>,
}

impl NotReached {
    /// How many.
    pub fn all(&self) -> u64 {
        self.why.values().sum()
    }
}

/// Writes a new file with whole numbers, which only its owner may read. Times are in `zone`.
pub async fn not_reached(
    desk: &Desk,
    campaign: &CampaignRow,
    zone: &TimeZone,
    path: &Path,
) -> Result<NotReached, ExportError> {
    let mut file = private_csv(path)?;
    file.write_record(HEADINGS).map_err(io::Error::other)?;
    let (mut found, mut after) = (NotReached::default(), Id::MIN);
    loop {
        let page = desk.store.candidates(&campaign.list, &campaign.id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.contact.id;
        let ids: Vec<Id> = page.iter().map(|who| who.contact.id).collect();
        let texts = desk.store.last_texts(&campaign.id, &ids).await?;
        for who in page.iter().filter(|who| who.standing == Standing::In && !who.suppressed) {
            found.people += 1;
            let text = texts.get(&who.contact.id);
            let Some((why, detail)) = why(who, text) else { continue };
            *found.why.entry(why).or_default() += 1;
            let cells = [
                who.contact.phone.national(),
                who.contact.name.clone().unwrap_or_default(),
                who.contact.language.clone().unwrap_or_default(),
                who.contact.internet.as_str().to_owned(),
                if detail.is_empty() { why.to_owned() } else { format!("{why}: {detail}") },
                text.map_or_else(String::new, |text| text.step.clone()),
                text.map_or_else(String::new, |text| zone.to_datetime(text.at).strftime("%Y-%m-%d %H:%M").to_string()),
            ];
            file.write_record(cells.iter().map(|cell| neutral(cell))).map_err(io::Error::other)?;
        }
    }
    file.into_inner().map_err(|error| io::Error::other(error.to_string()))?.flush()?;
    Ok(found)
}

/// Why they were not reached, and what is known; none: they were.
fn why(who: &Candidate, text: Option<&LastText>) -> Option<(&'static str, String)> {
    if who.contact.held_for.is_some() {
        return Some(("held: what they wrote may mean STOP, and nobody has read it (ringround inbox)", String::new()));
    }
    if who.done {
        return None;
    }
    let Some(text) = text else { return Some(("no text was for them", String::new())) };
    let why = match text.state {
        State::Delivered => return None,
        State::Accepted => "the gateway took it, and nothing says that it arrived",
        State::Undelivered => "it did not arrive",
        State::Rejected => "the gateway refused it",
        State::Expired => "its deadline came before it could leave",
        State::Cancelled => "it was withdrawn",
        State::InDoubt | State::Unresolved => "nobody knows whether it arrived (ringround doubts)",
        State::Held | State::Queued | State::Submitting => "it has not left yet",
    };
    Some((why, text.reason.clone().unwrap_or_default()))
}
