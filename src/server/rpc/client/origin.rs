//! Where the servers of a channel are known from: a list, a name that is looked up again and again, or a file that is read again.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use super::target::{BadTarget, Place};
use crate::net::client::Target;

/// Where servers are known from.
///
/// `HOST:PORT` and `unix:PATH` are a server each; a host with several addresses is one server that is reached by any of them. Of
/// `dns:HOST:PORT` each address is a server, and the name is looked up again every [`REFRESH`](super::REFRESH) and when a connection fails. `file:PATH` is
/// a file with a server a line, which is read again when it has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// One server.
    Server(Target),
    /// The addresses of a name.
    Name {
        /// The name.
        host: Arc<str>,
        /// The port.
        port: u16,
    },
    /// The lines of a file: a server each, as [`Target`] reads it; nothing; or, with `#` before it, a remark.
    File(PathBuf),
}

impl FromStr for Origin {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let bad = || BadTarget(text.to_owned());
        if let Some(name) = text.strip_prefix("dns:") {
            return match name.parse() {
                Ok(Target::Tcp { host, port }) => Ok(Self::Name { host: host.into(), port }),
                Ok(Target::Unix(_)) | Err(_) => Err(bad()),
            };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return if path.is_empty() { Err(bad()) } else { Ok(Self::File(path.into())) };
        }
        text.parse().map(Self::Server).map_err(|_| bad())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(target) => target.fmt(f),
            Self::Name { host, port } => {
                write!(f, "dns:{}", Target::Tcp { host: host.to_string(), port: *port })
            }
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl From<Target> for Origin {
    fn from(target: Target) -> Self {
        Self::Server(target)
    }
}

/// The longest list of servers that is read from a file, in bytes: some tens of thousands.
pub(super) const MAX_FILE: u64 = 1 << 20;

/// The servers of a file.
///
/// # Errors
/// A line that says nothing of the kind; or there is no server at all, as in a file that is just being written.
pub(super) fn servers(text: &str) -> Result<Vec<Place>, String> {
    let mut places = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
        if line.is_empty() {
            continue;
        }
        let target: Target =
            line.parse().map_err(|_| format!("line {number}: {line:?} is no address of a server"))?;
        places.push(target.into());
    }
    if places.is_empty() { Err("it names no server".into()) } else { Ok(places) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_they_are_written() {
        let rows =
            ["127.0.0.1:7000", "unix:/run/a.sock", "dns:a.test:80", "dns:[::1]:80", "file:/etc/servers"];
        for text in rows {
            assert_eq!(text.parse::<Origin>().map(|origin| origin.to_string()), Ok(text.to_owned()));
        }
        for text in ["dns:", "dns:a.test", "dns:unix:/run/a.sock", "dns:file:a", "file:", "http://a.test:1"] {
            assert_eq!(text.parse::<Origin>(), Err(BadTarget(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_file_has_a_server_a_line() {
        let text = "# ours\n127.0.0.1:1\n\n  [::1]:2  # the second\nunix:/run/a.sock\r\n";
        let places: Vec<_> = servers(text).unwrap().iter().map(|place| place.target.to_string()).collect();
        assert_eq!(places, ["127.0.0.1:1", "[::1]:2", "unix:/run/a.sock"]);
        let rows = [
            ("", "it names no server"),
            ("# none\n", "it names no server"),
            ("a.test:1\nb.test", "line 2: \"b.test\" is no address of a server"),
            ("dns:a.test:1", "line 1: \"dns:a.test:1\" is no address of a server"),
        ];
        for (text, why) in rows {
            assert_eq!(servers(text).unwrap_err(), why);
        }
    }
}
