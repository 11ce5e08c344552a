//! The door of `wireworks` alone.

use std::error::Error;
use std::path::PathBuf;

use wireworks::server::log::{self, LogConfig};
use wireworks::server::suite;

/// Runs the whole suite.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    log::init(LogConfig::default())?;
    suite::run(&data())?;
    Ok(())
}

/// Where programs of this user keep what lasts, by the XDG Base Directory Specification.
fn data() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || set("HOME").unwrap_or_default().join(".local/share");
    set("XDG_DATA_HOME").filter(|path| path.is_absolute()).unwrap_or_else(home).join("wireworks")
}
