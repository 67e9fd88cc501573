//! What the gateway says: garbage, floods of bytes, ways elsewhere, "slower", "not you", "not this number".

use super::super::faults::{Bench, MOST_KILOBYTES, Row, Seen, demands, verdict};
use super::super::installation::{Wish, number};
use super::super::script::{Class, Fault, Rule, Script};
use super::super::waiting::{at_once, now_ms, rest, until};
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

/// Four of these answers, then the right ones; all end as one text each.
fn once_after(name: &str, class: Class, fault: Fault) -> Result<String, Seen> {
    let bench = Bench::new(class, 30, 1);
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::first(4, fault)]);
    let service = bench.installation.start();
    let doubted = until(Duration::from_secs(30), || bench.count("in_doubt") > 0);
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

fn several(faults: &[(&str, Fault)], class: Class) -> Seen {
    let all = at_once(faults, |(name, fault)| once_after(name, class, fault.clone()));
    match all.into_iter().collect::<Result<Vec<String>, Seen>>() {
        Ok(words) => Seen::Right(words.join(" | ")),
        Err(wrong) => wrong,
    }
}

fn garbage(_: bool) -> Seen {
    let json = [("content-type", "application/json")];
    several(
        &[
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
        &[
            ("1 GB", Fault::Huge { take: true, megabytes: 1024 }),
            ("gzip", Fault::GzipBomb { take: true }),
            ("10,000 headers", Fault::ManyHeaders { take: true }),
        ],
        Class::B,
    )
}

fn redirects(_: bool) -> Seen {
    let there = |status| say(false, status, &[("location", "{elsewhere}/messages")], "");
    several(&[("301", there(301)), ("302", there(302)), ("307", there(307)), ("308", there(308))], Class::B)
}

fn slower(_: bool) -> Seen {
    let now = ringround::clock::Clock::System.now();
    let date = now.saturating_add(jiff::SignedDuration::from_secs(8)).unwrap();
    let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    // How long nobody may ask again, at least; and whether the wait is over within this test.
    let waits = [
        ("3 seconds", "3", 2900, true),
        ("a date", date.as_str(), 900, true),
        ("nonsense", "soon, I hope", 900, true),
        ("ten years", "315360000", 5000, false),
    ];
    match at_once(&waits, one_wait).into_iter().collect::<Result<Vec<String>, String>>() {
        Ok(words) => Seen::Right(words.join(" | ")),
        Err(wrong) => Seen::Wrong(wrong),
    }
}

fn one_wait(&(name, asked, least, ends): &(&str, &str, i64, bool)) -> Result<String, String> {
    let bench = Bench::new(Class::B, 60, 1);
    let wait = say(false, 429, &[("retry-after", asked)], "{\"error\":\"slower\"}");
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::always(wait)]);
    let service = bench.installation.start();
    bench.peer.until_requests(1, Duration::from_secs(20));
    rest(Duration::from_millis(300)); // those in flight are answered
    let storm = bench.peer.counts().requests;
    let begun = now_ms();
    let seen = bench.peer.until_requests(storm + 1, Duration::from_secs(9));
    let (waited, came) = (now_ms() - begun + 300, seen.requests > storm);
    let doubts = bench.count("in_doubt");
    if storm > 8 || waited < least || came != ends || doubts > 0 {
        return Err(format!("{name}: {storm} at once, the next after {waited} ms, {doubts} in doubt"));
    }
    if !ends {
        service.stop();
        return Ok(format!("{name}: {storm} at once, then nothing: 15 minutes are not waited for here"));
    }
    bench.peer.accept(&bench.hooks());
    let all = bench.end(service);
    let words = format!("{name}: {storm} at once, the next after {waited} ms, {}", all.in_words());
    if all.is_right() { Ok(words) } else { Err(words) }
}

fn barred(_: bool) -> Seen {
    match at_once(&[401, 403, 402], |status| one_bar(*status)).into_iter().collect::<Result<Vec<String>, String>>() {
        Ok(words) => Seen::Right(format!("{} (those in flight), then none until resumed", words.join(", "))),
        Err(wrong) => Seen::Wrong(wrong),
    }
}

fn one_bar(status: u16) -> Result<String, String> {
    let bench = Bench::new(Class::B, 40, 1);
    bench.peer.tell_rules(&bench.hooks(), vec![Rule::always(say(false, status, &[], "{\"error\":\"not you\"}"))]);
    let service = bench.installation.start();
    let pauses = || bench.installation.books.number("SELECT COUNT(*) FROM pauses");
    let paused = until(Duration::from_secs(20), || pauses() == 1);
    rest(Duration::from_secs(2));
    let requests = bench.peer.counts().requests;
    bench.peer.accept(&bench.hooks());
    rest(Duration::from_secs(1));
    let still = bench.peer.counts().requests == requests;
    bench.installation.ok(&["line", "resume"]);
    let all = bench.end(service);
    if paused && requests <= 8 && still && all.is_right() {
        return Ok(format!("{status}: {requests} requests"));
    }
    Err(format!("{status}: paused {paused}, {requests} requests, quiet {still}; {}", all.in_words()))
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
