//! Where the words of a command go: to the terminal, or, when the running service carries a command out for somebody,
//! into two buffers that travel back to them.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;

tokio::task_local! {
    static CAPTURED: RefCell<Captured>;
}

/// What a command said while it was carried out for somebody else.
#[derive(Debug, Default)]
pub(super) struct Captured {
    pub(super) out: String,
    pub(super) err: String,
}

/// Runs a command and keeps what it says.
pub(super) async fn captured<T>(command: impl Future<Output = T>) -> (T, Captured) {
    CAPTURED
        .scope(RefCell::default(), async {
            let done = command.await;
            (done, CAPTURED.with(RefCell::take))
        })
        .await
}

/// Is somebody else listening? Then no bar, no question.
pub(super) fn is_captured() -> bool {
    CAPTURED.try_with(|_| ()).is_ok()
}

/// A line of data, to standard output.
pub(super) fn to_out(line: fmt::Arguments<'_>) {
    if CAPTURED.try_with(|c| c.borrow_mut().out.push_str(&format!("{line}\n"))).is_err() {
        written(writeln!(std::io::stdout(), "{line}"));
    }
}

/// A line of talk, to standard error.
pub(super) fn to_err(line: fmt::Arguments<'_>) {
    if CAPTURED.try_with(|c| c.borrow_mut().err.push_str(&format!("{line}\n"))).is_err() {
        let _ = writeln!(std::io::stderr(), "{line}"); // nobody listens: there is nobody to tell
    }
}

/// Whoever read our output may have had enough (`| head`), which is no failure; a full disk is one.
fn written(done: std::io::Result<()>) {
    match done {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: the output can't be written: {error}");
            std::process::exit(1);
        }
    }
}

macro_rules! say {
    ($($words:tt)*) => { $crate::cli::voice::to_out(format_args!($($words)*)) };
}
macro_rules! tell {
    ($($words:tt)*) => { $crate::cli::voice::to_err(format_args!($($words)*)) };
}
pub(super) use {say, tell};
