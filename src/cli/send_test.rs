//! `ringround send-test`: one text to a tester, through the running service.

use super::setting::{Setting, user};
use super::voice::say;
use super::{Done, Failure, voice};
use crate::app::desk::Desk;
use crate::domain::contact::Contact;
use crate::domain::ids::Id;
use crate::domain::message::State;
use crate::domain::phone::Phone;
use crate::engine::leave::Ground;
use crate::engine::send_test::send_test;
use jiff::SignedDuration;
use serde_json::json;

/// Arguments of `send-test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The tester's number; it must stand under [testers] in the settings
    #[arg(long, value_name = "NUMBER")]
    pub(super) to: String,
    /// The text
    pub(super) text: String,
}

/// How long the command waits to hear what came of it.
const WAIT: SignedDuration = SignedDuration::from_secs(30);
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(100);

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let desk = setting.desk().await?;
    let phone = Phone::parse(&args.to, &desk.settings.phone_rules)
        .map_err(|problem| Failure::new(2, problem.to_string(), problem.advice()))?;
    if !desk.settings.testers.contains(&phone) {
        let hint = "add it to numbers under [testers] in the settings; nobody else may be texted without consent";
        return Err(Failure::new(1, format!("{} is no tester", phone.masked()), hint));
    }
    if !desk.store.suppressed_among(std::slice::from_ref(&phone)).await?.is_empty() {
        let hint = "only their own START or join word undoes that";
        return Err(Failure::new(1, format!("{} said STOP", phone.masked()), hint));
    }
    if !voice::is_captured() {
        let hint = "start it: ringround run";
        return Err(Failure::new(1, "no service is running that could send it", hint));
    }
    let id = queue(setting, &desk, &phone, &args.text).await?;
    setting.wake();
    let (state, reason) = outcome(&desk, id).await?;
    if setting.json {
        say!("{}", json!({"format": "ringround.test/1", "message": id, "state": state.as_str(), "reason": reason}));
    } else {
        let why = reason.filter(|_| state != State::Delivered); // then it is the gateway's code for that
        say!("message {id} to {}: {state}{}", phone.masked(), why.map_or_else(String::new, |r| format!(", {r}")));
    }
    let sent = matches!(state, State::Accepted | State::Delivered);
    Ok(if sent { 0 } else { NOT_SENT })
}

/// The gateway refused it, or could not be reached.
const NOT_SENT: u8 = 6;

async fn queue(setting: &Setting, desk: &Desk, phone: &Phone, text: &str) -> Result<Id, Failure> {
    let found = desk.store.contact(phone).await?;
    desk.stock().await?;
    let (by, now) = (user(setting), desk.clock.now());
    let ground = Ground { by: &by, how: "send-test" };
    let (decision, id) = desk.decide(|ids| {
        let known = found.is_some();
        let tester = found.unwrap_or_else(|| Contact::unknown(ids.take(), phone.clone()));
        send_test(&tester, known, text, ground, now, ids)
    });
    if desk.store.commit_one(decision, now).await? {
        return Ok(id);
    }
    Err(Failure::new(1, "this contact changed in the same moment: nothing was sent", "repeat the command"))
}

/// What has become of it once that is known, or after a while.
async fn outcome(desk: &Desk, id: Id) -> Result<(State, Option<String>), Failure> {
    let until = desk.clock.now().saturating_add(WAIT).unwrap_or_default();
    loop {
        let known = desk.store.message_end(id).await?;
        let now = desk.clock.now();
        match known {
            Some((State::Queued | State::Submitting, _)) if now < until => {
                desk.clock.sleep_until(now.saturating_add(LOOK_EVERY).unwrap_or(until)).await;
            }
            Some(known) => return Ok(known),
            None => return Err(Failure::new(1, "the message is gone", "look at: ringround doctor")),
        }
    }
}
