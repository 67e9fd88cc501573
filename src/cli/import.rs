//! `ringround import`: contacts from a spreadsheet saved as text.

use super::setting::{Setting, one_list, user};
use super::voice::say;
use super::{Done, FOUND_PROBLEMS, Failure, voice};
use crate::app::import::{Order, Report, import};
use crate::app::spreadsheet::Stated;
use crate::engine::admit::Verdict;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file, saved as .csv or .tsv
    pub(super) file: PathBuf,
    /// The list the people agreed to [default: the only one there is]
    #[arg(long)]
    list: Option<String>,
    /// Where consent was given, for rows that don't say it: "paper form, autumn review"
    #[arg(long, value_name = "TEXT")]
    consent_source: Option<String>,
    /// When consent was given, for rows that don't say it: 2022-01-17
    #[arg(long, value_name = "DATE")]
    consent_date: Option<Date>,
    /// Which version of the wording was shown, for rows that don't say it
    #[arg(long, value_name = "VERSION")]
    wording: Option<String>,
    /// Say what would happen and change not a byte
    #[arg(long)]
    pub(super) dry_run: bool,
}

pub(super) async fn run(setting: &Setting, args: Args) -> Done {
    let bytes = setting.read_bytes(&args.file)?;
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        let hint = "open it and save it as \"CSV UTF-8\", then import that file";
        return Err(Failure::new(1, format!("{} is a workbook, not a text file", args.file.display()), hint));
    }
    let desk = setting.desk().await?;
    let list = one_list(&desk.settings, args.list.as_deref())?;
    let by = user(setting);
    let stated = Stated { source: args.consent_source, date: args.consent_date, wording: args.wording };
    let order = Order { list: &list, by: &by, stated, dry_run: args.dry_run };
    let bar = if setting.json || voice::is_captured() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    bar.set_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} rows").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let report = import(&desk, &bytes, &order, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })
    .await?;
    bar.finish_and_clear();
    if setting.json {
        say!("{}", in_json(&report, args.dry_run));
    } else {
        in_words(&report, &args.file.display().to_string(), args.dry_run);
    }
    Ok(if report.problems.is_empty() { 0 } else { FOUND_PROBLEMS })
}

const VERDICTS: [(Verdict, &str); 5] = [
    (Verdict::New, "new, with proof of consent"),
    (Verdict::NewPending, "new, without proof of consent: kept, never texted until they agree"),
    (Verdict::Changed, "changed"),
    (Verdict::Unchanged, "unchanged"),
    (Verdict::Suppressed, "said STOP or left: stays left, whatever the file says"),
];

fn in_words(report: &Report, file: &str, dry_run: bool) {
    for problem in &report.problems {
        let value = if problem.value.is_empty() { String::new() } else { format!("  {}", problem.value) };
        let column = if problem.column.is_empty() { String::new() } else { format!(", column {}", problem.column) };
        say!("row {}{column}:{value}  {}\n  hint: {}", problem.line, problem.message, problem.advice);
    }
    for (row, first) in &report.duplicates {
        say!("row {row}: the number of row {first} again; row {first} counts");
    }
    say!("{file}: {} rows{}", report.rows, report.encoding.map_or_else(String::new, |e| format!(", read as {e}")));
    for (verdict, words) in VERDICTS {
        if report.of(verdict) > 0 {
            say!("  {:>6}  {words}", report.of(verdict));
        }
    }
    if !report.duplicates.is_empty() {
        say!("  {:>6}  twice in the file", report.duplicates.len());
    }
    if report.refused() > 0 {
        say!("  {:>6}  refused: named above, mend them and import the file again", report.refused());
    }
    if dry_run {
        say!("Nothing was changed (--dry-run).");
    }
}

fn in_json(report: &Report, dry_run: bool) -> Value {
    let mut counts = Map::new();
    for (verdict, _) in VERDICTS {
        counts.insert(verdict.as_str().to_owned(), json!(report.of(verdict)));
    }
    counts.insert("duplicate".to_owned(), json!(report.duplicates.len()));
    counts.insert("refused".to_owned(), json!(report.refused()));
    let problems: Vec<Value> = report
        .problems
        .iter()
        .map(|p| json!({"row": p.line, "column": p.column, "code": p.code, "value": p.value, "message": p.message, "hint": p.advice}))
        .collect();
    let duplicates: Vec<Value> =
        report.duplicates.iter().map(|(row, first)| json!({"row": row, "same_as": first})).collect();
    json!({
        "format": "ringround.import/1", "rows": report.rows, "dry_run": dry_run, "encoding": report.encoding,
        "counts": counts, "problems": problems, "duplicates": duplicates,
    })
}
