//! Everything the store says about contacts, consent, inbound texts, campaigns and broadcasts.

use crate::store::made::{CAMPAIGN, LIST, inbound, occurrence, phone};
use crate::support::{World, both_engines};
use jiff::SignedDuration;
use ringround::domain::broadcast::Fate;
use ringround::domain::campaign::CampaignState;
use ringround::domain::change::Change;
use ringround::domain::consent::Standing;
use ringround::domain::contact::{Contact, Internet};
use ringround::domain::ids::Id;
use ringround::store::StoreError;
use std::collections::HashMap;

both_engines! {
    contacts_are_found, suppressed_numbers_are_found, standings_are_told, a_step_sees_its_audience,
    people_are_counted, answers_are_remembered, inbound_texts_are_read, campaigns_are_listed,
    broadcasts_are_listed, what_is_still_filling, steps_that_fired, nothing_is_found_in_nothing,
    a_word_we_never_wrote_is_corrupt,
}

async fn contacts_are_found(world: &World) {
    let mut all = Vec::new();
    for n in [7, 3, 5] {
        all.push(world.contact(n).await);
    }
    let [seven, three, five] = all.try_into().unwrap();
    assert_eq!(world.store.contact(&phone(3)).await.unwrap(), Some(three.clone()));
    assert_eq!(world.store.contact(&phone(4)).await.unwrap(), None);
    let page = async |after, limit| world.store.contacts(after, limit).await.unwrap();
    assert_eq!(page(0, 2).await, [seven.clone(), three.clone()], "in order of id, not of number");
    assert_eq!(page(three.id, 2).await, [world.store.contact(&phone(5)).await.unwrap().unwrap()]);
    assert_eq!(page(five.id, 2).await, []);
    let among = world.store.contacts_among(&[phone(5), phone(6), phone(7)]).await.unwrap();
    assert_eq!(among, HashMap::from([(phone(5), five), (phone(7), seven)]));
    let everybody: Vec<_> = (0..500).map(phone).collect();
    assert_eq!(world.store.contacts_among(&everybody).await.unwrap().len(), 3);
}

async fn suppressed_numbers_are_found(world: &World) {
    for n in [1, 2, 3] {
        let contact = world.contact(n).await.id;
        if n != 2 {
            world.done(vec![Change::Suppressed { contact, reason: "texted STOP".into(), at: world.now }]).await;
        }
    }
    let mut found = world.store.suppressed_among(&(0..300).map(phone).collect::<Vec<_>>()).await.unwrap();
    found.sort();
    assert_eq!(found, [phone(1), phone(3)]);
    assert_eq!(world.store.suppressed_among(&[phone(2)]).await.unwrap(), []);
}

async fn standings_are_told(world: &World) {
    let (one, two) = (world.family(1).await, world.family(2).await);
    let stranger = world.contact(3).await.id;
    world.done(vec![world.stands(one, "meeting", Standing::Pending)]).await;
    world.done(vec![world.stands(two, LIST, Standing::Out)]).await;
    let one_stands = world.store.standings(one).await.unwrap();
    assert_eq!(one_stands, [("meeting".to_owned(), Standing::Pending), (LIST.to_owned(), Standing::In)]);
    assert_eq!(world.store.standings(stranger).await.unwrap(), []);
    let among = world.store.standings_among(LIST, &[one, two, stranger]).await.unwrap();
    assert_eq!(among, HashMap::from([(one, Standing::In), (two, Standing::Out)]));
    assert_eq!(world.store.standings_among(LIST, &[two]).await.unwrap(), HashMap::from([(two, Standing::Out)]));
    assert_eq!(world.store.standings_among("other", &[one]).await.unwrap(), HashMap::new());
}

