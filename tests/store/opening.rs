//! Making, migrating and opening a database; its keys, epochs and ids; and what it says when it can't.

use crate::store::made::phone;
use crate::support::{Engine, Ground, SEED, World, both_engines, until};
use futures_util::future::{join, join_all};
use ringround::store::{Db, Place, Recruit, SCHEMA_VERSION, Store, StoreError};
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;

both_engines! { on_ground: what_is_not_there_is_said, migrating_twice_changes_nothing, two_may_migrate_at_once }
both_engines! { a_newer_database_is_refused, a_broken_key_is_refused, ids_are_given_once, epochs_only_grow, closing_ends_it }

async fn what_is_not_there_is_said(ground: &Ground) {
    let error = Store::open(&ground.place).await.unwrap_err();
    match ground.engine {
        Engine::Sqlite => assert!(matches!(&error, StoreError::NotFound(place) if *place == ground.place.shown())),
        // An empty database is there, but nothing is in it.
        Engine::Postgres => {
            assert!(matches!(error, StoreError::NeedsMigration { found: 0, needed: SCHEMA_VERSION }), "{error}");
        }
    }
    assert!(error.hint().contains("ringround migrate"), "{}", error.hint());
    assert!(!error.is_temporary());
    if ground.engine == Engine::Sqlite {
        std::fs::write(ground.url.strip_prefix("sqlite:").unwrap(), "").unwrap();
        let error = Store::open(&ground.place).await.unwrap_err();
        assert!(matches!(error, StoreError::NeedsMigration { found: 0, needed: SCHEMA_VERSION }), "{error}");
    }
}

async fn migrating_twice_changes_nothing(ground: &Ground) {
    let (first, before) = Store::migrate(&ground.place, SEED).await.unwrap();
    assert_eq!(before, 0);
    let (again, before) = Store::migrate(&ground.place, [9; 32]).await.unwrap();
    assert_eq!(before, SCHEMA_VERSION);
    let opened = Store::open(&ground.place).await.unwrap();
    let reference = first.identity().mint().reference(41);
    for store in [&again, &opened] {
        assert_eq!(
            store.number_hash(&phone(1)).unwrap(),
            first.number_hash(&phone(1)).unwrap(),
            "a second seed must not change the keys"
        );
        assert_eq!(store.identity().mint().message(&reference), Some(41));
    }
    assert_ne!(first.number_hash(&phone(1)).unwrap(), first.number_hash(&phone(2)).unwrap());
    assert!(!format!("{:?}", first.identity()).contains(&first.number_hash(&phone(1)).unwrap()[..8]));
}

async fn two_may_migrate_at_once(ground: &Ground) {
    let (one, two) = join(Store::migrate(&ground.place, [1; 32]), Store::migrate(&ground.place, [2; 32])).await;
    // SQLite turns one of two away who both want to be first; nothing is half done, and it may try again.
    let again = async |tried: Result<(Store, i64), StoreError>| match tried {
        Err(StoreError::Busy) if ground.engine == Engine::Sqlite => Store::migrate(&ground.place, [3; 32]).await,
        tried => tried,
    };
    let (one, two) = (again(one).await.unwrap().0, again(two).await.unwrap().0);
    assert_eq!(
        one.number_hash(&phone(1)).unwrap(),
        two.number_hash(&phone(1)).unwrap(),
        "one of the two seeds won, for both"
    );
}

async fn a_newer_database_is_refused(world: &World) {
    world.sql("UPDATE _sqlx_migrations SET version = version + 1 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)").await;
    let found = SCHEMA_VERSION + 1;
    for error in [Store::open(&world.place).await.unwrap_err(), Store::migrate(&world.place, SEED).await.unwrap_err()] {
        assert!(matches!(error, StoreError::TooNew { found: f, needed: SCHEMA_VERSION } if f == found), "{error}");
    }
}

async fn a_broken_key_is_refused(world: &World) {
    for broken in ["", "00", &"zz".repeat(32)] {
        for key in ["number_key", "reference_key"] {
            let whole =
                world.store.db().rows("SELECT value FROM meta WHERE name = 'number_key'", vec![]).await.unwrap();
            let whole = whole[0].text(0).unwrap();
            world.sql(&format!("UPDATE meta SET value = '{broken}' WHERE name = '{key}'")).await;
            let error = Store::open(&world.place).await.unwrap_err();
            assert!(matches!(error, StoreError::Corrupt("meta: a key")), "{error}");
            world.sql(&format!("UPDATE meta SET value = '{whole}' WHERE name = '{key}'")).await;
        }
    }
    world.sql("UPDATE generations SET generation = 'many'").await;
    assert!(matches!(Store::open(&world.place).await.unwrap_err(), StoreError::Corrupt("generations")));
}

