//! `ringround inbox`: texts that a person has to read.

use super::setting::{Setting, user};
use super::voice::say;
use super::{Done, Failure, NOT_CONFIRMED, print};
use crate::app::desk::Desk;
use crate::domain::text;
use crate::engine::leave::Ground;
use crate::engine::may_send::Revocation;
use crate::engine::review::{Verdict, answer, review};
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
    /// Answers a text in your own words; one answer to each
    Reply {
        /// The text's number, as the inbox shows it
        id: i64,
        /// What to say
        text: String,
    },
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
        Some(Command::Reply { id, text }) => reply(setting, &desk, id, &text).await,
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

/// More parts than this are a letter.
const MOST_PARTS: usize = 4;

async fn reply(setting: &Setting, desk: &Desk, id: i64, said: &str) -> Done {
    let Some(text) = desk.store.inbound(id).await? else {
        return Err(Failure::new(1, format!("there is no text {id}"), "ringround inbox --all shows all of them"));
    };
    let sender = match text.contact {
        Some(contact) => desk.store.contact_by_id(contact).await?,
        None => None,
    };
    let Some(sender) = sender else {
        return Err(Failure::new(1, format!("text {id} came from no phone number"), "there is nobody to answer"));
    };
    if sender.held_for.is_some() && text.needs_person && text.meaning == "may be stop" {
        let message = "this text may mean STOP: an answer could be one text too many";
        return Err(Failure::new(NOT_CONFIRMED, message, format!("ringround inbox done {id} --carry-on, then answer")));
    }
    if !desk.store.suppressed_among(std::slice::from_ref(&sender.phone)).await?.is_empty() {
        let hint = "they said STOP, and no text may follow; ring them, if you must";
        return Err(Failure::new(1, format!("the sender of text {id} has left"), hint));
    }
    let size = text::measure(&text::clean(said, false));
    if said.trim().is_empty() || size.parts > MOST_PARTS {
        let parts = if said.trim().is_empty() { "no part".to_owned() } else { format!("{} parts", size.parts) };
        let message = format!("this answer takes {parts}");
        return Err(Failure::new(2, message, format!("write 1 to {MOST_PARTS}: 160 plain characters are one")));
    }
    desk.stock().await?;
    let (by, now) = (user(setting), desk.clock.now());
    let how = format!("answered text {id}");
    let decision = desk.decide(|ids| answer(id, sender.id, said, Ground { by: &by, how: &how }, now, ids));
    if !desk.store.commit_one(decision, now).await? {
        return Err(Failure::new(1, format!("text {id} has been answered already"), "each text is answered once"));
    }
    if setting.json {
        say!("{}", json!({"format": "ringround.changed/1", "inbound": id, "changed": "answered", "parts": size.parts}));
    } else {
        let parts = if size.parts == 1 { "one part".to_owned() } else { format!("{} parts", size.parts) };
        say!("Text {id} is answered, in {parts}.");
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
        desk.revoke(contact.id, Revocation::Left(None));
    }
    let (by, now) = (user(setting), desk.clock.now());
    let how = format!("read text {id}");
    let decision = desk.decide(|ids| review(id, sender.as_ref(), verdict, Ground { by: &by, how: &how }, now, ids));
    let held = desk.store.commit_one(decision, now).await?;
    desk.revoked(sender.as_ref().map(|c| c.id).as_slice(), desk.clock.now());
    if !held {
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
