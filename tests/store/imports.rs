//! Spreadsheets on a real store: the same file twice, killed in the middle, undone, replaced, and out and in again.

use super::made::{LIST, phone};
use crate::support::{World, both_engines};
use ringround::app::desk::Desk;
use ringround::app::export::export;
use ringround::app::import::{Order, Replace, Report, import_here};
use ringround::app::import_load::{Batch, Load, load};
use ringround::app::import_undo::undo_import;
use ringround::app::sheet::cells::on_one_line;
use ringround::clock::{Clock, VirtualClock};
use ringround::config::Settings;
use ringround::domain::change::{Change, Decision};
use ringround::domain::consent::{Event, EventKind, Standing};
use ringround::domain::contact::{Contact, ContactDraft, Edit, Internet, Permission};
use ringround::engine::leave::{Ground, leave};
use std::fmt::Write;

both_engines! {
    the_same_file_again_changes_nothing,
    killed_in_the_middle_it_is_carried_on,
    an_undo_puts_back_what_still_stands,
    a_replacing_file_takes_out_who_is_not_in_it,
    what_goes_out_comes_in_again_unchanged,
    no_file_brings_anybody_back,
}

const BY: &str = "admin:test";

async fn desk(world: &World) -> Desk {
    let (settings, _) = Settings::read(include_str!("../../config/demo.toml"));
    Desk::new(world.second().await, Clock::Virtual(VirtualClock::new(world.now)), settings)
}

fn order(replace: Replace) -> Order {
    Order { list: LIST.into(), by: BY.into(), file: "parents.csv".into(), replace, ..Order::default() }
}

async fn loaded(desk: &Desk, rows: &str) -> Report {
    let file = format!("phone,name,language,consent source,consent date,wording\n{rows}");
    import_here(desk, file.as_bytes(), &order(Replace::No)).await.unwrap()
}

/// A row with proof of consent.
fn agreed(n: u16, name: &str) -> String {
    format!("{},{name},ur,form,2021-11-17,1\n", phone(n).national())
}

async fn standing(desk: &Desk, n: u16) -> Option<Standing> {
    let contact = desk.store.contact(&phone(n)).await.unwrap()?;
    desk.store.standings_among(LIST, &[contact.id]).await.unwrap().into_values().next()
}

async fn contact(desk: &Desk, n: u16) -> Contact {
    desk.store.contact(&phone(n)).await.unwrap().unwrap()
}

async fn leaves(desk: &Desk, n: u16) {
    desk.stock().await.unwrap();
    let (who, now) = (contact(desk, n).await, desk.clock.now());
    let ground = Ground { by: BY, how: "rang" };
    let decision = desk.decide(|ids| leave(&who, true, None, ground, now, ids));
    assert!(desk.store.commit_one(decision, now).await.unwrap());
}

/// Somebody's own text brings them in.
async fn joins(desk: &Desk, n: u16) {
    desk.stock().await.unwrap();
    let (who, at) = (contact(desk, n).await.id, desk.clock.now());
    let event = desk.decide(|ids| Event::new(ids.take(), at, EventKind::OptedIn, "contact", "in-1"));
    let changes = vec![
        Change::Recorded(event.about(who, Some(LIST)).shown("1")),
        Change::SuppressionLifted { contact: who },
        Change::StandingSet { contact: who, list: LIST.into(), standing: Standing::In, unless_out: false, at },
    ];
    assert!(desk.store.commit_one(Decision(changes), at).await.unwrap());
}

async fn the_same_file_again_changes_nothing(world: &World) {
    let desk = desk(world).await;
    let rows = agreed(1, "A") + &agreed(2, "B") + "07700 900003,C,,,,\n";
    let first = loaded(&desk, &rows).await;
    let verdicts: Vec<(&str, u64)> = first.verdicts.iter().map(|(v, n)| (v.as_str(), *n)).collect();
    assert_eq!(verdicts, [("new", 2), ("new_pending", 1)]);
    let again = loaded(&desk, &rows).await;
    let verdicts: Vec<(&str, u64)> = again.verdicts.iter().map(|(v, n)| (v.as_str(), *n)).collect();
    assert_eq!((verdicts, again.import), (vec![("unchanged", 3)], None));
    let imports = desk.store.imports(None, 10).await.unwrap();
    assert_eq!(imports.len(), 1, "nothing was written the second time");
    assert_eq!((imports[0].counts, imports[0].finished, Some(imports[0].id)), ([3, 0, 0], true, first.import));
}

