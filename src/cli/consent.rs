//! `ringround consent`: one page that proves what somebody agreed to, and the chain that proves the page.

use super::setting::Setting;
use super::voice::say;
use super::{Done, FOUND_PROBLEMS, Failure, contacts, print};
use crate::app::desk::Desk;
use crate::app::forget::writings;
use crate::app::ledger::seal_all;
use crate::domain::consent::Standing;
use crate::domain::contact::Contact;
use crate::domain::phone::Phone;
use crate::store::{Answer, EventRow, FORGOTTEN, Suppression, Verified};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What to do with the ledger of consent.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// One page of proof: what this person agreed to, when, how, and under which words
    Show {
        /// The number, or its last digits
        number: String,
        /// Show whole numbers, names, and the words a decision rests on
        #[arg(long)]
        reveal: bool,
    },
    /// Does the ledger's chain hold? Names the first entry that does not fit
    Verify {
        /// A head that was noted earlier (it stands in the log once a day): is it on this chain?
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
    },
    /// Seal what has happened up to now; a running service does it once a minute
    Seal,
}

impl Args {
    /// Does it change the database?
    pub(super) fn changes(&self) -> bool {
        matches!(self, Self::Seal)
    }

    /// Does it ask about numbers that may have no contact?
    pub(super) fn asks_numbers(&self) -> bool {
        matches!(self, Self::Show { .. })
    }
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let desk = setting.desk().await?;
    match args {
        Args::Show { number, reveal } => show(setting, &desk, &number, reveal).await,
        Args::Verify { head } => verify(setting, &desk, head.as_deref()).await,
        Args::Seal => {
            let events = seal_all(&desk).await?;
            let head = desk.store.head().await?.map(|seal| seal.hash);
            if setting.json {
                say!("{}", json!({"format": "ringround.sealed/1", "events": events, "head": head}));
            } else {
                say!("{events} entries sealed. The head is {}.", head.unwrap_or_else(|| "not there yet".to_owned()));
            }
            Ok(0)
        }
    }
}

async fn verify(setting: &Setting, desk: &Desk, head: Option<&str>) -> Done {
    let noted = head.map(str::trim).map(str::to_lowercase);
    if noted.as_ref().is_some_and(|head| head.len() < 16 || !head.chars().all(|c| c.is_ascii_hexdigit())) {
        let hint = "give all of it, or at least its first 16 characters";
        return Err(Failure::new(2, "this is no head of a ledger", hint));
    }
    let found = desk.store.verify_ledger(noted.as_deref()).await?;
    let lost = found.broken.is_none() && found.on_chain == Some(false);
    if setting.json {
        say!("{}", verified_json(&found));
    } else {
        let entry = |(id, at, kind): &(i64, Timestamp, String)| format!("entry {id} ({kind}, {})", print::utc(*at));
        if let Some(broken) = &found.broken {
            let named = broken.event.as_ref().map_or_else(String::new, |event| format!(", {}", entry(event)));
            say!("The chain is broken at seal {}{named}: {}.", broken.seal, broken.what);
            say!("The {} entries before it hold.", found.events);
        } else {
            say!("The chain holds: {} entries in {} seals.", found.events, found.seals);
        }
        if found.erased > 0 {
            say!(
                "  {} entries have no personal part any more: their people were forgotten, or they were too old.",
                found.erased
            );
        }
        if found.unsealed > 0 {
            say!("  {} entries are not sealed yet (ringround consent seal, or a running service).", found.unsealed);
        }
        match found.on_chain {
            Some(true) => say!("  The head that was noted is on it."),
            Some(false) if lost => {
                say!("  The head that was noted is NOT on it: it was rewritten, or restored from a backup.");
            }
            _ => {}
        }
        if let Some(head) = found.head.as_ref().filter(|_| found.broken.is_none()) {
            say!("  Its head is {head}");
        }
    }
    Ok(if found.broken.is_some() || lost { FOUND_PROBLEMS } else { 0 })
}

fn verified_json(found: &Verified) -> Value {
    let broken = found.broken.as_ref().map(|broken| {
        let (id, at, kind) =
            broken.event.clone().map_or((None, None, None), |(id, at, kind)| (Some(id), Some(at), Some(kind)));
        json!({"seal": broken.seal, "entry": id, "at": at.map(print::rfc3339), "kind": kind, "what": broken.what})
    });
    json!({
        "format": "ringround.verified/1", "holds": found.broken.is_none(), "entries": found.events, "seals": found.seals,
        "erased": found.erased, "unsealed": found.unsealed, "head": found.head, "noted_head_on_chain": found.on_chain,
        "broken": broken,
    })
}

