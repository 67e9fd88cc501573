//! `ringround inspect`: asks the rules why they say what they say. Calls the same functions as the service, and nothing
//! else: no settings, no database.

use super::inspect_jsonl;
use super::setting::Setting;
use super::{Done, FOUND_PROBLEMS, Failure, print};
use crate::clock::Clock;
use crate::domain::dial_in::{DialIn, DialInWarning};
use crate::domain::keyword::{Meaning, Scope, Situation, understand};
use crate::domain::phone::{Phone, PhoneRules};
use crate::domain::schedule::cron::{Cron, DayRule};
use crate::domain::schedule::zone::zone;
use crate::domain::text;
use jiff::{SignedDuration, Timestamp};

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// One JSON object a line on standard input, one answer a line on standard output
    #[arg(long)]
    jsonl: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Why does this text take so many parts?
    Text {
        /// The text
        value: String,
        /// Fold accents where that makes it plain
        #[arg(long)]
        fold_accents: bool,
    },
    /// Why is this number refused?
    Phone {
        /// The number, as it stands in the cell
        value: String,
        /// Allow numbers reserved for film and test
        #[arg(long)]
        allow_test: bool,
    },
    /// What is understood from this text of a parent's?
    Keyword {
        /// The text
        value: String,
        /// Join words
        #[arg(long, value_name = "WORD")]
        join: Vec<String>,
    },
    /// When does this cron line run?
    Schedule {
        /// The line: "0 10 * * TUE-THU"
        value: String,
        /// Time zone
        #[arg(long, default_value = "Europe/London")]
        tz: String,
        /// From when, UTC: 2022-10-29T00:00:00Z [default: now]
        #[arg(long)]
        from: Option<Timestamp>,
        /// Where day and weekday are both given: and, or
        #[arg(long, value_name = "RULE", value_parser = ["and", "or"])]
        day_rule: Option<String>,
    },
    /// What do phones and parents make of this dial-in?
    DialIn {
        /// The line as pasted from an invitation
        value: String,
    },
}

pub(super) fn run(setting: &Setting, args: Args) -> Done {
    let Some(what) = args.what else {
        if args.jsonl {
            return inspect_jsonl::run(&Clock::System);
        }
        let hint = "ringround inspect text|phone|keyword|schedule|dial-in VALUE, or --jsonl";
        return Err(Failure::new(2, "what shall be inspected?", hint));
    };
    if setting.json {
        return Err(Failure::new(2, "inspect answers people in words", "for JSON use: ringround inspect --jsonl"));
    }
    match what {
        What::Text { value, fold_accents } => text_in_words(&value, fold_accents),
        What::Phone { value, allow_test } => phone_in_words(&value, allow_test),
        What::Keyword { value, join } => keyword_in_words(&value, &join),
        What::Schedule { value, tz, from, day_rule } => schedule_in_words(&value, &tz, from, day_rule.as_deref()),
        What::DialIn { value } => dial_in_in_words(&value),
    }
}

fn size_in_words(value: &str) -> String {
    let size = text::measure(value);
    let (alphabet, room) = match size.encoding {
        text::Encoding::Gsm7 => ("plain (GSM-7)", "160 alone, 153 a part when joined"),
        text::Encoding::Ucs2 => ("any character (UCS-2)", "70 alone, 67 a part when joined"),
    };
    format!("{} part(s): {} units, {alphabet}, {room}", size.parts, size.units)
}

fn text_in_words(value: &str, fold_accents: bool) -> Done {
    println!("as written:  {}", size_in_words(value));
    let cleaned = text::clean(value, fold_accents);
    if cleaned != value {
        println!("as sent:     {}\n             {cleaned}", size_in_words(&cleaned));
    }
    let forcing = text::forces_ucs2(&cleaned);
    if !forcing.is_empty() {
        let shown: Vec<String> =
            forcing.iter().map(|(c, n)| format!("{c} (U+{:04X}, {n} time(s))", u32::from(*c))).collect();
        println!("These characters leave room for 70 instead of 160: {}", shown.join(", "));
    }
    Ok(0)
}

