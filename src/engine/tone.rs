//! Words that read badly on a phone: a noon that is read two ways, a link nobody trusts, a diagnosis on a locked screen.
//! Warnings only: a person knows better.

use crate::domain::campaign::{Campaign, Value};
use crate::domain::problem::{Place, Problem};
use crate::domain::template::Template;

/// Hosts that hide where a link leads. Networks hold such texts back, and parents are told not to tap them.
const SHORTENERS: [&str; 10] = [
    "bit.ly/", "tinyurl.com/", "t.co/", "goo.gl/", "ow.ly/", "is.gd/", "buff.ly/", "rebrand.ly/", "cutt.ly/",
    "tiny.cc/",
];
/// What a text on a locked screen should not tell whoever looks over a shoulder.
const DIAGNOSES: [&str; 10] = [
    "autis", "adhd", "dyslexi", "dyspraxi", "epilep", "cerebral palsy", "down's syndrome", "down syndrome",
    "learning disab", "ehcp",
];

/// What to think about in one text.
pub fn read_aloud(campaign: &Campaign, template: &Template, place: Place, problems: &mut Vec<Problem>) {
    let lower = template.source().to_lowercase();
    let mut warn = |code, message: String, hint: &str| problems.push(Problem::warning(code, place, message, hint));
    let squeezed = lower.replace([' ', '.'], "");
    for (wrong, right) in [("12pm", "12 noon"), ("12am", "midnight")] {
        let alone = |at: usize| !squeezed[..at].ends_with(|c: char| c.is_ascii_digit() || c == ':');
        if squeezed.match_indices(wrong).any(|(at, _)| alone(at)) {
            warn("campaign.noon", format!("{wrong} is read both as noon and as midnight"), &format!("write {right}"));
        }
    }
    let links = campaign.values.iter().filter_map(|(name, value)| match value {
        Value::Link(link) if template.names().contains(name) => Some(link.to_lowercase()),
        _ => None,
    });
    let hidden =
        |text: &str| SHORTENERS.iter().any(|host| text.contains(&format!("/{host}")) || text.starts_with(host));
    if hidden(&lower) || links.into_iter().any(|link| hidden(&link)) {
        let message = "this link hides where it leads: networks hold such texts back, and parents do not tap them";
        warn("campaign.short_link", message.to_owned(), "give the whole address, on a host that parents know");
    }
    if let Some(word) = DIAGNOSES.iter().find(|word| lower.contains(*word)) {
        let message = format!("\"{word}…\" can be read on a locked screen by whoever is near");
        warn("campaign.reveals", message, "say what it is about in words that reveal nothing of a child");
    }
}
