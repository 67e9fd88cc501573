//! The same seeds on a real database, with the program's own parts: `app::run_virtual` against the world that ships in the
//! binary. A crash is the run's future, dropped at some poll: whatever was on its way to the database may have got there
//! or not, and a new epoch begins on what is left.
//!
//! How many polls an operation takes is up to threads: what crashes where differs from run to run. The model's runs replay
//! exactly; what is found here is printed, and is then looked for there.

use jiff::{SignedDuration, Timestamp};
use ringround::app::account::account;
use ringround::app::campaigns::{Steer, apply, steer};
use ringround::app::desk::Desk;
use ringround::app::run_virtual::Run;
use ringround::clock::{Clock, VirtualClock};
use ringround::config::Settings;
use ringround::domain::contact::{ContactDraft, Edit, Internet, Permission};
use ringround::domain::message::State;
use ringround::domain::phone::Phone as Number;
use ringround::engine::admit::{Existing, Source, admit};
use ringround::gateway::simulated::phone::{Line, Phone};
use ringround::gateway::simulated::{Params, World};
use ringround::store::{Place, Store, StoreError};
use simulator::seed::{Plan, SETTINGS};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    pub violations: Vec<String>,
    pub contacts: u16,
    pub steps: u16,
    pub crashes: u16,
    pub stops: u16,
    pub faults: u16,
    pub texts: u64,
}

/// A smaller campaign than the model's, so that 2,000 of them fit into minutes.
fn smaller(mut plan: Plan) -> Plan {
    plan.contacts = plan.contacts.div_ceil(3).max(4);
    plan
}

fn settings(plan: &Plan) -> Settings {
    let (mut settings, _) = Settings::read(SETTINGS);
    settings.gateway.per_second = plan.per_second;
    settings.gateway.in_flight = plan.in_flight;
    settings.gateway.settle = plan.settle;
    settings.gateway.report_within = plan.report_within;
    settings
}

fn number(n: usize) -> String {
    format!("+447700900{n:03}")
}

/// The world of a plan: its rates as "one in so many", its outages, and phones that write.
fn world(plan: &Plan, random: &mut fastrand::Rng, outcome: &mut Outcome) -> World {
    let one_in = |per_thousand: u16| if per_thousand == 0 { 0 } else { 1000 / u32::from(per_thousand) };
    let rates = plan.rates;
    let span = plan.end.duration_since(plan.begin);
    let moment = |random: &mut fastrand::Rng| plan.begin + span / 1000 * random.i32(0..1000);
    let outages = if random.u8(..3) == 0 {
        let from = moment(random);
        vec![(from, from + SignedDuration::from_secs(random.i64(10..1800)))]
    } else {
        Vec::new()
    };
    let params = Params {
        seed: plan.seed,
        lost_answer: one_in(rates.lost_taken + rates.server_taken),
        throttled: one_in(rates.throttled),
        report_late: one_in(rates.report_late),
        report_twice: one_in(rates.report_twice),
        report_never: one_in(rates.report_never),
        report_sent_too: one_in(rates.report_disorder),
        inbound_twice: one_in(rates.text_twice),
        outages,
        ..Params::default()
    };
    const SAID: [&str; 10] =
        ["STOP", "Stop please", "UNSUBSCRIBE", "START", "DUDLEY", "DONE", "wrong number", "HELP", "asdfgh", "PHONE"];
    let mut phones: Vec<Phone> = (0..plan.contacts + 3).map(|n| Phone::new(&number(n))).collect();
    for _ in 0..2 + random.usize(..4) {
        let (at, n) = (moment(random), random.usize(..phones.len()));
        let said = SAID[random.usize(..SAID.len())];
        outcome.stops += u16::from(said.to_uppercase().starts_with("STOP") || said == "UNSUBSCRIBE");
        phones[n] = phones[n].clone().writes(at, said);
    }
    for phone in &mut phones {
        if random.u16(..1000) < plan.bad_lines {
            *phone = phone.clone().on([Line::Refused, Line::Dead, Line::LosesFirstAnswer][random.usize(..3)]);
        }
    }
    World::new(plan.begin, params, phones)
}

/// Contacts and campaigns, before anything can go wrong.
async fn prepare(desk: &Desk, plan: &Plan, random: &mut fastrand::Rng) -> Result<(), StoreError> {
    desk.stock().await?;
    let now = desk.clock.now();
    let source = |list| Source { list, how: "file 1", by: "admin:test" };
    let mut decisions = Vec::new();
    for n in 0..plan.contacts {
        let permission = (random.u8(..10) > 0).then(|| Permission {
            source: "form".to_owned(),
            date: jiff::civil::date(2021, 12, 1),
            wording: "1".to_owned(),
        });
        let draft = ContactDraft {
            line: n as u64 + 2,
            phone: Number::from_e164(&number(n)).unwrap(),
            name: Edit::Keep,
            language: Edit::Keep,
            internet: Edit::Set([Internet::Yes, Internet::No, Internet::Unknown][random.usize(..3)]),
            tags: Edit::Keep,
            permission,
        };
        let list = if random.u8(..4) == 0 { "walk" } else { "send" };
        decisions.extend(desk.decide(|ids| admit(&draft, &Existing::default(), &source(list), now, ids)).1);
    }
    desk.store.commit(&decisions, now).await?;
    for filed in &plan.campaigns {
        apply(desk, &filed.source, "admin:test").await?;
    }
    for row in desk.store.campaigns().await? {
        steer(desk, &row, Steer::Start, "admin:test").await?;
    }
    Ok(())
}

