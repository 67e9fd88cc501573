//! What the store says about doubts, and what a doubt that is sent again carries with it.

use crate::store::made::{CAMPAIGN, LIST, phone, request};
use crate::support::{Engine, World, both_engines};
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::consent::Standing;
use ringround::domain::ids::Id;
use ringround::domain::message::{NewMessage, Origin, State};
use ringround::store::Doubts;

both_engines! {
    open_doubts_tell_what_a_person_must_know, doubts_are_counted_with_their_age, the_resolver_hears_of_step_and_policy,
    a_repeat_keeps_its_window_until_it_has_left, a_repeat_past_its_deadline_is_in_doubt_and_not_expired,
    a_repeat_that_a_stop_overtakes_is_in_doubt_and_not_cancelled, a_policy_sends_again_once, a_question_decides_about_its_own_doubt_only,
    what_is_in_doubt_is_found_by_an_index,
}

async fn ids(world: &World, unresolved: bool, campaign: Option<&str>) -> Vec<Id> {
    let doubts = world.store.open_doubts(unresolved, campaign, 0, 10).await.unwrap();
    doubts.iter().map(|doubt| doubt.id).collect()
}

async fn open_doubts_tell_what_a_person_must_know(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let (family, left) = (world.family(1).await, world.family(2).await);
    let never = world.contact(3).await.id;
    let of_step = NewMessage {
        origin: Origin::Broadcast(world.broadcast(CAMPAIGN, "opening").await),
        not_after: world.at(77),
        ..world.text(family)
    };
    world.queue(std::slice::from_ref(&of_step)).await;
    let (since, id) = (world.at(5).as_millisecond(), of_step.id);
    let unresolved = format!("state = 'unresolved', reason = 'why', answered_at = {since} WHERE id = {id}");
    world.sql(&format!("UPDATE messages SET {unresolved}")).await;
    let theirs = world.text_in(left, State::Unresolved).await;
    let nobodys = world.text_in(never, State::Unresolved).await;
    assert!(world.store.commit_one(world.stop(left, &phone(2)), world.now).await.unwrap());
    let asked = world.text_in(family, State::InDoubt).await;
    let answer = world.answer(left, "goodbye");
    world.queue(std::slice::from_ref(&answer)).await;
    world.sql(&format!("UPDATE messages SET state = 'unresolved' WHERE id = {}", answer.id)).await;
    for state in [State::Queued, State::Submitting, State::Accepted, State::Delivered] {
        world.text_in(family, state).await;
    }

    assert_eq!(ids(world, true, None).await, [id, theirs, nobodys, answer.id]);
    assert_eq!(ids(world, true, Some(CAMPAIGN)).await, [id, theirs, nobodys]);
    assert_eq!(ids(world, true, Some("other")).await, [0; 0]);
    assert_eq!(ids(world, false, None).await, [asked]);
    let page = world.store.open_doubts(true, None, id, 1).await.unwrap();
    assert_eq!(page.iter().map(|doubt| doubt.id).collect::<Vec<_>>(), [theirs], "page by page");

    let known = world.store.open_doubt(id).await.unwrap().unwrap();
    assert_eq!((known.state, known.contact, &known.to), (State::Unresolved, family, &phone(1)));
    assert_eq!(known.campaign, Some((CAMPAIGN.to_owned(), CampaignState::Running)));
    assert_eq!((known.step.as_deref(), known.standing, known.suppressed), (Some("opening"), Some(Standing::In), false));
    assert_eq!((known.since, known.not_after, known.is_reply), (world.at(5), world.at(77), false));
    assert_eq!((known.reason.as_deref(), known.text.as_str()), (Some("why"), "The survey is open"));
    let gone = world.store.open_doubt(theirs).await.unwrap().unwrap();
    assert_eq!((gone.standing, gone.suppressed), (Some(Standing::Out), true));
    let stranger = world.store.open_doubt(nobodys).await.unwrap().unwrap();
    assert_eq!(stranger.standing, Some(Standing::Pending), "no standing at all is no consent");
    let answered = world.store.open_doubt(answer.id).await.unwrap().unwrap();
    assert_eq!((answered.standing, answered.is_reply, answered.campaign), (None, true, None));
    assert_eq!(world.store.open_doubt(world.id()).await.unwrap(), None);
}

