//! `ringround demo`: the story on the simulated world, in words or as one line of totals.

use super::setting::Setting;
use super::{Done, Failure, demo_print};
use crate::app::account::Account;
use crate::app::story::{self, SETTINGS};
use crate::clock::random_seed;
use crate::domain::message::State;
use crate::store::{Place, Sabotage, Store};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
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
        println!("{}", totals(&told.account));
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
fn totals(account: &Account) -> Value {
    let mut totals = Map::new();
    totals.insert("format".to_owned(), json!("ringround.demo/1"));
    totals.insert("contacts".to_owned(), json!(account.contacts));
    totals.insert("opted_in".to_owned(), json!(account.opted_in));
    totals.insert("messages".to_owned(), json!(account.counts.total()));
    for state in State::ALL {
        totals.insert(state.as_str().to_owned(), json!(account.counts.of(state)));
    }
    totals.insert("parts".to_owned(), json!(account.counts.parts));
    for (name, count) in account.broken() {
        totals.insert(name.to_owned(), json!(count));
    }
    Value::Object(totals)
}
