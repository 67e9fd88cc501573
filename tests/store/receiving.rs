//! What arrives in one batch, what was revoked while it is being stored, and a STOP against everything that waits.

use crate::store::made::{LIST, claimed, phone, request};
use crate::support::{World, both_engines};
use jiff::SignedDuration;
use ringround::app::desk::Desk;
use ringround::app::receiver::{Handed, Taken, join_strays, take};
use ringround::clock::{Clock, VirtualClock};
use ringround::config::Settings;
use ringround::domain::change::{Change, Decision, MessageMove};
use ringround::domain::consent::Standing;
use ringround::domain::ids::Id;
use ringround::domain::message::{NewMessage, Origin, State};
use ringround::domain::report::ReportStatus;
use ringround::engine::may_send::Revocation;
use ringround::store::Store;

both_engines! {
    two_texts_of_one_sender_in_a_batch_mean_what_they_mean_in_turn,
    a_revocation_holds_until_the_store_has_it,
    a_stop_holds_for_a_test_too,
    a_report_belies_what_waits_to_be_sent_again,
    a_report_may_come_before_the_text_is_known,
}

async fn desk(world: &World) -> Desk {
    let (settings, _) = Settings::read(include_str!("../../config/demo.toml"));
    let store = Store::open(&world.place).await.unwrap();
    Desk::new(store, Clock::Virtual(VirtualClock::new(world.now)), settings)
}

fn text(gateway_id: &str, n: u16, body: &str) -> Handed {
    Handed::Text {
        gateway_id: gateway_id.into(),
        from: phone(n).e164().into(),
        body: body.into(),
        opt_out_handled: false,
    }
}

async fn stands(world: &World, contact: Id) -> Standing {
    let standings = world.store.standings(contact).await.unwrap();
    standings.iter().find(|(list, _)| list == LIST).unwrap().1
}

async fn replies(world: &World, reply: &str) -> i64 {
    world.number(&format!("SELECT COUNT(*) FROM messages WHERE reply = '{reply}'")).await.unwrap()
}

async fn two_texts_of_one_sender_in_a_batch_mean_what_they_mean_in_turn(world: &World) {
    let family = world.family(1).await;
    let batch = [text("a", 1, "STOP"), text("b", 2, "STOP"), text("c", 1, "STOP"), text("a", 1, "STOP")];
    let taken = take(&desk(world).await, "g", &batch).await.unwrap();
    assert_eq!(taken, [Taken::Stored, Taken::Stored, Taken::Stored, Taken::Repeat]);
    assert_eq!(replies(world, "goodbye").await, 2, "one goodbye each, however often they said it");
    assert_eq!(stands(world, family).await, Standing::Out);

    let second = world.family(3).await;
    take(&desk(world).await, "g", &[text("d", 3, "STOP"), text("e", 3, "START")]).await.unwrap();
    assert_eq!(stands(world, second).await, Standing::In, "the last word counts");
}

async fn a_revocation_holds_until_the_store_has_it(world: &World) {
    let desk = desk(world).await;
    let family: Id = 7;
    let later = world.now + SignedDuration::from_mins(5);
    desk.revoke(family, Revocation::Left(Some(LIST.into())));
    assert!(desk.revoked_since(family, later, Some(LIST)).is_some(), "no claim has seen it: it is not stored");
    assert!(desk.revoked_since(family, later, Some("other")).is_none());
    desk.revoke(family, Revocation::Left(None));
    assert!(desk.revoked_since(family, later, Some("other")).is_some(), "a wider one does not forget the narrower");
    desk.revoked(&[family], later);
    assert!(desk.revoked_since(family, world.now, Some(LIST)).is_some(), "claimed before it was stored");
    assert!(desk.revoked_since(family, later + SignedDuration::from_secs(1), Some(LIST)).is_none());
    assert!(desk.revoked_since(8, world.now, Some(LIST)).is_none());
}

