//! What is too old goes, and only that; one worker does it.

use crate::store::made::{CAMPAIGN, inbound, phone};
use crate::support::{World, both_engines};
use jiff::SignedDuration;
use ringround::app::desk::Desk;
use ringround::app::retention::Sweeper;
use ringround::clock::{Clock, VirtualClock};
use ringround::config::Settings;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::Change;
use ringround::domain::consent::{Event, EventKind};
use ringround::domain::message::{NewMessage, State};
use ringround::domain::problem::any_error;
use ringround::store::Store;

both_engines! { texts_that_are_too_old_are_emptied, the_rest_goes_by_age, one_worker_has_the_night, the_night_is_kept_and_made_up_for }

async fn ended(world: &World, text: NewMessage, days: i64) -> i64 {
    let at = (world.now - SignedDuration::from_hours(24 * days)).as_millisecond();
    world.queue(std::slice::from_ref(&text)).await;
    world.sql(&format!("UPDATE messages SET state = 'delivered', ended_at = {at} WHERE id = {}", text.id)).await;
    text.id
}

async fn texts_that_are_too_old_are_emptied(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Cancelled).await;
    world.campaign("other", CampaignState::Running).await;
    let family = world.family(1).await;
    let only = NewMessage { text: "For you alone".into(), ..world.text(family) };
    let old = ended(world, only, 40).await;
    let shared = ended(world, world.text(family), 40).await;
    let recent = ended(world, world.text(family), 20).await;
    let runs = ended(world, NewMessage { campaign: Some("other".into()), ..world.text(family) }, 40).await;
    let reply = ended(world, world.answer(family, "help"), 40).await;
    let open = world.text_in(family, State::Unresolved).await;
    let before = world.now - SignedDuration::from_hours(24 * 30);
    let after = world.store.before_first_body().await.unwrap().unwrap();
    let parts = world.store.counts(None).await.unwrap().parts;
    let (emptied, next) = world.store.empty_bodies(after, before, &[CAMPAIGN.to_owned()]).await.unwrap();
    assert_eq!((emptied, next), (3, None));
    let (dropped, next) = world.store.drop_unused_bodies(0).await.unwrap();
    assert_eq!((dropped, next), (2, None), "the one for her alone, and the answer");
    let bodies: Vec<(i64, bool)> =
        world.store.messages(family).await.unwrap().into_iter().map(|m| (m.id, m.body.is_empty())).collect();
    assert_eq!(bodies, [(old, true), (shared, true), (recent, false), (runs, false), (reply, true), (open, false)]);
    assert_eq!(world.store.counts(None).await.unwrap().parts, parts, "the account is the same");
    assert_eq!(world.store.empty_bodies(after, before, &[CAMPAIGN.to_owned()]).await.unwrap().0, 0);
}

async fn the_rest_goes_by_age(world: &World) {
    let contact = world.contact(1).await.id;
    let long_ago = world.now - SignedDuration::from_hours(24 * 100);
    for (n, (at, waits)) in [(long_ago, false), (long_ago, true), (world.now, false)].into_iter().enumerate() {
        let text = inbound(world.id(), &phone(1), &n.to_string(), "words", at);
        world
            .done(vec![Change::InboundReceived { text, contact: Some(contact), meaning: "other", needs_person: waits }])
            .await;
    }
    for (at, kind) in [(long_ago, EventKind::Changed), (long_ago, EventKind::OptedIn), (world.now, EventKind::Changed)]
    {
        let event = Event::new(world.id(), at, kind, "admin:a", "rang").about(contact, None);
        world.done(vec![Change::Recorded(event)]).await;
    }
    let before = world.now - SignedDuration::from_hours(24 * 90);
    assert_eq!(world.store.empty_inbounds(before).await.unwrap(), 1, "what waits for a person stays");
    assert_eq!(world.store.empty_inbounds(before).await.unwrap(), 0);
    assert_eq!(world.number("SELECT COUNT(*) FROM inbounds WHERE body = 'words'").await, Some(2));
    assert_eq!(world.store.drop_reports(before).await.unwrap(), 0);
    assert_eq!(world.store.drop_details(before).await.unwrap(), 0, "not before they are sealed");
    world.store.seal([1; 32], world.now).await.unwrap();
    assert_eq!(world.store.drop_details(before).await.unwrap(), 1, "what proves consent stays");
    let found = world.store.verify_ledger(None).await.unwrap();
    assert_eq!((found.broken, found.erased), (None, 1));
}

