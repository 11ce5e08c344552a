//! The head of a request as bytes, framed and checked: RFC 9112 sections 3, 6 and 9.
//!
//! A [`RequestWriter`] writes the request line and the fields as they come, without a list of them in between; a proxy passes the fields
//! of the request that it got, by [`forward`](RequestWriter::forward). What frames the message (`Content-Length`,
//! `Transfer-Encoding`, `Connection`, `Upgrade`) is written by [`finish`](RequestWriter::finish) alone, from what the body is, and
//! cannot be said twice: what the next server reads ends where we think that it ends.

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method};

use crate::proto::http::fields::Fields;
use crate::proto::http::head::{BodyLength, Head};
use crate::proto::http::hop::HopByHop;
use crate::proto::http::host::is_host;
use crate::proto::http::reply;
use crate::proto::http::target::Target;

use super::{RequestError, RequestHead};

/// Bytes that a head is expected to have.
const USUAL: usize = 1024;

/// The head of a request in wire form, with what its connection has to know of it.
#[derive(Clone, Debug)]
pub struct WireRequest {
    pub(super) bytes: Bytes,
    pub(super) method: Method,
    pub(super) body: BodyLength,
    pub(super) upgrade: bool,
    pub(super) close: bool,
}

impl WireRequest {
    /// The bytes, final empty line included.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// How the body that follows is framed.
    #[must_use]
    pub fn body(&self) -> BodyLength {
        self.body
    }
}

/// What follows a head, and what becomes of the connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// Bytes of the body; `None` when that is not known before it ends. Nothing and zero are the same to most methods: see
    /// [`RequestWriter::finish`].
    pub length: Option<u64>,
    /// The protocols to go on in, as the value of `Upgrade`.
    pub upgrade: Option<&'a HeaderValue>,
    /// Whether this is the last request of its connection.
    pub close: bool,
}

/// Writes the head of a request.
#[derive(Debug)]
pub struct RequestWriter {
    bytes: BytesMut,
    method: Method,
}

impl RequestWriter {
    /// A request for `target`, of `host` (a name or an address, with the port if it is not the usual one).
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn new(method: &Method, target: &str, host: &str) -> Result<Self, RequestError> {
        Target::parse(method, target.as_bytes()).map_err(|_| RequestError::Target(target.into()))?;
        if !is_host(host.as_bytes()) {
            return Err(RequestError::Host(host.into()));
        }
        let mut bytes = BytesMut::with_capacity(USUAL);
        for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
        reply::field(b"host", host.as_bytes(), &mut bytes);
        Ok(Self { bytes, method: method.clone() })
    }

    /// Writes the fields of a request that was received, but for `Host`, `Expect`, those that [stay on their
    /// connection](HopByHop), and those that `leave_out` wants to be left out.
    pub fn forward(&mut self, head: &Head, mut leave_out: impl FnMut(&str) -> bool) {
        let hop = HopByHop::of(head);
        for (name, value) in head.fields() {
            let ours = name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case("expect");
            if !ours && !hop.has(name) && !leave_out(name) {
                reply::field(name.as_bytes(), value, &mut self.bytes);
            }
        }
    }

    /// Writes one field. Those that frame the message are left out, as they are derived.
    pub fn field(&mut self, name: &HeaderName, value: &HeaderValue) {
        if !is_derived(name.as_str()) {
            reply::field(name.as_str().as_bytes(), value.as_bytes(), &mut self.bytes);
        }
    }

    /// Writes one field with the value that `write` appends. It is left out when there is none, when it holds a byte that no value may hold, or when the
    /// field frames the message.
    pub fn field_of(&mut self, name: &HeaderName, write: impl FnOnce(&mut BytesMut)) {
        if is_derived(name.as_str()) {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.as_str().as_bytes());
        self.bytes.extend_from_slice(b": ");
        let value = self.bytes.len();
        write(&mut self.bytes);
        let written = self.bytes.get(value..).unwrap_or_default();
        if written.is_empty() || written.iter().any(|&byte| byte == 0x7f || byte < b' ' && byte != b'\t') {
            self.bytes.truncate(start);
        } else {
            self.bytes.extend_from_slice(b"\r\n");
        }
    }

    /// Writes fields, as [`field`](Self::field) does.
    pub fn fields(&mut self, fields: &Fields) {
        fields.iter().for_each(|(name, value)| self.field(name, value));
    }

