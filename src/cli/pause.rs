//! `ringround pause`, `resume`, and the same for the line to the gateway.

use super::setting::{Setting, user};
use super::voice::say;
use super::{Done, Failure};
use crate::app::scheduler;
use crate::domain::message::State;
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

/// Arguments of `resume`.
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    /// The database was restored or copied on purpose, and no other one sends any more
    #[arg(long, conflicts_with = "clock_is_right")]
    after_restore: bool,
    /// The clock is right, whatever the database has seen before
    #[arg(long)]
    clock_is_right: bool,
}

pub(super) async fn resume_all(setting: &Setting, args: ResumeArgs) -> Done {
    if args.after_restore {
        return after_restore(setting).await;
    }
    if args.clock_is_right {
        let desk = setting.desk().await?;
        if desk.store.pauses().await?.iter().any(|(name, ..)| name == Pause::Clock.as_str()) {
            desk.store.see(desk.clock.now()).await?;
        }
        return set(setting, Pause::Clock, None).await;
    }
    set(setting, Pause::All, None).await
}

/// Lifts the fence: what came due since the database's last entry may have been sent, and is not sent again.
async fn after_restore(setting: &Setting) -> Done {
    let desk = setting.desk().await?;
    if let Some(reason) = desk.store.moved().await? {
        // Nobody has started the service yet: it is the one that fences.
        return Err(Failure::new(
            1,
            format!("nothing has been looked at yet: {reason}"),
            "start the service first; it sends nothing until this command is given again",
        ));
    }
    if !desk.store.pauses().await?.iter().any(|(name, ..)| name == Pause::Fence.as_str()) {
        return Err(Failure::new(1, "this database was not restored", "ringround status shows what is paused"));
    }
    let (mut decisions, said) =
        scheduler::forgotten(&desk, "the database was restored: it may have been sent already").await?;
    let (by, now) = (user(setting), desk.clock.now());
    let ground = Ground { by: &by, how: "after a restore" };
    decisions.push(desk.decide(|ids| resume(Pause::Fence, ground, now, ids)));
    desk.store.commit(&decisions, now).await?;
    let (doubts, unresolved) = {
        let counts = desk.store.counts(None).await?;
        (counts.of(State::InDoubt), counts.of(State::Unresolved))
    };
    if setting.json {
        let format = "ringround.changed/1";
        say!(
            "{}",
            json!({"format": format, "pause": "fence", "changed": "not paused", "in_doubt": doubts, "unresolved": unresolved, "not_sent_again": said})
        );
        return Ok(0);
    }
    say!("Sending goes on. {doubts} texts are in doubt and asked about, {unresolved} need a person to decide.");
    for step in &said {
        say!("  not sent again, because it may have been sent: {step}");
    }
    say!("Opt-outs since the backup are not in this database: look at the gateway's own list of received texts.");
    Ok(0)
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
    let name = match what {
        Pause::All => "all sending",
        Pause::Line => "the line to the gateway",
        Pause::Fence => "the restored database",
        Pause::Clock => "sending for the clock's sake",
    };
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
