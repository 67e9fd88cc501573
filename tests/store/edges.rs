//! The chart of states, held by the store: every edge is applied with all it carries, and every other move is refused.

use crate::store::made::{CAMPAIGN, request};
use crate::support::{Engine, World, both_engines};
use jiff::SignedDuration;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::ids::Id;
use ringround::domain::message::{Edge, State};
use ringround::store::{LEASE, Recruit, StoreError};
use std::collections::BTreeSet;

both_engines! {
    every_edge_is_applied, every_other_move_is_refused, a_move_from_elsewhere_changes_nothing,
    an_outcome_of_another_epoch_changes_nothing, a_turn_records_and_claims_in_one, what_expires_and_what_does_not,
    what_is_never_reported_is_closed,
    what_an_earlier_start_claimed_is_in_doubt, a_second_doubt_counts_from_zero, a_turn_that_fails_claims_nothing,
}

fn pairs() -> impl Iterator<Item = (State, State)> {
    State::ALL.into_iter().flat_map(|from| State::ALL.into_iter().map(move |to| (from, to)))
}

/// What of a message's row a move may touch.
#[derive(Debug, PartialEq, Eq)]
struct Touched {
    state: State,
    not_before: Option<i64>,
    ask_at: Option<i64>,
    answered_at: Option<i64>,
    ended_at: Option<i64>,
    gateway_id: Option<String>,
    reason: Option<String>,
}

async fn touched(world: &World, id: Id) -> Touched {
    let sql = format!(
        "SELECT state, not_before, ask_at, answered_at, ended_at, gateway_id, reason FROM messages WHERE id = {id}"
    );
    let rows = world.store.db().rows(sqlx::AssertSqlSafe(sql), vec![]).await.unwrap();
    let row = &rows[0];
    Touched {
        state: State::parse(&row.text(0).unwrap()).unwrap(),
        not_before: row.opt_int(1).unwrap(),
        ask_at: row.opt_int(2).unwrap(),
        answered_at: row.opt_int(3).unwrap(),
        ended_at: row.opt_int(4).unwrap(),
        gateway_id: row.opt_text(5).unwrap(),
        reason: row.opt_text(6).unwrap(),
    }
}

async fn every_edge_is_applied(world: &World) {
    let family = world.family(1).await;
    let mut edges = BTreeSet::from([Edge::Claim]); // the claim's own: see claims.rs
    for (from, to) in pairs() {
        let Some(edge) = Edge::between(from, to).filter(|edge| *edge != Edge::Claim) else { continue };
        edges.insert(edge);
        let id = world.text_in(family, from).await;
        let (at, next_at) = (world.at(10), world.at(40));
        let carried = MessageMove {
            gateway_id: (to == State::Accepted).then(|| "g1".to_owned()),
            next_at: Some(next_at),
            ..MessageMove::new(id, from, to, at).because("so it is")
        };
        world.done(vec![Change::MessageMoved(carried)]).await;
        let at = Some(at.as_millisecond());
        let next_at = Some(next_at.as_millisecond());
        let expected = Touched {
            state: to,
            not_before: if to == State::Queued { next_at } else { Some(world.now.as_millisecond()) },
            // In doubt: asked then. Accepted: closed then, if no report comes.
            ask_at: next_at.filter(|_| matches!(to, State::InDoubt | State::Accepted)),
            answered_at: at.filter(|_| from == State::Submitting),
            ended_at: at.filter(|_| to.is_final()),
            gateway_id: (to == State::Accepted).then(|| "g1".to_owned()),
            reason: Some("so it is".to_owned()),
        };
        assert_eq!(touched(world, id).await, expected, "{edge:?}: {from} to {to}");
        // A second move that says nothing of the gateway's id keeps the first one's.
        if to == State::Accepted {
            world.done(vec![Change::MessageMoved(world.moved(id, to, State::Delivered))]).await;
            assert_eq!(touched(world, id).await.gateway_id.as_deref(), Some("g1"));
        }
    }
    assert_eq!(edges.len(), 19, "all edges that the chart names");
}

async fn every_other_move_is_refused(world: &World) {
    let family = world.family(1).await;
    let mut refused = 0;
    for (from, to) in pairs() {
        if Edge::between(from, to).is_some_and(|edge| edge != Edge::Claim) {
            continue;
        }
        let id = world.text_in(family, from).await;
        let before = touched(world, id).await;
        let (_, neighbour) = world.mark(family);
        let commit = [neighbour.into(), Change::MessageMoved(world.moved(id, from, to)).into()];
        let error = world.store.commit(&commit, world.now).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{from} to {to}: {error}");
        assert_eq!(touched(world, id).await, before);
        refused += 1;
    }
    assert_eq!(refused, 121 - 31);
    assert_eq!(world.number("SELECT COUNT(*) FROM events").await, Some(0), "nor is anything written beside it");
}

