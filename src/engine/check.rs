//! Is this campaign fit to be sent? Everything that would fail, or fail a parent, for some contact is found here,
//! before anybody is texted, all of it at once.

use super::choose::{in_language, speaks_of, speaks_of_link};
use crate::domain::campaign::{Campaign, Step, Texts, Value, When};
use crate::domain::contact::Internet;
use crate::domain::dial_in::DialInWarning;
use crate::domain::problem::{Place, Problem, did_you_mean};
use crate::domain::template::{Context, Template, TemplateProblem};
use crate::domain::text;

/// A longer name than this is left out of a text that it would make too long.
const LONGEST_NAME: &str = "Maximiliana-Josephine";

/// All problems of a campaign, in file order.
pub fn check(campaign: &Campaign) -> Vec<Problem> {
    let context = campaign.context();
    let mut problems = Vec::new();
    for step in &campaign.steps {
        two_doors(campaign, step, &mut problems);
        timing(campaign, step, &mut problems);
        resend(step, &mut problems);
        for (texts, hinted) in [(&step.web, true), (&step.phone, false)] {
            languages(campaign, step, texts, &mut problems);
            for (language, (template, place)) in texts {
                let hint = (hinted && meets_unknown(step) && speaks_of_link(campaign, template))
                    .then(|| in_language(&campaign.phone_hint, language, &campaign.fallback).map(|(_, t)| t))
                    .flatten();
                length(campaign, &context, template, hint, *place, &mut problems);
                super::tone::read_aloud(campaign, template, *place, &mut problems);
            }
        }
    }
    problems
}

/// Can somebody of whom we don't know whether they have internet get this step?
fn meets_unknown(step: &Step) -> bool {
    step.audience.internet.is_empty() || step.audience.internet.contains(&Internet::Unknown)
}

/// P5: without internet never only a link.
fn two_doors(campaign: &Campaign, step: &Step, problems: &mut Vec<Problem>) {
    let meets_no = step.audience.internet.is_empty() || step.audience.internet.contains(&Internet::No);
    if step.web.is_empty() && step.phone.is_empty() {
        problems.push(Problem::error(
            "campaign.no_text",
            step.place,
            format!("step \"{}\" has no text", step.id),
            "add [step.web] and [step.phone], or [step.everyone], with a text for each language",
        ));
    } else if meets_no && step.phone.is_empty() && step.no_phone_reason.is_none() {
        problems.push(Problem::error(
            "campaign.no_phone_door",
            step.place,
            format!("step \"{}\" has nothing for those without internet", step.id),
            "add [step.phone] with a text that a phone call can answer, or say no_phone_reason = \"why not\"",
        ));
    }
    for (template, place) in step.phone.values() {
        if speaks_of_link(campaign, template) && !speaks_of(campaign, template, Value::works_by_phone) {
            problems.push(Problem::error(
                "campaign.link_only",
                *place,
                format!("step \"{}\": the text for those without internet offers only a link", step.id),
                "give a number to ring ({{ dial_in.steps }} or a phone value) instead of, or beside, the link",
            ));
        }
    }
    let needs_hint = |(template, _): &(Template, Place)| speaks_of_link(campaign, template);
    if meets_unknown(step) && step.web.values().any(needs_hint) && campaign.phone_hint.is_empty() {
        problems.push(Problem::error(
            "campaign.no_phone_hint",
            step.place,
            format!(
                "step \"{}\" goes to people who may have no internet, and the campaign has no [phone_hint]",
                step.id
            ),
            "add [phone_hint] with en = \"No internet? Reply PHONE\"",
        ));
    }
    dial_in_warnings(campaign, step, problems);
}

/// A written policy to risk a second copy is said, not hidden.
fn resend(step: &Step, problems: &mut Vec<Problem>) {
    if step.may_resend {
        problems.push(Problem::warning(
            "campaign.may_come_twice",
            step.place,
            format!("step \"{}\": some people may get it twice, because what stays in doubt is sent once more", step.id),
            "this is what in_doubt = \"resend\" means; leave it out, and a person decides about each (ringround doubts)",
        ));
    }
}

fn dial_in_warnings(campaign: &Campaign, step: &Step, problems: &mut Vec<Problem>) {
    for (template, place) in step.phone.values().chain(step.web.values()) {
        for name in template.names() {
            let Some(Value::DialIn(dial_in)) = campaign.values.get(&name) else { continue };
            for warning in dial_in.warnings() {
                let (message, hint) = match warning {
                    DialInWarning::NoId => (
                        "has no conference ID",
                        "callers may be asked for one they don't have: paste the whole invitation",
                    ),
                    DialInWarning::CostlyNumber => {
                        ("is a number that is dear to ring", "use a 01, 02 or 03 number: those are in most bundles")
                    }
                };
                problems.push(Problem::warning("campaign.dial_in", *place, format!("\"{name}\" {message}"), hint));
            }
        }
    }
}

