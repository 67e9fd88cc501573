//! A step that has fired is frozen: what people were told cannot be changed afterwards, only added to.

use crate::domain::campaign::Campaign;
use crate::domain::problem::Problem;

/// A step that has fired: its id, and how many people it was made for.
pub type Fired = (String, u64);

/// Refusals for applying `new` over `old` when some steps have fired: each is named, with how many already have it.
pub fn frozen(old: &Campaign, new: &Campaign, fired: &[Fired]) -> Vec<Problem> {
    fired
        .iter()
        .filter_map(|(id, people)| {
            let before = old.steps.iter().find(|s| &s.id == id)?;
            let after = new.steps.iter().find(|s| &s.id == id);
            if after.is_some_and(|s| s.fingerprint == before.fingerprint) {
                return None;
            }
            let place = after.or(new.steps.first()).map_or_else(Default::default, |s| s.place);
            let what = if after.is_some() { "changed" } else { "removed or renamed" };
            Some(Problem::error(
                "campaign.step_fired",
                place,
                format!("step \"{id}\" has already gone to {people} people and can't be {what}"),
                format!("put \"{id}\" back as it was, and add a new step with a new id for what is to be said now"),
            ))
        })
        .collect()
}
