//! A person is forgotten: what is known of them is gone from every row, their number is never texted again, and the chain
//! holds all the same.

use crate::store::made::{CAMPAIGN, LIST, claimed, inbound, phone, request};
use crate::support::{Engine, SEED, World, both_engines};
use jiff::civil::date;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::{Change, Decision, ImportNote};
use ringround::domain::consent::{Event, EventKind, Standing};
use ringround::domain::contact::{Contact, ContactDraft, Edit, Internet, Permission};
use ringround::domain::ids::Ids;
use ringround::domain::message::{NewMessage, State};
use ringround::domain::phone::Phone;
use ringround::domain::report::{DeliveryReport, ReportStatus};
use ringround::engine::admit::{Existing, Source, Verdict, admit};
use ringround::store::{Db, Forgotten, Place, Store, StoreError, traces};
use secrecy::SecretString;

both_engines! {
    nothing_of_them_is_left, who_was_never_known_is_suppressed_too, a_stub_takes_nothing_and_gets_nothing,
    only_they_come_back, what_others_share_stays, a_key_outside_is_used_and_checked, the_forgotten_stay_so_under_a_new_key
}

const NAME: &str = "Ayesha Example-Khan";
const SAID: &str = "My daughter's school is Elm Lodge, when does it begin?";

impl World {
    async fn forget(&self, n: u16) -> Forgotten {
        forget(&self.store, self.id(), n, self.now).await
    }

    /// A family with a name, a text of theirs, an answer, texts in all states, and an entry of the ledger.
    async fn rich(&self, n: u16) -> Contact {
        let known = Contact {
            name: Some(NAME.into()),
            language: Some("ur".into()),
            internet: Internet::No,
            tags: vec!["elm".into()],
            ..self.contact(n).await
        };
        self.done(vec![Change::ContactChanged(known.clone())]).await;
        let joined = Event::new(self.id(), self.now, EventKind::OptedIn, "contact", "text a via simulated");
        let text = inbound(self.id(), &phone(n), &format!("in-{n}"), SAID, self.now);
        self.done(vec![
            Change::InboundReceived {
                text: text.clone(),
                contact: Some(known.id),
                meaning: "other",
                needs_person: true,
            },
            self.stands(known.id, LIST, Standing::In),
            Change::DoneSaid { contact: known.id, campaign: CAMPAIGN.into(), at: self.now },
            Change::Import(ImportNote::Row {
                import: 1,
                contact: known.id,
                kind: "changed",
                did: format!("{{{NAME}}}"),
            }),
            Change::Recorded(joined.about(known.id, Some(LIST)).because(SAID)),
        ])
        .await;
        known
    }

    async fn own_text(&self, contact: i64, state: State) -> i64 {
        let text = NewMessage { text: format!("Dear {NAME}, the survey is open"), ..self.text(contact) };
        self.queue(std::slice::from_ref(&text)).await;
        self.sql(&format!(
            "UPDATE messages SET state = '{state}', epoch = 1, reason = 'sent to 07700900001' WHERE id = {}",
            text.id
        ))
        .await;
        text.id
    }
}

async fn forget(store: &Store, id: i64, n: u16, now: jiff::Timestamp) -> Forgotten {
    let event = Event::new(id, now, EventKind::Erased, "admin:tester", "contacts forget").because("asked in writing");
    store.forget(&phone(n), event, SEED).await.unwrap()
}

