//! `ringround run`, the real binary, through a live Kannel (Debian's `kannel` and `kannel-extras`): every trap of it that
//! we know of, played for real.
//!
//! Kannel's fake SMSC listens on every address of the machine. So each test runs in a network namespace of its own,
//! where there is nothing but a loopback; where that can't be had, Kannel takes connections from 127.0.0.1 only.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "support/program.rs"]
mod program;

mod kannel {
    pub mod installation;
    pub mod peer;
    pub mod phone;

    use std::net::TcpListener;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    /// Nothing here takes longer, on a slow machine under load.
    pub const BOUND: Duration = Duration::from_secs(30);

    /// Looks again and again until it is so.
    pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let (_never, wait) = channel::<()>();
        for _ in 0..BOUND.as_millis() / 50 {
            if is_so() {
                return;
            }
            let _ = wait.recv_timeout(Duration::from_millis(50)); // the other end never speaks
        }
        panic!("did not come about: {what}");
    }

    /// Ports that nobody listens at.
    pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
        let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        listeners.map(|listener| listener.local_addr().unwrap().port())
    }
}

use jiff::SignedDuration;
use kannel::installation::{Installation, TESTER};
use kannel::peer::{BEARERBOX, Care, FAKESMSC, Kannel, SECRET, get};
use kannel::until;
use ringround::clock::Clock;
use ringround::store::{Place, Store};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Set in the namespace.
const INSIDE: &str = "RINGROUND_TEST_KANNEL_INSIDE";
const TESTER_DIGITS: &str = "447700900001";

/// Runs a test where nobody outside can reach its Kannel; none where there is no Kannel.
fn live(name: &str, test: fn()) {
    if !Path::new(BEARERBOX).exists() || !Path::new(FAKESMSC).exists() {
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "no Kannel to test on");
        return say_once("SKIPPED: every test on Kannel. Debian has it: apt-get install kannel kannel-extras");
    }
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let Some(mut alone) = own_network() else {
        say_once("tests on Kannel share this machine's network: unshare or ip can't be used here");
        return test();
    };
    let mut inside = alone.arg(std::env::current_exe().unwrap());
    inside = inside.args(["--exact", &format!("{name}::live"), "--nocapture"]).env(INSIDE, "1");
    let output = inside.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// A command that runs the one given to it in a network namespace of its own, with the loopback up.
fn own_network() -> Option<Command> {
    const UP: &str = "ip link set lo up && exec \"$0\" \"$@\"";
    let way = |flags: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(flags).args(["--net", "sh", "-c", UP]);
        command
    };
    let ways: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
    let works = |flags: &&[&str]| way(flags).arg("true").output().is_ok_and(|o| o.status.success());
    ways.into_iter().find(works).map(way)
}

fn say_once(line: &str) {
    static SAID: OnceLock<()> = OnceLock::new();
    // Straight to standard error: what a passing test prints is not shown.
    SAID.get_or_init(|| std::io::stderr().write_all(format!("\n!!! {line}\n").as_bytes()).unwrap_or_default());
}

/// Makes `name::live` of each `fn name`.
macro_rules! on_kannel {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn live() {
                super::live(stringify!($name), super::$name);
            }
        }
    )+};
}

on_kannel! {
    texts_arrive_as_written_and_are_reported,
    a_word_joins_and_stop_leaves_and_no_other_text_is_sent,
    an_empty_answer_would_be_texted_but_for_two_settings,
    a_campaign_reaches_everybody_once,
    a_killed_gateway_leaves_doubt_for_a_person_and_no_second_text,
    a_gateway_that_is_restarted_in_order_loses_and_repeats_nothing,
    our_own_kill_is_resolved_by_the_report_that_carries_our_reference,
    phones_that_are_away_get_their_text_later,
    a_stop_that_comes_while_we_are_down_is_heard_later,
    what_would_be_cut_is_not_sent,
    a_text_without_words_is_not_sent,
    a_wrong_password_pauses_the_line_and_nothing_is_tried_again,
    what_can_t_be_routed_is_final_and_stops_nothing,
    what_expires_in_kannel_is_undelivered,
    an_expiry_in_the_network_is_34_and_undelivered,
}

