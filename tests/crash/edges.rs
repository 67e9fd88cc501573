//! The kill at every named instant: each edge of the chart, before and after its commit, and around and inside the bytes
//! of a request; in each class of gateway in which the edge can be reached.

use super::installation::{Installation, Wish, number};
use super::judge::{Stop, Verdict, judge, settles};
use super::peer::Peer;
use super::script::{Class, Fault, Reports, Rule, Script};
use super::service::Service;
use super::waiting::{now_ms, until};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

const PEOPLE: usize = 24;
/// Within this a named instant is passed, or it is never.
const BOUND: Duration = Duration::from_secs(40);

/// How an edge is reached.
struct Way {
    edge: &'static str,
    what: &'static str,
    classes: &'static [Class],
    /// No more passes than this can be had.
    passes: usize,
}

use Class::{A, B, D};

const WAYS: &[Way] = &[
    Way { edge: "E1", what: "made", classes: &Class::ALL, passes: 2 },
    Way { edge: "E3", what: "claimed", classes: &Class::ALL, passes: 12 },
    Way { edge: "E4", what: "on the wire", classes: &Class::ALL, passes: 12 },
    Way { edge: "E5", what: "accepted", classes: &Class::ALL, passes: 12 },
    Way { edge: "E6", what: "429: waits", classes: &Class::ALL, passes: 8 },
    Way { edge: "E7", what: "400: rejected", classes: &Class::ALL, passes: 12 },
    Way { edge: "E8", what: "answer lost", classes: &Class::ALL, passes: 8 },
    Way { edge: "E9", what: "found", classes: &Class::ALL, passes: 8 },
    Way { edge: "E10", what: "absent twice", classes: &[A, B], passes: 8 },
    Way { edge: "E11", what: "given up", classes: &[D], passes: 8 },
    Way { edge: "E12", what: "reported", classes: &Class::ALL, passes: 12 },
    Way { edge: "E13", what: "STOP: cancelled", classes: &Class::ALL, passes: 12 },
    Way { edge: "E14", what: "a person decides", classes: &[D], passes: 8 },
    Way { edge: "E16", what: "STOP: overtaken", classes: &Class::ALL, passes: 2 },
    Way { edge: "E17", what: "late report", classes: &[D], passes: 8 },
    Way { edge: "E18", what: "report in doubt", classes: &Class::ALL, passes: 8 },
    Way { edge: "E19", what: "better report", classes: &Class::ALL, passes: 12 },
    Way { edge: "E20", what: "report first", classes: &Class::ALL, passes: 12 },
    Way { edge: "E21", what: "belied", classes: &Class::ALL, passes: 8 },
];

/// Edges of the chart that nothing leads to yet, and why.
pub const NO_WAY: [(&str, &str); 2] =
    [("E2", "nothing is ever held yet: no approval, no cap"), ("E22", "a restored database: with the fence, F15")];

/// One kill.
#[derive(Clone, Debug)]
pub struct Cell {
    pub edge: &'static str,
    pub side: &'static str,
    pub class: Class,
    pub pass: usize,
}

/// What became of it: nothing wrong, or why.
#[derive(Debug)]
pub struct Outcome {
    pub cell: Cell,
    pub killed: bool,
    pub verdict: Verdict,
}

impl Outcome {
    pub fn is_right(&self) -> bool {
        self.killed && self.verdict.is_right()
    }
}

/// What an installation must be like for a dozen passes of an edge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Plain,
    /// One request at a time: many small claims, and texts that are claimed and not on the wire.
    Slow,
    /// A dozen and more in the first wave: after it the line is closed for a while.
    Wide,
}

impl Shape {
    fn of(edge: &str) -> Self {
        match edge {
            "E3" | "E16" => Self::Slow,
            "E8" | "E9" | "E10" | "E11" | "E17" | "E18" | "E21" => Self::Wide,
            _ => Self::Plain,
        }
    }

    fn wish(self, class: Class) -> Wish {
        let plain = Wish::new(class, PEOPLE, 1);
        match self {
            Self::Plain => plain,
            Self::Slow => Wish { in_flight: 1, people: 2 * PEOPLE, ..plain },
            Self::Wide => Wish { in_flight: 16, ..plain },
        }
    }
}

fn sides(edge: &str) -> &'static [&'static str] {
    if edge == "E4" { &["before", "inside", "after"] } else { &["before", "after"] }
}

/// All cells, with so many passes of each.
pub fn cells(passes: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for way in WAYS {
        for side in sides(way.edge) {
            for class in way.classes {
                for pass in 1..=passes.min(way.passes) {
                    cells.push(Cell { edge: way.edge, side, class: *class, pass });
                }
            }
        }
    }
    cells
}

