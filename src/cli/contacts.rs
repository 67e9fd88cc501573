//! `ringround contacts`: look at people, and change what is known of them by their word.

use super::contacts_file::{self, matches};
use super::setting::{Setting, one_list, user_as};
use super::voice::say;
use super::{Done, Failure, forget, print};
use crate::app::desk::Desk;
use crate::app::sheet::cells::{cell_of, language, on_one_line, tags, trimmed};
use crate::domain::consent::Standing;
use crate::domain::contact::{Contact, ContactDraft, Edit, Internet, Permission};
use crate::domain::message::State;
use crate::domain::phone::{Phone, PhoneProblem};
use crate::engine::admit::{Existing, Source, Verdict, admit, change};
use crate::engine::leave::{Ground, leave};
use crate::engine::may_send::Revocation;
use crate::store::{ConversationLine, EventRow};
use jiff::civil::Date;
use serde_json::json;
use std::collections::HashMap;

/// What to do with contacts.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// All contacts
    List {
        /// Show whole numbers and names
        #[arg(long)]
        reveal: bool,
    },
    /// Contacts by a part of their name, or three digits or more of their number
    Find {
        /// A part of a name, or of a number
        text: String,
        /// Show whole numbers and names
        #[arg(long)]
        reveal: bool,
    },
    /// Write contacts to a file that a spreadsheet program opens, and that can be imported again
    Export(contacts_file::Export),
    /// One contact: what is known, the ledger of consent, the conversation
    Show {
        /// The number, or its last digits
        number: String,
        /// Show whole numbers, names, and the words a decision rests on
        #[arg(long)]
        reveal: bool,
    },
    /// Add a person who has agreed by another way than a text: all three of source, date and wording are kept as proof
    Add {
        /// The number
        number: String,
        /// The list they agreed to [default: the only one there is]
        #[arg(long)]
        list: Option<String>,
        /// Where they agreed: "rang the office"
        #[arg(long, value_name = "TEXT", visible_alias = "how")]
        consent_source: String,
        /// When they agreed: 2022-01-17
        #[arg(long, value_name = "DATE")]
        consent_date: Date,
        /// Which version of the wording they were told
        #[arg(long, value_name = "VERSION")]
        wording: String,
        /// Who says so, for the ledger [default: who types this]
        #[arg(long = "as", value_name = "NAME")]
        by: Option<String>,
        #[command(flatten)]
        facts: Facts,
    },
    /// Change what is known of a person; consent is not touched
    Set {
        /// The number, or its last digits
        number: String,
        /// How you know, for the ledger: "rang the office"
        #[arg(long, value_name = "TEXT")]
        how: String,
        /// Who says so, for the ledger [default: who types this]
        #[arg(long = "as", value_name = "NAME")]
        by: Option<String>,
        #[command(flatten)]
        facts: Facts,
    },
    /// A person wants no more texts: they leave one list, or everything
    Leave {
        /// The number, or its last digits
        number: String,
        /// Leave only this list [default: everything]
        #[arg(long)]
        list: Option<String>,
        /// How you know, for the ledger: "rang the office"
        #[arg(long, value_name = "TEXT")]
        how: String,
        /// Who says so, for the ledger [default: who types this]
        #[arg(long = "as", value_name = "NAME")]
        by: Option<String>,
    },
    /// Forget a person: all that is known of them goes, and no file ever brings them back
    Forget(forget::Args),
}

impl Args {
    /// Does it change the database?
    pub(super) fn changes(&self) -> bool {
        matches!(self, Self::Add { .. } | Self::Set { .. } | Self::Leave { .. })
    }
}

/// What can be known of a person; `-` clears.
#[derive(Debug, clap::Args)]
pub(super) struct Facts {
    /// What to call them
    #[arg(long, allow_hyphen_values = true)]
    name: Option<String>,
    /// Language: English, ur, …
    #[arg(long, allow_hyphen_values = true)]
    language: Option<String>,
    /// yes, no or unknown
    #[arg(long, allow_hyphen_values = true)]
    internet: Option<String>,
    /// Tags, with ; between them
    #[arg(long, allow_hyphen_values = true)]
    tags: Option<String>,
}

