//! The real program, as several test binaries run it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program in a folder of its own, with nothing of this machine's environment that would change what it does.
pub fn ringround(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringround"));
    command.current_dir(folder).env_remove("RINGROUND_CONFIG").env_remove("RUST_LOG");
    command.env("RUST_BACKTRACE", "0"); // what a panic would print takes more memory than all the rest
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command, arguments: &[&str]) -> Output {
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Runs a command that succeeds; what it said.
pub fn ok(command: &mut Command, arguments: &[&str]) -> String {
    let output = run(command, arguments);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}
