//! What a gateway asks for in Retry-After, and how long the line then waits: whatever stands there, never shorter than a
//! second and never much longer than a quarter of an hour.

use super::fixtures::answer;
use jiff::{SignedDuration, Timestamp};
use ringround::domain::message::Outcome;
use ringround::engine::line::Line;
use ringround::gateway::Profile;

/// (what stands there, what is understood in seconds, what the line waits without its jitter). Twilio's profile says 5
/// where nothing is understood.
const WRITTEN: [(&str, i64, i64); 20] = [
    ("7", 7, 7),
    (" 120 ", 120, 120),
    ("0", 0, 1),
    ("1.2", 2, 2),
    ("30.0", 30, 30),
    ("0.001", 1, 1),
    ("-5", 5, 5),
    ("", 5, 5),
    ("soon", 5, 5),
    ("1e9", 5, 5),
    ("0x10", 5, 5),
    ("NaN", 5, 5),
    ("1.2.3", 5, 5),
    ("315360000", 315_360_000, 900),
    ("18446744073709551615", i64::MAX, 900),
    ("184467440737095516150", 5, 5),
    ("Mon, 24 Jan 2022 12:01:30 GMT", 90, 90),
    ("Mon, 24 Jan 2022 11:00:00 GMT", 0, 1),
    ("Mon, 24 Jan 2032 12:00:00 GMT", 5, 5), // a Saturday: nonsense like any other
    ("Sat, 24 Jan 2032 12:00:00 GMT", 315_532_800, 900),
];

#[test]
fn retry_after_is_understood_and_bounded() {
    let now: Timestamp = "2022-01-24T12:00:00Z".parse().unwrap();
    let profile = Profile::shipped("twilio").unwrap();
    for (written, understood, least) in WRITTEN {
        let headers = vec![("retry-after".to_owned(), written.to_owned())];
        let outcome = profile.outcome(&answer(429, &headers, b"{}", false), now);
        let Outcome::Throttled { retry_after: Some(asked) } = outcome else { panic!("{written}: {outcome:?}") };
        assert_eq!(asked.as_secs(), understood, "{written}");
        let closed = Line::new(7).after(&Outcome::Throttled { retry_after: Some(asked) }, now);
        let wait = closed.closed_until().unwrap().duration_since(now);
        let most = SignedDuration::from_secs(least) * 5 / 4;
        assert!((SignedDuration::from_secs(least)..=most).contains(&wait), "{written}: {wait}");
    }
}
