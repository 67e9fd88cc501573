//! `ringround load-rows`: how `import` has the running service write. Nobody types it.

use super::setting::{Setting, one_list, user};
use super::voice::say;
use super::{Done, Failure};
use crate::app::import_load::{Batch, load};
use crate::app::import_notes;
use std::path::Path;

/// Under which name the rows come.
pub(super) const ROWS: &str = "rows";

/// Arguments of `load-rows`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(long)]
    list: String,
    #[arg(long)]
    hash: String,
    #[arg(long)]
    file: String,
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let wrong = || Failure::new(2, "these are no rows of ours", "import the file with the same version of ringround");
    let part = import_notes::received(&setting.read_bytes(Path::new(ROWS))?).ok_or_else(wrong)?;
    let desk = setting.desk().await?;
    let list = one_list(&desk.settings, Some(&args.list))?;
    let batch = Batch { file: args.file, hash: args.hash, list, by: user(setting) };
    let loaded = load(&desk, &batch, &part, false).await?;
    say!("{}", import_notes::answered(&loaded).map_err(std::io::Error::other)?);
    Ok(0)
}
