//! Two hands at once: claimers beside claimers, a STOP beside a claim, the same thing coming twice.
//!
//! Where the order matters it is made, not hoped for: a transaction is held open, and on PostgreSQL the other side is
//! seen waiting before it is let go. SQLite has one writer at a time; the same tests show that nothing slips past it.

use crate::store::made::{CAMPAIGN, LIST, claimed, inbound, phone, request};
use crate::support::{Engine, World, both_engines};
use futures_util::future::{join, join_all};
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision};
use ringround::domain::consent::Standing;
use ringround::domain::contact::Contact;
use ringround::domain::ids::Id;
use ringround::domain::message::{NewMessage, State};
use ringround::store::{Store, claim};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

both_engines! {
    no_message_is_claimed_twice, a_stop_waits_for_an_open_claim, a_claim_passes_over_an_open_stop,
    whatever_revokes_holds_the_claim_off, a_storm_of_stops_beside_claimers, one_text_handed_over_twice_is_one,
    one_unknown_number_becomes_one_contact, one_occurrence_opens_once, one_page_is_filled_once,
    a_cancelled_campaign_beside_a_claim, one_answer_wins_a_doubt,
}

/// Many contacts, one due text each: (contact, message) by number.
async fn town(world: &World, people: u16) -> BTreeMap<u16, (Id, Id)> {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let mut town = BTreeMap::new();
    let (mut decisions, mut texts) = (Vec::new(), Vec::new());
    for n in 0..people {
        let contact = Contact::unknown(world.id(), phone(n));
        let joined = world.stands(contact.id, LIST, Standing::In);
        let text = world.text(contact.id);
        town.insert(n, (contact.id, text.id));
        decisions.push(Decision(vec![Change::ContactAdded(contact), joined]));
        texts.push(text);
    }
    world.store.commit(&decisions, world.now).await.unwrap();
    world.queue(&texts).await;
    town
}

async fn no_message_is_claimed_twice(world: &World) {
    let town = town(world, 400).await;
    let second = world.second().await;
    let everything = async |store: &Store, limit: usize| {
        let mut mine = Vec::new();
        loop {
            let claimed = claimed(store, &request(limit, world.now), world.now).await;
            assert!(claimed.len() <= limit);
            if claimed.is_empty() {
                return mine;
            }
            mine.extend(claimed.iter().map(|c| c.id));
        }
    };
    let claimers = [(&world.store, 1), (&second, 3), (&world.store, 7), (&second, 20), (&second, 20)];
    let hands = join_all(claimers.map(|(store, limit)| everything(store, limit))).await;
    let all: Vec<Id> = hands.into_iter().flatten().collect();
    let each: BTreeSet<Id> = all.iter().copied().collect();
    assert_eq!(each.len(), all.len(), "a message was claimed twice");
    // On PostgreSQL a claimer passes over what another has locked, and may find nothing while some are still open.
    let left: BTreeSet<Id> = world.claim(1000).await.into_iter().collect();
    assert_eq!(each.len() + left.len(), town.len());
    assert_eq!(world.number("SELECT COUNT(*) FROM messages WHERE attempts <> 1").await, Some(0));
}

/// The claim came first and is still open: the STOP waits for it, and finds the message claimed.
async fn a_stop_waits_for_an_open_claim(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let (claimed, waiting) = (world.due_text(family).await, world.due_text(family).await);
    let mut tx = world.store.db().begin().await.unwrap();
    let (taken, _) = claim(&mut tx, &request(1, world.now), world.now).await.unwrap();
    assert_eq!(taken.iter().map(|(c, _)| c.id).collect::<Vec<_>>(), [claimed]);
    let second = world.second().await;
    let committed = RefCell::new(false);
    let stop = async {
        assert!(second.commit_one(world.stop(family, &phone(1)), world.now).await.unwrap());
        assert!(*committed.borrow(), "a STOP was through before the claim it came after");
    };
    let let_go = async {
        if world.engine == Engine::Postgres {
            world.until_somebody_waits().await;
        }
        *committed.borrow_mut() = true;
        tx.commit().await.unwrap();
    };
    join(stop, let_go).await;
    assert_eq!(world.state(claimed).await, State::Submitting);
    assert_eq!(world.state(waiting).await, State::Cancelled);
    assert_eq!(world.claim(10).await, [0_i64; 0]);
}

