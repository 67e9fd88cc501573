//! The claim: what it takes, in which order, and everything that holds a message back.

use crate::store::made::{CAMPAIGN, LIST, claimed, phone, request};
use crate::support::{Engine, World, both_engines};
use jiff::SignedDuration;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::Change;
use ringround::domain::consent::Standing;
use ringround::domain::ids::Id;
use ringround::domain::message::{NewMessage, State};
use ringround::domain::pause::Pause;

both_engines! {
    while_anything_is_paused_nothing_is_claimed,
    answers_come_first_and_then_deadlines, a_limit_is_a_limit, a_claim_hands_over_all_that_is_sent,
    a_window_is_half_open, consent_decides, whoever_must_not_be_texted_is_not, only_a_running_campaign_sends,
    quiet_hours_hold_a_campaign_back, an_answer_waits_for_nobody, only_what_is_queued_is_taken,
    a_claim_of_many, a_contact_with_two_lists_counts_per_list,
}

/// A running campaign and a family that joined.
async fn family(world: &World) -> Id {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    world.family(1).await
}

async fn answers_come_first_and_then_deadlines(world: &World) {
    let family = family(world).await;
    let later = NewMessage { not_after: world.at(7200), ..world.text(family) };
    let sooner = NewMessage { not_after: world.at(1800), ..world.text(family) };
    let (one, two) = (world.text(family), world.text(family));
    let late_answer = NewMessage { not_after: world.at(9000), ..world.answer(family, "help") };
    let answer = world.answer(family, "welcome");
    let messages = [&later, &two, &one, &sooner, &late_answer, &answer].map(Clone::clone);
    world.queue(&messages).await;
    let expected = [answer.id, late_answer.id, sooner.id, one.id, two.id, later.id];
    assert!(one.id < two.id, "of one deadline the older goes first");
    assert_eq!(world.claim(3).await, expected[..3]);
    assert_eq!(world.claim(2).await, expected[3..5]);
    assert_eq!(world.claim(2).await, expected[5..]);
    assert_eq!(world.claim(2).await, [0_i64; 0]);
}

/// PostgreSQL plans by statistics: those of an empty queue must not change what a limit means.
async fn a_limit_is_a_limit(world: &World) {
    let family = family(world).await;
    if world.engine == Engine::Postgres {
        let old: Vec<NewMessage> = (0..500).map(|_| world.text(family)).collect();
        world.queue(&old).await;
        world.sql("UPDATE messages SET state = 'delivered'").await;
        world.sql("ANALYZE").await;
    }
    let messages: Vec<NewMessage> = (0..300).map(|_| world.text(family)).collect();
    let answers: Vec<NewMessage> = (0..50).map(|_| world.answer(family, "help")).collect();
    world.queue(&messages).await;
    world.queue(&answers).await;
    assert_eq!(world.claim(0).await, [0_i64; 0]);
    for limit in [1, 2, 5, 41] {
        assert_eq!(world.claim(limit).await.len(), limit);
    }
    assert_eq!(world.claim(10).await.len(), 10, "one answer is left, and nine others go with it");
    let submitting = "SELECT COUNT(*) FROM messages WHERE state = 'submitting'";
    assert_eq!(world.number(submitting).await, Some(59), "and none beside those that were handed over");
    assert_eq!(world.claim(1000).await.len(), 350 - 59);
}

async fn a_claim_hands_over_all_that_is_sent(world: &World) {
    let family = family(world).await;
    let text = world.text(family);
    let answer = world.answer(family, "help");
    world.queue(&[text.clone(), answer.clone()]).await;
    let mut request = request(10, world.at(7));
    request.epoch = 41;
    world.sql("UPDATE workers SET epoch = 41").await;
    let claimed = claimed(&world.store, &request, world.at(7)).await;
    for (claimed, made) in claimed.iter().zip([&answer, &text]) {
        assert_eq!((claimed.id, claimed.contact, claimed.attempt), (made.id, family, 1));
        assert_eq!((&claimed.phone, &claimed.list), (&phone(1), &made.list));
        assert_eq!((&claimed.text, claimed.not_after), (&made.text, made.not_after));
        assert_eq!(format!("{claimed:?}"), format!("Claimed(message {}, attempt 1)", made.id));
    }
    let at = world.at(7).as_millisecond();
    let kept = format!("SELECT COUNT(*) FROM messages WHERE epoch = 41 AND attempts = 1 AND claimed_at = {at}");
    assert_eq!(world.number(&kept).await, Some(2));
}

