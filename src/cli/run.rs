//! `ringround run`: the service. Says what is wrong before it starts, and nothing is half started.

use super::setting::{Asked, Setting};
use super::{Cli, Command, Done, Failure, execute, gateway, voice};
use crate::app::control::{self, Request, Response};
use crate::app::desk::Desk;
use crate::app::forget::forget;
use crate::app::intake::intake;
use crate::app::run::{Shared, hear, resolve, work};
use crate::app::{drop_folder, hooks, poller};
use crate::app::{heartbeat, lock};
use crate::clock::{Clock, Correction, random_seed};
use crate::config::Settings;
use crate::config::credentials::read_secret;
use crate::domain::change::Change;
use crate::domain::consent::{Event, EventKind};
use crate::domain::pause::Pause;
use crate::gateway::Provider;
use crate::store::{Place, Store, StoreError};
use clap::Parser;
use sd_notify::NotifyState;
use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Callbacks that may wait for the next commit.
const WAITING_CALLBACKS: usize = 1024;

pub(super) async fn run(setting: &Setting, _: Args) -> Done {
    log();
    let mut settings = setting.settings()?;
    let provider = gateway::provider(&settings)?;
    if let Some(lack) = gateway::no_way_in(provider.profile(), &settings) {
        return Err(Failure::new(78, lack, "set it, like 127.0.0.1:8711, and publish it as gateway.callback_url"));
    }
    let (profile, own) = (provider.profile(), &mut settings.gateway);
    // What the provider needs is not ours to shorten; how fast it takes texts is not ours to exceed.
    if !provider.is_loopback() {
        own.settle = own.settle.max(profile.settle());
    }
    own.report_within = own.report_within.max(profile.report_within());
    let most = [own.per_day, profile.limits.per_day.map(i64::from)].into_iter().flatten().min();
    own.per_day = most;
    own.per_second = own.per_second.min(profile.limits.per_second.unwrap_or(own.per_second));
    let _lock = match setting.place(&settings).file() {
        Some(file) => Some(lock::hold(&file).map_err(|held| Failure::new(5, held.to_string(), held.hint()))?),
        None => None,
    };
    let socket = setting.socket(&settings);
    let database = control::identity(&setting.place(&settings));
    let (store, adopted) = opened(setting, &settings).await?;
    let clock = if store.is_shared() { Clock::Corrected(Correction::default()) } else { Clock::System };
    let mut desk = Desk::new(store, clock, settings.clone());
    desk.place = format!("{}, process {}", whoami::hostname().unwrap_or_default(), std::process::id());
    desk.agreement = agreement(&desk, &provider);
    let desk = setting.desk.get_or_init(|| Rc::new(desk));
    suppressions(desk, adopted).await?;
    let listener = match settings.hooks {
        Some(address) => Some(TcpListener::bind(address).await.map_err(|error| {
            Failure::new(
                1,
                format!("{address} can't be listened at: {error}"),
                "look at hooks.listen, and at who has that port",
            )
        })?),
        None => None,
    };
    let control = control::listen(&socket).map_err(|error| {
        let message = format!("the control socket {} can't be made: {error}", socket.display());
        Failure::new(1, message, "look at service.socket, and at who may write there")
    })?;
    let shared = Shared::new(Rc::clone(desk), crate::gateway::Gateway::Provider(Rc::new(provider)));
    let place = setting.place(&settings);
    let own = program(setting);
    let parts = all_parts(&shared, &database, &place, &own, listener, control);
    let done = LocalSet::new().run_until(Box::pin(parts)).await;
    let _ = std::fs::remove_file(&socket);
    done
}

/// The database, fenced if it is not where and what it was, and with the key of its hashes.
async fn opened(setting: &Setting, settings: &Settings) -> Result<(Store, bool), Failure> {
    let mut store = Store::open(&setting.place(settings)).await?;
    let seed = random_seed()?;
    // What was due by now is in doubt: by the server's clock, where there is one.
    let now = store.server_clock().await?.unwrap_or_else(|| Clock::System.now());
    let moved = store.fence_if_moved(settings.gateway.settle, seed, now).await?;
    if let Some(reason) = &moved {
        tracing::error!("nothing is sent: {reason}; if that was on purpose: ringround resume --after-restore");
    }
    let key = settings
        .suppression_key
        .as_ref()
        .map(read_secret)
        .transpose()
        .map_err(|problem| Failure::new(78, format!("suppression.key: {problem}"), problem.hint()))?;
    let adopted = store.use_key(key.as_ref(), now).await?;
    if adopted {
        tracing::warn!(
            "numbers are hashed with the key of suppression.key from now on: back it up, apart from the database"
        );
    }
    setting.keep_wordings(&store, settings).await?;
    Ok((store, adopted))
}

/// What was suppressed stays so: after a restore, by the list beside the file; under a new key, by an entry of the ledger.
async fn suppressions(desk: &Desk, adopted: bool) -> Result<(), Failure> {
    if adopted {
        desk.stock().await?;
        let now = desk.clock.now();
        let event = desk.decide(|ids| Event::new(ids.take(), now, EventKind::Keyed, "ringround", "suppression.key"));
        desk.store.commit_one(Change::Recorded(event).into(), now).await?;
    }
    if desk.store.pauses().await?.iter().any(|(name, ..)| name == Pause::Fence.as_str()) {
        let (learnt, again) = desk.store.learn_suppressions().await?;
        for phone in &again {
            forget(desk, phone, "ringround", "forgotten before the restore").await?;
        }
        if learnt > 0 || !again.is_empty() {
            let again = again.len();
            tracing::warn!("{learnt} people who left after the backup are out again; {again} were forgotten once more");
        }
    }
    if !desk.store.list_suppressions().await? {
        tracing::warn!("the list of suppressions beside the database can't be written: a restore would forget them");
    }
    Ok(())
}