/// The STOP came first and is still open: nothing of theirs is claimed, before its commit or after.
async fn a_claim_passes_over_an_open_stop(world: &World) {
    let town = town(world, 3).await;
    let (stopped, message) = town[&1];
    let mut tx = world.store.db().begin().await.unwrap();
    let stop = world.stop(stopped, &phone(1));
    assert_eq!(world.store.apply(&mut tx, &[stop], world.now).await.unwrap(), [true]);
    let others: Vec<Id> = [town[&0].1, town[&2].1].to_vec();
    if world.engine == Engine::Postgres {
        assert_eq!(world.claim(10).await, others, "passed over, not waited for");
        tx.commit().await.unwrap();
    } else {
        // One writer at a time: the claim cannot begin before the STOP is through.
        let (claimed, ()) = join(world.claim(10), async { tx.commit().await.unwrap() }).await;
        assert_eq!(claimed, others);
    }
    assert_eq!(world.state(message).await, State::Cancelled);
    assert_eq!(world.claim(10).await, [0_i64; 0]);
}

/// Everything by which somebody can come to be not textable, open while a claim runs.
async fn whatever_revokes_holds_the_claim_off(world: &World) {
    let town = town(world, 4).await;
    let all: Vec<Id> = town.values().map(|(_, message)| *message).collect();
    let contact = |n: u16| town[&n].0;
    let at = world.now;
    let revocations: [Vec<Change>; 4] = [
        vec![world.stands(contact(0), LIST, Standing::Out)],
        vec![Change::LeftAllLists { contact: contact(1), at }],
        vec![Change::HeldForReview { contact: contact(2), reason: Some("may mean STOP".into()) }],
        vec![
            Change::LeftAllLists { contact: contact(3), at },
            Change::Suppressed { contact: contact(3), reason: "opted out at the gateway".into(), at },
        ],
    ];
    let decisions = revocations.map(Decision);
    let mut tx = world.store.db().begin().await.unwrap();
    assert_eq!(world.store.apply(&mut tx, &decisions, at).await.unwrap(), [true; 4]);
    if world.engine == Engine::Postgres {
        assert_eq!(world.claim(10).await, [0_i64; 0]);
        // Taken back, it was never said.
        tx.rollback().await.unwrap();
        assert_eq!(world.claim(10).await, all);
    } else {
        let (claimed, ()) = join(world.claim(10), async { tx.commit().await.unwrap() }).await;
        assert_eq!(claimed, [0_i64; 0]);
    }
}

/// Whoever's STOP was through before a claim began is not in it; and in the end every text is in one state or the other.
async fn a_storm_of_stops_beside_claimers(world: &World) {
    let town = town(world, 240).await;
    let second = world.second().await;
    let stopped: RefCell<BTreeSet<Id>> = RefCell::default();
    let open = "SELECT COUNT(*) FROM messages WHERE state = 'queued'";
    let claimer = async |store: &Store| {
        while world.number(open).await != Some(0) {
            let before = stopped.borrow().clone();
            let claimed = claimed(store, &request(3, world.now), world.now).await;
            assert!(claimed.iter().all(|c| !before.contains(&c.contact)), "claimed after their STOP");
        }
    };
    let says_stop = async |store: &Store, numbers: Vec<u16>| {
        for n in numbers {
            let (contact, _) = town[&n];
            assert!(store.commit_one(world.stop(contact, &phone(n)), world.now).await.unwrap());
            stopped.borrow_mut().insert(contact);
        }
    };
    let forwards = says_stop(&world.store, (0..240).step_by(4).collect());
    let backwards = says_stop(&second, (0..240).rev().step_by(4).collect());
    let claimers = join(claimer(&world.store), claimer(&second));
    Box::pin(join(join(forwards, backwards), claimers)).await;
    let stopped = stopped.into_inner();
    assert_eq!(stopped.len(), 120);
    for (contact, message) in town.values() {
        match world.state(*message).await {
            State::Submitting => {}
            State::Cancelled => assert!(stopped.contains(contact)),
            other => panic!("a text was left {other}"),
        }
    }
}