/// All that the page says.
struct Page {
    contact: Contact,
    standings: Vec<(String, Standing, Timestamp)>,
    suppression: Option<Suppression>,
    events: Vec<EventRow>,
    /// The wording of an event, as it was then.
    wordings: BTreeMap<(String, String), String>,
    answers: Vec<Answer>,
    /// Seals that hold these events, and whether each fits.
    seals: BTreeMap<i64, bool>,
}

async fn show(setting: &Setting, desk: &Desk, number: &str, reveal: bool) -> Done {
    let contact = match contacts::find(desk, number).await {
        Ok(contact) => contact,
        Err(missing) => {
            let Ok(phone) = Phone::parse(number, &desk.settings.phone_rules) else { return Err(missing) };
            return match desk.store.suppression(&phone).await? {
                Some(suppression) => forgotten(setting, desk, &phone, &suppression, reveal).await,
                None => Err(missing),
            };
        }
    };
    let mut page = Page {
        standings: desk.store.standings_since(contact.id).await?,
        suppression: desk.store.suppression(&contact.phone).await?,
        events: desk.store.events(contact.id).await?,
        wordings: BTreeMap::new(),
        answers: desk.store.answers(contact.id).await?,
        seals: BTreeMap::new(),
        contact,
    };
    for (list, version) in page.events.iter().filter_map(|event| event.list.as_ref().zip(event.wording.as_ref())) {
        if let Some(text) = desk.store.wording(list, version).await? {
            page.wordings.insert((list.clone(), version.clone()), text);
        }
    }
    for seal in page.events.iter().filter_map(|event| event.seal).collect::<BTreeSet<_>>() {
        page.seals.insert(seal, desk.store.seal_holds(seal).await?);
    }
    let broken = page.seals.values().any(|holds| !holds);
    if setting.json {
        say!("{}", page.in_json(&desk.settings.zone, reveal));
    } else {
        page.in_words(desk, reveal);
    }
    Ok(if broken { FOUND_PROBLEMS } else { 0 })
}

/// Of somebody who was forgotten nothing is known but that.
async fn forgotten(setting: &Setting, desk: &Desk, phone: &Phone, suppression: &Suppression, reveal: bool) -> Done {
    let entry = desk.store.erased_at(suppression.since).await?;
    let holds = match entry.and_then(|(_, seal)| seal) {
        Some(seal) => Some(desk.store.seal_holds(seal).await?),
        None => None,
    };
    let was = suppression.reason == FORGOTTEN;
    if setting.json {
        let (id, seal) = entry.unzip();
        say!(
            "{}",
            json!({
                "format": "ringround.consent/1", "number": print::number(phone, reveal), "known": false, "suppressed": true,
                "forgotten": was, "since": print::rfc3339(suppression.since), "entry": id, "seal": seal.flatten(), "holds": holds,
            })
        );
    } else {
        let number = print::number(phone, reveal);
        say!(
            "{number} must not be texted since {}. Nothing else is kept.",
            both(suppression.since, &desk.settings.zone)
        );
        if let Some((id, seal)) = entry.filter(|_| was) {
            let seal = match (seal, holds) {
                (Some(seal), Some(true)) => format!("in seal {seal}, which holds"),
                (Some(seal), _) => format!("in seal {seal}, which does NOT hold: ringround consent verify"),
                (None, _) => "not sealed yet".to_owned(),
            };
            say!("That its owner was forgotten stands in the ledger as entry {id}, {seal}.");
        }
    }
    Ok(if holds == Some(false) { FOUND_PROBLEMS } else { 0 })
}

/// `Mon 24 Jan 2022 12:00 (2022-01-24 12:00Z)`
fn both(at: Timestamp, zone: &TimeZone) -> String {
    format!("{} ({})", print::local(at, zone), print::utc(at))
}