async fn a_move_from_elsewhere_changes_nothing(world: &World) {
    let family = world.family(1).await;
    let id = world.text_in(family, State::Accepted).await;
    let before = touched(world, id).await;
    for (from, to) in [(State::Queued, State::Cancelled), (State::InDoubt, State::Queued)] {
        assert!(!world.tried(vec![Change::MessageMoved(world.moved(id, from, to))]).await);
    }
    assert!(!world.tried(vec![Change::MessageMoved(world.moved(world.id(), State::Queued, State::Expired))]).await);
    assert_eq!(touched(world, id).await, before);
}

async fn an_outcome_of_another_epoch_changes_nothing(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let id = world.due_text(world.family(1).await).await;
    assert_eq!(world.claim(10).await, [id]);
    let outcome = |epoch| {
        let moved = world.moved(id, State::Submitting, State::Accepted);
        Decision::from(Change::MessageMoved(MessageMove { epoch: Some(epoch), ..moved }))
    };
    let applied = world.store.turn(&[outcome(2), outcome(0)], &request(0, world.now), world.now).await.unwrap().applied;
    assert_eq!(applied, [false, false]);
    assert_eq!(world.state(id).await, State::Submitting);
    let applied = world.store.turn(&[outcome(1), outcome(1)], &request(0, world.now), world.now).await.unwrap().applied;
    assert_eq!(applied, [true, false], "the second of two copies finds it moved");
    assert_eq!(world.state(id).await, State::Accepted);
}

async fn a_turn_records_and_claims_in_one(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let (first, second) = (world.due_text(family).await, world.due_text(family).await);
    assert_eq!(world.claim(1).await, [first]);
    let retry = MessageMove { epoch: Some(1), ..world.moved(first, State::Submitting, State::Queued) };
    let outcomes = [Change::MessageMoved(retry).into()];
    let turn = world.store.turn(&outcomes, &request(10, world.now), world.now).await.unwrap();
    let (applied, claimed) = (turn.applied, turn.claimed.into_iter().map(|(claimed, _)| claimed));
    assert_eq!(applied, [true]);
    let claimed: Vec<(Id, u32)> = claimed.map(|c| (c.id, c.attempt)).collect();
    assert_eq!(claimed, [(first, 2), (second, 1)], "what the outcomes put back is claimed in the same turn");
}

async fn a_turn_that_fails_claims_nothing(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let id = world.due_text(world.family(1).await).await;
    let forbidden = [Change::MessageMoved(world.moved(id, State::Delivered, State::Queued)).into()];
    assert!(world.store.turn(&forbidden, &request(10, world.now), world.now).await.is_err());
    assert_eq!(world.state(id).await, State::Queued);
    assert_eq!(world.claim(10).await, [id]);
}

/// Half-open: at `not_after` itself it is too late. Nothing that is or was on the wire is touched.
async fn what_expires_and_what_does_not(world: &World) {
    let family = world.family(1).await;
    let mut ids = Vec::new();
    for state in State::ALL {
        ids.push((state, world.text_in(family, state).await));
    }
    let deadline = world.at(3600);
    let before = world.store.sweep(deadline - SignedDuration::from_millis(1)).await.unwrap();
    assert_eq!((before.expired, before.doubted), (0, 0));
    let swept = world.store.sweep(deadline).await.unwrap();
    assert_eq!((swept.expired, swept.doubted), (2, 0));
    for (state, id) in ids {
        let waits = matches!(state, State::Queued | State::Held);
        assert_eq!(world.state(id).await, if waits { State::Expired } else { state });
        if waits {
            let row = touched(world, id).await;
            assert_eq!(row.ended_at, Some(deadline.as_millisecond()));
            assert!(row.reason.unwrap().contains("deadline"));
        }
    }
    assert_eq!(world.store.sweep(deadline).await.unwrap().expired, 0);
}

