//! `ringround doubts`: texts of which nobody knows whether they arrived, and what a person makes of them.

use super::campaign::{find, somebody_is_there, typed_number};
use super::setting::{Setting, user};
use super::voice::say;
use super::{Done, FOUND_PROBLEMS, Failure, NOT_CONFIRMED, print};
use crate::app::desk::Desk;
use crate::domain::doubt::{DoubtVerdict, Hindrance, OpenDoubt};
use crate::domain::ids::Id;
use crate::domain::message::State;
use crate::engine::doubt::{decide, hindrance};
use crate::engine::leave::Ground;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows read, and decisions committed, at once.
const PAGE: i64 = 500;

/// What to do with texts in doubt.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Texts of which nobody knows whether they arrived: to whom, since when, and what is known
    List {
        /// Only those of this campaign
        #[arg(long, value_name = "ID")]
        campaign: Option<String>,
        /// Show the texts themselves
        #[arg(long)]
        texts: bool,
        /// Show whole numbers
        #[arg(long)]
        reveal: bool,
    },
    /// Decide about texts that are unresolved
    Resolve(Resolve),
}

/// Arguments of `doubts resolve`.
#[derive(Debug, clap::Args)]
pub(super) struct Resolve {
    /// The texts' numbers, as the list shows them
    #[arg(required_unless_present_any = ["campaign", "all"], value_name = "NUMBER")]
    ids: Vec<Id>,
    /// All that are unresolved of this campaign
    #[arg(long, value_name = "ID", conflicts_with = "ids")]
    campaign: Option<String>,
    /// All that are unresolved
    #[arg(long, conflicts_with_all = ["ids", "campaign"])]
    all: bool,
    /// What you decide
    #[arg(long = "as", value_name = "WORD")]
    word: Word,
    /// Why, for the ledger: "rang three of them, all had it"
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    why: String,
    /// With --campaign or --all: how many texts, in place of typing it; nothing is decided if it is another number
    #[arg(long, value_name = "N", conflicts_with = "ids")]
    yes_to: Option<u64>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Word {
    /// They have it: nothing more is sent
    Arrived,
    /// Send it once more, if it is in time; whoever had it gets it twice
    SendAgain,
    /// Leave it: nothing more is sent, whether or not they have it
    Drop,
}

impl Word {
    fn verdict(self) -> DoubtVerdict {
        match self {
            Self::Arrived => DoubtVerdict::Arrived,
            Self::SendAgain => DoubtVerdict::SendAgain,
            Self::Drop => DoubtVerdict::Drop,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::SendAgain => "send-again",
            Self::Drop => "drop",
        }
    }

    /// After "3 texts".
    fn done(self) -> &'static str {
        match self {
            Self::Arrived => "count as arrived",
            Self::SendAgain => "are sent again",
            Self::Drop => "are dropped",
        }
    }
}

impl Args {
    /// Does it change the database?
    pub(super) fn changes(&self) -> bool {
        matches!(self, Self::Resolve(_))
    }
}

/// The number of texts, where a decision about many wants it typed and somebody is there to type it.
pub(super) async fn asked(setting: &Setting, args: &Args) -> Result<Option<u64>, Failure> {
    let Args::Resolve(resolve) = args else { return Ok(None) };
    if !resolve.ids.is_empty() || resolve.yes_to.is_some() || !somebody_is_there() {
        return Ok(None);
    }
    let desk = setting.desk().await?;
    let count = chosen(&desk, resolve).await?.ready.len();
    if count == 0 { Ok(None) } else { ask(resolve, count).map(Some) }
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let desk = setting.desk().await?;
    match args {
        Args::List { campaign, texts, reveal } => list(setting, &desk, campaign.as_deref(), texts, reveal).await,
        Args::Resolve(resolve) => resolved(setting, &desk, &resolve).await,
    }
}