impl Facts {
    fn draft(&self, phone: Phone, permission: Option<Permission>) -> Result<ContactDraft, Failure> {
        let cell = |given: &Option<String>| given.as_deref().map(trimmed).unwrap_or_default().to_owned();
        let wrong = |what: &str, hint: &str| Failure::new(2, format!("--{what} can't be read"), hint);
        Ok(ContactDraft {
            line: 0,
            phone,
            name: cell_of(&on_one_line(&cell(&self.name)), |n| Some(n.to_owned())).unwrap_or(Edit::Keep),
            language: cell_of(&cell(&self.language), language)
                .ok_or_else(|| wrong("language", "write its English name or its tag, like ur"))?,
            internet: cell_of(&cell(&self.internet), Internet::parse)
                .ok_or_else(|| wrong("internet", "write yes, no or unknown"))?,
            tags: cell_of(&cell(&self.tags), |t| Some(tags(t))).unwrap_or(Edit::Keep),
            permission,
        })
    }
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let desk = setting.desk().await?;

    match args {
        Args::List { reveal } => list(setting, &desk, reveal, |_| true).await,
        Args::Find { text, reveal } => list(setting, &desk, reveal, |contact| matches(contact, &text)).await,
        Args::Export(args) => contacts_file::run(setting, &desk, args).await,
        Args::Show { number, reveal } => show(setting, &desk, &find(&desk, &number).await?, reveal).await,
        Args::Add { number, list, consent_source, consent_date, wording, by, facts } => {
            let permission = Permission { source: consent_source, date: consent_date, wording };
            let draft = facts.draft(phone(&desk, &number)?, Some(permission))?;
            let list = one_list(&desk.settings, list.as_deref())?;
            add(setting, &desk, &draft, &list, &user_as(setting, by.as_deref())).await
        }
        Args::Set { number, how, by, facts } => {
            let contact = find(&desk, &number).await?;
            let draft = facts.draft(contact.phone.clone(), None)?;
            let by = user_as(setting, by.as_deref());
            set(setting, &desk, &contact, &draft, Ground { by: &by, how: &how }).await
        }
        Args::Leave { number, list, how, by } => {
            let by = user_as(setting, by.as_deref());
            gone(setting, &desk, &number, list.as_deref(), Ground { by: &by, how: &how }).await
        }
        Args::Forget(args) => forget::run(setting, &desk, args).await,
    }
}

fn phone(desk: &Desk, number: &str) -> Result<Phone, Failure> {
    let wrong = |e: PhoneProblem| Failure::new(2, e.to_string(), e.advice());
    Phone::parse(number, &desk.settings.phone_rules).map_err(wrong)
}

/// The contact with this number, or the only one that ends with these digits.
pub(super) async fn find(desk: &Desk, number: &str) -> Result<Contact, Failure> {
    if let Ok(phone) = Phone::parse(number, &desk.settings.phone_rules)
        && let Some(contact) = desk.store.contact(&phone).await?
    {
        return Ok(contact);
    }
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let mut found = if (3..=9).contains(&digits) { desk.store.contacts_ending(number, 2).await? } else { Vec::new() };
    match (found.pop(), found.is_empty()) {
        (Some(contact), true) => Ok(contact),
        (Some(_), false) => Err(Failure::new(1, "several contacts end with these digits", "give more of the number")),
        (None, _) => Err(Failure::new(1, "there is no such contact", "ringround contacts list shows all of them")),
    }
}