async fn a_step_sees_its_audience(world: &World) {
    let mut ids: Vec<Id> = Vec::new();
    for n in 1..=5 {
        ids.push(world.family(n).await);
    }
    let [plain, suppressed, done, held, pending] = ids[..] else { panic!("five") };
    world.contact(6).await;
    world.done(vec![Change::Suppressed { contact: suppressed, reason: "texted STOP".into(), at: world.now }]).await;
    for (contact, campaign) in [(done, CAMPAIGN), (plain, "other")] {
        world.done(vec![Change::DoneSaid { contact, campaign: campaign.into(), at: world.now }]).await;
    }
    world.done(vec![Change::HeldForReview { contact: held, reason: Some("may mean STOP".into()) }]).await;
    world.done(vec![world.stands(pending, LIST, Standing::Pending)]).await;
    let changed = Contact { internet: Internet::No, tags: vec!["north".into()], ..Contact::unknown(plain, phone(1)) };
    world.done(vec![Change::ContactChanged(changed.clone())]).await;

    let page = world.store.candidates(LIST, CAMPAIGN, 0, 100).await.unwrap();
    let seen: Vec<_> = page.iter().map(|c| (c.contact.id, c.standing, c.suppressed, c.done)).collect();
    let expected = [
        (plain, Standing::In, false, false),
        (suppressed, Standing::In, true, false),
        (done, Standing::In, false, true),
        (held, Standing::In, false, false),
        (pending, Standing::Pending, false, false),
    ];
    assert_eq!(seen, expected);
    assert_eq!(page[0].contact, changed);
    assert_eq!(page[3].contact.held_for.as_deref(), Some("may mean STOP"));
    let ids = async |after, limit| {
        let page = world.store.candidates(LIST, CAMPAIGN, after, limit).await.unwrap();
        page.iter().map(|c| c.contact.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(0, 2).await, [plain, suppressed]);
    assert_eq!(ids(suppressed, 2).await, [done, held]);
    assert_eq!(ids(held, 2).await, [pending]);
    assert_eq!(world.store.candidates("other", CAMPAIGN, 0, 100).await.unwrap().len(), 0);
}

async fn people_are_counted(world: &World) {
    assert_eq!(world.store.contact_count().await.unwrap(), 0);
    assert_eq!(world.store.list_counts(LIST).await.unwrap(), []);
    assert_eq!(world.store.opted_in().await.unwrap(), 0);
    let (one, two, three) = (world.family(1).await, world.family(2).await, world.family(3).await);
    let four = world.contact(4).await.id;
    world.done(vec![world.stands(one, "meeting", Standing::In)]).await;
    world.done(vec![world.stands(two, LIST, Standing::Out)]).await;
    world.done(vec![world.stands(four, LIST, Standing::Pending)]).await;
    world.done(vec![Change::Suppressed { contact: three, reason: "texted STOP".into(), at: world.now }]).await;
    assert_eq!(world.store.contact_count().await.unwrap(), 4);
    let counts: HashMap<_, _> =
        world.store.list_counts(LIST).await.unwrap().into_iter().map(|(s, n)| (s.as_str(), n)).collect();
    assert_eq!(counts, HashMap::from([("in", 2), ("out", 1), ("pending", 1)]));
    assert_eq!(world.store.opted_in().await.unwrap(), 1, "counted once for two lists; not while suppressed");
}

async fn answers_are_remembered(world: &World) {
    let (family, other) = (world.family(1).await, world.family(2).await);
    world.queue(&[world.answer(family, "help"), world.answer(family, "help"), world.text(family)]).await;
    world.queue(&[world.answer(other, "goodbye")]).await;
    let later = Change::MessagesQueued(vec![world.answer(family, "welcome")]);
    assert!(world.store.commit_one(later.into(), world.at(60)).await.unwrap());
    let mut since_now = world.store.answered(family, world.now).await.unwrap();
    since_now.sort();
    let (help, welcome) = (("help".to_owned(), world.now), ("welcome".to_owned(), world.at(60)));
    assert_eq!(since_now, [help.clone(), help, welcome.clone()], "a broadcast's text is no answer");
    assert_eq!(world.store.answered(family, world.at(1)).await.unwrap(), [welcome]);
    assert_eq!(world.store.answered(family, world.at(61)).await.unwrap(), []);
    assert_eq!(world.store.last_answers(2).await.unwrap(), [world.now; 2], "a goodbye does not count");
}

async fn inbound_texts_are_read(world: &World) {
    let family = world.family(1).await;
    let mut ids = Vec::new();
    let cases = [("g1", "thank you", 0, true), ("g2", "HELP", 10, false), ("g3", "stopp", 10, true)];
    for (gateway_id, body, seconds, needs_person) in cases {
        let id = world.id();
        let text = inbound(id, &phone(1), gateway_id, body, world.at(seconds));
        world.done(vec![Change::InboundReceived { text, contact: Some(family), meaning: "other", needs_person }]).await;
        ids.push(id);
    }
    let mut short_code = inbound(world.id(), &phone(1), "g4", "Your parcel", world.at(5));
    (short_code.from, short_code.raw_from) = (None, "60777".into());
    let id = short_code.id;
    let kept = Change::InboundReceived { text: short_code, contact: None, meaning: "no number", needs_person: true };
    world.done(vec![kept]).await;
    ids.push(id);

    let read = async |waiting, limit| {
        let rows = world.store.inbounds(waiting, limit).await.unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(read(false, 10).await, [ids[2], ids[1], ids[3], ids[0]], "newest first");
    assert_eq!(read(true, 10).await, [ids[2], ids[3], ids[0]]);
    assert_eq!(read(true, 2).await, [ids[2], ids[3]]);
    world.done(vec![Change::InboundClosed { inbound: ids[2], at: world.at(20) }]).await;
    assert_eq!(read(true, 10).await, [ids[3], ids[0]]);

    let row = world.store.inbound(ids[0]).await.unwrap().unwrap();
    assert_eq!((row.contact, row.from, row.needs_person), (Some(family), Some(phone(1)), true));
    assert_eq!((row.body.as_str(), row.meaning.as_str(), row.received_at), ("thank you", "other", world.now));
    let row = world.store.inbound(ids[3]).await.unwrap().unwrap();
    assert_eq!((row.contact, row.from), (None, None), "a short code is nobody to answer");
    assert_eq!(world.store.inbound_at("simulated", "g3").await.unwrap(), Some(world.at(10)));
    assert_eq!(world.store.inbound_at("another", "g3").await.unwrap(), None, "each gateway counts for itself");
}

async fn campaigns_are_listed(world: &World) {
    for (id, state) in [("survey", CampaignState::Running), ("meeting", CampaignState::Draft)] {
        world.campaign(id, state).await;
    }
    let rows = world.store.campaigns().await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.id.as_str(), row.state, row.revision)).collect();
    assert_eq!(
        told,
        [("meeting", CampaignState::Draft, 1), ("survey", CampaignState::Running, 2)],
        "a start counts too"
    );
    let row = world.store.campaign("survey").await.unwrap().unwrap();
    assert_eq!((row.list.as_str(), row.source.as_str()), (LIST, "source of survey"));
    assert_eq!(row.planned_until.as_millisecond(), 0);
}