async fn one_text_handed_over_twice_is_one(world: &World) {
    let family = world.family(1).await;
    let second = world.second().await;
    let received = |id, mark| {
        let text = inbound(id, &phone(1), "g7", "HELP", world.now);
        let help = Change::InboundReceived { text, contact: Some(family), meaning: "help", needs_person: false };
        Decision(vec![help, mark])
    };
    let decisions: Vec<Decision> = (0..6).map(|_| received(world.id(), world.mark(family).1)).collect();
    let stores = [&world.store, &second].into_iter().cycle();
    let commits = decisions.into_iter().zip(stores).map(|(decision, store)| store.commit_one(decision, world.now));
    let won: Vec<bool> = join_all(commits).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    assert_eq!(world.store.inbounds(false, 10).await.unwrap().len(), 1);
    assert_eq!(world.store.events(family).await.unwrap().len(), 1, "and what hangs on it happened once");
}

async fn one_unknown_number_becomes_one_contact(world: &World) {
    let second = world.second().await;
    let commits = [&world.store, &second, &world.store, &second].map(|store| {
        let contact = Contact::unknown(world.id(), phone(5));
        let joined = world.stands(contact.id, LIST, Standing::In);
        store.commit_one(Decision(vec![Change::ContactAdded(contact), joined]), world.now)
    });
    let won = join_all(commits).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!(won, 1);
    assert_eq!(world.store.contact_count().await.unwrap(), 1);
    assert_eq!(world.store.list_counts(LIST).await.unwrap(), [(Standing::In, 1)]);
}

async fn one_occurrence_opens_once(world: &World) {
    let second = world.second().await;
    let commits = [&world.store, &second, &world.store, &second].map(|store| {
        let opened = world.opened(world.id(), CAMPAIGN, "opens");
        store.commit_one(opened.into(), world.now)
    });
    let won = join_all(commits).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!(won, 1);
    assert_eq!(world.store.broadcasts(CAMPAIGN).await.unwrap().len(), 1);
}

async fn one_page_is_filled_once(world: &World) {
    let family = world.family(1).await;
    let broadcast = world.broadcast(CAMPAIGN, "opens").await;
    let second = world.second().await;
    let commits = [&world.store, &second, &world.store, &second].map(|store| {
        let filled = Change::BroadcastFilled { id: broadcast, from: 0, to: family, last: true };
        let passed = Change::PassedOver { broadcast, reason: "said DONE", people: 1 };
        store.commit_one(Decision(vec![filled, passed]), world.now)
    });
    let won = join_all(commits).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!(won, 1);
    assert_eq!(world.store.passed_over(broadcast).await.unwrap(), [("said DONE".to_owned(), 1)]);
}

/// Cancelling waits for an open claim, and takes all that the claim left.
async fn a_cancelled_campaign_beside_a_claim(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let messages: Vec<NewMessage> = (0..9).map(|_| world.text(family)).collect();
    world.queue(&messages).await;
    let mut tx = world.store.db().begin().await.unwrap();
    let (taken, _) = claim(&mut tx, &request(4, world.now), world.now).await.unwrap();
    assert_eq!(taken.len(), 4);
    let second = world.second().await;
    let cancelled = Change::CampaignCancelled { campaign: CAMPAIGN.into(), reason: "wrong link", at: world.now };
    let let_go = async {
        if world.engine == Engine::Postgres {
            world.until_somebody_waits().await;
        }
        tx.commit().await.unwrap();
    };
    let (held, ()) = join(second.commit_one(cancelled.into(), world.now), let_go).await;
    assert!(held.unwrap());
    let counts = world.store.counts(None).await.unwrap();
    assert_eq!((counts.of(State::Submitting), counts.of(State::Cancelled), counts.total()), (4, 5, 9));
}

/// A look-up, a report and a person decide the same doubt.
async fn one_answer_wins_a_doubt(world: &World) {
    let family = world.family(1).await;
    let message = world.text_in(family, State::InDoubt).await;
    let second = world.second().await;
    let ends = [State::Accepted, State::Delivered, State::Unresolved, State::Queued];
    let stores = [&world.store, &second, &world.store, &second];
    let commits = ends.into_iter().zip(stores).map(|(to, store)| {
        let moved = Change::MessageMoved(world.moved(message, State::InDoubt, to));
        store.commit_one(moved.into(), world.now)
    });
    let won: Vec<bool> = join_all(commits).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let winner = ends.into_iter().zip(won).find(|(_, won)| *won).unwrap().0;
    assert_eq!(world.state(message).await, winner);
}
