//! What parents are answered, and how often: the question that YES answers, languages, what is over, and the caps.

use crate::store::made::{LIST, phone};
use crate::support::{World, both_engines};
use jiff::{SignedDuration, Timestamp};
use ringround::app::campaigns::{Applied, Steer, apply, steer};
use ringround::app::desk::Desk;
use ringround::app::receiver::{Handed, take};
use ringround::clock::{Clock, VirtualClock};
use ringround::config::Settings;
use ringround::domain::consent::Standing;
use ringround::domain::message::State;
use ringround::store::Store;
use sqlx::AssertSqlSafe;

both_engines! {
    a_join_word_may_be_answered_by_a_question,
    yes_counts_for_so_long_and_answers_nothing_else,
    stop_takes_the_question_away,
    no_leaves_the_list,
    a_language_is_chosen_by_its_name,
    what_is_over_is_said,
    three_answers_a_day_and_a_welcome_beyond,
    a_rush_waits_in_line_and_a_goodbye_does_not,
}

pub struct House {
    pub desk: Desk,
    pub clock: VirtualClock,
    texts: std::cell::Cell<u32>,
}

impl House {
    pub async fn new(world: &World, asks: bool) -> Self {
        let mut source = include_str!("../../config/demo.toml").to_owned();
        if asks {
            source = source.replace(
                "sender = \"Dudley SEND\"\n",
                "sender = \"Dudley SEND\"\nconfirm = true\nconfirm_hours = 24\n",
            );
            source = source.replace(
                "already_in = \"Dudley SEND: you are",
                "confirm = \"Dudley SEND: reply YES to get 8 texts.\"\nalready_in = \"Dudley SEND: you are",
            );
        }
        let (settings, problems) = Settings::read(&source);
        assert!(problems.iter().all(|p| p.code == "config.unchecked_words"), "{problems:?}");
        let clock = VirtualClock::new(world.now);
        let store = Store::open(&world.place).await.unwrap();
        let desk = Desk::new(store, Clock::Virtual(clock.clone()), settings);
        Self { desk, clock, texts: std::cell::Cell::new(0) }
    }

    fn text(&self, n: u16, body: &str) -> Handed {
        self.texts.set(self.texts.get() + 1);
        let gateway_id = self.texts.get().to_string();
        Handed::Text { gateway_id, from: phone(n).e164().into(), body: body.into(), opt_out_handled: false }
    }

    pub async fn hears(&self, n: u16, body: &str) {
        take(&self.desk, "g", &[self.text(n, body)]).await.unwrap();
    }

    /// All answers so far: (text of, kind), in the order in which they were made.
    async fn said(&self, n: u16) -> Vec<String> {
        let contact = self.desk.store.contact(&phone(n)).await.unwrap().unwrap();
        let mut said = self.desk.store.answered(contact.id, Timestamp::MIN).await.unwrap();
        said.sort_by_key(|(_, at)| *at);
        said.into_iter().map(|(kind, _)| kind).collect()
    }

    pub async fn standing(&self, n: u16) -> Option<Standing> {
        let contact = self.desk.store.contact(&phone(n)).await.unwrap()?;
        let standings = self.desk.store.standings(contact.id).await.unwrap();
        standings.into_iter().find(|(list, _)| list == LIST).map(|(_, standing)| standing)
    }

    fn later(&self, hours: i64) {
        self.clock.advance_to(self.clock.now() + SignedDuration::from_hours(hours));
    }
}

async fn texts(world: &World, sql: &str) -> Vec<String> {
    let rows = world.store.db().rows(AssertSqlSafe(sql.to_owned()), vec![]).await.unwrap();
    rows.iter().map(|row| row.text(0).unwrap()).collect()
}

async fn a_join_word_may_be_answered_by_a_question(world: &World) {
    let house = House::new(world, true).await;
    house.hears(1, "DUDLEY").await;
    assert_eq!((house.standing(1).await, house.said(1).await), (Some(Standing::Pending), vec!["confirm".into()]));
    house.later(1);
    house.hears(1, "yes please").await;
    assert_eq!(house.standing(1).await, Some(Standing::In));
    assert_eq!(house.said(1).await, ["confirm", "welcome"]);
    let events = texts(world, "SELECT kind FROM events ORDER BY id").await;
    assert_eq!(events, ["asked", "opted_in"]);
    house.later(1);
    house.hears(1, "YES").await;
    assert_eq!(world.number("SELECT COUNT(*) FROM inbounds WHERE meaning = 'other'").await, Some(1), "no question now");
}

async fn yes_counts_for_so_long_and_answers_nothing_else(world: &World) {
    let house = House::new(world, true).await;
    house.hears(1, "YES").await;
    assert_eq!(house.standing(1).await, None, "nobody asked");
    house.hears(2, "Dudley").await;
    house.later(25);
    house.hears(2, "YES").await;
    assert_eq!(house.standing(2).await, Some(Standing::Pending), "a day was enough");
    house.hears(2, "DUDLEY").await;
    house.later(23);
    house.hears(2, "Yes").await;
    assert_eq!(house.standing(2).await, Some(Standing::In));
}

