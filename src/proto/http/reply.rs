//! The head of a reply, and what frames its body: RFC 9112 sections 4 and 6, RFC 9110 sections 6.4 and 8.6.
//!
//! A handler says status, fields and, when it knows, the length. The framing fields are written here and nowhere else:
//! `Connection`, `Content-Length`, `Transfer-Encoding` and `Date`, so a handler cannot contradict the connection.

use std::fmt::Write;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, StatusCode};

use super::fields::Fields;
use super::head::BodyLength;
use crate::codec::Outbox;

/// An IMF-fixdate, as `Date` carries it. See [`super::date`].
pub type DateText = [u8; 29];

/// The head of a reply.
#[derive(Clone, Debug)]
pub struct ReplyHead {
    /// The status.
    pub status: StatusCode,
    /// The fields. Those that frame the message are ignored: they are derived.
    pub fields: Fields,
    /// Bytes of the representation, when known. In reply to HEAD it is what GET would have sent.
    pub length: Option<u64>,
    /// The time of the reply.
    pub date: DateText,
}

/// A message that cannot be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// The body is longer than its head said.
    #[error("the body is longer than its Content-Length")]
    BodyTooLong,
    /// The body is shorter than its head said.
    #[error("the body is shorter than its Content-Length")]
    BodyTooShort,
    /// Body before head, or a head before the last message was over.
    #[error("a part of a message came out of turn")]
    OutOfTurn,
}

/// What of the request decides how the reply is framed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The method was HEAD.
    pub(super) head: bool,
    /// The version was HTTP/1.0.
    pub(super) old: bool,
    /// The connection persists after the reply.
    pub(super) persist: bool,
    /// The client said that this is its last request.
    pub(super) last: bool,
}

