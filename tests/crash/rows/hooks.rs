//! What reaches the hooks: reports in any order, forgeries, replays, floods, loops, strangers, and STOP.

use super::super::callbacks::{self, Callback, signed_at};
use super::super::faults::{Bench, Row, Seen, demands, verdict};
use super::super::installation::{Wish, number};
use super::super::script::{Class, Reports, Script};
use super::super::waiting::{now_ms, rest, until};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub fn rows() -> Vec<Row> {
    let row = |number, done, expected, run| Row { number, done, expected, run };
    vec![
        row(
            "F34",
            "reports in all orders, ten times each, before the answer, about nobody",
            "one end for all orders; acknowledged",
            reports,
        ),
        row("F35", "forged callbacks, all classes", "401 or 403, nothing stored", forged),
        row(
            "F36",
            "replays, at once and signed six minutes ago",
            "absorbed; refused where the time is signed",
            replayed,
        ),
        row(
            "F37",
            "a flood of joins from one number and from many, STOPs among them",
            "each STOP within 1 s; at most 3 answers a number",
            flood,
        ),
        row("F38", "every answer is answered by a machine", "at most 3 answers", machine),
        row("F39", "joins from premium, foreign, short and named senders", "recorded, never answered", strangers),
        row("F40", "STOP while texts are being claimed, 60 times", "left before the 200, or never", stop_while_claimed),
    ]
}

fn reports(_: bool) -> Seen {
    let orders = [
        ["sent", "delivered", "undelivered"],
        ["sent", "undelivered", "delivered"],
        ["delivered", "sent", "undelivered"],
        ["delivered", "undelivered", "sent"],
        ["undelivered", "sent", "delivered"],
        ["undelivered", "delivered", "sent"],
    ];
    for class in Class::ALL {
        let bench = Bench::new(class, 12, 1);
        let service = bench.installation.start();
        until(Duration::from_secs(20), || bench.count("accepted") == 12);
        for (at, entry) in bench.peer.book().iter().enumerate() {
            for status in orders[at % 6] {
                for _ in 0..10 {
                    let told = callbacks::report(class, &bench.hooks(), &entry.reference, "g", status).post();
                    if told != Some(200) {
                        return Seen::Wrong(format!("{}: {status} was answered {told:?}", class.letter()));
                    }
                }
            }
        }
        let unknown = callbacks::report(class, &bench.hooks(), "aaaaaabbbbbbccccccdddd27", "g", "delivered").post();
        let all = bench.end(service);
        let delivered = all.states.get("delivered").copied().unwrap_or(0);
        if unknown != Some(200) || delivered != 12 || !all.is_right() {
            return Seen::Wrong(format!("{}: unknown {unknown:?}, {}", class.letter(), all.in_words()));
        }
    }
    let bench = Bench::new(Class::B, 40, 1);
    let early = Reports { before_answer: true, copies: 3, ..Reports::of("delivered", 0) };
    bench.peer.tell(&Script { hooks: bench.hooks(), latency_ms: (5, 60), reports: Some(early), ..Script::default() });
    let service = bench.installation.start();
    until(Duration::from_secs(20), || bench.count("delivered") == 40);
    let all = bench.end(service);
    verdict(
        "six orders in four classes, and before the answer",
        &all,
        demands![all.states.get("delivered") == Some(&40) => "not all delivered"],
    )
}

/// Raw words to the hooks; the status.
fn raw(callback: &Callback) -> Option<u16> {
    let mut stream = TcpStream::connect(&callback.host).ok()?;
    stream.write_all(&callback.as_bytes()).ok()?;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.split(' ').nth(1)?.parse().ok()
}