/// What all workers of one database must have alike: settings, profile and secrets, but not what belongs to one machine.
fn agreement(desk: &Desk, provider: &Provider) -> String {
    let mut alike = desk.settings.clone();
    alike.database = String::new();
    (alike.hooks, alike.socket, alike.gateway.callback_url, alike.drop) = (None, None, None, None);
    alike.suppression_key = None; // whoever has another one has not come this far
    alike.gateway.secrets.clear(); // where they are may differ; what they are may not
    desk.store.agreement(&[&format!("{alike:?}"), &provider.fingerprint()])
}

/// How to start this program once more, with the same settings.
fn program(setting: &Setting) -> Vec<OsString> {
    let mut words: Vec<OsString> = std::env::current_exe().into_iter().map(PathBuf::into_os_string).collect();
    for (word, value) in [
        ("--config", setting.file().map(PathBuf::into_os_string)),
        ("--database", setting.database.as_ref().map(OsString::from)),
    ] {
        words.extend(value.into_iter().flat_map(|value| [OsString::from(word), value]));
    }
    words
}

/// To standard error, which the service manager keeps; `RUST_LOG` says how much.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,tokio_cron_scheduler=warn"));
    let plain = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let _ = plain.with_ansi(false).without_time().try_init(); // a second start in one process keeps the first one's
}

async fn all_parts(
    shared: &Shared,
    database: &str,
    place: &Place,
    program: &[OsString],
    listener: Option<TcpListener>,
    control: tokio::net::UnixListener,
) -> Done {
    let beat = heartbeat::start(shared).await;
    let _beat = beat.map_err(|error| Failure::new(1, format!("the heartbeat can't be started: {error}"), ""))?;
    let (deliveries, waiting) = mpsc::channel(WAITING_CALLBACKS);
    if let Some(listener) = listener {
        tokio::task::spawn_local(hooks::serve(listener, shared.clone(), deliveries.clone()));
    }
    let polling = poller::poll(shared, deliveries);
    let commands =
        control::serve(control, &shared.stop, async |request| Box::pin(carry_out(shared, database, request)).await);
    let ready = |doubted| {
        let status = format!("running; {doubted} texts in doubt from before");
        heartbeat::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
        tracing::info!("ringround runs; {doubted} texts are in doubt from before");
    };
    let worker = async {
        let done = work(shared, ready).await;
        shared.stop.cancel(); // without a worker there is nothing to wait for
        done
    };
    let resolving = async {
        let done = resolve(shared).await;
        shared.stop.cancel();
        done
    };
    let checking = async {
        let checked = tokio::select! {
            checked = Store::check_pages(place) => checked,
            () = shared.stop.cancelled() => Ok(()),
        };
        if let Err(error @ StoreError::Damaged(_)) = checked {
            tracing::error!("{error}: nothing more is sent; {}", error.hint());
            shared.stop.cancel();
            return Err(error);
        }
        Ok(())
    };
    let (worked, resolved, checked, ..) = tokio::join!(
        worker,
        resolving,
        checking,
        hear(shared),
        intake(shared, waiting),
        polling,
        drop_folder::watch(shared, program),
        commands,
        heartbeat::watchdog(shared),
        end_on_signal(shared),
    );
    tracing::info!("ringround has stopped; {}", shared.callbacks.in_words());
    checked.and(worked).and(resolved).map_err(Failure::from)?;
    Ok(0)
}

/// SIGTERM and SIGINT: claim nothing more, finish what is on the wire, end.
async fn end_on_signal(shared: &Shared) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals can't be listened for");
        return shared.stop.cancelled().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = shared.stop.cancelled() => return,
    }
    tracing::info!("stopping: nothing new is claimed, what is on the wire is finished");
    heartbeat::notify(&[NotifyState::Stopping]);
    shared.stop.cancel();
}

/// One command of somebody's, with the service's own desk.
async fn carry_out(shared: &Shared, database: &str, request: Request) -> Response {
    if request.database != database {
        let err = format!(
            "error: the service that listens here works on {database}, not on {}\nhint: name its database, or give the other one a service.socket of its own\n",
            request.database
        );
        return Response { code: 2, err, ..Response::default() };
    }
    let words = std::iter::once("ringround".to_owned()).chain(request.arguments);
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) if cli.command.changes() || cli.command.asks_numbers() => cli,
        Ok(_) => {
            return Response {
                code: 2,
                err: "error: this command does not go through the service\n".to_owned(),
                ..Response::default()
            };
        }
        Err(error) => return Response { code: 2, err: error.to_string(), ..Response::default() },
    };
    let asked = Asked { user: request.user, files: request.files, wake: shared.wake.clone() };
    let setting = Setting {
        config: None,
        database: None,
        json: cli.json,
        changes: cli.command.changes(),
        desk: OnceCell::from(Rc::clone(&shared.desk)),
        asked: Some(asked),
    };
    let is_part = matches!(cli.command, Command::LoadRows(_));
    let (code, captured) = voice::captured(async {
        match Box::pin(execute(&setting, cli.command)).await {
            Ok(code) => code,
            Err(failure) => failure.print(setting.json),
        }
    })
    .await;
    shared.wake.notify_one();
    if !is_part || code != 0 {
        tracing::info!("a command was carried out: exit code {code}"); // of a spreadsheet, not each of a thousand parts
    }
    Response { code, out: captured.out, err: captured.err }
}
