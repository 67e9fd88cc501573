//! What each change leaves in the rows, read back through the views.

use crate::store::made::{CAMPAIGN, LIST, claimed, inbound, phone, request};
use crate::support::{World, both_engines};
use ringround::domain::broadcast::Fate;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::Change;
use ringround::domain::consent::{Event, EventKind, Standing};
use ringround::domain::contact::{Contact, Internet};
use ringround::domain::message::{NewMessage, State};
use ringround::domain::report::{DeliveryReport, ReportStatus};

both_engines! {
    a_contact_is_kept_as_it_was, leaving_all_lists_leaves_others_alone, suppression_outlives_and_is_lifted,
    the_ledger_keeps_every_word, u0000_breaks_nothing, a_stop_cancels_what_waits_but_the_goodbye,
    a_campaign_ends_what_waits_of_it, a_new_revision_keeps_state_and_cursor, people_passed_over_are_added_up,
    texts_are_stored_once, many_messages_go_in_at_once, a_doubt_is_asked_again_later, reports_are_kept,
}

async fn a_contact_is_kept_as_it_was(world: &World) {
    let mut contact = Contact {
        name: Some("Zoë \"O'Hara\"; --".into()),
        language: Some("ur".into()),
        internet: Internet::No,
        tags: vec!["north".into(), "year 9".into()],
        held_for: Some("their text may mean STOP".into()),
        ..Contact::unknown(world.id(), phone(1))
    };
    world.done(vec![Change::ContactAdded(contact.clone())]).await;
    assert_eq!(world.store.contact(&phone(1)).await.unwrap().as_ref(), Some(&contact));
    world.done(vec![Change::HeldForReview { contact: contact.id, reason: None }]).await;
    contact = Contact { internet: Internet::Yes, held_for: None, ..Contact::unknown(contact.id, phone(1)) };
    world.done(vec![Change::ContactChanged(contact.clone())]).await;
    assert_eq!(world.store.contact(&phone(1)).await.unwrap(), Some(contact));
}

async fn leaving_all_lists_leaves_others_alone(world: &World) {
    let (one, other) = (world.family(1).await, world.family(2).await);
    world.done(vec![world.stands(one, "meeting", Standing::Pending)]).await;
    world.done(vec![Change::LeftAllLists { contact: one, at: world.at(9) }]).await;
    let out = |list: &str| (list.to_owned(), Standing::Out);
    assert_eq!(world.store.standings(one).await.unwrap(), [out("meeting"), out(LIST)]);
    assert_eq!(world.store.standings(other).await.unwrap(), [(LIST.to_owned(), Standing::In)]);
    let since = format!("SELECT MIN(since) FROM consents WHERE contact_id = {one}");
    assert_eq!(world.number(&since).await, Some(world.at(9).as_millisecond()));
}

async fn suppression_outlives_and_is_lifted(world: &World) {
    let (one, other) = (world.family(1).await, world.family(2).await);
    let suppressed = |contact| Change::Suppressed { contact, reason: "texted STOP".into(), at: world.now };
    world.done(vec![suppressed(one)]).await;
    world.done(vec![suppressed(other)]).await;
    world.done(vec![Change::SuppressionLifted { contact: other }]).await;
    let both = [phone(1), phone(2)];
    assert_eq!(world.store.suppressed_among(&both).await.unwrap(), [phone(1)]);
    // As a hash, whatever becomes of the contact: no number stands in this table.
    world.sql(&format!("DELETE FROM consents WHERE contact_id = {one}")).await;
    world.sql(&format!("DELETE FROM contacts WHERE id = {one}")).await;
    assert_eq!(world.store.suppressed_among(&both).await.unwrap(), [phone(1)]);
    let hash = world.store.number_hash(&phone(1)).unwrap();
    let known = format!("SELECT COUNT(*) FROM suppressions WHERE phone_hash = '{hash}' AND key_version = 1");
    assert_eq!(world.number(&known).await, Some(1));
}

