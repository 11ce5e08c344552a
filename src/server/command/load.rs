//! What is laid over what: the command line over the file over the defaults.

use std::path::Path;

use super::config::ServerConfig;
use super::error::ConfigError;
use super::options::OptionSet;
use super::rows::Way;
use super::{file, show};
use crate::net::addr::{Inherited, ListenAddr};

/// Descriptors that a service manager hands over at most. As in [`net::listen`](crate::net::listen).
const MAX_HANDED_OVER: usize = 1024;

/// The configuration of a command that serves.
pub(in crate::server) trait Configured: Clone {
    /// The options that lead to it.
    type Options: OptionSet;

    /// The command, as it is typed.
    fn command(&self) -> &'static str;

    /// What every server has.
    fn server(&mut self) -> &mut ServerConfig;

    /// Walks the table between options and configuration, one way or the other.
    ///
    /// # Errors
    /// A value that is out of its range or not of its kind.
    fn walk(way: Way, options: &mut Self::Options, config: &mut Self) -> Result<(), ConfigError>;

    /// What no single value can tell. Of what was typed it is also wrong to do nothing; files may hold more than is used today.
    ///
    /// # Errors
    /// An option that does nothing without another.
    fn check(&self, typed: &Self::Options) -> Result<(), ConfigError>;

    /// These defaults under the file under the command line. Sockets handed over by a service manager (`LISTEN_FDS`) are used
    /// where neither says where to listen.
    ///
    /// # Errors
    /// The first value that cannot be used, by the name of its option.
    fn under(self, file: Option<&Path>, typed: &Self::Options) -> Result<Self, ConfigError> {
        let count = handed_over(std::process::id(), |name| std::env::var(name).ok());
        self.layered(file, typed, count)
    }

    /// As [`under`](Self::under), with so many sockets handed over.
    ///
    /// # Errors
    /// As for [`under`](Self::under).
    fn layered(
        mut self,
        file: Option<&Path>,
        typed: &Self::Options,
        handed_over: usize,
    ) -> Result<Self, ConfigError> {
        if handed_over > 0 {
            let each = |index| ListenAddr::Inherited(Inherited::Index(index));
            self.server().listen = (0..handed_over).map(each).collect();
        }
        if let Some(path) = file {
            let mut options = file::read(self.command(), path)?;
            Self::walk(Way::Read, &mut options, &mut self)
                .map_err(|error| ConfigError::InFile { path: path.into(), error: Box::new(error) })?;
        }
        Self::walk(Way::Read, &mut typed.clone(), &mut self)?;
        self.server().check()?;
        self.check(typed)?;
        Ok(self)
    }

    /// Every option that would lead to this configuration.
    fn shown(&self) -> Self::Options {
        let mut options = Self::Options::default();
        // Nothing is checked on this way, so nothing can fail.
        let _ = Self::walk(Way::Show, &mut options, &mut self.clone());
        options
    }

    /// The configuration as a TOML file with every value in it, and those that are not set as comments.
    ///
    /// # Errors
    /// A path that is not UTF-8, which TOML cannot hold.
    fn printed(&self) -> Result<String, ConfigError> {
        show::toml(self.command(), &self.shown())
    }
}

/// Refuses the options that are set when what they are about is not there.
pub(in crate::server) fn useful(
    options: &[(&'static str, bool)],
    used: bool,
    needed: &'static str,
) -> Result<(), ConfigError> {
    match options.iter().find(|(_, set)| *set && !used) {
        Some((name, _)) => Err(ConfigError::Needs { name, needed }),
        None => Ok(()),
    }
}

/// How many sockets a service manager handed to process `own`. Variables meant for another process, our parent, count
/// for nothing.
fn handed_over(own: u32, variable: impl Fn(&str) -> Option<String>) -> usize {
    let pid = variable("LISTEN_PID").and_then(|pid| pid.parse().ok());
    let count = variable("LISTEN_FDS").and_then(|count| count.parse().ok());
    count.filter(|&count| pid == Some(own) && count <= MAX_HANDED_OVER).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_handed_to_this_process_counts() {
        let rows = [
            (Some("42"), Some("2"), 2),
            (Some("43"), Some("2"), 0),
            (None, Some("2"), 0),
            (Some("42"), None, 0),
            (Some("42"), Some("x"), 0),
            (Some("42"), Some("1025"), 0),
        ];
        for (pid, fds, expected) in rows {
            let variable = |name: &str| match name {
                "LISTEN_PID" => pid.map(str::to_owned),
                "LISTEN_FDS" => fds.map(str::to_owned),
                _ => None,
            };
            assert_eq!(handed_over(42, variable), expected, "{pid:?} {fds:?}");
        }
    }
}
