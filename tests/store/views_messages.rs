//! Everything the store says about messages, and the rules that the demo breaks on purpose.

use crate::store::made::{CAMPAIGN, LIST, inbound, phone};
use crate::support::{World, both_engines};
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, MessageMove};
use ringround::domain::consent::{Event, EventKind, Standing};
use ringround::domain::message::{NewMessage, Origin, State};
use ringround::store::{Counts, Sabotage};

both_engines! {
    messages_are_counted, doubts_come_up_in_order, the_pulse_tells_who_has_something_to_do, a_contact_s_messages_are_told,
    both_sides_of_a_conversation, the_judge_s_books, the_history_of_consent, sabotage_breaks_what_it_says,
}

async fn messages_are_counted(world: &World) {
    let family = world.family(1).await;
    assert_eq!(world.store.counts(None).await.unwrap(), Counts::default());
    let broadcast = world.id();
    let mut long = NewMessage { parts: 3, origin: Origin::Broadcast(broadcast), ..world.text(family) };
    world.queue(std::slice::from_ref(&long)).await;
    world.sql("UPDATE messages SET state = 'accepted'").await;
    for state in State::ALL {
        world.text_in(family, state).await;
    }
    long = NewMessage { campaign: Some("other".into()), parts: 2, ..world.text(family) };
    world.queue(&[long.clone(), world.answer(family, "help")]).await;
    world.sql(&format!("UPDATE messages SET state = 'delivered' WHERE id = {}", long.id)).await;

    let all = world.store.counts(None).await.unwrap();
    assert_eq!(all.total(), 14);
    assert_eq!((all.of(State::Accepted), all.of(State::Delivered), all.of(State::Queued)), (2, 2, 2));
    assert_eq!(all.parts, 3 + 1 + 1 + 1 + 2, "parts of what a gateway took: accepted, delivered, undelivered");
    let survey = world.store.counts(Some(CAMPAIGN)).await.unwrap();
    assert_eq!((survey.total(), survey.parts, survey.of(State::Queued)), (12, 6, 1));
    assert_eq!(world.store.counts(Some("nobody's")).await.unwrap(), Counts::default());
    let one = world.store.broadcast_counts(broadcast).await.unwrap();
    assert_eq!((one.total(), one.parts, one.of(State::Accepted)), (1, 3, 1));
    assert_eq!(world.store.broadcast_counts(world.id()).await.unwrap().total(), 0);
    assert_eq!(world.store.message_state(long.id).await.unwrap(), Some((State::Delivered, long.contact)));
    assert_eq!(world.store.message_state(world.id()).await.unwrap(), None);
}

async fn doubts_come_up_in_order(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let mut ids = Vec::new();
    for (decided, asked) in [(20, 60), (10, 50), (30, 60)] {
        let id = world.due_text(family).await;
        assert_eq!(world.claim(1).await, [id]);
        let doubt = MessageMove {
            epoch: Some(1),
            next_at: Some(world.at(asked)),
            ..MessageMove::new(id, State::Submitting, State::InDoubt, world.at(decided))
        };
        world.done(vec![Change::MessageMoved(doubt)]).await;
        ids.push(id);
    }
    let due = async |seconds, limit| {
        let doubts = world.store.doubts(world.at(seconds), limit).await.unwrap();
        doubts.iter().map(|d| (d.id, d.since)).collect::<Vec<_>>()
    };
    assert_eq!(due(49, 10).await, []);
    assert_eq!(due(50, 10).await, [(ids[1], world.at(10))]);
    assert_eq!(due(60, 10).await, [(ids[1], world.at(10)), (ids[0], world.at(20)), (ids[2], world.at(30))]);
    assert_eq!(due(60, 1).await, [(ids[1], world.at(10))]);
    // Found: nobody asks any more.
    world.done(vec![Change::MessageMoved(world.moved(ids[1], State::InDoubt, State::Accepted))]).await;
    assert_eq!(due(60, 1).await, [(ids[0], world.at(20))]);
}

async fn the_pulse_tells_who_has_something_to_do(world: &World) {
    let pulse = async |seconds| world.store.pulse(world.at(seconds)).await.unwrap();
    let quiet = pulse(0).await;
    assert_eq!((quiet.claimable, quiet.ended, quiet.doubts, quiet.filling), (false, false, false, false));
    assert_eq!((quiet.at, quiet.campaigns, quiet.next), (world.now, 0, None));
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    assert!(pulse(0).await.campaigns > 0, "a new campaign is seen");
    let family = world.family(1).await;
    let text = NewMessage { not_before: world.at(100), not_after: world.at(500), ..world.text(family) };
    let held = NewMessage { not_before: world.at(10), not_after: world.at(400), ..world.text(family) };
    let doubted = NewMessage { not_before: world.at(20), not_after: world.at(30), ..world.text(family) };
    world.queue(&[text, held.clone(), doubted.clone()]).await;
    world.sql(&format!("UPDATE messages SET state = 'held' WHERE id = {}", held.id)).await;
    let ask_at = world.at(300).as_millisecond();
    let doubt = format!("UPDATE messages SET state = 'in_doubt', ask_at = {ask_at} WHERE id = {}", doubted.id);
    world.sql(&doubt).await;
    assert_eq!(pulse(0).await.next, Some(world.at(100)), "may leave");
    let at_100 = pulse(100).await;
    assert_eq!((at_100.claimable, at_100.next), (true, Some(world.at(300))), "the gateway is asked");
    let at_300 = pulse(300).await;
    assert_eq!((at_300.doubts, at_300.next), (true, Some(world.at(400))), "expires, held or not");
    let at_400 = pulse(400).await;
    assert!(at_400.ended);
    assert_eq!(world.store.sweep(world.at(400)).await.unwrap().expired, 1);
    assert_eq!(pulse(400).await.next, Some(world.at(500)), "what waits longer is seen once the sweep is done");
}

