//! `ringround demo`: the story on the simulated world, in words or as one line of totals.

use super::setting::Setting;
use super::{Done, Failure, demo_print};
use crate::app::account::Account;
use crate::app::story::{self, SETTINGS};
use crate::clock::random_seed;
use crate::domain::message::State;
use crate::store::{Place, Sabotage, Store};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Break one rule on purpose, to see that the account at the end notices
    #[arg(long, value_enum, value_name = "RULE")]
    sabotage: Option<Rule>,
    /// Another number, another world: which answers get lost, which reports come late
    #[arg(long, default_value_t = 2022)]
    seed: u64,
}

/// The rules that can be broken.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Rule {
    /// Send again whatever got no answer
    Twice,
    /// Let the clock go four hours slow
    Late,
    /// Revive people who said STOP
    Stop,
    /// Text people who never agreed
    Consent,
}

/// The demo's exit code when a promise was broken.
const PROMISE_BROKEN: u8 = 1;

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let sabotage = args.sabotage.map(|rule| match rule {
        Rule::Twice => Sabotage::Twice,
        Rule::Late => Sabotage::Late,
        Rule::Stop => Sabotage::Stop,
        Rule::Consent => Sabotage::Consent,
    });
    let seed = random_seed().map_err(|e| Failure::new(1, format!("no random numbers: {e}"), ""))?;
    let folder = folder(&seed)?;
    let place = Place::new(&format!("sqlite:{}", folder.join("ringround.db").display()));
    let (store, _) = Store::migrate(&place, seed).await?;
    if !setting.json {
        demo_print::opening();
    }
    let bar = if setting.json { ProgressBar::hidden() } else { ProgressBar::new(18) };
    bar.set_style(ProgressStyle::with_template("  {msg} {bar:18}").unwrap_or_else(|_| ProgressStyle::default_bar()));
    let told = story::tell(store, args.seed, sabotage, |day| {
        bar.set_message(day.to_owned());
        bar.inc(1);
    })
    .await?;
    bar.finish_and_clear();
    let config = folder.join("ringround.toml");
    if setting.json {
        println!("{}", serde_json::to_string(&totals(&told.account)).map_err(std::io::Error::from)?);
    } else {
        demo_print::story(&told).await?;
        demo_print::closing(&told, &config, sabotage.is_some());
    }
    told.desk.store.close().await;
    Ok(if told.account.holds() { 0 } else { PROMISE_BROKEN })
}

/// A folder of its own for this demo, with settings that lead the other commands to its database.
fn folder(seed: &[u8; 32]) -> Result<PathBuf, Failure> {
    let name: String = seed.iter().take(4).map(|b| format!("{b:02x}")).collect();
    let folder = std::env::temp_dir().join(format!("ringround-demo-{name}"));
    std::fs::create_dir_all(&folder)?;
    let database = format!("\n[database]\nurl = \"sqlite:{}\"\n", toml_path(&folder.join("ringround.db")));
    std::fs::write(folder.join("ringround.toml"), format!("{SETTINGS}{database}"))?;
    Ok(folder)
}

fn toml_path(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"")
}

/// One line of totals. `messages` is the sum of the states; the last four must be 0.
#[derive(Serialize)]
struct Totals {
    format: &'static str,
    contacts: i64,
    opted_in: i64,
    messages: i64,
    held: i64,
    queued: i64,
    submitting: i64,
    accepted: i64,
    delivered: i64,
    undelivered: i64,
    rejected: i64,
    expired: i64,
    cancelled: i64,
    in_doubt: i64,
    unresolved: i64,
    parts: i64,
    sent_twice: u64,
    after_deadline: u64,
    after_stop: u64,
    without_consent: u64,
}

fn totals(account: &Account) -> Totals {
    let of = |state| account.counts.of(state);
    Totals {
        format: "ringround.demo/1",
        contacts: account.contacts,
        opted_in: account.opted_in,
        messages: account.counts.total(),
        held: of(State::Held),
        queued: of(State::Queued),
        submitting: of(State::Submitting),
        accepted: of(State::Accepted),
        delivered: of(State::Delivered),
        undelivered: of(State::Undelivered),
        rejected: of(State::Rejected),
        expired: of(State::Expired),
        cancelled: of(State::Cancelled),
        in_doubt: of(State::InDoubt),
        unresolved: of(State::Unresolved),
        parts: account.counts.parts,
        sent_twice: account.sent_twice,
        after_deadline: account.after_deadline,
        after_stop: account.after_stop,
        without_consent: account.without_consent,
    }
}