async fn list(setting: &Setting, desk: &Desk, reveal: bool, wanted: impl Fn(&Contact) -> bool) -> Done {
    let mut after = 0;
    let mut rows = Vec::new();
    loop {
        let page = desk.store.contacts(after, 500).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for contact in page.iter().filter(|contact| wanted(contact)) {
            let standings: Vec<String> = desk
                .store
                .standings(contact.id)
                .await?
                .iter()
                .map(|(list, s)| format!("{list}: {}", s.in_words()))
                .collect();
            if setting.json {
                say!("{}", in_json(contact, &standings, reveal));
            } else {
                rows.push(vec![
                    print::number(&contact.phone, reveal),
                    if reveal { contact.name.clone().unwrap_or_default() } else { String::new() },
                    contact.language.clone().unwrap_or_default(),
                    contact.internet.to_string(),
                    contact.tags.join(";"),
                    standings.join(", "),
                    contact.held_for.clone().unwrap_or_default(),
                ]);
            }
        }
    }
    if !setting.json {
        let heading = ["number", "name", "language", "internet", "tags", "lists", "held"];
        say!("{}", print::table(&heading, &[], rows));
    }
    Ok(0)
}

fn in_json(contact: &Contact, standings: &[String], reveal: bool) -> serde_json::Value {
    json!({
        "format": "ringround.contact/1", "number": print::number(&contact.phone, reveal),
        "name": contact.name.as_ref().filter(|_| reveal), "language": contact.language, "internet": contact.internet.as_str(),
        "tags": contact.tags, "lists": standings, "held_for": contact.held_for,
    })
}

async fn show(setting: &Setting, desk: &Desk, contact: &Contact, reveal: bool) -> Done {
    let known = Known {
        standings: desk.store.standings(contact.id).await?,
        suppressed: !desk.store.suppressed_among(std::slice::from_ref(&contact.phone)).await?.is_empty(),
        events: desk.store.events(contact.id).await?,
        lines: desk.store.conversation(contact.id).await?,
    };
    if setting.json {
        say!("{}", shown_in_json(contact, &known, reveal));
    } else {
        shown_in_words(contact, &known, reveal);
    }
    Ok(0)
}

/// All that the store knows of a contact.
struct Known {
    standings: Vec<(String, Standing)>,
    suppressed: bool,
    events: Vec<EventRow>,
    lines: Vec<ConversationLine>,
}

fn shown_in_json(contact: &Contact, known: &Known, reveal: bool) -> serde_json::Value {
    let standings: Vec<String> = known.standings.iter().map(|(list, s)| format!("{list}: {}", s.in_words())).collect();
    let event = |e: &EventRow| {
        json!({
            "at": print::rfc3339(e.at), "kind": e.kind, "list": e.list, "actor": e.actor, "source": e.source,
            "wording": e.wording, "evidence": e.evidence.as_ref().filter(|_| reveal),
        })
    };
    let line = |l: &ConversationLine| {
        json!({
            "at": print::rfc3339(l.at), "from": if l.theirs { "contact" } else { "us" }, "text": said_text(l, reveal),
            "state": l.state.map(State::as_str), "reason": l.reason,
        })
    };
    let mut told = in_json(contact, &standings, reveal);
    told["suppressed"] = json!(known.suppressed);
    told["ledger"] = known.events.iter().map(event).collect();
    told["conversation"] = known.lines.iter().map(line).collect();
    told
}

fn shown_in_words(contact: &Contact, known: &Known, reveal: bool) {
    let language = contact.language.as_deref().unwrap_or("not known");
    say!("{}  internet {}, language {language}", print::number(&contact.phone, reveal), contact.internet);
    if let Some(name) = contact.name.as_ref().filter(|_| reveal) {
        say!("  name: {name}");
    }
    for (list, standing) in &known.standings {
        say!("  list {list}: {}", standing.in_words());
    }
    if known.suppressed {
        say!("  must not be texted: only their own START or join word brings them back");
    }
    if let Some(reason) = &contact.held_for {
        say!("  held: {reason} (ringround inbox)");
    }
    say!("\nLedger");
    for event in &known.events {
        let list = event.list.as_ref().map_or_else(String::new, |l| format!(" {l}"));
        let wording = event.wording.as_ref().map_or_else(String::new, |w| format!(", wording {w}"));
        let evidence = event.evidence.as_ref().filter(|_| reveal).map_or_else(String::new, |e| format!(": “{e}”"));
        let at = print::utc(event.at);
        say!("  {at}  {}{list} by {} ({}{wording}){evidence}", event.kind, event.actor, event.source);
    }
    say!("\nConversation");
    for line in &known.lines {
        let end = match (line.state, &line.reason) {
            (Some(state), Some(reason)) => format!("  [{state}: {reason}]"),
            (Some(state), None) => format!("  [{state}]"),
            (None, _) => String::new(),
        };
        let arrow = if line.theirs { "←" } else { "→" };
        say!("  {}  {arrow} {}{end}", print::utc(line.at), said_text(line, reveal));
    }
}

