//! The gateway's side of the world: takes texts, answers (or loses the answer), delivers, reports, hands over replies.

use super::phone::Line;
use super::{Callback, Entry, Report, State, Text, World, Written};
use crate::domain::doubt::LookUp;
use crate::domain::message::{Outcome, Refusal, RefusalClass};
use crate::gateway::{LONGEST_REQUEST, Probed, Submission};
use jiff::{SignedDuration, Timestamp};

impl World {
    /// One request: what comes of it, and how long the answer takes.
    pub fn submit(&self, submission: &Submission) -> (SignedDuration, Outcome) {
        self.state().take(submission)
    }

    /// Does it have a text under this reference? It answers truthfully, except during an outage.
    pub fn look_up(&self, reference: &str) -> LookUp {
        let state = self.state();
        if state.is_out() {
            return LookUp::Unknown;
        }
        match state.taken.get(reference) {
            Some(id) => LookUp::Found { gateway_id: id.clone() },
            None => LookUp::Absent,
        }
    }
}

impl World {
    /// Is anybody there?
    pub fn probe(&self) -> Probed {
        let mut state = self.state();
        if state.is_out() {
            state.faults.refused_connections += 1;
            return Probed::Failed(Outcome::NotSent { reason: "the gateway refuses connections".to_owned() });
        }
        Probed::There
    }
}

impl State {
    /// Decides at once what becomes of a request, and how long its answer takes.
    fn take(&mut self, submission: &Submission) -> (SignedDuration, Outcome) {
        let now = self.now;
        let answers_in = SignedDuration::from_millis(self.between(self.params.answer_ms));
        if self.is_out() {
            self.faults.refused_connections += 1;
            return (answers_in, Outcome::NotSent { reason: "the gateway refuses connections".to_owned() });
        }
        self.faults.requests += 1;
        if self.one_in(self.params.throttled) {
            return (answers_in, Outcome::Throttled { retry_after: Some(SignedDuration::from_secs(3)) });
        }
        let line = self.phones.get(&submission.to).map_or(Line::Works, |p| p.line);
        if line == Line::Refused {
            let detail = "not a mobile number that can be reached".to_owned();
            return (answers_in, Outcome::Refused(Refusal { class: RefusalClass::Number, detail }));
        }
        let lost = line == Line::LosesFirstAnswer || self.one_in(self.params.lost_answer);
        if let Some(phone) = self.phones.get_mut(&submission.to).filter(|p| p.line == Line::LosesFirstAnswer) {
            phone.line = Line::Works;
        }
        self.count += 1;
        let gateway_id = format!("sim-{:06}", self.count);
        self.taken.insert(submission.reference.clone(), gateway_id.clone());
        self.deliver(submission, &gateway_id, line, now);
        if lost {
            self.faults.lost_answers.push((now, submission.reference.clone()));
            let reason = "no answer within 20 seconds".to_owned();
            return (LONGEST_REQUEST, Outcome::Unclear { reason });
        }
        (answers_in, Outcome::Accepted { gateway_id })
    }

    fn deliver(&mut self, submission: &Submission, gateway_id: &str, line: Line, now: Timestamp) {
        let arrives = now + SignedDuration::from_secs(self.between(self.params.deliver_s));
        // Gateways take a validity period, counted from their own receipt.
        let valid_until = now + submission.valid_until.duration_since(submission.handed_at);
        let status = if line == Line::Dead {
            "FAILED"
        } else if arrives >= valid_until {
            "EXPIRED"
        } else {
            self.receive(submission, now, arrives);
            "DELIVERED"
        };
        self.report(submission, gateway_id, status, arrives);
    }

    fn receive(&mut self, submission: &Submission, now: Timestamp, arrives: Timestamp) {
        self.book.push(Entry {
            handed_at: now,
            received_at: arrives,
            to: submission.to.clone(),
            text: submission.text.clone(),
            reference: submission.reference.clone(),
        });
        let Some(phone) = self.phones.get_mut(&submission.to) else { return };
        let Some(at) = phone.answers.iter().position(|a| submission.text.contains(a.to)) else { return };
        let answer = phone.answers.remove(at);
        self.write(arrives + answer.after, &submission.to, answer.body);
    }

    fn report(&mut self, submission: &Submission, gateway_id: &str, status: &'static str, arrives: Timestamp) {
        if self.one_in(self.params.report_never) {
            self.faults.missing_reports += 1;
            return;
        }
        let soon = SignedDuration::from_secs(self.between(self.params.report_s));
        let wait = if self.one_in(self.params.report_late) {
            self.faults.late_reports += 1;
            SignedDuration::from_mins(self.between((60, 300)))
        } else {
            soon
        };
        let report = |status| {
            Callback::Report(Report {
                reference: submission.reference.clone(),
                gateway_id: gateway_id.to_owned(),
                status,
            })
        };
        self.post(arrives + wait, report(status));
        if self.one_in(self.params.report_twice) {
            self.faults.repeated_reports += 1;
            let again = SignedDuration::from_secs(self.between((1, 60)));
            self.post(arrives + wait + again, report(status));
        }
        if self.one_in(self.params.report_sent_too) {
            let at = SignedDuration::from_secs(self.between((0, 60)));
            self.post(arrives + at, report("SENT"));
        }
    }

    /// A phone writes to us; the gateway hands it over, sometimes twice.
    pub(super) fn write(&mut self, at: Timestamp, from: &str, body: &str) {
        self.count += 1;
        let gateway_id = format!("in-{:06}", self.count);
        let text = Text { gateway_id: gateway_id.clone(), from: from.to_owned(), body: body.to_owned() };
        self.written.push(Written { at, from: from.to_owned(), text: body.to_owned(), gateway_id });
        if self.one_in(self.params.inbound_twice) {
            let again = SignedDuration::from_secs(self.between((1, 90)));
            self.post(at + again, Callback::Inbound(text.clone()));
        }
        self.post(at, Callback::Inbound(text));
    }

    fn post(&mut self, at: Timestamp, callback: Callback) {
        self.count += 1;
        self.mail.insert((at, self.count), callback);
    }

    fn is_out(&self) -> bool {
        let now = self.now;
        self.params.outages.iter().any(|(from, to)| *from <= now && now < *to)
    }

    fn between(&mut self, (low, high): (i64, i64)) -> i64 {
        self.random.i64(low..=high)
    }

    /// True once in so many draws; never for 0.
    fn one_in(&mut self, many: u32) -> bool {
        many > 0 && self.random.u32(..many) == 0
    }
}