fn texts_arrive_as_written_and_are_reported() {
    let kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    let texts = [
        ("{{to}} \"quoted\" & 'so' 100% of %d+%20\nline two £é€ @_~[]\\ <end>", 1),
        ("SEND: سروے جمعہ دوپہر 12 بجے بند ہو گا", 1),
        (&"اردو ".repeat(30), 3),
        (&"0123456789".repeat(90), 6),
        ("😀 emoji", 1),
    ];
    for (count, (words, parts)) in (1..).zip(texts) {
        let said = installation.ok(&["send-test", "--to", TESTER, words]);
        assert!(said.contains(": accepted") || said.contains(": delivered"), "{said}");
        installation.until_count("delivered", count);
        let arrived = kannel.phone.texts().pop().unwrap();
        assert_eq!(
            (arrived.to.as_str(), arrived.words.trim_end(), arrived.parts),
            (TESTER_DIGITS, words.trim_end(), parts)
        );
    }
    let said = service.stop();
    for secret in ["7700900001", "quoted", SECRET, kannel::peer::PASSWORD] {
        assert!(!said.contains(secret), "the log holds {secret}");
    }
    assert_eq!(kannel.phone.texts().len(), texts.len());
}

fn a_word_joins_and_stop_leaves_and_no_other_text_is_sent() {
    let kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    kannel.write("447700900101", "text Dudley");
    assert_eq!(kannel.phone.until_text("you have joined").to, "447700900101");
    assert_eq!(installation.status()["opted_in"], 1);
    kannel.write("447700900101", "text what time is the meeting & where? 100%");
    until("a person is to read it", || installation.status()["unread"] == 1);
    kannel.phone.until_text("Nothing is running at the moment");
    kannel.write("447700900101", "text stop pls");
    kannel.phone.until_text("you have left");
    assert_eq!(installation.status()["opted_in"], 0);
    // A stranger's STOP in Urdu comes as UTF-16; it is kept, and answered too.
    kannel.write("447700900102", "ucs2 %06%28%06%46%06%2F%00%20%06%A9%06%31%06%48");
    until("two goodbyes", || {
        kannel.phone.texts().iter().filter(|text| text.words.contains("you have left")).count() == 2
    });
    installation.until_count("delivered", 4);
    let arrived: Vec<String> = kannel.phone.texts().into_iter().map(|text| text.words).collect();
    assert_eq!(arrived.len(), 4, "{arrived:?}");
    assert!(!arrived.iter().any(|words| words.contains("Empty reply")));
    let inbox = installation.ok(&["inbox"]);
    assert!(inbox.contains("what time is the meeting & where? 100%"), "{inbox}");
    service.stop();
}

fn an_empty_answer_would_be_texted_but_for_two_settings() {
    let kannel = Kannel::start(Care::Defaults);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    kannel.write("447700900101", "text what time is the meeting?");
    kannel.phone.until_text("<Empty reply from service provider>");
    installation.until_count("delivered", 1);
    let ours = kannel.phone.texts().into_iter().filter(|text| text.words.contains("Nothing is running at the moment"));
    assert_eq!(ours.count(), 1);
    assert_eq!(installation.status()["messages"], 1, "the empty one is none of ours");
    let stopping = Clock::System.now();
    service.stop();
    let took = Clock::System.now().duration_since(stopping);
    assert!(took < SignedDuration::from_secs(3), "Kannel keeps its connection to our hooks: the end took {took}");
}

fn a_campaign_reaches_everybody_once() {
    let kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    installation.campaign();
    installation.until_count("delivered", 33);
    service.stop();
    assert_eq!(kannel.phone.texts().len(), 33);
    assert_eq!(people(&kannel), 33);
}

/// How many numbers have a text; each must have one.
fn people(kannel: &Kannel) -> usize {
    let arrived = kannel.phone.texts();
    let people: BTreeSet<&str> = arrived.iter().map(|text| text.to.as_str()).collect();
    assert_eq!(arrived.len(), people.len(), "a second text to somebody: {arrived:#?}");
    people.len()
}

fn a_killed_gateway_leaves_doubt_for_a_person_and_no_second_text() {
    let mut kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    installation.campaign();
    until("some have arrived", || people(&kannel) >= 5);
    // A bearerbox that hangs keeps requests waiting, as many as may be in flight; then it dies with them.
    kannel.signal_bearerbox("STOP");
    until("requests hang", || kannel.requests() >= people(&kannel) + 4 && installation.count("submitting") >= 4);
    kannel.kill_bearerbox();
    kannel.bring_up();
    until("all that could leave has left", || installation.is_settled(&["queued", "submitting", "in_doubt"]));
    let unresolved = installation.count("unresolved");
    assert!((1..=6).contains(&unresolved), "what was on the wire, and no more: {unresolved}");
    let words = installation.ok(&["status"]);
    let texts = if unresolved == 1 { "text" } else { "texts" };
    let must = format!("In doubt, and a person must decide: {unresolved} {texts}, the oldest for ");
    assert!(words.contains(&must), "{words}");
    let known = installation.count("accepted") + installation.count("delivered");
    assert_eq!(known + unresolved, 33);
    until("what was taken has arrived", || people(&kannel) >= usize::try_from(known).unwrap());
    service.stop();
}

