//! The head of a response: RFC 9112 sections 4 and 5, and what it says of the body, section 6.3.
//!
//! Like the head of a request it is a view of the bytes that arrived. httparse splits the lines; it refuses folded lines, space before
//! a colon, and CR that ends no line. The caller has found the end of the head and refused bare LF.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{Method, StatusCode, Version};

use crate::proto::http::head::BodyLength;
use crate::proto::http::limits::{Limits, MAX_FIELDS};
use crate::proto::http::list::FieldLines;
use crate::proto::http::parse::decimal;
use crate::proto::http::places::FieldTable;
use crate::proto::http::reply::may_have_body;

use super::Fault;

/// The head of a response. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    buffer: Bytes,
    status: StatusCode,
    version: Version,
    fields: FieldTable,
}

/// Parses one complete head, its final empty line included. Of `limits` the number of fields counts.
///
/// # Errors
/// What the server did wrong.
pub fn parse(buffer: Bytes, limits: &Limits) -> Result<ResponseHead, Fault> {
    // Later minor versions are to be treated as 1.1 (RFC 9110 section 6.2), and httparse knows 1.0 and 1.1 only. A head that
    // was changed so has its fields in the same places.
    let later = matches!(&buffer[..], [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9', ..]);
    let changed = later.then(|| [b"HTTP/1.1", &buffer[8..]].concat());
    let (status, version, fields) = lines(changed.as_deref().unwrap_or(&buffer), limits)?;
    Ok(ResponseHead { buffer, status, version, fields })
}

fn lines(bytes: &[u8], limits: &Limits) -> Result<(StatusCode, Version, FieldTable), Fault> {
    let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut response, bytes, &mut storage) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooManyFields),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => return Err(Fault::FieldLine),
        Err(httparse::Error::NewLine) if response.code.is_some() => return Err(Fault::FieldLine),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Fault::StatusLine),
    }
    if response.headers.len() > limits.fields {
        return Err(Fault::TooManyFields);
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Fault::StatusLine)?;
    let version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut fields = FieldTable::with_capacity(response.headers.len());
    for field in &*response.headers {
        fields.push(bytes, field.name.as_bytes(), field.value);
    }
    Ok((status, version, fields))
}

impl ResponseHead {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The version, HTTP/1.0 or HTTP/1.1 (a later minor version is treated as 1.1, RFC 9110 section 6.2).
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the response that counts is still to come: 1xx (RFC 9110 section 15.2), but for 101, after which another
    /// protocol follows.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }

    /// The first line of the field `name` (any case).
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.lines(name).next()
    }

    /// The first line of the field `name`, when it is visible ASCII or UTF-8.
    #[must_use]
    pub fn field_str(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Name and value of each field line, in order, as sent.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.fields.iter(&self.buffer)
    }

    /// The whole head as it arrived, final empty line included.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.buffer
    }

    /// What `Content-Length` says, if it says one thing: in reply to HEAD, the bytes that GET would have got (RFC 9110 section 8.6).
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        only(self.lines("content-length")).ok().flatten().and_then(decimal)
    }

    /// How the body is delimited, in reply to a request with `method`: RFC 9112 section 6.3, for responses.
    ///
    /// # Errors
    /// [`Fault::Length`]. A transfer coding other than `chunked` alone is one: nobody was asked for it.
    pub fn body(&self, method: &Method) -> Result<BodyLength, Fault> {
        // Steps 1 and 2.
        let tunnel = method == Method::CONNECT && self.status.is_success();
        if method == Method::HEAD || tunnel || !may_have_body(self.status) {
            return Ok(BodyLength::Empty);
        }
        match (only(self.lines("transfer-encoding"))?, only(self.lines("content-length"))?) {
            // Steps 3 and 4: Transfer-Encoding is faulty in HTTP/1.0 and beside Content-Length.
            (Some(_), Some(_)) => Err(Fault::Length),
            (Some(_), None) if self.version == Version::HTTP_10 => Err(Fault::Length),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(BodyLength::Chunked),
            (Some(_), None) => Err(Fault::Length),
            // Steps 5 and 6.
            (None, Some(length)) => match decimal(length).ok_or(Fault::Length)? {
                0 => Ok(BodyLength::Empty),
                length => Ok(BodyLength::Exactly(length)),
            },
            // Step 8.
            (None, None) => Ok(BodyLength::UntilClose),
        }
    }
}