async fn a_window_is_half_open(world: &World) {
    let family = family(world).await;
    let moment = SignedDuration::from_millis(1);
    let request = request(10, world.now);
    let window = |not_before, not_after| NewMessage { not_before, not_after, ..world.text(family) };
    let fits = window(world.now, request.latest + moment);
    let messages = [
        window(world.now + moment, world.at(3600)),
        window(world.now, request.latest),
        window(world.now, world.now),
        fits.clone(),
    ];
    world.queue(&messages).await;
    let mut answers = messages.map(|m| NewMessage {
        not_before: m.not_before,
        not_after: m.not_after,
        ..world.answer(family, "help")
    });
    answers.reverse();
    world.queue(&answers).await;
    assert_eq!(world.claim(10).await, [answers[0].id, fits.id]);
}

async fn consent_decides(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let none = world.contact(1).await.id;
    world.due_text(none).await;
    let elsewhere = world.contact(2).await.id;
    world.done(vec![world.stands(elsewhere, "other", Standing::In)]).await;
    world.due_text(elsewhere).await;
    let mut agreed = 0;
    for (n, standing) in [(3, Standing::Pending), (4, Standing::In), (5, Standing::Out)] {
        let contact = world.contact(n).await.id;
        world.done(vec![world.stands(contact, LIST, standing)]).await;
        let id = world.due_text(contact).await;
        if standing == Standing::In {
            agreed = id;
        }
    }
    assert_eq!(world.claim(10).await, [agreed]);
    assert_eq!(world.claim(10).await, [0_i64; 0]);
}

async fn whoever_must_not_be_texted_is_not(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let (stopped, reviewed, free) = (world.family(1).await, world.family(2).await, world.family(3).await);
    world.done(vec![Change::Suppressed { contact: stopped, reason: "texted STOP".into(), at: world.now }]).await;
    world.done(vec![Change::HeldForReview { contact: reviewed, reason: Some("may mean STOP".into()) }]).await;
    let (to_stopped, to_reviewed) = (world.due_text(stopped).await, world.due_text(reviewed).await);
    let to_free = world.due_text(free).await;
    assert_eq!(world.claim(10).await, [to_free]);
    world.done(vec![Change::HeldForReview { contact: reviewed, reason: None }]).await;
    assert_eq!(world.claim(10).await, [to_reviewed]);
    world.done(vec![Change::SuppressionLifted { contact: stopped }]).await;
    assert_eq!(world.claim(10).await, [to_stopped]);
}

async fn only_a_running_campaign_sends(world: &World) {
    use CampaignState::{Cancelled, Draft, Paused, Running};
    let family = world.family(1).await;
    let id = world.due_text(family).await;
    assert_eq!(world.claim(10).await, [0_i64; 0], "there is no such campaign");
    world.campaign(CAMPAIGN, Draft).await;
    for (from, to) in [(Draft, Draft), (Draft, Paused), (Paused, Cancelled)] {
        let steered = Change::CampaignSteered { id: CAMPAIGN.into(), from: vec![from], to, at: world.now };
        world.done(vec![steered]).await;
        assert_eq!(world.claim(10).await, [0_i64; 0], "{to:?}");
    }
    let running = Change::CampaignSteered { id: CAMPAIGN.into(), from: vec![Cancelled], to: Running, at: world.now };
    world.done(vec![running]).await;
    assert_eq!(world.claim(10).await, [id]);
}