fn a_gateway_that_is_restarted_in_order_loses_and_repeats_nothing() {
    let mut kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    installation.campaign();
    until("some have arrived", || people(&kannel) >= 5);
    kannel.stop_bearerbox();
    kannel.bring_up();
    until("all that could leave has left", || installation.is_settled(&["queued", "submitting", "in_doubt"]));
    let unresolved = usize::try_from(installation.count("unresolved")).unwrap();
    let taken = installation.count("accepted") + installation.count("delivered");
    assert_eq!(taken + installation.count("unresolved"), 33, "{:?}", installation.states());
    until("what was taken has arrived", || people(&kannel) + unresolved >= 33);
    service.stop();
}

fn our_own_kill_is_resolved_by_the_report_that_carries_our_reference() {
    let kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    kannel.signal_bearerbox("STOP");
    installation.campaign();
    until("requests hang", || kannel.requests() >= 4);
    service.kill();
    let mut service = installation.start();
    service.until_log("in doubt until the gateway is asked");
    kannel.signal_bearerbox("CONT");
    until("the rest has left", || installation.is_settled(&["queued", "submitting", "in_doubt", "accepted"]));
    // Claimed, but not yet on the wire: nobody can report those.
    let unresolved = installation.count("unresolved");
    assert!(unresolved <= 2, "{:?}", installation.states());
    assert_eq!(installation.count("delivered") + unresolved, 33);
    assert_eq!(i64::try_from(people(&kannel)).unwrap(), 33 - unresolved);
    service.stop();
}

fn phones_that_are_away_get_their_text_later() {
    let mut kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    kannel.phone.disconnect();
    until("the line is down", || {
        kannel.admin("status.txt").lines().any(|l| l.contains("phones[phones]") && !l.contains("(online"))
    });
    let said = installation.ok(&["send-test", "--to", TESTER, "later"]);
    assert!(said.contains(": accepted"), "{said}");
    assert_eq!(kannel.phone.texts(), []);
    kannel.bring_up();
    installation.until_count("delivered", 1);
    assert_eq!(kannel.phone.texts().len(), 1);
    service.stop();
}

fn a_stop_that_comes_while_we_are_down_is_heard_later() {
    let kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    kannel.write("447700900101", "text DUDLEY");
    installation.until_count("delivered", 1);
    service.kill();
    kannel.write("447700900101", "text STOP");
    let service = installation.start();
    kannel.phone.until_text("you have left");
    assert_eq!(installation.status()["opted_in"], 0);
    assert_eq!(kannel.phone.texts().len(), 2);
    service.stop();
}

fn what_would_be_cut_is_not_sent() {
    let kannel = Kannel::start(Care::AsAdvised);
    let seven = "0123456789".repeat(100);
    assert_eq!(kannel.sendsms(&format!("text={seven}")), (202, "0: Accepted for delivery".to_owned()));
    let cut = kannel.phone.until_text("0123");
    assert!(cut.words.len() < seven.len(), "Kannel cuts without a word: that is the trap");
    let installation = Installation::new(&kannel);
    let service = installation.start();
    let before = kannel.requests();
    let output = installation.run(&["send-test", "--to", TESTER, &seven]);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(!output.status.success() && said.contains("7 parts"), "{said}");
    assert_eq!((kannel.requests(), installation.count("rejected")), (before, 1), "no byte of it left");
    service.stop();
}

fn a_text_without_words_is_not_sent() {
    let kannel = Kannel::start(Care::AsAdvised);
    assert_eq!(kannel.sendsms("coding=0").0, 202, "an empty text is taken and sent: that is the trap");
    until("it arrives", || kannel.phone.texts().iter().any(|text| text.words.is_empty()));
    let installation = Installation::new(&kannel);
    let service = installation.start();
    let before = kannel.requests();
    for empty in ["", " ", "\n \t"] {
        let output = installation.run(&["send-test", "--to", TESTER, empty]);
        assert!(!output.status.success(), "{empty:?} was sent");
    }
    assert_eq!(kannel.requests(), before, "no byte of it left");
    service.stop();
}

