//! Every change as the guard of a decision: where it holds, the rest of the decision is written; where it fails, the
//! rest is dropped with it. Its neighbours in the same commit are written either way.

use crate::store::made::{CAMPAIGN, LIST, inbound, occurrence, phone};
use crate::support::{World, both_engines};
use ringround::domain::broadcast::Fate;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision, ImportNote};
use ringround::domain::consent::Standing;
use ringround::domain::contact::Contact;
use ringround::domain::ids::Id;
use ringround::domain::message::{NewMessage, State};
use ringround::domain::pause::Pause;
use ringround::domain::report::{DeliveryReport, ReportStatus, StrayReport};
use ringround::store::StoreError;
use std::collections::BTreeSet;

both_engines! { every_guard_holds_and_fails, what_fails_as_a_statement_takes_the_whole_commit_back, nothing_is_nothing, only_the_first_change_is_a_guard }

/// A change that holds, and then one like it that does not (none where it can't fail).
struct Case {
    holds: Change,
    fails: Option<Change>,
}

impl Case {
    fn once(change: Change) -> Self {
        Self { fails: Some(change.clone()), holds: change }
    }
}

async fn every_guard_holds_and_fails(world: &World) {
    let family = world.family(1).await;
    let mut seen = BTreeSet::new();
    for case in cases(world, family).await {
        seen.insert(number(&case.holds));
        assert!(is_guarded(world, family, case.holds.clone()).await, "holds: {:?}", case.holds);
        if let Some(fails) = case.fails {
            assert!(!is_guarded(world, family, fails.clone()).await, "fails: {fails:?}");
        }
    }
    assert_eq!(seen.len(), NUMBERS, "each kind of change has a case");
}

/// Commits the change as the guard of a decision that stands between two others; says whether it held.
async fn is_guarded(world: &World, contact: Id, guard: Change) -> bool {
    let ((before, first), (within, rest), (after, last)) =
        (world.mark(contact), world.mark(contact), world.mark(contact));
    let decisions = [first.into(), Decision(vec![guard, rest]), last.into()];
    let applied = world.store.commit(&decisions, world.now).await.unwrap();
    let [true, held, true] = applied[..] else { panic!("a neighbour was dropped: {applied:?}") };
    for (mark, wanted) in [(before, true), (within, held), (after, true)] {
        let found = world.number(&format!("SELECT COUNT(*) FROM events WHERE id = {mark}")).await;
        assert_eq!(found, Some(i64::from(wanted)));
    }
    held
}

const NUMBERS: usize = 30;

/// No wildcard: a new kind of change does not compile until it is here, and then asks for its case above.
fn number(change: &Change) -> usize {
    match change {
        Change::ContactAdded(_) => 1,
        Change::ContactChanged(_) => 2,
        Change::StandingSet { .. } => 3,
        Change::LeftAllLists { .. } => 4,
        Change::Suppressed { .. } => 5,
        Change::SuppressionLifted { .. } => 6,
        Change::DoneSaid { .. } => 7,
        Change::HeldForReview { .. } => 8,
        Change::Recorded(_) => 9,
        Change::InboundReceived { .. } => 10,
        Change::InboundClosed { .. } => 11,
        Change::CampaignApplied { .. } => 12,
        Change::CampaignSteered { .. } => 13,
        Change::CursorMoved { .. } => 14,
        Change::BroadcastOpened { .. } => 15,
        Change::BroadcastFilled { .. } => 16,
        Change::PassedOver { .. } => 17,
        Change::MessagesQueued(_) => 18,
        Change::MessageMoved(_) => 19,
        Change::WaitingCancelled { .. } => 20,
        Change::CampaignCancelled { .. } => 21,
        Change::DoubtAsked { .. } => 22,
        Change::ReportStored(_) => 23,
        Change::Paused { .. } => 24,
        Change::Resumed { .. } => 25,
        Change::PolledTo { .. } => 26,
        Change::StrayKept(_) => 27,
        Change::StrayJoined { .. } => 28,
        Change::HandleKept { .. } => 29,
        Change::Import(_) => 30,
    }
}

async fn cases(world: &World, family: Id) -> Vec<Case> {
    let mut cases = people(world, family).await;
    cases.extend(imports(world, family));
    cases.extend(inbounds(world, family));
    cases.extend(campaigns(world));
    cases.extend(messages(world, family).await);
    cases
}

/// A file never touches a standing that is `out`.
fn from_a_file(contact: Id, list: &str, standing: Standing, at: jiff::Timestamp) -> Change {
    Change::StandingSet { contact, list: list.into(), standing, unless_out: true, at }
}

