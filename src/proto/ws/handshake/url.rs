//! The URLs of WebSockets: RFC 6455 section 3, and `ws+unix:` for sockets in the file system.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::proto::http::client::{Authority, AuthorityError};
use crate::proto::http::credentials::Credentials;

/// What no target may hold as it is, and people type: it is percent-encoded for them. What is encoded already stays.
const RAW: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Where a WebSocket is. `Display` leaves out who asks, and `Debug` the password.
///
/// | typed | meaning |
/// |---|---|
/// | `ws://HOST[:PORT][/PATH][?QUERY]` | over TCP; the port is 80 when none is given |
/// | `wss://...` | over TLS; the port is 443 when none is given |
/// | `ws://USER:PASSWORD@HOST` | the same, with an `Authorization` of the scheme Basic |
/// | `ws+unix:/run/app.sock[:/PATH][?QUERY]` | over a Unix socket; its path holds no colon |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Where to connect.
    pub place: Place,
    /// Path and query, percent-encoded; begins with `/`.
    pub target: String,
    /// Who asks.
    pub credentials: Option<Credentials>,
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// TCP, with TLS or without.
    Tcp {
        /// A name or an IP address, an IPv6 address in brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether it is `wss:`.
        secure: bool,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why a text is no URL of a WebSocket. The text is not shown: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("the URL of a WebSocket begins with ws://, wss:// or ws+unix:")]
    Scheme,
    /// The host, the port, or who asks.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// `#` (RFC 6455 section 3).
    #[error("the URL of a WebSocket has no fragment: write # as %23")]
    Fragment,
    /// No path of a socket.
    #[error("a Unix socket is written as ws+unix:/run/app.sock or ws+unix:/run/app.sock:/path")]
    Socket,
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::Scheme)?;
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        match rest.strip_prefix("//") {
            Some(rest) if is("ws") => tcp(rest, false),
            Some(rest) if is("wss") => tcp(rest, true),
            after if is("ws+unix") => unix(after.filter(|path| path.starts_with('/')).unwrap_or(rest)),
            _ => Err(UrlError::Scheme),
        }
    }
}

fn tcp(rest: &str, secure: bool) -> Result<Url, UrlError> {
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let Authority { credentials, host, port } = authority.parse()?;
    let place = Place::Tcp { host, port: port.unwrap_or(usual_port(secure)), secure };
    Ok(Url { place, target: encoded(target), credentials })
}

fn unix(rest: &str) -> Result<Url, UrlError> {
    let (path, target) = rest.split_once(':').unwrap_or((rest, ""));
    let sound = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\0', '?']);
    if !sound || !(target.is_empty() || target.starts_with(['/', '?'])) {
        return Err(UrlError::Socket);
    }
    Ok(Url { place: Place::Unix(path.into()), target: encoded(target), credentials: None })
}

/// Section 3: an empty path is `/`.
fn encoded(target: &str) -> String {
    let slash = if target.starts_with('/') { "" } else { "/" };
    format!("{slash}{}", utf8_percent_encode(target, RAW))
}

fn usual_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

impl Place {
    /// What `Host` says: the port only when it is not the usual one, and `localhost` for a Unix socket, which has no name.
    #[must_use]
    pub fn host_field(&self) -> String {
        match self {
            Self::Tcp { host, port, secure } if *port == usual_port(*secure) => host.clone(),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".into(),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { secure, .. } => {
                let scheme = if *secure { "wss" } else { "ws" };
                write!(f, "{scheme}://{}{}", self.place.host_field(), self.target)
            }
            Place::Unix(path) => write!(f, "ws+unix:{}:{}", path.display(), self.target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_as_users_type_them() {
        let rows = [
            ("ws://a.test", "a.test", 80, false, "/", "ws://a.test/"),
            ("wss://a.test", "a.test", 443, true, "/", "wss://a.test/"),
            (
                "WS://a.test:8080/chat?room=1",
                "a.test",
                8080,
                false,
                "/chat?room=1",
                "ws://a.test:8080/chat?room=1",
            ),
            ("ws://a.test:443", "a.test", 443, false, "/", "ws://a.test:443/"),
            ("wss://a.test:443?q", "a.test", 443, true, "/?q", "wss://a.test/?q"),
            ("ws://[::1]:1/", "[::1]", 1, false, "/", "ws://[::1]:1/"),
            ("ws://u:p@a.test/x", "a.test", 80, false, "/x", "ws://a.test/x"),
            ("ws://a/b@c", "a", 80, false, "/b@c", "ws://a/b@c"),
            (
                "ws://a/b c?d={\u{e9}}%20",
                "a",
                80,
                false,
                "/b%20c?d=%7B%C3%A9%7D%20",
                "ws://a/b%20c?d=%7B%C3%A9%7D%20",
            ),
            ("ws://a/\r\nB: c", "a", 80, false, "/%0D%0AB:%20c", "ws://a/%0D%0AB:%20c"),
        ];
        for (text, host, port, secure, target, shown) in rows {
            let url: Url = text.parse().unwrap();
            assert_eq!(url.place, Place::Tcp { host: host.into(), port, secure }, "{text}");
            assert_eq!((&*url.target, &*url.to_string()), (target, shown), "{text}");
            assert_eq!(url.credentials.is_some(), text.contains("u:p"), "{text}");
        }
    }

    #[test]
    fn unix_sockets() {
        let rows = [
            ("ws+unix:/run/a.sock", "/run/a.sock", "/"),
            ("ws+unix:/run/a.sock:/chat?a=b:c", "/run/a.sock", "/chat?a=b:c"),
            ("ws+unix:///run/a b.sock:?q", "/run/a b.sock", "/?q"),
        ];
        for (text, path, target) in rows {
            let url: Url = text.parse().unwrap();
            assert_eq!((url.place.clone(), &*url.target), (Place::Unix(path.into()), target), "{text}");
            assert_eq!(url.place.host_field(), "localhost");
        }
        assert_eq!("ws+unix:/a:/b".parse::<Url>().unwrap().to_string(), "ws+unix:/a:/b");
    }

    #[test]
    fn what_is_no_url_of_a_websocket() {
        let rows = [
            ("a.test", UrlError::Scheme),
            ("a.test:80", UrlError::Scheme),
            ("http://a.test", UrlError::Scheme),
            ("ws:a.test", UrlError::Scheme),
            ("ws:/a.test", UrlError::Scheme),
            ("", UrlError::Scheme),
            ("ws://", AuthorityError::Host.into()),
            ("ws:///path", AuthorityError::Host.into()),
            ("ws://a:b", AuthorityError::Host.into()),
            ("ws://a:0", AuthorityError::Port.into()),
            ("ws://a b", AuthorityError::Host.into()),
            ("ws://\u{e9}", AuthorityError::Host.into()),
            ("ws://a/#top", UrlError::Fragment),
            ("ws+unix:run/a.sock", UrlError::Socket),
            ("ws+unix://host/a.sock", UrlError::Socket),
            ("ws+unix:", UrlError::Socket),
            ("ws+unix:/run/a.sock:path", UrlError::Socket),
            ("ws+unix:/run/a.sock?q", UrlError::Socket),
        ];
        for (text, error) in rows {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }
}
