//! A rehearsal: the whole calendar of a campaign with the real list, on the virtual clock, through the simulated gateway.
//! Everything happens in a database of its own in a private folder, which is gone afterwards; nothing leaves, and the real
//! database is only read.
//!
//! The same parts run as in the service. The world is a good one (nothing is lost, everybody's phone works), so that what
//! is shown is what the campaign does, and the same list gives the same texts every time.

use super::campaigns::{Applied, Steer, apply, steer};
use super::desk::Desk;
use super::run_virtual::Run;
use crate::clock::{Clock, VirtualClock};
use crate::config::Settings;
use crate::domain::campaign::Campaign;
use crate::domain::change::{Change, Decision};
use crate::domain::contact::Candidate;
use crate::domain::ids::Id;
use crate::gateway::simulated::phone::Phone;
use crate::gateway::simulated::{Params, World};
use crate::store::{Place, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// People copied in one commit.
const PAGE: i64 = 500;
const ACTOR: &str = "admin:rehearsal";

/// One text of a rehearsal.
#[derive(Debug)]
pub struct Heard {
    /// When it reached the gateway.
    pub at: Timestamp,
    /// The number.
    pub to: String,
    /// The step.
    pub step: String,
    /// The words.
    pub text: String,
}

/// What became of one firing of a step.
#[derive(Debug)]
pub struct Played {
    /// The step.
    pub step: String,
    /// When it was due.
    pub due_at: Timestamp,
    /// When its first and its last text left, if any did.
    pub left: Option<(Timestamp, Timestamp)>,
    /// Texts that arrived.
    pub texts: u64,
    /// Their parts.
    pub parts: u64,
    /// Texts that did not: what became of them, for people.
    pub lost: i64,
    /// Who got nothing, and why.
    pub nothing: Vec<(String, i64)>,
    /// Why it was missed, if so.
    pub missed: Option<String>,
}

/// A rehearsal that is over.
#[derive(Debug)]
pub struct Rehearsed {
    /// The campaign.
    pub campaign: Campaign,
    /// From when to when.
    pub span: (Timestamp, Timestamp),
    /// People on its list who may be texted.
    pub people: u64,
    /// By firing, in order of time.
    pub steps: Vec<Played>,
    /// All texts, in order of time.
    pub heard: Vec<Heard>,
    /// Of all texts: who, when, what. The same list and file give the same.
    pub hash: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The store says so.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No room for a database of its own.
    #[error("a rehearsal needs a little room: {0}")]
    Io(#[from] io::Error),
    /// A campaign that can't be applied.
    #[error("this campaign is not fit to be sent: ringround check says why")]
    Unfit,
}

/// A private folder, gone when the rehearsal is over.
struct Stage(PathBuf);

impl Stage {
    fn new(seed: [u8; 32]) -> io::Result<Self> {
        let name: String = seed.iter().take(8).map(|b| format!("{b:02x}")).collect();
        let folder = std::env::temp_dir().join(format!("ringround-rehearsal-{name}"));
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // the list was in it
    }
}

/// Rehearses `source` with those on its list in `store`, from `begin` on. `seed` names the folder.
pub async fn rehearse(
    store: &Store,
    settings: &Settings,
    source: &str,
    begin: Timestamp,
    seed: [u8; 32],
) -> Result<Rehearsed, RehearsalError> {
    let stage = Stage::new(seed)?;
    let place = Place::new(&format!("sqlite:{}", stage.0.join("rehearsal.db").display()));
    // The references of its texts, and nothing else, come from this seed: the same each time.
    let (own, _) = Store::migrate(&place, [7; 32]).await?;
    let clock = VirtualClock::new(begin);
    let desk = Desk::new(own, Clock::Virtual(clock.clone()), settings.clone());
    let (Applied::New(campaign), _) = apply(&desk, source, ACTOR).await? else { return Err(RehearsalError::Unfit) };
    let (phones, people) = copy(store, &desk, &campaign, begin).await?;
    let row = desk.store.campaign(&campaign.id).await?.ok_or(RehearsalError::Unfit)?;
    steer(&desk, &row, Steer::Start, ACTOR).await?;
    let never = Params {
        lost_answer: 0,
        report_late: 0,
        report_twice: 0,
        report_never: 0,
        report_sent_too: 0,
        inbound_twice: 0,
        throttled: 0,
        ..Params::default()
    };
    let world = World::new(begin, never, phones);
    let end = campaign.ends_at().unwrap_or(begin).max(begin) + SignedDuration::from_hours(24);
    let mut run = Run::start(desk, world, clock, SignedDuration::ZERO, None).await?;
    run.until(end).await?;
    run.settle(end + SignedDuration::from_hours(48)).await?;
    let steps = run.desk.store.broadcasts(&campaign.id).await?;
    let rehearsed = account(&run, campaign, (begin, end), people, steps).await;
    run.desk.store.close().await;
    rehearsed
}

/// Everybody on the list, as they stand; their phones, and how many of them may be texted.
async fn copy(from: &Store, desk: &Desk, campaign: &Campaign, now: Timestamp) -> Result<(Vec<Phone>, u64), StoreError> {
    let (mut phones, mut people, mut after) = (Vec::new(), 0, Id::MIN);
    loop {
        let page = from.candidates(&campaign.list, &campaign.id, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok((phones, people)) };
        after = last.contact.id;
        phones.extend(page.iter().map(|who| Phone::new(who.contact.phone.e164())));
        people += page.iter().filter(|who| may_be_texted(who)).count() as u64;
        let decisions: Vec<Decision> = page.into_iter().map(|who| as_they_stand(who, campaign, now)).collect();
        desk.store.commit(&decisions, now).await?;
    }
}

fn may_be_texted(who: &Candidate) -> bool {
    who.standing == crate::domain::consent::Standing::In && !who.suppressed && who.contact.held_for.is_none()
}

fn as_they_stand(who: Candidate, campaign: &Campaign, at: Timestamp) -> Decision {
    let (contact, list) = (who.contact.id, campaign.list.clone());
    let standing = Change::StandingSet { contact, list, standing: who.standing, unless_out: false, at };
    let mut changes = vec![Change::ContactAdded(who.contact), standing];
    if who.suppressed {
        changes.push(Change::Suppressed { contact, reason: "as in the real list".to_owned(), at });
    }
    if who.done {
        changes.push(Change::DoneSaid { contact, campaign: campaign.id.clone(), at });
    }
    Decision(changes)
}

async fn account(
    run: &Run,
    campaign: Campaign,
    span: (Timestamp, Timestamp),
    people: u64,
    broadcasts: Vec<crate::store::BroadcastRow>,
) -> Result<Rehearsed, RehearsalError> {
    let store = &run.desk.store;
    let of: HashMap<Id, Option<Id>> =
        store.ledger().await?.into_iter().map(|line| (line.message, line.broadcast)).collect();
    let names: HashMap<Id, String> = broadcasts.iter().map(|b| (b.id, b.occurrence.step.clone())).collect();
    let mint = store.identity().mint();
    let mut left: BTreeMap<Id, (Timestamp, Timestamp, u64)> = BTreeMap::new();
    let mut heard = Vec::new();
    for entry in run.world.book() {
        let broadcast = mint.message(&entry.reference).and_then(|id| of.get(&id).copied().flatten());
        let Some(broadcast) = broadcast else { continue };
        let (first, last, texts) = left.entry(broadcast).or_insert((entry.handed_at, entry.handed_at, 0));
        (*first, *last, *texts) = ((*first).min(entry.handed_at), (*last).max(entry.handed_at), *texts + 1);
        let step = names.get(&broadcast).cloned().unwrap_or_default();
        heard.push(Heard { at: entry.handed_at, to: entry.to, step, text: entry.text });
    }
    heard.sort_by(|a, b| (a.at, &a.to, &a.step).cmp(&(b.at, &b.to, &b.step)));
    let mut hash = Sha256::new();
    for text in &heard {
        hash.update(format!("{} {} {} {}\n", text.at, text.to, text.step, text.text));
    }
    let hash = hash.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect();
    let mut steps = Vec::new();
    for broadcast in broadcasts {
        let counts = store.broadcast_counts(broadcast.id).await?;
        let (texts, between) = match left.get(&broadcast.id) {
            Some((first, last, texts)) => (*texts, Some((*first, *last))),
            None => (0, None),
        };
        steps.push(Played {
            step: broadcast.occurrence.step.clone(),
            due_at: broadcast.occurrence.due_at,
            left: between,
            texts,
            parts: u64::try_from(counts.parts).unwrap_or(0),
            lost: counts.total() - i64::try_from(texts).unwrap_or(i64::MAX),
            nothing: store.passed_over(broadcast.id).await?,
            missed: broadcast.reason,
        });
    }
    Ok(Rehearsed { campaign, span, people, steps, heard, hash })
}
