//! `ringround inspect --jsonl`: a test asks what a person would, ten thousand times.

use super::{Done, Failure};
use crate::clock::Clock;
use crate::domain::dial_in::{DialIn, DialInProblem};
use crate::domain::keyword::{
    JoinWordWarning, Meaning, Scope, Situation, StopAsked, check_join_word, confirm_stop, understand,
};
use crate::domain::phone::{Kind, Phone, PhoneRules};
use crate::domain::schedule::catch_up::{Policy, Verdict, catch_up};
use crate::domain::schedule::cron::{Cron, DayRule};
use crate::domain::schedule::quiet::{Deferred, Quiet};
use crate::domain::schedule::zone::{Resolved, resolve, zone};
use crate::domain::text;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::io::{BufRead, Write};

/// Reads requests from standard input until it ends. A line that can't be read is answered, not fatal.
pub(super) fn run(clock: &Clock) -> Done {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (at, line) in std::io::stdin().lock().split(b'\n').enumerate() {
        let line = line.map_err(|e| Failure::new(1, format!("standard input can't be read: {e}"), ""))?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_start_matches('\u{feff}');
        if line.trim().is_empty() {
            continue;
        }
        let answer = match serde_json::from_str::<Value>(line) {
            Ok(request) if request.is_object() => answer(&request, clock),
            Ok(_) => json!({"error": "a line must be a JSON object", "line": at + 1}),
            Err(e) => json!({"error": e.to_string(), "line": at + 1}),
        };
        writeln!(out, "{answer}")?;
        out.flush()?; // whoever asks may be waiting for each answer
    }
    Ok(0)
}

/// What a field lacks.
struct Lacking(String);

type Answer = Result<Value, Lacking>;

fn answer(request: &Value, clock: &Clock) -> Value {
    let op = request.get("op").and_then(Value::as_str).unwrap_or_default();
    let answered = match op {
        "sms_count" => sms_count(request),
        "sms_clean" => sms_clean(request),
        "phone_normalise" => phone_normalise(request),
        "cron_next" => cron_next(request),
        "cron_parse" => cron_parse(request, clock.now()),
        "local_to_utc" => local_to_utc(request),
        "catch_up" => missed_runs(request),
        "quiet_defer" => quiet_defer(request),
        "classify_inbound" => classify_inbound(request),
        "stop_confirmation" => stop_confirmation(request),
        "keyword_config_check" => keyword_config_check(request),
        "dialin_parse" => dialin_parse(request),
        _ => Ok(json!({"unsupported": true})),
    };
    let mut answer = answered.unwrap_or_else(|Lacking(what)| json!({"error": what}));
    if let (Some(object), Some(id)) = (answer.as_object_mut(), request.get("id")) {
        object.insert("id".to_owned(), id.clone());
    }
    answer
}

fn text_of<'v>(request: &'v Value, field: &str) -> Result<&'v str, Lacking> {
    request.get(field).and_then(Value::as_str).ok_or_else(|| Lacking(format!("\"{field}\" must be a text")))
}

fn instant(request: &Value, field: &str) -> Result<Timestamp, Lacking> {
    text_of(request, field)?
        .parse()
        .map_err(|_| Lacking(format!("\"{field}\" must be an instant like 2022-01-24T12:00:00Z")))
}

fn zone_of(request: &Value) -> Result<TimeZone, Lacking> {
    zone(text_of(request, "tz")?).map_err(|e| Lacking(e.to_string()))
}

fn flag(of: Option<&Value>, field: &str) -> bool {
    of.and_then(|v| v.get(field)).and_then(Value::as_bool).unwrap_or(false)
}