async fn doubts_are_counted_with_their_age(world: &World) {
    assert_eq!(world.store.doubts_open(None).await.unwrap(), Doubts::default());
    let family = world.family(1).await;
    for (state, since) in [(State::InDoubt, 30), (State::InDoubt, 20), (State::Unresolved, 10), (State::Delivered, 1)] {
        let (id, at) = (world.text_in(family, state).await, world.at(since).as_millisecond());
        world.sql(&format!("UPDATE messages SET answered_at = {at} WHERE id = {id}")).await;
    }
    let doubts = world.store.doubts_open(Some(CAMPAIGN)).await.unwrap();
    assert_eq!((doubts.in_doubt, doubts.in_doubt_since), (2, Some(world.at(20))));
    assert_eq!((doubts.unresolved, doubts.unresolved_since), (1, Some(world.at(10))));
    assert_eq!(doubts.since(), Some(world.at(10)));
    assert_eq!(world.store.doubts_open(None).await.unwrap(), doubts);
    assert_eq!(world.store.doubts_open(Some("other")).await.unwrap(), Doubts::default());
}

async fn the_resolver_hears_of_step_and_policy(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let origin = Origin::Broadcast(world.broadcast(CAMPAIGN, "opening").await);
    let text = NewMessage { origin, may_resend: true, ..world.text(family) };
    let answer = world.answer(family, "help");
    world.queue(&[text, answer]).await;
    let ask_at = world.now.as_millisecond();
    world.sql(&format!("UPDATE messages SET state = 'in_doubt', ask_at = {ask_at}")).await;
    let doubts = world.store.doubts(world.now, 10).await.unwrap();
    let told: Vec<_> = doubts.iter().map(|d| (d.contact, d.of.clone(), d.may_resend)).collect();
    let step = Some((CAMPAIGN.to_owned(), "opening".to_owned()));
    assert_eq!(told, [(family, step, true), (family, None, false)]);
}

/// A doubt, settled by this move, and the text claimed again: until when the gateway refuses a repeat.
async fn settled(world: &World, id: Id, how: MessageMove) -> Option<jiff::Timestamp> {
    let doubt = MessageMove { next_at: Some(world.now), ..world.moved(id, State::Submitting, State::InDoubt) };
    world.done(vec![Change::MessageMoved(doubt)]).await;
    world.done(vec![Change::MessageMoved(how)]).await;
    let claimed: Vec<_> = world
        .store
        .turn(&[], &request(1, world.now), world.now)
        .await
        .unwrap()
        .claimed
        .into_iter()
        .map(|(claimed, _)| claimed)
        .collect();
    assert_eq!(claimed[0].id, id);
    claimed[0].repeat_until
}

async fn a_repeat_keeps_its_window_until_it_has_left(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let id = world.due_text(world.family(1).await).await;
    let claimed: Vec<_> = world
        .store
        .turn(&[], &request(1, world.now), world.now)
        .await
        .unwrap()
        .claimed
        .into_iter()
        .map(|(claimed, _)| claimed)
        .collect();
    assert_eq!(claimed[0].repeat_until, None, "it goes out for the first time");
    let until = Some(world.at(600));
    let again = MessageMove { repeat_until: until, ..world.moved(id, State::InDoubt, State::Queued) };
    assert_eq!(settled(world, id, again).await, until);
    // Claimed, and put back before it left: still a repeat.
    for _ in 0..2 {
        let back = Decision::from(Change::MessageMoved(world.moved(id, State::Submitting, State::Queued)));
        let claimed: Vec<_> = world
            .store
            .turn(&[back], &request(1, world.now), world.now)
            .await
            .unwrap()
            .claimed
            .into_iter()
            .map(|(claimed, _)| claimed)
            .collect();
        assert_eq!(claimed[0].repeat_until, until);
    }
    // In doubt again, and never had by the gateway: it goes out as if for the first time.
    assert_eq!(settled(world, id, world.moved(id, State::InDoubt, State::Queued)).await, None);
}

/// The first copy may have arrived: "cancelled" could be a lie.
async fn a_repeat_that_a_stop_overtakes_is_in_doubt_and_not_cancelled(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let repeat = async || {
        let id = world.text_in(family, State::InDoubt).await;
        let until = Some(world.at(600));
        let again = MessageMove { repeat_until: until, ..world.moved(id, State::InDoubt, State::Queued) };
        world.done(vec![Change::MessageMoved(again)]).await;
        id
    };
    let revoked = async || {
        let doubts = world.store.doubts(world.at(5), 10).await.unwrap();
        doubts.iter().map(|doubt| (doubt.id, doubt.revoked)).collect::<Vec<_>>()
    };
    let (first, never_sent) = (repeat().await, world.due_text(family).await);
    let stop = |at| Change::WaitingCancelled { contact: family, list: None, reason: "STOP", at };
    world.done(vec![stop(world.at(5))]).await;
    assert_eq!((world.state(first).await, world.state(never_sent).await), (State::InDoubt, State::Cancelled));
    assert_eq!(revoked().await, [(first, false)], "asked about at once; nothing here says that they left the list");
    // It was in somebody's hands when the STOP came.
    world.done(vec![world.stands(family, LIST, Standing::Out)]).await;
    let second = repeat().await;
    assert_eq!(world.state(second).await, State::InDoubt);
    assert_eq!(revoked().await, [(second, true), (first, true)]);
    world.done(vec![world.stands(family, LIST, Standing::In)]).await;
    let third = repeat().await;
    let over = Change::CampaignCancelled { campaign: CAMPAIGN.into(), reason: "wrong link", at: world.now };
    let (from, to) = (vec![CampaignState::Running], CampaignState::Cancelled);
    let steered = Change::CampaignSteered { id: CAMPAIGN.into(), from, to, at: world.now };
    world.done(vec![steered, over]).await;
    assert_eq!(world.state(third).await, State::InDoubt);
    assert_eq!(revoked().await, [(second, true), (third, true), (first, true)]);
}

