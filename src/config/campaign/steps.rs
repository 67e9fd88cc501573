//! The `[[step]]` tables of a campaign file.

use super::{head, instant, read_texts};
use crate::config::reader::Reader;
use crate::domain::campaign::{Audience, Campaign, Step, Texts, When};
use crate::domain::contact::Internet;
use crate::domain::moment::{Moment, MomentProblem};
use crate::domain::problem::{Place, did_you_mean};
use crate::domain::schedule::cron::{Cron, DayRule};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// One step; none where a problem leaves nothing to work with.
pub(super) fn read_step(table: &Reader<'_>, campaign: &Campaign) -> Option<Step> {
    let id = table.need_text("id").and_then(|(id, at)| super::checked_id(table, id, at).map(|id| (id, at)));
    let when = read_when(table, campaign);
    let not_after = read_not_after(table, campaign);
    let audience = table.table("audience").map(|a| read_audience(&a)).unwrap_or_default();
    let may_resend = read_in_doubt(table);
    let stops_when_done = table.flag("stops_when_done").unwrap_or(false);
    let no_phone_reason = table.text("no_phone_reason").map(|(reason, _)| reason);
    let (web, phone) = read_doors(table);
    table.finish();
    let (id, place) = id?;
    let mut step = Step {
        id,
        place,
        when: when?,
        not_after: not_after?,
        audience,
        web,
        phone,
        no_phone_reason,
        stops_when_done,
        may_resend,
        fingerprint: String::new(),
    };
    step.fingerprint = fingerprint(&step);
    Some(step)
}

/// `in_doubt = "hold"` or `"resend"`: what becomes of a text of which nobody can say whether it arrived.
fn read_in_doubt(table: &Reader<'_>) -> bool {
    let Some((word, at)) = table.text("in_doubt") else { return false };
    if !matches!(word.as_str(), "hold" | "resend") {
        let message = format!("\"{word}\" is no policy for texts in doubt");
        let hint = "write in_doubt = \"hold\" (a person decides) or in_doubt = \"resend\" (sent once more: some may get it twice)";
        table.problem("campaign.in_doubt", at, message, hint);
    }
    word == "resend"
}

fn read_doors(table: &Reader<'_>) -> (Texts, Texts) {
    let door = |key| table.table(key).map(|texts| read_texts(&texts));
    let (everyone, web, phone) = (door("everyone"), door("web"), door("phone"));
    match (everyone, web, phone) {
        (Some(both), None, None) => (both.clone(), both),
        (None, web, phone) => (web.unwrap_or_default(), phone.unwrap_or_default()),
        (Some(both), web, phone) => {
            table.problem(
                "campaign.doors",
                head(table.place),
                "this step has [step.everyone] beside [step.web] or [step.phone]",
                "keep either everyone, or web and phone",
            );
            (web.unwrap_or_else(|| both.clone()), phone.unwrap_or(both))
        }
    }
}

/// `at = "milestone - 3h"`, `at = 2022-01-31T16:00:00`, `cron` with `between`, or `joining` with two moments.
fn read_when(table: &Reader<'_>, campaign: &Campaign) -> Option<When> {
    match (table.has("at"), table.has("cron"), table.has("joining")) {
        (true, false, false) => read_at(table, campaign).map(When::At),
        (false, true, false) => read_cron(table, campaign),
        (false, false, true) => read_joining(table, campaign),
        _ => {
            table.problem(
                "campaign.when",
                head(table.place),
                "a step has either at, or cron with between, or joining",
                "write at = \"survey_opens\", or cron = \"0 10 * * TUE-THU\" and between = [\"survey_opens\", \"survey_closes\"]",
            );
            None
        }
    }
}

/// `joining = ["survey_opens", "survey_closes - 10min"]`: the second moment is not in it.
fn read_joining(table: &Reader<'_>, campaign: &Campaign) -> Option<When> {
    let moments = table.texts("joining")?;
    let [(from, from_at), (to, to_at)] = moments.as_slice() else {
        let hint = "write joining = [\"survey_opens\", \"survey_closes - 10min\"]";
        table.problem("campaign.joining", head(table.place), "joining has a first moment and an end", hint);
        return None;
    };
    let from = resolve(table, campaign, from, *from_at)?;
    let until = resolve(table, campaign, to, *to_at)?;
    if from >= until {
        table.problem("campaign.joining", *to_at, "this end is not after the beginning", "look at the two moments");
        return None;
    }
    let twin = campaign.steps.iter().find(|step| match step.when {
        When::Joining { from: other, to } => from < to && other < until,
        _ => false,
    });
    if let Some(twin) = twin {
        let message = format!("step \"{}\" says welcome in some of that time, too", twin.id);
        table.problem("campaign.joining", *from_at, message, "let one begin where the other ends");
        return None;
    }
    Some(When::Joining { from, to: until })
}

fn read_at(table: &Reader<'_>, campaign: &Campaign) -> Option<Timestamp> {
    if let Some((written, at)) = table.local("at") {
        let local = super::local_time(table, &written, at)?;
        return instant(table, local, &campaign.zone, at);
    }
    let (text, at) = table.text("at")?;
    resolve(table, campaign, &text, at)
}

