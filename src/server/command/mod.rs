//! What the commands that serve have in common: options that can stand on the command line and in a TOML file, and what they come to.
//!
//! [`ListenOptions`] and [`LogOptions`] are part of the options of every such command, and [`ServerConfig`] is what they come to; a command adds its
//! own. `Configured` then lays the command line over the file over the defaults, checks every value, and prints the configuration.

mod config;
mod error;
mod file;
mod load;
#[cfg(test)]
mod manual;
mod options;
mod rows;
mod show;

pub use self::config::{ServerConfig, TlsClientAuth, TlsFiles};
pub use self::error::ConfigError;
pub(in crate::server) use self::load::{Configured, useful};
#[cfg(test)]
pub(in crate::server) use self::manual::{SHARED, names_every_option};
pub use self::options::{FileArgs, ListenOptions, LogOptions};
pub(in crate::server) use self::options::{LIMITS, LOGS, OptionSet, TIMEOUTS, merged};
pub(in crate::server) use self::rows::{DAY, HOUR, Typed, Unfit, Way, listening, logs};
pub(in crate::server) use self::show::with_defaults;
#[cfg(test)]
pub(in crate::server) use self::show::{default_of, key};
