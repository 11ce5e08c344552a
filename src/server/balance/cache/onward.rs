//! The request that a backend gets, where its response is to be stored: the client's, for the whole response and by our own conditions.

use bytes::BytesMut;
use http::{HeaderName, HeaderValue};

use crate::proto::http::cache::validation::CONDITIONS;
use crate::proto::http::head::Head;
use crate::proto::http::limits::{Limits, MAX_FIELDS};
use crate::proto::http::parse::parse;

/// A head without the client's conditions and ranges, and with `conditions` in their place. `None` when there is no room for them.
pub(super) fn head(client: &Head, conditions: &[(HeaderName, HeaderValue)]) -> Option<Head> {
    let theirs =
        |name: &str| CONDITIONS.iter().any(|condition| name.eq_ignore_ascii_case(condition.as_str()));
    if conditions.is_empty() && !client.fields().any(|(name, _)| theirs(name)) {
        return Some(client.clone());
    }
    let bytes = client.bytes();
    let mut buffer = BytesMut::with_capacity(bytes.len() + 128);
    let first = memchr::memmem::find(bytes, b"\r\n")? + 2;
    buffer.extend_from_slice(&bytes[..first]);
    let mut line = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            buffer.extend_from_slice(part);
        }
    };
    client.fields().filter(|(name, _)| !theirs(name)).for_each(|(name, value)| line(name, value));
    conditions.iter().for_each(|(name, value)| line(name.as_str(), value.as_bytes()));
    buffer.extend_from_slice(b"\r\n");
    // What was within the limits of the connection stays acceptable with two lines more.
    let limits = Limits {
        head: usize::MAX,
        target: usize::MAX,
        fields: MAX_FIELDS,
        body: u64::MAX,
        ..Limits::default()
    };
    parse(buffer.freeze(), &limits).ok().map(|(head, _)| head)
}

#[cfg(test)]
mod tests {
    use http::header::IF_NONE_MATCH;

    use super::*;
    use crate::server::http::testing::request;

    #[test]
    fn conditions_are_exchanged() {
        let fields = [
            ("X-A", "1"),
            ("If-None-Match", "\"theirs\""),
            ("if-modified-since", "then"),
            ("Range", "bytes=0-1"),
            ("If-Range", "\"theirs\""),
            ("If-Match", "*"),
            ("If-Unmodified-Since", "then"),
            ("X-A", "2"),
        ];
        let client = request("GET /a?b", &fields, "");
        let ours = [(IF_NONE_MATCH, HeaderValue::from_static("\"ours\""))];
        let head = head(client.head(), &ours).unwrap();
        let got: Vec<_> =
            head.fields().map(|(name, value)| (name, std::str::from_utf8(value).unwrap())).collect();
        assert_eq!(got, [("Host", "example.org"), ("X-A", "1"), ("X-A", "2"), ("if-none-match", "\"ours\"")]);
        assert_eq!((head.method().as_str(), head.path(), head.query()), ("GET", "/a", Some("b")));
        let plain = request("GET /a", &[("x", "y")], "");
        let same = super::head(plain.head(), &[]).unwrap();
        assert_eq!(same.bytes(), plain.head().bytes());
    }
}