impl FieldLines for ResponseHead {
    fn lines<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.lines(&self.buffer, name)
    }
}

/// The only line of a field, if there is one.
fn only<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, Fault> {
    let first = lines.next();
    if lines.next().is_some() { Err(Fault::Length) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: impl AsRef<[u8]>) -> Result<ResponseHead, Fault> {
        parse(Bytes::copy_from_slice(text.as_ref()), &Limits::default())
    }

    #[test]
    fn a_head_is_a_view_of_its_bytes() {
        let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nx-empty:\r\nX-Pad: \t v w \t\r\n\
                    X-Pad: z\r\nX-Latin: \u{e9}\r\n\r\n";
        let head = head(text).unwrap();
        assert_eq!((head.status().as_u16(), head.version()), (101, Version::HTTP_11));
        assert_eq!(head.field("upgrade"), Some(&b"websocket"[..]));
        assert_eq!(head.field("X-EMPTY"), Some(&b""[..]));
        assert_eq!(head.lines("x-pad").collect::<Vec<_>>(), [&b"v w"[..], b"z"]);
        assert_eq!(head.field_str("x-latin"), Some("\u{e9}"), "obs-text is kept");
        assert_eq!((head.field("none"), head.fields().len()), (None, 5));
        assert_eq!(head.bytes(), text.as_bytes());
    }

    #[test]
    fn status_lines() {
        use Version as V;
        type Row = (&'static [u8], Result<(u16, Version), Fault>);
        let rows: [Row; 22] = [
            (b"HTTP/1.1 200 OK", Ok((200, V::HTTP_11))),
            (b"HTTP/1.0 200 OK", Ok((200, V::HTTP_10))),
            (b"HTTP/1.2 200 OK", Ok((200, V::HTTP_11))),
            (b"HTTP/1.9 200 OK", Ok((200, V::HTTP_11))),
            (b"HTTP/1.1 200 ", Ok((200, V::HTTP_11))),
            (b"HTTP/1.1 200", Ok((200, V::HTTP_11))),
            (b"HTTP/1.1 404 Nicht gefunden \xfc", Ok((404, V::HTTP_11))),
            (b"HTTP/1.1 999 Too far", Ok((999, V::HTTP_11))),
            (b"HTTP/1.1 099 Too near", Err(Fault::StatusLine)),
            (b"HTTP/1.1 20 OK", Err(Fault::StatusLine)),
            (b"HTTP/1.1 2000 OK", Err(Fault::StatusLine)),
            (b"HTTP/1.1 +20 OK", Err(Fault::StatusLine)),
            (b"HTTP/1.1  200 OK", Err(Fault::StatusLine)),
            (b"HTTP/1.1\t200 OK", Err(Fault::StatusLine)),
            (b" HTTP/1.1 200 OK", Err(Fault::StatusLine)),
            (b"HTTP/1.1 200\rOK", Err(Fault::StatusLine)),
            (b"HTTP/1.1 200 O\0K", Err(Fault::StatusLine)),
            (b"HTTP/1.1 OK", Err(Fault::StatusLine)),
            (b"HTTP/2.0 200 OK", Err(Fault::StatusLine)),
            (b"HTTP/1.10 200 OK", Err(Fault::StatusLine)),
            (b"http/1.1 200 OK", Err(Fault::StatusLine)),
            (b"", Err(Fault::StatusLine)),
        ];
        for (line, expected) in rows {
            let got = head([line, b"\r\nA: b\r\n\r\n"].concat());
            if let Ok(head) = &got {
                assert_eq!(head.field("a"), Some(&b"b"[..]), "{}", line.escape_ascii());
            }
            let got = got.map(|head| (head.status().as_u16(), head.version()));
            assert_eq!(got, expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn field_lines() {
        let rows: [(&[u8], Result<usize, Fault>); 13] = [
            (b"", Ok(0)),
            (b"A: b\r\n", Ok(1)),
            (b"A:b\r\n", Ok(1)),
            (b"A:\r\nA: \t\r\n", Ok(2)),
            (b"A: b\r\n c\r\n", Err(Fault::FieldLine)),
            (b" A: b\r\n", Err(Fault::FieldLine)),
            (b"A : b\r\n", Err(Fault::FieldLine)),
            (b"A\r\n", Err(Fault::FieldLine)),
            (b": b\r\n", Err(Fault::FieldLine)),
            (b"A: b\rc\r\n", Err(Fault::FieldLine)),
            (b"A: b\0c\r\n", Err(Fault::FieldLine)),
            (b"A: b\x7fc\r\n", Err(Fault::FieldLine)),
            ("\u{e9}: b\r\n".as_bytes(), Err(Fault::FieldLine)),
        ];
        for (lines, expected) in rows {
            let text = [b"HTTP/1.1 200 OK\r\n", lines, b"\r\n"].concat();
            let got = head(&text).map(|head| head.fields().len());
            assert_eq!(got, expected, "{}", lines.escape_ascii());
        }
    }

    #[test]
    fn fields_are_counted() {
        let with = |count| head(format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count)));
        assert_eq!(with(Limits::default().fields).unwrap().fields().len(), 100);
        for count in [101, MAX_FIELDS, MAX_FIELDS + 1, 1000] {
            assert_eq!(with(count).unwrap_err(), Fault::TooManyFields, "{count}");
        }
    }

    #[test]
    fn interim_responses_are_not_the_answer() {
        for (status, interim) in
            [(100, true), (101, false), (102, true), (103, true), (199, true), (200, false)]
        {
            let head = head(format!("HTTP/1.1 {status} X\r\n\r\n")).unwrap();
            assert_eq!(head.is_interim(), interim, "{status}");
        }
    }

    #[test]
    fn the_length_that_is_said() {
        for (fields, length) in [
            ("", None),
            ("Content-Length: 5\r\n", Some(5)),
            ("Content-Length: 0\r\n", Some(0)),
            ("Content-Length: +5\r\n", None),
            ("Content-Length: 5, 5\r\n", None),
            ("Content-Length: 5\r\ncontent-length: 6\r\n", None),
        ] {
            let head = head(format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).unwrap();
            assert_eq!(head.content_length(), length, "{fields}");
        }
    }

    #[test]
    fn the_length_of_the_body() {
        use BodyLength::{Chunked, Empty, Exactly, UntilClose};
        let rows = [
            ("1.1 200", Method::GET, "content-length: 5", Ok(Exactly(5))),
            ("1.1 200", Method::GET, "content-length: 0", Ok(Empty)),
            ("1.1 200", Method::GET, "transfer-encoding: Chunked", Ok(Chunked)),
            ("1.1 200", Method::GET, "a: b", Ok(UntilClose)),
            ("1.0 200", Method::GET, "a: b", Ok(UntilClose)),
            ("1.1 200", Method::HEAD, "content-length: 5", Ok(Empty)),
            ("1.1 101", Method::GET, "content-length: 5", Ok(Empty)),
            ("1.1 204", Method::GET, "content-length: 5", Ok(Empty)),
            ("1.1 304", Method::GET, "transfer-encoding: chunked", Ok(Empty)),
            ("1.1 200", Method::CONNECT, "content-length: 5", Ok(Empty)),
            ("1.1 407", Method::CONNECT, "content-length: 5", Ok(Exactly(5))),
            ("1.1 200", Method::GET, "content-length: 5\r\ncontent-length: 5", Err(Fault::Length)),
            ("1.1 200", Method::GET, "content-length: 5, 5", Err(Fault::Length)),
            ("1.1 200", Method::GET, "content-length: -1", Err(Fault::Length)),
            ("1.1 200", Method::GET, "content-length: 18446744073709551616", Err(Fault::Length)),
            ("1.1 200", Method::GET, "content-length: 5\r\ntransfer-encoding: chunked", Err(Fault::Length)),
            ("1.1 200", Method::GET, "transfer-encoding: gzip, chunked", Err(Fault::Length)),
            ("1.1 200", Method::GET, "transfer-encoding: gzip", Err(Fault::Length)),
            ("1.0 200", Method::GET, "transfer-encoding: chunked", Err(Fault::Length)),
        ];
        for (line, method, field, expected) in rows {
            let head = head(format!("HTTP/{line} X\r\n{field}\r\n\r\n")).unwrap();
            assert_eq!(head.body(&method), expected, "{line}, {method}, {field}");
        }
    }
}