async fn a_contact_s_messages_are_told(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let (family, other) = (world.family(1).await, world.family(2).await);
    let broadcast = world.id();
    let text = NewMessage { parts: 2, origin: Origin::Broadcast(broadcast), ..world.text(family) };
    let answer = world.answer(family, "help");
    world.queue(&[text.clone(), answer.clone(), world.text(other)]).await;
    let refused = world.moved(text.id, State::Submitting, State::Rejected).because("number unknown");
    assert_eq!(world.claim(2).await, [answer.id, text.id]);
    world.done(vec![Change::MessageMoved(refused)]).await;
    let told = world.store.messages(family).await.unwrap();
    let [first, second] = &told[..] else { panic!("{told:?}") };
    assert_eq!((first.id, first.broadcast, first.state), (text.id, Some(broadcast), State::Rejected));
    assert_eq!((first.reason.as_deref(), first.parts, first.attempts), (Some("number unknown"), 2, 1));
    assert_eq!((second.id, second.broadcast, second.state), (answer.id, None, State::Submitting));
    assert_eq!((second.body.as_str(), &second.reason), ("Answer: help", &None));
    assert_eq!(world.store.messages(world.id()).await.unwrap().len(), 0);
}

async fn both_sides_of_a_conversation(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let text = inbound(world.id(), &phone(1), "g1", "HELP", world.now);
    let help = Change::InboundReceived { text, contact: Some(family), meaning: "help", needs_person: false };
    let answer = world.answer(family, "help");
    world.done(vec![help, Change::MessagesQueued(vec![answer.clone()])]).await;
    let later = inbound(world.id(), &phone(1), "g2", "thank you", world.at(90));
    let other = Change::InboundReceived { text: later, contact: Some(family), meaning: "other", needs_person: true };
    world.done(vec![other]).await;
    let lines = world.store.conversation(family).await.unwrap();
    let told: Vec<_> = lines.iter().map(|l| (l.theirs, l.body.as_str(), l.state)).collect();
    let (question, thanks) = ((true, "HELP", None), (true, "thank you", None));
    assert_eq!(
        told,
        [question, (false, "Answer: help", Some(State::Queued)), thanks],
        "at one instant theirs is first"
    );
    // Claimed a minute later, it is told at the time it was last claimed.
    let claimed =
        crate::store::made::claimed(&world.store, &crate::store::made::request(1, world.at(95)), world.at(95)).await;
    assert_eq!(claimed[0].id, answer.id);
    let lines = world.store.conversation(family).await.unwrap();
    let last = lines.last().unwrap();
    assert_eq!((last.body.as_str(), last.at, last.state), ("Answer: help", world.at(95), Some(State::Submitting)));
    assert_eq!(world.store.conversation(world.id()).await.unwrap().len(), 0);
}

async fn the_judge_s_books(world: &World) {
    let family = world.family(1).await;
    let (text, answer) = (world.text(family), world.answer(family, "help"));
    world.queue(&[answer.clone(), text.clone()]).await;
    let books = world.store.ledger().await.unwrap();
    let [first, second] = &books[..] else { panic!("{books:?}") };
    let origin = |line: &ringround::store::LedgerLine| match (line.broadcast, line.inbound) {
        (Some(id), None) => Origin::Broadcast(id),
        (None, Some(id)) => Origin::Reply(id),
        both => panic!("{both:?}"),
    };
    assert_eq!((first.message, first.contact, origin(first)), (text.id, family, text.origin));
    assert_eq!((first.list.as_deref(), first.not_after), (Some(LIST), text.not_after));
    assert_eq!((second.message, origin(second), &second.list), (answer.id, answer.origin, &None));
}

async fn the_history_of_consent(world: &World) {
    let contact = world.contact(1).await.id;
    let event = |kind, seconds, list: Option<&str>| {
        let event = Event::new(world.id(), world.at(seconds), kind, "contact", "test").about(contact, list);
        vec![Change::Recorded(event)]
    };
    world.done(event(EventKind::OptedOut, 30, None)).await;
    world.done(event(EventKind::OptedIn, 10, Some(LIST))).await;
    world.done(event(EventKind::Changed, 20, None)).await;
    let nobody = Event::new(world.id(), world.now, EventKind::OptedOut, "contact", "test");
    world.done(vec![Change::Recorded(nobody)]).await;
    let history = world.store.consent_history().await.unwrap();
    let (joined, left) = ((Some(LIST.to_owned()), true, world.at(10)), (None, false, world.at(30)));
    assert_eq!(history, [(contact, joined.0, joined.1, joined.2), (contact, left.0, left.1, left.2)]);
}

async fn sabotage_breaks_what_it_says(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let doubted = world.text_in(family, State::InDoubt).await;
    world.store.sabotage(Sabotage::Late, world.now).await.unwrap();
    world.store.sabotage(Sabotage::Twice, world.now).await.unwrap();
    assert_eq!(world.state(doubted).await, State::Queued);

    assert!(world.store.commit_one(world.stop(family, &phone(1)), world.now).await.unwrap());
    world.store.sabotage(Sabotage::Stop, world.now).await.unwrap();
    assert_eq!(world.store.standings(family).await.unwrap(), [(LIST.to_owned(), Standing::In)]);
    assert_eq!(world.store.suppressed_among(&[phone(1)]).await.unwrap(), []);

    let pending = world.contact(2).await.id;
    world.done(vec![world.stands(pending, LIST, Standing::Pending)]).await;
    world.store.sabotage(Sabotage::Consent, world.now).await.unwrap();
    assert_eq!(world.store.standings(pending).await.unwrap(), [(LIST.to_owned(), Standing::In)]);
}
