//! The story that `demo` tells and `tests/scenario.rs` holds fast: the notice's two weeks, with the parents, faults and
//! mishaps of real ones, on the virtual clock. The cast and the calendar are here; the telling is `cli::demo`'s.

use super::account::{Account, account};
use super::campaigns::{Applied, Steer, apply, steer};
use super::desk::Desk;
use super::import::{ImportError, Order, Report, import_here};
use super::run_virtual::Run;
use crate::clock::{Clock, VirtualClock};
use crate::config::Settings;
use crate::domain::campaign::Campaign;
use crate::gateway::simulated::phone::{Line, Phone};
use crate::gateway::simulated::{Params, World};
use crate::store::{Sabotage, Store, StoreError};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The campaign, from the real notice.
pub const CAMPAIGN: &str = include_str!("../../config/campaigns/dudley-january-2022.toml");
/// The admin's spreadsheet, with the damage that Excel does.
pub const SPREADSHEET: &[u8] = include_bytes!("../../config/sample-parents.csv");
/// The settings the story runs with.
pub const SETTINGS: &str = include_str!("../../config/demo.toml");

/// Who loads and starts things in the story.
const ADMIN: &str = "admin:demo";

/// The story, told to its end.
pub struct Told {
    /// The desk, with the database open.
    pub desk: Desk,
    /// The world, with the phones' own book.
    pub world: World,
    /// What became of the spreadsheet.
    pub import: Report,
    /// The campaign.
    pub campaign: Campaign,
    /// The account at the end.
    pub account: Account,
}

/// A phone that people are shown: number, and why it is worth a look.
pub const SHOWN: &[(&str, &str)] = &[
    ("+447700900104", "has internet, says DONE after the survey"),
    ("+447700900111", "no internet: never gets only a link"),
    ("+447700900121", "we did not know; replies PHONE"),
    ("+447700900116", "reads Urdu"),
    ("+447700900108", "says STOP while a reminder waits"),
    ("+447700900205", "a stranger who nearly asks to join"),
];

fn at(local: &str) -> Timestamp {
    let local: DateTime = local.parse().expect("the story's times are written as times");
    let london = TimeZone::get("Europe/London").expect("London is in the time zone database");
    local.to_zoned_datetime(london).expect("none of the story's times is skipped by the clocks").timestamp()
}

/// The phones and their owners' habits. Those in the spreadsheet and not here only read.
fn cast() -> Vec<Phone> {
    let number = |last: u32| format!("+447700900{last:03}");
    let open = "survey.example.gov.uk";
    let mut cast = vec![
        // In the spreadsheet
        Phone::new(&number(102)).on(Line::LosesFirstAnswer),
        Phone::new(&number(104)).answers("open until", 95, "DONE"),
        Phone::new(&number(105)).answers("told the inspectors", 12, "Done thanks!"),
        Phone::new(&number(107)).on(Line::Refused),
        Phone::new(&number(108)).writes(at("2022-01-25T10:12:00"), "Stop please"),
        Phone::new(&number(109)).writes(at("2022-01-25T18:40:00"), "STOP").writes(at("2022-01-27T08:20:00"), "START"),
        Phone::new(&number(110)).answers(open, 30, "Is there someone to look after my son during the meeting?"),
        Phone::new(&number(112)).answers("ring", 200, "HELP"),
        Phone::new(&number(114)).on(Line::Dead),
        Phone::new(&number(117)).writes(at("2022-01-28T10:05:00"), "بند کرو"),
        Phone::new(&number(119)).answers(open, 3, "wrong number"),
        Phone::new(&number(121)).answers("Reply PHONE", 25, "Phone"),
        Phone::new(&number(122)).answers("Reply PHONE", 240, "PHONE please"),
        Phone::new(&number(124)).answers(open, 8, "asdfgh"),
        // Not in it: they text the keyword, or nearly
        Phone::new(&number(201)).writes(at("2022-01-18T19:30:00"), "DUDLEY").answers("open until", 40, "DONE"),
        Phone::new(&number(202)).writes(at("2022-01-19T08:05:00"), "Dudley"),
        Phone::new(&number(203)).writes(at("2022-01-21T21:50:00"), "dudley ").answers("No internet?", 2, "phone"),
        Phone::new(&number(204)).writes(at("2022-01-26T12:30:00"), "Dudley!"),
        Phone::new(&number(205))
            .writes(at("2022-01-20T17:10:00"), "can I join please")
            .answers("one word DUDLEY", 4, "DUDLEY"),
        Phone::new(&number(206)).writes(at("2022-01-25T10:30:00"), "STOP"),
        Phone::new(&number(207)).writes(at("2022-01-24T12:20:00"), "who is this"),
        Phone::new("60777").writes(at("2022-01-23T11:00:00"), "You have WON a prize. Reply YES"),
    ];
    let known: Vec<String> = cast.iter().map(|p| p.number.clone()).collect();
    cast.extend((100..200).map(number).filter(|n| !known.contains(n)).map(|n| Phone::new(&n)));
    cast
}

/// Tells the whole story into an empty, migrated database. `told` hears of each day that has passed.
pub async fn tell(
    store: Store,
    seed: u64,
    sabotage: Option<Sabotage>,
    mut told: impl FnMut(&str),
) -> Result<Told, StoreError> {
    let begin = at("2022-01-17T15:00:00");
    let end = at("2022-02-03T09:00:00");
    let slow_by = if sabotage == Some(Sabotage::Late) { SignedDuration::from_hours(4) } else { SignedDuration::ZERO };
    let clock = VirtualClock::new(begin);
    let (settings, _) = Settings::read(SETTINGS);
    let outages = vec![(at("2022-01-25T09:58:00"), at("2022-01-25T10:25:00"))];
    let world = World::new(begin, Params { seed, outages, ..Params::default() }, cast());
    let desk = Desk::new(store, Clock::Virtual(clock.slow_by(slow_by)), settings);

    let order = Order { list: "send".to_owned(), by: ADMIN.to_owned(), ..Order::default() };
    let import = import_here(&desk, SPREADSHEET, &order).await.map_err(|error| match error {
        ImportError::Store(error) => error,
        _ => StoreError::Corrupt("the demo's spreadsheet"),
    })?;
    let applied = apply(&desk, CAMPAIGN, ADMIN).await?;
    let (Applied::New(campaign), _) = applied else {
        return Err(StoreError::Corrupt("the demo needs an empty database"));
    };
    let row = desk.store.campaign(&campaign.id).await?.ok_or(StoreError::Corrupt("campaigns"))?;
    steer(&desk, &row, Steer::Start, ADMIN).await?;

    let mut run = Run::start(desk, world, clock, slow_by, sabotage).await?;
    let mut day = begin;
    while day < end {
        day += SignedDuration::from_hours(24);
        run.until(day.min(end)).await?;
        told(&campaign.local(day).strftime("%a %-d %b").to_string());
    }
    run.settle(end + SignedDuration::from_hours(48)).await?;
    let account = account(&run.desk.store, &run.world).await?;
    Ok(Told { desk: run.desk, world: run.world, import, campaign, account })
}