async fn killed_in_the_middle_it_is_carried_on(world: &World) {
    let desk = desk(world).await;
    let draft = |n: u16| ContactDraft {
        line: u64::from(n),
        phone: phone(n),
        name: Edit::Set("A".into()),
        language: Edit::Keep,
        internet: Edit::Keep,
        tags: Edit::Keep,
        permission: Some(Permission {
            source: "form".into(),
            date: "2021-11-17".parse().unwrap(),
            wording: "1".into(),
        }),
    };
    let batch = Batch { file: "p.csv".into(), hash: "abc".into(), list: LIST.into(), by: BY.into() };
    let part = |ns: std::ops::Range<u16>, end| Load { rows: ns.map(draft).collect(), gone: Vec::new(), end };
    let first = load(&desk, &batch, &part(1..4, false), false).await.unwrap();
    assert!(!desk.store.imports(None, 1).await.unwrap()[0].finished);
    let other = load(&desk, &Batch { hash: "def".into(), ..batch.clone() }, &part(20..21, true), false).await.unwrap();
    let again = load(&desk, &batch, &part(1..6, true), false).await.unwrap();
    assert_eq!((again.import, other.import == first.import), (first.import, false));
    let row = &desk.store.imports(first.import, 1).await.unwrap()[0];
    assert_eq!((row.counts, row.finished), ([5, 0, 0], true));
    let later = load(&desk, &batch, &part(6..7, true), false).await.unwrap();
    assert_ne!(later.import, first.import, "what is finished is not opened again");
}

async fn an_undo_puts_back_what_still_stands(world: &World) {
    let desk = desk(world).await;
    loaded(&desk, &format!("{},before,en,,,\n{},before,en,,,\n", phone(1).national(), phone(2).national())).await;
    let rows: String = (1..7).map(|n| agreed(n, "after")).collect();
    let id = loaded(&desk, &rows).await.import.unwrap();
    let second = contact(&desk, 2).await;
    let by_phone = Change::ContactChanged(Contact { name: Some("by phone".into()), ..second });
    assert!(desk.store.commit_one(by_phone.into(), world.now).await.unwrap());
    leaves(&desk, 4).await;
    joins(&desk, 5).await; // they were in by the file, and have said it themselves since
    leaves(&desk, 6).await;
    joins(&desk, 6).await;
    let import = desk.store.imports(Some(id), 1).await.unwrap().remove(0);
    let undone = undo_import(&desk, &import, BY).await.unwrap();
    assert_eq!((undone.touched, undone.back), (6, 3));
    let mut found = Vec::new();
    for n in 1..7 {
        found.push(standing(&desk, n).await.unwrap());
    }
    use Standing::{In, Out, Pending};
    assert_eq!(found, [Pending, Pending, Pending, Out, In, In]);
    let first = contact(&desk, 1).await;
    assert_eq!((first.name.as_deref(), first.language.as_deref()), (Some("before"), Some("en")));
    let second = contact(&desk, 2).await;
    assert_eq!((second.name.as_deref(), second.language.as_deref()), (Some("by phone"), Some("en")));
    let said: Vec<String> = desk.store.events(first.id).await.unwrap().into_iter().map(|e| e.kind).collect();
    assert_eq!(said.last().map(String::as_str), Some("changed"));
    assert!(said.contains(&"undone".to_owned()), "{said:?}");
    assert!(desk.store.imports(Some(id), 1).await.unwrap()[0].undone_at.is_some());
    let again = undo_import(&desk, &import, BY).await.unwrap();
    assert_eq!(again.back, 0, "an undo that was killed can be run again");
    assert_eq!(desk.store.textable(LIST).await.unwrap(), 2);
}

async fn a_replacing_file_takes_out_who_is_not_in_it(world: &World) {
    let desk = desk(world).await;
    let everybody: String = (1..21).map(|n| agreed(n, "A")).collect();
    loaded(&desk, &everybody).await;
    joins(&desk, 20).await;
    let heading = "phone,name,language,consent source,consent date,wording\n";
    let replaced = async |ns: std::ops::Range<u16>, more: &str, replace| {
        let rows: String = ns.map(|n| agreed(n, "A")).collect();
        let file = format!("{heading}{rows}{more}");
        import_here(&desk, file.as_bytes(), &order(replace)).await.unwrap().leavers.unwrap()
    };
    let too_many = replaced(1..10, "", Replace::Yes).await;
    assert_eq!((too_many.found, too_many.of, too_many.removed), (10, 19, 0));
    assert_eq!(too_many.kept, Some("that is more than a fifth of the list"));
    let damaged = replaced(1..18, "7.7E+09,A,,,,\n", Replace::Yes).await;
    assert!(damaged.kept.unwrap().starts_with("rows were refused") && damaged.removed == 0);
    let few = replaced(1..17, "", Replace::Yes).await;
    assert_eq!((few.found, few.removed, few.kept), (3, 3, None));
    assert_eq!(standing(&desk, 17).await, Some(Standing::Pending));
    assert_eq!(standing(&desk, 20).await, Some(Standing::In), "their own word stands above any file");
    assert_eq!(desk.store.textable(LIST).await.unwrap(), 17);
    // Taken back, they are in again, but for those who have left meanwhile.
    leaves(&desk, 18).await;
    let import = desk.store.imports(None, 1).await.unwrap().remove(0);
    assert_eq!((import.counts, undo_import(&desk, &import, BY).await.unwrap().back), ([0, 0, 3], 2));
    assert_eq!((standing(&desk, 17).await, standing(&desk, 18).await), (Some(Standing::In), Some(Standing::Out)));
    let all = replaced(1..2, "", Replace::Anyway).await;
    assert_eq!(all.removed, all.found);
    assert_eq!(desk.store.textable(LIST).await.unwrap(), 2);
}