/// Forgeries of one genuine callback.
fn forgeries(class: Class, genuine: &Callback) -> Vec<(&'static str, Callback)> {
    let mut all = Vec::new();
    let mut with = |name, change: &dyn Fn(&mut Callback)| {
        let mut forged = genuine.clone();
        change(&mut forged);
        all.push((name, forged));
    };
    if class == Class::D {
        with("no secret", &|c| c.target = c.target.replace(&format!("/{}", callbacks::CALLBACK), ""));
        with("a truncated secret", &|c| {
            c.target = c.target.replace("the-secret-of-the-callbacks", "the-secret-of-the-callback");
        });
        with("another secret", &|c| {
            c.target = c.target.replace("the-secret-of-the-callbacks", "the-secret-of-the-callbackz");
        });
        return all;
    }
    let proof = if class == Class::B { "authorization" } else { "x-signature" };
    with("no proof", &|c| c.headers.retain(|(name, _)| name != proof));
    with("a truncated proof", &|c| {
        c.headers.iter_mut().filter(|(name, _)| name == proof).for_each(|(_, value)| value.truncate(value.len() - 1));
    });
    with("another key's proof", &|c| {
        c.headers.iter_mut().filter(|(name, _)| name == proof).for_each(|(_, value)| {
            // The first digit always changes: some tags hold none of any few letters.
            *value = match value.strip_prefix("Bearer ") {
                Some(_) => "Bearer another-secret".to_owned(),
                None => format!("{}{}", if value.starts_with('0') { '1' } else { '0' }, &value[1..]),
            };
        });
    });
    if class != Class::B {
        with("a changed body", &|c| c.body = c.body.replace("STOP", "STOQ"));
    }
    if class == Class::C {
        with("a changed address", &|c| c.target = c.target.replace("/inbound", "/inbound?x=1"));
    }
    all
}

fn forged(_: bool) -> Seen {
    let mut tried = 0;
    for class in Class::ALL {
        let bench = Bench::new(class, 5, 1);
        let service = bench.installation.start();
        until(Duration::from_secs(20), || bench.count("accepted") == 5);
        let genuine = callbacks::inbound(class, &bench.hooks(), "forged-1", &number(1), "STOP");
        for (name, forged) in forgeries(class, &genuine) {
            let status = raw(&forged);
            tried += 1;
            if !matches!(status, Some(401 | 403)) {
                return Seen::Wrong(format!("{}, {name}: {status:?}", class.letter()));
            }
        }
        let stored = bench.installation.books.number("SELECT COUNT(*) FROM inbounds");
        let all = bench.end(service);
        if stored > 0 || !all.is_right() {
            return Seen::Wrong(format!("{}: {stored} stored; {}", class.letter(), all.in_words()));
        }
    }
    Seen::Right(format!("{tried} forgeries refused, nothing stored"))
}

fn replayed(_: bool) -> Seen {
    let mut words = Vec::new();
    for class in Class::ALL {
        let mut bench = Bench::new(class, 5, 1);
        let service = bench.installation.start();
        until(Duration::from_secs(20), || bench.count("accepted") == 5);
        let genuine = callbacks::inbound(class, &bench.hooks(), "once-1", &number(1), "STOP");
        let answers: Vec<_> = (0..5).map(|_| raw(&genuine)).collect();
        bench.stops.push((number(1), now_ms()));
        let body = json!({"id": "old-1", "from": number(2), "text": "STOP"}).to_string();
        let old = signed_at(class, &bench.hooks(), "/inbound", body, now_ms() / 1000 - 360);
        let refused = if class == Class::A { raw(&old) } else { Some(403) };
        let stored = bench.installation.books.number("SELECT COUNT(*) FROM inbounds");
        let all = bench.end(service);
        let goodbyes = all.messages - 5;
        if answers != [Some(200); 5] || refused != Some(403) || stored != 1 || goodbyes != 1 || !all.is_right() {
            let seen = format!("{answers:?}, old {refused:?}, {stored} stored, {goodbyes} answers");
            return Seen::Wrong(format!("{}: {seen}; {}", class.letter(), all.in_words()));
        }
        words.push(class.letter());
    }
    Seen::Right(format!(
        "{}: five copies, one STOP, one answer; class A refuses one of six minutes ago",
        words.join(", ")
    ))
}

