//! Where requests go: addresses of the web, taken apart (RFC 9110 section 4.2).

use std::fmt;
use std::path::PathBuf;

use http::{HeaderValue, Method, Uri};

use crate::net::client::Target;
use crate::proto::http::client::{Authority, AuthorityError, RequestError, RequestWriter};
use crate::proto::http::credentials::CredentialsError;

/// Where connections lead: what is said to one server may go over any connection to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// A host and a port.
    Tcp {
        /// Whether within TLS.
        tls: bool,
        /// A name or an address, in small letters; an IPv6 address may have brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<&Target> for Server {
    /// A server that is spoken to without TLS.
    fn from(target: &Target) -> Self {
        match target {
            Target::Tcp { host, port } => {
                Self::Tcp { tls: false, host: host.to_ascii_lowercase(), port: *port }
            }
            Target::Unix(path) => Self::Unix(path.clone()),
        }
    }
}

/// Why there is nobody to be asked.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Not an address of the web.
    #[error("it does not begin with http:// or https://")]
    Scheme,
    /// The address names no server.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The name and password in the address cannot be shown to anybody.
    #[error("the name and password before the @: {0}")]
    Credentials(#[from] CredentialsError),
}

/// An address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Who is asked.
    pub server: Server,
    /// What it is called in requests (`Host`).
    pub host: String,
    /// What it is asked for.
    pub target: String,
    /// What is shown to it of the address (`Authorization`): a name and a password.
    pub credentials: Option<HeaderValue>,
}

impl Address {
    /// Takes `http://` and `https://` apart.
    ///
    /// # Errors
    /// It is neither, or names no server.
    pub fn of(uri: &Uri) -> Result<Self, AddressError> {
        let (tls, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(AddressError::Scheme),
        };
        let authority = uri.authority().ok_or(AddressError::Scheme)?;
        let Authority { credentials, host, port } = authority.as_str().parse()?;
        let credentials = credentials.map(|credentials| credentials.field_value()).transpose()?;
        let name = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let server = Server::Tcp { tls, host: host.to_ascii_lowercase(), port: port.unwrap_or(usual) };
        let target = uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        Ok(Self { server, host: name, target, credentials })
    }

    /// A request for it. What is in the address of a name and a password is not yet in it.
    ///
    /// # Errors
    /// It cannot be asked for.
    pub fn request(&self, method: &Method) -> Result<RequestWriter, RequestError> {
        RequestWriter::new(method, &self.target, &self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, expected) in [
            ("http://A.test", Some((false, "a.test", 80, "A.test", "/"))),
            ("https://a.test:8443/b?c#d", Some((true, "a.test", 8443, "a.test:8443", "/b?c"))),
            ("https://[::1]/", Some((true, "[::1]", 443, "[::1]", "/"))),
            ("http://ann:secret@a.test:80/b", Some((false, "a.test", 80, "a.test:80", "/b"))),
            ("ftp://a.test/", None),
            ("/b", None),
            ("a.test", None),
            ("http://a.test:0/", None),
        ] {
            let address = Address::of(&text.parse().unwrap());
            let found = address.as_ref().ok().map(|address| match &address.server {
                Server::Tcp { tls, host, port } => (*tls, &**host, *port, &*address.host, &*address.target),
                Server::Unix(_) => panic!("{text}"),
            });
            assert_eq!(found, expected, "{text}");
            let shown = address.ok().and_then(|address| address.credentials);
            assert_eq!(shown.is_some(), text.contains('@'), "{text}");
        }
    }
}