/// What people, and people who mean no good, write into cells.
const NASTY: [&str; 20] = [
    "=cmd|' /C calc'!A0", "+44 7700", "-", "-1", "@SUM(A1)", "'", "''", "'=1+1", "'t Hooft", "a,b", "a;b", "\"",
    "a\"b\"", "two\nlines", "two\r\nlines", "Zoë 🦊", "\u{202e}evil", "عائشہ", "0", "TRUE",
];

async fn what_goes_out_comes_in_again_unchanged(world: &World) {
    let desk = desk(world).await;
    let mut random = fastrand::Rng::with_seed(7);
    let one = |random: &mut fastrand::Rng| -> String {
        let words: Vec<&str> = (0..random.usize(1..3)).map(|_| NASTY[random.usize(..NASTY.len())]).collect();
        on_one_line(&words.join(" ")) // as every way into the store leaves it
    };
    desk.stock().await.unwrap();
    for n in 0..150 {
        let name = Some(one(&mut random)).filter(|name| name != "-");
        let mut tags: Vec<String> = (0..random.usize(..4)).map(|_| one(&mut random).replace(';', ":")).collect();
        tags.retain(|tag| tag != "-");
        tags.sort();
        tags.dedup();
        let internet = [Internet::Yes, Internet::No, Internet::Unknown][random.usize(..3)];
        let language = random.bool().then(|| "ur".to_owned());
        let id = world.id() + 1_000_000;
        let who = Contact { name, tags, internet, language, ..Contact::unknown(id, phone(n)) };
        let standing = [Standing::In, Standing::Pending][random.usize(..2)];
        let event = Event::new(world.id() + 1_000_000, world.now, EventKind::OptedIn, "contact", "in-7");
        let mut changes = vec![
            Change::ContactAdded(who),
            Change::StandingSet { contact: id, list: LIST.into(), standing, unless_out: false, at: world.now },
        ];
        if standing == Standing::In {
            changes.push(Change::Recorded(event.about(id, Some(LIST)).shown("=v\"1")));
        }
        world.done(changes).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.csv");
    assert_eq!(export(&desk, &path, Some(LIST)).await.unwrap(), 150);
    let bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.starts_with("\u{feff}phone,") && text.lines().nth(1).unwrap().starts_with("07700 900"));
    for line in text.split("\r\n").skip(1).flat_map(|row| row.split(',')) {
        assert!(!line.trim_start_matches('"').starts_with(['=', '+', '@']), "{line:?}");
    }
    let back = import_here(&desk, &bytes, &order(Replace::No)).await.unwrap();
    let verdicts: Vec<(&str, u64)> = back.verdicts.iter().map(|(v, n)| (v.as_str(), *n)).collect();
    assert_eq!((verdicts, back.refused, back.ignored.len()), (vec![("unchanged", 150)], 0, 0), "{:?}", back.problems);
    assert!(export(&desk, &path, None).await.is_err(), "it never writes over a file");
}

/// Files, STOPs, undos and replacements in any order: whoever left, and has not come back themselves, is not texted.
async fn no_file_brings_anybody_back(world: &World) {
    let desk = desk(world).await;
    let mut random = fastrand::Rng::with_seed(11);
    let mut left = std::collections::BTreeSet::new();
    for step in 0..60 {
        match random.u8(..8) {
            0..4 => {
                let mut rows = "phone,name,language,consent source,consent date,wording\n".to_owned();
                for _ in 0..random.usize(1..25) {
                    let n = random.u16(..30);
                    if random.bool() {
                        rows += &agreed(n, if random.bool() { "A" } else { "B" });
                    } else {
                        writeln!(rows, "{},-,,,,", phone(n).e164()).unwrap();
                    }
                }
                let replace = [Replace::No, Replace::Yes, Replace::Anyway][random.usize(..3)];
                import_here(&desk, rows.as_bytes(), &order(replace)).await.unwrap();
            }
            4 | 5 => {
                let n = random.u16(..30);
                if desk.store.contact(&phone(n)).await.unwrap().is_some() {
                    leaves(&desk, n).await;
                    left.insert(n);
                }
            }
            6 => {
                if let Some(n) = left.iter().nth(random.usize(..30)).copied() {
                    joins(&desk, n).await;
                    left.remove(&n);
                }
            }
            _ => {
                let imports = desk.store.imports(None, 50).await.unwrap();
                if let Some(import) = imports.get(random.usize(..10)) {
                    undo_import(&desk, import, BY).await.unwrap();
                }
            }
        }
        for n in &left {
            assert_eq!(standing(&desk, *n).await.unwrap_or(Standing::Out), Standing::Out, "step {step}");
            assert_eq!(desk.store.suppressed_among(&[phone(*n)]).await.unwrap().len(), 1, "step {step}");
        }
    }
    assert!(left.len() > 3 && desk.store.textable(LIST).await.unwrap() > 0, "{left:?}");
}
