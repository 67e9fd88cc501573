//! `ringround check`: settings and campaign files, without a database and without a network.

use super::setting::Setting;
use super::voice::say;
use super::{Done, FOUND_PROBLEMS, print};
use crate::app::campaigns::check_source;
use crate::clock::Clock;
use crate::config::{DEFAULTS, Settings};
use crate::domain::campaign::{Campaign, When};
use crate::domain::problem::{Problem, Severity};
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Campaign or settings files [default: the settings in use]
    files: Vec<PathBuf>,
    /// Print the defaults file, which is also the reference of every key
    #[arg(long, conflicts_with = "files")]
    defaults: bool,
}

pub(super) fn run(setting: &Setting, args: &Args) -> Done {
    if args.defaults {
        print!("{DEFAULTS}");
        return Ok(0);
    }
    let settings = setting.settings()?;
    let lists: Vec<String> = settings.lists.iter().map(|l| l.name.clone()).collect();
    let files = if args.files.is_empty() { setting.file().into_iter().collect() } else { args.files.clone() };
    if files.is_empty() {
        say!("There is no settings file; the built-in defaults are in use (ringround check --defaults).");
    }
    let mut errors = 0;
    for file in &files {
        let source = setting.read(file)?;
        let (campaign, problems) =
            if is_campaign(&source) { check_source(&source, &lists) } else { (None, Settings::read(&source).1) };
        errors += report(setting, file, &source, campaign.as_ref(), &problems);
    }
    Ok(if errors == 0 { 0 } else { FOUND_PROBLEMS })
}

/// A campaign file is one that has steps or milestones.
fn is_campaign(source: &str) -> bool {
    source.lines().any(|line| matches!(line.trim(), "[[step]]" | "[milestones]"))
}

/// Prints what was found in one file; how many errors.
fn report(setting: &Setting, file: &Path, source: &str, campaign: Option<&Campaign>, problems: &[Problem]) -> usize {
    let name = file.display().to_string();
    print::problems(&name, source, problems, setting.json);
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    if setting.json {
        return errors;
    }
    let warnings = problems.len() - errors;
    say!("{name}: {}, {}", count(errors, "error"), count(warnings, "warning"));
    if let Some(campaign) = campaign {
        next_runs(campaign);
    }
    errors
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// R-NEVER: the next three runs of every step, or its first ones if it is over.
fn next_runs(campaign: &Campaign) {
    let now = Clock::System.now();
    for step in &campaign.steps {
        let runs = match &step.when {
            When::Joining { from, to } => {
                let from = print::local(*from, &campaign.zone);
                say!("  {:<24} to who joins from {from} until {}", step.id, print::local(*to, &campaign.zone));
                continue;
            }
            When::At(at) => vec![*at],
            When::Cron { cron, from, to } => {
                let from = if now < *to { now.max(*from) } else { *from };
                let mut runs: Vec<Timestamp> = Vec::new();
                let mut start = from;
                while let Some(fire) = cron.next(&campaign.zone, start, *to).filter(|_| runs.len() < 3) {
                    runs.push(fire.at);
                    start = fire.at.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MAX);
                }
                runs
            }
        };
        let shown: Vec<String> =
            runs.iter().map(|at| format!("{} ({})", print::local(*at, &campaign.zone), print::utc(*at))).collect();
        say!("  {:<24} {}", step.id, shown.join(", "));
    }
}