/// Every text of every row.
async fn all_texts(world: &World) -> String {
    let tables = match world.engine {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        Engine::Postgres => {
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1"
        }
    };
    let mut all = String::new();
    for table in world.store.db().rows(tables, vec![]).await.unwrap() {
        let table = table.text(0).unwrap();
        if table.starts_with('_') {
            continue; // the migrator's
        }
        match world.store.db() {
            Db::Postgres(pool) => {
                let sql = format!("SELECT COALESCE(string_agg(t::text, ' '), '') FROM {table} t");
                let row: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(pool).await.unwrap();
                all.push_str(&row);
            }
            Db::Sqlite(pool, _) => {
                let columns: Vec<String> =
                    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')")))
                        .fetch_all(pool)
                        .await
                        .unwrap();
                let texts: Vec<String> = columns.iter().map(|c| format!("COALESCE(CAST({c} AS TEXT), '')")).collect();
                let sql = format!("SELECT {} FROM {table}", texts.join(" || ' ' || "));
                let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.unwrap();
                all.push_str(&rows.join(" "));
            }
        }
    }
    all
}

async fn nothing_of_them_is_left(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let known = world.rich(1).await;
    let other = world.family(2).await;
    for state in [State::Submitting, State::InDoubt, State::Unresolved, State::Accepted, State::Delivered] {
        world.own_text(known.id, state).await;
    }
    let waiting = world.due_text(known.id).await;
    let theirs = world.due_text(other).await;
    let report = DeliveryReport {
        id: world.id(),
        gateway: "g".into(),
        fingerprint: "r to +447700900001".into(),
        message: waiting,
        contact: known.id,
        gateway_id: None,
        status: ReportStatus::Sent,
        detail: "to +447700900001".into(),
        opted_out: false,
        received_at: world.now,
    };
    world.done(vec![Change::ReportStored(report.clone())]).await;
    assert!(all_texts(world).await.contains("7700900001"));

    let forgotten = world.forget(1).await;
    assert_eq!((forgotten.contact, forgotten.cancelled), (Some(known.id), 3));
    assert_eq!(forgotten.names, [NAME]);
    assert!(forgotten.texts.contains(&SAID.to_owned()), "what was said is known to the scan");
    let left = all_texts(world).await;
    for word in ["7700900001", NAME, "Example-Khan", SAID, "Elm Lodge", "Dear"] {
        assert!(!left.contains(word), "{word} is left");
    }
    assert!(left.contains("asked in writing") && left.contains("The survey is open"));
    assert_eq!(world.state(waiting).await, State::Cancelled);
    assert_eq!(world.state(theirs).await, State::Queued, "nobody else's");
    assert_eq!(world.store.contact(&phone(1)).await.unwrap(), None);
    assert_eq!(world.store.contact_by_id(known.id).await.unwrap(), None);
    assert_eq!(world.store.contacts(0, 10).await.unwrap().len(), 1);
    assert_eq!(world.store.contacts_ending(&known.id.to_string(), 10).await.unwrap(), []);
    assert_eq!(world.store.contact_count().await.unwrap(), 1);
    assert_eq!(world.store.doubts(world.now, 10).await.unwrap(), []);
    assert_eq!(world.store.suppression(&phone(1)).await.unwrap().unwrap().reason, "forgotten");
    while world.store.seal(SEED, world.now).await.unwrap().is_some() {}
    let found = world.store.verify_ledger(None).await.unwrap();
    assert_eq!((found.broken, found.erased), (None, 1));
    // What comes in about them later leaves nothing either.
    let again = DeliveryReport { id: world.id(), ..report };
    assert!(!world.tried(vec![Change::ReportStored(again)]).await);
    let sent = world.number("SELECT id FROM messages WHERE state = 'submitting'").await.unwrap();
    let refused = world.moved(sent, State::Submitting, State::Rejected).because("+447700900001 is not a mobile");
    world.done(vec![Change::MessageMoved(refused)]).await;
    assert!(!all_texts(world).await.contains("7700900001"));
    assert_eq!(world.claim(10).await, [theirs]);
}

async fn who_was_never_known_is_suppressed_too(world: &World) {
    let forgotten = world.forget(5).await;
    assert_eq!((forgotten.contact, forgotten.cancelled), (None, 0));
    assert_eq!(import(&world.store, 5, world.id() * 100).await, Verdict::Suppressed);
    assert_eq!(world.store.contact_count().await.unwrap(), 0);
    assert_eq!(world.number("SELECT COUNT(*) FROM events WHERE kind = 'erased' AND contact_id IS NULL").await, Some(1));
    world.forget(5).await;
    assert_eq!(world.number("SELECT COUNT(*) FROM suppressions").await, Some(1));
}