impl Page {
    fn in_words(&self, desk: &Desk, reveal: bool) {
        let zone = &desk.settings.zone;
        say!("Proof of consent for {}", print::number(&self.contact.phone, reveal));
        say!("Made {} with ringround {}\n", both(desk.clock.now(), zone), env!("CARGO_PKG_VERSION"));
        if let Some(name) = self.contact.name.as_ref().filter(|_| reveal) {
            say!("Name: {name}");
        }
        for list in desk.settings.lists.iter().filter(|list| self.standings.iter().any(|(name, ..)| *name == list.name))
        {
            say!("Who writes, and what about (list {}, wording {} in force today):", list.name, list.wording_version);
            say!("  “{}”\n", list.wording.trim());
        }
        say!("How things stand");
        for (list, standing, since) in &self.standings {
            say!("  list {list}: {} since {}", standing.in_words(), both(*since, zone));
        }
        match &self.suppression {
            Some(kept) => {
                say!(
                    "  must not be texted since {} ({})",
                    both(kept.since, zone),
                    print::private(&kept.reason, reveal)
                );
            }
            None => say!("  is not on the list of numbers that must not be texted"),
        }
        say!("\nWhat happened");
        for event in &self.events {
            self.event_in_words(event, zone, reveal);
        }
        say!("\nProof");
        let (seals, open) = (
            self.seals.keys().map(i64::to_string).collect::<Vec<_>>(),
            self.events.iter().filter(|e| e.seal.is_none()).count(),
        );
        if !seals.is_empty() {
            let wrong: Vec<String> =
                self.seals.iter().filter(|(_, holds)| !**holds).map(|(seal, _)| seal.to_string()).collect();
            let holds = if wrong.is_empty() {
                "each fits its entries and the seal before it".to_owned()
            } else {
                format!("of which these do NOT hold: {}", wrong.join(", "))
            };
            say!("  These entries are in the ledger's seals {}: {holds}.", seals.join(", "));
            say!("  The whole chain: ringround consent verify");
        }
        if open > 0 {
            say!("  {open} entries are not sealed yet.");
        }
    }

    /// The gateway's id, or the file and its row, are the proof, and nothing that a person wrote; all else may name somebody.
    fn source(&self, event: &EventRow, reveal: bool) -> String {
        let made =
            event.source.starts_with("file ") || event.source.starts_with("text ") && event.source.contains(" via ");
        let names = writings(&self.contact.phone).iter().any(|number| event.source.contains(number));
        print::private(&event.source, reveal || made && !names)
    }

    fn event_in_words(&self, event: &EventRow, zone: &TimeZone, reveal: bool) {
        let list = event.list.as_ref().map_or_else(String::new, |list| format!(", list {list}"));
        say!("  {}  entry {}", both(event.at, zone), event.id);
        say!("    what: {}{list}", event.kind.replace('_', " "));
        say!("    who:  {}", event.actor);
        say!("    how:  {}", self.source(event, reveal));
        if let Some(evidence) = &event.evidence {
            let said = if reveal { format!("“{evidence}”") } else { "kept, shown with --reveal".to_owned() };
            say!("    words: {said}");
        }
        if let Some(version) = &event.wording {
            let text = event.list.as_ref().and_then(|list| self.wordings.get(&(list.clone(), version.clone())));
            let text =
                text.map_or_else(|| "its text was not kept here".to_owned(), |text| format!("“{}”", text.trim()));
            say!("    shown: wording {version}: {text}");
        }
        for answer in self.answers.iter().filter(|answer| answers(event, answer)) {
            let body = answer
                .body
                .as_ref()
                .map_or_else(|| "its text is not kept any more".to_owned(), |body| format!("“{body}”"));
            say!("    we answered: {} [{}]: {body}", answer.reply.replace('_', " "), answer.state);
        }
    }

    fn in_json(&self, zone: &TimeZone, reveal: bool) -> Value {
        let event = |event: &EventRow| {
            let wording = event.wording.as_ref().map(|version| {
                let text = event.list.as_ref().and_then(|list| self.wordings.get(&(list.clone(), version.clone())));
                json!({"version": version, "text": text})
            });
            let answers = self.answers.iter().filter(|answer| answers(event, answer));
            let answers = answers.map(|a| json!({"reply": a.reply, "text": a.body, "state": a.state.as_str()}));
            json!({
                "entry": event.id, "at": print::rfc3339(event.at), "local": print::local_json(event.at, zone),
                "what": event.kind, "list": event.list, "who": event.actor, "how": self.source(event, reveal),
                "words": event.evidence.as_ref().filter(|_| reveal), "wording": wording,
                "answers": answers.collect::<Vec<_>>(), "seal": event.seal,
            })
        };
        let standings = self.standings.iter().map(|(list, standing, since)| {
            json!({"list": list, "standing": standing.as_str(), "since": print::rfc3339(*since)})
        });
        json!({
            "format": "ringround.consent/1", "number": print::number(&self.contact.phone, reveal), "known": true,
            "lists": standings.collect::<Vec<_>>(), "suppressed": self.suppression.is_some(), "forgotten": false,
            "since": self.suppression.as_ref().map(|kept| print::rfc3339(kept.since)),
            "entries": self.events.iter().map(event).collect::<Vec<_>>(),
            "seals": self.seals.iter().map(|(seal, holds)| json!({"seal": seal, "holds": holds})).collect::<Vec<_>>(),
        })
    }
}

/// Does this answer belong to the text that this entry came from?
fn answers(event: &EventRow, answer: &Answer) -> bool {
    event.source == format!("text {} via {}", answer.gateway_id, answer.gateway)
}