fn flood(long: bool) -> Seen {
    let (from_one, from_many, stops) = if long { (10_000, 900, 60) } else { (400, 300, 20) };
    let mut bench = Bench::new(Class::B, 100, 1);
    let service = bench.installation.start();
    until(Duration::from_secs(20), || bench.count("accepted") == 100);
    let hooks = bench.hooks();
    let joins: Vec<Callback> = (0..from_one)
        .map(|n| callbacks::inbound(Class::B, &hooks, &format!("one-{n}"), &number(999), "DUDLEY"))
        .chain(
            (0..from_many)
                .map(|n| callbacks::inbound(Class::B, &hooks, &format!("many-{n}"), &number(100 + n % 890), "DUDLEY")),
        )
        .collect();
    let mut took = Vec::new();
    let mut unanswered = 0;
    std::thread::scope(|scope| {
        let hands: Vec<_> = joins
            .chunks(joins.len().div_ceil(16))
            .map(|share| scope.spawn(|| share.iter().filter(|join| join.post() != Some(200)).count()))
            .collect();
        rest(Duration::from_millis(300));
        for n in 0..stops {
            let begun = now_ms();
            let stop = callbacks::inbound(Class::B, &hooks, &format!("stop-{n}"), &number(n), "STOP");
            let answered = until(Duration::from_secs(5), || stop.post() == Some(200));
            took.push(if answered { now_ms() - begun } else { i64::MAX });
            bench.stops.push((number(n), now_ms()));
        }
        unanswered = hands.into_iter().map(|hand| hand.join().unwrap()).sum();
    });
    took.sort_unstable();
    let (most_of_them, slowest) = (took[took.len() * 19 / 20 - 1], took[took.len() - 1]);
    // Those who joined are on the list, but came after the broadcast.
    let all = bench.end(service);
    let most = "SELECT COALESCE(MAX(n), 0) FROM (SELECT COUNT(*) AS n FROM messages WHERE reply IS NOT NULL GROUP BY contact_id) t";
    let most = bench.installation.books.number(most);
    verdict(
        format!(
            "{} joins, {unanswered} to come again; 19 of 20 STOPs within {most_of_them} ms, all within {slowest} ms; most answers to one number {most}",
            joins.len()
        ),
        &all,
        demands![slowest <= 1000 => "a STOP took {slowest} ms"; most <= 3 => "{most} answers"],
    )
}

fn machine(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 3, 1);
    let service = bench.installation.start();
    until(Duration::from_secs(20), || bench.count("accepted") == 3);
    let (mut answered, mut sent) = (3, 0);
    for turn in 0..12 {
        let words =
            ["HELP", "I am away until Monday", "DUDLEY", "thank you for your message", "HELP", "DUDLEY"][turn % 6];
        bench.installation.text_from(&format!("loop-{turn}"), &number(1), words);
        sent += 1;
        let seen = bench.peer.until_requests(answered + 1, Duration::from_millis(700)).requests;
        answered = seen.max(answered);
    }
    let all = bench.end(service);
    let answers = answered - 3;
    verdict(
        format!("{sent} texts of a machine, {answers} answers"),
        &all,
        demands![answers <= 3 => "{answers} answers"],
    )
}

fn strangers(_: bool) -> Seen {
    let bench = Bench::new(Class::B, 3, 1);
    let service = bench.installation.start();
    until(Duration::from_secs(20), || bench.count("accepted") == 3);
    let senders = ["+449098790000", "+15551234567", "60777", "BANK", "+33612345678", "+441632960001"];
    for (n, sender) in senders.iter().enumerate() {
        let status = bench.installation.text_from(&format!("stranger-{n}"), sender, "DUDLEY");
        if status != Some(200) {
            return Seen::Wrong(format!("{sender} was answered {status:?}"));
        }
    }
    rest(Duration::from_secs(2));
    let stored = bench.installation.books.number("SELECT COUNT(*) FROM inbounds");
    let requests = bench.peer.counts().requests - 3;
    let all = bench.end(service);
    let kept = i64::try_from(senders.len()).unwrap() == stored;
    verdict(format!("{stored} recorded, {requests} answered"), &all, demands![kept && requests == 0 => "not so"])
}

fn stop_while_claimed(_: bool) -> Seen {
    let mut bench = Bench::of(&Wish { per_second: 200, ..Wish::new(Class::B, 120, 2) });
    bench.peer.tell(&Script { hooks: bench.hooks(), latency_ms: (1, 25), ..Script::default() });
    let service = bench.installation.start();
    bench.peer.until_requests(1, Duration::from_secs(20));
    let mut random = fastrand::Rng::with_seed(40);
    for n in 0..60 {
        // Those whose turn is about now.
        let phone = number((n * 2 + random.usize(0..8)).min(119));
        if bench.stops.iter().all(|(stopped, _)| *stopped != phone)
            && bench.installation.text_from(&format!("stop-{n}"), &phone, "STOP") == Some(200)
        {
            bench.stops.push((phone, now_ms()));
        }
    }
    let all = bench.end(service);
    let cancelled = all.states.get("cancelled").copied().unwrap_or(0);
    verdict(
        format!("{} STOPs, {cancelled} texts cancelled, {} after STOP", bench.stops.len(), all.after_stop),
        &all,
        demands![cancelled > 0 => "no STOP came in time to matter"],
    )
}