/// Runs it until `end`, or until so many polls: then it is dropped where it stands. True if it came to its end.
async fn until(run: &mut Run, end: Timestamp, polls: u32) -> Result<bool, StoreError> {
    let mut running = pin!(run.until(end));
    let mut left = polls;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(Ok(false));
        }
        left -= 1;
        running.as_mut().poll(context).map(|done| done.map(|()| true))
    })
    .await
}

/// One campaign on the database at `place`, which is empty.
pub async fn run(seed: u64, place: &Place, shared: bool, look_closely: bool) -> Result<Outcome, StoreError> {
    let plan = smaller(Plan::draw(seed));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut outcome = Outcome {
        contacts: u16::try_from(plan.contacts).unwrap(),
        steps: u16::try_from(plan.steps).unwrap(),
        ..Outcome::default()
    };
    let clock = VirtualClock::new(plan.begin);
    let world = world(&plan, &mut random, &mut outcome);
    let desk = async || -> Result<Desk, StoreError> {
        Ok(Desk::new(Store::open(place).await?, Clock::Virtual(clock.clone()), settings(&plan)))
    };
    prepare(&desk().await?, &plan, &mut random).await?;

    let mut crashes = 1 + random.u32(0..3);
    let all_over = plan.end + SignedDuration::from_hours(80);
    loop {
        let polls = if crashes > 0 { 1 << random.u32(3..11) } else { u32::MAX };
        let polls = if crashes > 0 { polls + random.u32(..polls) } else { polls };
        let ended = {
            let mut run =
                Run::start(desk().await?, world.clone(), clock.clone(), SignedDuration::ZERO, None).await?;
            until(&mut run, all_over, polls).await?
        };
        if ended {
            break;
        }
        crashes -= 1;
        outcome.crashes += 1;
        world.lost();
        // On a shared database a lease has to run out first.
        let least = if shared { 31 } else { 1 };
        clock.advance_to(clock.now() + SignedDuration::from_secs(random.i64(least..300)));
        world.advance_to(clock.now());
    }
    let store = desk().await?.store;
    judge(&store, &world, shared, look_closely, &mut outcome).await?;
    store.close().await;
    Ok(outcome)
}

/// By the phones' own book, and by the rows.
async fn judge(
    store: &Store,
    world: &World,
    shared: bool,
    look_closely: bool,
    outcome: &mut Outcome,
) -> Result<(), StoreError> {
    let account = account(store, world).await?;
    let mut broken: Vec<String> = Vec::new();
    for (promise, count) in account.broken() {
        if count > 0 {
            broken.push(format!("{promise}: {count}"));
        }
    }
    for open in [State::Held, State::Queued, State::Submitting, State::InDoubt] {
        if account.counts.of(open) > 0 {
            broken.push(format!("I14: {} texts are still {open}", account.counts.of(open)));
        }
    }
    let faults = world.faults();
    outcome.texts = account.received;
    let all = faults.lost_answers.len() as u64 + faults.refused_connections + faults.late_reports;
    let all = all + faults.repeated_reports + faults.missing_reports;
    outcome.faults = u16::try_from(all).unwrap_or(u16::MAX);
    let number = async |sql: &str| -> Result<i64, StoreError> {
        store.db().rows(AssertSqlSafe(sql.to_owned()), vec![]).await?.first().map_or(Ok(0), |row| row.int(0))
    };
    // I3: what never left is called so.
    let mint = store.identity().mint();
    let book: BTreeMap<i64, String> =
        world.book().into_iter().filter_map(|e| Some((mint.message(&e.reference)?, e.to))).collect();
    let sql = "SELECT id FROM messages WHERE state IN ('rejected', 'expired', 'cancelled') OR attempts = 0";
    for row in store.db().rows(sql, vec![]).await? {
        if book.contains_key(&row.int(0)?) {
            broken.push(format!("I3: message {} arrived, and the books say it never left", row.int(0)?));
        }
    }
    for (invariant, sql) in [
        ("I2 a broadcast is still being filled", "SELECT COUNT(*) FROM broadcasts WHERE fate = 'filling'"),
        (
            "I9 a report says delivered and the row does not",
            "SELECT COUNT(*) FROM reports r JOIN messages m ON m.id = r.message_id
             WHERE r.status = 'delivered' AND m.state <> 'delivered'",
        ),
        (
            "I2 an end without a reason",
            "SELECT COUNT(*) FROM messages WHERE state IN ('rejected', 'expired', 'cancelled') AND reason IS NULL",
        ),
    ] {
        if number(sql).await? > 0 {
            broken.push(invariant.to_owned());
        }
    }
    // I13: SQLite looks at itself.
    if look_closely && !shared {
        let rows = store.db().rows("PRAGMA integrity_check", vec![]).await?;
        let said = rows.first().map_or(Ok(String::new()), |row| row.text(0))?;
        let foreign = store.db().rows("PRAGMA foreign_key_check", vec![]).await?;
        if said != "ok" || !foreign.is_empty() {
            broken.push(format!("I13: {said}, {} dangling keys", foreign.len()));
        }
    }
    outcome.violations = broken;
    Ok(())
}