/// Ours as it was sent; theirs without what may be a number.
fn said_text(line: &ConversationLine, reveal: bool) -> String {
    if line.theirs { print::private(&line.body, reveal) } else { line.body.clone() }
}

async fn add(setting: &Setting, desk: &Desk, draft: &ContactDraft, list: &str, by: &str) -> Done {
    if draft.permission.as_ref().is_some_and(|p| p.date > desk.today()) {
        return Err(Failure::new(2, "the day of consent is still to come", "look at --consent-date"));
    }
    let phones = std::slice::from_ref(&draft.phone);
    let contact = desk.store.contact(&draft.phone).await?;
    let standings = match &contact {
        Some(contact) => desk.store.standings_among(list, &[contact.id]).await?,
        None => HashMap::new(),
    };
    let existing = Existing {
        standing: standings.into_values().next(),
        suppressed: !desk.store.suppressed_among(phones).await?.is_empty(),
        contact,
    };
    let how = draft.permission.as_ref().map_or("", |p| p.source.as_str());
    desk.stock().await?;
    let now = desk.clock.now();
    let (verdict, decision) = desk.decide(|ids| admit(draft, &existing, &Source { list, how, by }, now, ids));
    if verdict == Verdict::Suppressed {
        let hint = "ask them to text START or the join word themselves";
        return Err(Failure::new(1, "this person said STOP or left: nobody but they can undo that", hint));
    }
    commit(desk, decision).await?;
    said(setting, &draft.phone, verdict.as_str())
}

async fn set(setting: &Setting, desk: &Desk, contact: &Contact, draft: &ContactDraft, ground: Ground<'_>) -> Done {
    let Ground { by, how } = ground;
    desk.stock().await?;
    let now = desk.clock.now();
    let decision = desk.decide(|ids| change(draft, contact, &Source { list: "", how, by }, now, ids));
    let what = if decision.is_some() { "changed" } else { "unchanged" };
    commit(desk, decision).await?;
    said(setting, &contact.phone, what)
}

async fn gone(setting: &Setting, desk: &Desk, number: &str, list: Option<&str>, ground: Ground<'_>) -> Done {
    let list = list.map(|list| one_list(&desk.settings, Some(list))).transpose()?;
    desk.stock().await?;
    let (contact, known) = match find(desk, number).await {
        Ok(contact) => (contact, true),
        // A stranger who rings to say "never text me" is heard too.
        Err(missing) => match Phone::parse(number, &desk.settings.phone_rules) {
            Ok(phone) => (Contact::unknown(desk.decide(super::super::domain::ids::Ids::take), phone), false),
            Err(_) => return Err(missing),
        },
    };
    let now = desk.clock.now();
    desk.revoke(contact.id, Revocation::Left(list.clone()));
    let decision = desk.decide(|ids| leave(&contact, known, list.as_deref(), ground, now, ids));
    commit(desk, Some(decision)).await?;
    desk.revoked(&[contact.id], desk.clock.now());
    said(setting, &contact.phone, "left")
}

async fn commit(desk: &Desk, decision: Option<crate::domain::change::Decision>) -> Result<(), Failure> {
    let Some(decision) = decision else { return Ok(()) };
    if desk.store.commit_one(decision, desk.clock.now()).await? {
        return Ok(());
    }
    Err(Failure::new(
        1,
        "this contact changed in the same moment: nothing was written",
        "look at it again, and repeat the command",
    ))
}

fn said(setting: &Setting, phone: &Phone, what: &str) -> Done {
    if setting.json {
        say!("{}", json!({"format": "ringround.changed/1", "number": phone.masked(), "changed": what}));
    } else {
        say!("{}: {}", phone.masked(), what.replace('_', " "));
    }
    Ok(0)
}
