//! One campaign on the model store, from its seed to its verdict.

use super::acts::Act;
use super::operations::Operation;
use super::seed::{Plan, Rates, settings};
use super::sim::{Event, Sim};
use super::tally::Tally;
use jiff::SignedDuration;
use ringround::config::Settings;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

thread_local! {
    static SETTINGS: Rc<Settings> = Rc::new(settings());
}

/// What came of a campaign.
#[derive(Debug)]
pub struct Verdict {
    pub violations: Vec<String>,
    pub tally: Tally,
}

/// All that a campaign does to the store.
pub fn recorded(plan: Plan) -> Vec<Operation> {
    let mut sim = Sim::new(plan, SETTINGS.with(Rc::clone), false);
    sim.recorded = Some(Vec::new());
    sim.prepare();
    let end = sim.plan.end;
    sim.run_until(end);
    sim.recorded.unwrap_or_default()
}

/// Runs the campaign of a seed.
pub fn run(seed: u64, loud: bool) -> Verdict {
    let done = catch_unwind(AssertUnwindSafe(|| {
        let plan = Plan::draw(seed);
        let (contacts, steps) = (plan.contacts, plan.steps);
        if loud {
            println!("{plan:#?}");
        }
        let mut sim = Sim::new(plan, SETTINGS.with(Rc::clone), loud);
        sim.prepare();
        sim.count_lists();
        let end = sim.plan.end;
        sim.run_until(end);
        clear_up(&mut sim);
        sim.judged_at_end();
        sim.tally.close(contacts, steps);
        (sim.judge.violations, sim.tally)
    }));
    match done {
        Ok((violations, tally)) => Verdict { violations, tally },
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|w| (*w).to_owned())).unwrap_or_default();
            Verdict { violations: vec![format!("panic: {words}")], tally: Tally::default() }
        }
    }
}

/// The faults are over: people resume what is paused, and everything finds its end.
fn clear_up(sim: &mut Sim) {
    sim.plan.rates = Rates { lag: sim.plan.rates.lag, ..Rates::default() };
    sim.plan.crashes.clear();
    sim.calm();
    let hour = SignedDuration::from_hours(1);
    sim.at(sim.now + SignedDuration::from_secs(1), Event::Act(Box::new(Act::Resume)));
    sim.at(sim.now + SignedDuration::from_secs(1), Event::Act(Box::new(Act::ResumeCampaigns)));
    let settled = sim.now + hour * 40;
    sim.run_until(settled);
    // A commit whose answer was lost may have left texts in nobody's hands: a new start finds them.
    for w in 0..sim.hands.len() {
        sim.at(sim.now, Event::Stop(w));
    }
    let settled = sim.now + hour * 110;
    sim.run_until(settled);
}
