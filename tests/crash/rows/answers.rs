//! What the gateway says: garbage, floods of bytes, ways elsewhere, "slower", "not you", "not this number".

use super::super::faults::{Bench, MOST_KILOBYTES, Row, Seen, demands, verdict};
use super::super::installation::{Wish, number};
use super::super::script::{Class, Fault, Rule, Script};
use super::super::waiting::{now_ms, rest, until};
use jiff::fmt::rfc2822;
use std::time::Duration;

pub fn rows() -> Vec<Row> {
    let row = |number, done, expected, run| Row { number, done, expected, run };
    vec![
        row(
            "F25",
            "201 with HTML, broken JSON, nothing, another content type",
            "in doubt, never \"failed\"; found; one text",
            garbage,
        ),
        row("F26", "201 with 1 GB, a gzip bomb, 10,000 headers", "dropped, in doubt, at most 64 MiB of memory", floods),
        row("F27", "301, 302, 307, 308 to another port", "not followed; each once in the end", redirects),
        row(
            "F28",
            "429 with Retry-After: seconds, date, nonsense, ten years",
            "the whole line waits, nobody storms",
            slower,
        ),
        row("F30", "401, 403, 402", "the line pauses at once; goes on after: line resume", barred),
        row("F31", "400 for one number in four", "those rejected, the others sent, nobody tried again", one_number),
        row("F32", "the same id for every text", "no text sent again", same_id),
    ]
}

fn say(take: bool, status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fault::Say { take, status, headers, body: body.to_owned() }
}

/// Eight of these answers, one after the other in the whole; all end as one text each.
fn once_after(name: &str, class: Class, fault: Fault) -> Result<String, Seen> {
    let bench = Bench::new(class, 30, 1);
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::first(8, fault)]);
    let service = bench.installation.start();
    let doubted = until(Duration::from_secs(30), || bench.count("in_doubt") >= 8);
    let rows = bench.installation.books.rows("SELECT DISTINCT reason FROM messages WHERE state = 'in_doubt'").unwrap();
    let reason = rows.first().map(|row| row.concat()).unwrap_or_default();
    let memory = service.memory();
    let all = bench.end(service);
    if !doubted || !all.is_right() || bench.peer.counts().elsewhere > 0 || memory > MOST_KILOBYTES {
        return Err(Seen::Wrong(format!(
            "{name}: in doubt {doubted}, {} led elsewhere, {memory} KiB; {}",
            bench.peer.counts().elsewhere,
            all.in_words()
        )));
    }
    Ok(format!("{name}: {reason} ({} MiB)", memory / 1024))
}

fn several(faults: Vec<(&str, Fault)>, class: Class) -> Seen {
    let mut words = Vec::new();
    for (name, fault) in faults {
        match once_after(name, class, fault) {
            Ok(said) => words.push(said),
            Err(wrong) => return wrong,
        }
    }
    Seen::Right(words.join(" | "))
}

fn garbage(_: bool) -> Seen {
    let json = [("content-type", "application/json")];
    several(
        vec![
            ("HTML", say(true, 201, &[("content-type", "text/html")], "<html>created</html>")),
            ("broken JSON", say(true, 201, &json, "{\"id\":\"b-1\"")),
            ("nothing", say(true, 201, &json, "")),
            ("another type", say(true, 201, &[("content-type", "image/png")], "{\"id\":\"b-1\"}")),
        ],
        Class::B,
    )
}

fn floods(_: bool) -> Seen {
    several(
        vec![
            ("1 GB", Fault::Huge { take: true, megabytes: 1024 }),
            ("gzip", Fault::GzipBomb { take: true }),
            ("10,000 headers", Fault::ManyHeaders { take: true }),
        ],
        Class::B,
    )
}

fn redirects(_: bool) -> Seen {
    let there = |status| say(false, status, &[("location", "{elsewhere}/messages")], "");
    let all = [301, 302, 307, 308];
    let mut words = Vec::new();
    for status in all {
        match once_after(&status.to_string(), Class::B, there(status)) {
            Ok(said) => words.push(said),
            Err(wrong) => return wrong,
        }
    }
    Seen::Right(words.join(" | "))
}

