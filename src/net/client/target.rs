//! Where a server is, as users write it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server is: `127.0.0.1:7000`, `[::1]:7000`, `app.example.com:7000`, `unix:/run/app.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A name or an address, and a port.
    Tcp {
        /// The name or the address; an IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// A text that does not say where a server is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a server: it is written HOST:PORT or unix:PATH")]
pub struct BadTarget(pub String);

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let bad = || BadTarget(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(bad()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(host) if host.contains(':') => host,
            None if !host.is_empty() && !host.contains([':', '[', ']', '/']) => host,
            _ => return Err(bad()),
        };
        let port = port.parse().ok().filter(|&port| port > 0).ok_or_else(bad)?;
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["127.0.0.1:7000", "[::1]:7000", "app.example.com:443", "unix:/run/app.sock"] {
            assert_eq!(text.parse::<Target>().map(|target| target.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "host",
            "host:",
            "host:0",
            "host:65536",
            ":7000",
            "::1:7000",
            "[host]:1",
            "http://host:1",
            "unix:",
        ] {
            assert_eq!(text.parse::<Target>(), Err(BadTarget(text.to_owned())));
        }
    }
}
