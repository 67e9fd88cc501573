//! `ringround migrate`

use super::setting::Setting;
use super::voice::say;
use super::{Done, Failure};
use crate::clock::random_seed;
use crate::store::{SCHEMA_VERSION, Store};
use serde_json::json;

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(setting: &Setting, _: Args) -> Done {
    let settings = setting.settings()?;
    let place = setting.place(&settings);
    let seed = random_seed().map_err(|e| Failure::new(1, format!("no random numbers: {e}"), ""))?;
    let (store, before) = Store::migrate(&place, seed).await?;
    store.close().await;
    if setting.json {
        say!("{}", json!({ "format": "ringround.migrate/1", "before": before, "now": SCHEMA_VERSION }));
    } else if before == SCHEMA_VERSION {
        say!("{} is up to date (version {SCHEMA_VERSION}).", place.shown());
    } else {
        say!("{}: version {before} → {SCHEMA_VERSION}.", place.shown());
    }
    Ok(0)
}
