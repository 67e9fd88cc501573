//! Several workers on one database: leases, epochs, one line to the gateway for all of them.

use crate::store::made::{CAMPAIGN, LIST, phone, request, wide_line};
use crate::support::{Engine, World, both_engines};
use futures_util::future::join_all;
use jiff::SignedDuration;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::Change;
use ringround::domain::message::{NewMessage, State};
use ringround::store::{ClaimRequest, Hint, LineTerms, Recruit, StoreError};
use std::collections::BTreeSet;

both_engines! {
    starts_are_given_one_after_the_other,
    a_day_has_its_limit,
    a_start_that_nobody_used_does_not_count,
    a_clock_that_was_set_back_does_not_hold_the_line,
    a_stop_reaches_what_another_worker_held,
    a_slow_line_is_claimed_just_in_time,
    workers_agree_or_do_not_begin,
    a_lost_claim_can_be_found,
    the_hour_that_was_seen,
    others_are_told,
}

fn paced(limit: usize, epoch: i64, world: &World) -> ClaimRequest {
    let line = LineTerms { spacing: SignedDuration::from_millis(100), ..wide_line() };
    ClaimRequest { line, epoch, ..request(limit, world.now) }
}

async fn town(world: &World, texts: usize) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let messages: Vec<NewMessage> = (0..texts).map(|_| world.text(family)).collect();
    world.queue(&messages).await;
}

/// Whoever claims, and however they share: no two requests have one start, and none is left out.
async fn starts_are_given_one_after_the_other(world: &World) {
    town(world, 60).await;
    let others = [world.second().await, world.second().await];
    let mut workers = vec![(&world.store, 1)];
    if world.engine == Engine::Postgres {
        for store in &others {
            let who = Recruit { place: "there", agreement: "", settle: SignedDuration::ZERO };
            workers.push((store, store.enlist(&who, world.now).await.unwrap().0));
        }
    }
    let turns = workers.iter().map(async |(store, epoch)| {
        let mut starts = Vec::new();
        loop {
            let turn = store.turn(&[], &paced(7, *epoch, world), world.now).await.unwrap();
            if turn.claimed.is_empty() {
                return starts;
            }
            starts.extend(turn.claimed.into_iter().map(|(_, start)| start.as_millisecond()));
        }
    });
    let all: Vec<i64> = join_all(turns).await.into_iter().flatten().collect();
    let each: BTreeSet<i64> = all.iter().copied().collect();
    let now = world.now.as_millisecond();
    assert_eq!(each, (0..60).map(|n| now + 100 * n).collect());
    assert_eq!(all.len(), 60);
}

async fn a_day_has_its_limit(world: &World) {
    town(world, 9).await;
    let limited = |seconds| {
        let line = LineTerms { per_day: Some(4), ..wide_line() };
        ClaimRequest { line, ..request(3, world.at(seconds)) }
    };
    assert_eq!(world.store.turn(&[], &limited(0), world.now).await.unwrap().claimed.len(), 3);
    assert_eq!(world.store.turn(&[], &limited(1), world.at(1)).await.unwrap().claimed.len(), 1);
    let spent = world.store.turn(&[], &limited(2), world.at(2)).await.unwrap();
    assert_eq!((spent.claimed.len(), spent.line_free_at), (0, Some(world.at(12 * 3600))), "midnight in UTC");
    world.sql(&format!("UPDATE messages SET not_after = {}", world.at(90_000).as_millisecond())).await;
    let next_day = world.at(12 * 3600);
    assert_eq!(world.store.turn(&[], &limited(12 * 3600), next_day).await.unwrap().claimed.len(), 3);
}

async fn a_start_that_nobody_used_does_not_count(world: &World) {
    town(world, 9).await;
    let claim = |limit, returned| {
        let line = LineTerms { per_day: Some(4), returned, ..wide_line() };
        ClaimRequest { line, ..request(limit, world.now) }
    };
    let first = world.store.turn(&[], &claim(3, 0), world.now).await.unwrap().claimed;
    let back = |id| world.moved(id, State::Submitting, State::Queued);
    let given: Vec<_> = first.iter().take(2).map(|(c, _)| Change::MessageMoved(back(c.id)).into()).collect();
    let turn = world.store.turn(&given, &claim(9, 2), world.now).await.unwrap();
    assert_eq!(turn.claimed.len(), 3, "one of four has left");
    assert_eq!(world.store.turn(&[], &claim(9, 0), world.now).await.unwrap().claimed.len(), 0);
}

/// The clock was an hour ahead for a while, and starts were given by it.
async fn a_clock_that_was_set_back_does_not_hold_the_line(world: &World) {
    town(world, 9).await;
    world.sql(&format!("UPDATE messages SET not_after = {}", world.at(90_000).as_millisecond())).await;
    let claim = |seconds| paced_at(2, world.at(seconds), world);
    assert_eq!(world.store.turn(&[], &claim(3600), world.at(3600)).await.unwrap().claimed.len(), 2);
    let back = world.store.turn(&[], &claim(1), world.at(1)).await.unwrap();
    assert_eq!(back.claimed.len(), 2, "{:?}", back.line_free_at);
}

