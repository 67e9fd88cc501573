//! The sender on a real store and a simulated gateway: what happens between a claim and the first byte.

use crate::store::made::{CAMPAIGN, phone};
use crate::support::{World, both_engines};
use jiff::SignedDuration;
use ringround::app::desk::Desk;
use ringround::app::receiver::{Handed, take};
use ringround::app::sender::Sender;
use ringround::clock::{Clock, VirtualClock};
use ringround::config::Settings;
use ringround::domain::campaign::CampaignState;
use ringround::domain::ids::Id;
use ringround::domain::message::State;
use ringround::domain::report::ReportStatus;
use ringround::gateway::Gateway;
use ringround::gateway::simulated::{Params, World as Air};
use ringround::store::Store;

both_engines! {
    a_stop_outruns_what_is_claimed,
    a_report_outruns_what_is_claimed,
    a_frozen_worker_sends_nothing_when_it_wakes,
    a_clock_that_was_set_keeps_the_pace,
}

struct Sending {
    desk: Desk,
    clock: VirtualClock,
    air: Air,
    gateway: Gateway,
    sender: Sender,
}

impl Sending {
    /// Two texts a second.
    async fn new(world: &World) -> Self {
        let (settings, _) = Settings::read(include_str!("../../config/demo.toml"));
        let clock = VirtualClock::new(world.now);
        let store = Store::open(&world.place).await.unwrap();
        let desk = Desk::new(store, Clock::Virtual(clock.clone()), settings);
        let params = Params { lost_answer: 0, throttled: 0, report_never: 1, inbound_twice: 0, ..Params::default() };
        let air = Air::new(world.now, params, vec![]);
        let gateway = Gateway::Simulated(air.clone());
        let (sender, _) = Sender::start(&desk).await.unwrap();
        Self { desk, clock, air, gateway, sender }
    }

    /// Moves the clock, and gives the sender turns for as long as it does anything.
    async fn at(&mut self, world: &World, millis: i64) {
        let now = world.now + SignedDuration::from_millis(millis);
        self.clock.advance_to(now);
        self.air.advance_to(now);
        loop {
            let pulse = self.desk.store.pulse(now).await.unwrap();
            if !self.sender.turn(&self.desk, &self.gateway, &pulse, Vec::new()).await.unwrap() {
                return;
            }
        }
    }

    fn sent_to(&self, n: u16) -> Vec<String> {
        let number = phone(n).e164().to_owned();
        self.air.book().into_iter().filter(|entry| entry.to == number).map(|entry| entry.text).collect()
    }
}

/// Two texts: the first has left, the second is claimed a moment before its start.
async fn one_sent_one_claimed(world: &World) -> (Sending, Id) {
    world.campaign(CAMPAIGN, CampaignState::Running).await;
    world.due_text(world.family(1).await).await;
    let second = world.due_text(world.family(2).await).await;
    let mut sending = Sending::new(world).await;
    sending.at(world, 0).await;
    sending.at(world, 460).await;
    (sending, second)
}

/// Its bytes have not left, but it is claimed: the check right before the wire is all that is between it and the family.
async fn a_stop_outruns_what_is_claimed(world: &World) {
    let (mut sending, second) = one_sent_one_claimed(world).await;
    assert_eq!((sending.sent_to(1).len(), sending.sent_to(2).len()), (1, 0));
    assert_eq!(world.state(second).await, State::Submitting, "claimed a moment before its start");
    let stop = Handed::Text {
        gateway_id: "in-1".into(),
        from: phone(2).e164().into(),
        body: "STOP".into(),
        opt_out_handled: false,
    };
    take(&sending.desk, "simulated", &[stop]).await.unwrap();
    for millis in [500, 1000, 1500, 2000] {
        sending.at(world, millis).await;
    }
    assert_eq!(world.state(second).await, State::Cancelled);
    let sent = sending.sent_to(2);
    assert!(sent.len() == 1 && sent[0].contains("you have left"), "{sent:?}");
}

/// It was thought never to have left, and is claimed again: then its report comes.
async fn a_report_outruns_what_is_claimed(world: &World) {
    let (mut sending, second) = one_sent_one_claimed(world).await;
    let report = Handed::Report {
        reference: sending.desk.store.identity().mint().reference(second),
        gateway_id: Some("g-2".into()),
        status: ReportStatus::Sent,
        detail: "sent".into(),
        opted_out: false,
    };
    take(&sending.desk, "simulated", &[report]).await.unwrap();
    for millis in [500, 1000] {
        sending.at(world, millis).await;
    }
    assert_eq!((world.state(second).await, sending.sent_to(2).len()), (State::Accepted, 0));
}

/// Claimed, then frozen until long after its lease: whoever took it for dead has put the text in doubt.
async fn a_frozen_worker_sends_nothing_when_it_wakes(world: &World) {
    let (mut sending, second) = one_sent_one_claimed(world).await;
    assert_eq!(world.state(second).await, State::Submitting);
    let now = world.at(40);
    sending.clock.advance_to(now);
    sending.air.advance_to(now);
    let pulse = sending.desk.store.pulse(now).await.unwrap();
    let _ = sending.sender.turn(&sending.desk, &sending.gateway, &pulse, Vec::new()).await;
    assert_eq!(sending.sent_to(2).len(), 0, "its lease was over before the request would have been");
}

/// The line gives the third its start half a second after the second's, but the second left later than it might have.
async fn a_clock_that_was_set_keeps_the_pace(world: &World) {
    let (mut sending, _) = one_sent_one_claimed(world).await;
    world.due_text(world.family(3).await).await;
    sending.at(world, 700).await;
    assert_eq!((sending.sent_to(2).len(), sending.sent_to(3).len()), (1, 0));
    sending.sender.clock_was_set(&sending.desk);
    for millis in [960, 1000, 1190] {
        sending.at(world, millis).await;
        assert_eq!(sending.sent_to(3).len(), 0, "half a second is not over after {millis} ms");
    }
    sending.at(world, 1200).await;
    assert_eq!(sending.sent_to(3).len(), 1);
}
