//! Joins the program's books to the gateway's: who was texted twice, who was lost, what was late, what came after STOP.

use super::books::{Books, Message};
use super::installation::Installation;
use super::peer::Peer;
use super::script::{Class, Entry};
use super::waiting::{now_ms, until};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Between the last check before the wire and the request being read by the gateway, on a machine under load.
const WIRE_MS: i64 = 1000;

/// Somebody's STOP: the number, and when it was acknowledged.
pub type Stop = (String, i64);

#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub messages: usize,
    pub twice: usize,
    pub lost: usize,
    pub late: usize,
    pub after_stop: usize,
    /// Shown to a person: nobody knows whether they were sent.
    pub unresolved: usize,
    /// Still in doubt: a gateway of class C can't say for certain that it lacks a text.
    pub in_doubt: usize,
    pub states: BTreeMap<String, usize>,
    /// In words, the first few.
    pub wrong: Vec<String>,
}

impl Verdict {
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    fn say(&mut self, what: String) {
        if self.wrong.len() < 20 {
            self.wrong.push(what);
        }
    }

    /// In one line, for a table.
    pub fn in_words(&self) -> String {
        if self.wrong.is_empty() {
            let states: Vec<String> = self.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
            return states.join(", ");
        }
        self.wrong.join("; ")
    }
}

/// Waits until nothing more happens by itself; false if it goes on for too long.
pub fn settles(installation: &Installation, bound: Duration) -> bool {
    let class = installation.wish.class;
    let doubts = if class == Class::C { "" } else { "OR m.state = 'in_doubt'" };
    let now = now_ms(); // a welcome that waits for its turn is no reason to wait
    let open = format!(
        "SELECT (SELECT COUNT(*) FROM messages m WHERE m.state = 'submitting' {doubts} OR (m.state = 'queued'
           AND (m.list IS NULL AND m.not_before <= {now} OR EXISTS
             (SELECT 1 FROM consents k WHERE k.contact_id = m.contact_id AND k.list = m.list AND k.standing = 'in'))))
         + (SELECT COUNT(*) FROM broadcasts WHERE fate = 'filling')
         + {} - (SELECT COUNT(*) FROM broadcasts)",
        installation.wish.steps
    );
    let is_over = || installation.books.rows(&open).is_ok_and(|rows| rows[0][0] == "0");
    if class != Class::C {
        return until(bound, is_over);
    }
    // A doubt that such a gateway can resolve is resolved by the first question; the others stay.
    let (mut doubts, mut since) = (-1, now_ms());
    let quiet = 2500 + 1000 * i64::from(installation.wish.settle);
    until(bound, || {
        let now = installation.books.count("in_doubt");
        if now != doubts || !is_over() {
            (doubts, since) = (now, now_ms());
        }
        doubts == 0 && is_over() || now_ms() - since > quiet
    })
}

/// The service must not run. Looks at everything that both books say.
pub fn judge(installation: &Installation, peer: &Peer, stops: &[Stop]) -> Verdict {
    judge_book(installation, &peer.book(), stops)
}

pub fn judge_book(installation: &Installation, book: &[Entry], stops: &[Stop]) -> Verdict {
    let messages = installation.books.messages();
    let mut verdict = Verdict { messages: messages.len(), ..Verdict::default() };
    let mut taken: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in book.iter().filter(|entry| entry.taken) {
        taken.entry(&entry.reference).or_default().push(entry);
    }
    for message in &messages {
        let sends = taken.remove(message.reference.as_str()).unwrap_or_default();
        *verdict.states.entry(message.state.clone()).or_default() += 1;
        one(&mut verdict, installation, message, &sends, stops);
    }
    for reference in taken.into_keys() {
        verdict.lost += 1;
        verdict.say(format!("{reference} was sent, and the books don't know it"));
    }
    let mut people = BTreeSet::new();
    for entry in book.iter().filter(|entry| entry.taken) {
        if !people.insert((&entry.to, &entry.hash)) {
            verdict.twice += 1;
            verdict.say(format!("one person got one text twice ({})", entry.reference));
        }
    }
    if let Some(entry) = book.iter().find(|entry| entry.unwritten) {
        verdict.say(format!("{} was on the wire before it was written", entry.reference));
    }
    audience(&mut verdict, installation);
    let integrity = installation.books.integrity();
    if integrity != "ok" {
        verdict.say(format!("integrity: {integrity}"));
    }
    verdict
}

