//! The head of a request without a body, checked and written: RFC 9112 section 3.

use std::fmt;

use bytes::BytesMut;
use http::Method;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};

use crate::proto::http::fields::Fields;
use crate::proto::http::host::is_host;
use crate::proto::http::reply::field;
use crate::proto::http::target::Target;

/// The head of a request without a body.
#[derive(Clone, Debug)]
pub struct RequestHead {
    method: Method,
    target: String,
    host: String,
    /// The other fields, in order. `Host` is written first, from the host; it and the fields that frame a body are left out
    /// here.
    pub fields: Fields,
}

/// Why a request cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The target is not one of RFC 9112 section 3.2 for this method: a space or another character that has to be
    /// percent-encoded, a fragment, no `/` in front.
    #[error("{0:?} cannot be asked for: it is not a path, percent-encoded")]
    Target(String),
    /// The host is not one of RFC 9110 section 7.2.
    #[error("{0:?} is not a host with an optional port")]
    Host(String),
}

impl RequestHead {
    /// A request for `target`, of `host` (a name or an address, with the port if it is not the usual one).
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn new(method: Method, target: &str, host: &str) -> Result<Self, RequestError> {
        Target::parse(&method, target.as_bytes()).map_err(|_| RequestError::Target(target.into()))?;
        if !is_host(host.as_bytes()) {
            return Err(RequestError::Host(host.into()));
        }
        Ok(Self { method, target: target.into(), host: host.into(), fields: Fields::new() })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Appends the head, final empty line included.
    pub fn write(&self, dst: &mut BytesMut) {
        for part in [self.method.as_str(), " ", &self.target, " HTTP/1.1\r\n"] {
            dst.extend_from_slice(part.as_bytes());
        }
        field(b"host", self.host.as_bytes(), dst);
        let derived = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];
        for (name, value) in self.fields.iter().filter(|(name, _)| !derived.contains(name)) {
            field(name.as_str().as_bytes(), value.as_bytes(), dst);
        }
        dst.extend_from_slice(b"\r\n");
    }
}

/// The request line, for logs.
impl fmt::Display for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} HTTP/1.1", self.method, self.target)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;
    use http::header::{ORIGIN, UPGRADE};

    use super::*;
    use crate::proto::http::limits::Limits;
    use crate::proto::http::parse::parse;

    #[test]
    fn a_request_in_full_and_read_by_the_server() {
        let mut request = RequestHead::new(Method::GET, "/chat?room=1", "a.test:8080").unwrap();
        for (name, value) in [
            (UPGRADE, "websocket"),
            (HOST, "evil.test"),
            (CONTENT_LENGTH, "5"),
            (ORIGIN, "http://a.test"),
            (TRANSFER_ENCODING, "chunked"),
        ] {
            request.fields.append(name, HeaderValue::from_static(value));
        }
        let mut wire = BytesMut::new();
        request.write(&mut wire);
        let text = "GET /chat?room=1 HTTP/1.1\r\nhost: a.test:8080\r\nupgrade: websocket\r\norigin: http://a.test\r\n\r\n";
        assert_eq!(wire, text.as_bytes());
        assert_eq!(request.to_string(), "GET /chat?room=1 HTTP/1.1");
        let (head, framing) = parse(Bytes::from(wire), &Limits::default()).unwrap();
        assert_eq!((head.path(), head.query(), head.authority()), ("/chat", Some("room=1"), "a.test:8080"));
        assert!(framing.persist);
    }

    #[test]
    fn what_cannot_be_asked_for() {
        for (method, target) in [
            (Method::GET, ""),
            (Method::GET, "a"),
            (Method::GET, "/a b"),
            (Method::GET, "/a\r\nb: c"),
            (Method::GET, "/\u{e9}"),
            (Method::GET, "/a#b"),
            (Method::CONNECT, "/a"),
            (Method::CONNECT, "a.test"),
        ] {
            let error = RequestHead::new(method.clone(), target, "a.test").unwrap_err();
            assert_eq!(error, RequestError::Target(target.into()), "{method} {target}");
        }
        for host in ["", "a b", "a/b", "u@a", "a\r\nb"] {
            assert_eq!(
                RequestHead::new(Method::GET, "/", host).unwrap_err(),
                RequestError::Host(host.into())
            );
        }
    }
}
