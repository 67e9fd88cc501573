//! `ringround doctor`: looks at the installation from all sides; each line is fine, worth a look, or wrong, with a hint.

use super::setting::Setting;
use super::voice::say;
use super::{Done, FOUND_PROBLEMS, gateway, print};
use crate::app::control;
use crate::app::unread::alarm;
use crate::clock::Clock;
use crate::config::Settings;
use crate::config::credentials::{CredentialProblem, read_secret};
use crate::domain::message::State;
use crate::domain::schedule::zone::{Resolved, resolve, zone};
use crate::gateway::{Client, Provider, Request};
use crate::store::{Store, StoreError};
use secrecy::SecretString;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// One thing looked at.
struct Finding {
    what: &'static str,
    wrong: bool,
    found: String,
    hint: String,
}

fn fine(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { what, wrong: false, found: found.into(), hint: String::new() }
}

fn wrong(what: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { what, wrong: true, found: found.into(), hint: hint.into() }
}

pub(super) async fn run(setting: &Setting, _: Args) -> Done {
    let settings = setting.settings()?;
    let file = setting.file().map_or_else(|| "built-in defaults".to_owned(), |f| f.display().to_string());
    let mut findings = vec![fine("settings", file)];
    findings.extend(secrets(&settings));
    findings.extend(database(setting, &settings).await);
    findings.push(service(setting, &settings).await);
    findings.push(clock());
    findings.push(zones());
    findings.push(roots());
    findings.push(lists(&settings));
    findings.extend(settings.drop.as_ref().map(|drop| drop_folder(&drop.folder)));
    match gateway::provider(&settings) {
        Ok(provider) => {
            findings.push(fine("gateway", format!("{}: profile and account are sound", provider.name())));
            findings.push(reach(provider.base_url()).await);
            findings.extend(balance(&provider).await);
        }
        Err(_) if for_the_service_alone(&settings) => match gateway::profile(&settings) {
            Ok((name, profile)) => {
                findings.push(fine("gateway", format!("{name}: the profile is sound; the service checks the account")));
                findings
                    .push(reach(settings.gateway.base_url.as_deref().or(profile.base_url()).unwrap_or_default()).await);
            }
            Err(failure) => findings.push(wrong("gateway", failure.message(), failure.hint())),
        },
        Err(failure) => findings.push(wrong("gateway", failure.message(), failure.hint())),
    }
    for finding in &findings {
        let mark = if finding.wrong { "wrong" } else { "fine" };
        if setting.json {
            say!(
                "{}",
                json!({"format": "ringround.finding/1", "what": finding.what, "state": mark, "found": finding.found, "hint": finding.hint})
            );
            continue;
        }
        say!("{mark:<6} {:<12} {}", finding.what, finding.found);
        if !finding.hint.is_empty() {
            say!("       hint: {}", finding.hint);
        }
    }
    Ok(if findings.iter().any(|f| f.wrong) { FOUND_PROBLEMS } else { 0 })
}

fn secrets(settings: &Settings) -> Vec<Finding> {
    let places =
        settings.gateway.secrets.iter().flat_map(|(name, places)| places.iter().map(move |place| (name, place)));
    places
        .map(|(name, place)| match read_secret(place) {
            Ok(_) => fine("secret", format!("{name} can be read, by nobody else")),
            Err(CredentialProblem::NoDirectory(_)) => {
                fine("secret", format!("{name} is a credential: for the service alone"))
            }
            Err(problem) => wrong("secret", format!("{name}: {problem}"), problem.hint()),
        })
        .collect()
}

/// Started by hand, we are not given the credentials of the service, and it is right so.
fn for_the_service_alone(settings: &Settings) -> bool {
    let mut places = settings.gateway.secrets.values().flatten();
    places.any(|place| matches!(read_secret(place), Err(CredentialProblem::NoDirectory(_))))
}

/// The database, and what in it waits for a person.
async fn database(setting: &Setting, settings: &Settings) -> Vec<Finding> {
    let place = setting.place(settings);
    let looked = async {
        let store = Store::open(&place).await?;
        let mut found = vec![fine("database", format!("{} is up to date", place.shown()))];
        if let Some(reason) = store.moved().await? {
            let hint = "start the service: it sends nothing until a person says ringround resume --after-restore";
            found.push(wrong("database", reason, hint));
        }
        for (name, reason, _) in store.pauses().await? {
            let (what, resume) = print::pause(&name);
            found.push(wrong("sending", format!("{what} is paused: {reason}"), format!("to go on: {resume}")));
        }
        let unresolved = store.counts(None).await?.of(State::Unresolved);
        if unresolved > 0 {
            found.push(wrong("doubts", format!("{unresolved} texts need a person to decide"), "ringround doubts list"));
        }
        if let Some(words) = alarm(&store.unread().await?, Clock::System.now()) {
            found.push(wrong("inbox", words, "ringround inbox shows them"));
        }
        store.close().await;
        Ok::<_, StoreError>(found)
    };
    looked.await.unwrap_or_else(|error| vec![wrong("database", error.to_string(), error.hint())])
}