async fn the_ledger_keeps_every_word(world: &World) {
    let contact = world.contact(1).await.id;
    let kinds = [
        EventKind::OptedIn,
        EventKind::OptedOut,
        EventKind::Pending,
        EventKind::Changed,
        EventKind::Done,
        EventKind::Held,
        EventKind::Unheld,
        EventKind::Applied,
        EventKind::Steered,
        EventKind::DoubtDecided,
    ];
    for (nth, kind) in (0..).zip(kinds) {
        let event = Event::new(world.id(), world.at(-nth), kind, "contact", "text 7 via simulated")
            .about(contact, Some(LIST))
            .of_campaign(CAMPAIGN)
            .because("join ‘send’ 🙂")
            .shown("v2");
        world.done(vec![Change::Recorded(event)]).await;
    }
    let events = world.store.events(contact).await.unwrap();
    let read: Vec<&str> = events.iter().rev().map(|e| e.kind.as_str()).collect();
    assert_eq!(read, kinds.map(EventKind::as_str), "in the order of their instants, not of their ids");
    let first = events.last().unwrap();
    assert_eq!((first.at, first.list.as_deref(), first.actor.as_str()), (world.now, Some(LIST), "contact"));
    assert_eq!((first.source.as_str(), first.wording.as_deref()), ("text 7 via simulated", Some("v2")));
    assert_eq!(first.evidence.as_deref(), Some("join ‘send’ 🙂"));
    assert_eq!(world.number("SELECT COUNT(*) FROM events WHERE campaign = 'survey'").await, Some(10));
}

/// PostgreSQL's TEXT cannot hold U+0000, and a gateway may hand over anything. A STOP that cannot be stored is lost.
async fn u0000_breaks_nothing(world: &World) {
    let family = world.family(1).await;
    let id = world.id();
    let mut text = inbound(id, &phone(1), "a\0b", "STOP\0", world.now);
    text.raw_from = "+44\0".into();
    let event = Event::new(world.id(), world.now, EventKind::OptedOut, "contact", "text a\0b");
    world
        .done(vec![
            Change::InboundReceived { text, contact: Some(family), meaning: "stop", needs_person: false },
            Change::Suppressed { contact: family, reason: "texted STOP\0".into(), at: world.now },
            Change::Recorded(event.about(family, None).because("STOP\0")),
        ])
        .await;
    assert_eq!(world.store.inbound(id).await.unwrap().unwrap().body, "STOP\u{fffd}");
    assert_eq!(world.store.inbound_at("simulated", "a\0b").await.unwrap(), Some(world.now), "found again as well");
    assert_eq!(world.store.events(family).await.unwrap()[0].evidence.as_deref(), Some("STOP\u{fffd}"));
}

async fn a_stop_cancels_what_waits_but_the_goodbye(world: &World) {
    use State::{Cancelled, Queued, Submitting};
    let (family, other) = (world.family(1).await, world.family(2).await);
    let meeting = NewMessage { list: Some("meeting".into()), ..world.text(family) };
    let (answer, goodbye) = (world.answer(family, "help"), world.answer(family, "goodbye"));
    world.queue(&[meeting.clone(), answer.clone(), goodbye.clone()]).await;
    let waiting = world.due_text(family).await;
    let held = world.text_in(family, State::Held).await;
    let claimed = world.text_in(family, State::Submitting).await;
    let others = world.due_text(other).await;
    let cancelled = |list: Option<&str>| Change::WaitingCancelled {
        contact: family,
        list: list.map(str::to_owned),
        reason: "STOP",
        at: world.at(5),
    };
    world.done(vec![cancelled(Some(LIST))]).await;
    let states = async || {
        let mut states = Vec::new();
        for id in [waiting, held, meeting.id, answer.id, goodbye.id, claimed, others] {
            states.push(world.state(id).await);
        }
        states
    };
    assert_eq!(states().await, [Cancelled, Cancelled, Queued, Queued, Queued, Submitting, Queued]);
    world.done(vec![cancelled(None)]).await;
    assert_eq!(states().await, [Cancelled, Cancelled, Cancelled, Cancelled, Queued, Submitting, Queued]);
    let row = format!("SELECT ended_at FROM messages WHERE id = {waiting} AND reason = 'STOP'");
    assert_eq!(world.number(&row).await, Some(world.at(5).as_millisecond()));
}

async fn a_campaign_ends_what_waits_of_it(world: &World) {
    let family = world.family(1).await;
    let other = NewMessage { campaign: Some("meeting".into()), ..world.text(family) };
    world.queue(std::slice::from_ref(&other)).await;
    let waiting = world.due_text(family).await;
    let held = world.text_in(family, State::Held).await;
    let doubted = world.text_in(family, State::InDoubt).await;
    let cancelled = Change::CampaignCancelled { campaign: CAMPAIGN.into(), reason: "wrong link", at: world.now };
    world.done(vec![cancelled]).await;
    assert_eq!(world.state(waiting).await, State::Cancelled);
    assert_eq!(world.state(held).await, State::Cancelled);
    assert_eq!(world.state(doubted).await, State::InDoubt);
    assert_eq!(world.state(other.id).await, State::Queued);
    let told = world.store.messages(family).await.unwrap();
    assert_eq!(told.iter().filter(|m| m.reason.as_deref() == Some("wrong link")).count(), 2);
}