async fn all(desk: &Desk, unresolved: bool, campaign: Option<&str>) -> Result<Vec<OpenDoubt>, Failure> {
    let mut all: Vec<OpenDoubt> = Vec::new();
    loop {
        let after = all.last().map_or(0, |doubt| doubt.id);
        let page = desk.store.open_doubts(unresolved, campaign, after, PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

async fn list(setting: &Setting, desk: &Desk, campaign: Option<&str>, texts: bool, reveal: bool) -> Done {
    if let Some(id) = campaign {
        find(desk, id).await?;
    }
    let now = desk.clock.now();
    let (unresolved, asked) = (all(desk, true, campaign).await?, all(desk, false, campaign).await?);
    for doubt in unresolved.iter().chain(&asked) {
        let number = print::number(&doubt.to, reveal);
        let text = texts.then(|| print::private(&doubt.text, reveal));
        if setting.json {
            say!(
                "{}",
                json!({"format": "ringround.doubt/1", "id": doubt.id, "to": number, "state": doubt.state.as_str(),
                       "campaign": doubt.campaign.as_ref().map(|(id, _)| id), "step": doubt.step,
                       "since": print::rfc3339(doubt.since), "age_seconds": now.duration_since(doubt.since).as_secs(),
                       "not_after": print::rfc3339(doubt.not_after), "reason": doubt.reason, "text": text,
                       "can_be_sent_again": hindrance(doubt, DoubtVerdict::SendAgain, now).is_none()})
            );
            continue;
        }
        say!(
            "{:>6}  {number}  {}  {} for {}, since {}",
            doubt.id,
            of(doubt),
            if doubt.state == State::InDoubt { "in doubt" } else { "unresolved" },
            print::age(now.duration_since(doubt.since)),
            print::utc(doubt.since)
        );
        say!("        {}", doubt.reason.as_deref().unwrap_or("nobody knows why"));
        if doubt.state == State::Unresolved
            && let Some(hindrance) = hindrance(doubt, DoubtVerdict::SendAgain, now)
        {
            say!("        It {}.", hindrance.in_words());
        }
        if let Some(text) = text {
            say!("        \"{}\"", text.replace('\n', "\n        "));
        }
    }
    if !setting.json {
        if unresolved.is_empty() && asked.is_empty() {
            say!("No text is in doubt.");
        } else if unresolved.is_empty() {
            say!("Nothing is to be decided: a report, or the gateway, may yet tell.");
        } else {
            say!("To decide:  ringround doubts resolve NUMBER… --as arrived|send-again|drop --why \"…\"");
        }
    }
    Ok(0)
}

/// Campaign and step, or what else it is.
fn of(doubt: &OpenDoubt) -> String {
    match (&doubt.campaign, &doubt.step) {
        (Some((campaign, _)), Some(step)) => format!("{campaign}/{step}"),
        (Some((campaign, _)), None) => campaign.clone(),
        _ if doubt.is_reply => "an answer".to_owned(),
        _ => "a test".to_owned(),
    }
}

/// What a command is about: those that can be decided so, and those that can't.
#[derive(Default)]
struct Chosen {
    ready: Vec<OpenDoubt>,
    hindered: Vec<(Id, Hindrance)>,
}

async fn chosen(desk: &Desk, resolve: &Resolve) -> Result<Chosen, Failure> {
    let mut chosen = Chosen::default();
    let now = desk.clock.now();
    let doubts = if resolve.ids.is_empty() {
        if let Some(id) = &resolve.campaign {
            find(desk, id).await?;
        }
        all(desk, true, resolve.campaign.as_deref()).await?
    } else {
        let mut ids = resolve.ids.clone();
        ids.sort_unstable();
        ids.dedup();
        let mut named = Vec::new();
        for id in ids {
            let doubt = desk.store.open_doubt(id).await?;
            let hint = "ringround doubts list shows those in doubt";
            named.push(doubt.ok_or_else(|| Failure::new(1, format!("there is no text {id}"), hint))?);
        }
        named
    };
    for doubt in doubts {
        match hindrance(&doubt, resolve.word.verdict(), now) {
            None => chosen.ready.push(doubt),
            Some(hindrance) => chosen.hindered.push((doubt.id, hindrance)),
        }
    }
    Ok(chosen)
}

async fn resolved(setting: &Setting, desk: &Desk, resolve: &Resolve) -> Done {
    let mut chosen = chosen(desk, resolve).await?;
    if let ([], [(id, hindrance)]) = (&chosen.ready[..], &chosen.hindered[..]) {
        let hint = match hindrance {
            Hindrance::StillAsked => "ringround doubts list shows what is unresolved",
            Hindrance::Settled => "ringround doubts list shows those in doubt",
            _ => "decide --as arrived or --as drop",
        };
        return Err(Failure::new(1, format!("text {id} {}", hindrance.in_words()), hint));
    }
    if resolve.ids.is_empty() && !chosen.ready.is_empty() {
        confirmed(resolve, chosen.ready.len())?;
    }
    let (by, report_within) = (user(setting), desk.settings.gateway.report_within);
    let mut decided = 0;
    for page in chosen.ready.chunks(usize::try_from(PAGE).unwrap_or(1)) {
        desk.stock().await?;
        let now = desk.clock.now();
        let (mut ids, mut decisions) = (Vec::new(), Vec::new());
        for doubt in page {
            let ground = Ground { by: &by, how: &resolve.why };
            match desk.decide(|ids| decide(doubt, resolve.word.verdict(), ground, report_within, now, ids)) {
                Ok(decision) => {
                    ids.push(doubt.id);
                    decisions.push(decision);
                }
                Err(hindrance) => chosen.hindered.push((doubt.id, hindrance)),
            }
        }
        let held = desk.store.commit(&decisions, now).await?;
        decided += held.iter().filter(|held| **held).count();
        let faster = ids.iter().zip(held).filter(|(_, held)| !held); // a report came meanwhile
        chosen.hindered.extend(faster.map(|(id, _)| (*id, Hindrance::Settled)));
    }
    setting.wake();
    tell_what_came_of_it(setting, resolve.word, decided, &chosen.hindered);
    Ok(if chosen.hindered.is_empty() { 0 } else { FOUND_PROBLEMS })
}

fn tell_what_came_of_it(setting: &Setting, word: Word, decided: usize, hindered: &[(Id, Hindrance)]) {
    if setting.json {
        let stay: Vec<Value> =
            hindered.iter().map(|(id, hindrance)| json!({"id": id, "reason": hindrance.in_words()})).collect();
        say!("{}", json!({"format": "ringround.changed/1", "doubts": decided, "as": word.as_str(), "stay": stay}));
        return;
    }
    match decided {
        0 if hindered.is_empty() => say!("No text waits for a decision."),
        0 => say!("Nothing was decided."),
        1 => say!("1 text: {}.", word.done().replacen("are", "is", 1).replacen("count", "counts", 1)),
        _ => say!("{decided} texts {}.", word.done()),
    }
    let mut by_hindrance: BTreeMap<Hindrance, Vec<String>> = BTreeMap::new();
    for (id, hindrance) in hindered {
        by_hindrance.entry(*hindrance).or_default().push(id.to_string());
    }
    for (hindrance, ids) in by_hindrance {
        let more = if ids.len() > 10 { format!(" and {} more", ids.len() - 10) } else { String::new() };
        let shown = ids.get(..10).unwrap_or(&ids).join(", ");
        say!("  left as it was, because it {}:\n      {shown}{more}", hindrance.in_words());
    }
}

/// A decision about many wants their number said.
fn confirmed(resolve: &Resolve, count: usize) -> Result<(), Failure> {
    let texts = if count == 1 { "1 text".to_owned() } else { format!("{count} texts") };
    let typed = match resolve.yes_to {
        Some(number) => number,
        None if somebody_is_there() => ask(resolve, count)?,
        None => {
            let hint = format!("look at ringround doubts list, then repeat this with --yes-to {count}");
            return Err(Failure::new(NOT_CONFIRMED, format!("{texts} would be decided about: say so"), hint));
        }
    };
    if usize::try_from(typed).ok() == Some(count) {
        return Ok(());
    }
    let message = format!("nothing was decided: it would be about {texts}, not {typed}");
    Err(Failure::new(NOT_CONFIRMED, message, "look at: ringround doubts list"))
}

fn ask(resolve: &Resolve, count: usize) -> Result<u64, Failure> {
    typed_number(&format!("{count} texts, --as {}. Type that number to decide so: ", resolve.word.as_str()))
}
