//! How an import looks: named problems, then counts whose sum is the number of rows.

use super::voice::{say, tell};
use crate::app::import::{Leavers, NAMED, Report};
use crate::app::import_notes::VERDICTS;
use crate::app::sheet::RowProblem;
use crate::domain::phone::Phone;
use crate::engine::admit::Verdict;
use serde_json::{Map, Value, json};

fn verdict_in_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::New => "new, with proof of consent",
        Verdict::NewPending => "new, without proof of consent: kept, never texted until they agree",
        Verdict::Changed => "changed",
        Verdict::Unchanged => "unchanged",
        Verdict::Suppressed => "said STOP or left: stays left, whatever the file says",
    }
}

pub(super) fn in_words(report: &Report, file: &str, dry_run: bool) {
    for problem in &report.problems {
        let value = if problem.value.is_empty() { String::new() } else { format!("  {}", problem.value) };
        let column = if problem.column.is_empty() { String::new() } else { format!(", column {}", problem.column) };
        say!("{}{column}:{value}  {}\n  hint: {}", problem.place, problem.message, problem.advice);
    }
    for (place, first, other_name) in &report.repeats {
        let but = if *other_name { ", with another name" } else { "" };
        say!("{place}: the number of row {first} again{but}; row {first} counts");
    }
    let repeats = report.duplicates + report.other_names;
    if report.refused > 0 && report.problems.len() >= NAMED || repeats > report.repeats.len() as u64 {
        say!("… and more: only the first {NAMED} are named here");
    }
    for (heading, meant) in &report.ignored {
        let hint = meant.map_or_else(String::new, |name| format!("; if it is the {name}: --map \"{heading}={name}\""));
        say!("column {heading}: not read{hint}");
    }
    let read_as = report.encoding.map_or_else(String::new, |e| format!(", read as {e}"));
    let sheet = report.sheet.as_ref().map_or_else(String::new, |name| format!(", sheet \"{name}\""));
    let hidden = if report.hidden == 0 { String::new() } else { format!(" ({} hidden rows left out)", report.hidden) };
    say!("{file}{sheet}: {} rows{hidden}{read_as}", report.rows);
    for verdict in VERDICTS {
        counted(report.of(verdict), verdict_in_words(verdict));
    }
    counted(report.duplicates, "twice in the file");
    counted(report.other_names, "two people on one phone: the first one's name counts");
    counted(report.refused, "refused: mend them and import them again");
    if let Some(path) = &report.refused_at {
        say!("The refused rows are in {}.", path.display());
    }
    if let Some(error) = &report.refused_failed {
        tell!("warning: the refused rows could not be kept in a file: {error}\nhint: say where: --report PATH");
    }
    if let Some(leavers) = &report.leavers {
        leavers_in_words(leavers);
    }
    if dry_run {
        say!("Nothing was changed (--dry-run).");
    } else if let Some(id) = report.import {
        say!("To take it back: ringround import undo {id}");
    }
}

fn counted(count: u64, words: &str) {
    if count > 0 {
        say!("  {count:>6}  {words}");
    }
}

fn leavers_in_words(leavers: &Leavers) {
    say!("{} of {} who came by a file are not in this one.", leavers.found, leavers.of);
    for phone in &leavers.named {
        say!("  {}", phone.masked());
    }
    match leavers.kept {
        Some(why) => say!("None of them was taken out of the list: {why}.\n  hint: look at it, then --replace-anyway"),
        None if leavers.removed > 0 => say!("{} were taken out of the list.", leavers.removed),
        None => {}
    }
}

pub(super) fn in_json(report: &Report, dry_run: bool) -> Value {
    let mut counts = Map::new();
    for verdict in VERDICTS {
        counts.insert(verdict.as_str().to_owned(), json!(report.of(verdict)));
    }
    counts.insert("duplicate".to_owned(), json!(report.duplicates));
    counts.insert("same_phone_other_name".to_owned(), json!(report.other_names));
    counts.insert("refused".to_owned(), json!(report.refused));
    let problem = |p: &RowProblem| {
        json!({
            "row": p.line, "place": p.place, "column": p.column, "code": p.code, "value": p.value, "message": p.message,
            "hint": p.advice,
        })
    };
    let problems: Vec<Value> = report.problems.iter().map(problem).collect();
    let repeat =
        |(place, first, other): &(String, u64, bool)| json!({"place": place, "same_as": first, "other_name": other});
    let duplicates: Vec<Value> = report.repeats.iter().map(repeat).collect();
    let ignored = |(heading, meant): &(String, Option<&str>)| json!({"heading": heading, "perhaps": meant});
    let ignored: Vec<Value> = report.ignored.iter().map(ignored).collect();
    let leavers = report.leavers.as_ref().map(|l| {
        let numbers: Vec<String> = l.named.iter().map(Phone::masked).collect();
        json!({"found": l.found, "of": l.of, "removed": l.removed, "kept": l.kept, "numbers": numbers})
    });
    json!({
        "format": "ringround.import/1", "rows": report.rows, "hidden": report.hidden, "sheet": report.sheet,
        "dry_run": dry_run, "encoding": report.encoding, "import": report.import, "counts": counts,
        "problems": problems, "duplicates": duplicates, "ignored": ignored, "leavers": leavers,
        "refused_file": report.refused_at.as_ref().map(|path| path.display().to_string()),
    })
}
