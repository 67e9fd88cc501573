#![allow(clippy::unwrap_used)]
use super::*;
use std::collections::BTreeSet;

fn start() -> Timestamp {
    "2022-01-25T10:00:00Z".parse().unwrap()
}

fn seconds(secs: i64) -> SignedDuration {
    SignedDuration::from_secs(secs)
}

fn not_sent() -> Outcome {
    Outcome::NotSent { reason: "refused".into() }
}

fn unclear() -> Outcome {
    Outcome::Unclear { reason: "answered 503".into() }
}

fn throttled(secs: Option<i64>) -> Outcome {
    Outcome::Throttled { retry_after: secs.map(seconds) }
}

fn accepted() -> Outcome {
    Outcome::Accepted { gateway_id: "1".into() }
}

/// What answers a probe during an outage: nobody, or everybody; or the gateway takes none.
#[derive(Clone, Copy, PartialEq)]
enum Probes {
    None,
    Fail,
    Lie,
}

/// Ten minutes in which every text fails at once; requests beyond those in flight at the beginning, and the line.
fn outage(seed: i64, in_flight: usize, failure: &Outcome, probes: Probes) -> (usize, Line, Timestamp) {
    let end = start() + seconds(600);
    let (mut line, mut now, mut requests, mut flying) = (Line::new(seed), start(), 0, in_flight);
    while now < end {
        if flying > 0 {
            flying -= 1;
            line = line.after(failure, now);
        }
        while flying < line.allows(in_flight, now) {
            requests += 1;
            if probes != Probes::None && line.asks(true, true, now) {
                let failed = (probes == Probes::Fail).then_some(failure);
                line = line.after_probe(failed, now);
            } else {
                line = line.trying();
                flying += 1;
            }
        }
        if flying == 0 {
            now = line.closed_until().unwrap();
        }
    }
    (requests, line, now)
}

#[test]
fn ten_minutes_of_outage_cost_what_was_in_flight_and_at_most_25_requests() {
    let kinds = [not_sent(), unclear(), throttled(None), throttled(Some(0)), throttled(Some(1)), throttled(Some(3600))];
    let mut most = 0;
    for failure in &kinds {
        for in_flight in [1, 8, 64] {
            for probes in [Probes::None, Probes::Fail, Probes::Lie] {
                for seed in 0..50 {
                    let (requests, ..) = outage(seed, in_flight, failure, probes);
                    assert!(requests <= 25, "{failure:?}, {in_flight} in flight: {requests}");
                    most = most.max(requests);
                }
            }
        }
    }
    assert!(most >= 20, "it is tried often enough: {most}");
}

/// The worst case without luck: no jitter at all.
#[test]
fn the_waits_alone_keep_the_promise() {
    let waits = (0_u32..).map(|n| (1_i64 << n.min(5)).min(LONGEST)).scan(0, |at, wait| {
        *at += wait;
        Some(*at)
    });
    assert_eq!(waits.take_while(|at| *at < 600).count() + 2, 25);
}

#[test]
fn texts_leave_within_a_minute_after_the_gateway_is_back() {
    for failure in [not_sent(), unclear(), throttled(None), throttled(Some(5))] {
        for seed in 0..200 {
            let (_, line, now) = outage(seed, 8, &failure, Probes::Fail);
            let back = start() + seconds(600);
            assert!(now.duration_since(back) <= seconds(38), "{seed}");
            let (probed, there) = (line.after_probe(None, now), line.asks(true, false, now));
            assert_eq!((there, probed.allows(8, now)), (!matches!(failure, Outcome::Throttled { .. }), 1));
            assert!(!probed.asks(true, true, now), "the next is a text");
            assert_eq!(
                probed.trying().after(&accepted(), now),
                Line::new(seed),
                "open, and nothing is held against it"
            );
        }
    }
}

#[test]
fn no_two_workers_wait_alike_and_nobody_shorter() {
    let waits = |seed| {
        let (mut line, mut now, mut waits) = (Line::new(seed), start(), Vec::new());
        for _ in 0..8 {
            line = line.trying().after(&not_sent(), now);
            let until = line.closed_until().unwrap();
            waits.push(until.duration_since(now).as_millis());
            now = until;
        }
        waits
    };
    for seed in 0..100 {
        for (wait, own) in waits(seed).into_iter().zip([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]) {
            assert!((own..=own * 5 / 4).contains(&wait), "{wait} for {own}");
        }
        assert_eq!(waits(seed), waits(seed));
    }
    assert_eq!((0..100).map(waits).collect::<BTreeSet<_>>().len(), 100);
    let first: BTreeSet<_> = (0..100).map(|seed| waits(seed)[0]).collect();
    assert!(first.len() > 60, "neighbours do not come back together: {}", first.len());
}

