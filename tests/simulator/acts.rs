//! What people do, and what befalls machines: drawn from the seed, most of it near the moments at which texts leave.

use super::operations::{Done, Operation};
use super::sim::{Event, Fail, Sim, Who};
use super::tally::Fault;
use super::world::{Callback, Line, Said};
use jiff::{SignedDuration, Timestamp};
use ringround::domain::broadcast::Fate;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::contact::{ContactDraft, Edit, Internet, Permission};
use ringround::domain::doubt::DoubtVerdict;
use ringround::domain::ids::{Id, Ids};
use ringround::domain::message::{Bar, State};
use ringround::domain::pause::Pause;
use ringround::domain::phone::Phone;
use ringround::domain::reference::Mint;
use ringround::domain::report::ReportStatus;
use ringround::engine::admit::{Existing, Source, admit};
use ringround::engine::doubt::decide;
use ringround::engine::leave::{Ground, leave};
use ringround::engine::may_send::Revocation;
use ringround::engine::plan;
use ringround::engine::review::{Verdict, review};
use ringround::engine::send_test::send_test;
use std::rc::Rc;

const GROUND: Ground<'static> = Ground { by: "admin:test", how: "as somebody said" };
/// The tester of the settings.
const TESTER: usize = 990;

/// What people do.
#[derive(Clone, Debug)]
pub enum Act {
    Pause(Pause),
    Resume,
    PauseCampaign(&'static str),
    ResumeCampaigns,
    Cancel(&'static str),
    ImportAgain,
    Leave(usize),
    Test,
    Hold,
    Release,
    Review,
    Decide,
    Forge,
    Backup,
    Restore,
    AfterRestore,
    ClockIsRight,
    Mishap(Mishap),
}

/// What befalls machines, in the middle of whatever they do.
#[derive(Clone, Copy, Debug)]
pub enum Mishap {
    Freeze(SignedDuration),
    Suspend(SignedDuration),
    Clock(SignedDuration),
}

/// (what is written, what is meant, how it is counted)
const TEXTS: [(&str, Said, Fault); 14] = [
    ("STOP", Said::Stop, Fault::Stop),
    ("Stop please", Said::Stop, Fault::Stop),
    ("UNSUBSCRIBE", Said::Stop, Fault::Stop),
    ("STOP", Said::Stop, Fault::Stop),
    ("STOP SEND", Said::StopList("send"), Fault::StopList),
    ("stop walk", Said::StopList("walk"), Fault::StopList),
    ("START", Said::Start, Fault::Start),
    ("DUDLEY", Said::Join("send"), Fault::Join),
    ("Walsall", Said::Join("walk"), Fault::Join),
    ("DONE", Said::Other, Fault::Done),
    ("wrong number", Said::MayBeStop, Fault::MayBeStop),
    ("HELP", Said::Other, Fault::Help),
    ("asdfgh", Said::Other, Fault::Gibberish),
    ("PHONE", Said::Other, Fault::Help),
];

pub fn number(n: usize) -> String {
    format!("+447700900{n:03}")
}

impl Sim {
    /// The day before: contacts, campaigns, and everything that will happen to them.
    pub fn prepare(&mut self) {
        let begin = self.plan.begin;
        let drafts: Vec<(ContactDraft, &'static str)> = (0..self.plan.contacts).flat_map(|n| self.drafts(n)).collect();
        let Done::Ids(mut ids) = self.done(&Operation::Ids(1000)) else { return };
        for (draft, list) in &drafts {
            let decision = self.admitted(draft, list, &mut ids, begin);
            self.done(&Operation::Commit(decision.into_iter().collect(), begin));
        }
        for (id, campaign) in self.campaigns.iter().map(|(id, (c, _))| (id.clone(), Rc::clone(c))).collect::<Vec<_>>() {
            let applied = Change::CampaignApplied {
                id: id.clone(),
                list: campaign.list.clone(),
                source: String::new(),
                revision: 0,
                at: begin,
            };
            let started = Change::CampaignSteered {
                id: id.clone(),
                from: vec![CampaignState::Draft],
                to: CampaignState::Running,
                at: begin,
            };
            let cursor = Change::CursorMoved { campaign: id.clone(), to: begin - plan::CATCH_UP };
            let decisions = vec![Decision(vec![applied]), Decision(vec![started, cursor])];
            self.done(&Operation::Commit(decisions, begin));
        }
        if self.plan.strange_night {
            self.tally.hit(Fault::StrangeNight);
        }
        for n in 0..self.plan.contacts {
            if self.one(self.plan.bad_lines) {
                let line = [Line::Refused, Line::BadText, Line::OptedOut, Line::Dead][self.random.usize(..4)];
                self.world.lines.insert(number(n), line);
            }
        }
        for w in 0..self.hands.len() {
            self.at(begin, Event::Start(w));
            if self.hands.len() > 1 {
                self.hands[w].offset = SignedDuration::from_millis(self.random.i64(-400..400));
            }
        }
        self.fate();
    }

    fn drafts(&mut self, n: usize) -> Vec<(ContactDraft, &'static str)> {
        let agreed = self.random.u8(..10) > 0;
        let permission = agreed.then(|| Permission {
            source: "form".to_owned(),
            date: jiff::civil::date(2021, 12, 1),
            wording: "1".to_owned(),
        });
        let internet = [Internet::Yes, Internet::Yes, Internet::No, Internet::Unknown][self.random.usize(..4)];
        let draft = ContactDraft {
            line: n as u64 + 2,
            phone: Phone::from_e164(&number(n)).unwrap(),
            name: if self.random.bool() { Edit::Set(format!("Name {n}")) } else { Edit::Keep },
            language: Edit::Keep,
            internet: Edit::Set(internet),
            tags: Edit::Keep,
            permission,
        };
        match self.random.u8(..10) {
            0..6 => vec![(draft, "send")],
            6..8 => vec![(draft.clone(), "send"), (draft, "walk")],
            _ => vec![(draft, "walk")],
        }
    }

    fn admitted(&mut self, draft: &ContactDraft, list: &str, ids: &mut Ids, now: Timestamp) -> Option<Decision> {
        let contact = self.model.contact(&draft.phone).cloned();
        let standing = contact.as_ref().and_then(|c| self.model.consents.get(&(list.to_owned(), c.id)).map(|s| s.0));
        let suppressed = self.model.suppressions.contains_key(draft.phone.e164());
        let source = Source { list, how: "file 1", by: "admin:test" };
        admit(draft, &Existing { contact, standing, suppressed }, &source, now, ids).1
    }

    /// Draws what will happen, and when.
    fn fate(&mut self) {
        let (begin, end) = (self.plan.begin, self.plan.end);
        let mut moments: Vec<Timestamp> = vec![begin];
        for (campaign, _) in self.campaigns.values() {
            for step in &campaign.steps {
                moments.extend(plan::occurrences(campaign, step, begin, end).iter().map(|o| o.due_at));
            }
        }
        self.judge.expects(&self.campaigns, begin, end);
        let span = end.duration_since(begin).as_millis();
        let texts = 2 + self.random.usize(..4 + self.plan.contacts / 3);
        for _ in 0..texts {
            let at = self.moment(&moments, span);
            self.write(at);
        }
        let mut plan: Vec<(Timestamp, Act)> = Vec::new();
        let mut some = |sim: &mut Self, of_hundred: u32, act: Act, undone: Option<Act>| {
            if sim.random.u32(..100) < of_hundred {
                let at = sim.moment(&moments, span);
                plan.push((at, act));
                if let Some(undone) = undone {
                    plan.push((at + SignedDuration::from_secs(sim.random.i64(5..5400)), undone));
                }
            }
        };
        some(self, 12, Act::Pause(Pause::All), Some(Act::Resume));
        some(self, 12, Act::Pause(Pause::Line), Some(Act::Resume));
        some(self, 12, Act::PauseCampaign("first"), Some(Act::ResumeCampaigns));
        some(self, 6, Act::Cancel("first"), None);
        some(self, 10, Act::ImportAgain, None);
        some(self, 15, Act::Test, None);
        some(self, 25, Act::Hold, Some(Act::Release));
        some(self, 40, Act::Review, None);
        for _ in 0..3 {
            some(self, 70, Act::Decide, Some(Act::Decide));
        }
        some(self, 15, Act::Forge, None);
        for _ in 0..2 {
            let someone = self.random.usize(..self.plan.contacts);
            some(self, 10, Act::Leave(someone), None);
        }
        if !self.plan.restores {
            // A restored database on a machine whose clock is behind knows neither what was sent nor that it is late.
            let back = SignedDuration::from_secs([-3600, -200, -20, -3][self.random.usize(..4)]);
            some(self, 8, Act::Mishap(Mishap::Clock(SignedDuration::from_secs(3600))), None);
            some(self, 14, Act::Mishap(Mishap::Clock(back)), Some(Act::ClockIsRight));
        }
        let hours = SignedDuration::from_mins(self.random.i64(5..400));
        some(self, 8, Act::Mishap(Mishap::Suspend(hours)), None);
        let seconds = SignedDuration::from_secs(self.random.i64(20..90));
        some(self, 60, Act::Mishap(Mishap::Freeze(seconds)), None);
        if self.plan.workers == 1 && self.plan.restores {
            some(self, 60, Act::Backup, Some(Act::Restore));
        }
        for (at, act) in plan {
            self.at(at, Event::Act(Box::new(act)));
        }
        for _ in 0..3 {
            let later = end + SignedDuration::from_mins(self.random.i64(10..600));
            self.at(later, Event::Act(Box::new(Act::Decide)));
        }
        for w in 0..self.hands.len() {
            if self.random.bool() {
                let at = self.moment(&moments, span);
                self.at(at, Event::Kill(w));
            }
            if self.random.u8(..4) == 0 {
                let at = self.moment(&moments, span);
                self.at(at, Event::Stop(w));
            }
        }
        self.weather(&moments, span);
    }

    fn weather(&mut self, moments: &[Timestamp], span: i128) {
        if self.random.u8(..10) < 3 {
            let from = self.moment(moments, span);
            let to = from + SignedDuration::from_secs(self.random.i64(10..3600));
            self.world.outages.push((from, to));
        }
        if self.random.u8(..10) < 2 {
            let from = self.moment(moments, span);
            let to = from + SignedDuration::from_secs(self.random.i64(10..1800));
            let bar = if self.random.bool() { Bar::Credentials } else { Bar::Credit };
            self.world.barred.push((from, to, bar));
            let mended = to + SignedDuration::from_secs(self.random.i64(1..600));
            self.at(mended, Event::Act(Box::new(Act::Resume)));
        }
    }

    /// Mostly shortly after something fires.
    fn moment(&mut self, moments: &[Timestamp], span: i128) -> Timestamp {
        if self.random.u8(..10) < 7 {
            let near = moments[self.random.usize(..moments.len())];
            near + SignedDuration::from_millis(self.random.i64(-1000..40_000))
        } else {
            self.plan.begin + SignedDuration::from_millis(self.random.i64(0..i64::try_from(span).unwrap().max(1)))
        }
    }

    /// Somebody writes, known or not; the gateway may bring it twice.
    fn write(&mut self, at: Timestamp) {
        if self.random.u8(..40) == 0 {
            self.tally.hit(Fault::ShortCode);
            let gateway_id = format!("in-{}", self.next_sequence());
            let from = "60777".to_owned();
            return self
                .post(at, Callback::Text { gateway_id, from, body: "You have WON".to_owned(), said: Said::Other });
        }
        let stranger = self.random.u8(..10) == 0;
        let n = if stranger { 100 + self.random.usize(..8) } else { self.random.usize(..self.plan.contacts) };
        let again = if self.random.u8(..4) == 0 { 2 } else { 1 };
        let mut at = at;
        for _ in 0..again {
            let (body, said, fault) = TEXTS[self.random.usize(..TEXTS.len())].clone();
            self.tally.hit(fault);
            let gateway_id = format!("in-{}", self.next_sequence());
            self.judge.wrote(&gateway_id, &number(n), &said);
            let text = Callback::Text { gateway_id, from: number(n), body: body.to_owned(), said };
            if self.one(self.plan.rates.text_twice) {
                self.tally.hit(Fault::TextTwice);
                let again = SignedDuration::from_secs(self.random.i64(0..200));
                self.post(at + again, text.clone());
            }
            self.post(at, text);
            at += SignedDuration::from_millis(self.random.i64(1..120_000));
        }
    }

    /// A person's command, carried out by a process that lives; if none does, it waits a little.
    pub fn act(&mut self, act: Act) {
        self.say(|| format!("{act:?}"));
        match act {
            Act::Mishap(mishap) => return self.mishaps.push(mishap),
            Act::Restore => return self.restore(),
            Act::Hold => return self.hold(),
            Act::Forge => return self.forge(),
            Act::Backup => {
                self.backup = Some(Box::new((self.model.clone(), self.now)));
                return;
            }
            _ => {}
        }
        let able = |hand: &super::sim::Hand| hand.alive && !hand.frozen && !hand.stopping && hand.process.is_some();
        if self.now > self.plan.end && matches!(act, Act::Pause(_) | Act::PauseCampaign(_)) {
            return; // nobody pauses any more
        }
        let Some(w) = self.hands.iter().position(able) else {
            return self.at(self.now + SignedDuration::from_secs(60), Event::Act(Box::new(act)));
        };
        let who = Who { w, life: self.hands[w].life };
        if let Err(Fail::Busy) = self.carry_out(who, &act) {
            self.at(self.now + SignedDuration::from_secs(5), Event::Act(Box::new(act)));
        }
    }

    fn carry_out(&mut self, who: Who, act: &Act) -> Result<(), Fail> {
        self.stock(who)?;
        let now = self.own_now(who);
        let mut ids = std::mem::replace(&mut self.memory(who).ids, Ids::new(0..0));
        let (decisions, leaves) = self.decided(act, now, &mut ids);
        self.memory(who).ids = ids;
        if decisions.is_empty() {
            return Ok(());
        }
        for contact in &leaves {
            self.memory(who).revoke(*contact, Revocation::Left(None));
        }
        self.commit(who, decisions, now)?;
        let after = self.own_now(who);
        self.memory(who).revoked(&leaves, after);
        for contact in leaves {
            let order = self.model.stored.len();
            let phone = self.model.contacts[&contact].phone.e164().to_owned();
            let name = format!("office-{}", self.next_sequence());
            self.judge.heard(&name, &phone, &Said::Stop, order, self.now);
        }
        Ok(())
    }

    /// What a command writes, and who must not be texted any more.
    fn decided(&mut self, act: &Act, now: Timestamp, ids: &mut Ids) -> (Vec<Decision>, Vec<Id>) {
        let steered = |id: &str, from: Vec<CampaignState>, to| {
            Decision::from(Change::CampaignSteered { id: id.to_owned(), from, to, at: now })
        };
        use CampaignState::{Cancelled, Paused, Running};
        match act {
            Act::Pause(what) => {
                self.tally.hit(if *what == Pause::All { Fault::PausedAll } else { Fault::PausedLine });
                (vec![ringround::engine::pause::pause(*what, GROUND, now, ids)], Vec::new())
            }
            Act::Resume => {
                let resume = |what| ringround::engine::pause::resume(what, GROUND, now, ids);
                ([Pause::All, Pause::Line].map(resume).to_vec(), Vec::new())
            }
            Act::PauseCampaign(id) => {
                self.tally.hit(Fault::CampaignPaused);
                (vec![steered(id, vec![Running], Paused)], Vec::new())
            }
            Act::ResumeCampaigns => {
                (["first", "second"].map(|id| steered(id, vec![Paused], Running)).to_vec(), Vec::new())
            }
            Act::Cancel(id) => {
                self.tally.hit(Fault::CampaignCancelled);
                let Decision(mut changes) = steered(id, vec![Running, Paused], Cancelled);
                changes.push(Change::CampaignCancelled { campaign: (*id).to_owned(), reason: "cancelled", at: now });
                (vec![Decision(changes)], Vec::new())
            }
            Act::ImportAgain => {
                self.tally.hit(Fault::ImportedAgain);
                let drafts: Vec<_> = (0..self.plan.contacts).step_by(3).flat_map(|n| self.drafts(n)).take(40).collect();
                (drafts.iter().filter_map(|(d, list)| self.admitted(d, list, ids, now)).collect(), Vec::new())
            }
            Act::Leave(n) => {
                self.tally.hit(Fault::LeftByPhone);
                let phone = Phone::from_e164(&number(*n)).unwrap();
                let Some(contact) = self.model.contact(&phone) else { return (Vec::new(), Vec::new()) };
                (vec![leave(contact, true, None, GROUND, now, ids)], vec![contact.id])
            }
            Act::Test => {
                self.tally.hit(Fault::Tested);
                let phone = Phone::from_e164(&number(TESTER)).unwrap();
                let known = self.model.contact(&phone).cloned();
                let tester = known.clone();
                let tester = tester.unwrap_or_else(|| ringround::domain::contact::Contact::unknown(ids.take(), phone));
                (vec![send_test(&tester, known.is_some(), "A test", GROUND, now, ids).0], Vec::new())
            }
            Act::Release => {
                let held = self.model.messages.values().filter(|m| m.state == State::Held);
                let release = |id| Change::MessageMoved(MessageMove::new(id, State::Held, State::Queued, now)).into();
                (held.map(|m| m.new.id).map(release).collect(), Vec::new())
            }
            Act::Review => self.reviewed(now, ids),
            Act::Decide => (self.decide(now, ids), Vec::new()),
            Act::AfterRestore => (self.after_restore(now, ids), Vec::new()),
            Act::ClockIsRight => {
                self.done(&Operation::See(now));
                (vec![ringround::engine::pause::resume(Pause::Clock, GROUND, now, ids)], Vec::new())
            }
            _ => (Vec::new(), Vec::new()),
        }
    }

    /// A person reads what waits to be read.
    fn reviewed(&mut self, now: Timestamp, ids: &mut Ids) -> (Vec<Decision>, Vec<Id>) {
        let waiting: Vec<_> = self.model.inbounds.values().filter(|row| row.needs_person).cloned().collect();
        let (mut decisions, mut leaves) = (Vec::new(), Vec::new());
        for row in waiting.iter().take(20) {
            let sender = row.contact.map(|id| self.model.contacts[&id].clone());
            let verdict = [Verdict::Read, Verdict::CarryOn, Verdict::Stop][self.random.usize(..3)];
            let verdict =
                if row.meaning == "may be stop" || verdict != Verdict::Stop { verdict } else { Verdict::Read };
            if let Some(contact) = &sender {
                match verdict {
                    Verdict::CarryOn => self.tally.hit(Fault::ReviewedOn),
                    Verdict::Stop => {
                        self.tally.hit(Fault::ReviewedStop);
                        leaves.push(contact.id);
                    }
                    Verdict::Read => {}
                }
            }
            decisions.push(review(row.text.id, sender.as_ref(), verdict, GROUND, now, ids));
        }
        (decisions, leaves)
    }

    /// A person decides about what stays unresolved (E14).
    fn decide(&mut self, now: Timestamp, ids: &mut Ids) -> Vec<Decision> {
        let open: Vec<Id> =
            self.model.messages.values().filter(|m| m.state == State::Unresolved).map(|m| m.new.id).collect();
        let mut decisions = Vec::new();
        for id in open {
            let in_time = self.model.messages[&id].not_after > now;
            let (verdict, fault) = match self.random.u8(..4) {
                0..3 if in_time => (DoubtVerdict::SendAgain, Fault::DecidedResend),
                0 => (DoubtVerdict::Arrived, Fault::DecidedSent),
                1 => (DoubtVerdict::SendAgain, Fault::DecidedResend),
                2 => (DoubtVerdict::Drop, Fault::DecidedDrop),
                _ => continue,
            };
            let doubt = self.model.open_doubt(id);
            if let Ok(decision) = decide(&doubt, verdict, GROUND, self.plan.report_within, now, ids) {
                self.tally.hit(fault);
                self.judge.decided(id);
                decisions.push(decision);
            }
        }
        decisions
    }

    /// What came due since the backup may have been sent, and is not sent again.
    fn after_restore(&mut self, now: Timestamp, ids: &mut Ids) -> Vec<Decision> {
        if !self.model.pauses.contains_key(Pause::Fence.as_str()) {
            return Vec::new();
        }
        let mut decisions = Vec::new();
        for known in self.running() {
            for due in plan::due(&known.campaign, known.planned_until, now) {
                decisions.push(Decision::from(Change::BroadcastOpened {
                    id: ids.take(),
                    campaign: known.id.clone(),
                    occurrence: due.occurrence,
                    fate: Fate::Missed,
                    reason: Some("the database was restored: it may have been sent already".to_owned()),
                    at: now,
                }));
            }
            decisions.push(Change::CursorMoved { campaign: known.id, to: now }.into());
        }
        decisions.push(ringround::engine::pause::resume(Pause::Fence, GROUND, now, ids));
        decisions
    }

    /// Puts waiting texts on hold behind the store's back: approval is not built yet.
    ///
    /// A text is held as it is made (E1), and no edge leads back there: one that was claimed before, or may have been before
    /// a restore, can't be. Of such a one a report could come, and a held text heeds none.
    fn hold(&mut self) {
        let waiting = self.model.messages.values().filter(|m| m.state == State::Queued).map(|m| m.new.id);
        let mut waiting: Vec<Id> = waiting.collect();
        waiting.retain(|id| {
            let row = &self.model.messages[id];
            self.random.bool() && row.attempts == 0 && row.answered_at.is_none()
        });
        for _ in &waiting {
            self.tally.hit(Fault::Held);
        }
        self.done(&Operation::Hold(waiting));
    }

    /// Reports that nobody sent, and such about texts that nobody knows.
    fn forge(&mut self) {
        let ids: Vec<Id> = self.model.messages.keys().copied().collect();
        let Some(id) = ids.get(self.random.usize(..ids.len().max(1))) else { return };
        let report = |reference| Callback::Report {
            reference,
            gateway_id: "forged".to_owned(),
            status: ReportStatus::Delivered,
            detail: "forged".to_owned(),
            opted_out: true,
        };
        self.tally.hit(Fault::ReportForged);
        self.post(self.now, report(Mint::new(&[(0, 1)], [8; 32]).reference(*id)));
        self.tally.hit(Fault::ReportUnknown);
        self.post(self.now, report(self.mint.reference(self.model.next_id + 5000)));
    }

    /// The database is lost, and last night's backup takes its place; a person resumes when the doubts are settled.
    fn restore(&mut self) {
        let Some(backup) = self.backup.take() else { return };
        self.tally.hit(Fault::RestoredFromBackup);
        let (backup, taken_at) = *backup;
        self.say(|| format!("restored from the backup of {taken_at}"));
        self.judge.restored(taken_at, &self.model, &backup);
        for w in 0..self.hands.len() {
            self.kill(w);
        }
        self.model = backup;
        let (now, settle) = (self.now + self.hands[0].offset, self.plan.settle);
        self.model.fence(settle, now);
        self.generations.push((self.model.next_id, u32::try_from(self.generations.len()).unwrap() + 1));
        let later = self.now + SignedDuration::from_secs(self.random.i64(60..7200));
        self.at(later, Event::Act(Box::new(Act::AfterRestore)));
        self.at(later, Event::Act(Box::new(Act::Resume)));
        self.mint = Mint::new(&self.generations, [7; 32]);
        self.count_edges();
    }

    /// What befalls a machine in the middle of what it does.
    pub fn suffer(&mut self, mishap: Mishap, who: Who) {
        match mishap {
            Mishap::Clock(by) if self.hands.len() == 1 => {
                self.tally.hit(if by.is_negative() { Fault::ClockBack } else { Fault::ClockForward });
                self.say(|| format!("the clock jumps by {by}"));
                self.hands[who.w].offset += by;
                self.hands[who.w].jumped += by;
            }
            Mishap::Clock(_) => {}
            Mishap::Suspend(by) => {
                self.tally.hit(Fault::Suspended);
                self.say(|| format!("everything is suspended for {by}"));
                self.now += by;
                for hand in &mut self.hands {
                    hand.jumped += by;
                }
            }
            Mishap::Freeze(by) => {
                if self.hands.len() == 1 || self.hands.iter().any(|hand| hand.frozen) {
                    return;
                }
                self.tally.hit(Fault::Frozen);
                self.say(|| format!("{who:?} is frozen for {by}"));
                self.hands[who.w].frozen = true;
                let life = self.hands[who.w].life;
                self.run_until(self.now + by);
                if self.hands[who.w].life == life {
                    self.hands[who.w].frozen = false;
                }
            }
        }
    }
}