async fn people(world: &World, family: Id) -> Vec<Case> {
    let known = world.contact(2).await;
    let at = world.now;
    let gone = known.id;
    world.done(vec![world.stands(gone, "third", Standing::Out)]).await;
    let new = Contact::unknown(world.id(), phone(3));
    vec![
        Case {
            holds: Change::ContactAdded(new.clone()),
            fails: Some(Change::ContactAdded(Contact { id: world.id(), ..new })),
        },
        Case {
            holds: Change::ContactChanged(Contact { name: Some("Amal".into()), ..known.clone() }),
            fails: Some(Change::ContactChanged(Contact { id: world.id(), ..known })),
        },
        Case::once(world.stands(family, "other", Standing::In)),
        Case {
            holds: from_a_file(family, "third", Standing::In, at),
            fails: Some(from_a_file(gone, "third", Standing::In, at)),
        },
        Case::once(world.stands(family, "other", Standing::Pending)),
        Case::once(Change::LeftAllLists { contact: family, at }),
        Case::once(Change::Suppressed { contact: family, reason: "texted STOP".into(), at }),
        Case::once(Change::SuppressionLifted { contact: family }),
        Case::once(Change::DoneSaid { contact: family, campaign: CAMPAIGN.into(), at }),
        Case::once(Change::HeldForReview { contact: family, reason: Some("may mean STOP".into()) }),
        Case::once(Change::HeldForReview { contact: family, reason: None }),
        Case { holds: world.mark(family).1, fails: None },
        Case::once(Change::Paused { pause: Pause::Line, reason: "no credit left".into(), at }),
        Case::once(Change::Resumed { pause: Pause::Line }),
        Case { holds: Change::PolledTo { gateway: "main".into(), cursor: "7".into() }, fails: None },
    ]
}

fn imports(world: &World, family: Id) -> Vec<Case> {
    let (id, at) = (world.id(), world.now);
    let begun = |id| ImportNote::Begun {
        id,
        file: "p.csv".into(),
        hash: "ab".into(),
        list: LIST.into(),
        by: "admin:x".into(),
        at,
    };
    let ended = |undone| Change::Import(ImportNote::Ended { id, undone, at });
    let row = ImportNote::Row { import: id, contact: family, kind: "added", did: "{}".into() };
    vec![
        Case { holds: Change::Import(begun(id)), fails: Some(Change::Import(begun(world.id()))) },
        Case::once(Change::Import(row)),
        Case { holds: ended(false), fails: None },
        Case::once(ended(true)),
    ]
}

fn inbounds(world: &World, family: Id) -> Vec<Case> {
    let received = |id, gateway_id| Change::InboundReceived {
        text: inbound(id, &phone(1), gateway_id, "stopp", world.now),
        contact: Some(family),
        meaning: "may be stop",
        needs_person: true,
    };
    let id = world.id();
    vec![
        Case { holds: received(id, "a"), fails: Some(received(world.id(), "a")) },
        Case { holds: received(world.id(), "b"), fails: Some(received(world.id(), "a")) },
        Case::once(Change::InboundClosed { inbound: id, at: world.now }),
    ]
}

fn campaigns(world: &World) -> Vec<Case> {
    let applied = |revision| Change::CampaignApplied {
        id: "new".into(),
        list: LIST.into(),
        source: format!("after revision {revision}"),
        revision,
        at: world.now,
    };
    let steered = |from: &[CampaignState], to| Change::CampaignSteered {
        id: "new".into(),
        from: from.to_vec(),
        to,
        at: world.now,
    };
    let moved = |seconds| Change::CursorMoved { campaign: "new".into(), to: world.at(seconds) };
    let opened = |id, local: &str, pass| {
        let mut occurrence = occurrence("reminder", world.now);
        (occurrence.local, occurrence.pass) = (local.into(), pass);
        Change::BroadcastOpened {
            id,
            campaign: "new".into(),
            occurrence,
            fate: Fate::Filling,
            reason: None,
            at: world.now,
        }
    };
    let broadcast = world.id();
    let filled = |from, to, last| Change::BroadcastFilled { id: broadcast, from, to, last };
    vec![
        Case::once(applied(0)),
        Case::once(applied(1)),
        Case { holds: applied(2), fails: Some(applied(0)) },
        Case::once(steered(&[CampaignState::Draft, CampaignState::Paused], CampaignState::Running)),
        Case { holds: steered(&[CampaignState::Running], CampaignState::Paused), fails: None },
        Case::once(moved(60)),
        Case { holds: moved(120), fails: Some(moved(119)) },
        Case { holds: opened(broadcast, "once", 1), fails: Some(opened(world.id(), "once", 1)) },
        Case { holds: opened(world.id(), "once", 2), fails: Some(opened(world.id(), "once", 2)) },
        Case::once(filled(0, 10, false)),
        Case { holds: filled(10, 20, true), fails: Some(filled(20, 30, true)) },
        Case { holds: Change::PassedOver { broadcast, reason: "said DONE", people: 3 }, fails: None },
    ]
}

