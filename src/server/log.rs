//! The server's own log: `tracing` events, on stderr, as text or JSON.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// The environment variable that says in detail what is logged, as in `info,wireworks::net=debug`.
const VARIABLE: &str = "WIREWORKS_LOG";

/// The server's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// What its lines look like.
    pub format: LogFormat,
    /// How much is said.
    pub level: LogLevel,
}

/// The format of the server's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much the server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// And what may.
    Warn,
    /// And what happens once in a while.
    Info,
    /// And what happens to connections.
    Debug,
    /// Everything.
    Trace,
}

impl Default for LogConfig {
    /// Text, at the level `info`.
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel::Info }
    }
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The environment variable makes no sense.
    #[error("{VARIABLE} cannot be {value:?}")]
    Filter {
        /// What it holds.
        value: String,
        /// What is wrong.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The program has a log already.
    #[error("the log is set up already")]
    Twice,
}

/// Sends what the process logs to stderr. Call it once, before anything is logged.
///
/// # Errors
/// `WIREWORKS_LOG` makes no sense, or there is a log already.
pub fn init(config: LogConfig) -> Result<(), LogError> {
    let filter = filter(config.level, std::env::var(VARIABLE).ok().as_deref())?;
    let builder = tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter(filter);
    let outcome = match config.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    outcome.map_err(|_| LogError::Twice)
}

/// Likewise for a command that has no log of its own: only if `WIREWORKS_LOG` says that there is to be one.
///
/// # Errors
/// As for [`init`].
pub fn init_if_asked() -> Result<(), LogError> {
    let is_asked = std::env::var(VARIABLE).is_ok_and(|text| !text.trim().is_empty());
    if is_asked { init(LogConfig::default()) } else { Ok(()) }
}

/// The variable, if it is set to anything, or else the level.
fn filter(level: LogLevel, variable: Option<&str>) -> Result<EnvFilter, LogError> {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let text = variable.filter(|text| !text.trim().is_empty()).unwrap_or(level);
    EnvFilter::try_new(text).map_err(|source| LogError::Filter { value: text.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_wins_over_the_level() {
        let shown = |level, variable| filter(level, variable).unwrap().to_string();
        assert_eq!(shown(LogLevel::Warn, None), "warn");
        assert_eq!(shown(LogLevel::Info, Some("")), "info");
        assert_eq!(shown(LogLevel::Info, Some("wireworks::net=debug")), "wireworks::net=debug");
        for level in [LogLevel::Error, LogLevel::Debug, LogLevel::Trace] {
            assert!(filter(level, None).is_ok());
        }
    }

    #[test]
    fn a_bad_variable_is_named() {
        let error = filter(LogLevel::Info, Some("a=b=c")).unwrap_err();
        assert_eq!(error.to_string(), "WIREWORKS_LOG cannot be \"a=b=c\"");
    }
}