    /// Writes what frames the message, and the end of the head. A body of no bytes is said to be one where servers expect a body
    /// (RFC 9110 section 8.6), so that none waits for it.
    #[must_use]
    pub fn finish(mut self, finish: Finish<'_>) -> WireRequest {
        let expected = [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        let body = match finish.length {
            Some(0) => BodyLength::Empty,
            Some(length) => BodyLength::Exactly(length),
            None => BodyLength::Chunked,
        };
        match body {
            BodyLength::Exactly(length) => reply::content_length(length, &mut self.bytes),
            BodyLength::Chunked => reply::field(b"transfer-encoding", b"chunked", &mut self.bytes),
            _ if expected => reply::content_length(0, &mut self.bytes),
            _ => {}
        }
        if let Some(protocols) = finish.upgrade {
            reply::field(b"upgrade", protocols.as_bytes(), &mut self.bytes);
            reply::field(b"connection", b"upgrade", &mut self.bytes);
        } else if finish.close {
            reply::field(b"connection", b"close", &mut self.bytes);
        }
        self.bytes.extend_from_slice(b"\r\n");
        WireRequest {
            bytes: self.bytes.freeze(),
            method: self.method,
            body,
            upgrade: finish.upgrade.is_some(),
            close: finish.close,
        }
    }
}

impl From<&RequestHead> for WireRequest {
    /// A request without a body, whose connection is kept.
    fn from(head: &RequestHead) -> Self {
        let mut bytes = BytesMut::with_capacity(USUAL);
        head.write(&mut bytes);
        Self {
            bytes: bytes.freeze(),
            method: head.method().clone(),
            body: BodyLength::Empty,
            upgrade: head.fields.contains(&http::header::UPGRADE),
            close: false,
        }
    }
}

fn is_derived(name: &str) -> bool {
    matches!(name, "connection" | "content-length" | "host" | "keep-alive" | "transfer-encoding" | "upgrade")
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, CONTENT_LENGTH, TRANSFER_ENCODING};

    use super::*;
    use crate::proto::http::limits::Limits;
    use crate::proto::http::parse::parse;

    fn written(method: &Method, finish: Finish<'_>) -> String {
        let request = RequestWriter::new(method, "/a?b", "a.test").unwrap().finish(finish);
        String::from_utf8(request.bytes().to_vec()).unwrap()
    }

    #[test]
    fn framing_by_the_length_of_the_body() {
        let upgrade = HeaderValue::from_static("websocket");
        let rows = [
            (Method::GET, Finish { length: Some(0), ..Finish::default() }, ""),
            (Method::POST, Finish { length: Some(0), ..Finish::default() }, "content-length: 0\r\n"),
            (Method::GET, Finish { length: Some(5), ..Finish::default() }, "content-length: 5\r\n"),
            (Method::PUT, Finish { length: None, ..Finish::default() }, "transfer-encoding: chunked\r\n"),
            (
                Method::GET,
                Finish { length: Some(0), close: true, ..Finish::default() },
                "connection: close\r\n",
            ),
            (
                Method::GET,
                Finish { length: Some(0), upgrade: Some(&upgrade), close: false },
                "upgrade: websocket\r\nconnection: upgrade\r\n",
            ),
        ];
        for (method, finish, fields) in rows {
            let expected = format!("{method} /a?b HTTP/1.1\r\nhost: a.test\r\n{fields}\r\n");
            assert_eq!(written(&method, finish), expected);
        }
    }

    #[test]
    fn what_is_forwarded_is_framed_anew() {
        let wire = "POST /old HTTP/1.1\r\nHost: b.test\r\nAccept: */*\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nTE: trailers\r\n\
                    Expect: 100-continue\r\nX-Drop: 2\r\nCookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (head, _) = parse(Bytes::from_static(wire.as_bytes()), &Limits::default()).unwrap();
        let mut writer = RequestWriter::new(head.method(), "/new", "a.test:81").unwrap();
        writer.forward(&head, |name| name.eq_ignore_ascii_case("x-drop"));
        writer.field(&CONTENT_LENGTH, &HeaderValue::from_static("99"));
        writer.field(&TRANSFER_ENCODING, &HeaderValue::from_static("gzip"));
        writer.field(&ACCEPT, &HeaderValue::from_static("text/plain"));
        let request = writer.finish(Finish { length: Some(3), ..Finish::default() });
        assert_eq!(
            request.bytes(),
            "POST /new HTTP/1.1\r\nhost: a.test:81\r\nAccept: */*\r\nCookie: a=b\r\naccept: text/plain\r\ncontent-length: 3\r\n\r\n"
        );
        assert_eq!((request.body(), request.method()), (BodyLength::Exactly(3), &Method::POST));
    }

    #[test]
    fn a_value_is_one_line_or_is_left_out() {
        for (name, value, line) in [
            ("x-a", "b", "x-a: b\r\n"),
            ("x-a", "b c\t\u{e9}", "x-a: b c\t\u{e9}\r\n"),
            ("x-a", "", ""),
            ("x-a", "b\r\nc: d", ""),
            ("x-a", "b\nc", ""),
            ("x-a", "b\0", ""),
            ("x-a", "b\x7f", ""),
            ("content-length", "5", ""),
            ("host", "b.test", ""),
        ] {
            let mut writer = RequestWriter::new(&Method::GET, "/", "a.test").unwrap();
            writer.field_of(&HeaderName::from_static(name), |dst| dst.extend_from_slice(value.as_bytes()));
            let request = writer.finish(Finish { length: Some(0), ..Finish::default() });
            let expected = format!("GET / HTTP/1.1\r\nhost: a.test\r\n{line}\r\n");
            assert_eq!(request.bytes(), expected.as_bytes(), "{name}: {value:?}");
        }
    }

    #[test]
    fn what_cannot_be_asked_for() {
        for (target, host) in
            [("/a b", "a.test"), ("/a\r\nb: c", "a.test"), ("a", "a.test"), ("/", "a b"), ("/", "a\r\nb")]
        {
            assert!(RequestWriter::new(&Method::GET, target, host).is_err(), "{target} {host}");
        }
    }
}