async fn one_worker_has_the_night(world: &World) {
    let second = world.second().await;
    let (first_night, night, now) = (world.now, world.at(86_400), world.at(90_000));
    assert!(world.store.take_night(first_night, world.now).await.unwrap().is_none(), "a new database begins tomorrow");
    assert!(world.store.take_night(first_night, world.now).await.unwrap().is_none());
    assert_eq!(world.store.last_night().await.unwrap(), None);
    let mut mine = world.store.take_night(night, now).await.unwrap().unwrap();
    assert!(second.take_night(night, now).await.unwrap().is_none());
    assert!(world.store.hold_night(&mut mine, now + SignedDuration::from_secs(60)).await.unwrap());
    assert!(second.take_night(night, now + SignedDuration::from_secs(130)).await.unwrap().is_none());
    // Silent for too long: the other one goes on, and the first one's end is none.
    let mut theirs = second.take_night(night, now + SignedDuration::from_secs(200)).await.unwrap().unwrap();
    assert!(!world.store.hold_night(&mut mine.clone(), now + SignedDuration::from_secs(201)).await.unwrap());
    assert!(!world.store.end_night(&mine, "everything").await.unwrap());
    assert!(second.hold_night(&mut theirs, now + SignedDuration::from_secs(202)).await.unwrap());
    assert!(second.end_night(&theirs, "two texts").await.unwrap());
    assert_eq!(world.store.last_night().await.unwrap().unwrap().removed, "two texts");
    assert!(world.store.take_night(night, now + SignedDuration::from_hours(1)).await.unwrap().is_none(), "done");
}

/// The sweeper itself, night after night, on a clock of ours.
async fn the_night_is_kept_and_made_up_for(world: &World) {
    let (settings, problems) = Settings::read(include_str!("../../config/demo.toml"));
    assert!(!any_error(&problems) && settings.retention.message_bodies == Some(30));
    let clock = VirtualClock::new(world.now);
    let store = Store::open(&world.place).await.unwrap();
    let desk = Desk::new(store, Clock::Virtual(clock.clone()), settings);
    let family = world.family(1).await;
    let (old, recent) = (world.answer(family, "help"), world.answer(family, "done"));
    let (old, recent) = (ended(world, old, 29).await, ended(world, recent, 0).await);
    let text = inbound(world.id(), &phone(1), "long-ago", "words", world.now - SignedDuration::from_hours(24 * 100));
    world
        .done(vec![Change::InboundReceived { text, contact: Some(family), meaning: "help", needs_person: false }])
        .await;
    let mut sweeper = Sweeper::default();
    while sweeper.turn(&desk).await.unwrap() {}
    assert_eq!(world.store.last_night().await.unwrap(), None, "a new database begins with the next night");
    // The service was down for two nights: they are made up for in one.
    clock.advance_to(world.now + SignedDuration::from_hours(50));
    let mut turns = 0;
    let mut sweeper = Sweeper::default();
    while sweeper.turn(&desk).await.unwrap() {
        turns += 1;
    }
    assert!(turns >= 6, "a piece in each turn: {turns}");
    let night = world.store.last_night().await.unwrap().unwrap();
    assert_eq!(night.due.to_string(), "2022-01-26T03:00:00Z");
    assert!(night.removed.starts_with("the texts of 1 messages, 1 received texts, 0 reports"), "{}", night.removed);
    let empty = async |id: i64| world.number(&format!("SELECT body_id FROM messages WHERE id = {id}")).await == Some(0);
    assert!(empty(old).await && !empty(recent).await);
    assert_eq!(world.number("SELECT COUNT(*) FROM events WHERE kind = 'swept'").await, Some(1));
    clock.advance_to(world.now + SignedDuration::from_hours(52));
    assert!(!sweeper.turn(&desk).await.unwrap(), "once a night");
}
