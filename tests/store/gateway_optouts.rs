//! Who stops at the gateway is out here as well: by its refusal, by its report, by its own answer to their STOP. It is
//! recorded, and nobody gets a second confirmation.

use crate::store::made::{CAMPAIGN, LIST, phone};
use crate::support::{World, both_engines};
use jiff::SignedDuration;
use ringround::app::desk::Desk;
use ringround::app::receiver::{Handed, Taken, take};
use ringround::clock::{Clock, VirtualClock};
use ringround::config::Settings;
use ringround::domain::campaign::CampaignState;
use ringround::domain::consent::Standing;
use ringround::domain::message::{Outcome, Refusal, RefusalClass, State};
use ringround::domain::report::ReportStatus;
use ringround::engine::deliver::{Terms, deliver};
use ringround::store::Store;

both_engines! { a_refusal_is_as_good_as_stop, a_report_is_as_good_as_stop, a_gateway_that_confirms_is_not_repeated }

async fn desk(world: &World) -> Desk {
    let (settings, _) = Settings::read(include_str!("../../config/demo.toml"));
    let store = Store::open(&world.place).await.unwrap();
    Desk::new(store, Clock::Virtual(VirtualClock::new(world.now)), settings)
}

fn text(id: &str, body: &str, opt_out_handled: bool) -> Handed {
    Handed::Text { gateway_id: id.into(), from: phone(1).e164().into(), body: body.into(), opt_out_handled }
}

async fn is_out(world: &World, contact: i64, of: &str) {
    assert_eq!(world.store.suppressed_among(&[phone(1)]).await.unwrap(), [phone(1)]);
    assert_eq!(world.store.standings(contact).await.unwrap(), [(LIST.to_owned(), Standing::Out)]);
    let events = world.store.events(contact).await.unwrap();
    assert!(events.iter().any(|e| e.kind == "opted_out" && e.actor == of), "{events:?}");
}

async fn replies(world: &World) -> Option<i64> {
    world.number("SELECT COUNT(*) FROM messages WHERE reply IS NOT NULL").await
}

async fn a_refusal_is_as_good_as_stop(world: &World) {
    let desk = desk(world).await;
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    let family = world.family(1).await;
    let (first, waiting) = (world.due_text(family).await, world.due_text(family).await);
    let claimed =
        crate::store::made::claimed(&world.store, &crate::store::made::request(1, world.now), world.now).await;
    assert_eq!(claimed[0].id, first);
    let terms = Terms {
        epoch: 1,
        retry_at: world.now,
        settle: SignedDuration::ZERO,
        report_within: SignedDuration::from_hours(1),
    };
    let refused = Outcome::Refused(Refusal { class: RefusalClass::OptedOut, detail: "21610".into() });
    desk.stock().await.unwrap();
    let decision = desk.decide(|ids| deliver(&claimed[0], &refused, &terms, world.now, ids));
    assert!(world.store.commit_one(decision, world.now).await.unwrap());
    is_out(world, family, "gateway").await;
    assert_eq!((world.state(first).await, world.state(waiting).await), (State::Rejected, State::Cancelled));
    take(&desk, "g", &[text("a", "STOP", false)]).await.unwrap();
    assert_eq!(replies(world).await, Some(0), "nobody is told twice that they left");
}

async fn a_report_is_as_good_as_stop(world: &World) {
    let desk = desk(world).await;
    let family = world.family(1).await;
    let sent = world.text_in(family, State::Accepted).await;
    let waiting = world.due_text(family).await;
    let report = Handed::Report {
        reference: world.store.identity().mint().reference(sent),
        gateway_id: None,
        status: ReportStatus::Undelivered,
        detail: "opted out".into(),
        opted_out: true,
    };
    assert_eq!(take(&desk, "g", std::slice::from_ref(&report)).await.unwrap(), [Taken::Stored]);
    is_out(world, family, "gateway").await;
    assert!(desk.revoked_since(family, world.now, Some(LIST)).is_some(), "the sender knows at once");
    assert_eq!((world.state(sent).await, world.state(waiting).await), (State::Undelivered, State::Cancelled));
    take(&desk, "g", &[report]).await.unwrap();
    let events = world.store.events(family).await.unwrap();
    assert_eq!(events.len(), 1, "a repeat is none");
    take(&desk, "g", &[text("a", "STOP", false)]).await.unwrap();
    assert_eq!(replies(world).await, Some(0));
}

async fn a_gateway_that_confirms_is_not_repeated(world: &World) {
    let desk = desk(world).await;
    let family = world.family(1).await;
    // Whatever word it was: the gateway has understood it as STOP, and sends them nothing more.
    take(&desk, "g", &[text("a", "ARRET", true)]).await.unwrap();
    is_out(world, family, "contact").await;
    assert_eq!(replies(world).await, Some(0));
    take(&desk, "g", &[text("b", "STOP", true), text("c", "STOP", false)]).await.unwrap();
    assert_eq!(replies(world).await, Some(0));
}
