//! `ringround inbox`: texts that a person has to read.

use super::setting::{Setting, user};
use super::voice::say;
use super::{Done, Failure, NOT_CONFIRMED, print};
use crate::app::desk::Desk;
use crate::engine::leave::Ground;
use crate::engine::may_send::Revocation;
use crate::engine::review::{Verdict, review};
use serde_json::json;

/// What to do with inbound texts.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// All texts, not only those that wait to be read
    #[arg(long)]
    all: bool,
    /// Show whole numbers
    #[arg(long)]
    reveal: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// You have read a text. Where it held its sender's texts, say what it was
    Done {
        /// The text's number, as the inbox shows it
        id: i64,
        /// It was a wish to stop: they leave everything
        #[arg(long, conflicts_with = "carry_on")]
        stop: bool,
        /// It was none: what waits for them may leave
        #[arg(long)]
        carry_on: bool,
    },
}

impl Args {
    /// Does it change the database?
    pub(super) fn changes(&self) -> bool {
        self.command.is_some()
    }
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let desk = setting.desk().await?;

    match args.command {
        None => list(setting, &desk, args.all, args.reveal).await,
        Some(Command::Done { id, stop, carry_on }) => {
            let verdict = match (stop, carry_on) {
                (true, _) => Verdict::Stop,
                (_, true) => Verdict::CarryOn,
                _ => Verdict::Read,
            };
            read(setting, &desk, id, verdict).await
        }
    }
}

async fn list(setting: &Setting, desk: &Desk, all: bool, reveal: bool) -> Done {
    let texts = desk.store.inbounds(!all, 1000).await?;
    if texts.is_empty() && !setting.json {
        say!("Nothing waits to be read.");
    }
    for text in &texts {
        let from = text.from.as_ref().map_or_else(|| "no phone number".to_owned(), |p| print::number(p, reveal));
        if setting.json {
            say!(
                "{}",
                json!({"format": "ringround.inbound/1", "id": text.id, "at": print::rfc3339(text.received_at), "from": from,
                       "text": print::private(&text.body, reveal), "understood": text.meaning, "unread": text.needs_person})
            );
        } else {
            say!("{:>6}  {}  {from}  [{}]", text.id, print::utc(text.received_at), text.meaning);
            say!("        {}", print::private(text.body.trim(), reveal).replace('\n', "\n        "));
        }
    }
    Ok(0)
}

async fn read(setting: &Setting, desk: &Desk, id: i64, verdict: Verdict) -> Done {
    let Some(text) = desk.store.inbound(id).await?.filter(|text| text.needs_person) else {
        return Err(Failure::new(1, format!("no text {id} waits to be read"), "ringround inbox shows those that do"));
    };
    let sender = match text.contact {
        Some(contact) => desk.store.contact_by_id(contact).await?,
        None => None,
    };
    let held = sender.as_ref().is_some_and(|c| c.held_for.is_some());
    if held && text.meaning == "may be stop" && verdict == Verdict::Read {
        let message = "this text may mean STOP, and its sender's texts are held until you say what it was";
        return Err(Failure::new(NOT_CONFIRMED, message, format!("ringround inbox done {id} --stop, or --carry-on")));
    }
    desk.stock().await?;
    if let (Verdict::Stop, Some(contact)) = (verdict, &sender) {
        desk.revoke(contact.id, Revocation::Left(None), desk.clock.now());
    }
    let (by, now) = (user(setting), desk.clock.now());
    let how = format!("read text {id}");
    let decision = desk.decide(|ids| review(id, sender.as_ref(), verdict, Ground { by: &by, how: &how }, now, ids));
    if !desk.store.commit_one(decision, now).await? {
        return Err(Failure::new(
            1,
            format!("somebody else was faster with text {id}"),
            "ringround inbox shows what is left",
        ));
    }
    if setting.json {
        say!("{}", json!({"format": "ringround.changed/1", "inbound": id, "changed": "read"}));
    } else {
        say!("Text {id} is read.");
    }
    Ok(0)
}
