//! `ringround gateway`: which providers there are, whether a profile and an account are sound, what a request looks like.

use super::setting::Setting;
use super::voice::say;
use super::{Done, FOUND_PROBLEMS, Failure, print, send_test};
use crate::config::Settings;
use crate::config::credentials::read_secret;
use crate::domain::phone::Phone;
use crate::domain::problem::any_error;
use crate::gateway::{Account, Profile, Provider, SHIPPED, Submission};
use jiff::SignedDuration;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// What to do with gateways.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// The profiles that are shipped
    List,
    /// Check a profile, or the gateway in the settings
    Check {
        /// A shipped profile's name, or a file [default: the one in the settings, with its account]
        profile: Option<String>,
    },
    /// Send one text to a tester and say what came of it; or print the request and send nothing
    Test {
        /// The tester's number; it must stand under [testers] in the settings
        #[arg(long, value_name = "NUMBER")]
        to: String,
        /// The text
        #[arg(long, default_value = "A test of ringround.")]
        text: String,
        /// Print the exact request, secrets and number masked, and send nothing
        #[arg(long)]
        dry_run: bool,
    },
}

impl Args {
    /// Must it go through the running service?
    pub(super) fn changes(&self) -> bool {
        matches!(self, Self::Test { dry_run: false, .. })
    }
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    match args {
        Args::List => list(setting),
        Args::Check { profile } => check(setting, profile.as_deref()),
        Args::Test { to, text, dry_run: true } => dry_run(setting, &to, &text),
        Args::Test { to, text, dry_run: false } => send_test::run(setting, send_test::Args { to, text }).await,
    }
}

fn list(setting: &Setting) -> Done {
    for (name, source) in SHIPPED {
        let about = first_sentence(source);
        if setting.json {
            say!("{}", json!({"format": "ringround.gateway/1", "name": name, "about": about}));
        } else {
            say!("{name:<16} {about}");
        }
    }
    Ok(0)
}

/// A profile begins with a comment: its first sentence says which provider this is.
fn first_sentence(source: &str) -> String {
    let comment = source.lines().map_while(|line| line.strip_prefix('#'));
    let words = comment.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    words.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// A profile's source, and the name it has for people.
fn source_of(name: &str) -> Result<(String, String), Failure> {
    if let Some((_, source)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Ok((format!("{name}.toml (shipped)"), (*source).to_owned()));
    }
    let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
    std::fs::read_to_string(name).map(|source| (name.to_owned(), source)).map_err(|error| {
        let hint = format!("shipped are: {}; or give the path of a file", names.join(", "));
        Failure::new(78, format!("there is no profile \"{name}\" ({error})"), hint)
    })
}

fn check(setting: &Setting, named: Option<&str>) -> Done {
    let settings = setting.settings()?;
    let Some(name) = named.or(settings.gateway.profile.as_deref()) else {
        return Err(Failure::new(78, "the settings name no gateway", "set gateway.profile, or name a profile here"));
    };
    let (shown, source) = source_of(name)?;
    let (profile, problems) = Profile::parse(&source);
    print::problems(&shown, &source, &problems, setting.json);
    let mut lacking = Vec::new();
    if named.is_none()
        && let Some(profile) = &profile
    {
        lacking = profile.check_account(&account(&settings)?);
        for what in &lacking {
            say!("the account lacks something: {what}");
        }
        lacking.extend(no_way_in(profile, &settings).inspect(|what| say!("the settings lack something: {what}")));
    }
    let sound = !any_error(&problems) && lacking.is_empty();
    if !setting.json {
        say!("{shown}: {}", if sound { "sound" } else { "not sound" });
    }
    Ok(if sound { 0 } else { FOUND_PROBLEMS })
}

/// What is wrong where texts of parents, STOP among them, could never reach us.
pub(super) fn no_way_in(profile: &Profile, settings: &Settings) -> Option<String> {
    let deaf = settings.hooks.is_none() && profile.poll_every().is_none();
    deaf.then(|| {
        "hooks.listen: this gateway can't be asked for received texts, so a STOP would never arrive".to_owned()
    })
}

/// The account of the settings, with its secrets.
fn account(settings: &Settings) -> Result<Account, Failure> {
    let gateway = &settings.gateway;
    let mut account = Account {
        base_url: gateway.base_url.clone(),
        settings: gateway.account.clone(),
        secrets: BTreeMap::new(),
        callback_url: gateway.callback_url.clone(),
    };
    for (name, places) in &gateway.secrets {
        let read = |place| {
            read_secret(place)
                .map_err(|problem| Failure::new(78, format!("the secret \"{name}\": {problem}"), problem.hint()))
        };
        let keys = places.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        account.secrets.insert(name.clone(), keys);
    }
    Ok(account)
}

/// The profile of the settings, under its short name; or what is wrong with it.
pub(super) fn profile(settings: &Settings) -> Result<(String, Profile), Failure> {
    let Some(name) = &settings.gateway.profile else {
        let hint = "set gateway.profile; ringround gateway list shows those that are shipped";
        return Err(Failure::new(78, "the settings name no gateway", hint));
    };
    let short = Path::new(name).file_stem().map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned());
    let (shown, source) = source_of(name)?;
    match Profile::parse(&source) {
        (Some(profile), problems) if !any_error(&problems) => Ok((short, profile)),
        (_, problems) => {
            print::problems(&shown, &source, &problems, false);
            Err(Failure::new(78, format!("the profile {shown} is not sound"), "mend what stands above"))
        }
    }
}

/// The provider of the settings, with its secrets; or what is wrong.
pub(super) fn provider(settings: &Settings) -> Result<Provider, Failure> {
    let (name, profile) = profile(settings)?;
    let account = account(settings)?;
    let lacking = profile.check_account(&account);
    if let Some(first) = lacking.first() {
        let hint = "write it under [gateway.account] or [gateway.secrets]; ringround gateway check names everything";
        return Err(Failure::new(78, format!("the account at {name} lacks something: {first}"), hint));
    }
    Provider::new(&name, profile, account).map_err(|error| Failure::new(1, error.to_string(), ""))
}

fn dry_run(setting: &Setting, to: &str, text: &str) -> Done {
    let settings = setting.settings()?;
    let phone = Phone::parse(to, &settings.phone_rules)
        .map_err(|problem| Failure::new(2, problem.to_string(), problem.advice()))?;
    let provider = provider(&settings)?;
    let now = crate::clock::Clock::System.now();
    let submission = Submission {
        reference: "aaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
        to: phone.e164().to_owned(),
        text: text.to_owned(),
        valid_until: now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(now),
        handed_at: now,
    };
    let request = provider.request(&submission).map_err(|what| Failure::new(1, what, "change the text"))?;
    say!("{}", request.shown());
    Ok(0)
}
