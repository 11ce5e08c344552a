//! The door of `wireworks` alone.

use std::error::Error;

use wireworks::server::site::command::{Config, init_log};
use wireworks::server::suite;

/// Runs the whole suite.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    init_log(Config::default().log)?;
    suite::run()?;
    Ok(())
}
