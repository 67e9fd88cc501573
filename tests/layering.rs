//! ARCHITECTURE.md is the law: every module keeps to its rank and its crates, and files stay readable.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

struct Row {
    rank: u8,
    crates: BTreeSet<String>,
}

fn rows() -> BTreeMap<String, Row> {
    let map = include_str!("../ARCHITECTURE.md");
    let rows: BTreeMap<String, Row> = map
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [rank, module, _, crates] = cells[..] else { return None };
            let rank = rank.parse().ok()?;
            let crates = crates.split('`').filter(|c| !c.trim().is_empty()).map(str::to_owned).collect();
            Some((module.trim_matches('`').to_owned(), Row { rank, crates }))
        })
        .collect();
    assert_eq!(rows.len(), 10, "the table of ranks has changed its form");
    rows
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The top-level module of a file of `src/`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// A file's code: no comments, and without its tests.
fn code(path: &Path) -> String {
    let source = fs::read_to_string(path).unwrap();
    let before_tests = source.split("#[cfg(test)]").next().unwrap();
    before_tests.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_arrow_points_down() {
    let rows = rows();
    for path in files("src") {
        let name = module(&path);
        if name == "lib" {
            continue;
        }
        let row = rows.get(&name).unwrap_or_else(|| panic!("{name} is not in ARCHITECTURE.md"));
        for (at, _) in code(&path).match_indices("crate::") {
            let code = code(&path);
            let rest = &code[at + 7..];
            let used: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if used == name || used.is_empty() {
                continue;
            }
            let other = rows.get(&used).unwrap_or_else(|| panic!("{}: crate::{used}?", path.display()));
            assert!(other.rank < row.rank, "{}: {name} may not see {used}", path.display());
        }
    }
}

#[test]
fn every_module_keeps_to_its_crates() {
    let manifest = include_str!("../Cargo.toml");
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("[dev-dependencies]").next().unwrap();
    let crates: BTreeSet<String> = dependencies
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim().replace('-', "_")))
        .filter(|name| !name.starts_with('#'))
        .collect();
    let mut used_by_somebody = BTreeSet::new();
    let rows = rows();
    for path in files("src") {
        let code = code(&path);
        let Some(row) = rows.get(&module(&path)) else { continue };
        for name in &crates {
            let used = code
                .match_indices(&format!("{name}::"))
                .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':')));
            if used {
                assert!(row.crates.contains(name), "{} uses {name}, which its row does not name", path.display());
                used_by_somebody.insert(name.clone());
            }
        }
    }
    let unused: Vec<_> = crates.difference(&used_by_somebody).collect();
    assert!(unused.is_empty(), "dependencies that nobody uses: {unused:?}");
}

#[test]
fn ranks_0_and_1_are_pure() {
    const IMPURE: [&str; 14] = [
        "async ", ".await", "std::fs", "std::net", "std::io", "std::env", "std::thread", "std::process", "SystemTime",
        "Instant::now", "Timestamp::now", "println!", "eprintln!", "static mut",
    ];
    let rows = rows();
    for path in files("src")
        .into_iter()
        .filter(|path| rows.get(&module(path)).is_some_and(|row| row.rank < 2))
        .filter(|path| module(path) != "fault")
    {
        let code = code(&path);
        for word in IMPURE {
            assert!(!code.contains(word), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn files_and_functions_stay_readable() {
    for (folder, most) in [("src", 400), ("tests", 600)] {
        for path in files(folder) {
            let source = fs::read_to_string(&path).unwrap();
            let most = if path.ends_with("src/main.rs") { 40 } else { most };
            let lines = source.lines().count();
            assert!(lines <= most, "{} has {lines} lines, {most} are allowed", path.display());
            if folder == "src" {
                short_functions(&path, &source);
            }
        }
    }
}

/// Functions of at most 70 lines; rustfmt puts the closing brace under the line that begins the function.
fn short_functions(path: &Path, source: &str) {
    let lines: Vec<&str> = source.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let begins = trimmed.starts_with("fn ")
            || (trimmed.starts_with("pub") || trimmed.starts_with("async")) && trimmed.contains("fn ");
        if !begins || line.trim_end().ends_with('}') {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - trimmed.len()]);
        let length = lines[at..].iter().position(|l| *l == closing).map_or(0, |end| end + 1);
        assert!(length <= 70, "{}:{}: a function of {length} lines", path.display(), at + 1);
    }
}

#[test]
fn the_chart_of_states_is_the_same_everywhere() {
    let map = include_str!("../ARCHITECTURE.md");
    let drawn = map.split("```text").nth(1).unwrap().split("```").next().unwrap();
    let source = include_str!("../src/domain/message.rs");
    let on_enum = source.split("//! ```text").nth(1).unwrap().split("//! ```").next().unwrap();
    let bare = |text: &str| -> Vec<String> {
        text.lines().map(|l| l.trim_start_matches("//!").trim().to_owned()).filter(|l| !l.is_empty()).collect()
    };
    assert_eq!(bare(drawn), bare(on_enum));
}