fn slower(_: bool) -> Seen {
    let now = ringround::clock::Clock::System.now();
    let date = now.saturating_add(jiff::SignedDuration::from_secs(6)).unwrap();
    let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    let mut words = Vec::new();
    // How long nobody may ask again, at least; and whether the wait is over within this test.
    for (name, asked, least, ends) in [
        ("3 seconds", "3", 2900, true),
        ("a date", date.as_str(), 1000, true),
        ("nonsense", "soon, I hope", 900, true),
        ("ten years", "315360000", 5000, false),
    ] {
        let bench = Bench::new(Class::B, 60, 1);
        let wait = say(false, 429, &[("retry-after", asked)], "{\"error\":\"slower\"}");
        bench.peer.tell_rules(&bench.hooks(), vec![Rule::always(wait)]);
        let service = bench.installation.start();
        bench.peer.until_requests(1, Duration::from_secs(20));
        rest(Duration::from_millis(300)); // those in flight are answered
        let storm = bench.peer.counts().requests;
        let begun = now_ms();
        let seen = bench.peer.until_requests(storm + 1, Duration::from_secs(8));
        let (waited, came) = (now_ms() - begun + 300, seen.requests > storm);
        let doubts = bench.count("in_doubt");
        let right = storm <= 8 && waited >= least && came == ends && doubts == 0;
        let words_of_all = if ends {
            bench.peer.accept(&bench.hooks());
            let all = bench.end(service);
            if !all.is_right() {
                return Seen::Wrong(format!("{name}: {}", all.in_words()));
            }
            all.in_words()
        } else {
            service.stop();
            "held to 15 minutes, not waited for here".to_owned()
        };
        if !right {
            return Seen::Wrong(format!("{name}: {storm} at once, the next after {waited} ms, {doubts} in doubt"));
        }
        words.push(format!("{name}: {storm} at once, then {waited} ms, {words_of_all}"));
    }
    Seen::Right(words.join(" | "))
}

fn barred(_: bool) -> Seen {
    let mut words = Vec::new();
    for status in [401, 403, 402] {
        let bench = Bench::new(Class::B, 40, 1);
        bench.peer.tell_rules(&bench.hooks(), vec![Rule::always(say(false, status, &[], "{\"error\":\"not you\"}"))]);
        let service = bench.installation.start();
        let paused =
            until(Duration::from_secs(20), || bench.installation.books.number("SELECT COUNT(*) FROM pauses") == 1);
        rest(Duration::from_secs(2));
        let requests = bench.peer.counts().requests;
        bench.peer.accept(&bench.hooks());
        rest(Duration::from_secs(1));
        let still = bench.peer.counts().requests == requests;
        bench.installation.ok(&["line", "resume"]);
        let all = bench.end(service);
        if !paused || requests > 8 || !still || !all.is_right() {
            return Seen::Wrong(format!(
                "{status}: paused {paused}, {requests} requests, quiet {still}; {}",
                all.in_words()
            ));
        }
        words.push(format!("{status}: {requests} requests"));
    }
    Seen::Right(format!("{} (those in flight), then none until resumed", words.join(", ")))
}

fn one_number(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 40, 1);
    let refused: Vec<String> = (0..40).step_by(4).map(number).collect();
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::number(&refused, say(false, 400, &[], "{\"error\":\"number\"}"))]);
    let all = bench.end(bench.installation.start());
    let requests = bench.peer.counts().requests;
    let rejected = all.states.get("rejected").copied().unwrap_or(0);
    verdict(format!("{requests} requests"), &all, demands![rejected == 10 && requests == 40 => "{rejected} rejected"])
}

fn same_id(_: bool) -> Seen {
    let bench = Bench::of(&Wish::new(Class::B, 40, 1));
    bench.peer.tell(&Script { rules: vec![Rule::always(Fault::SameId)], hooks: bench.hooks(), ..Script::default() });
    let all = bench.end(bench.installation.start());
    let requests = bench.peer.counts().requests;
    verdict(
        format!("{requests} requests; no alarm is raised for it yet"),
        &all,
        demands![requests == 40 => "{requests}"],
    )
}
