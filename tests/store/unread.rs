//! Texts that nobody reads become an alarm.

use crate::store::made::{inbound, phone};
use crate::support::{World, both_engines};
use jiff::{SignedDuration, Timestamp};
use ringround::app::desk::Desk;
use ringround::app::unread::Reminder;
use ringround::clock::{Clock, VirtualClock};
use ringround::config::Settings;
use ringround::domain::change::Change;
use ringround::store::{Store, Unread};

both_engines! { what_waits_is_counted, nobody_looks_and_it_is_said }

async fn comes(world: &World, n: u16, meaning: &'static str, at: Timestamp) -> i64 {
    let family = world.family(n).await;
    let text = inbound(world.id(), &phone(n), &format!("text-{n}"), "words", at);
    let id = text.id;
    world
        .done(vec![Change::InboundReceived { text, contact: Some(family), meaning, needs_person: meaning != "help" }])
        .await;
    id
}

async fn what_waits_is_counted(world: &World) {
    assert_eq!(world.store.unread().await.unwrap(), Unread::default());
    comes(world, 1, "help", world.at(-9)).await;
    comes(world, 2, "other", world.at(-7)).await;
    let held = comes(world, 3, "may be stop", world.at(-5)).await;
    comes(world, 4, "may be stop", world.at(-3)).await;
    let (since, held_since) = (Some(world.at(-7)), Some(world.at(-5)));
    assert_eq!(world.store.unread().await.unwrap(), Unread { all: 3, since, held: 2, held_since });
    world.done(vec![Change::InboundClosed { inbound: held, at: world.now }]).await;
    assert_eq!(world.store.unread().await.unwrap(), Unread { all: 2, since, held: 1, held_since: Some(world.at(-3)) });
}

async fn nobody_looks_and_it_is_said(world: &World) {
    let clock = VirtualClock::new(world.now);
    let settings = Settings::read(include_str!("../../config/demo.toml")).0;
    let desk = Desk::new(Store::open(&world.place).await.unwrap(), Clock::Virtual(clock.clone()), settings);
    let mut reminder = Reminder::default();
    let mut after = async |minutes: i64| {
        clock.advance_to(world.now + SignedDuration::from_mins(minutes));
        reminder.turn(&desk).await.unwrap()
    };
    comes(world, 1, "other", world.now).await;
    let held = comes(world, 2, "may be stop", world.now).await;
    assert_eq!(after(119).await, None);
    let said = after(120).await.unwrap();
    assert!(said.contains("may mean STOP") && said.contains("for 2 hours"), "{said}");
    assert_eq!(after(179).await, None, "once an hour");
    assert!(after(180).await.unwrap().contains("for 3 hours"));
    world.done(vec![Change::InboundClosed { inbound: held, at: world.now }]).await;
    assert_eq!(after(300).await, None, "read; the other one has a day");
    assert!(after(24 * 60).await.unwrap().contains("for 24 hours"));
}