async fn messages(world: &World, family: Id) -> Vec<Case> {
    let text = world.text(family);
    let twin = NewMessage { id: world.id(), ..text.clone() };
    let answer = world.answer(family, "help");
    let second_answer = NewMessage { id: world.id(), ..answer.clone() };
    let doubted = world.text_in(family, State::InDoubt).await;
    let queued = world.due_text(family).await;
    let asked = |message| Change::DoubtAsked { message, asked: world.now, absent: 1, again_at: world.at(30) };
    let at = world.now;
    let stored = |id, fingerprint: &str| {
        Change::ReportStored(DeliveryReport {
            id,
            gateway: "simulated".into(),
            fingerprint: fingerprint.into(),
            message: doubted,
            contact: family,
            gateway_id: None,
            status: ReportStatus::Sent,
            detail: "sent".into(),
            opted_out: false,
            received_at: at,
        })
    };
    let stray = |id| {
        Change::StrayKept(StrayReport {
            id,
            gateway: "g".into(),
            fingerprint: "h-1 sent".into(),
            gateway_id: "h-1".into(),
            status: ReportStatus::Sent,
            detail: "sent".into(),
            opted_out: false,
            received_at: at,
        })
    };
    vec![
        Case { holds: Change::MessagesQueued(vec![text]), fails: Some(Change::MessagesQueued(vec![twin])) },
        Case { holds: Change::MessagesQueued(vec![answer]), fails: Some(Change::MessagesQueued(vec![second_answer])) },
        Case::once(Change::MessageMoved(world.moved(queued, State::Queued, State::Expired))),
        Case { holds: asked(doubted), fails: Some(asked(queued)) },
        Case::once(Change::WaitingCancelled { contact: family, list: Some(LIST.into()), reason: "STOP", at }),
        Case { holds: Change::MessagesQueued(vec![world.text(family)]), fails: None },
        Case::once(Change::WaitingCancelled { contact: family, list: None, reason: "STOP", at }),
        Case { holds: Change::MessagesQueued(vec![world.text(family)]), fails: None },
        Case::once(Change::CampaignCancelled { campaign: CAMPAIGN.into(), reason: "cancelled", at }),
        Case { holds: stored(world.id(), "x sent"), fails: Some(stored(world.id(), "x sent")) },
        Case { holds: stray(1), fails: Some(stray(2)) },
        Case::once(Change::StrayJoined { stray: 1 }),
        Case::once(Change::HandleKept { gateway_id: "h-1".into(), message: queued }),
    ]
}

/// A failing guard is an answer; a statement that fails is an error, and nothing of the commit is written.
async fn what_fails_as_a_statement_takes_the_whole_commit_back(world: &World) {
    let family = world.family(1).await;
    let (id, mark) = world.mark(family);
    let (_, other) = world.mark(family);
    let twice = [mark.clone().into(), other.into(), mark.into()];
    let error = world.store.commit(&twice, world.now).await.unwrap_err();
    assert!(matches!(error, StoreError::Database(_)), "{error}");
    assert_eq!(world.number("SELECT COUNT(*) FROM events").await, Some(0), "{id}");
    let nobody = world.stands(world.id(), LIST, Standing::In);
    assert!(!world.store.commit_one(nobody.into(), world.now).await.unwrap(), "a standing of nobody's");
}

async fn nothing_is_nothing(world: &World) {
    assert!(world.store.commit(&[], world.now).await.unwrap().is_empty());
    assert!(world.tried(vec![]).await, "a decision without a guard has none that fails");
}

/// A STOP from somebody on no list, with nothing waiting, is a STOP all the same.
async fn only_the_first_change_is_a_guard(world: &World) {
    let stranger = world.contact(1).await.id;
    let stop = world.stop(stranger, &phone(1));
    assert!(world.store.commit_one(stop, world.now).await.unwrap());
    assert_eq!(world.store.suppressed_among(&[phone(1)]).await.unwrap(), [phone(1)]);
    assert_eq!(world.store.events(stranger).await.unwrap().len(), 1);
}
