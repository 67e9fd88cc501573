//! Judges a finished course from outside: the world's own book joined to the ledger, and the rows on their own.

use super::course::Course;
use super::draw::Draw;
use super::ground::Ground;
use crate::support::Engine;
use jiff::{SignedDuration, Timestamp};
use ringround::app::account::account;
use ringround::domain::ids::Id;
use ringround::domain::message::{Edge, State};
use ringround::gateway::simulated::Entry;
use ringround::store::{LedgerLine, Row, Store};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a course came to.
#[derive(Default)]
pub struct Verdict {
    pub violations: Vec<String>,
    /// Of all rows of messages.
    pub hash: u64,
    pub texts: u64,
    pub states: BTreeMap<State, i64>,
    pub edges: BTreeMap<&'static str, u64>,
    pub stops: u64,
    pub faults: BTreeMap<&'static str, u64>,
}

const ROWS: &str = "SELECT CAST(id AS TEXT), CAST(contact_id AS TEXT), CAST(broadcast_id AS TEXT),
    CAST(inbound_id AS TEXT), list, reply, CAST(body_id AS TEXT), CAST(not_before AS TEXT), CAST(not_after AS TEXT), state,
    reason, CAST(attempts AS TEXT), CAST(epoch AS TEXT), gateway_id, CAST(ask_at AS TEXT), CAST(absent AS TEXT),
    CAST(created_at AS TEXT), CAST(claimed_at AS TEXT), CAST(answered_at AS TEXT), CAST(ended_at AS TEXT)
    FROM messages ORDER BY id";

/// See the module's head. `thorough`: the file's pages as well.
pub async fn judge(course: &Course<'_>, ground: &Ground, thorough: bool) -> Verdict {
    let store = Store::open(ground.place()).await.unwrap();
    let mut verdict = Verdict::default();
    promises(course, &store, &mut verdict).await;
    rows(course, &store, &mut verdict).await;
    occurrences(course.draw, &store, &mut verdict).await;
    edges(&store, &mut verdict).await;
    if thorough && ground.engine() == Engine::Sqlite {
        for (pragma, fine) in [("PRAGMA integrity_check", "ok"), ("PRAGMA foreign_key_check", "")] {
            let found = asked(&store, pragma).await;
            if found.iter().any(|row| row.text(0).unwrap() != fine) {
                verdict.violations.push(format!("{pragma} finds {} things", found.len()));
            }
        }
    }
    let faults = course.world.faults();
    verdict.faults = BTreeMap::from([
        ("lost answers", faults.lost_answers.len() as u64),
        ("refused connections", faults.refused_connections),
        ("late reports", faults.late_reports),
        ("reports twice", faults.repeated_reports),
        ("reports never", faults.missing_reports),
    ]);
    store.close().await;
    verdict
}

async fn asked(store: &Store, sql: &str) -> Vec<Row> {
    store.db().rows(AssertSqlSafe(sql.to_owned()), vec![]).await.unwrap()
}

/// P1 to P3, from the phones' own book.
async fn promises(course: &Course<'_>, store: &Store, verdict: &mut Verdict) {
    let (draw, world) = (course.draw, &course.world);
    let counted = account(store, world).await.unwrap();
    verdict.texts = counted.received;
    let exact = draw.slack().is_zero() && draw.behind().is_zero();
    for (promise, broken) in counted.broken() {
        if broken > 0 && (exact || promise == "sent_twice") {
            verdict.violations.push(format!("{promise}: {broken}"));
        }
    }
    let ledger: HashMap<Id, LedgerLine> =
        store.ledger().await.unwrap().into_iter().map(|line| (line.message, line)).collect();
    let mint = store.identity().mint();
    let history = store.consent_history().await.unwrap();
    let said = said(course, store).await;
    verdict.stops = said.values().flatten().filter(|(_, goes_on)| !goes_on).count() as u64;
    for entry in world.book() {
        let Some(line) = mint.message(&entry.reference).and_then(|id| ledger.get(&id)) else {
            verdict.violations.push(format!("{}: in no ledger", entry.reference));
            continue;
        };
        if entry.handed_at >= line.not_after || entry.received_at >= line.not_after + draw.behind() {
            verdict.violations.push(format!("message {}: after its deadline", line.message));
        }
        if line.list.is_none() {
            continue;
        }
        let before = entry.handed_at - draw.slack();
        if is_stopped(&said, &entry, before) {
            let heard = said.get(&entry.to);
            verdict.violations.push(format!("message {} at {}: after STOP; {heard:?}", line.message, entry.handed_at));
        }
        let agreed = |at: Timestamp| {
            let last = history.iter().rfind(|(contact, list, _, when)| {
                *contact == line.contact && *when <= at && (list.is_none() || *list == line.list)
            });
            last.is_some_and(|(_, _, opted_in, _)| *opted_in)
        };
        // The ledger's hours are those of a clock that may be behind. Of an event and a text within one millisecond nobody
        // has written down which was first; the simulator's judge, which sees the order itself, has no such gap.
        let own = [entry.handed_at, before, entry.handed_at - draw.behind(), before - draw.behind()];
        let just_before = own.map(|at| at - SignedDuration::from_millis(1));
        if !own.into_iter().chain(just_before).any(agreed) {
            let known: Vec<_> = history.iter().filter(|(contact, ..)| *contact == line.contact).collect();
            verdict
                .violations
                .push(format!("message {} at {}: without consent; {known:?}", line.message, entry.handed_at));
        }
    }
}

