//! What is laid over what: the command line over the file over the defaults, and what no single value can tell.

use std::path::PathBuf;

use super::args::{Args, Options};
use super::config::{Config, Site};
use super::{file, rows, show};
use crate::net::addr::{Inherited, ListenAddr};

/// Descriptors that a service manager hands over at most. As in [`net::listen`](crate::net::listen).
const MAX_HANDED_OVER: usize = 1024;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or holds what is no option.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A value in the file that cannot be used.
    #[error("in {}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// Which value.
        #[source]
        error: Box<ConfigError>,
    },
    /// A value out of its range.
    #[error("--{name} cannot be {value}: the least is {least}, the most {most}")]
    Range {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// The lowest value allowed.
        least: String,
        /// The highest value allowed.
        most: String,
    },
    /// A value that is not of its kind.
    #[error("--{name} cannot be {value:?}: {reason}")]
    Value {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        reason: String,
    },
    /// An option that does nothing without another.
    #[error("--{name} does nothing without {needed}")]
    Needs {
        /// The option.
        name: &'static str,
        /// What is missing.
        needed: &'static str,
    },
    /// Not as many keys as certificates.
    #[error(
        "{certs} of --tls-cert and {keys} of --tls-key: each certificate needs its key, in the same order"
    )]
    Pairs {
        /// Certificates.
        certs: usize,
        /// Keys.
        keys: usize,
    },
    /// A value that TOML cannot hold.
    #[error("the configuration cannot be printed")]
    Print(#[from] toml::ser::Error),
}

impl Config {
    /// The command line over the file over the defaults. Sockets handed over by a service manager (`LISTEN_FDS`) are used
    /// where neither says where to listen.
    ///
    /// # Errors
    /// The first value that cannot be used, by the name of its option.
    pub fn load(site: Site, args: &Args) -> Result<Self, ConfigError> {
        let count = handed_over(std::process::id(), |name| std::env::var(name).ok());
        Self::layered(site, args, count)
    }

    /// The defaults of a site.
    #[must_use]
    pub fn of(site: Site) -> Self {
        Self { site, listen: vec![site.listen()], ..Self::default() }
    }

    fn layered(site: Site, args: &Args, handed_over: usize) -> Result<Self, ConfigError> {
        let mut config = Self::of(site);
        if handed_over > 0 {
            let each = |index| ListenAddr::Inherited(Inherited::Index(index));
            config.listen = (0..handed_over).map(each).collect();
        }
        if let Some(path) = &args.config {
            let options = file::read(site, path)?;
            config
                .apply(&options)
                .map_err(|error| ConfigError::InFile { path: path.clone(), error: Box::new(error) })?;
        }
        config.apply(&args.options)?;
        config.check()?;
        config.check_use(&args.options)?;
        Ok(config)
    }

    /// Puts the options that are set over what is there.
    ///
    /// # Errors
    /// A value that is out of its range or not of its kind.
    pub fn apply(&mut self, options: &Options) -> Result<(), ConfigError> {
        rows::read(&mut options.clone(), self)
    }

    /// Every option that would lead to this configuration.
    #[must_use]
    pub fn to_options(&self) -> Options {
        rows::show(&mut self.clone())
    }

    /// The configuration as a TOML file with every value in it, and those that are not set as comments. Secrets are not
    /// shown: `***` stands for them, which nobody can take for a secret.
    ///
    /// # Errors
    /// A path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        show::toml(self.site, &self.to_options())
    }

    /// What no single value can tell.
    fn check(&self) -> Result<(), ConfigError> {
        let (certs, keys) = (self.tls.certs.len(), self.tls.keys.len());
        if certs != keys {
            return Err(ConfigError::Pairs { certs, keys });
        }
        let of_tls = [("tls-client-ca", self.tls.client_ca.is_some())];
        useful(&of_tls, self.tls.is_on(), CERTIFICATE)
    }

    /// What was typed and would do nothing. Files may hold more than is used today.
    fn check_use(&self, typed: &Options) -> Result<(), ConfigError> {
        let of_files = [
            ("no-listing", typed.listing.is_some()),
            ("index", typed.index.is_some()),
            ("spa", typed.spa.is_some()),
            ("hidden", typed.hidden.is_some()),
            ("follow-symlinks", typed.follow_symlinks.is_some()),
            ("cache-control", typed.cache_control.is_some()),
            ("no-precompressed", typed.precompressed.is_some()),
        ];
        let of_log = [("access-log-format", typed.access_log_format.is_some())];
        let of_tls = [("tls-handshake-timeout", typed.tls_handshake_timeout.is_some())];
        let of_sockets = [
            ("subprotocol", typed.subprotocol.is_some()),
            ("origin", typed.origin.is_some()),
            ("deflate", typed.deflate.is_some()),
            ("deflate-level", typed.deflate_level.is_some()),
            ("deflate-window", typed.deflate_window.is_some()),
            ("deflate-threshold", typed.deflate_threshold.is_some()),
            ("max-deflate-contexts", typed.max_deflate_contexts.is_some()),
            ("max-message", typed.max_message.is_some()),
            ("max-unsent", typed.max_unsent.is_some()),
            ("ping-interval", typed.ping_interval.is_some()),
            ("pong-timeout", typed.pong_timeout.is_some()),
            ("close-timeout", typed.close_timeout.is_some()),
        ];
        useful(&of_files, self.dir.is_some(), "DIR")?;
        let sockets = self.site == Site::Sockets || self.dir.is_none();
        useful(&of_sockets, sockets, "sockets: leave DIR out, or use `wireworks ws serve`")?;
        useful(&of_log, self.access_log.is_some(), "--access-log")?;
        let of_clients = [("tls-client-auth", typed.tls_client_auth.is_some())];
        useful(&of_tls, self.tls.is_on(), CERTIFICATE)?;
        useful(&of_clients, self.tls.client_ca.is_some(), "--tls-client-ca")
    }
}

/// Refuses the options that are set when what they are about is not there.
fn useful(options: &[(&'static str, bool)], used: bool, needed: &'static str) -> Result<(), ConfigError> {
    match options.iter().find(|(_, set)| *set && !used) {
        Some((name, _)) => Err(ConfigError::Needs { name, needed }),
        None => Ok(()),
    }
}

/// What TLS cannot be without.
const CERTIFICATE: &str = "--tls-cert or --tls-self-signed";

/// How many sockets a service manager handed to process `own`. Variables meant for another process, our parent, count
/// for nothing.
fn handed_over(own: u32, variable: impl Fn(&str) -> Option<String>) -> usize {
    let pid = variable("LISTEN_PID").and_then(|pid| pid.parse().ok());
    let count = variable("LISTEN_FDS").and_then(|count| count.parse().ok());
    count.filter(|&count| pid == Some(own) && count <= MAX_HANDED_OVER).unwrap_or(0)
}

#[cfg(test)]
mod tests;
