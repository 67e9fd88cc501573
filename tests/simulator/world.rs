//! The outside: a gateway of class A, B, C or D that keeps its own book of everything it took, and phones.

use super::seed::{Class, Plan, Rates};
use super::tally::{Fault, Tally};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::doubt::LookUp;
use ringround::domain::message::{Bar, Outcome, Refusal, RefusalClass};
use ringround::domain::report::ReportStatus;
use std::collections::BTreeMap;

/// The caller's total timeout for one request.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(20);

/// So long a class A gateway refuses a repeat.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// One request as it reaches the gateway.
#[derive(Clone, Debug)]
pub struct Submission {
    pub reference: String,
    pub to: String,
    pub text: String,
    pub arrives: Timestamp,
    pub valid_until: Timestamp,
}

/// A text that the gateway took.
#[derive(Clone, Debug)]
pub struct Taken {
    pub to: String,
    pub text: String,
    pub at: Timestamp,
    /// From here on the look-up knows it.
    known_at: Timestamp,
    gateway_id: String,
    /// It said that it had not taken it.
    pub lied: bool,
}

/// What becomes of texts to a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Refused,
    BadText,
    OptedOut,
    Dead,
}

/// What the owner of a phone means by a text: the judge goes by this, not by what was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Stop,
    StopList(&'static str),
    Start,
    Join(&'static str),
    MayBeStop,
    Other,
}

/// What the gateway hands to us.
#[derive(Clone, Debug)]
pub enum Callback {
    Text { gateway_id: String, from: String, body: String, said: Said },
    Report { reference: String, gateway_id: String, status: ReportStatus, detail: String, opted_out: bool },
}

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Gateway {
    class: Class,
    rates: Rates,
    /// Every text it took, in order.
    pub book: Vec<Taken>,
    by_reference: BTreeMap<String, Vec<usize>>,
    pub lines: BTreeMap<String, Line>,
    pub outages: Vec<(Timestamp, Timestamp)>,
    pub barred: Vec<(Timestamp, Timestamp, Bar)>,
    count: u64,
}

/// What comes of a request.
#[derive(Debug)]
pub struct Submitted {
    pub outcome: Outcome,
    pub takes: SignedDuration,
    pub later: Vec<(Timestamp, Callback)>,
}

fn one(random: &mut Rng, per_thousand: u16) -> bool {
    per_thousand > 0 && random.u16(..1000) < per_thousand
}

fn secs(random: &mut Rng, low: i64, high: i64) -> SignedDuration {
    SignedDuration::from_secs(random.i64(low..=high))
}

fn unclear(reason: &str) -> Outcome {
    Outcome::Unclear { reason: reason.to_owned() }
}

impl Gateway {
    pub fn new(plan: &Plan) -> Self {
        Self {
            class: plan.class,
            rates: plan.rates,
            book: Vec::new(),
            by_reference: BTreeMap::new(),
            lines: BTreeMap::new(),
            outages: Vec::new(),
            barred: Vec::new(),
            count: 0,
        }
    }

    fn is_out(&self, at: Timestamp) -> bool {
        self.outages.iter().any(|(from, to)| *from <= at && at < *to)
    }

    /// Texts it took under a reference.
    pub fn taken(&self, reference: &str) -> impl Iterator<Item = &Taken> {
        self.by_reference.get(reference).into_iter().flatten().map(|at| &self.book[*at])
    }

    /// One request: what comes of it, how long the answer takes, and what is handed to us later.
    pub fn submit(&mut self, submission: &Submission, random: &mut Rng, tally: &mut Tally) -> Submitted {
        let rates = self.rates;
        let quick = SignedDuration::from_millis(random.i64(20..900));
        let said = |outcome| Submitted { outcome, takes: quick, later: Vec::new() };
        if self.is_out(submission.arrives) {
            tally.hit(Fault::ConnectionRefused);
            return said(Outcome::NotSent { reason: "connection refused".to_owned() });
        }
        if let Some(refused) = self.refuses(submission, tally) {
            return said(refused);
        }
        if one(random, rates.throttled) {
            tally.hit(Fault::Throttled);
            let asked = [None, Some(0), Some(3), Some(40)][random.usize(..4)];
            return said(Outcome::Throttled { retry_after: asked.map(SignedDuration::from_secs) });
        }
        if one(random, rates.absurd) {
            tally.hit(Fault::ThrottledAbsurd);
            let ten_years = SignedDuration::from_hours(24 * 365 * 10);
            return said(Outcome::Throttled { retry_after: Some(ten_years) });
        }
        if one(random, rates.lost_not_taken) {
            tally.hit(Fault::AnswerLostNotTaken);
            return Submitted { takes: TIMEOUT, ..said(unclear("no answer")) };
        }
        if one(random, rates.server_not_taken) {
            tally.hit(Fault::ServerErrorNotTaken);
            return said(unclear("503"));
        }
        self.take(submission, random, tally, quick)
    }

    fn refuses(&self, submission: &Submission, tally: &mut Tally) -> Option<Outcome> {
        let at = submission.arrives;
        if let Some((_, _, bar)) = self.barred.iter().find(|(from, to, _)| *from <= at && at < *to) {
            tally.hit(if *bar == Bar::Credit { Fault::BarredCredit } else { Fault::BarredCredentials });
            return Some(Outcome::Barred { bar: *bar, detail: "401".to_owned() });
        }
        let (fault, class) = match self.lines.get(&submission.to)? {
            Line::Dead => return None,
            Line::Refused => (Fault::RefusedNumber, RefusalClass::Number),
            Line::BadText => (Fault::RefusedText, RefusalClass::Text),
            Line::OptedOut => (Fault::RefusedOptedOut, RefusalClass::OptedOut),
        };
        tally.hit(fault);
        Some(Outcome::Refused(Refusal { class, detail: "400".to_owned() }))
    }

    /// It has the text from here on, whatever it says about it.
    fn take(
        &mut self,
        submission: &Submission,
        random: &mut Rng,
        tally: &mut Tally,
        quick: SignedDuration,
    ) -> Submitted {
        let rates = self.rates;
        if self.class == Class::A
            && let Some(first) = self.by_reference.get(&submission.reference).and_then(|all| all.last())
            && submission.arrives.duration_since(self.book[*first].at) < WINDOW
        {
            // It refuses a repeat, and says under which id it has the first.
            tally.hit(Fault::RepeatRefused);
            let gateway_id = self.book[*first].gateway_id.clone();
            return Submitted { outcome: Outcome::Accepted { gateway_id }, takes: quick, later: Vec::new() };
        }
        self.count += 1;
        let gateway_id = format!("g-{}", self.count);
        let lag = if rates.lag > 0 { secs(random, 0, i64::from(rates.lag)) } else { SignedDuration::ZERO };
        let (outcome, takes, lied) = if one(random, rates.lost_taken) {
            tally.hit(Fault::AnswerLostTaken);
            (unclear("no answer within 20 seconds"), TIMEOUT, false)
        } else if one(random, rates.server_taken) {
            tally.hit(Fault::ServerErrorTaken);
            (unclear("500"), quick, false)
        } else if one(random, rates.liar) {
            tally.hit(Fault::Liar);
            (Outcome::Throttled { retry_after: None }, quick, true)
        } else if one(random, rates.late_answer) {
            tally.hit(Fault::LateAnswer);
            (Outcome::Accepted { gateway_id: gateway_id.clone() }, secs(random, 2, 19), false)
        } else {
            (Outcome::Accepted { gateway_id: gateway_id.clone() }, quick, false)
        };
        if !lag.is_zero() && matches!(outcome, Outcome::Unclear { .. }) {
            tally.hit(Fault::LookUpLag);
        }
        self.by_reference.entry(submission.reference.clone()).or_default().push(self.book.len());
        self.book.push(Taken {
            to: submission.to.clone(),
            text: submission.text.clone(),
            at: submission.arrives,
            known_at: submission.arrives + lag,
            gateway_id: gateway_id.clone(),
            lied,
        });
        let mut later = Vec::new();
        let takes = self.report(submission, &gateway_id, takes, random, tally, &mut later);
        Submitted { outcome, takes, later }
    }

    /// The reports about a text, in whatever order; how long the answer to the request takes.
    fn report(
        &self,
        submission: &Submission,
        gateway_id: &str,
        takes: SignedDuration,
        random: &mut Rng,
        tally: &mut Tally,
        later: &mut Vec<(Timestamp, Callback)>,
    ) -> SignedDuration {
        let rates = self.rates;
        if one(random, rates.report_never) {
            tally.hit(Fault::ReportNever);
            return takes;
        }
        let dead = self.lines.get(&submission.to) == Some(&Line::Dead) || one(random, 20);
        let opted_out = one(random, rates.report_opted_out);
        let mut final_at = submission.arrives + secs(random, 2, 60);
        let mut takes = takes;
        if one(random, rates.report_late) {
            tally.hit(Fault::ReportLate);
            final_at += SignedDuration::from_mins(random.i64(60..300));
        } else if one(random, rates.report_early) {
            tally.hit(Fault::ReportEarly);
            final_at = submission.arrives + SignedDuration::from_millis(random.i64(1..50));
            takes = takes.max(secs(random, 2, 8));
        }
        let status = if dead || opted_out || final_at >= submission.valid_until {
            ReportStatus::Undelivered
        } else {
            ReportStatus::Delivered
        };
        let report = |status: ReportStatus, opted_out| Callback::Report {
            reference: submission.reference.clone(),
            gateway_id: gateway_id.to_owned(),
            status,
            detail: status.as_str().to_owned(),
            opted_out,
        };
        if opted_out {
            tally.hit(Fault::ReportOptedOut);
        }
        later.push((final_at, report(status, opted_out)));
        if one(random, rates.report_twice) {
            tally.hit(Fault::ReportTwice);
            for _ in 0..random.u8(1..4) {
                later.push((final_at + secs(random, 0, 300), report(status, opted_out)));
            }
        }
        if one(random, 250) {
            later.push((
                submission.arrives + SignedDuration::from_millis(random.i64(100..2000)),
                report(ReportStatus::Sent, false),
            ));
        }
        if one(random, rates.report_disorder) {
            tally.hit(Fault::ReportDisorder);
            later.push((final_at + secs(random, 1, 120), report(ReportStatus::Sent, false)));
        }
        if one(random, rates.report_contradicts) {
            tally.hit(Fault::ReportContradicts);
            let other =
                if status == ReportStatus::Delivered { ReportStatus::Undelivered } else { ReportStatus::Delivered };
            later.push((final_at + secs(random, 0, 600), report(other, false)));
        }
        takes
    }

    /// Is anybody there? None: yes.
    pub fn probe(&self, now: Timestamp, tally: &mut Tally) -> Option<Outcome> {
        tally.hit(Fault::Probed);
        if self.is_out(now) {
            return Some(Outcome::NotSent { reason: "connection refused".to_owned() });
        }
        let barred = self.barred.iter().find(|(from, to, _)| *from <= now && now < *to);
        barred.map(|(_, _, bar)| Outcome::Barred { bar: *bar, detail: "401".to_owned() })
    }

    /// Does it have this text? As truthful as its class.
    pub fn look_up(&self, asked: &Submission, now: Timestamp, random: &mut Rng, tally: &mut Tally) -> LookUp {
        if matches!(self.class, Class::A | Class::D) {
            return LookUp::Mute;
        }
        if self.is_out(now) || one(random, self.rates.look_up_down) {
            tally.hit(Fault::LookUpDown);
            return if random.bool() { LookUp::Unknown } else { LookUp::Failed };
        }
        let known: Vec<&Taken> = if self.class == Class::B {
            self.taken(&asked.reference).filter(|t| t.known_at <= now).collect()
        } else {
            // By number, text and time.
            let near = |t: &&Taken| t.at.duration_since(asked.arrives).abs() < SignedDuration::from_mins(10);
            let mine = |t: &&Taken| t.to == asked.to && t.text == asked.text && t.known_at <= now;
            self.book.iter().filter(mine).filter(near).collect()
        };
        match (known.as_slice(), self.class) {
            ([one], _) => LookUp::Found { gateway_id: one.gateway_id.clone() },
            ([first, ..], Class::B) => LookUp::Found { gateway_id: first.gateway_id.clone() },
            ([], Class::B) => LookUp::Absent,
            _ => LookUp::Unknown,
        }
    }
}
