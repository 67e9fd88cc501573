//! `ringround campaign`: apply, list, show, and steer.

use super::setting::{Setting, user};
use super::voice::{say, tell};
use super::{Done, FOUND_PROBLEMS, Failure, NOT_CONFIRMED, print, voice};
use crate::app::campaigns::{Applied, Steer, apply, steer, textable};
use crate::app::desk::Desk;
use crate::config::read_campaign;
use crate::domain::message::State;
use crate::engine::plan;
use crate::store::CampaignRow;
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// What to do with campaigns.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Check a campaign file and put it in the database; it sends nothing until it is started
    Apply {
        /// The campaign file
        file: PathBuf,
    },
    /// All campaigns
    List,
    /// One campaign: its calendar, and what became of every message
    Show {
        /// The campaign's id
        id: String,
    },
    /// Whom it has not reached so far: a file with whole numbers, for phoning
    NotReached {
        /// The campaign's id
        id: String,
        /// A new file, .csv: only you may read it
        file: PathBuf,
    },
    /// What it came to, to hand upwards: no number and no name is in it
    Report {
        /// The campaign's id
        id: String,
        /// A new file, .csv, with one row for each firing
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
    },
    /// Let a campaign send; asks for the number of people to be typed
    Start {
        /// The campaign's id
        id: String,
        /// The number of people, in place of typing it; the start is refused if it is another
        #[arg(long, value_name = "N")]
        yes_to: Option<u64>,
    },
    /// Send nothing of a campaign until it is resumed
    Pause {
        /// The campaign's id
        id: String,
    },
    /// Go on after a pause: what is still in time is sent
    Resume {
        /// The campaign's id
        id: String,
    },
    /// End a campaign: what waits is withdrawn
    Cancel {
        /// The campaign's id
        id: String,
    },
}

impl Args {
    /// Does it change the database?
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::List | Self::Show { .. } | Self::NotReached { .. } | Self::Report { .. })
    }
}

/// The number of people, where a start wants it typed and somebody is there to type it.
pub(super) async fn asked(setting: &Setting, args: &Args) -> Result<Option<u64>, Failure> {
    let Args::Start { id, yes_to: None } = args else { return Ok(None) };
    if !somebody_is_there() {
        return Ok(None);
    }
    let desk = setting.desk().await?;
    let row = find(&desk, id).await?;
    ask(id, textable(&desk.store, &row.list).await?).map(Some)
}

/// Is there somebody at a terminal who can be asked?
pub(super) fn somebody_is_there() -> bool {
    !voice::is_captured() && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let desk = setting.desk().await?;

    match args {
        Args::Apply { file } => applied(setting, &desk, &file).await,
        Args::List => list(setting, &desk).await,
        Args::Show { id } => show(setting, &desk, &find(&desk, &id).await?).await,
        Args::Report { id, csv } => {
            super::campaign_report::run(setting, &desk, &find(&desk, &id).await?, csv.as_deref()).await
        }
        Args::NotReached { id, file } => super::not_reached::run(setting, &desk, &find(&desk, &id).await?, &file).await,
        Args::Start { id, yes_to } => start(setting, &desk, &find(&desk, &id).await?, yes_to).await,
        Args::Pause { id } => steered(setting, &desk, &find(&desk, &id).await?, Steer::Pause).await,
        Args::Resume { id } => steered(setting, &desk, &find(&desk, &id).await?, Steer::Resume).await,
        Args::Cancel { id } => steered(setting, &desk, &find(&desk, &id).await?, Steer::Cancel).await,
    }
}

/// The campaign of this id, or a failure that names those there are.
pub(super) async fn find(desk: &Desk, id: &str) -> Result<CampaignRow, Failure> {
    if let Some(row) = desk.store.campaign(id).await? {
        return Ok(row);
    }
    let known: Vec<String> = desk.store.campaigns().await?.into_iter().map(|row| row.id).collect();
    let hint = if known.is_empty() {
        "put one in with: ringround campaign apply FILE".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    };
    Err(Failure::new(1, format!("there is no campaign \"{id}\""), hint))
}

async fn applied(setting: &Setting, desk: &Desk, file: &Path) -> Done {
    let source = setting.read(file)?;
    let name = file.display().to_string();
    let (applied, warnings) = apply(desk, &source, &user(setting)).await?;
    let (campaign, what) = match applied {
        Applied::Refused(problems) => {
            print::problems(&name, &source, &problems, setting.json);
            if !setting.json {
                say!("{name}: refused, nothing was changed");
            }
            return Ok(FOUND_PROBLEMS);
        }
        Applied::New(campaign) => (campaign, "new"),
        Applied::Changed(campaign) => (campaign, "changed"),
        Applied::Unchanged(campaign) => (campaign, "unchanged"),
    };
    print::problems(&name, &source, &warnings, setting.json);
    if setting.json {
        say!("{}", json!({"format": "ringround.applied/1", "campaign": campaign.id, "applied": what}));
        return Ok(0);
    }
    say!("{}: {what}, {} steps", campaign.id, campaign.steps.len());
    for (step, people) in desk.store.fired(&campaign.id).await? {
        say!("  {step} has already gone to {}", print::people(people));
    }
    if what == "new" {
        say!(
            "It sends nothing yet. See what it will do:  ringround plan {0}\nThen start it:  ringround campaign start {0}",
            campaign.id
        );
    }
    Ok(0)
}