/// What phones said, by number: when it was handed to us, and whether they go on.
async fn said(course: &Course<'_>, store: &Store) -> BTreeMap<String, Vec<(Timestamp, bool)>> {
    let mut said: BTreeMap<String, Vec<(Timestamp, bool)>> = BTreeMap::new();
    let mut all = course.world.written();
    all.sort_by_key(|written| written.at); // what was handed over at one instant, after a crash, has an order all the same
    for written in all {
        let word = written.text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_uppercase();
        let goes_on = match word.as_str() {
            "STOP" | "UNSUBSCRIBE" => false,
            "START" | "DUDLEY" => true,
            _ => continue,
        };
        if let Some(at) = store.inbound_at("simulated", &written.gateway_id).await.unwrap() {
            said.entry(written.from).or_default().push((at.max(written.at), goes_on));
        }
    }
    said
}

fn is_stopped(said: &BTreeMap<String, Vec<(Timestamp, bool)>>, entry: &Entry, before: Timestamp) -> bool {
    let Some(said) = said.get(&entry.to) else { return false };
    let back = said.iter().any(|(at, goes_on)| *goes_on && before <= *at && *at <= entry.handed_at);
    let last = said.iter().filter(|(at, _)| *at < before).max_by_key(|(at, _)| *at);
    !back && last.is_some_and(|(_, goes_on)| !goes_on)
}

/// P4: each message has an end or an owner, and the books say what the world did.
async fn rows(course: &Course<'_>, store: &Store, verdict: &mut Verdict) {
    let mut hasher = DefaultHasher::new();
    let mint = store.identity().mint();
    for row in asked(store, ROWS).await {
        let column = |n| row.opt_text(n).unwrap();
        let columns: Vec<Option<String>> = (0..20).map(column).collect();
        columns.hash(&mut hasher);
        let id: Id = column(0).unwrap().parse().unwrap();
        let state = State::parse(&column(9).unwrap()).unwrap();
        *verdict.states.entry(state).or_default() += 1;
        let (asks, ended) = (column(14).is_some(), column(19).is_some());
        let at_rest = match state {
            State::Held | State::Queued | State::Submitting => false,
            State::InDoubt => asks,
            State::Accepted => asks || ended,
            State::Unresolved => true,
            _ => ended,
        };
        if !at_rest {
            verdict.violations.push(format!("message {id} ends as {state}"));
        }
        let taken = course.world.has_taken(&mint.reference(id));
        let truth = match state {
            State::Accepted | State::Delivered | State::Undelivered => taken,
            State::Rejected | State::Expired | State::Cancelled | State::Held | State::Queued => !taken,
            State::Submitting | State::InDoubt | State::Unresolved => true,
        };
        if !truth || (taken && column(11).as_deref() == Some("0")) {
            verdict.violations.push(format!("message {id} is {state}, and the world has taken it: {taken}"));
        }
    }
    verdict.hash = hasher.finish();
}

/// Each occurrence once; whoever was there all the time and never wrote has exactly one text of each that was made.
async fn occurrences(draw: &Draw, store: &Store, verdict: &mut Verdict) {
    let cancelled = !asked(store, "SELECT id FROM campaigns WHERE state = 'cancelled'").await.is_empty();
    let fired = asked(store, "SELECT id, step, local_time, pass, fate FROM broadcasts ORDER BY id").await;
    let mut seen: BTreeMap<(String, String, i64), u64> = BTreeMap::new();
    let mut made = 0;
    for row in &fired {
        *seen.entry((row.text(1).unwrap(), row.text(2).unwrap(), row.int(3).unwrap())).or_default() += 1;
        made += i64::from(row.text(4).unwrap() == "filled");
        if row.text(4).unwrap() == "filling" && !cancelled {
            verdict.violations.push(format!("broadcast {} was never made", row.int(0).unwrap()));
        }
    }
    if seen.values().any(|times| *times > 1) {
        verdict.violations.push("an occurrence fired twice".to_owned());
    }
    if cancelled {
        return;
    }
    for step in &draw.one_off_steps {
        if seen.keys().filter(|(fired, ..)| fired == step).count() != 1 {
            verdict.violations.push(format!("step {step} did not fire once"));
        }
    }
    let texts = asked(
        store,
        "SELECT c.phone, COUNT(m.id) FROM contacts c LEFT JOIN messages m ON m.contact_id = c.id
           AND m.broadcast_id IN (SELECT id FROM broadcasts WHERE fate = 'filled')
         GROUP BY c.phone",
    )
    .await;
    let texts: BTreeMap<String, i64> = texts.iter().map(|row| (row.text(0).unwrap(), row.int(1).unwrap())).collect();
    for number in &draw.silent {
        if texts.get(number) != Some(&made) {
            verdict.violations.push(format!("a silent contact has {:?} of {made} texts", texts.get(number)));
        }
    }
}

/// Every move that was made, as an edge of the chart.
async fn edges(store: &Store, verdict: &mut Verdict) {
    let moves = asked(store, "SELECT was, is_now, COUNT(*) FROM moves GROUP BY was, is_now").await;
    for row in moves {
        let (was, is_now) =
            (State::parse(&row.text(0).unwrap()).unwrap(), State::parse(&row.text(1).unwrap()).unwrap());
        match Edge::between(was, is_now) {
            Some(edge) => *verdict.edges.entry(edge.number()).or_default() += row.int(2).unwrap().unsigned_abs(),
            None => verdict.violations.push(format!("{was} to {is_now} is no edge")),
        }
    }
}

/// How long a course is, by the world's clock.
pub fn length(draw: &Draw) -> SignedDuration {
    draw.end.duration_since(draw.begin)
}