/// Kills in all cells, several at a time; each has a gateway and an installation of its own.
pub fn all(cells: &[Cell], hands: usize, told: impl Fn(&Outcome) + Sync) -> Vec<Outcome> {
    let shapes = [Shape::Plain, Shape::Slow, Shape::Wide];
    let templates: BTreeMap<(Class, Shape), (Peer, Installation)> = Class::ALL
        .into_iter()
        .flat_map(|class| shapes.map(|shape| (class, shape)))
        .map(|(class, shape)| {
            let peer = Peer::start(class);
            let installation = Installation::new(&shape.wish(class), &peer);
            ((class, shape), (peer, installation))
        })
        .collect();
    let waiting = Mutex::new(cells.iter().rev().cloned().collect::<Vec<_>>());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..hands {
            scope.spawn(|| {
                while let Some(cell) = { waiting.lock().unwrap().pop() } {
                    let (_, template) = &templates[&(cell.class, Shape::of(cell.edge))];
                    let outcome = one(&cell, template);
                    told(&outcome);
                    done.lock().unwrap().push(outcome);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// What the gateway does so that the edge is reached.
fn script(cell: &Cell, hooks: &str) -> Script {
    // All of a first wave are on the wire before the first of them is answered.
    let latency_ms = if Shape::of(cell.edge) == Shape::Wide { (200, 200) } else { (5, 20) };
    let script = Script { hooks: hooks.to_owned(), latency_ms, ..Script::default() };
    let with = |rules: Vec<Rule>, reports: Option<Reports>| Script { rules, reports, ..script.clone() };
    let wait = |take, seconds: &str| Fault::Say {
        take,
        status: 429,
        headers: vec![("retry-after".to_owned(), seconds.to_owned())],
        body: "{\"error\":\"slower\"}".to_owned(),
    };
    let lost = || vec![Rule::first(16, Fault::TakeAndHangUp)];
    match cell.edge {
        "E6" => with(vec![Rule::first(12, wait(false, "1"))], None),
        "E7" => {
            let refused: Vec<String> = (0..PEOPLE).step_by(2).map(number).collect();
            let no =
                Fault::Say { take: false, status: 400, headers: Vec::new(), body: "{\"error\":\"number\"}".to_owned() };
            with(vec![Rule::number(&refused, no)], None)
        }
        "E8" => with(lost(), None),
        // One of class A is not asked, and one of class D can't be; a report that says "sent" finds the text as well.
        "E9" if matches!(cell.class, A | D) => with(lost(), Some(Reports::of("sent", 300))),
        "E9" | "E11" | "E14" | "E17" => with(lost(), None),
        "E10" => {
            let down =
                Fault::Say { take: false, status: 503, headers: Vec::new(), body: "{\"error\":\"down\"}".to_owned() };
            with(vec![Rule::first(16, down)], None)
        }
        "E12" => with(Vec::new(), Some(Reports::of("delivered", 60))),
        "E13" => Script { latency_ms: (150, 150), ..script },
        "E16" => with(vec![Rule::first(1, Fault::Wait { take: true })], None),
        "E18" => with(lost(), Some(Reports::of("delivered", 600))),
        "E19" => with(Vec::new(), Some(Reports { apart_ms: 120, ..Reports::of("undelivered delivered", 60) })),
        "E20" => with(Vec::new(), Some(Reports { before_answer: true, ..Reports::of("delivered", 0) })),
        // It says "later" and has taken it all the same. Its report comes within the wait, a restart in between included:
        // nothing else can show that it did not speak the truth.
        "E21" => with(vec![Rule::first(16, wait(true, "10"))], Some(Reports::of("delivered", 500))),
        _ => script,
    }
}

fn one(cell: &Cell, template: &Installation) -> Outcome {
    let peer = Peer::start(cell.class);
    let installation = template.copy(&peer);
    peer.tell(&script(cell, &installation.hooks));
    let fault = format!("kill:{}.{}:{}", cell.edge, cell.side, cell.pass);
    let mut stops = Vec::new();
    let service = installation.begin(&[("RINGROUND_FAULT", &fault)]);
    let killed = drive(cell, &installation, &peer, service, &mut stops);
    let mut verdict = Verdict::default();
    // What made the edge reachable is over; a number that can't be texted stays one, and reports go on coming.
    let script = script(cell, &installation.hooks);
    let rules = script.rules.iter().filter(|rule| !rule.numbers.is_empty()).cloned().collect();
    peer.tell(&Script { rules, latency_ms: (0, 0), ..script });
    let mut service = installation.begin(&[]);
    if service.try_ready() {
        send_stops(cell, &installation, &mut stops);
        let settled = settles(&installation, BOUND);
        if cell.edge == "E17" {
            late_reports(&peer);
        }
        settles(&installation, BOUND);
        reports_are_in(&installation, &peer);
        let ended = service.stop();
        verdict = judge(&installation, &peer, &stops);
        if !settled || ended != Some(0) {
            verdict.wrong.push(format!("settled {settled}, exit code {ended:?}"));
        }
        expected(cell, &peer, &mut verdict);
    } else {
        verdict.wrong.push(format!("does not start again: {}", service.said()));
    }
    Outcome { cell: cell.clone(), killed, verdict }
}

/// Brings the service to its edge; true if it was killed there.
fn drive(cell: &Cell, installation: &Installation, peer: &Peer, mut service: Service, stops: &mut Vec<Stop>) -> bool {
    match cell.edge {
        "E13" | "E16" => {
            peer.until_requests(1, BOUND);
            send_stops(cell, installation, stops);
            if cell.edge == "E16" && !service.is_over() {
                peer.accept(&installation.hooks); // what waited is answered, and the next ones have their turn
            }
        }
        "E14" => {
            let unresolved = || installation.books.count("unresolved");
            until(BOUND, || unresolved() >= i64::try_from(cell.pass).unwrap() || service.is_over());
            // More of them may come while the command is typed: then it asks for another number.
            until(BOUND, || {
                let all = unresolved().to_string();
                let decide = ["doubts", "resolve", "--all", "--as", "arrived", "--why", "they rang", "--yes-to", &all];
                installation.run(&decide);
                service.is_over()
            });
        }
        "E17" => {
            let unresolved = || installation.books.count("unresolved") >= i64::try_from(cell.pass.min(12)).unwrap();
            until(BOUND, || unresolved() || service.is_over());
            late_reports(peer);
        }
        _ => {}
    }
    service.was_killed(BOUND)
}

/// STOP from some people, those first whose texts are claimed ahead (E16) or wait (E13); those that were acknowledged.
fn send_stops(cell: &Cell, installation: &Installation, stops: &mut Vec<Stop>) {
    let who: Vec<usize> = match cell.edge {
        "E16" => vec![1, 2],
        "E13" => (PEOPLE - cell.pass.max(2)..PEOPLE).collect(),
        _ => return,
    };
    for person in who {
        let phone = number(person);
        let known = stops.iter().any(|(stopped, _)| *stopped == phone);
        if !known && installation.text_from(&format!("stop-{person}"), &phone, "STOP") == Some(200) {
            stops.push((phone, now_ms()));
        }
    }
}

/// Reports about all that the gateway took.
fn late_reports(peer: &Peer) {
    for entry in peer.book().iter().filter(|entry| entry.taken) {
        peer.report(&entry.reference, "delivered");
    }
}

/// Waits until no report is on its way any more.
fn reports_are_in(installation: &Installation, peer: &Peer) {
    let counts = peer.counts();
    if counts.reported + counts.report_refused == 0 {
        return;
    }
    let (mut last, mut since) = (0, now_ms());
    until(BOUND, || {
        let counts = peer.counts();
        let now = counts.reported + counts.report_refused;
        if now != last {
            (last, since) = (now, now_ms());
        }
        now_ms() - since > 600
    });
    settles(installation, BOUND);
}

/// Beyond what is true everywhere: where the edge should have led.
fn expected(cell: &Cell, peer: &Peer, verdict: &mut Verdict) {
    let count = |state: &str| verdict.states.get(state).copied().unwrap_or(0);
    let need: Option<(&str, usize)> = match cell.edge {
        "E7" if matches!(cell.class, A | B) => Some(("rejected", PEOPLE / 2)),
        "E12" | "E19" | "E20" => Some(("delivered", peer.counts().taken)),
        _ => None,
    };
    if let Some((state, least)) = need
        && count(state) < least
    {
        let seen = count(state);
        verdict.wrong.push(format!("{seen} {state} of {least}"));
    }
    let unresolved = count("unresolved");
    let may_be: usize = if cell.class == D { PEOPLE } else { 0 };
    if unresolved > may_be {
        verdict.wrong.push(format!("{unresolved} unresolved"));
    }
}

/// The table edge × class: in each field how many passes were right, or what was not.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut table = format!("{:<6} {:<16} {:<7} {:>8} {:>8} {:>8} {:>8}\n", "edge", "", "kill", "A", "B", "C", "D");
    for way in WAYS {
        for side in sides(way.edge) {
            table.push_str(&format!("{:<6} {:<16} {side:<7}", way.edge, way.what));
            for class in Class::ALL {
                let here =
                    || outcomes.iter().filter(|o| (o.cell.edge, o.cell.side, o.cell.class) == (way.edge, *side, class));
                let (all, right) = (here().count(), here().filter(|o| o.is_right()).count());
                let field = match (way.classes.contains(&class), all, right == all) {
                    (false, ..) => "-".to_owned(),
                    (true, 0, _) => "not run".to_owned(),
                    (true, _, true) => format!("{right} ok"),
                    (true, _, false) => format!("{right}/{all} !!"),
                };
                table.push_str(&format!(" {field:>8}"));
            }
            table.push('\n');
        }
    }
    for (edge, why) in NO_WAY {
        table.push_str(&format!("{edge:<6} no way leads there: {why}\n"));
    }
    table
}
