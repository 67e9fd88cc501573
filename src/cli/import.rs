//! `ringround import`: contacts from a spreadsheet, as it comes; what was imported, and taking it back.

use super::setting::{Setting, one_list, user_as};
use super::voice::{self, say};
use super::{Done, FOUND_PROBLEMS, Failure, NOT_CONFIRMED, forward, import_print, print};
use crate::app::desk::Desk;
use crate::app::import::{Order, Replace, import};
use crate::app::import_load::load;
use crate::app::import_undo::undo_import;
use crate::app::sheet::{Input, Stated};
use crate::store::ImportRow;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// The file: .csv or .tsv of any length, .xlsx or .ods of up to 100,000 rows
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// The list the people agreed to [default: the only one there is]
    #[arg(long)]
    list: Option<String>,
    /// Which sheet of a workbook [default: the only one with anything to see]
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// What a heading means: --map "Their heading=phone"; also name, language, internet, tags, consent source,
    /// consent date, wording
    #[arg(long, value_name = "HEADING=NAME", value_parser = mapping)]
    map: Vec<(String, String)>,
    /// Where consent was given, for rows that don't say it: "paper form, autumn review"
    #[arg(long, value_name = "TEXT")]
    consent_source: Option<String>,
    /// When consent was given, for rows that don't say it: 2022-01-17
    #[arg(long, value_name = "DATE")]
    consent_date: Option<Date>,
    /// Which version of the wording was shown, for rows that don't say it
    #[arg(long, value_name = "VERSION")]
    wording: Option<String>,
    /// Rows without proof of consent: kept, never texted until they agree, or refused
    #[arg(long, value_enum, default_value_t = Pending::Keep)]
    pending: Pending,
    /// Where the refused rows go, to be mended and imported by themselves [default: FILE.refused.csv]
    #[arg(long, value_name = "PATH")]
    report: Option<PathBuf>,
    /// The file is the whole list: whoever came by a file and is not in this one leaves it. Refused if that is more than
    /// fifty people or a fifth of the list
    #[arg(long)]
    replace: bool,
    /// The same, however many they are, and although rows were refused
    #[arg(long)]
    replace_anyway: bool,
    /// Who says so, for the ledger [default: who types this]
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
    /// Say what would happen and change not a byte of the database
    #[arg(long)]
    dry_run: bool,
    /// Under which name the file is kept in mind
    #[arg(long, value_name = "NAME", hide = true)]
    called: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Pending {
    /// Kept as not yet agreed
    Keep,
    /// Named as problems
    Refuse,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// What was imported, the newest first, and the ids by which it can be undone
    List,
    /// Take an import back: consent it gave counts no longer, and what it changed is as before. Nobody who left comes
    /// back, and nobody who has joined by their own text since is touched
    Undo {
        /// Its id: ringround import list
        id: i64,
        /// Who says so, for the ledger [default: who types this]
        #[arg(long = "as", value_name = "NAME")]
        by: Option<String>,
    },
}

fn mapping(said: &str) -> Result<(String, String), String> {
    let (heading, name) = said.rsplit_once('=').ok_or("write it like \"Their heading=phone\"")?;
    Ok((heading.to_owned(), name.to_owned()))
}

impl Args {
    /// Does the running service carry all of it out? (A file is read here, and handed over row by row.)
    pub(super) fn changes(&self) -> bool {
        matches!(self.what, Some(What::Undo { .. }))
    }
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    match (&args.what, &args.file) {
        (Some(What::List), _) => list(setting).await,
        (Some(What::Undo { id, by }), _) => undo(setting, *id, by.as_deref()).await,
        (None, Some(file)) => read(setting, &args, file).await,
        (None, None) => Err(Failure::new(2, "which file?", "ringround import FILE")),
    }
}

