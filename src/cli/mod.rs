//! The command line. Data goes to standard output, talk to standard error; numbers are masked unless `--reveal` asks.

mod campaign;
mod campaign_report;
mod check;
mod consent;
mod contacts;
mod contacts_file;
mod demo;
mod demo_print;
mod doctor;
mod doubts;
mod failure;
mod forget;
mod forward;
mod gateway;
mod import;
mod import_print;
mod inbox;
mod inspect;
mod inspect_jsonl;
mod load_rows;
mod migrate;
mod not_reached;
mod pause;
mod plan;
mod print;
mod rehearse;
mod run;
mod send_test;
mod setting;
mod status;
mod voice;

use clap::{Parser, Subcommand};
use failure::Failure;
use setting::Setting;
use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::PathBuf;

/// Texts families what they asked to be told: once, in time, and never after STOP.
#[derive(Debug, Parser)]
#[command(name = "ringround", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    /// Settings file [default: /etc/ringround/ringround.toml, else ./config/ringround.toml, else built-in defaults]
    #[arg(long, global = true, env = "RINGROUND_CONFIG", value_name = "FILE", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Database, in place of the one in the settings: sqlite:FILE or postgres://…
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Print JSON instead of words
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed while doing it (demo: a promise was broken) · 2 wrong usage · \
3 done, and problems were found · 4 a person's yes is missing · 5 the database needs migrating, is newer than this \
program, or is in use · 6 the gateway refused or can't be reached · 78 the settings are wrong";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole job on a simulated world: two weeks in seconds, nothing leaves this computer
    Demo(demo::Args),
    /// Check settings and campaign files: no database, no network
    Check(check::Args),
    /// Load contacts from a spreadsheet: .csv, .tsv, .xlsx, .ods; look at imports, and undo them
    Import(Box<import::Args>),
    /// Rows of a spreadsheet, as `import` hands them to the running service
    #[command(hide = true)]
    LoadRows(load_rows::Args),
    /// Apply, look at, start and steer campaigns
    #[command(subcommand)]
    Campaign(campaign::Args),
    /// What will be sent: when, to how many, which text, parts, price, and who gets nothing and why
    Plan(plan::Args),
    /// Play a campaign's whole calendar with the real list, in seconds: nothing leaves this computer
    Rehearse(rehearse::Args),
    /// Look at and change contacts
    #[command(subcommand)]
    Contacts(contacts::Args),
    /// The ledger of consent: prove what somebody agreed to, and that nothing was changed since
    #[command(subcommand)]
    Consent(consent::Args),
    /// Texts that a person has to read
    Inbox(inbox::Args),
    /// Texts of which nobody knows whether they arrived, and what to do with them
    #[command(subcommand)]
    Doubts(doubts::Args),
    /// How things stand: a sentence, then a table
    Status(status::Args),
    /// Ask the rules: text, phone, keyword, schedule, dial-in
    Inspect(inspect::Args),
    /// Create the database, or bring it up to date
    Migrate(migrate::Args),
    /// Run the service: plan, send, receive, until it is stopped
    Run(run::Args),
    /// Text one tester, through the running service
    SendTest(send_test::Args),
    /// Which providers there are, whether a profile is sound, what a request looks like
    #[command(subcommand)]
    Gateway(gateway::Args),
    /// Pause and resume the line to the gateway
    #[command(subcommand)]
    Line(pause::LineArgs),
    /// Send nothing at all until it is resumed
    Pause(pause::PauseArgs),
    /// Go on after a pause of everything
    Resume(pause::ResumeArgs),
    /// Look at the installation from all sides, and say what to do
    Doctor(doctor::Args),
}

impl Command {
    /// Does it change the database? Then the running service carries it out.
    fn changes(&self) -> bool {
        match self {
            Self::Import(args) => args.changes(),
            Self::LoadRows(_) => true,
            Self::Campaign(args) => args.changes(),
            Self::Contacts(args) => args.changes(),
            Self::Consent(args) => args.changes(),
            Self::Inbox(args) => args.changes(),
            Self::Doubts(args) => args.changes(),
            Self::Gateway(args) => args.changes(),
            Self::SendTest(_) | Self::Line(_) | Self::Pause(_) | Self::Resume(_) => true,
            Self::Demo(_) | Self::Check(_) | Self::Plan(_) | Self::Rehearse(_) | Self::Status(_) | Self::Inspect(_) => {
                false
            }
            Self::Migrate(_) | Self::Run(_) | Self::Doctor(_) => false,
        }
    }

    /// Does it ask about numbers without a contact? Where the key of their hashes is the service's alone, it answers.
    fn asks_numbers(&self) -> bool {
        match self {
            Self::Consent(args) => args.asks_numbers(),
            _ => false,
        }
    }
}

/// Runs the program with these arguments; the exit code.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let setting = Setting {
        config: cli.config,
        database: cli.database,
        json: cli.json,
        changes: cli.command.changes(),
        desk: OnceCell::new(),
        asked: None,
    };
    let done = match forward::forward(&setting, &arguments, &cli.command).await {
        Ok(Some(code)) => Ok(code),
        Ok(None) => execute(&setting, cli.command).await,
        Err(failure) => Err(failure),
    };
    let code = done.unwrap_or_else(|failure| failure.print(setting.json));
    setting.close().await;
    code
}

async fn execute(setting: &Setting, command: Command) -> Done {
    match command {
        Command::Demo(args) => demo::run(setting, args).await,
        Command::Check(args) => check::run(setting, &args),
        Command::Import(args) => import::run(setting, *args).await,
        Command::LoadRows(args) => load_rows::run(setting, args).await,
        Command::Campaign(args) => campaign::run(setting, args).await,
        Command::Plan(args) => plan::run(setting, args).await,
        Command::Rehearse(args) => rehearse::run(setting, args).await,
        Command::Contacts(args) => contacts::run(setting, args).await,
        Command::Consent(args) => consent::run(setting, args).await,
        Command::Inbox(args) => inbox::run(setting, args).await,
        Command::Doubts(args) => doubts::run(setting, args).await,
        Command::Status(args) => status::run(setting, args).await,
        Command::Inspect(args) => inspect::run(setting, args),
        Command::Migrate(args) => migrate::run(setting, args).await,
        // The service carries out other commands: what it does is not to be found inside itself.
        Command::Run(args) => Box::pin(run::run(setting, args)).await,
        Command::SendTest(args) => send_test::run(setting, args).await,
        Command::Gateway(args) => gateway::run(setting, args).await,
        Command::Line(args) => pause::line(setting, args).await,
        Command::Pause(args) => pause::pause_all(setting, args).await,
        Command::Resume(args) => pause::resume_all(setting, args).await,
        Command::Doctor(args) => doctor::run(setting, args).await,
    }
}

/// What a command ends with: an exit code, or a failure that is printed.
type Done = Result<u8, Failure>;

/// Done, and problems were found.
const FOUND_PROBLEMS: u8 = 3;
/// A person's yes is missing, or was to another number.
const NOT_CONFIRMED: u8 = 4;

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        super::Cli::command().debug_assert();
    }
}
