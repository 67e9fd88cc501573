//! The program as people meet it: the real binary, its output, its exit codes.

#![allow(missing_docs, clippy::unwrap_used)]

mod program {
    pub mod bad_input;
    pub mod commands;
    pub mod consent;
    pub mod demo;
    pub mod doubts;
    pub mod import;
    pub mod sheets;
    pub mod vectors;
}

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a run of the program said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the program in `folder`, with nothing of this machine's configuration.
pub fn ringround(folder: &Path, arguments: &[&str]) -> Said {
    ringround_with(folder, arguments, b"")
}

/// The same, with something on standard input.
pub fn ringround_with(folder: &Path, arguments: &[&str], input: &[u8]) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringround"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("RINGROUND_CONFIG")
        .env("TMPDIR", folder)
        .env("USER", "tester")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || {
        let _ = stdin.write_all(&input); // a program that does not read is not a failure
    });
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// A folder with the demo's settings and an empty, migrated database.
pub fn installation() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = include_str!("../config/demo.toml");
    std::fs::create_dir(folder.path().join("config")).unwrap();
    std::fs::write(folder.path().join("config/ringround.toml"), settings).unwrap();
    let said = ringround(folder.path(), &["migrate"]);
    assert_eq!(said.code, 0, "{}", said.err);
    folder
}