async fn quiet_hours_hold_a_campaign_back(world: &World) {
    let family = family(world).await;
    world.campaign("meeting", CampaignState::Running).await;
    world.campaign("third", CampaignState::Running).await;
    let of = |campaign: &str| NewMessage { campaign: Some(campaign.into()), ..world.text(family) };
    let messages = [of(CAMPAIGN), of("meeting"), of("third")];
    let answer = world.answer(family, "help");
    world.queue(&messages).await;
    world.queue(std::slice::from_ref(&answer)).await;
    let mut request = request(10, world.now);
    request.quiet = vec![CAMPAIGN.into(), "meeting".into()];
    let claimed = claimed(&world.store, &request, world.now).await;
    let claimed: Vec<Id> = claimed.iter().map(|c| c.id).collect();
    assert_eq!(claimed, [answer.id, messages[2].id], "quiet hours are not for answers");
    assert_eq!(world.claim(10).await, [messages[0].id, messages[1].id]);
}

/// P1's one exception: whoever texts gets their one answer, after STOP, without consent and in review.
async fn an_answer_waits_for_nobody(world: &World) {
    let contact = world.contact(1).await.id;
    world.done(vec![world.stands(contact, LIST, Standing::Out)]).await;
    world.done(vec![Change::Suppressed { contact, reason: "texted STOP".into(), at: world.now }]).await;
    world.done(vec![Change::HeldForReview { contact, reason: Some("may mean STOP".into()) }]).await;
    let answer = world.answer(contact, "goodbye");
    world.queue(std::slice::from_ref(&answer)).await;
    assert_eq!(world.claim(10).await, [answer.id]);
}

async fn only_what_is_queued_is_taken(world: &World) {
    let family = family(world).await;
    let mut queued = Vec::new();
    for state in State::ALL {
        let id = world.text_in(family, state).await;
        let answer = world.answer(family, "help");
        world.queue(std::slice::from_ref(&answer)).await;
        world.sql(&format!("UPDATE messages SET state = '{state}' WHERE id = {}", answer.id)).await;
        if state == State::Queued {
            queued = vec![answer.id, id];
        }
    }
    assert_eq!(world.claim(100).await, queued);
}

/// More than any window of the sender's.
async fn a_claim_of_many(world: &World) {
    let family = family(world).await;
    let messages: Vec<NewMessage> = (0..2500).map(|_| world.text(family)).collect();
    world.queue(&messages).await;
    let claimed = world.claim(5000).await;
    assert_eq!(claimed, messages.iter().map(|m| m.id).collect::<Vec<_>>());
}

async fn a_contact_with_two_lists_counts_per_list(world: &World) {
    let family = family(world).await;
    world.done(vec![world.stands(family, "other", Standing::Out)]).await;
    let other = NewMessage { list: Some("other".into()), ..world.text(family) };
    world.queue(std::slice::from_ref(&other)).await;
    let id = world.due_text(family).await;
    assert_eq!(world.claim(10).await, [id]);
}

async fn while_anything_is_paused_nothing_is_claimed(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let (text, answer) = (world.due_text(family).await, world.answer(family, "help"));
    world.queue(std::slice::from_ref(&answer)).await;
    for pause in [Pause::All, Pause::Line] {
        world.done(vec![Change::Paused { pause, reason: "a person said so".into(), at: world.now }]).await;
        assert!(world.store.pulse(world.now).await.unwrap().paused);
        assert_eq!(world.claim(10).await, [0_i64; 0]);
        let pauses = world.store.pauses().await.unwrap();
        assert_eq!(pauses, [(pause.as_str().to_owned(), "a person said so".to_owned(), world.now)]);
        world.done(vec![Change::Resumed { pause }]).await;
    }
    assert!(!world.store.pulse(world.now).await.unwrap().paused);
    assert_eq!(world.claim(10).await, [answer.id, text]);
}
