//! The program: reads the command line and runs it. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(ringround::cli::run(std::env::args_os()))),
        Err(error) => {
            eprintln!("error: the program could not start: {error}");
            ExitCode::FAILURE
        }
    }
}