/// What was decided before somebody was forgotten, and is written after: nothing of it names them, nothing leaves.
async fn a_stub_takes_nothing_and_gets_nothing(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let known = world.rich(1).await;
    world.forget(1).await;
    assert!(!world.tried(vec![Change::ContactChanged(known.clone())]).await);
    assert!(!world.tried(vec![world.stands(known.id, LIST, Standing::In)]).await);
    assert!(!world.tried(vec![Change::HeldForReview { contact: known.id, reason: None }]).await);
    assert!(!world.tried(vec![Change::Suppressed { contact: known.id, reason: "x".into(), at: world.now }]).await);
    let reply = NewMessage { text: format!("Thank you, {NAME}"), ..world.answer(known.id, "help") };
    let late = inbound(world.id(), &phone(1), "late", SAID, world.now);
    world
        .done(vec![
            Change::InboundReceived { text: late, contact: Some(known.id), meaning: "help", needs_person: false },
            Change::MessagesQueued(vec![reply.clone()]),
        ])
        .await;
    world.due_text(known.id).await;
    assert_eq!(world.claim(10).await, [0; 0]);
    assert_eq!(world.store.forget_the_rest(SEED, world.now).await.unwrap(), 1);
    assert_eq!(world.state(reply.id).await, State::Cancelled);
    let left = all_texts(world).await;
    assert!(!left.contains(NAME) && !left.contains(SAID) && !left.contains("7700900001"), "{left}");
    assert_eq!(world.store.forget_the_rest(SEED, world.now).await.unwrap(), 0);
}

async fn only_they_come_back(world: &World) {
    world.rich(1).await;
    world.forget(1).await;
    assert_eq!(import(&world.store, 1, 5000).await, Verdict::Suppressed);
    // Their own word makes a new contact of them: nothing of the old one comes back.
    let new = world.contact(1).await;
    assert_eq!((new.name, world.store.standings(new.id).await.unwrap()), (None, vec![]));
    assert!(world.store.suppression(&phone(1)).await.unwrap().is_some(), "a contact alone lifts nothing");
    world.done(vec![Change::SuppressionLifted { contact: new.id }]).await;
    assert!(world.store.suppression(&phone(1)).await.unwrap().is_none());
    world.forget(1).await;
    assert!(world.store.suppression(&phone(1)).await.unwrap().is_some());
}

async fn what_others_share_stays(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let (one, two) = (world.rich(1).await, world.family(2).await);
    let (first, second) = (world.due_text(one.id).await, world.due_text(two).await);
    world.forget(1).await;
    assert_eq!(world.claim(5).await, [second]);
    assert_eq!(
        world.store.messages(one.id).await.unwrap().iter().map(|m| (m.id, &*m.body)).collect::<Vec<_>>(),
        [(first, "")]
    );
    assert_eq!(world.store.messages(two).await.unwrap()[0].body, "The survey is open");
    assert!(world.store.still_said("The survey is open").await.unwrap());
    assert!(!world.store.still_said(NAME).await.unwrap());
}

