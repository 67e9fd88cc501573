//! A campaign: milestones, values, and steps that say who is told what, when, and until when.
//!
//! Built from its file by `config::campaign`; every place in it remembers where it stood, so that any problem found
//! later still points into the file. What to do with it is decided in `engine`.

use super::contact::{Contact, Internet};
use super::dial_in::DialIn;
use super::moment::{Milestones, Moment};
use super::problem::Place;
use super::schedule::cron::Cron;
use super::schedule::quiet::Quiet;
use super::template::{Context, Template, milestone};
use super::words::words;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use minijinja::value::Value as TemplateValue;
use std::collections::BTreeMap;

/// A campaign as its file says.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Its id: file name, store key, what commands take.
    pub id: String,
    /// For people.
    pub title: String,
    /// Whose consent it rests on.
    pub list: String,
    /// All its wall-clock times are in this zone.
    pub zone: TimeZone,
    /// The zone's IANA name.
    pub zone_name: String,
    /// The language of those whose own has no text.
    pub fallback: String,
    /// Named points in time.
    pub milestones: Milestones,
    /// Named things to say: links, phone numbers, a dial-in, plain words.
    pub values: BTreeMap<String, Value>,
    /// Added to the link for those of whom we don't know whether they have internet.
    pub phone_hint: Texts,
    /// No text leaves inside these hours.
    pub quiet: Quiet,
    /// SMS parts a text may have.
    pub max_parts: u32,
    /// The steps, in file order.
    pub steps: Vec<Step>,
}

/// A named thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Needs internet.
    Link(String),
    /// A number to ring, in national form.
    Phone(String),
    /// A meeting to ring into.
    DialIn(DialIn),
    /// Plain words.
    Words(String),
}

/// One text in several languages (tag → text), each knowing where it stands in the file.
pub type Texts = BTreeMap<String, (Template, Place)>;

/// One standing intention.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its id within the campaign; a step that has fired is frozen under it.
    pub id: String,
    /// Where its id stands in the file.
    pub place: Place,
    /// When it fires.
    pub when: When,
    /// Nothing of it leaves at or after this moment.
    pub not_after: Moment,
    /// Who it is for, beyond being on the campaign's list.
    pub audience: Audience,
    /// The door for those with internet (and, with the hint, those we don't know).
    pub web: Texts,
    /// The door for those without internet.
    pub phone: Texts,
    /// Why those without internet get nothing from this step, where it says so.
    pub no_phone_reason: Option<String>,
    /// Who said DONE gets no more of it.
    pub stops_when_done: bool,
    /// What stays in doubt may be sent again (`in_doubt = "resend"`); else it waits for a person.
    pub may_resend: bool,
    /// A hash of all that a person would call "what this step does", for freezing.
    pub fingerprint: String,
}

/// When a step fires.
#[derive(Clone, Debug)]
pub enum When {
    /// Once.
    At(Timestamp),
    /// Again and again between two instants, both inclusive.
    Cron {
        /// The pattern.
        cron: Box<Cron>,
        /// Not before.
        from: Timestamp,
        /// Not after.
        to: Timestamp,
    },
    /// Whenever somebody joins in `[from, to)`: their welcome, so that late joiners hear what is true now.
    Joining {
        /// Not before.
        from: Timestamp,
        /// Before this.
        to: Timestamp,
    },
}

/// Who a step is for. Empty means everybody on the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Only these doors.
    pub internet: Vec<Internet>,
    /// Only contacts with one of these tags.
    pub tags: Vec<String>,
}

impl Audience {
    /// Is this contact meant?
    pub fn includes(&self, contact: &Contact) -> bool {
        (self.internet.is_empty() || self.internet.contains(&contact.internet))
            && (self.tags.is_empty() || self.tags.iter().any(|t| contact.tags.contains(t)))
    }
}

impl Campaign {
    /// What texts can speak of, without a contact.
    pub fn context(&self) -> Context {
        let mut context = Context::new();
        for (name, value) in &self.values {
            context.insert(name.clone(), value.for_texts());
        }
        for (name, (local, _)) in &self.milestones {
            context.insert(name.clone(), milestone(*local));
        }
        context
    }

    /// From then on no text of it may leave.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let end = |step: &Step| match &step.when {
            When::At(due) => step.deadline(self, *due),
            When::Cron { to, .. } => Some(*to),
            When::Joining { .. } => None,
        };
        self.steps.iter().filter_map(end).max()
    }

    /// What says welcome to those who join at `at`, where a step does.
    pub fn welcome(&self, at: Timestamp) -> Option<(&Step, Timestamp)> {
        self.steps.iter().find_map(|step| match step.when {
            When::Joining { from, to } if from <= at && at < to => Some((step, to)),
            _ => None,
        })
    }

    /// The wall-clock time of an instant in the campaign's zone.
    pub fn local(&self, at: Timestamp) -> DateTime {
        self.zone.to_datetime(at)
    }
}

impl Step {
    /// The deadline of an occurrence that is due at `due`: the step's moment, and never after a cron's end.
    pub fn deadline(&self, campaign: &Campaign, due: Timestamp) -> Option<Timestamp> {
        let own = self.not_after.at(&campaign.milestones, Some(due), &campaign.zone).ok()?;
        Some(match &self.when {
            When::Cron { to, .. } | When::Joining { to, .. } => own.min(*to),
            When::At(_) => own,
        })
    }
}

impl Value {
    fn for_texts(&self) -> TemplateValue {
        match self {
            Self::Link(text) | Self::Phone(text) | Self::Words(text) => TemplateValue::from(text.as_str()),
            Self::DialIn(dial_in) => TemplateValue::from_pairs([
                ("steps", dial_in.steps()),
                ("number", dial_in.number().national()),
                ("id", dial_in.conference_id().unwrap_or_default().to_owned()),
                ("passcode", dial_in.passcode().unwrap_or_default().to_owned()),
            ]),
        }
    }

    /// Is it of use only with internet?
    pub fn needs_internet(&self) -> bool {
        matches!(self, Self::Link(_))
    }

    /// Is it of use with any phone?
    pub fn works_by_phone(&self) -> bool {
        matches!(self, Self::Phone(_) | Self::DialIn(_))
    }
}

words! {
    /// What a campaign is doing.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum CampaignState {
        /// Applied, not started: sends nothing.
        Draft = "draft",
        /// Fires its steps.
        Running = "running",
        /// Fires nothing; what is queued waits.
        Paused = "paused",
        /// Over, by a person's word.
        Cancelled = "cancelled",
    }
}