async fn a_stop_holds_for_a_test_too(world: &World) {
    let family = world.family(1).await;
    let test = |world: &World| NewMessage { origin: Origin::Test, ..world.answer(family, "test") };
    let (waits, answer) = (test(world), world.answer(family, "help"));
    world.queue(&[waits.clone(), answer.clone()]).await;
    assert!(world.store.commit_one(world.stop(family, &phone(1)), world.now).await.unwrap());
    assert_eq!(world.state(waits.id).await, State::Cancelled);
    assert_eq!(world.state(answer.id).await, State::Cancelled, "STOP beats what they asked before");
    let (late, goodbye, help) = (test(world), world.answer(family, "goodbye"), world.answer(family, "help"));
    world.queue(&[late, world.answer(family, "person"), goodbye.clone(), help.clone()]).await;
    let mut claimed_now = world.claim(10).await;
    claimed_now.sort_unstable();
    assert_eq!(claimed_now, [goodbye.id, help.id], "answers leave, a test and a person's words do not");
    let claimed = claimed(&world.store, &request(10, world.now), world.now).await;
    assert!(claimed.is_empty());
}

async fn a_report_belies_what_waits_to_be_sent_again(world: &World) {
    let desk = desk(world).await;
    let family = world.family(1).await;
    let report = |message: Id, status| Handed::Report {
        reference: world.store.identity().mint().reference(message),
        gateway_id: Some("g1".into()),
        status,
        detail: String::new(),
        opted_out: false,
    };
    for (status, state) in [
        (ReportStatus::Sent, State::Accepted),
        (ReportStatus::Delivered, State::Delivered),
        (ReportStatus::Undelivered, State::Undelivered),
    ] {
        let message = world.due_text(family).await;
        assert_eq!(take(&desk, "g", &[report(message, status)]).await.unwrap(), [Taken::Stored]);
        assert_eq!(world.state(message).await, state);
    }
    assert!(world.claim(10).await.is_empty(), "nothing is sent a second time");
}

/// A gateway whose reports carry nothing but its own id, and are faster than its answers.
async fn a_report_may_come_before_the_text_is_known(world: &World) {
    let desk = desk(world).await;
    let family = world.family(1).await;
    let report = |id: &str, reference: &str| Handed::Report {
        reference: reference.into(),
        gateway_id: Some(id.into()),
        status: ReportStatus::Delivered,
        detail: "delivered".into(),
        opted_out: false,
    };
    let early =
        [report("gw-1", ""), report("gw-1", ""), report("gw-2", ""), report("gw-3", "aaaaaaaaaaaaaaaaaaaaaaaa")];
    let taken = take(&desk, "g", &early).await.unwrap();
    assert_eq!(taken, [Taken::Stored, Taken::Repeat, Taken::Stored, Taken::Foreign], "a forged reference is not kept");
    assert_eq!(world.store.stray_count().await.unwrap(), 2);
    assert!(!world.store.pulse(world.now).await.unwrap().strays);

    let message = world.text_in(family, State::Submitting).await;
    let accepted =
        MessageMove { gateway_id: Some("gw-1".into()), ..world.moved(message, State::Submitting, State::Accepted) };
    world.done(Decision(vec![Change::MessageMoved(accepted)]).with_handles().0).await;
    assert!(world.store.pulse(world.now).await.unwrap().strays);
    assert!(join_strays(&desk).await.unwrap());
    assert_eq!((world.state(message).await, world.store.stray_count().await.unwrap()), (State::Delivered, 1));
    assert!(!join_strays(&desk).await.unwrap());
    assert_eq!(take(&desk, "g", &[report("gw-1", "")]).await.unwrap(), [Taken::Repeat], "now it is known at once");

    // Nobody ever knew the other one: a week, then it is forgotten.
    let week = 7 * 24 * 3600;
    assert!(!world.store.pulse(world.at(week - 1)).await.unwrap().ended);
    assert!(world.store.pulse(world.at(week)).await.unwrap().ended);
    assert_eq!(world.store.sweep(world.at(week)).await.unwrap().forgotten, 1);
}