#[test]
fn a_gateway_may_ask_for_time_but_not_for_ten_years() {
    for (asked, least) in [(7, 7), (0, 1), (-5, 1), (900, 900), (315_360_000, 900), (i64::MAX, 900)] {
        let wait = Line::new(3).after(&throttled(Some(asked)), start()).closed_until().unwrap().duration_since(start());
        assert!((seconds(least)..=seconds(least) * 5 / 4).contains(&wait), "{asked}: {wait}");
    }
    let mut line = Line::new(3);
    for _ in 0..6 {
        line = line.trying().after(&throttled(Some(1)), line.closed_until().unwrap_or(start()));
    }
    let last = line.closed_until().unwrap();
    assert!(
        line.trying().after(&throttled(Some(1)), last).closed_until().unwrap() >= last + seconds(30),
        "one second for ever"
    );
}

#[test]
fn one_lost_answer_is_forgiven_and_the_next_closes_the_line() {
    let line = Line::new(1).after(&unclear(), start());
    assert_eq!((line.allows(8, start()), line.is_away()), (8, false));
    assert_eq!(line.after(&accepted(), start()), Line::new(1));
    let closed = line.after(&unclear(), start());
    assert_eq!((closed.allows(8, start()), closed.is_away()), (0, true));
    let burst = closed.after(&unclear(), start() + SignedDuration::from_millis(900));
    assert_eq!(burst, closed, "answers of one outage do not lengthen the wait");
    let until = closed.closed_until().unwrap();
    let tried = closed.trying().after(&unclear(), until);
    assert!(tried.closed_until().unwrap() >= until + seconds(2), "nothing is forgiven now");
}

/// Slow answers to what was handed over before would open it once for each of them, and every time all places fill.
#[test]
fn what_was_in_flight_when_it_closed_neither_opens_it_nor_lengthens_the_wait() {
    let closed = Line::new(1).after(&not_sent(), start());
    let until = closed.closed_until().unwrap();
    for at in [start(), until, until + seconds(19)] {
        for late in [accepted(), unclear(), not_sent(), throttled(Some(500))] {
            assert_eq!(closed.after(&late, at), closed);
        }
    }
    assert_eq!(closed.trying().after(&accepted(), until), Line::new(1));
    assert_eq!(Line::new(1).trying(), Line::new(1), "while it is open nothing is a trial");
}

#[test]
fn a_probe_that_was_answered_for_nothing_is_not_believed_again() {
    let line = Line::new(1).after(&not_sent(), start());
    assert!(!line.asks(true, true, start()), "not while it is closed");
    let at = line.closed_until().unwrap();
    assert!(line.asks(true, false, at) && line.asks(false, true, at) && !line.asks(false, false, at));
    let probed = line.after_probe(None, at);
    assert!(!probed.is_away() && !probed.asks(true, true, at));
    let again = probed.trying().after(&unclear(), at);
    let at = again.closed_until().unwrap();
    assert!(!again.asks(true, true, at) && again.allows(8, at) == 1, "a text tells");
    assert!(again.asks(false, true, at), "without texts, those in doubt are still asked about");
    assert!(
        again.trying().after(&accepted(), at).after(&not_sent(), at).asks(true, false, at + seconds(2)),
        "a new outage"
    );
    assert!(!line.without_probes().asks(true, true, at));
}

#[test]
fn what_bars_the_line_holds_whatever_else_is_answered() {
    let barred = Outcome::Barred { bar: Bar::Credentials, detail: "401".into() };
    let line = Line::new(1).after(&barred, start());
    let later = start() + seconds(100_000);
    for outcome in [accepted(), not_sent(), unclear(), throttled(Some(1))] {
        let line = line.after(&outcome, later);
        assert!(line.is_barred() && line.is_away() && line.allows(8, later + seconds(100)) == 0);
        assert!(!line.asks(true, true, later + seconds(100)));
    }
}

#[test]
fn a_certificate_that_can_t_be_trusted_bars_the_line_after_three_waits() {
    let untrusted = || Outcome::Untrusted { reason: "expired".into() };
    let (mut line, mut now) = (Line::new(1), start());
    for _ in 0..2 {
        line = line.trying();
        assert_eq!(line.judged(untrusted()), untrusted());
        line = line.after(&untrusted(), now);
        assert_eq!(line.judged(untrusted()), untrusted(), "those in flight are one case");
        now = line.closed_until().unwrap();
    }
    let line = line.trying();
    assert_eq!(line.judged(not_sent()), not_sent());
    assert!(matches!(line.judged(untrusted()), Outcome::Barred { bar: Bar::Certificate, .. }));
    let between = line.after(&not_sent(), now);
    assert_eq!(between.trying().judged(untrusted()), untrusted(), "in a row, or not at all");
}