async fn broadcasts_are_listed(world: &World) {
    let mut late = occurrence("closes", world.at(7200));
    (late.local, late.pass) = ("2022-01-25T10:00:00".into(), 2);
    let missed = Change::BroadcastOpened {
        id: world.id(),
        campaign: CAMPAIGN.into(),
        occurrence: late.clone(),
        fate: Fate::Missed,
        reason: Some("more than an hour late".into()),
        at: world.now,
    };
    world.done(vec![missed]).await;
    let filling = world.broadcast(CAMPAIGN, "opens").await;
    world.broadcast("other", "opens").await;
    let rows = world.store.broadcasts(CAMPAIGN).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].id, rows[0].fate.as_str(), &rows[0].reason), (filling, "filling", &None));
    assert_eq!(rows[0].occurrence, occurrence("opens", world.now));
    assert_eq!(rows[1].occurrence, late);
    assert_eq!((rows[1].fate.as_str(), rows[1].reason.as_deref()), ("missed", Some("more than an hour late")));
}

async fn what_is_still_filling(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    world.campaign("paused", CampaignState::Paused).await;
    world.broadcast("paused", "opens").await;
    world.broadcast("nowhere", "opens").await;
    let mut opened = Vec::new();
    for (step, hours) in [("later", 2), ("sooner", 1), ("filled", 0)] {
        let id = world.id();
        let due_at = world.now + SignedDuration::from_hours(hours);
        let change = Change::BroadcastOpened {
            id,
            campaign: CAMPAIGN.into(),
            occurrence: occurrence(step, due_at),
            fate: Fate::Filling,
            reason: None,
            at: world.now,
        };
        world.done(vec![change]).await;
        opened.push(id);
    }
    let fill = |id, to, last| Change::BroadcastFilled { id, from: 0, to, last };
    world.done(vec![fill(opened[0], 41, false)]).await;
    world.done(vec![fill(opened[2], 99, true)]).await;
    let open = world.store.open_broadcasts().await.unwrap();
    let told: Vec<_> = open.iter().map(|b| (b.id, b.filled_to)).collect();
    assert_eq!(told, [(opened[1], 0), (opened[0], 41)], "the nearest deadline first");
    assert_eq!(open[0].campaign, CAMPAIGN);
    assert_eq!(open[0].occurrence, occurrence("sooner", world.at(3600)));
}