/// Taken and never reported: it stays accepted, with an end and a reason. A late report still counts.
async fn what_is_never_reported_is_closed(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let text = world.due_text(family).await;
    assert_eq!(world.claim(1).await, [text]);
    let accepted = MessageMove { next_at: Some(world.at(60)), ..world.moved(text, State::Submitting, State::Accepted) };
    world.done(vec![Change::MessageMoved(accepted)]).await;
    assert_eq!(world.store.sweep(world.at(59)).await.unwrap().closed, 0);
    assert!(world.store.pulse(world.at(60)).await.unwrap().ended);
    assert_eq!(world.store.sweep(world.at(60)).await.unwrap().closed, 1);
    let row = touched(world, text).await;
    assert_eq!((row.reason.as_deref(), row.ended_at), (Some("no_report"), Some(world.at(60).as_millisecond())));
    assert_eq!(world.store.sweep(world.at(90)).await.unwrap().closed, 0);
    world.done(vec![Change::MessageMoved(world.moved(text, State::Accepted, State::Delivered))]).await;
    assert_eq!(world.state(text).await, State::Delivered);
}

async fn what_an_earlier_start_claimed_is_in_doubt(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let stranded = world.due_text(family).await;
    assert_eq!(world.claim(1).await, [stranded]);
    let waiting = world.due_text(family).await;
    let settle = SignedDuration::from_secs(60);
    let who = Recruit { place: "there", agreement: "", settle };

    // On PostgreSQL another worker may live; on SQLite whoever begins holds the file alone.
    let second = world.second().await;
    let (epoch, doubted) = second.enlist(&who, world.at(5)).await.unwrap();
    let gone_at = if world.engine == Engine::Postgres { LEASE.as_secs() } else { 5 };
    assert_eq!((epoch, doubted), (2, u64::from(world.engine == Engine::Sqlite)));
    assert_eq!(second.beat(2, settle, world.at(gone_at)).await.unwrap().doubted, 1 - doubted);
    assert_eq!(world.state(stranded).await, State::InDoubt);
    assert_eq!(world.state(waiting).await, State::Queued);
    assert_eq!(world.store.doubts(world.at(gone_at + 59), 10).await.unwrap(), [], "the gateway gets time to settle");
    let doubts = world.store.doubts(world.at(gone_at + 60), 10).await.unwrap();
    assert_eq!((doubts[0].id, doubts[0].since, doubts[0].absent), (stranded, world.at(gone_at), 0));

    // Awake again, the first one changes nothing: neither by an outcome nor by a claim.
    let late = MessageMove { epoch: Some(1), ..world.moved(stranded, State::Submitting, State::Accepted) };
    assert!(!world.tried(vec![Change::MessageMoved(late)]).await);
    for limit in [0, 10] {
        let turn = world.store.turn(&[], &request(limit, world.at(gone_at)), world.at(gone_at)).await;
        assert!(matches!(turn.unwrap_err(), StoreError::Fenced));
    }
    assert!(matches!(world.store.beat(1, settle, world.at(gone_at)).await.unwrap_err(), StoreError::Fenced));
    assert_eq!(world.state(waiting).await, State::Queued);
    second.retire(2).await.unwrap();
    assert_eq!(second.workers().await.unwrap(), []);
}

/// Absence is believed when asked twice: twice in this doubt, not in one long resolved.
async fn a_second_doubt_counts_from_zero(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let id = world.due_text(world.family(1).await).await;
    let to = |from, to| MessageMove { next_at: Some(world.now), ..world.moved(id, from, to) };
    for by_restart in [false, true] {
        assert_eq!(world.claim(1).await, [id]);
        if by_restart {
            world.store.retire(1).await.unwrap();
            let who = Recruit { place: "here", agreement: "", settle: SignedDuration::ZERO };
            world.store.enlist(&who, world.now).await.unwrap();
            world.sql("UPDATE workers SET epoch = 1").await;
        } else {
            world.done(vec![Change::MessageMoved(to(State::Submitting, State::InDoubt))]).await;
        }
        assert_eq!(world.store.doubts(world.now, 10).await.unwrap()[0].absent, 0);
        world.done(vec![Change::DoubtAsked { message: id, asked: world.now, absent: 1, again_at: world.now }]).await;
        assert_eq!(world.store.doubts(world.now, 10).await.unwrap()[0].absent, 1);
        world.done(vec![Change::MessageMoved(to(State::InDoubt, State::Queued))]).await;
    }
    assert_eq!(world.claim(1).await, [id]);
    world.done(vec![Change::MessageMoved(to(State::Submitting, State::InDoubt))]).await;
    assert_eq!(world.store.doubts(world.now, 10).await.unwrap()[0].absent, 0);
}