fn texts(of: Option<&Value>, field: &str) -> Vec<String> {
    let list = of.and_then(|v| v.get(field)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn sms_count(request: &Value) -> Answer {
    let size = text::measure(text_of(request, "text")?);
    Ok(json!({"encoding": size.encoding.as_str(), "units": size.units, "parts": size.parts}))
}

fn sms_clean(request: &Value) -> Answer {
    let cleaned = text::clean(text_of(request, "text")?, flag(Some(request), "fold_accents"));
    let size = text::measure(&cleaned);
    Ok(json!({"text": cleaned, "encoding": size.encoding.as_str(), "parts": size.parts}))
}

fn phone_normalise(request: &Value) -> Answer {
    let options = request.get("options");
    let countries = texts(options, "countries");
    let rules = PhoneRules {
        allow_test: flag(options, "allow_test"),
        allow_landline: flag(options, "allow_landline"),
        countries: if countries.is_empty() { PhoneRules::default().countries } else { countries },
    };
    Ok(match Phone::parse(text_of(request, "input")?, &rules) {
        Ok(phone) => {
            let kind =
                if phone.kind() == Kind::LandlineOrMobile { "fixed_line_or_mobile" } else { phone.kind().as_str() };
            let mut answer = json!({"e164": phone.e164(), "region": phone.region(), "type": kind});
            if phone.is_test() {
                answer["test"] = json!(true);
            }
            answer
        }
        Err(problem) => json!({"error": problem.code()}),
    })
}

fn cron_of(request: &Value) -> Result<Cron, Lacking> {
    let rule = match request.get("day_rule").and_then(Value::as_str) {
        Some("or") => Some(DayRule::Or),
        Some("and") => Some(DayRule::And),
        _ => None,
    };
    Cron::parse(text_of(request, "pattern")?, rule).map_err(|e| Lacking(e.to_string()))
}

fn cron_next(request: &Value) -> Answer {
    let (cron, zone) = (cron_of(request)?, zone_of(request)?);
    let fires = cron.fires(&zone, instant(request, "from")?, instant(request, "to")?);
    Ok(json!({"fires": fires.iter().map(|f| f.at.to_string()).collect::<Vec<_>>()}))
}

fn cron_parse(request: &Value, now: Timestamp) -> Answer {
    text_of(request, "pattern")?;
    let fires = cron_of(request).is_ok_and(|cron| !cron.never_fires(now, &TimeZone::UTC));
    Ok(json!({"valid": fires}))
}

fn local_to_utc(request: &Value) -> Answer {
    let local = text_of(request, "local")?
        .parse()
        .map_err(|_| Lacking("\"local\" must be like 2022-01-28T12:00:00".to_owned()))?;
    Ok(match resolve(local, &zone_of(request)?) {
        Resolved::Ok(at) => json!({"kind": "ok", "utc": at.to_string()}),
        Resolved::Ambiguous { first, second } => {
            json!({"kind": "ambiguous", "utc": first.to_string(), "second": second.to_string()})
        }
        Resolved::Nonexistent { .. } => json!({"kind": "nonexistent"}),
    })
}

fn missed_runs(request: &Value) -> Answer {
    let (cron, zone) = (cron_of(request)?, zone_of(request)?);
    let (last, now) = (instant(request, "last_handled")?, instant(request, "now")?);
    let window = request
        .get("window_s")
        .and_then(Value::as_i64)
        .map_or(SignedDuration::from_hours(1), SignedDuration::from_secs);
    let policy = request.get("policy").and_then(Value::as_str).unwrap_or("latest");
    let policy = Policy::parse(policy).ok_or_else(|| Lacking("\"policy\" must be latest, all or skip".to_owned()))?;
    let due: Vec<Timestamp> = cron.fires(&zone, last, now).iter().map(|f| f.at).filter(|at| *at > last).collect();
    let verdicts = catch_up(&due, now, window, policy);
    let those = |run: bool| -> Vec<String> {
        due.iter().zip(&verdicts).filter(|(_, v)| (**v == Verdict::Run) == run).map(|(at, _)| at.to_string()).collect()
    };
    Ok(json!({"run": those(true), "missed": those(false)}))
}

fn quiet_defer(request: &Value) -> Answer {
    let quiet = Quiet::parse(text_of(request, "quiet")?).map_err(|e| Lacking(e.to_string()))?;
    let expires = request.get("expires").map(|_| instant(request, "expires")).transpose()?;
    Ok(match quiet.defer(instant(request, "at")?, &zone_of(request)?, expires) {
        Deferred::SendAt(at) => json!({"send_at": at.to_string()}),
        Deferred::Expired => json!({"drop": "expired"}),
    })
}

fn classify_inbound(request: &Value) -> Answer {
    let state = request.get("state");
    let lists = texts(state, "lists");
    // A join word stands for the list of its name, where there is one.
    let list_of = |word: &String| lists.iter().find(|l| l.eq_ignore_ascii_case(word)).unwrap_or(word).clone();
    let join: Vec<(String, String)> = texts(state, "join").iter().map(|word| (word.clone(), list_of(word))).collect();
    let (extra_stop, extra_help) = (texts(state, "extra_stop"), texts(state, "extra_help"));
    let languages: Vec<(String, String)> = state
        .and_then(|state| state.get("languages")?.as_object())
        .into_iter()
        .flatten()
        .filter_map(|(word, tag)| Some((word.clone(), tag.as_str()?.to_owned())))
        .collect();
    let situation = Situation {
        join: &join,
        lists: &lists,
        pending: flag(state, "pending"),
        opted_out: flag(state, "opted_out"),
        extra_stop: &extra_stop,
        extra_help: &extra_help,
        languages: &languages,
    };
    Ok(match understand(text_of(request, "body")?, &situation) {
        Meaning::OptOut(Scope::All) => json!({"action": "opt_out", "scope": "all"}),
        Meaning::OptOut(Scope::List(list)) => json!({"action": "opt_out", "scope": list}),
        Meaning::OptIn { list: Some(list) } => json!({"action": "opt_in", "list": list}),
        Meaning::OptIn { list: None } => json!({"action": "opt_in"}),
        Meaning::Confirm => json!({"action": "confirm"}),
        Meaning::Decline => json!({"action": "decline"}),
        Meaning::Help => json!({"action": "help"}),
        Meaning::Done => json!({"action": "done"}),
        Meaning::Phone => json!({"action": "door", "door": "phone"}),
        Meaning::Web => json!({"action": "door", "door": "web"}),
        Meaning::Language(tag) => json!({"action": "language", "language": tag}),
        Meaning::NeedsReview => json!({"action": "needs_review"}),
        Meaning::NearJoin { word } => json!({"action": "other", "hint": word}),
        Meaning::Empty | Meaning::Other => json!({"action": "other"}),
    })
}

fn stop_confirmation(request: &Value) -> Answer {
    let asked = StopAsked {
        received_at: instant(request, "received_at")?,
        handled_at: instant(request, "handled_at")?,
        already_opted_out: flag(Some(request), "already_opted_out"),
        confirmations_sent: request
            .get("confirmations_sent")
            .and_then(Value::as_u64)
            .map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        gateway_confirms: flag(Some(request), "gateway_confirms"),
    };
    Ok(json!({"send": confirm_stop(&asked)}))
}

fn keyword_config_check(request: &Value) -> Answer {
    Ok(match check_join_word(text_of(request, "join_word")?) {
        Ok(None) => json!({"valid": true}),
        Ok(Some(JoinWordWarning::EverydayWord)) => json!({"valid": true, "warning": "everyday_word"}),
        Err(problem) => json!({"valid": false, "error": problem.to_string()}),
    })
}

fn dialin_parse(request: &Value) -> Answer {
    Ok(match DialIn::parse(text_of(request, "text")?) {
        Ok(dial_in) => {
            let mut answer = Map::from_iter([("number".to_owned(), json!(dial_in.number().e164()))]);
            let codes = [("conference_id", dial_in.conference_id()), ("passcode", dial_in.passcode())];
            answer.extend(codes.into_iter().filter_map(|(name, code)| Some((name.to_owned(), json!(code?)))));
            Value::Object(answer)
        }
        Err(problem) => match &problem {
            DialInProblem::NoNumber => json!({"error": problem.code()}),
            DialInProblem::IdMismatch { number } | DialInProblem::PasscodeMismatch { number } => {
                json!({"error": problem.code(), "number": number.e164()})
            }
        },
    })
}
