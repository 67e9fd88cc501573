//! The simulator's model store and the real one are the same: lists of operations, drawn at random or recorded from
//! simulated campaigns, are done to both, and every answer and every row is compared.

use crate::simulator::model::Model;
use crate::simulator::operations::{Done, Draw, Operation};
use crate::simulator::run;
use crate::simulator::seed::Plan;
use crate::support::{Engine, World, both_engines};
use jiff::Timestamp;
use ringround::store::{Recruit, StoreError};
use sqlx::AssertSqlSafe;

/// Does it to the real store.
async fn perform(world: &World, operation: &Operation) -> Done {
    let store = &world.store;
    match operation {
        Operation::Ids(count) => Done::Ids(store.ids(*count).await.unwrap()),
        Operation::Enlist { settle, now, .. } => {
            let who = Recruit { place: "here", agreement: "", settle: *settle };
            let (epoch, doubted) = store.enlist(&who, *now).await.unwrap();
            Done::Enlisted(epoch, doubted)
        }
        Operation::Beat { epoch, settle, now } => match store.beat(*epoch, *settle, *now).await {
            Ok(swept) => Done::Beaten(Some(swept.doubted)),
            Err(StoreError::Fenced) => Done::Beaten(None),
            Err(error) => panic!("{error}"),
        },
        Operation::Renew { epoch, now } => {
            let until = (*now + ringround::store::LEASE).as_millisecond();
            world.sql(&format!("UPDATE workers SET lease_until = {until} WHERE epoch = {epoch}")).await;
            Done::Nothing
        }
        Operation::Retire(epoch) => {
            store.retire(*epoch).await.unwrap();
            Done::Nothing
        }
        Operation::See(now) => {
            store.see(*now).await.unwrap();
            Done::Nothing
        }
        Operation::Commit(decisions, now) => Done::Applied(store.commit(decisions, *now).await.unwrap()),
        Operation::Turn(outcomes, request, now) => match store.turn(outcomes, request, *now).await {
            Ok(turn) => Done::Turned(Some(turn)),
            Err(StoreError::Fenced) => Done::Turned(None),
            Err(error) => panic!("{error}"),
        },
        Operation::Sweep(now) => Done::Swept(store.sweep(*now).await.unwrap()),
        Operation::Hold(ids) => {
            for id in ids {
                world.sql(&format!("UPDATE messages SET state = 'held' WHERE id = {id}")).await;
            }
            Done::Nothing
        }
        Operation::Look(now) => Done::Seen(look(world, *now).await),
    }
}

async fn look(world: &World, now: Timestamp) -> String {
    let store = &world.store;
    let doubts: Vec<_> = store
        .doubts(now, 20)
        .await
        .unwrap()
        .into_iter()
        .map(|d| (d.id, d.since, d.handed_at, d.absent, d.ask_at, d.first_at, d.may_resend, d.not_after, d.of))
        .collect();
    let open: Vec<i64> = store.open_broadcasts().await.unwrap().iter().map(|b| b.id).collect();
    let page = store.candidates("send", "first", 0, 10).await.unwrap();
    let page: Vec<_> = page.into_iter().map(|c| (c.contact.id, c.standing, c.suppressed, c.done)).collect();
    format!("{:?} {doubts:?} {open:?} {page:?}", store.pulse(now).await.unwrap())
}

const SUPPRESSED: &str = "(SELECT COUNT(*) FROM suppressions s WHERE s.phone_hash = c.phone_hash)";

/// Each row as one text: the same texts as `Model::rows` makes.
async fn rows(world: &World) -> Vec<String> {
    let mut rows = Vec::new();
    let mut add = async |sql: &str, ints: &[usize], write: &dyn Fn(&[String]) -> String| {
        let found = world.store.db().rows(AssertSqlSafe(sql.to_owned()), vec![]).await.unwrap();
        let columns = sql.split(" FROM ").next().unwrap().split("--").count();
        for row in &found {
            let cell = |at: usize| {
                if ints.contains(&at) {
                    row.opt_int(at).unwrap().map_or("-".to_owned(), |n| n.to_string())
                } else {
                    row.opt_text(at).unwrap().unwrap_or("-".to_owned())
                }
            };
            let cells: Vec<String> = (0..columns).map(cell).collect();
            rows.push(write(&cells));
        }
    };
    // Columns are counted by the comments before each but the first.
    let columns = |names: &[&str], rest: &str| format!("SELECT {} FROM {rest}", names.join(", --\n"));
    let number = |name: &str| format!("CAST(CASE WHEN {name} THEN 1 ELSE 0 END AS BIGINT)");
    let yes = |cell: &str| if cell == "1" { "true" } else { "false" };
    let (resend, waits) = (number("may_resend"), number("needs_person"));
    let messages = [
        "id", "contact_id", "state", "reason", "attempts", "epoch", "gateway_id", "not_before", "not_after", "ask_at",
        "absent", "claimed_at", "answered_at", "ended_at", &resend,
    ];
    add(&columns(&messages, "messages"), &[0, 1, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14], &|c| {
        let rest = format!("{} {} {} {} {} {} {}", c[7], c[8], c[9], c[10], c[11], c[12], c[13]);
        format!("message {} {} {} {:?} {} {} {:?} {rest} {}", c[0], c[1], c[2], c[3], c[4], c[5], c[6], yes(&c[14]))
    })
    .await;
    add(&columns(&["contact_id", "list", "standing", "since"], "consents"), &[0, 3], &|c| {
        format!("consent {} {} {} {}", c[0], c[1], c[2], c[3])
    })
    .await;
    add(&columns(&["c.id", "c.phone", "c.internet", "c.held_for", SUPPRESSED], "contacts c"), &[0, 4], &|c| {
        format!("contact {} {} {} {:?} {}", c[0], c[1], c[2], c[3], yes(&c[4]))
    })
    .await;
    add(&columns(&["id", "campaign", "step", "fate", "filled_to"], "broadcasts"), &[0, 4], &|c| {
        format!("broadcast {} {} {} {} {}", c[0], c[1], c[2], c[3], c[4])
    })
    .await;
    add(&columns(&["id", "state", "revision", "planned_until"], "campaigns"), &[2, 3], &|c| {
        format!("campaign {} {} {} {}", c[0], c[1], c[2], c[3])
    })
    .await;
    add(&columns(&["broadcast_id", "reason", "people"], "passed_over"), &[0, 2], &|c| {
        format!("passed {} {:?} {}", c[0], c[1], c[2])
    })
    .await;
    add(&columns(&["name", "reason"], "pauses"), &[], &|c| format!("pause {} {:?}", c[0], c[1])).await;
    add(&columns(&["id", "meaning", &waits, "closed_at"], "inbounds"), &[0, 2, 3], &|c| {
        format!("inbound {} {} {} {}", c[0], c[1], yes(&c[2]), c[3])
    })
    .await;
    add(&columns(&["epoch", "lease_until"], "workers"), &[0, 1], &|c| format!("worker {} {}", c[0], c[1])).await;
    add(&columns(&["gateway", "next_us", "day", "used"], "lines"), &[1, 2, 3], &|c| {
        format!("line {} {} {} {}", c[0], c[1], c[2], c[3])
    })
    .await;
    let mut counts = "counts".to_owned();
    for table in ["events", "reports", "dones", "strays", "handles"] {
        let count = world.number(&format!("SELECT COUNT(*) FROM {table}")).await.unwrap();
        counts.push_str(&format!(" {count}"));
    }
    rows.push(counts);
    rows.sort();
    rows
}