async fn a_repeat_past_its_deadline_is_in_doubt_and_not_expired(world: &World) {
    let family = world.family(1).await;
    let (repeat, first) = (world.text_in(family, State::InDoubt).await, world.due_text(family).await);
    let again = MessageMove { repeat_until: Some(world.at(600)), ..world.moved(repeat, State::InDoubt, State::Queued) };
    world.done(vec![Change::MessageMoved(again)]).await;
    assert_eq!(world.store.sweep(world.at(3599)).await.unwrap().doubted, 0);
    let swept = world.store.sweep(world.at(3600)).await.unwrap();
    assert_eq!((swept.doubted, swept.expired), (1, 1));
    assert_eq!((world.state(repeat).await, world.state(first).await), (State::InDoubt, State::Expired));
    let doubt = world.store.doubts(world.at(3600), 10).await.unwrap().remove(0);
    assert_eq!((doubt.id, doubt.since, doubt.absent), (repeat, world.at(3600), 0), "asked at once");
}

async fn a_policy_sends_again_once(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let text = NewMessage { may_resend: true, ..world.text(world.family(1).await) };
    world.queue(std::slice::from_ref(&text)).await;
    assert_eq!(world.claim(1).await, [text.id]);
    let may_resend = async || world.number("SELECT COUNT(*) FROM messages WHERE may_resend = TRUE").await == Some(1);
    settled(world, text.id, world.moved(text.id, State::InDoubt, State::Queued)).await;
    assert!(may_resend().await, "it never arrived: the policy has not spoken");
    let policy = MessageMove {
        by_policy: true,
        repeat_until: Some(text.not_after),
        ..world.moved(text.id, State::InDoubt, State::Queued)
    };
    assert_eq!(settled(world, text.id, policy).await, Some(text.not_after));
    assert!(!may_resend().await, "the next doubt is a person's");
}

/// Two resolvers, or an answer that took longer than the next question: the second finds another hour, and decides nothing.
async fn a_question_decides_about_its_own_doubt_only(world: &World) {
    let id = world.text_in(world.family(1).await, State::InDoubt).await;
    let asked = |at| MessageMove { asked: Some(at), ..world.moved(id, State::InDoubt, State::Queued) };
    let policy = |at| MessageMove { by_policy: true, repeat_until: Some(world.at(9)), ..asked(at) };
    world.done(vec![Change::DoubtAsked { message: id, asked: world.now, absent: 0, again_at: world.at(60) }]).await;
    for stale in [asked(world.now), policy(world.now)] {
        let (event, mark) = world.mark(world.contact(9 + u16::from(stale.by_policy)).await.id);
        assert!(!world.tried(vec![Change::MessageMoved(stale), mark]).await);
        assert_eq!(world.number(&format!("SELECT COUNT(*) FROM events WHERE id = {event}")).await, Some(0));
    }
    world.done(vec![Change::MessageMoved(asked(world.at(60)))]).await;
}

/// Ten million messages, of which three are in doubt: nobody reads the other ones for them.
async fn what_is_in_doubt_is_found_by_an_index(world: &World) {
    if world.engine != Engine::Sqlite {
        return; // PostgreSQL proves by itself which index fits
    }
    for (sql, index) in [
        ("SELECT MIN(ask_at) FROM messages WHERE state IN ('submitting', 'in_doubt') AND state = 'in_doubt'", "open"),
        (
            "SELECT id FROM messages WHERE state IN ('submitting', 'in_doubt') AND state = 'in_doubt' AND ask_at <= 5
             ORDER BY ask_at, id LIMIT 5",
            "open",
        ),
        ("SELECT id FROM messages WHERE state = 'unresolved' AND id > 5 ORDER BY id LIMIT 5", "unresolved"),
    ] {
        let plan = format!("EXPLAIN QUERY PLAN {sql}");
        let rows = world.store.db().rows(sqlx::AssertSqlSafe(plan), vec![]).await.unwrap();
        let plan = rows[0].text(3).unwrap();
        assert!(plan.starts_with("SEARCH") && plan.contains(&format!("INDEX messages_{index}")), "{sql}: {plan}");
    }
}
