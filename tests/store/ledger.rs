//! The ledger's chain: sealed once, and whatever is done to a row behind its back is found and named.

use crate::store::made::phone;
use crate::support::{SEED, World, both_engines};
use ringround::domain::change::Change;
use ringround::domain::consent::{Event, EventKind};
use ringround::domain::contact::Contact;
use ringround::store::Broken;

both_engines! {
    a_chain_holds_and_grows, what_was_changed_is_named, what_is_missing_is_noticed, late_events_are_in_the_next_seal,
    two_sealers_are_harmless, whatever_somebody_typed_is_read_as_it_is
}

/// A contact, and `count` entries about it.
async fn entries(world: &World, count: i64) -> i64 {
    let contact = Contact::unknown(world.id(), phone(u16::try_from(world.id()).unwrap()));
    world.store.commit_one(Change::ContactAdded(contact.clone()).into(), world.now).await.unwrap();
    for n in 0..count {
        let event = Event::new(world.id(), world.at(n), EventKind::OptedIn, "contact", "text a via b")
            .about(contact.id, Some("send"))
            .because("join")
            .shown("2022-01");
        world.store.commit_one(Change::Recorded(event).into(), world.now).await.unwrap();
    }
    contact.id
}

async fn seal(world: &World) -> i64 {
    let mut sealed = 0;
    while let Some(seal) = world.store.seal(SEED, world.now).await.unwrap() {
        sealed += seal.events;
    }
    sealed
}

async fn broken(world: &World) -> Option<Broken> {
    world.store.verify_ledger(None).await.unwrap().broken
}

async fn a_chain_holds_and_grows(world: &World) {
    let empty = world.store.verify_ledger(Some("abc")).await.unwrap();
    assert_eq!((empty.head, empty.broken, empty.on_chain), (None, None, Some(false)));
    entries(world, 7).await;
    assert_eq!((seal(world).await, seal(world).await), (7, 0));
    let first = world.store.head().await.unwrap().unwrap();
    entries(world, 510).await;
    assert_eq!(seal(world).await, 510, "in two seals");
    let found = world.store.verify_ledger(Some(&first.hash)).await.unwrap();
    assert_eq!((found.events, found.seals, found.unsealed, found.erased), (517, 3, 0, 0));
    assert_eq!((found.broken, found.on_chain), (None, Some(true)));
    assert_eq!(found.head, world.store.head().await.unwrap().map(|seal| seal.hash));
    for n in 1..=3 {
        assert!(world.store.seal_holds(n).await.unwrap(), "{n}");
    }
    assert!(!world.store.seal_holds(4).await.unwrap());
    let rewritten = "0".repeat(64);
    assert_eq!(world.store.verify_ledger(Some(&rewritten)).await.unwrap().on_chain, Some(false));
}

async fn what_was_changed_is_named(world: &World) {
    entries(world, 5).await;
    seal(world).await;
    let third = world.number("SELECT id FROM events ORDER BY id LIMIT 1 OFFSET 2").await.unwrap();
    for (change, back) in [
        ("UPDATE events SET kind = 'opted_out'", "UPDATE events SET kind = 'opted_in'"),
        ("UPDATE events SET at = at + 1", "UPDATE events SET at = at - 1"),
        ("UPDATE events SET wording = NULL", "UPDATE events SET wording = '2022-01'"),
        ("UPDATE events SET list = NULL, campaign = 'send'", "UPDATE events SET list = 'send', campaign = NULL"),
        ("UPDATE event_details SET evidence = 'joined'", "UPDATE event_details SET evidence = 'join'"),
        ("UPDATE event_details SET evidence = NULL", "UPDATE event_details SET evidence = 'join'"),
    ] {
        let of =
            |sql: &str| format!("{sql} WHERE {} = {third}", if sql.contains("details") { "event_id" } else { "id" });
        world.sql(&of(change)).await;
        let found = broken(world).await.expect(change);
        assert_eq!(found.event.unwrap().0, third, "{change}");
        assert!(!world.store.seal_holds(1).await.unwrap(), "{change}");
        world.sql(&of(back)).await;
        assert_eq!(broken(world).await, None, "{back}");
    }
    world.sql(&format!("DELETE FROM event_details WHERE event_id = {third}")).await;
    let found = broken(world).await.unwrap();
    assert_eq!((found.event.unwrap().0, found.what), (third, "its personal part is gone, and nobody was forgotten"));
}

async fn what_is_missing_is_noticed(world: &World) {
    for _ in 0..3 {
        entries(world, 2).await;
        seal(world).await;
    }
    let ids =
        async |n: i64| world.number(&format!("SELECT id FROM events ORDER BY id LIMIT 1 OFFSET {n}")).await.unwrap();
    let (third, fifth, sixth) = (ids(2).await, ids(4).await, ids(5).await);
    world.sql(&format!("UPDATE events SET seal = NULL WHERE id = {sixth}")).await;
    assert_eq!(broken(world).await.unwrap().seal, 3, "the last of the last seal");
    world.sql(&format!("UPDATE events SET seal = NULL WHERE id = {fifth}")).await;
    assert_eq!(broken(world).await.unwrap().what, "its events are missing", "all of the last seal");
    world.sql(&format!("DELETE FROM events WHERE id = {third}")).await;
    let found = broken(world).await.unwrap();
    assert_eq!((found.seal, found.event.unwrap().0), (2, ids(2).await), "the one after it does not fit");
    world.sql("DELETE FROM events WHERE seal = 2").await;
    world.sql("DELETE FROM seals WHERE id = 2").await;
    assert_eq!(broken(world).await.unwrap().seal, 2);
}

async fn late_events_are_in_the_next_seal(world: &World) {
    let late = world.id();
    entries(world, 3).await;
    assert_eq!(seal(world).await, 3);
    let event = Event::new(late, world.now, EventKind::Paused, "admin:a", "pause");
    world.store.commit_one(Change::Recorded(event).into(), world.now).await.unwrap();
    assert_eq!(seal(world).await, 1);
    assert_eq!(world.number(&format!("SELECT seal FROM events WHERE id = {late}")).await, Some(2));
    assert_eq!(broken(world).await, None);
}

async fn two_sealers_are_harmless(world: &World) {
    let second = world.second().await;
    entries(world, 40).await;
    let both = (0..6).map(|n| if n % 2 == 0 { &world.store } else { &second }.seal([n; 32], world.now));
    let sealed: Vec<_> = futures_util::future::join_all(both).await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(sealed.iter().map(|seal| seal.events).sum::<i64>(), 40);
    assert_eq!(broken(world).await, None);
}

/// The separators of the packed reading, in people's own words.
async fn whatever_somebody_typed_is_read_as_it_is(world: &World) {
    let typed = ["a\u{1f}b", "a\u{1e}b", "\u{1f}=\u{1f}=", "1\u{1f}2\u{1e}3", "=", "", "\u{1e}"];
    for words in typed {
        let event = Event::new(world.id(), world.now, EventKind::Changed, "admin:a", words).because(words);
        world.store.commit_one(Change::Recorded(event).into(), world.now).await.unwrap();
        let actor = Event::new(world.id(), world.now, EventKind::Changed, words, "x");
        world.store.commit_one(Change::Recorded(actor).into(), world.now).await.unwrap();
        assert_eq!(seal(world).await, 2);
    }
    let found = world.store.verify_ledger(None).await.unwrap();
    assert_eq!((found.broken, found.events, found.seals), (None, 14, 7));
    world.sql("UPDATE event_details SET evidence = 'b' WHERE evidence = '='").await;
    assert_eq!(broken(world).await.unwrap().seal, 5);
}
