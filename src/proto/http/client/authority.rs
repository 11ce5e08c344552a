//! The authority of a URL, as a user types it: `[USER[:PASSWORD]@]HOST[:PORT]` (RFC 3986 section 3.2).

use std::str::FromStr;

use crate::proto::http::credentials::{Credentials, CredentialsError};
use crate::proto::http::host::is_host;

/// Whom to connect to, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// What to say when asked who is there.
    pub credentials: Option<Credentials>,
    /// A name or an IP address, an IPv6 address in brackets.
    pub host: String,
    /// The port, when one is given.
    pub port: Option<u16>,
}

/// Why a text is no authority. The text is not shown: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// What stands before the `@`.
    #[error("the name and password before the @ cannot be used: {0}")]
    Credentials(#[from] CredentialsError),
    /// What stands behind it.
    #[error("the host is not NAME, NAME:PORT, an IPv4 address, or an IPv6 address in brackets")]
    Host,
    /// Port 0.
    #[error("a port is a number from 1 to 65535")]
    Port,
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        // A password with an @ that nobody encoded is meant as it stands.
        let (userinfo, rest) = match text.rsplit_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, text),
        };
        let credentials = userinfo.map(Credentials::from_userinfo).transpose()?;
        if !is_host(rest.as_bytes()) {
            return Err(AuthorityError::Host);
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (rest, ""),
        };
        let port = match port {
            "" => None,
            digits => Some(digits.parse().ok().filter(|&port| port > 0).ok_or(AuthorityError::Port)?),
        };
        Ok(Self { credentials, host: host.into(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_as_users_type_them() {
        let rows = [
            ("a.test", (None, "a.test", None)),
            ("a.test:80", (None, "a.test", Some(80))),
            ("a.test:", (None, "a.test", None)),
            ("[::1]", (None, "[::1]", None)),
            ("[::1]:65535", (None, "[::1]", Some(65535))),
            ("u:p@127.0.0.1:1", (Some(("u", "p")), "127.0.0.1", Some(1))),
            ("u@a", (Some(("u", "")), "a", None)),
            ("u:p%40q@a", (Some(("u", "p@q")), "a", None)),
            ("u:p@q@a", (Some(("u", "p@q")), "a", None)),
            ("@a", (Some(("", "")), "a", None)),
        ];
        for (text, (who, host, port)) in rows {
            let credentials = who
                .map(|(user, password)| Credentials::Basic { user: user.into(), password: password.into() });
            assert_eq!(text.parse(), Ok(Authority { credentials, host: host.into(), port }), "{text}");
        }
    }

    #[test]
    fn what_is_no_authority() {
        for text in ["", ":80", "a b", "a:b", "a:65536", "::1", "[::1", "u:p@", "a/b", "a,b", "a\r\nb", "a#"]
        {
            assert_eq!(text.parse::<Authority>(), Err(AuthorityError::Host), "{text}");
        }
        assert_eq!("a:0".parse::<Authority>(), Err(AuthorityError::Port));
        let secret = "u%0a:secret@a".parse::<Authority>().unwrap_err().to_string();
        assert_eq!(secret, "the name and password before the @ cannot be used: the credentials are not text");
    }
}
