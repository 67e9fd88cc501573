//! `ringround pause`, `resume`, and the same for the line to the gateway.

use super::setting::{Setting, user};
use super::voice::say;
use super::{Done, Failure};
use crate::domain::pause::Pause;
use crate::engine::leave::Ground;
use crate::engine::pause::{pause, resume};
use serde_json::json;

/// Arguments of `pause`.
#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    /// Why, for the ledger and for whoever looks at the status
    #[arg(long, default_value = "a person said so", value_name = "TEXT")]
    why: String,
}

/// What to do with the line to the gateway.
#[derive(Debug, clap::Subcommand)]
pub(super) enum LineArgs {
    /// Send nothing through the gateway until it is resumed
    Pause(PauseArgs),
    /// Send again: after new credentials, new credit, or a pause
    Resume,
}

pub(super) async fn pause_all(setting: &Setting, args: PauseArgs) -> Done {
    set(setting, Pause::All, Some(&args.why)).await
}

pub(super) async fn resume_all(setting: &Setting) -> Done {
    set(setting, Pause::All, None).await
}

pub(super) async fn line(setting: &Setting, args: LineArgs) -> Done {
    match args {
        LineArgs::Pause(args) => set(setting, Pause::Line, Some(&args.why)).await,
        LineArgs::Resume => set(setting, Pause::Line, None).await,
    }
}

async fn set(setting: &Setting, what: Pause, why: Option<&str>) -> Done {
    let desk = setting.desk().await?;
    desk.stock().await?;
    let (by, now) = (user(setting), desk.clock.now());
    let ground = Ground { by: &by, how: why.unwrap_or("a person said so") };
    let decision = desk.decide(|ids| match why {
        Some(_) => pause(what, ground, now, ids),
        None => resume(what, ground, now, ids),
    });
    let changed = desk.store.commit_one(decision, now).await?;
    let name = if what == Pause::All { "all sending" } else { "the line to the gateway" };
    let state = if why.is_some() { "paused" } else { "not paused" };
    if !changed {
        return Err(Failure::new(1, format!("{name} is {state} already"), "ringround status shows what is paused"));
    }
    if setting.json {
        say!("{}", json!({"format": "ringround.changed/1", "pause": what.as_str(), "changed": state}));
    } else {
        say!("{name} is {state}.");
    }
    Ok(0)
}