async fn ids_are_given_once(world: &World) {
    let second = world.second().await;
    let blocks = (0..20).map(|n| if n % 2 == 0 { world.store.ids(7) } else { second.ids(7) });
    let mut seen = BTreeSet::new();
    for block in join_all(blocks).await {
        let mut block = block.unwrap();
        assert_eq!(block.left(), 7);
        while block.left() > 0 {
            assert!(seen.insert(block.take()), "an id was given out twice");
        }
    }
    assert_eq!(seen.first(), Some(&1));
    assert_eq!(seen.len(), 140);
}

async fn epochs_only_grow(world: &World) {
    let second = world.second().await;
    let who = Recruit { place: "here", agreement: "", settle: jiff::SignedDuration::ZERO };
    let starts = (0..10).map(|n| if n % 2 == 0 { &world.store } else { &second }.enlist(&who, world.now));
    let epochs: BTreeSet<i64> = join_all(starts).await.into_iter().map(|begun| begun.unwrap().0).collect();
    assert_eq!(epochs, (2..=11).collect());
    world.sql("UPDATE meta SET value = 'x' WHERE name = 'number_key'").await;
    assert_eq!(world.store.enlist(&who, world.now).await.unwrap().0, 12);
}

async fn closing_ends_it(world: &World) {
    let second = world.second().await;
    second.ids(1).await.unwrap();
    let db = second.db().clone();
    second.close().await;
    let error = db.rows("SELECT 1", vec![]).await.unwrap_err();
    assert!(matches!(error, StoreError::Database(_)), "{error}");
    assert_eq!(world.store.ids(1).await.unwrap().left(), 1, "the first worker goes on");
}

/// A file that somebody else writes to, for longer than we are willing to wait.
#[test]
fn a_locked_file_is_said_to_be_busy() {
    crate::support::on(Engine::Sqlite, async |world: &World| {
        let second = world.second().await;
        let Db::Sqlite(pool, _) = second.db() else { panic!("a file") };
        // The patience of ten seconds is cut to none, on every connection that this pool may have.
        let mut connections = Vec::new();
        for _ in 0..pool.options().get_max_connections() {
            let mut connection = pool.acquire().await.unwrap();
            sqlx::query("PRAGMA busy_timeout = 0").execute(&mut *connection).await.unwrap();
            connections.push(connection);
        }
        let all = connections.len();
        drop(connections);
        until(async || pool.num_idle() == all).await;
        let held = world.store.db().begin().await.unwrap();
        let error = second.ids(1).await.unwrap_err();
        assert!(matches!(error, StoreError::Busy), "{error}");
        assert!(error.is_temporary());
        held.rollback().await.unwrap();
        assert_eq!(second.ids(1).await.unwrap().left(), 1);
    });
}

/// A deferred transaction that reads first and writes later fails when somebody else wrote meanwhile; ours never do.
#[test]
fn a_read_before_a_write_never_fails_as_busy() {
    crate::support::on(Engine::Sqlite, async |world: &World| {
        let second = world.second().await;
        world.sql("INSERT INTO meta (name, value) VALUES ('count', '0')").await;
        let add = async |store: &Store| {
            for _ in 0..25 {
                let mut tx = store.db().begin().await.unwrap();
                let rows = tx.rows("SELECT value FROM meta WHERE name = 'count'", vec![]).await.unwrap();
                let count: i64 = rows[0].text(0).unwrap().parse().unwrap();
                let sql = format!("UPDATE meta SET value = '{}' WHERE name = 'count'", count + 1);
                tx.run(AssertSqlSafe(sql), vec![]).await.unwrap();
                tx.commit().await.unwrap();
            }
        };
        join_all((0..6).map(|n| add(if n % 2 == 0 { &world.store } else { &second }))).await;
        let count = world.number("SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'count'").await;
        assert_eq!(count, Some(150));
    });
}

#[test]
fn an_address_is_shown_without_its_secrets() {
    let shown = |url: &str| Place::new(url).shown();
    assert_eq!(shown("postgres://admin:p@ss/word@db.example/ringround?sslkey=x"), "postgres://db.example/ringround");
    assert_eq!(shown("sqlite:/var/lib/ringround/ringround.db"), "sqlite:/var/lib/ringround/ringround.db");
    assert!(!format!("{:?}", Place::new("postgres://admin:password@db/x")).contains("password"));
}

#[test]
fn what_is_not_an_address_is_said() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (url, shown) in [("mysql://admin:password@db/x", "mysql://db/x"), ("", ""), ("ringround.db", "ringround.db")] {
        let error = runtime.block_on(Store::open(&Place::new(url))).unwrap_err();
        assert!(matches!(&error, StoreError::BadUrl(place) if place == shown), "{error}");
        assert!(!error.is_temporary());
    }
}
