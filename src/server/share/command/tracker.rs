//! `wireworks share tracker`: a tracker as a process.
//!
//! Its [`Options`] can also stand in a TOML file, under the same names; [`Config`] is what they come to.

mod args;
mod config;
#[cfg(test)]
mod tests;

pub use self::args::{Args, Options};
pub use self::config::{Config, DEFAULT_LISTEN, Udp};
use crate::net::addr::ListenAddr;
use crate::net::listen::ListenError;
use crate::server::RunError;
use crate::server::http::server::Server;
use crate::server::process::{Background, Outcome, Process, announce};
use crate::server::share::tracker::{self, AllowError, Tracker};

/// The name of this server in what it prints.
pub const NAME: &str = "tracker";

/// Why the command cannot do what it was asked. Each message is one line; causes are in `source`.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// It cannot be told which torrents are tracked.
    #[error(transparent)]
    Allow(#[from] AllowError),
    /// An address of UDP cannot be had.
    #[error("by UDP: {0}")]
    Udp(ListenError),
    /// The server cannot run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Tracks until a signal. Prints a line `listening tracker ADDR` for each address of HTTP when it is ready, and one
/// `listening tracker-udp ADDR` for each of UDP.
///
/// # Errors
/// An address cannot be listened on, or a file cannot be used.
pub fn run(config: &Config) -> Result<Outcome, TrackError> {
    let common = &config.server;
    let mut process = Process::new(common.threading, common.threads, common.drain_timeout);
    prepare(config, &mut process)?;
    Ok(process.run(announce).map_err(RunError::from)?)
}

/// Reads files, binds sockets, and puts the tracker into `process`, whose threads and drain it uses.
///
/// # Errors
/// As for [`run`].
pub fn prepare(config: &Config, process: &mut Process) -> Result<(), TrackError> {
    let tracker = Tracker::new(config.limits(), config.believed()).map_err(RunError::from)?;
    if let Some(file) = &config.allow {
        tracker::allow_only(file, &tracker, process)?;
    }
    let shown = tracker.clone();
    Server::new(tracker::routes(&tracker))
        .name(NAME)
        .configured(&config.server)
        .combined_log(config.server.access_log.clone())
        .show(move |metrics| tracker::register(&shown, metrics))
        .prepare(process)?;
    let addresses = match &config.udp {
        Udp::Same => same(process),
        Udp::None => Vec::new(),
        Udp::At(addresses) => addresses.clone(),
    };
    tracker::listen(&tracker, &addresses, process).map_err(TrackError::Udp)?;
    process.parts.push(Background::new(vec![tracker.sweeping(process.drain.clone())]));
    Ok(())
}

/// The addresses of HTTP that are of IP, with their real ports.
fn same(process: &Process) -> Vec<ListenAddr> {
    let own = process.addresses.iter().filter(|address| address.server == NAME);
    let addresses = own.map(|address| address.address.clone());
    addresses.filter(|address| matches!(address, ListenAddr::Tcp(_) | ListenAddr::Any(_))).collect()
}
