//! Two hundred spreadsheets as office workers make them, written by somebody who had not read the code: what each of them
//! must come to (`tests/fixtures/sheets.jsonl`).

use crate::{installation, ringround};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Why it was refused as a whole, or (new, pending, refused); and who may be texted afterwards.
type Outcome = (Result<(u64, u64, Vec<Refused>), String>, Vec<String>);
/// (row, heading, code)
type Refused = (u64, String, String);

#[test]
fn every_sheet_comes_to_what_it_must() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let wanted = fs::read_to_string(fixtures.join("sheets.jsonl")).unwrap();
    let cases: Vec<Value> = wanted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 213);
    // One database for all: what a file has added is taken out of the way by giving the next one a fresh copy.
    let empty = installation();
    let database = fs::read_dir(empty.path()).unwrap().map(|entry| entry.unwrap().path());
    let database: Vec<_> = database.filter(|path| path.is_file()).collect();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("config")).unwrap();
            let settings = "config/ringround.toml";
            fs::copy(empty.path().join(settings), folder.path().join(settings)).unwrap();
            for file in &database {
                fs::copy(file, folder.path().join(file.file_name().unwrap())).unwrap();
            }
            let file = case["file"].as_str().unwrap();
            fs::copy(fixtures.join("sheets").join(file), folder.path().join(file)).unwrap();
            let found = outcome(folder.path(), file, case);
            let why = case["why"].as_str().unwrap();
            (found != expected(case)).then(|| format!("{file} ({why}):\n  {found:?}\n  {:?}", expected(case)))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// What became of it.
fn outcome(folder: &Path, file: &str, case: &Value) -> Outcome {
    let more = case["args"].as_array().into_iter().flatten().map(|word| word.as_str().unwrap());
    let arguments: Vec<&str> = ["import", file, "--json"].into_iter().chain(more).collect();
    let said = ringround(folder, &arguments);
    let told: Value = [&said.out, &said.err]
        .into_iter()
        .flat_map(|text| text.lines())
        .find_map(|line| serde_json::from_str(line).ok())
        .unwrap_or_else(|| panic!("{file}: {}{}", said.out, said.err));
    let became = if told["format"] == "ringround.error/1" {
        assert!(said.code == 1 || said.code == 2, "{file}: exit code {}", said.code);
        assert!(!told["hint"].as_str().unwrap().is_empty(), "{file}");
        Err(told["message"].as_str().unwrap().replace(file, "FILE"))
    } else {
        let counts = told["counts"].as_object().unwrap();
        let sum: u64 = counts.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(told["rows"], sum, "{file}: every row has one end");
        let word = |of: &Value| of.as_str().unwrap().to_owned();
        let problems = told["problems"].as_array().unwrap().iter();
        let problems = problems.map(|p| (p["row"].as_u64().unwrap(), word(&p["column"]), word(&p["code"])));
        Ok((counts["new"].as_u64().unwrap(), counts["new_pending"].as_u64().unwrap(), problems.collect()))
    };
    let listed = ringround(folder, &["contacts", "list", "--json", "--reveal"]);
    let contacts = listed.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let joined = contacts.filter(|contact| contact["lists"].to_string().contains("joined"));
    let mut joined: Vec<String> = joined.filter_map(|contact| contact["number"].as_str().map(str::to_owned)).collect();
    joined.sort();
    (became, joined)
}

fn expected(case: &Value) -> Outcome {
    let texts = |of: &Value| of.as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect();
    let became = if let Some(message) = case["whole"].as_str() {
        Err(message.to_owned())
    } else {
        let refused = case["refused"].as_array().unwrap().iter();
        let word = |of: &Value| of.as_str().unwrap().to_owned();
        let refused = refused.map(|r| (r[0].as_u64().unwrap(), word(&r[1]), word(&r[2])));
        Ok((case["new"].as_u64().unwrap(), case["pending"].as_u64().unwrap(), refused.collect()))
    };
    (became, texts(&case["joined"]))
}