async fn service(setting: &Setting, settings: &Settings) -> Finding {
    let socket = setting.socket(settings);
    match control::is_listening(&socket).await {
        Ok(true) => fine("service", format!("runs, and listens at {}", socket.display())),
        Ok(false) => fine("service", "does not run: commands work on the database themselves"),
        Err(error) => {
            let hint = "run this as the user of the service: sudo -u ringround ringround doctor";
            wrong("service", format!("{} can't be opened: {error}", socket.display()), hint)
        }
    }
}

/// Nobody ran this program before it was written, and its certificates will not outlive the decade.
fn clock() -> Finding {
    let now = Clock::System.now();
    let year = now.strftime("%Y").to_string();
    match year.parse::<i32>() {
        Ok(year) if (2026..2046).contains(&year) => fine("clock", now.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
        _ => wrong(
            "clock",
            format!("the clock says {year}"),
            "set the clock, and keep it with chrony or systemd-timesyncd",
        ),
    }
}

/// Both clock changes of this year must be known, or texts leave an hour off.
fn zones() -> Finding {
    let hint = "install the package tzdata";
    let Ok(london) = zone("Europe/London") else { return wrong("time zones", "Europe/London is not known", hint) };
    let at = |local: &str| local.parse().map(|local| resolve(local, &london));
    match (at("2026-03-29T01:30"), at("2026-10-25T01:30")) {
        (Ok(Resolved::Nonexistent { .. }), Ok(Resolved::Ambiguous { .. })) => {
            fine("time zones", "both clock changes of 2026 are known")
        }
        _ => wrong("time zones", "the clock changes of 2026 are not known", hint),
    }
}

fn roots() -> Finding {
    let files = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
    match files.iter().find(|f| Path::new(f).exists()) {
        Some(file) => fine("TLS roots", *file),
        None => wrong("TLS roots", "there are none: no gateway can be trusted", "install the package ca-certificates"),
    }
}

fn lists(settings: &Settings) -> Finding {
    match settings.lists.len() {
        0 => wrong(
            "lists",
            "the settings name no list: nobody can join",
            "ringround check --defaults shows how one looks",
        ),
        n => fine("lists", format!("{n} in the settings")),
    }
}

/// Can a file be taken out of it, and who may lay one into it?
fn drop_folder(folder: &Path) -> Finding {
    let hint = "chown ringround:office, chmod 2770; and name it in the unit's ReadWritePaths=";
    let probe = folder.join(".ringround-doctor");
    let tried = std::fs::metadata(folder).and_then(|found| {
        std::fs::File::create(&probe)?;
        std::fs::remove_file(&probe)?;
        Ok(found.permissions().mode())
    });
    match tried {
        Ok(mode) if mode & 0o002 != 0 => {
            let found = format!("{}: everybody on this machine may add people to a list", folder.display());
            wrong("drop folder", found, hint)
        }
        Ok(_) => fine("drop folder", folder.display().to_string()),
        Err(error) => wrong("drop folder", format!("{}: {error}", folder.display()), hint),
    }
}

/// What the account holds, where the gateway tells: nothing is sent.
async fn balance(provider: &Provider) -> Option<Finding> {
    Some(match provider.balance(Clock::System.now()).await? {
        Ok(balance) => fine("balance", balance),
        Err(why) => wrong("balance", why, "look at the credentials, and at the provider's own pages"),
    })
}

/// A connection, and whatever answer: that it answers is enough. Nothing is sent.
async fn reach(base_url: &str) -> Finding {
    let request = Request::get(SecretString::from(base_url));
    let answered = match Client::new() {
        Ok(client) => client.send(&request).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(answered) => fine("reachable", format!("the gateway answers (HTTP {})", answered.status)),
        Err(none) => {
            wrong("reachable", none.to_string(), "look at gateway.base_url, and whether this machine may connect there")
        }
    }
}