async fn a_key_outside_is_used_and_checked(world: &World) {
    let key = SecretString::from("a-key-that-is-kept-in-a-file".to_owned());
    let other = SecretString::from("another-key-altogether".to_owned());
    let (stopped, joined) = (world.family(1).await, world.family(2).await);
    world.done(vec![Change::Suppressed { contact: stopped, reason: "texted STOP".into(), at: world.now }]).await;
    world.store.retire(1).await.unwrap();
    let mut store = world.second().await;
    let before = store.number_hash(&phone(1)).unwrap();
    assert!(store.use_key(Some(&key), world.now).await.unwrap(), "it is adopted");
    assert!(!store.use_key(Some(&key), world.now).await.unwrap(), "once");
    assert_ne!(store.number_hash(&phone(1)).unwrap(), before);
    assert_eq!(store.suppressed_among(&[phone(1), phone(2), phone(3)]).await.unwrap(), [phone(1)]);
    let joins = "SELECT COUNT(*) FROM contacts c JOIN suppressions s ON s.phone_hash = c.phone_hash";
    assert_eq!(world.number(joins).await, Some(1), "what the claim looks at");
    assert_eq!(world.number("SELECT COUNT(*) FROM contacts WHERE key_version <> 2").await, Some(0));

    // Whoever has no key says so, and never that somebody may be texted.
    let mut locked = world.second().await;
    assert_eq!(
        locked.suppressed_among(&[phone(1), phone(2)]).await.unwrap(),
        [phone(1)],
        "of contacts the hash is kept"
    );
    assert!(matches!(locked.suppressed_among(&[phone(3)]).await.unwrap_err(), StoreError::Locked));
    let new = Change::ContactAdded(Contact::unknown(world.id(), phone(4)));
    assert!(matches!(locked.commit_one(new.into(), world.now).await.unwrap_err(), StoreError::Locked));
    locked
        .commit_one(Change::Suppressed { contact: joined, reason: "rang".into(), at: world.now }.into(), world.now)
        .await
        .unwrap();
    assert_eq!(store.suppressed_among(&[phone(2)]).await.unwrap(), [phone(2)]);
    assert!(matches!(locked.use_key(None, world.now).await.unwrap_err(), StoreError::KeyMissing));
    assert!(matches!(locked.use_key(Some(&other), world.now).await.unwrap_err(), StoreError::WrongKey));
    assert!(!locked.use_key(Some(&key), world.now).await.unwrap());
    assert_eq!(locked.suppressed_among(&[phone(3)]).await.unwrap(), []);
}

async fn the_forgotten_stay_so_under_a_new_key(world: &World) {
    world.rich(1).await;
    world.forget(1).await;
    world.store.retire(1).await.unwrap();
    let mut store = world.second().await;
    let key = SecretString::from("a-key-that-is-kept-in-a-file".to_owned());
    assert!(store.use_key(Some(&key), world.now).await.unwrap());
    assert_eq!(store.suppressed_among(&[phone(1)]).await.unwrap(), [phone(1)], "under the old key");
    assert_eq!(import(&store, 1, 5000).await, Verdict::Suppressed);
    let new = Contact::unknown(world.id(), phone(1));
    store.commit_one(Change::ContactAdded(new.clone()).into(), world.now).await.unwrap();
    let joins = "SELECT COUNT(*) FROM contacts c JOIN suppressions s ON s.phone_hash = c.phone_hash";
    assert_eq!(world.number(joins).await, Some(1), "a number that is seen again brings its suppression along");
    store.commit_one(Change::SuppressionLifted { contact: new.id }.into(), world.now).await.unwrap();
    assert_eq!(store.suppressed_among(&[phone(1)]).await.unwrap(), []);
    forget(&store, world.id(), 1, world.now).await;
    assert_eq!(store.suppressed_among(&[phone(1)]).await.unwrap(), [phone(1)]);
    assert_eq!(world.number("SELECT COUNT(*) FROM suppressions WHERE key_version = 2").await, Some(1));
}

