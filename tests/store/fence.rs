//! A database that was restored or copied sends nothing until a person says so.

use crate::store::made::CAMPAIGN;
use crate::support::{Engine, SEED, World, both_engines};
use jiff::SignedDuration;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, MessageMove};
use ringround::domain::message::{NewMessage, State};
use ringround::domain::pause::Pause;
use ringround::store::{Place, Store};
use std::fs;

both_engines! { what_may_have_been_sent_is_in_doubt_after_a_restore, workers_that_start_together_fence_once }

const SETTLE: SignedDuration = SignedDuration::from_secs(60);

/// Makes the database one that is elsewhere than it was.
async fn displace(world: &World) {
    match world.engine {
        Engine::Sqlite => fs::remove_file(beside(&world.place, "mark")).unwrap(),
        Engine::Postgres => {
            world.sql("UPDATE meta SET value = 'elsewhere' WHERE name = 'home'").await;
        }
    }
}

fn beside(place: &Place, what: &str) -> String {
    format!("{}.{what}", place.file().unwrap().display())
}

async fn what_may_have_been_sent_is_in_doubt_after_a_restore(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let mut texts = Vec::new();
    for state in State::ALL {
        texts.push((state, world.text_in(family, state).await));
    }
    let later = NewMessage { not_before: world.at(60), ..world.text(family) };
    world.queue(std::slice::from_ref(&later)).await;
    world.sql("UPDATE id_blocks SET next = 1000").await;
    let mut second = world.second().await;
    assert_eq!(second.fence_if_moved(SETTLE, SEED, world.now).await.unwrap(), None, "at home");

    displace(world).await;
    let mut second = Store::open(&world.place).await.unwrap();
    let before = second.identity().mint();
    let reason = second.fence_if_moved(SETTLE, [9; 32], world.now).await.unwrap().unwrap();
    for (state, id) in texts {
        let waited = matches!(state, State::Queued | State::Held);
        assert_eq!(world.state(id).await, if waited { State::InDoubt } else { state });
        assert_eq!(
            second.identity().mint().reference(id),
            before.reference(id),
            "asked about by the name it was sent under"
        );
    }
    assert_eq!(world.state(later.id).await, State::Queued, "could not have left yet");
    assert_eq!(world.store.doubts(world.at(59), 10).await.unwrap().len(), 1, "the one that was in doubt before");
    let paused = second.pauses().await.unwrap();
    assert_eq!((paused[0].0.as_str(), paused[0].1.as_str()), ("fence", reason.as_str()));
    assert!(world.store.pulse(world.now).await.unwrap().fenced);
    assert!(world.claim(10).await.is_empty());
    let fresh = second.ids(1).await.unwrap().take();
    assert_ne!(
        second.identity().mint().reference(fresh),
        before.reference(fresh),
        "an id that may have been given out before"
    );

    // It is known from now on; a person lifts the fence.
    let mut third = Store::open(&world.place).await.unwrap();
    assert_eq!(third.fence_if_moved(SETTLE, SEED, world.now).await.unwrap(), None);
    world.done(vec![Change::Resumed { pause: Pause::Fence }]).await;
    let absent =
        MessageMove { next_at: Some(world.now), ..world.moved(texts_of(world).await, State::InDoubt, State::Queued) };
    world.done(vec![Change::MessageMoved(absent)]).await;
    assert_eq!(world.claim(10).await.len(), 1, "it never had been sent");
}

/// After a failover all workers start at once: they must agree on the names of texts, or would ask in vain about each
/// other's and send them again.
async fn workers_that_start_together_fence_once(world: &World) {
    if world.engine == Engine::Sqlite {
        return; // one service to a file
    }
    world.sql("UPDATE id_blocks SET next = 1000").await;
    displace(world).await;
    let (mut one, mut other, mut late) = (world.second().await, world.second().await, world.second().await);
    let fenced = futures_util::join!(
        one.fence_if_moved(SETTLE, [1; 32], world.now),
        other.fence_if_moved(SETTLE, [2; 32], world.now)
    );
    assert!(fenced.0.is_ok() && fenced.1.is_ok(), "{fenced:?}");
    assert_eq!(late.fence_if_moved(SETTLE, [3; 32], world.now).await.unwrap(), None, "it is known by now");
    assert_eq!(world.number("SELECT COUNT(*) FROM events WHERE kind = 'fenced'").await, Some(1));
    let names = [&one, &other, &late].map(|store| store.identity().mint().reference(5000));
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
}

async fn texts_of(world: &World) -> i64 {
    world.number("SELECT MIN(id) FROM messages WHERE state = 'in_doubt'").await.unwrap()
}

/// On SQLite: every way in which a file can be an old one, or not the one it was.
#[test]
fn a_restored_or_copied_file_is_known_and_an_ordinary_start_is_not() {
    crate::support::on(Engine::Sqlite, async |world: &World| {
        let file = world.place.file().unwrap();
        let moved = async |place: &Place| Store::open(place).await.unwrap().moved().await.unwrap();
        assert_eq!(moved(&world.place).await, None);
        let backup = file.with_extension("backup");
        let vacuum = sqlx::AssertSqlSafe(format!("VACUUM INTO '{}'", backup.display()));
        world.store.db().rows(vacuum, vec![]).await.unwrap();
        assert_eq!(moved(&world.place).await, None, "making a backup changes nothing");

        // One commit after the backup is enough: it may have been somebody's STOP.
        world.family(1).await;
        assert_eq!(moved(&world.place).await, None, "a start after a kill: the mark survives it");
        let folder = tempfile::tempdir().unwrap();
        let copy = Place::new(&format!("sqlite:{}", folder.path().join("ringround.db").display()));
        let whole = [("", ""), (".mark", "-wal"), ("-wal", ".mark")];
        for (name, _) in whole {
            let from = format!("{}{name}", file.display());
            if fs::exists(&from).unwrap() {
                fs::copy(&from, format!("{}{name}", copy.file().unwrap().display())).unwrap();
            }
        }
        let copied = moved(&copy).await.unwrap();
        assert!(copied.contains("another machine or folder"), "{copied}");
        fs::remove_file(beside(&copy, "mark")).unwrap();
        assert!(moved(&copy).await.unwrap().contains("missing"));

        world.store.db().close().await;
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", file.display()));
        }
        fs::copy(&backup, &file).unwrap();
        let restored = moved(&world.place).await.unwrap();
        assert!(restored.contains("commits are missing"), "{restored}");

        let held = Store::open(&world.place).await.unwrap();
        let before = held.moved().await.unwrap();
        fs::rename(&backup, &file).unwrap();
        let after = held.moved().await.unwrap();
        assert!(before != after && after.as_ref().is_some_and(|why| why.contains("in its place")), "{after:?}");
        held.close().await;

        // A command that writes meanwhile does not make it look right.
        let hand = Store::open(&world.place).await.unwrap();
        for _ in 0..10 {
            hand.ids(1).await.unwrap();
        }
        hand.close().await;
        assert!(moved(&world.place).await.is_some());
    });
}

/// A full disk: the reserve is given up, and kept again when there is room.
#[test]
fn a_mebibyte_is_kept_for_a_full_disk() {
    crate::support::on(Engine::Sqlite, async |world: &World| {
        let reserve = beside(&world.place, "reserve");
        assert!(world.store.keep_reserve());
        assert_eq!(fs::metadata(&reserve).unwrap().len(), 1024 * 1024);
        assert!(world.store.keep_reserve(), "it is there");
        world.store.give_up_reserve();
        assert!(!fs::exists(&reserve).unwrap());
        world.store.give_up_reserve();
    });
}