fn a_wrong_password_pauses_the_line_and_nothing_is_tried_again() {
    let kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    installation.secret("password", "the-password-of-last-year");
    let service = installation.start();
    installation.campaign();
    until("the line is paused", || installation.status()["paused"][0]["what"] == "line");
    let words = installation.ok(&["status"]);
    assert!(words.contains("Authorization failed for sendsms"), "{words}");
    let asked = kannel.all_requests();
    installation.ok(&["contacts", "set", "101", "--how", "rang", "--internet", "no"]); // a turn of the worker
    service.stop();
    installation.secret("password", kannel::peer::PASSWORD);
    let service = installation.start();
    assert_eq!(kannel.all_requests(), asked, "a start alone tries nothing");
    assert_eq!((kannel.requests(), installation.count("queued")), (0, 33), "nothing was taken, nothing is lost");
    installation.ok(&["line", "resume"]);
    installation.until_count("delivered", 33);
    assert_eq!(people(&kannel), 33);
    service.stop();
}

/// Kannel says so twice, as answer and as report, in either order: either end is final.
fn what_can_t_be_routed_is_final_and_stops_nothing() {
    let mut kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    kannel.admin("stop-smsc?smsc=phones");
    let output = installation.run(&["send-test", "--to", TESTER, "not routable"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("rejected, Not routable") || said.contains("undelivered"), "{said}");
    assert_eq!(kannel.requests(), 1);
    assert_eq!(installation.status()["paused"].as_array().map(Vec::len), Some(0), "the line is not paused");
    kannel.phone.disconnect();
    kannel.admin("start-smsc?smsc=phones");
    kannel.bring_up();
    installation.ok(&["send-test", "--to", TESTER, "this goes"]);
    installation.until_count("delivered", 1);
    assert_eq!(kannel.phone.texts().len(), 1);
    service.stop();
}

/// The profile gives a text a minute at least; one that has none expires before our eyes.
fn what_expires_in_kannel_is_undelivered() {
    let mut kannel = Kannel::start(Care::AsAdvised);
    let installation =
        Installation::with_profile(&kannel, |profile| profile.replace("min = 1\nmax = 10080", "min = 0\nmax = 0"));
    let service = installation.start();
    kannel.phone.disconnect();
    until("the line is down", || {
        kannel.admin("status.txt").lines().any(|l| l.contains("phones[phones]") && !l.contains("(online"))
    });
    installation.ok(&["send-test", "--to", TESTER, "too late"]);
    let sent = Clock::System.now();
    until("its time is over", || Clock::System.now().duration_since(sent) > SignedDuration::from_secs(2));
    kannel.bring_up();
    installation.until_count("undelivered", 1);
    let shown = installation.ok(&["contacts", "show", "001"]);
    assert!(shown.contains("expired"), "{shown}");
    assert_eq!(kannel.phone.texts(), []);
    service.stop();
}

/// Over SMPP an expiry comes as 34, a value that stands in no guide. The fake SMSC can't make it: played at our hook.
fn an_expiry_in_the_network_is_34_and_undelivered() {
    let kannel = Kannel::start(Care::AsAdvised);
    let installation = Installation::new(&kannel);
    let service = installation.start();
    kannel.admin("suspend"); // taken, and not on the phone
    let said = installation.ok(&["send-test", "--to", TESTER, "never reported", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let reference = reference(&installation, said["message"].as_i64().unwrap());
    let hook = |secret: &str, reference: &str, state: u8| {
        get(kannel.hooks, &format!("/hooks/{secret}/report?ref={reference}&state={state}&said=stat%3AEXPIRED")).unwrap()
    };
    assert_eq!(hook("another-secret-in-the-address", &reference, 34).0, 401);
    assert_eq!(hook(SECRET, "aaaaaaaaaaaaaaaaaaaaaaaa", 34), (200, String::new()), "somebody else's, or forged");
    assert_eq!(hook(SECRET, &reference, 8), (200, String::new()));
    assert_eq!((installation.count("accepted"), installation.count("undelivered")), (1, 0));
    assert_eq!(hook(SECRET, &reference, 34), (200, String::new()), "no body: it would be texted");
    installation.until_count("undelivered", 1);
    let shown = installation.ok(&["contacts", "show", "001"]);
    assert!(shown.contains("expired"), "{shown}");
    service.stop();
}

/// What a message is called in its callback address.
fn reference(installation: &Installation, message: i64) -> String {
    let place = Place::new(&format!("sqlite:{}/ringround.db", installation.path().display()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&place).await.unwrap();
        let reference = store.identity().mint().reference(message);
        store.close().await;
        reference
    })
}