/// Whether a reply with `status` can have a body at all (RFC 9110 section 6.4.1).
#[must_use]
pub fn may_have_body(status: StatusCode) -> bool {
    !(status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
}

/// Writes `head`, and says how the body that follows is framed. A reply that ends with the connection takes `persist` away.
pub(super) fn write(head: &ReplyHead, asked: &mut Asked, dst: &mut BytesMut) -> BodyLength {
    let length = match head.status {
        StatusCode::RESET_CONTENT => Some(0), // RFC 9110 section 15.3.6
        _ => head.length,
    };
    let body = match length {
        _ if asked.head || !may_have_body(head.status) => BodyLength::Empty,
        Some(0) => BodyLength::Empty,
        Some(length) => BodyLength::Exactly(length),
        None if asked.old => BodyLength::UntilClose,
        None => BodyLength::Chunked,
    };
    asked.persist &= body != BodyLength::UntilClose;

    dst.reserve(512);
    status_line(head.status, dst);
    let mut dated = false;
    for (name, value) in head.fields.iter().filter(|(name, _)| !is_framing(name)) {
        dated |= *name == DATE;
        field(name.as_str().as_bytes(), value.as_bytes(), dst);
    }
    if !dated {
        let mut line = *b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        line[6..6 + head.date.len()].copy_from_slice(&head.date);
        dst.extend_from_slice(&line);
    }
    if body == BodyLength::Chunked {
        dst.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if let (Some(length), true) = (length, may_have_body(head.status)) {
        content_length(length, dst);
    }
    if let Some(options) = connection(head, *asked) {
        field(b"connection", options, dst);
    }
    dst.extend_from_slice(b"\r\n");
    body
}

/// The value of `Connection`, if the reply needs one (RFC 9112 section 9.6, RFC 9110 section 7.8).
fn connection(head: &ReplyHead, asked: Asked) -> Option<&'static [u8]> {
    let upgrade = head.fields.contains(&UPGRADE);
    match (head.status, upgrade, asked.persist) {
        (StatusCode::SWITCHING_PROTOCOLS, ..) | (_, true, true) => Some(b"upgrade"),
        (_, true, false) => Some(b"upgrade, close"),
        (_, false, false) => Some(b"close"),
        (_, false, true) => asked.old.then_some(b"keep-alive"),
    }
}

fn is_framing(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH
        || *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || name.as_str() == "keep-alive"
}

/// Section 4. The space before an absent reason phrase stays.
fn status_line(status: StatusCode, dst: &mut BytesMut) {
    if status == StatusCode::OK {
        dst.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    dst.extend_from_slice(b"HTTP/1.1 ");
    dst.extend_from_slice(status.as_str().as_bytes());
    dst.extend_from_slice(b" ");
    dst.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    dst.extend_from_slice(b"\r\n");
}

/// Writes one field line.
pub(super) fn field(name: &[u8], value: &[u8], dst: &mut BytesMut) {
    dst.extend_from_slice(name);
    dst.extend_from_slice(b": ");
    dst.extend_from_slice(value);
    dst.extend_from_slice(b"\r\n");
}

/// Writes bytes of a body that is framed like this; none where there is no body (replies to HEAD, 204, 304).
pub(super) fn body_data(body: &mut BodyLength, data: Bytes, dst: &mut Outbox) -> Result<(), Misuse> {
    match body {
        BodyLength::Empty => {}
        BodyLength::Exactly(left) => {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            *left = left.checked_sub(length).ok_or(Misuse::BodyTooLong)?;
            dst.push(data);
        }
        // An empty chunk would be the last one.
        BodyLength::Chunked if data.is_empty() => {}
        BodyLength::Chunked => {
            chunk_size(data.len(), dst.tail());
            dst.push(data);
            dst.put(b"\r\n");
        }
        BodyLength::UntilClose => dst.push(data),
    }
    Ok(())
}

/// Writes the end of a body that is framed like this. The trailer fields are sent when it is chunked.
pub(super) fn body_end(body: BodyLength, trailers: &Fields, dst: &mut Outbox) -> Result<(), Misuse> {
    match body {
        BodyLength::Exactly(left) if left > 0 => return Err(Misuse::BodyTooShort),
        BodyLength::Chunked => {
            dst.put(b"0\r\n");
            for (name, value) in trailers.iter() {
                field(name.as_str().as_bytes(), value.as_bytes(), dst.tail());
            }
            dst.put(b"\r\n");
        }
        _ => {}
    }
    Ok(())
}

/// The line in front of a chunk: its size in hexadecimal digits.
fn chunk_size(size: usize, dst: &mut BytesMut) {
    let _ = write!(dst, "{size:x}\r\n"); // writing to memory cannot fail
}

/// Writes `Content-Length`, in one piece.
pub(super) fn content_length(mut n: u64, dst: &mut BytesMut) {
    const NAME: &[u8; 16] = b"content-length: ";
    const DIGITS: usize = 20;
    let mut line = [b'0'; NAME.len() + DIGITS + 2];
    let mut start = NAME.len() + DIGITS;
    line[start..].copy_from_slice(b"\r\n");
    loop {
        start -= 1;
        line[start] = b'0' + u8::try_from(n % 10).unwrap_or(0);
        n /= 10;
        if n == 0 {
            break;
        }
    }
    start -= NAME.len();
    line[start..start + NAME.len()].copy_from_slice(NAME);
    dst.extend_from_slice(&line[start..]);
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{CONTENT_TYPE, LOCATION};

    use super::*;

    const DATE_TEXT: DateText = *b"Sun, 06 Nov 1994 08:49:37 GMT";
    const PLAIN: Asked = Asked { head: false, old: false, persist: true, last: false };

    fn reply(
        status: u16,
        fields: &[(HeaderName, &'static str)],
        length: Option<u64>,
        mut asked: Asked,
    ) -> (String, BodyLength, bool) {
        let mut list = Fields::new();
        for (name, value) in fields {
            list.append(name.clone(), HeaderValue::from_static(value));
        }
        let head = ReplyHead {
            status: StatusCode::from_u16(status).unwrap(),
            fields: list,
            length,
            date: DATE_TEXT,
        };
        let mut dst = BytesMut::new();
        let body = write(&head, &mut asked, &mut dst);
        (String::from_utf8(dst.to_vec()).unwrap(), body, asked.persist)
    }

    #[test]
    fn a_reply_head_in_full() {
        let (text, body, persist) = reply(200, &[(CONTENT_TYPE, "text/plain")], Some(13), PLAIN);
        assert_eq!(
            text,
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 13\r\n\r\n"
        );
        assert_eq!((body, persist), (BodyLength::Exactly(13), true));
    }

    #[test]
    fn framing_by_status_method_and_version() {
        use BodyLength::{Chunked, Empty, Exactly, UntilClose};
        let head = Asked { head: true, ..PLAIN };
        let old = Asked { old: true, ..PLAIN };
        // status, length, asked; body, Content-Length, Transfer-Encoding, Connection
        let cases = [
            (200, Some(5), PLAIN, Exactly(5), Some("5"), false, None),
            (200, Some(0), PLAIN, Empty, Some("0"), false, None),
            (200, None, PLAIN, Chunked, None, true, None),
            (200, Some(5), head, Empty, Some("5"), false, None),
            (200, None, head, Empty, None, false, None),
            (200, None, old, UntilClose, None, false, Some("close")),
            (200, Some(5), old, Exactly(5), Some("5"), false, Some("keep-alive")),
            (204, Some(5), PLAIN, Empty, None, false, None),
            (204, None, PLAIN, Empty, None, false, None),
            (304, Some(5), PLAIN, Empty, None, false, None),
            (205, Some(5), PLAIN, Empty, Some("0"), false, None),
            (101, None, PLAIN, Empty, None, false, Some("upgrade")),
            (500, Some(5), Asked { persist: false, ..PLAIN }, Exactly(5), Some("5"), false, Some("close")),
            (200, Some(u64::MAX), PLAIN, Exactly(u64::MAX), Some("18446744073709551615"), false, None),
        ];
        for (status, length, asked, body, content_length, chunked, connection) in cases {
            let (text, got, _) = reply(status, &[], length, asked);
            let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            let case = format!("{status} {length:?} {asked:?}\n{text}");
            assert_eq!(got, body, "{case}");
            assert_eq!(line("content-length: "), content_length, "{case}");
            assert_eq!(line("transfer-encoding: ").is_some(), chunked, "{case}");
            assert_eq!(line("connection: "), connection, "{case}");
            assert!(line("date: ").is_some(), "{case}");
        }
    }

    #[test]
    fn a_handler_cannot_contradict_the_connection() {
        let fields = [
            (CONTENT_LENGTH, "99"),
            (TRANSFER_ENCODING, "gzip"),
            (CONNECTION, "keep-alive"),
            (HeaderName::from_static("keep-alive"), "timeout=5"),
            (DATE, "Mon, 07 Nov 1994 08:49:37 GMT"),
            (LOCATION, "/a"),
        ];
        let (text, ..) = reply(302, &fields, Some(1), Asked { persist: false, ..PLAIN });
        assert_eq!(
            text,
            "HTTP/1.1 302 Found\r\ndate: Mon, 07 Nov 1994 08:49:37 GMT\r\nlocation: /a\r\ncontent-length: 1\r\nconnection: close\r\n\r\n"
        );
    }

    #[test]
    fn an_upgrade_field_is_named_by_connection() {
        let (text, ..) = reply(426, &[(UPGRADE, "websocket")], Some(0), PLAIN);
        assert!(text.contains("connection: upgrade\r\n"), "{text}");
    }

    #[test]
    fn an_unknown_status_keeps_its_space() {
        assert!(reply(299, &[], Some(0), PLAIN).0.starts_with("HTTP/1.1 299 \r\n"));
    }
}
