//! `engine::may_send` and the claim statement are one law written twice: whatever the facts, a message is claimed if
//! and only if the engine says that it may leave.

use crate::store::made::{LIST, claimed, phone, wide_line};
use crate::support::{Engine, World, bounded, with_world};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision};
use ringround::domain::consent::Standing;
use ringround::domain::contact::Contact;
use ringround::domain::ids::Id;
use ringround::domain::message::{NewMessage, State};
use ringround::engine::may_send::{Facts, WIRE_SLACK, may_send};
use ringround::store::ClaimRequest;
use std::cell::Cell;
use std::collections::BTreeSet;

/// A message and all that surrounds it. Milliseconds count from now; the end of a window from the last instant at
/// which it is still too late.
#[derive(Clone, Debug)]
struct Case {
    state: State,
    is_reply: bool,
    standing: Option<Standing>,
    /// To a list that the message is not of: must not matter.
    elsewhere: Option<Standing>,
    suppressed: bool,
    in_review: bool,
    campaign: CampaignState,
    quiet: bool,
    not_before: i64,
    not_after: i64,
}

const CAMPAIGNS: [CampaignState; 4] =
    [CampaignState::Draft, CampaignState::Running, CampaignState::Paused, CampaignState::Cancelled];

/// Most facts are in favour, so that each of them alone is often what decides.
fn case() -> impl Strategy<Value = Case> {
    let mostly = |wanted: bool| prop::bool::weighted(if wanted { 0.9 } else { 0.1 });
    let standing = || prop::option::of(prop::sample::select(vec![Standing::Pending, Standing::In, Standing::Out]));
    let near = || prop_oneof![2 => -2..=2_i64, 1 => -100_000..=100_000_i64];
    (
        (
            prop_oneof![8 => Just(State::Queued), 2 => prop::sample::select(State::ALL.to_vec())],
            prop::bool::weighted(0.25),
            prop_oneof![7 => Just(Some(Standing::In)), 3 => standing()],
            standing(),
        ),
        (mostly(false), mostly(false)),
        (prop_oneof![8 => Just(CampaignState::Running), 2 => prop::sample::select(CAMPAIGNS.to_vec())], mostly(false)),
        (prop_oneof![6 => Just(-1_000_i64), 4 => near()], prop_oneof![6 => Just(60_000_i64), 4 => near()]),
    )
        .prop_map(|((state, is_reply, standing, elsewhere), (suppressed, in_review), campaign, window)| Case {
            state,
            is_reply,
            standing,
            elsewhere,
            suppressed,
            in_review,
            campaign: campaign.0,
            quiet: campaign.1,
            not_before: window.0,
            not_after: window.1,
        })
}

impl Case {
    fn not_before(&self, world: &World) -> jiff::Timestamp {
        world.now + SignedDuration::from_millis(self.not_before)
    }

    fn not_after(&self, world: &World) -> jiff::Timestamp {
        world.now + WIRE_SLACK + SignedDuration::from_millis(self.not_after)
    }

    fn facts(&self, world: &World) -> Facts {
        Facts {
            state: self.state,
            is_reply: self.is_reply,
            standing: self.standing,
            suppressed: self.suppressed,
            paused: false, // of all at once: see claims.rs
            in_review: self.in_review,
            running: self.is_reply || self.campaign == CampaignState::Running,
            quiet: !self.is_reply && self.quiet,
            not_before: self.not_before(world),
            not_after: self.not_after(world),
        }
    }

    /// One campaign per state and quietness.
    fn campaign(&self) -> String {
        format!("{}{}", self.campaign.as_str(), if self.quiet { "-quiet" } else { "" })
    }

    /// Writes the facts down around a new contact; the message's id.
    fn written(&self, world: &World, n: u16) -> (Id, Decision) {
        let contact = Contact::unknown(world.id(), phone(n));
        let id = contact.id;
        let mut changes = vec![Change::ContactAdded(contact)];
        changes.extend(self.standing.map(|standing| world.stands(id, LIST, standing)));
        changes.extend(self.elsewhere.map(|standing| world.stands(id, "elsewhere", standing)));
        if self.suppressed {
            changes.push(Change::Suppressed { contact: id, reason: "texted STOP".into(), at: world.now });
        }
        if self.in_review {
            changes.push(Change::HeldForReview { contact: id, reason: Some("may mean STOP".into()) });
        }
        let message = if self.is_reply {
            world.answer(id, "help")
        } else {
            NewMessage { campaign: Some(self.campaign()), ..world.text(id) }
        };
        let (not_before, not_after) = (self.not_before(world), self.not_after(world));
        let message = NewMessage { not_before, not_after, ..message };
        let made = message.id;
        changes.push(Change::MessagesQueued(vec![message]));
        (made, Decision(changes))
    }
}

/// Writes the cases down, claims, and compares; (claimed, not claimed).
async fn agree(world: &World, cases: &[Case]) -> Result<(usize, usize), TestCaseError> {
    let mut tx = world.store.db().begin().await.unwrap();
    for delete in ["DELETE FROM messages", "DELETE FROM consents", "DELETE FROM suppressions", "DELETE FROM contacts"] {
        tx.run(delete, vec![]).await.unwrap();
    }
    tx.commit().await.unwrap();
    let (ids, decisions): (Vec<Id>, Vec<Decision>) = (0..).zip(cases).map(|(n, case)| case.written(world, n)).unzip();
    world.store.commit(&decisions, world.now).await.unwrap();
    let states: Vec<String> =
        ids.iter().zip(cases).map(|(id, case)| format!("WHEN {id} THEN '{}'", case.state)).collect();
    world.sql(&format!("UPDATE messages SET state = CASE id {} END", states.join(" "))).await;

    let quiet = CAMPAIGNS.map(|state| format!("{}-quiet", state.as_str())).to_vec();
    let request = ClaimRequest { limit: 1000, line: wide_line(), epoch: 1, latest: world.now + WIRE_SLACK, quiet };
    let claimed = claimed(&world.store, &request, world.now).await;
    let claimed: BTreeSet<Id> = claimed.iter().map(|c| c.id).collect();
    for (id, case) in ids.iter().zip(cases) {
        prop_assert_eq!(claimed.contains(id), may_send(&case.facts(world), world.now), "{:?}", case);
    }
    Ok((claimed.len(), cases.len() - claimed.len()))
}

/// Each round deals up to 20 messages.
fn hold_together(engine: Engine, rounds: u32) {
    with_world(engine, |runtime, world| {
        bounded(runtime, async {
            for state in CAMPAIGNS {
                for quiet in ["", "-quiet"] {
                    world.campaign(&format!("{}{quiet}", state.as_str()), state).await;
                }
            }
        });
        let seen = Cell::new((0, 0));
        let config = Config { cases: rounds, failure_persistence: None, ..Config::default() };
        let agreed = TestRunner::new(config).run(&prop::collection::vec(case(), 1..20), |cases| {
            let (claimed, left) = bounded(runtime, agree(world, &cases))?;
            seen.set((seen.get().0 + claimed, seen.get().1 + left));
            Ok(())
        });
        if let Err(smallest) = agreed {
            panic!("{smallest}");
        }
        let (claimed, left) = seen.get();
        assert!(claimed > left / 10 && left > claimed / 10, "both answers are met often: {claimed}, {left}");
    });
}

#[test]
fn law_and_claim_agree_on_sqlite() {
    hold_together(Engine::Sqlite, 150);
}

#[test]
fn law_and_claim_agree_on_postgres() {
    hold_together(Engine::Postgres, 60);
}
