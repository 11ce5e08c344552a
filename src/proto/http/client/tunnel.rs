//! Tunnels through an HTTP proxy: CONNECT, RFC 9110 section 9.3.6.
//!
//! The client names a host and a port; after any 2xx the connection belongs to the two ends, and the proxy passes bytes on.
//! Proxies are reached over plain HTTP, and told who asks by Basic credentials (RFC 7617), when they have to be.

use std::str::FromStr;

use http::header::PROXY_AUTHORIZATION;
use http::{Method, StatusCode};

use crate::proto::http::credentials::CredentialsError;

use super::{Authority, AuthorityError, RequestError, RequestHead, ResponseHead, is_transient};

/// The port of a proxy whose URL names none: that of HTTP (RFC 9110 section 4.2.1). curl takes 1080, browsers 80.
pub const PORT: u16 = 80;

/// A proxy that builds tunnels. `Debug` shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    authority: Authority,
}

/// Why a text is no proxy. The text is not shown: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Another scheme, or none.
    #[error("a proxy is typed as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT")]
    Scheme,
    /// The host, the port, or who asks.
    #[error("the proxy cannot be used: {0}")]
    Authority(#[from] AuthorityError),
}

impl FromStr for Proxy {
    type Err = ProxyError;

    /// Reads `http://[USER[:PASSWORD]@]HOST[:PORT][/]`.
    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let scheme = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let authority = scheme.and_then(|_| text.get(7..)).ok_or(ProxyError::Scheme)?;
        Ok(Self { authority: authority.strip_suffix('/').unwrap_or(authority).parse()? })
    }
}

/// The proxy does not build the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy refuses the tunnel: {status}{}", advice(*status))]
pub struct Refusal {
    /// What the proxy answered.
    pub status: StatusCode,
}

impl Refusal {
    /// Whether the proxy may do it later.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        is_transient(self.status)
    }
}

fn advice(status: StatusCode) -> &'static str {
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        ", so name and password are missing or wrong (http://USER:PASSWORD@HOST:PORT)"
    } else {
        ""
    }
}

impl Proxy {
    /// The host to connect to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.authority.host
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.authority.port.unwrap_or(PORT)
    }

    /// The request for a tunnel to `host` (an IPv6 address in brackets) and `port`.
    ///
    /// # Errors
    /// The host is malformed.
    pub fn request(&self, host: &str, port: u16) -> Result<RequestHead, TunnelError> {
        let place = format!("{host}:{port}");
        let mut request = RequestHead::new(Method::CONNECT, &place, &place)?;
        if let Some(credentials) = &self.authority.credentials {
            request.fields.append(PROXY_AUTHORIZATION, credentials.field_value()?);
        }
        Ok(request)
    }

    /// What the proxy's response means. `Ok` is a tunnel: what follows comes from its far end, whatever the fields say of
    /// a body.
    ///
    /// # Errors
    /// There is none.
    pub fn verdict(response: &ResponseHead) -> Result<(), Refusal> {
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(Refusal { status }) }
    }
}

/// Why no tunnel can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TunnelError {
    /// To such a host there is no way.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The credentials cannot be written.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};

    use super::*;
    use crate::proto::http::client::parse;
    use crate::proto::http::limits::Limits;

    fn written(proxy: &str, host: &str, port: u16) -> String {
        let mut wire = BytesMut::new();
        proxy.parse::<Proxy>().unwrap().request(host, port).unwrap().write(&mut wire);
        String::from_utf8(wire.to_vec()).unwrap()
    }

    #[test]
    fn proxies_as_users_type_them() {
        let rows = [
            ("http://proxy.test:3128", ("proxy.test", 3128)),
            ("http://proxy.test:3128/", ("proxy.test", 3128)),
            ("HTTP://proxy.test", ("proxy.test", 80)),
            ("http://u:p@[::1]:8080", ("[::1]", 8080)),
        ];
        for (text, place) in rows {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!((proxy.host(), proxy.port()), place, "{text}");
        }
        let scheme = "a proxy is typed as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";
        let host = "the proxy cannot be used: the host is not NAME, NAME:PORT, an IPv4 address, or an IPv6 address in \
                    brackets";
        let rows = [
            ("proxy.test:3128", scheme),
            ("https://proxy.test", scheme),
            ("socks5://proxy.test", scheme),
            ("", scheme),
            ("http:/\u{e9}a", scheme),
            ("http://", host),
            ("http://proxy.test/path", host),
            ("http://a:0", "the proxy cannot be used: a port is a number from 1 to 65535"),
        ];
        for (text, message) in rows {
            assert_eq!(text.parse::<Proxy>().unwrap_err().to_string(), message, "{text}");
        }
        let shown = format!("{:?}", "http://u:secret@a".parse::<Proxy>().unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn the_request_names_the_far_end_and_who_asks() {
        assert_eq!(
            written("http://p:1", "a.test", 443),
            "CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n"
        );
        assert_eq!(
            written("http://Aladdin:open%20sesame@p:1", "[::1]", 80),
            "CONNECT [::1]:80 HTTP/1.1\r\nhost: [::1]:80\r\nproxy-authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        );
        let proxy: Proxy = "http://p:1".parse().unwrap();
        for host in ["", "a b", "::1", "a\r\n"] {
            assert!(matches!(proxy.request(host, 1), Err(TunnelError::Request(_))), "{host}");
        }
    }

    #[test]
    fn any_2xx_is_a_tunnel_and_all_else_a_refusal() {
        let auth = "the proxy refuses the tunnel: 407 Proxy Authentication Required, so name and password are missing \
                    or wrong (http://USER:PASSWORD@HOST:PORT)";
        let rows = [
            ("200 OK\r\nContent-Length: 5", None),
            ("204 No Content", None),
            ("299 Fine\r\nTransfer-Encoding: chunked", None),
            (
                "101 Switching Protocols",
                Some(("the proxy refuses the tunnel: 101 Switching Protocols", false)),
            ),
            ("302 Found", Some(("the proxy refuses the tunnel: 302 Found", false))),
            ("403 No", Some(("the proxy refuses the tunnel: 403 Forbidden", false))),
            ("407 Who", Some((auth, false))),
            ("502 No", Some(("the proxy refuses the tunnel: 502 Bad Gateway", true))),
            ("503 No", Some(("the proxy refuses the tunnel: 503 Service Unavailable", true))),
            ("599 No", Some(("the proxy refuses the tunnel: 599 <unknown status code>", true))),
        ];
        for (line, refusal) in rows {
            let text = format!("HTTP/1.1 {line}\r\n\r\n");
            let head = parse(Bytes::from(text), &Limits::default()).unwrap();
            let error = Proxy::verdict(&head).err();
            let told = error.map(|error| (error.to_string(), error.is_retryable()));
            assert_eq!(told, refusal.map(|(text, retryable)| (text.to_owned(), retryable)), "{line}");
        }
    }
}
