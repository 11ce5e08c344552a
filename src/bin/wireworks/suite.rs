//! The door of `wireworks` alone.

use std::error::Error;

use wireworks::server::log::{self, LogConfig};
use wireworks::server::suite;

/// Runs the whole suite.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    log::init(LogConfig::default())?;
    suite::run()?;
    Ok(())
}