/// A model that stands where every test's database stands: epoch 1 is at work.
fn model(world: &World) -> Model {
    let mut model = Model::new();
    model.enlist(true, jiff::SignedDuration::from_secs(60), world.now);
    model
}

async fn compare(world: &World, model: &Model, said: &str) {
    let (real, modelled) = (rows(world).await, model.rows());
    let only = |of: &[String], other: &[String]| -> Vec<String> {
        of.iter().filter(|row| !other.contains(row)).cloned().collect()
    };
    assert!(real == modelled, "{said}\nreal:  {:#?}\nmodel: {:#?}", only(&real, &modelled), only(&modelled, &real));
}

async fn empty(world: &World) {
    for table in [
        "messages", "consents", "suppressions", "contacts", "events", "event_details", "inbounds", "campaigns",
        "pauses", "dones", "broadcasts", "passed_over", "reports", "strays", "handles", "lines", "workers",
    ] {
        world.sql(&format!("DELETE FROM {table}")).await;
    }
    world.sql("UPDATE id_blocks SET next = 1").await;
    world.sql("UPDATE meta SET value = '0' WHERE name = 'epoch'").await;
    let who = Recruit { place: "here", agreement: "", settle: jiff::SignedDuration::from_secs(60) };
    world.store.enlist(&who, world.now).await.unwrap();
}

async fn at_random(world: &World) {
    let lists = if world.engine == Engine::Sqlite { 40 } else { 12 };
    for seed in 0..lists {
        empty(world).await;
        let mut model = model(world);
        let mut draw = Draw::new(seed, 100, world.now);
        for step in 0..80 {
            let mut operation = draw.next(&model);
            if let Operation::Enlist { alone, .. } = &mut operation {
                *alone = world.engine == Engine::Sqlite;
            }
            let said = format!("list {seed}, step {step}: {operation:?}");
            let (real, modelled) = (perform(world, &operation).await, model.perform(&operation));
            assert_eq!(format!("{real:?}"), format!("{modelled:?}"), "{said}");
            compare(world, &model, &said).await;
        }
    }
}

async fn of_campaigns(world: &World) {
    let campaigns = if world.engine == Engine::Sqlite { 12 } else { 5 };
    let alone = |plan: &Plan| plan.workers == 1 && !plan.restores && plan.contacts < 22;
    let plans = (0..).map(Plan::draw).filter(alone);
    let recorded = plans.map(|plan| (plan.seed, run::recorded(plan)));
    // Some end before they have begun: their worker dies at once.
    for (seed, operations) in recorded.filter(|(_, operations)| operations.len() > 30).take(campaigns) {
        empty(world).await;
        let mut model = model(world);
        world.sql("DELETE FROM workers").await;
        world.sql("UPDATE meta SET value = '0' WHERE name = 'epoch'").await;
        model.epoch = 0;
        model.workers.clear();
        for (step, operation) in operations.iter().enumerate() {
            let mut operation = operation.clone();
            if let Operation::Enlist { alone, .. } = &mut operation {
                *alone = world.engine == Engine::Sqlite;
            }
            let said = format!("campaign {seed}, step {step}: {operation:?}");
            let (real, modelled) = (perform(world, &operation).await, model.perform(&operation));
            assert_eq!(format!("{real:?}"), format!("{modelled:?}"), "{said}");
            if step % 40 == 0 || step + 1 == operations.len() {
                compare(world, &model, &said).await;
            }
        }
    }
}

both_engines! { at_random, of_campaigns }