fn one(verdict: &mut Verdict, of: &Installation, message: &Message, sends: &[&Entry], stops: &[Stop]) {
    let (class, state) = (of.wish.class, message.state.as_str());
    // One service has one clock; several agree to a second.
    let apart = if matches!(of.books, Books::Postgres(_)) { WIRE_MS } else { 0 };
    if sends.len() > 1 {
        verdict.twice += 1;
        verdict.say(format!("{} was sent {} times", message.reference, sends.len()));
    }
    match state {
        "accepted" | "delivered" | "undelivered" if sends.is_empty() => {
            verdict.lost += 1;
            verdict.say(format!("{state}, but never sent ({})", message.reason));
        }
        "rejected" | "expired" | "cancelled" if !sends.is_empty() => {
            let Message { reference, reason, attempts, .. } = message;
            verdict.say(format!("{reference} is {state} ({reason}), but was sent; {attempts} attempts"));
        }
        "submitting" => {
            verdict.lost += 1;
            verdict.say("still submitting".to_owned());
        }
        // A welcome whose turn had not come when the service ended, some seconds ago, waits rightly.
        "queued" if message.turn_at.is_some_and(|at| at > now_ms() - 10_000) => {}
        "queued" if message.reply.is_some() || message.opted_in => {
            verdict.lost += 1;
            verdict.say(format!("still queued ({}, {} attempts)", message.reason, message.attempts));
        }
        "in_doubt" => {
            verdict.in_doubt += 1;
            if class != Class::C || !sends.is_empty() {
                verdict.lost += 1;
                verdict.say(format!("still in doubt ({}), sent {} times", message.reason, sends.len()));
            }
        }
        "unresolved" => {
            verdict.unresolved += 1;
            if class != Class::D {
                verdict.say(format!("unresolved ({}), although the gateway can be asked", message.reason));
            }
        }
        _ => {}
    }
    if message.reason.is_empty() && !matches!(state, "accepted" | "queued") {
        verdict.say(format!("{state}, without a reason"));
    }
    if sends.iter().any(|send| send.read_at >= message.not_after) {
        verdict.late += 1;
        verdict.say(format!("{} came after its deadline", message.reference));
    }
    let stopped = stops.iter().find(|(phone, _)| *phone == message.phone).filter(|_| message.reply.is_none());
    if let Some((_, at)) = stopped
        && (sends.iter().any(|send| send.at > at + WIRE_MS)
            || (!sends.is_empty() && message.claimed_at.is_some_and(|claimed| claimed > *at + apart)))
    {
        verdict.after_stop += 1;
        verdict.say(format!("{} came after STOP", message.reference));
    }
}

/// Everybody of every broadcast has one message, or was passed over with a reason.
fn audience(verdict: &mut Verdict, installation: &Installation) {
    let sql = "SELECT b.step, b.fate, (SELECT COUNT(*) FROM messages m WHERE m.broadcast_id = b.id),
          COALESCE((SELECT CAST(SUM(people) AS BIGINT) FROM passed_over p WHERE p.broadcast_id = b.id), 0)
        FROM broadcasts b";
    let rows = installation.books.rows(sql).unwrap();
    if rows.len() != installation.wish.steps {
        verdict.lost += installation.wish.people;
        verdict.say(format!("{} broadcasts of {}", rows.len(), installation.wish.steps));
    }
    for row in rows {
        let (made, passed): (usize, usize) = (row[2].parse().unwrap(), row[3].parse().unwrap());
        if row[1] != "filled" || made + passed != installation.wish.people {
            verdict.lost += installation.wish.people.abs_diff(made + passed).max(1);
            verdict.say(format!("{}: {}, {made} messages, {passed} passed over", row[0], row[1]));
        }
    }
}