/// A file's row with all that makes textable.
async fn import(store: &Store, n: u16, ids: i64) -> Verdict {
    let now = "2022-01-24T12:00:00Z".parse().unwrap();
    let permission = Permission { source: "form".into(), date: date(2022, 1, 3), wording: "2022-01".into() };
    let draft = ContactDraft {
        line: 2,
        phone: phone(n),
        name: Edit::Set(NAME.into()),
        language: Edit::Keep,
        internet: Edit::Keep,
        tags: Edit::Keep,
        permission: Some(permission),
    };
    let contact = store.contact(&phone(n)).await.unwrap();
    let standing = match &contact {
        Some(contact) => store.standings_among(LIST, &[contact.id]).await.unwrap().into_values().next(),
        None => None,
    };
    let suppressed = !store.suppressed_among(&[phone(n)]).await.unwrap().is_empty();
    let existing = Existing { standing, suppressed, contact };
    let source = Source { list: LIST, how: "file", by: "admin:tester" };
    let (verdict, decision) = admit(&draft, &existing, &source, now, &mut Ids::new(ids..ids + 20));
    if let Some(decision) = decision {
        store.commit_one(decision, now).await.unwrap();
    }
    verdict
}

/// Who is on the list of the suppressed stays there whatever a backup brings back; who was forgotten is found again.
#[test]
fn a_restore_forgets_nobody_s_stop() {
    crate::support::on(Engine::Sqlite, async |world: &World| {
        let mut random = fastrand::Rng::with_seed(11);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.db");
        let place = Place::new(&format!("sqlite:{}", file.display()));
        let backup = file.with_extension("backup");
        let numbers = [1, 2, 3];
        let mut blocked = [false; 3];
        let (mut store, _) = Store::migrate(&place, SEED).await.unwrap();
        let (from, source) = (vec![CampaignState::Draft], String::new());
        let applied =
            Change::CampaignApplied { id: CAMPAIGN.into(), list: LIST.into(), source, revision: 0, at: world.now };
        let started = Change::CampaignSteered { id: CAMPAIGN.into(), from, to: CampaignState::Running, at: world.now };
        assert!(store.commit_one(Decision(vec![applied, started]), world.now).await.unwrap());
        let mut id = 1000;
        let mut said = Vec::new();
        for step in 0..120 {
            id += 100;
            let at = random.usize(0..3);
            let n = numbers[at];
            let contact = store.contact(&phone(n)).await.unwrap();
            match random.u32(0..7) {
                0 => {
                    if let Some(contact) = &contact {
                        let stop = world.stop(contact.id, &phone(n));
                        let stop = Decision(
                            stop.0
                                .into_iter()
                                .filter(|c| !matches!(c, Change::InboundReceived { .. } | Change::Recorded(_)))
                                .collect(),
                        );
                        store
                            .commit(&[Decision(vec![Change::ContactChanged(contact.clone())]), stop], world.now)
                            .await
                            .unwrap();
                        store
                            .commit_one(
                                Change::Suppressed { contact: contact.id, reason: "STOP".into(), at: world.now }.into(),
                                world.now,
                            )
                            .await
                            .unwrap();
                        blocked[at] = true;
                        said.push(format!("{step}: {n} STOP"));
                    }
                }
                1 => {
                    forget(&store, id, n, world.now).await;
                    blocked[at] = true;
                    said.push(format!("{step}: {n} forgotten"));
                }
                2 | 3 => {
                    import(&store, n, id).await;
                    said.push(format!("{step}: {n} imported"));
                }
                4 => {
                    let contact = contact.unwrap_or_else(|| Contact::unknown(id, phone(n)));
                    let start = [
                        Change::ContactAdded(contact.clone()).into(),
                        Change::SuppressionLifted { contact: contact.id }.into(),
                        world.stands(contact.id, LIST, Standing::In).into(),
                    ];
                    store.commit(&start, world.now).await.unwrap();
                    blocked[at] = false;
                    said.push(format!("{step}: {n} START"));
                }
                5 => {
                    let _ = std::fs::remove_file(&backup);
                    let Db::Sqlite(pool, _) = store.db() else { panic!() };
                    let sql = format!("VACUUM INTO '{}'", backup.display());
                    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
                    said.push(format!("{step}: backup"));
                }
                _ if backup.exists() => {
                    store.close().await;
                    for suffix in ["-wal", "-shm"] {
                        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
                    }
                    std::fs::copy(&backup, &file).unwrap();
                    store = Store::open(&place).await.unwrap();
                    let settle = jiff::SignedDuration::from_secs(1);
                    store.fence_if_moved(settle, SEED, world.now).await.unwrap();
                    let (_, again) = store.learn_suppressions().await.unwrap();
                    for phone in again {
                        id += 1;
                        let event = Event::new(id, world.now, EventKind::Erased, "ringround", "restore");
                        store.forget(&phone, event, SEED).await.unwrap();
                    }
                    assert!(store.list_suppressions().await.unwrap());
                    let mut tx = store.db().begin().await.unwrap();
                    tx.run("DELETE FROM pauses", vec![]).await.unwrap();
                    tx.commit().await.unwrap();
                    // Who came back after the backup has to say so again.
                    for (at, n) in numbers.into_iter().enumerate() {
                        blocked[at] |= store.suppression(&phone(n)).await.unwrap().is_some();
                    }
                    said.push(format!("{step}: restored"));
                }
                _ => continue,
            }
            nobody_blocked_is_texted(world, &store, &numbers, &blocked, &said, id).await;
        }
        assert!(said.iter().filter(|s| s.contains("restored")).count() > 3, "{said:?}");
        store.close().await;
    });
}

