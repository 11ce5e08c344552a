//! What a command ends with: its exit status, and the line that says why.

use std::error::Error;
use std::process::ExitCode;

use wireworks::server::command::ConfigError;
use wireworks::server::one_line;

/// Exit status of most failures.
pub(crate) const FAILURE: u8 = 1;
/// Exit status for a command line that makes no sense.
pub(crate) const USAGE: u8 = 64;

/// How it went with a server: its options may make no sense together, which is a mistake in the command line too.
pub(crate) fn served(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    let usage = |error: &ConfigError| if error.is_usage() { USAGE } else { FAILURE };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure(&*error, error.downcast_ref().map_or(FAILURE, usage)),
    }
}

/// Says why, and gives the status.
pub(crate) fn failure(error: &dyn Error, status: u8) -> ExitCode {
    eprintln!("error: {}", one_line(error));
    ExitCode::from(status)
}

/// Help and version are answers; anything else is a mistake.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Who closed the output does not want to know.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}