/// Does each occurrence leave time to be sent?
fn timing(campaign: &Campaign, step: &Step, problems: &mut Vec<Problem>) {
    let first = match &step.when {
        When::Joining { .. } => return joining(step, problems),
        When::At(at) => Some(*at),
        When::Cron { cron, from, to } => cron.fires(&campaign.zone, *from, *to).first().map(|f| f.at),
    };
    let Some(first) = first else {
        return problems.push(Problem::error(
            "campaign.never_fires",
            step.place,
            format!("step \"{}\" never fires between its two milestones", step.id),
            "look at the days and hours of its cron line, or at the milestones",
        ));
    };
    let Some(deadline) = step.deadline(campaign, first) else { return };
    if deadline <= first {
        problems.push(Problem::error(
            "campaign.deadline_first",
            step.place,
            format!(
                "step \"{}\" is due {} but nothing of it may leave after {}",
                step.id,
                campaign.local(first).strftime("%a %-d %b %H:%M"),
                campaign.local(deadline).strftime("%a %-d %b %H:%M")
            ),
            "move not_after behind the time the step is due",
        ));
    } else if super::fill::leaves_at(campaign, first, deadline).is_none() {
        problems.push(Problem::error(
            "campaign.quiet",
            step.place,
            format!("step \"{}\" is due in quiet hours, and they last past its deadline", step.id),
            "move the step to the day, or its not_after to the next morning",
        ));
    }
}

/// It is somebody's first text from us.
fn joining(step: &Step, problems: &mut Vec<Problem>) {
    let lacking = |(template, _): &&(Template, Place)| !template.source().contains("STOP");
    for (_, place) in step.web.values().chain(step.phone.values()).filter(lacking) {
        problems.push(Problem::error(
            "campaign.no_stop",
            *place,
            format!("step \"{}\" is the first text people get, and does not say how to leave", step.id),
            "say who writes, and end it with \"Reply STOP to leave\"",
        ));
    }
}

fn languages(campaign: &Campaign, step: &Step, texts: &Texts, problems: &mut Vec<Problem>) {
    if !texts.is_empty() && !texts.contains_key(&campaign.fallback) {
        problems.push(Problem::error(
            "campaign.no_fallback_text",
            step.place,
            format!("step \"{}\" has a text, but none in {} (the fallback)", step.id, campaign.fallback),
            format!("add {} = \"…\"", campaign.fallback),
        ));
    }
}

/// Renders the text with and without a name: it must work for everybody, within the parts allowed.
fn length(
    campaign: &Campaign,
    context: &Context,
    template: &Template,
    hint: Option<&Template>,
    place: Place,
    problems: &mut Vec<Problem>,
) {
    let mut named = context.clone();
    named.insert("name".to_owned(), LONGEST_NAME.into());
    let full = |template: &Template, context: &Context| -> Result<String, TemplateProblem> {
        let text = template.render(context)?;
        Ok(match hint {
            Some(hint) => format!("{} {}", text.trim_end(), hint.render(context)?),
            None => text,
        })
    };
    let without = match full(template, context) {
        Ok(text) => text,
        Err(problem) => return problems.push(unfillable(template, context, &problem, place)),
    };
    if let Err(problem) = full(template, &named) {
        return problems.push(unfillable(template, context, &problem, place));
    }
    let cleaned = text::clean(&without, false);
    let size = text::measure(&cleaned);
    if size.parts == 0 {
        problems.push(Problem::error("campaign.empty_text", place, "this text is empty", "write what is to be said"));
    } else if size.parts > campaign.max_parts as usize {
        problems.push(Problem::error(
            "campaign.too_long",
            place,
            format!(
                "this text is {} units long and takes {} parts; {} are allowed",
                size.units, size.parts, campaign.max_parts
            ),
            forced(&cleaned).unwrap_or_else(|| "shorten it, or allow more with max_parts".to_owned()),
        ));
    } else if size.parts > 1
        && let Some(hint) = forced(&cleaned).filter(|_| text::forces_ucs2(&cleaned).len() <= 3)
    {
        problems.push(Problem::warning(
            "campaign.dear_character",
            place,
            format!("a few characters make this text {} parts", size.parts),
            hint,
        ));
    }
}

/// The characters that halve the room of a text, if there are any.
fn forced(cleaned: &str) -> Option<String> {
    let characters = text::forces_ucs2(cleaned);
    let shown: String = characters.keys().take(8).collect();
    (!characters.is_empty()).then(|| format!("these characters leave room for 70 instead of 160 in a part: {shown}"))
}

fn unfillable(template: &Template, context: &Context, problem: &TemplateProblem, place: Place) -> Problem {
    let lacks_name = template.names().contains("name")
        && matches!(problem, TemplateProblem::Missing { name } if name.as_deref().is_none_or(|n| n == "name"));
    if lacks_name {
        return Problem::error(
            "campaign.value_may_lack",
            place,
            "this text speaks of name, which some contacts don't have",
            "write {{ name | default(\"parent\") }}",
        );
    }
    let known = context.keys().map(String::as_str).chain(["name"]);
    let hint = match problem {
        TemplateProblem::Missing { name: Some(name) } => did_you_mean(name, known),
        _ => "values stand in {{ two braces }}".to_owned(),
    };
    Problem::error("campaign.text", place, problem.to_string(), hint)
}
