//! The request for a backend whose response will be stored: the client's, for the whole response and with the cache's own conditions.

use http::{HeaderName, HeaderValue};

use crate::proto::http::amend::Amendment;
use crate::proto::http::cache::validation::CONDITIONS;
use crate::proto::http::head::Head;

/// A head with `conditions` in place of the client's conditions and ranges. `None` when there is no space for them.
pub(super) fn head(client: &Head, conditions: &[(HeaderName, HeaderValue)]) -> Option<Head> {
    let mut amendment = Amendment::default();
    CONDITIONS.iter().for_each(|name| amendment.drop_field(name.clone()));
    if conditions.is_empty() && !amendment.concerns(client) {
        return Some(client.clone());
    }
    conditions.iter().for_each(|(name, value)| amendment.set(name.clone(), value.clone()));
    amendment.apply(client).ok()
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