async fn a_new_revision_keeps_state_and_cursor(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    world.done(vec![Change::CursorMoved { campaign: CAMPAIGN.into(), to: world.at(60) }]).await;
    let (id, source) = (CAMPAIGN.to_owned(), "second".to_owned());
    world.done(vec![Change::CampaignApplied { id, list: "meeting".into(), source, revision: 2, at: world.now }]).await;
    let row = world.store.campaign(CAMPAIGN).await.unwrap().unwrap();
    assert_eq!((row.revision, row.source.as_str(), row.list.as_str()), (3, "second", "meeting"));
    assert_eq!((row.state, row.planned_until), (CampaignState::Running, world.at(60)));
}

async fn people_passed_over_are_added_up(world: &World) {
    let broadcast = world.broadcast(CAMPAIGN, "opens").await;
    for (reason, people) in [("said DONE", 3), ("left (STOP)", 1), ("said DONE", 4)] {
        world.done(vec![Change::PassedOver { broadcast, reason, people }]).await;
    }
    let passed = world.store.passed_over(broadcast).await.unwrap();
    assert_eq!(passed, [("left (STOP)".to_owned(), 1), ("said DONE".to_owned(), 7)]);
    assert_eq!(world.store.passed_over(world.id()).await.unwrap(), []);
}

async fn texts_are_stored_once(world: &World) {
    let (one, other) = (world.family(1).await, world.family(2).await);
    let mut messages = [world.text(one), world.text(other), world.text(one)];
    messages[2].text = "Noon’s the deadline 🙂".into();
    world.queue(&messages).await;
    assert_eq!(world.number("SELECT COUNT(*) FROM bodies WHERE id <> 0").await, Some(2));
    let told: Vec<String> = world.store.messages(one).await.unwrap().into_iter().map(|m| m.body).collect();
    assert_eq!(told, ["The survey is open", "Noon’s the deadline 🙂"]);
}

/// More rows than one block of an INSERT holds; some are there already.
async fn many_messages_go_in_at_once(world: &World) {
    let family = world.family(1).await;
    let mut messages: Vec<NewMessage> = (0..950).map(|_| world.text(family)).collect();
    for (nth, message) in messages.iter_mut().enumerate() {
        message.text = format!("Text {}", nth % 450);
    }
    world.queue(&messages[..3]).await;
    world.queue(&messages).await;
    assert_eq!(world.number("SELECT COUNT(*) FROM messages").await, Some(950));
    assert_eq!(world.number("SELECT COUNT(*) FROM bodies WHERE id <> 0").await, Some(450));
    let claimed = claimed(&world.store, &request(1000, world.now), world.now).await;
    assert_eq!(claimed.len(), 0, "no campaign runs");
}

async fn a_doubt_is_asked_again_later(world: &World) {
    let family = world.family(1).await;
    let message = world.text_in(family, State::InDoubt).await;
    let other = Change::DoubtAsked { message, asked: world.at(-1), absent: 1, again_at: world.at(60) };
    assert!(!world.tried(vec![other]).await, "an answer to another doubt's question");
    world.done(vec![Change::DoubtAsked { message, asked: world.now, absent: 1, again_at: world.at(30) }]).await;
    assert_eq!(world.store.doubts(world.at(29), 10).await.unwrap(), []);
    let doubts = world.store.doubts(world.at(30), 10).await.unwrap();
    assert_eq!((doubts[0].id, doubts[0].absent, doubts.len()), (message, 1, 1));
}

async fn reports_are_kept(world: &World) {
    let family = world.family(1).await;
    let message = world.text_in(family, State::Accepted).await;
    for (nth, status) in
        [ReportStatus::Sent, ReportStatus::Delivered, ReportStatus::Undelivered].into_iter().enumerate()
    {
        let report = DeliveryReport {
            id: world.id(),
            gateway: "simulated".into(),
            fingerprint: format!("{nth}"),
            message,
            contact: family,
            gateway_id: Some("g1".into()),
            status,
            detail: "in their words".into(),
            opted_out: false,
            received_at: world.now,
        };
        world.done(vec![Change::ReportStored(report)]).await;
    }
    let kept = format!("SELECT COUNT(DISTINCT status) FROM reports WHERE message_id = {message}");
    assert_eq!(world.number(&kept).await, Some(3));
    assert_eq!(world.state(message).await, State::Accepted, "storing a report moves nothing");
    let fates = [Fate::Filling, Fate::Filled, Fate::Missed].map(Fate::as_str);
    assert_eq!(fates, ["filling", "filled", "missed"], "the words that the views look for");
}