fn phone_in_words(value: &str, allow_test: bool) -> Done {
    let rules = PhoneRules { allow_test, ..PhoneRules::default() };
    match Phone::parse(value, &rules) {
        Ok(phone) => {
            println!("read as {} ({}, {}): can be texted", phone.e164(), phone.kind().as_str(), phone.region());
            Ok(0)
        }
        Err(problem) => {
            println!("refused: {problem} ({})\nhint: {}", problem.code(), problem.advice());
            Ok(FOUND_PROBLEMS)
        }
    }
}

fn keyword_in_words(value: &str, join: &[String]) -> Done {
    let join: Vec<(String, String)> = join.iter().map(|word| (word.clone(), word.to_lowercase())).collect();
    let lists: Vec<String> = join.iter().map(|(_, list)| list.clone()).collect();
    let situation = Situation { join: &join, lists: &lists, ..Situation::default() };
    println!(
        "{}",
        match understand(value, &situation) {
            Meaning::OptOut(Scope::All) => "STOP: leaves everything, at once".to_owned(),
            Meaning::OptOut(Scope::List(list)) => format!("STOP: leaves the list {list}, at once"),
            Meaning::OptIn { list: Some(list) } => format!("joins the list {list}"),
            Meaning::OptIn { list: None } => "START: comes back to what they left".to_owned(),
            Meaning::Help => "HELP: gets the help text".to_owned(),
            Meaning::Done => "DONE: no more reminders of steps that stop then".to_owned(),
            Meaning::Phone => "PHONE: from now on numbers to ring instead of links".to_owned(),
            Meaning::Web => "WEB: from now on links".to_owned(),
            Meaning::Language(tag) => format!("from now on in {tag}"),
            Meaning::NeedsReview => "may mean STOP: nothing is sent until a person has read it".to_owned(),
            Meaning::NearJoin { word } => format!("nearly asks to join: gets a hint that names {word}"),
            Meaning::Empty => "nothing in it: gets the help text".to_owned(),
            Meaning::Confirm | Meaning::Decline | Meaning::Other => "a person has to read it".to_owned(),
        }
    );
    Ok(0)
}

fn schedule_in_words(value: &str, tz: &str, from: Option<Timestamp>, rule: Option<&str>) -> Done {
    let zone = zone(tz).map_err(|e| Failure::new(2, e.to_string(), "use a name like Europe/London"))?;
    let rule = rule.map(|rule| if rule == "and" { DayRule::And } else { DayRule::Or });
    let cron = match Cron::parse(value, rule) {
        Ok(cron) => cron,
        Err(problem) => {
            println!(
                "refused: {problem}\nhint: five fields: minute hour day month weekday, for example 0 10 * * TUE-THU"
            );
            return Ok(FOUND_PROBLEMS);
        }
    };
    let from = from.unwrap_or_else(|| Clock::System.now());
    if cron.never_fires(from, &zone) {
        println!("never runs\nhint: no month has such a day: look at the day and month fields");
        return Ok(FOUND_PROBLEMS);
    }
    let mut start = from;
    for _ in 0..5 {
        let Some(fire) = cron.next(&zone, start, Timestamp::MAX) else { break };
        let note = if zone.to_datetime(fire.at) == fire.local { "" } else { "  (moved: the clocks skip its time)" };
        println!("{}  {}{note}", print::local(fire.at, &zone), print::utc(fire.at));
        start = fire.at.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MAX);
    }
    Ok(0)
}

fn dial_in_in_words(value: &str) -> Done {
    match DialIn::parse(value) {
        Ok(dial_in) => {
            println!("{}", dial_in.steps());
            for warning in dial_in.warnings() {
                println!(
                    "warning: {}",
                    match warning {
                        DialInWarning::NoId => "no conference ID: callers may be asked for one",
                        DialInWarning::CostlyNumber => "this number is dear to ring",
                    }
                );
            }
            Ok(0)
        }
        Err(problem) => {
            println!("refused: {problem} ({})\nhint: {}", problem.code(), problem.advice());
            Ok(FOUND_PROBLEMS)
        }
    }
}
