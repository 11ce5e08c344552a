//! What is wrong with a configuration: one line each, by the name of the option.

use std::path::PathBuf;

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

impl ConfigError {
    /// Whether the command line is wrong, rather than a file.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Read { .. } | Self::Syntax { .. } | Self::InFile { .. } | Self::Print(_))
    }
}