async fn read(setting: &Setting, args: &Args, path: &Path) -> Done {
    let shown = path.display().to_string();
    let unreadable = |error: std::io::Error| {
        Failure::new(1, format!("{shown} can't be read: {error}"), "look at the path and at who may read it")
    };
    let file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Failure::new(1, format!("{shown} is no file"), "a spreadsheet is read twice: name a file"));
    }
    let desk = setting.desk().await?;
    let called = args.called.clone().unwrap_or_else(|| shown.clone());
    let order = order(setting, &desk, args, path, &called)?;
    let service = if args.dry_run { None } else { forward::service(setting).await? };
    let bar = if setting.json || voice::is_captured() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    bar.set_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} rows").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let carry = async |batch: &_, part: &_| {
        if let Some(service) = &service
            && let Some(loaded) = service.carry(batch, part).await?
        {
            return Ok(loaded);
        }
        Ok(load(&desk, batch, part, args.dry_run).await?)
    };
    let done = import(&desk, Input::File(file), &order, carry, |done, of| {
        bar.set_length(of.max(done));
        bar.set_position(done);
    })
    .await;
    bar.finish_and_clear();
    let report = done.map_err(|error| Failure::import(&called, &error))?;
    if setting.json {
        say!("{}", import_print::in_json(&report, args.dry_run));
    } else {
        import_print::in_words(&report, &called, args.dry_run);
    }
    Ok(if report.leavers.as_ref().is_some_and(|leavers| leavers.kept.is_some()) {
        NOT_CONFIRMED
    } else if report.refused > 0 || report.refused_failed.is_some() {
        FOUND_PROBLEMS
    } else {
        0
    })
}

fn order(setting: &Setting, desk: &Desk, args: &Args, path: &Path, called: &str) -> Result<Order, Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".refused.csv");
    let name = Path::new(called).file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Order {
        list: one_list(&desk.settings, args.list.as_deref())?,
        by: user_as(setting, args.by.as_deref()),
        file: name.unwrap_or_else(|| called.to_owned()),
        stated: Stated {
            source: args.consent_source.clone(),
            date: args.consent_date,
            wording: args.wording.clone(),
            needed: matches!(args.pending, Pending::Refuse),
        },
        map: args.map.clone(),
        sheet: args.sheet.clone(),
        refused: Some(args.report.clone().unwrap_or_else(|| PathBuf::from(beside))),
        replace: match (args.replace, args.replace_anyway) {
            (_, true) => Replace::Anyway,
            (true, false) => Replace::Yes,
            (false, false) => Replace::No,
        },
    })
}

/// How many imports are listed.
const LISTED: i64 = 50;

async fn list(setting: &Setting) -> Done {
    let desk = setting.desk().await?;
    let imports = desk.store.imports(None, LISTED).await?;
    if setting.json {
        for import in &imports {
            let [added, changed, removed] = import.counts;
            let told = json!({
                "format": "ringround.imported/1", "id": import.id, "at": print::rfc3339(import.at), "file": import.file,
                "hash": import.hash, "list": import.list, "by": import.by, "finished": import.finished, "added": added,
                "changed": changed, "removed": removed, "undone_at": import.undone_at.map(print::rfc3339),
            });
            say!("{told}");
        }
        return Ok(0);
    }
    if imports.is_empty() {
        say!("Nothing was imported yet.");
        return Ok(0);
    }
    let state = |import: &ImportRow| match (import.undone_at, import.finished) {
        (Some(at), _) => format!("undone {}", print::utc(at)),
        (None, false) => "broken off: run it again".to_owned(),
        (None, true) => String::new(),
    };
    let row = |import: &ImportRow| {
        let [added, changed, removed] = import.counts.map(|n| n.to_string());
        let (id, at) = (import.id.to_string(), print::utc(import.at));
        vec![
            id,
            at,
            import.file.clone(),
            import.list.clone(),
            import.by.clone(),
            added,
            changed,
            removed,
            state(import),
        ]
    };
    let heading = ["id", "when", "file", "list", "by", "added", "changed", "taken out", ""];
    say!("{}", print::table(&heading, &[0, 5, 6, 7], imports.iter().map(row).collect()));
    Ok(0)
}

async fn undo(setting: &Setting, id: i64, by: Option<&str>) -> Done {
    let desk = setting.desk().await?;
    let missing = || Failure::new(1, format!("there is no import {id}"), "ringround import list shows all of them");
    let import = desk.store.imports(Some(id), 1).await?.into_iter().next().ok_or_else(missing)?;
    if let Some(at) = import.undone_at {
        let message = format!("import {id} was undone already, {}", print::utc(at));
        return Err(Failure::new(1, message, "import the file again to have it back"));
    }
    let undone = undo_import(&desk, &import, &user_as(setting, by)).await?;
    setting.wake();
    if setting.json {
        let told = json!({
            "format": "ringround.undone/1", "import": id, "touched": undone.touched, "put_back": undone.back,
        });
        say!("{told}");
    } else {
        say!(
            "import {id} ({}): it had touched {} contacts; {} are as before.",
            import.file,
            undone.touched,
            undone.back
        );
        if undone.back < undone.touched {
            say!("The others have left, joined by their own text, or were changed since: they stay as they are.");
        }
    }
    Ok(0)
}