async fn stop_takes_the_question_away(world: &World) {
    let house = House::new(world, true).await;
    house.hears(1, "DUDLEY").await;
    house.hears(1, "STOP").await;
    house.hears(1, "YES").await;
    assert_eq!(house.standing(1).await, Some(Standing::Out), "YES never undoes a STOP");
    house.later(2);
    house.hears(1, "DUDLEY").await;
    assert_eq!(house.standing(1).await, Some(Standing::Out), "asked, but not in yet");
    let suppressed = house.desk.store.suppressed_among(&[phone(1)]).await.unwrap();
    assert_eq!(suppressed.len(), 1, "a spreadsheet can't bring them in meanwhile");
    house.hears(1, "YES").await;
    assert_eq!(house.standing(1).await, Some(Standing::In), "their own word and their own YES do");
    assert!(house.desk.store.suppressed_among(&[phone(1)]).await.unwrap().is_empty());
}

async fn no_leaves_the_list(world: &World) {
    let house = House::new(world, true).await;
    house.hears(1, "DUDLEY").await;
    house.hears(1, "No thanks").await;
    assert_eq!(house.standing(1).await, Some(Standing::Out));
    house.hears(1, "YES").await;
    assert_eq!(house.standing(1).await, Some(Standing::Out));
}

async fn a_language_is_chosen_by_its_name(world: &World) {
    let house = House::new(world, false).await;
    house.hears(1, "DUDLEY").await;
    house.hears(1, "lang urdu").await;
    let contact = house.desk.store.contact(&phone(1)).await.unwrap().unwrap();
    assert_eq!(contact.language.as_deref(), Some("ur"));
    house.hears(1, "POLSKI").await; // no list answers in it
    let contact = house.desk.store.contact(&phone(1)).await.unwrap().unwrap();
    assert_eq!(contact.language.as_deref(), Some("ur"));
    house.hears(1, "English please").await;
    let contact = house.desk.store.contact(&phone(1)).await.unwrap().unwrap();
    assert_eq!(contact.language.as_deref(), Some("en"));
}

async fn what_is_over_is_said(world: &World) {
    let house = House::new(world, false).await;
    house.hears(1, "Is anybody there").await;
    assert_eq!(house.said(1).await, ["no_campaign"]);
    let source = include_str!("../../config/campaigns/dudley-january-2022.toml");
    let (Applied::New(campaign), _) = apply(&house.desk, source, "admin:ada").await.unwrap() else { panic!() };
    let row = house.desk.store.campaign(&campaign.id).await.unwrap().unwrap();
    assert!(steer(&house.desk, &row, Steer::Start, "admin:ada").await.unwrap());
    house.hears(2, "Thank you, that helped").await;
    assert_eq!(house.said(2).await, [""; 0], "a campaign runs: a person answers");
    house.hears(2, "DUDLEY").await;
    assert_eq!(house.said(2).await, ["welcome"]);
    house.later(24 * 40);
    house.hears(3, "DUDLEY").await;
    assert_eq!((house.standing(3).await, house.said(3).await), (Some(Standing::In), vec!["too_late".into()]));
}

async fn three_answers_a_day_and_a_welcome_beyond(world: &World) {
    let house = House::new(world, false).await;
    for word in ["HELP", "PHONE", "WEB", "info", "DONE", "?", "HELP"] {
        house.hears(1, word).await;
        house.later(2);
    }
    assert_eq!(house.said(1).await, ["help", "phone", "web"], "and then a machine may talk to itself");
    house.hears(1, "DUDLEY").await;
    assert_eq!(house.said(1).await.len(), 4, "who joins is welcomed");
    for word in ["STOP", "DUDLEY", "STOP", "DUDLEY"] {
        house.later(1);
        house.hears(1, word).await;
    }
    assert_eq!(house.standing(1).await, Some(Standing::In), "heard all the same");
    let said = house.said(1).await;
    assert_eq!(said.iter().filter(|kind| *kind == "welcome").count(), 1, "{said:?}");
    assert_eq!(said.iter().filter(|kind| *kind == "goodbye").count(), 2, "outside of the caps");
}

async fn a_rush_waits_in_line_and_a_goodbye_does_not(world: &World) {
    let house = House::new(world, false).await;
    let joins: Vec<Handed> = (100..195).map(|n| house.text(n, "DUDLEY")).collect();
    for some in joins.chunks(17) {
        take(&house.desk, "g", some).await.unwrap();
    }
    house.hears(300, "HELP").await;
    house.hears(101, "STOP").await;
    house.hears(194, "STOP").await;
    let now = world.now.as_millisecond();
    for (minute, welcomes) in [(0, 30), (1, 30), (2, 30), (3, 5)] {
        let sql = format!(
            "SELECT COUNT(*) FROM messages WHERE reply = 'welcome' AND not_before >= {0} AND not_before < {0} + 60000",
            now + minute * 60_000
        );
        assert_eq!(world.number(&sql).await, Some(welcomes), "minute {minute}");
    }
    let goodbyes = format!("SELECT COUNT(*) FROM messages WHERE reply = 'goodbye' AND not_before = {now}");
    assert_eq!(world.number(&goodbyes).await, Some(2));
    let beaten = "SELECT COUNT(*) FROM messages WHERE reply = 'welcome' AND state = 'cancelled'";
    assert_eq!(world.number(beaten).await, Some(2), "a welcome that waits does not follow a STOP");
    assert_eq!(house.said(300).await, ["help"], "three minutes is in time");
    let more: Vec<Handed> = (400..490).map(|n| house.text(n, "DUDLEY")).collect();
    take(&house.desk, "g", &more).await.unwrap();
    house.hears(301, "HELP").await;
    assert_eq!(house.said(301).await, [""; 0], "an answer after five minutes is none");
    let last = "SELECT state FROM messages WHERE reply = 'welcome' ORDER BY not_before DESC LIMIT 1";
    assert_eq!(texts(world, last).await, [State::Queued.as_str()]);
}
