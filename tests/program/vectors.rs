//! Every published vector of the standards, and a hostile set of our own, through `inspect --jsonl`.

use crate::ringround_with;
use serde_json::{Value, json};

#[test]
fn every_vector_is_answered_right() {
    all_are_right(include_str!("../fixtures/vectors.jsonl"), 145);
}

/// What phones, autocorrect, anger and spreadsheets make of words and numbers, written down by somebody who had not read
/// the code.
#[test]
fn hostile_texts_and_cells_are_understood() {
    all_are_right(include_str!("../fixtures/hostile.jsonl"), 852);
}

fn all_are_right(lines: &str, least: usize) {
    let vectors: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(vectors.len() >= least);
    let mut requests = String::new();
    for vector in &vectors {
        let mut request = vector["input"].clone();
        request["id"] = vector["id"].clone();
        requests.push_str(&format!("{request}\n"));
    }
    let folder = tempfile::tempdir().unwrap();
    let said = ringround_with(folder.path(), &["inspect", "--jsonl"], requests.as_bytes());
    assert_eq!(said.code, 0, "{}", said.err);
    let answers: Vec<Value> = said.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(answers.len(), vectors.len());
    let wrong: Vec<String> = vectors
        .iter()
        .zip(&answers)
        .filter(|(vector, answer)| !is_right(vector, answer))
        .map(|(vector, answer)| format!("{}: wanted {}, got {answer}", vector["id"], vector["expected"]))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_right(vector: &Value, answer: &Value) -> bool {
    let holds =
        |wanted: &Value| wanted.as_object().unwrap().iter().all(|(field, value)| answer.get(field) == Some(value));
    let among = |field: &str, allowed: &str| {
        vector[allowed].as_array().is_some_and(|all| answer.get(field).is_some_and(|a| all.contains(a)))
    };
    answer["id"] == vector["id"]
        && (holds(&vector["expected"])
            || among("error", "accept_errors")
            || among("action", "accept_actions")
            || vector["accept"].as_array().is_some_and(|all| all.iter().any(holds)))
}

#[test]
fn what_can_t_be_answered_is_said_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let input = b"not json\n\n[1]\n{\"id\":7,\"op\":\"fly\"}\n{\"id\":8,\"op\":\"sms_count\"}\n\xff\xfe\n{\"id\":9,\"op\":\"sms_count\",\"text\":\"a\"}";
    let said = ringround_with(folder.path(), &["inspect", "--jsonl"], input);
    let answers: Vec<Value> = said.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(said.code, 0);
    assert_eq!((&answers[0]["line"], &answers[1]["line"], &answers[4]["line"]), (&json!(1), &json!(3), &json!(6)));
    assert_eq!(answers[2], json!({"id": 7, "unsupported": true}));
    assert_eq!(answers[3]["error"], "\"text\" must be a text");
    assert_eq!(answers[5], json!({"id": 9, "encoding": "gsm7", "units": 1, "parts": 1}));
}