fn paced_at(limit: usize, now: jiff::Timestamp, world: &World) -> ClaimRequest {
    ClaimRequest { latest: now, ..paced(limit, 1, world) }
}

/// What comes back from another worker's hands after a STOP does not wait for its deadline.
async fn a_stop_reaches_what_another_worker_held(world: &World) {
    town(world, 1).await;
    let claimed = world.claim(1).await;
    let contact = world.number("SELECT contact_id FROM messages").await.unwrap();
    assert!(world.store.commit_one(world.stop(contact, &phone(1)), world.now).await.unwrap());
    assert_eq!(world.state(claimed[0]).await, State::Submitting);
    world.done(vec![Change::MessageMoved(world.moved(claimed[0], State::Submitting, State::Queued))]).await;
    assert_eq!(world.state(claimed[0]).await, State::Cancelled);
}

/// A kill leaves in doubt what was claimed: so nothing is claimed long before its request may start.
async fn a_slow_line_is_claimed_just_in_time(world: &World) {
    town(world, 9).await;
    let slow = |seconds| {
        let (spacing, ahead) = (SignedDuration::from_secs(10), SignedDuration::from_secs(1));
        ClaimRequest { line: LineTerms { spacing, ahead, ..wide_line() }, ..request(9, world.at(seconds)) }
    };
    assert_eq!(world.store.turn(&[], &slow(0), world.now).await.unwrap().claimed.len(), 1);
    let early = world.store.turn(&[], &slow(1), world.at(1)).await.unwrap();
    assert_eq!((early.claimed.len(), early.line_free_at), (0, Some(world.at(9))));
    let next = world.store.turn(&[], &slow(9), world.at(9)).await.unwrap();
    assert_eq!(next.claimed.iter().map(|(_, start)| *start).collect::<Vec<_>>(), [world.at(10)]);
    let rested = world.store.turn(&[], &slow(100), world.at(100)).await.unwrap();
    assert_eq!(rested.claimed.iter().map(|(_, start)| *start).collect::<Vec<_>>(), [world.at(100)], "none is saved up");
}

async fn workers_agree_or_do_not_begin(world: &World) {
    let second = world.second().await;
    let same = second.agreement(&["settings", "profile"]);
    assert_eq!(same, world.store.agreement(&["settings", "profile"]));
    assert_ne!(same, world.store.agreement(&["settingsprofile", ""]));
    let who = Recruit { place: "there", agreement: &same, settle: SignedDuration::ZERO };
    let begun = second.enlist(&who, world.now).await;
    match world.engine {
        Engine::Sqlite => assert_eq!(begun.unwrap().0, 2, "the other one is gone: whoever begins holds the file"),
        Engine::Postgres => {
            assert!(matches!(begun.unwrap_err(), StoreError::Disagrees(place) if place == "here"));
            assert_eq!(second.workers().await.unwrap().len(), 1);
        }
    }
}

/// The commit that claimed it went through, its answer did not.
async fn a_lost_claim_can_be_found(world: &World) {
    town(world, 2).await;
    let claimed = world.claim(1).await;
    assert_eq!(world.store.claimed_by(1).await.unwrap(), claimed);
    assert_eq!(world.store.claimed_by(2).await.unwrap(), [0; 0]);
    world.done(vec![Change::MessageMoved(world.moved(claimed[0], State::Submitting, State::Queued))]).await;
    assert_eq!(world.store.claimed_by(1).await.unwrap(), [0; 0]);
}

async fn the_hour_that_was_seen(world: &World) {
    assert_eq!(world.store.seen().await.unwrap(), None);
    for seconds in [5, 3] {
        world.store.see(world.at(seconds)).await.unwrap();
        assert_eq!(world.store.seen().await.unwrap(), Some(world.at(seconds)));
    }
    assert_eq!(world.store.server_clock().await.unwrap().is_some(), world.engine == Engine::Postgres);
}

async fn others_are_told(world: &World) {
    let second = world.second().await;
    let Some(mut hints) = second.hints().await.unwrap() else { return assert_eq!(world.engine, Engine::Sqlite) };
    town(world, 1).await;
    assert_eq!(hints.next().await.unwrap(), Hint::Wake, "a campaign has begun");
    assert_eq!(hints.next().await.unwrap(), Hint::Wake, "a text waits");
    let contact = world.contact(2).await.id;
    world.done(vec![world.stands(contact, LIST, ringround::domain::consent::Standing::In)]).await;
    assert!(world.store.commit_one(world.stop(contact, &phone(2)), world.now).await.unwrap());
    assert_eq!(hints.next().await.unwrap(), Hint::Left(contact));
    let held = Change::HeldForReview { contact, reason: Some("may mean STOP".into()) };
    world.done(vec![held]).await;
    assert_eq!(hints.next().await.unwrap(), Hint::Review(contact), "nobody has left yet");
}