async fn steps_that_fired(world: &World) {
    let family = world.family(1).await;
    let (opens, _closes) = (world.broadcast(CAMPAIGN, "opens").await, world.broadcast(CAMPAIGN, "closes").await);
    let missed = Change::BroadcastOpened {
        id: world.id(),
        campaign: CAMPAIGN.into(),
        occurrence: occurrence("missed", world.now),
        fate: Fate::Missed,
        reason: None,
        at: world.now,
    };
    world.done(vec![missed]).await;
    let mut text = world.text(family);
    text.origin = ringround::domain::message::Origin::Broadcast(opens);
    world.queue(&[text]).await;
    let fired = world.store.fired(CAMPAIGN).await.unwrap();
    assert_eq!(fired, [("closes".to_owned(), 0), ("opens".to_owned(), 1)]);
}

async fn nothing_is_found_in_nothing(world: &World) {
    let store = &world.store;
    assert!(store.contacts_among(&[]).await.unwrap().is_empty());
    assert!(store.suppressed_among(&[]).await.unwrap().is_empty());
    assert!(store.standings_among(LIST, &[]).await.unwrap().is_empty());
    assert!(store.events(1).await.unwrap().is_empty());
    assert!(store.inbound(1).await.unwrap().is_none());
    assert!(store.inbounds(false, 10).await.unwrap().is_empty());
    assert!(store.campaign(CAMPAIGN).await.unwrap().is_none());
    assert!(store.campaigns().await.unwrap().is_empty());
    assert!(store.broadcasts(CAMPAIGN).await.unwrap().is_empty());
    assert!(store.open_broadcasts().await.unwrap().is_empty());
    assert!(store.fired(CAMPAIGN).await.unwrap().is_empty());
}

/// A row that another hand has written is said to be corrupt, never guessed at.
async fn a_word_we_never_wrote_is_corrupt(world: &World) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    world.broadcast(CAMPAIGN, "opens").await;
    world.due_text(family).await;
    for spoil in [
        "UPDATE contacts SET internet = 'perhaps'",
        "UPDATE consents SET standing = 'maybe'",
        "UPDATE campaigns SET state = 'asleep'",
        "UPDATE broadcasts SET pass = 999",
        "UPDATE messages SET state = 'lost'",
        "UPDATE broadcasts SET due_at = 9223372036854775807",
        "UPDATE contacts SET phone = '07700 900001'",
    ] {
        world.sql(spoil).await;
    }
    let corrupt = |error: StoreError| assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    let store = &world.store;
    corrupt(store.contacts(0, 10).await.unwrap_err());
    corrupt(store.standings(family).await.unwrap_err());
    corrupt(store.standings_among(LIST, &[family]).await.unwrap_err());
    corrupt(store.list_counts(LIST).await.unwrap_err());
    corrupt(store.candidates(LIST, CAMPAIGN, 0, 10).await.unwrap_err());
    corrupt(store.campaigns().await.unwrap_err());
    corrupt(store.broadcasts(CAMPAIGN).await.unwrap_err());
    corrupt(store.counts(None).await.unwrap_err());
    corrupt(store.messages(family).await.unwrap_err());
    assert!(store.broadcasts(CAMPAIGN).await.unwrap_err().hint().contains("backup"));
}
