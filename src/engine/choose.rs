//! Which text of a step one contact gets, or why none: the two doors, and the language.
//!
//! Used for sending and for `plan` alike, so that what is announced is what happens.

use crate::domain::campaign::{Campaign, Step, Texts, Value};
use crate::domain::consent::Standing;
use crate::domain::contact::{Candidate, Contact, Internet};
use crate::domain::template::{Context, Template, TemplateProblem};
use crate::domain::text;
use crate::domain::words::words;

words! {
    /// Why a contact gets nothing from a step. The words are for people.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Pass {
        /// Said STOP, or left the list.
        Left = "left (STOP)",
        /// On the list without proof that they agreed.
        NotAgreed = "has not agreed yet",
        /// A person must look at what they wrote first.
        InReview = "waits for a person to read their text",
        /// Said DONE, and the step stops for those.
        Done = "said DONE",
        /// The step is for others.
        OtherAudience = "step is for others",
        /// Has no internet, and the step says why it has nothing for them.
        NoPhoneText = "no internet, and this step has only a link",
        /// Quiet hours last until after the deadline.
        Quiet = "quiet hours last past the deadline",
        /// No text could be made (a campaign that passed `check` does not get here).
        NoText = "no text could be made",
    }
}

/// A text chosen and filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// As it will be handed over.
    pub text: String,
    /// SMS parts.
    pub parts: u32,
    /// The language it is in.
    pub language: String,
    /// They asked for another language, which the step does not have.
    pub fell_back: bool,
    /// It holds the link (and is of no use without internet).
    pub by_web: bool,
}

/// Who gets what. `context` is [`Campaign::context`], made once per campaign.
pub fn choose(campaign: &Campaign, step: &Step, context: &Context, who: &Candidate) -> Result<Chosen, Pass> {
    if who.suppressed || who.standing == Standing::Out {
        return Err(Pass::Left);
    }
    if who.standing == Standing::Pending {
        return Err(Pass::NotAgreed);
    }
    if who.contact.held_for.is_some() {
        return Err(Pass::InReview);
    }
    if step.stops_when_done && who.done {
        return Err(Pass::Done);
    }
    if !step.audience.includes(&who.contact) {
        return Err(Pass::OtherAudience);
    }
    let (texts, by_web) = door(step, who.contact.internet).ok_or(Pass::NoPhoneText)?;
    let hint = who.contact.internet == Internet::Unknown && by_web;
    write(campaign, context, texts, &who.contact, hint, by_web).ok_or(Pass::NoText)
}

/// The door of a step for one kind of contact, and whether it is the one with the link.
fn door(step: &Step, internet: Internet) -> Option<(&Texts, bool)> {
    let web = (!step.web.is_empty()).then_some((&step.web, true));
    let phone = (!step.phone.is_empty()).then_some((&step.phone, false));
    match internet {
        Internet::No => phone,
        Internet::Yes | Internet::Unknown => web.or(phone),
    }
}

fn write(
    campaign: &Campaign,
    context: &Context,
    texts: &Texts,
    contact: &Contact,
    hint: bool,
    by_web: bool,
) -> Option<Chosen> {
    let wanted = contact.language.as_deref().unwrap_or(&campaign.fallback);
    let (language, template) = in_language(texts, wanted, &campaign.fallback)?;
    let by_web = by_web && speaks_of_link(campaign, template);
    let hint = (hint && by_web).then(|| in_language(&campaign.phone_hint, language, &campaign.fallback)).flatten();
    let fill = |name: Option<&str>| -> Result<(String, u32), TemplateProblem> {
        let mut context = context.clone();
        if let Some(name) = name {
            context.insert("name".to_owned(), name.into());
        }
        let mut filled = template.render(&context)?;
        if let Some((_, hint)) = hint {
            filled = format!("{} {}", filled.trim_end(), hint.render(&context)?);
        }
        let cleaned = text::clean(&filled, false);
        let parts = u32::try_from(text::measure(&cleaned).parts).unwrap_or(u32::MAX);
        Ok((cleaned, parts))
    };
    let (mut text, mut parts) = fill(contact.name.as_deref()).ok()?;
    if parts > campaign.max_parts {
        // A long name must not cost a family its text: say it without the name, which `check` made sure is possible.
        (text, parts) = fill(None).ok()?;
    }
    Some(Chosen {
        text,
        parts,
        language: language.to_owned(),
        fell_back: contact.language.is_some() && language != wanted,
        by_web,
    })
}

/// The text in `wanted`, else in `fallback`.
pub fn in_language<'t>(texts: &'t Texts, wanted: &str, fallback: &str) -> Option<(&'t str, &'t Template)> {
    let (tag, (template, _)) = texts.get_key_value(wanted).or_else(|| texts.get_key_value(fallback))?;
    Some((tag, template))
}

/// Does this text hold something that only helps with internet?
pub fn speaks_of_link(campaign: &Campaign, template: &Template) -> bool {
    let source = template.source();
    source.contains("https://")
        || source.contains("http://")
        || source.contains("www.")
        || speaks_of(campaign, template, Value::needs_internet)
}

/// Does this text speak of a value of this kind?
pub fn speaks_of(campaign: &Campaign, template: &Template, kind: fn(&Value) -> bool) -> bool {
    template.names().iter().any(|name| campaign.values.get(name).is_some_and(kind))
}
