//! `wireworks chat`: the server.
//!
//! Its [`Options`] can also stand in a TOML file, under the same names; [`Config`] is what they come to.

mod args;
mod config;
mod media;

pub use self::args::{Args, Options};
pub use self::config::{Config, DEFAULT_DATA, DEFAULT_LISTEN, Kept, Retention, Tokens};
pub use self::media::{Files, Place};
use super::server::{Chat, ChatError};
use crate::server::process::{Outcome, Process, announce};

/// Serves until a signal. Prints a line `listening chat ADDR` for each listener when it is ready.
///
/// # Errors
/// The folder is in use or broken, an address cannot be listened on, or a file cannot be read.
pub fn run(config: &Config) -> Result<Outcome, ChatError> {
    let common = &config.server;
    let mut process = Process::new(common.threading, common.threads, common.drain_timeout);
    prepare(config, &mut process)?;
    Ok(process.run(announce).map_err(crate::server::RunError::from)?)
}

/// Puts the server into `process`.
///
/// # Errors
/// As for [`run`].
pub fn prepare(config: &Config, process: &mut Process) -> Result<(), ChatError> {
    Chat::open(config)?.prepare(config, process)
}