async fn nobody_blocked_is_texted(
    world: &World,
    store: &Store,
    numbers: &[u16; 3],
    blocked: &[bool; 3],
    said: &[String],
    id: i64,
) {
    let who = ringround::store::Recruit { place: "here", agreement: "", settle: jiff::SignedDuration::ZERO };
    let (epoch, _) = store.enlist(&who, world.now).await.unwrap();
    for (at, n) in numbers.iter().enumerate() {
        let Some(contact) = store.contact(&phone(*n)).await.unwrap() else { continue };
        let offset = 50 + 3 * i64::try_from(at).unwrap();
        let text = NewMessage {
            id: id + offset,
            origin: ringround::domain::message::Origin::Broadcast(id + offset + 1),
            ..world.text(contact.id)
        };
        store.commit_one(Change::MessagesQueued(vec![text]).into(), world.now).await.unwrap();
    }
    let request = ringround::store::ClaimRequest { epoch, ..request(50, world.now) };
    for text in claimed(store, &request, world.now).await {
        let of = |n: &u16| text.phone == phone(*n);
        let at = numbers.iter().position(of).unwrap();
        assert!(!blocked[at], "{} was texted: {said:#?}", numbers[at]);
    }
}

/// The file's bytes, and those beside it.
#[test]
fn the_files_hold_nothing_of_them() {
    crate::support::on(Engine::Sqlite, async |world: &World| {
        for n in 1..60 {
            let contact = world.rich(n).await;
            world.own_text(contact.id, State::Delivered).await;
        }
        let file = world.place.file().unwrap();
        let words = |n: u16| vec![phone(n).e164()[3..].to_owned()];
        assert!(!traces(&file, &words(30)).unwrap().found.is_empty());
        for n in (1..60).rev() {
            world.forget(n).await;
        }
        assert!(world.store.empty_log().await.unwrap());
        let left: Vec<u16> = (1..60).filter(|n| !traces(&file, &words(*n)).unwrap().found.is_empty()).collect();
        println!("before VACUUM the bytes of {} of 59 are left", left.len());
        world.store.rewrite_file().await.unwrap();
        assert!(world.store.empty_log().await.unwrap());
        for n in 1..60 {
            assert_eq!(traces(&file, &words(n)).unwrap().found, [""; 0].map(std::path::PathBuf::from), "{n}");
        }
        let all = vec![NAME.to_owned(), SAID.to_owned(), "Dear Ayesha".to_owned()];
        assert!(traces(&file, &all).unwrap().found.is_empty());
        assert!(Place::new("sqlite:x").file().is_some() && Phone::from_e164("+447700900001").is_some());
    });
}
