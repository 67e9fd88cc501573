//! Who joins while a campaign runs hears at once what is true now: the notice's two weeks at thirteen instants, at each of
//! the three doors.

use crate::store::answering::House;
use crate::store::made::{LIST, phone};
use crate::support::{World, both_engines};
use jiff::Timestamp;
use ringround::app::campaigns::{Steer, apply, steer};
use ringround::domain::consent::Standing;
use sqlx::AssertSqlSafe;

both_engines! { late_joiners_hear_what_is_true_now, a_welcome_does_not_outlive_its_time }

const SOURCE: &str = include_str!("../../config/campaigns/dudley-january-2022.toml");

async fn house(world: &World) -> House {
    let house = House::new(world, false).await;
    let (campaign, _) = apply(&house.desk, SOURCE, "admin:ada").await.unwrap();
    assert!(matches!(campaign, ringround::app::campaigns::Applied::New(_)));
    let row = house.desk.store.campaigns().await.unwrap().remove(0);
    assert!(steer(&house.desk, &row, Steer::Start, "admin:ada").await.unwrap());
    house
}

/// What they were told, newest last: (words, must have left before).
async fn told(world: &World, n: u16) -> Vec<(String, i64)> {
    let sql = format!(
        "SELECT b.body, m.not_after FROM messages m JOIN bodies b ON b.id = m.body_id
           JOIN contacts c ON c.id = m.contact_id WHERE c.phone = '{}' ORDER BY m.id",
        phone(n).e164()
    );
    let rows = world.store.db().rows(AssertSqlSafe(sql), vec![]).await.unwrap();
    rows.iter().map(|row| (row.text(0).unwrap(), row.int(1).unwrap())).collect()
}

async fn late_joiners_hear_what_is_true_now(world: &World) {
    let house = house(world).await;
    let (survey, meeting) = ("https://survey.example.gov.uk/dudley", "https://meet.example.gov.uk/dudley");
    let open = [survey, "No internet? Reply PHONE", "ring 01632 960001"];
    let closing = ["closes at 12 noon, in minutes", "12 noon", "too late for the survey"];
    let over = [meeting, "020 3443 6311", "key 917500335 then press #"];
    let closed = ["This survey has closed"; 3];
    for (n, (at, says, never)) in (1..).zip([
        ("2022-01-24T12:00:00Z", open, meeting),
        ("2022-01-25T10:00:00Z", open, meeting),
        ("2022-01-25T23:30:00Z", open, meeting),
        ("2022-01-26T00:00:00Z", open, meeting),
        ("2022-01-27T20:59:59Z", open, meeting),
        ("2022-01-28T08:59:00Z", open, meeting),
        ("2022-01-28T11:49:59Z", open, meeting),
        ("2022-01-28T11:50:00Z", closing, meeting),
        ("2022-01-28T11:59:59Z", closing, meeting),
        ("2022-01-28T12:00:00Z", over, survey),
        ("2022-01-31T16:00:00Z", over, survey),
        ("2022-02-01T11:44:59Z", over, survey),
        ("2022-02-01T11:45:00Z", closed, survey),
    ]) {
        let at: Timestamp = at.parse().unwrap();
        house.clock.advance_to(at);
        // One of whom nothing is known, one who has said WEB before, one who has said PHONE.
        let people = [3 * n, 3 * n + 1, 3 * n + 2];
        for (who, word) in people[1..].iter().zip(["WEB", "PHONE"]) {
            house.hears(*who, word).await;
        }
        for (who, says) in people.into_iter().zip([says[0], if says == open { survey } else { says[0] }, says[2]]) {
            house.hears(who, "DUDLEY").await;
            let (words, not_after) = told(world, who).await.pop().unwrap();
            assert!(words.contains(says), "{at} {who}: {words}");
            assert!(words.contains("joined") && words.contains("STOP") && !words.contains(never), "{at}: {words}");
            assert!(not_after <= (at + jiff::SignedDuration::from_mins(5)).as_millisecond());
            assert_eq!(house.standing(who).await, Some(Standing::In));
        }
        let unknown = told(world, people[0]).await.pop().unwrap().0;
        assert_eq!(unknown.contains("No internet? Reply PHONE"), says != closed, "{unknown}");
        let without = told(world, people[2]).await.pop().unwrap().0;
        assert!(!without.contains("https://"), "{without}");
    }
    // In their own language, and once: a second join word within the hour is answered by nothing.
    let list = world.number(&format!("SELECT COUNT(*) FROM consents WHERE list = '{LIST}' AND standing = 'in'")).await;
    assert_eq!(list, Some(39));
}

/// Ten minutes before the close the texts change: what is still in line says nothing that is not true any more.
async fn a_welcome_does_not_outlive_its_time(world: &World) {
    let house = house(world).await;
    house.clock.advance_to("2022-01-28T11:49:59Z".parse().unwrap());
    house.hears(1, "DUDLEY").await;
    let end: Timestamp = "2022-01-28T11:50:00Z".parse().unwrap();
    assert_eq!(told(world, 1).await[0].1, end.as_millisecond());
    assert_eq!(house.standing(1).await, Some(Standing::In), "the texts of the meeting reach them all the same");
}