async fn list(setting: &Setting, desk: &Desk) -> Done {
    let rows = desk.store.campaigns().await?;
    if setting.json {
        for row in &rows {
            say!(
                "{}",
                json!({"format": "ringround.campaign/1", "id": row.id, "list": row.list, "state": row.state.as_str()})
            );
        }
        return Ok(0);
    }
    if rows.is_empty() {
        say!("There is no campaign yet. Put one in with: ringround campaign apply FILE");
        return Ok(0);
    }
    let title = |row: &CampaignRow| read_campaign(&row.source).0.map_or_else(String::new, |c| c.title);
    let cells =
        rows.iter().map(|r| vec![r.id.clone(), r.state.as_str().to_owned(), r.list.clone(), title(r)]).collect();
    say!("{}", print::table(&["campaign", "state", "list", "title"], &[], cells));
    Ok(0)
}

async fn show(setting: &Setting, desk: &Desk, row: &CampaignRow) -> Done {
    let broadcasts = desk.store.broadcasts(&row.id).await?;
    let zone = read_campaign(&row.source).0.map_or(jiff::tz::TimeZone::UTC, |c| c.zone);
    let mut cells = Vec::new();
    let mut objects: Vec<Value> = Vec::new();
    for broadcast in &broadcasts {
        let counts = desk.store.broadcast_counts(broadcast.id).await?;
        let ends: Vec<String> =
            State::ALL.into_iter().filter(|s| counts.of(*s) > 0).map(|s| format!("{} {s}", counts.of(s))).collect();
        let passed = desk.store.passed_over(broadcast.id).await?;
        let nothing: Vec<String> = passed.iter().map(|(reason, people)| format!("{people} {reason}")).collect();
        let due = broadcast.occurrence.due_at;
        let what = broadcast.reason.clone().map_or(ends.join(", "), |reason| format!("missed: {reason}"));
        cells.push(vec![print::local(due, &zone), broadcast.occurrence.step.clone(), what, nothing.join(", ")]);
        objects.push(json!({
            "due": print::rfc3339(due), "local": print::local_json(due, &zone), "step": broadcast.occurrence.step,
            "fate": broadcast.fate, "reason": broadcast.reason, "states": print::states(&counts),
            "nothing": passed.iter().map(|(reason, people)| json!({"reason": reason, "people": people})).collect::<Vec<_>>(),
        }));
    }
    let counts = desk.store.counts(Some(&row.id)).await?;
    let doubts = desk.store.doubts_open(Some(&row.id)).await?;
    if setting.json {
        say!(
            "{}",
            json!({"format": "ringround.campaign/1", "id": row.id, "state": row.state.as_str(), "list": row.list,
                   "broadcasts": objects, "states": print::states(&counts), "messages": counts.total(), "parts": counts.parts,
                   "doubts": print::doubts_json(&doubts)})
        );
        return Ok(0);
    }
    say!("{} is {}; {} messages, {} parts", row.id, row.state.as_str(), counts.total(), counts.parts);
    for line in print::doubts(&doubts, desk.clock.now()) {
        say!("{line} (ringround doubts list --campaign {})", row.id);
    }
    if cells.is_empty() {
        say!("Nothing has been due yet. What is to come:  ringround plan {}", row.id);
    } else {
        say!("{}", print::table(&["due", "step", "texts", "got nothing"], &[], cells));
    }
    Ok(0)
}

async fn start(setting: &Setting, desk: &Desk, row: &CampaignRow, yes_to: Option<u64>) -> Done {
    let people = textable(&desk.store, &row.list).await?;
    let typed = match yes_to {
        Some(number) => number,
        None if somebody_is_there() => ask(&row.id, people)?,
        None => {
            let hint =
                format!("look at ringround plan {0}, then: ringround campaign start {0} --yes-to {people}", row.id);
            return Err(Failure::new(
                NOT_CONFIRMED,
                format!("{} would be texted: say so", print::people(people)),
                hint,
            ));
        }
    };
    let over = read_campaign(&row.source).0.is_some_and(|c| plan::next_due(&c, desk.clock.now()).is_none());
    if over {
        tell!("note: every step of {} lies in the past: it will send nothing", row.id);
    }
    if typed != people {
        let message = format!("nothing was started: {} would be texted, not {typed}", print::people(people));
        return Err(Failure::new(NOT_CONFIRMED, message, format!("look at: ringround plan {}", row.id)));
    }
    steered(setting, desk, row, Steer::Start).await
}

fn ask(id: &str, people: u64) -> Result<u64, Failure> {
    typed_number(&format!("{id} will text {}. Type that number to start it: ", print::people(people)))
}

/// Asks for a number.
pub(super) fn typed_number(question: &str) -> Result<u64, Failure> {
    print!("{question}");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    line.trim().parse().map_err(|_| Failure::new(NOT_CONFIRMED, "nothing was done: that was not a number", ""))
}

async fn steered(setting: &Setting, desk: &Desk, row: &CampaignRow, word: Steer) -> Done {
    if !steer(desk, row, word, &user(setting)).await? {
        let message = format!("{} is {}: it can't be {}", row.id, row.state.as_str(), word.past());
        return Err(Failure::new(1, message, "ringround campaign list shows what each campaign is doing"));
    }
    let state = desk.store.campaign(&row.id).await?.map_or(row.state, |row| row.state);
    if setting.json {
        say!("{}", json!({"format": "ringround.campaign/1", "id": row.id, "state": state.as_str()}));
    } else {
        say!("{} is {}.", row.id, state.as_str());
    }
    Ok(0)
}
