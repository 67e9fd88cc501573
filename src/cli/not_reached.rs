//! `ringround campaign not-reached`: a file for phoning.

use super::setting::Setting;
use super::voice::say;
use super::{Done, Failure, print};
use crate::app::desk::Desk;
use crate::app::export::ExportError;
use crate::app::not_reached::not_reached;
use crate::config::read_campaign;
use crate::store::CampaignRow;
use jiff::tz::TimeZone;
use serde_json::json;
use std::path::Path;

pub(super) async fn run(setting: &Setting, desk: &Desk, row: &CampaignRow, file: &Path) -> Done {
    if desk.store.broadcasts(&row.id).await?.is_empty() {
        let hint = format!("ringround plan {} says when it begins", row.id);
        return Err(Failure::new(1, format!("nothing of {} has been due yet", row.id), hint));
    }
    let zone = read_campaign(&row.source).0.map_or(TimeZone::UTC, |campaign| campaign.zone);
    let shown = file.display().to_string();
    let found = not_reached(desk, row, &zone, file).await.map_err(|error| match error {
        ExportError::Io(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Failure::new(1, format!("{shown} is there already"), "name a new file, or take that one away first")
        }
        ExportError::Io(error) => {
            Failure::new(1, format!("{shown} can't be written: {error}"), "look at who may write there")
        }
        ExportError::Store(error) => error.into(),
    })?;
    if setting.json {
        say!(
            "{}",
            json!({"format": "ringround.not-reached/1", "campaign": row.id, "file": shown, "people": found.people,
                   "not_reached": found.all(), "why": found.why})
        );
        return Ok(0);
    }
    say!("{} of {} were not reached by {}.", found.all(), print::people(found.people), row.id);
    for (why, people) in &found.why {
        say!("  {people:>6}  {why}");
    }
    say!("{shown} names them, with whole numbers, for phoning. Take it away when that is done.");
    Ok(0)
}