fn read_cron(table: &Reader<'_>, campaign: &Campaign) -> Option<When> {
    let rule = table.text("day_rule").and_then(|(rule, at)| match rule.as_str() {
        "or" => Some(DayRule::Or),
        "and" => Some(DayRule::And),
        _ => {
            table.problem("campaign.day_rule", at, "day_rule is or, or and", "write day_rule = \"or\"");
            None
        }
    });
    let (pattern, at) = table.text("cron")?;
    let between = table.texts("between");
    let cron = match Cron::parse(&pattern, rule) {
        Ok(cron) => Some(Box::new(cron)),
        Err(problem) => {
            table.problem(
                "campaign.cron",
                at,
                problem.to_string(),
                "five fields: minute hour day month weekday, for example 0 10 * * TUE-THU",
            );
            None
        }
    };
    let Some([(from, from_at), (to, to_at)]) = between.as_deref() else {
        table.problem(
            "campaign.between",
            at,
            "a cron step fires between two milestones",
            "write between = [\"survey_opens\", \"survey_closes\"]",
        );
        return None;
    };
    let from = resolve(table, campaign, from, *from_at);
    let to = resolve(table, campaign, to, *to_at);
    let (cron, from, to) = (cron?, from?, to?);
    if cron.never_fires(from, &campaign.zone) {
        table.problem(
            "campaign.never_fires",
            at,
            format!("\"{pattern}\" never fires"),
            "no month has such a day: look at the day and month fields",
        );
        return None;
    }
    Some(When::Cron { cron, from, to })
}

/// Where a cron or joining step says nothing, nothing of it leaves after its second moment; any other step has to say.
fn read_not_after(table: &Reader<'_>, campaign: &Campaign) -> Option<Moment> {
    let Some((text, at)) = table.text("not_after") else {
        if !table.has("not_after") && table.has("cron") {
            let end = table.texts("between")?.pop()?.0;
            return Moment::parse(&end).ok();
        }
        if !table.has("not_after") && table.has("joining") {
            return Moment::parse(&table.texts("joining")?.pop()?.0).ok();
        }
        if !table.has("not_after") {
            table.problem(
                "campaign.no_deadline",
                head(table.place),
                "this step does not say until when it is of use",
                "add not_after = \"survey_closes\", or not_after = \"+3h\" for three hours after its time",
            );
        }
        return None;
    };
    let own = Some(Timestamp::UNIX_EPOCH);
    let moment = Moment::parse(&text).and_then(|m| m.at(&campaign.milestones, own, &campaign.zone).map(|_| m));
    moment.map_err(|problem| unresolved(table, campaign, &problem, at)).ok()
}

fn resolve(table: &Reader<'_>, campaign: &Campaign, text: &str, at: Place) -> Option<Timestamp> {
    let instant = Moment::parse(text).and_then(|m| m.at(&campaign.milestones, None, &campaign.zone));
    instant.map_err(|problem| unresolved(table, campaign, &problem, at)).ok()
}

fn unresolved(table: &Reader<'_>, campaign: &Campaign, problem: &MomentProblem, at: Place) {
    let names: Vec<&str> = campaign.milestones.keys().map(String::as_str).collect();
    let (code, hint) = match problem {
        MomentProblem::UnknownMilestone(name) => ("campaign.unknown_milestone", did_you_mean(name, names)),
        MomentProblem::Unreadable(_) => (
            "campaign.moment",
            "write a milestone, or one with a distance: survey_closes - 3h, visit + 1 day".to_owned(),
        ),
        MomentProblem::Nonexistent(_) => ("campaign.no_such_time", "choose another distance".to_owned()),
        MomentProblem::OutOfRange => ("campaign.moment", "choose a smaller distance".to_owned()),
    };
    table.problem(code, at, problem.to_string(), hint);
}

fn read_audience(table: &Reader<'_>) -> Audience {
    let mut internet = Vec::new();
    for (word, at) in table.texts("internet").unwrap_or_default() {
        match Internet::parse(&word).filter(|i| i.as_str() == word) {
            Some(door) => internet.push(door),
            None => table.problem(
                "campaign.audience",
                at,
                format!("\"{word}\" is not a kind of internet"),
                "use yes, no, unknown",
            ),
        }
    }
    let tags = table.texts("tags").unwrap_or_default().into_iter().map(|(tag, _)| tag).collect();
    table.finish();
    Audience { internet, tags }
}

/// Everything a person would call "what this step does", hashed: when, until when, to whom, in which words.
fn fingerprint(step: &Step) -> String {
    let when = match &step.when {
        When::At(at) => format!("at {at}"),
        When::Cron { cron, from, to } => format!("cron {cron} {from} {to}"),
        When::Joining { from, to } => format!("joining {from} {to}"),
    };
    let texts = |texts: &Texts| texts.iter().map(|(tag, (t, _))| format!("{tag}:{:?}", t.source())).collect::<String>();
    let in_doubt = if step.may_resend { "|resend" } else { "" };
    let all = format!(
        "{when}|{:?}|{:?}|{}|{}|{}{in_doubt}",
        step.not_after,
        step.audience,
        step.stops_when_done,
        texts(&step.web),
        texts(&step.phone)
    );
    Sha256::digest(all.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect()
}
