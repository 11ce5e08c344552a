//! RFC 9112 sections 2 to 6, as tables of heads.

use super::*;

fn framing(head: &str) -> Result<Framing, Reject> {
    parse(Bytes::copy_from_slice(head.as_bytes()), &Limits::default()).map(|(_, framing)| framing)
}

fn head(text: &str) -> Head {
    parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap().0
}

#[test]
fn a_head_is_a_view_of_its_bytes() {
    let head = head(
        "PUT /a%20b?c=d HTTP/1.1\r\nHost: h:8080\r\nX-Empty:\r\nx-pad: \t v w \t\r\nX-Latin: \u{e9}\r\n\r\n",
    );
    assert_eq!(head.method(), Method::PUT);
    assert_eq!((head.target(), head.path(), head.query()), ("/a%20b?c=d", "/a%20b", Some("c=d")));
    assert_eq!(head.authority(), "h:8080");
    assert_eq!(head.field("X-PAD"), Some(b"v w".as_slice()), "white space around a value is not part of it");
    assert_eq!(head.field("x-empty"), Some(b"".as_slice()));
    assert_eq!(head.field_str("x-latin"), Some("\u{e9}"), "obs-text is kept");
    assert_eq!(head.field("x_pad"), None, "an underscore is not a dash");
    assert_eq!(head.fields().len(), 4);
}

#[test]
fn the_authority_of_the_target_overrides_host() {
    assert_eq!(head("GET http://a:1/p HTTP/1.1\r\nHost: b\r\n\r\n").authority(), "a:1");
    assert_eq!(head("GET http://a HTTP/1.1\r\nHost: b\r\n\r\n").path(), "/");
    assert_eq!(head("GET / HTTP/1.0\r\n\r\n").authority(), "");
}

#[test]
fn request_lines() {
    let cases: [(&str, Result<Version, Reject>); 22] = [
        ("GET / HTTP/1.1", Ok(Version::HTTP_11)),
        ("GET / HTTP/1.0", Ok(Version::HTTP_10)),
        ("GET / HTTP/1.2", Ok(Version::HTTP_11)),
        ("GET / HTTP/1.9", Ok(Version::HTTP_11)),
        ("get / HTTP/1.1", Ok(Version::HTTP_11)),
        ("GET / HTTP/2.0", Err(Reject::Version)),
        ("GET / HTTP/0.9", Err(Reject::Version)),
        ("GET / http/1.1", Err(Reject::RequestLine)),
        ("GET / HTTP/1.10", Err(Reject::RequestLine)),
        ("GET / HTTP/01.1", Err(Reject::RequestLine)),
        ("GET / HTTP/1", Err(Reject::RequestLine)),
        ("GET / HTTP/1.1 ", Err(Reject::RequestLine)),
        // A CR alone is no line end, in no version.
        ("GET / HTTP/1.1\rXA: b", Err(Reject::FieldLine)),
        ("GET / HTTP/1.2\rXA: b", Err(Reject::FieldLine)),
        ("GET  / HTTP/1.1", Err(Reject::RequestLine)),
        ("GET /  HTTP/1.1", Err(Reject::RequestLine)),
        ("GET\t/ HTTP/1.1", Err(Reject::RequestLine)),
        (" GET / HTTP/1.1", Err(Reject::RequestLine)),
        ("GET /a b HTTP/1.1", Err(Reject::RequestLine)),
        ("GET /", Err(Reject::RequestLine)),
        ("G@T / HTTP/1.1", Err(Reject::RequestLine)),
        ("GET /\u{e9} HTTP/1.1", Err(Reject::Target)),
    ];
    for (line, expected) in cases {
        let parsed = parse(format!("{line}\r\nHost: h\r\n\r\n").into(), &Limits::default());
        assert_eq!(parsed.map(|(head, _)| head.version()), expected, "{line:?}");
    }
}

#[test]
fn field_lines() {
    let refused = [
        "A : b",
        " A: b",
        "A: b\r\n folded",
        "A: b\r\n\tfolded",
        ": b",
        "A",
        "A\u{e9}: b",
        "A: b\0c",
        "A: b\rc",
        "A: b\x01c",
        "A: b\x7fc",
        "(A): b",
        "A[]: b",
        "A\t: b",
    ];
    for line in refused {
        let result = framing(&format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n"));
        assert_eq!(result, Err(Reject::FieldLine), "{line:?}");
    }
    for line in ["A: b\tc", "A:b", "A!#$%&'*+-.^_`|~9: b", "A: \u{fffd}"] {
        assert!(framing(&format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n")).is_ok(), "{line:?}");
    }
}

#[test]
fn hosts() {
    let cases = [
        ("GET / HTTP/1.1", "", false),
        ("GET / HTTP/1.0", "", true),
        ("GET / HTTP/1.1", "Host: a\r\n", true),
        ("GET / HTTP/1.1", "Host: a\r\nHost: a\r\n", false),
        ("GET / HTTP/1.0", "Host: a\r\nHost: b\r\n", false),
        ("GET / HTTP/1.1", "Host:\r\n", false),
        ("GET / HTTP/1.1", "Host: a, b\r\n", false),
        ("GET / HTTP/1.1", "Host: u@a\r\n", false),
        ("GET / HTTP/1.1", "Host: a/b\r\n", false),
        ("GET / HTTP/1.1", "Host: a:b\r\n", false),
        ("GET http://a/ HTTP/1.1", "", false),
        ("GET http://a/ HTTP/1.1", "Host: u@a\r\n", false),
    ];
    for (line, fields, sound) in cases {
        let expected = if sound { Ok(()) } else { Err(Reject::Host) };
        assert_eq!(framing(&format!("{line}\r\n{fields}\r\n")).map(|_| ()), expected, "{line} {fields:?}");
    }
}

#[test]
fn body_length_walks_section_6_3() {
    let cases: [(&str, Result<BodyLength, Reject>); 32] = [
        ("", Ok(BodyLength::Empty)),
        ("Content-Length: 0", Ok(BodyLength::Empty)),
        ("Content-Length: 5", Ok(BodyLength::Exactly(5))),
        ("Content-Length: 010", Ok(BodyLength::Exactly(10))),
        ("Content-Length:\t5 ", Ok(BodyLength::Exactly(5))),
        ("Content-Length: 5\r\nContent-Length: 5", Err(Reject::ContentLength)),
        ("Content-Length: 5\r\nContent-Length: 6", Err(Reject::ContentLength)),
        ("Content-Length: 5, 5", Err(Reject::ContentLength)),
        ("Content-Length: +5", Err(Reject::ContentLength)),
        ("Content-Length: -5", Err(Reject::ContentLength)),
        ("Content-Length: 0x5", Err(Reject::ContentLength)),
        ("Content-Length: 1_0", Err(Reject::ContentLength)),
        ("Content-Length: 1 0", Err(Reject::ContentLength)),
        ("Content-Length: 5.0", Err(Reject::ContentLength)),
        ("Content-Length:", Err(Reject::ContentLength)),
        ("Content-Length: 18446744073709551616", Err(Reject::ContentLength)),
        ("Content-Length: 18446744073709551615", Err(Reject::BodyTooLarge)),
        ("Transfer-Encoding: chunked", Ok(BodyLength::Chunked)),
        ("transfer-encoding: CHUNKED", Ok(BodyLength::Chunked)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", Err(Reject::TransferEncoding)),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding: chunked, chunked", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding: chunked, gzip", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding: chunked;q=1", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding: identity", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding: gzip", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding:", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding: , chunked", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding: \x0bchunked", Err(Reject::FieldLine)),
        ("Transfer-Encoding: xchunked", Err(Reject::TransferEncoding)),
        ("Transfer-Encoding: gzip, chunked", Err(Reject::UnknownCoding)),
    ];
    for (fields, expected) in cases {
        let separator = if fields.is_empty() { "" } else { "\r\n" };
        let result = framing(&format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}{separator}\r\n"));
        assert_eq!(result.map(|framing| framing.body), expected, "{fields:?}");
    }
    assert_eq!(
        framing("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Err(Reject::TransferEncoding),
        "HTTP/1.0 has no Transfer-Encoding"
    );
}

#[test]
fn persistence() {
    let cases = [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "Connection: close", false),
        ("HTTP/1.1", "Connection: Foo , CLOSE", false),
        ("HTTP/1.1", "Connection: keep-alive\r\nConnection: close", false),
        ("HTTP/1.1", "Connection: closed", true),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive", true),
        ("HTTP/1.0", "Connection: keep-alive, close", false),
    ];
    for (version, fields, persist) in cases {
        let separator = if fields.is_empty() { "" } else { "\r\n" };
        let result = framing(&format!("GET / {version}\r\nHost: h\r\n{fields}{separator}\r\n"));
        assert_eq!(result.map(|framing| framing.persist), Ok(persist), "{version} {fields:?}");
    }
}

#[test]
fn expectations() {
    let cases = [
        ("HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 5", Ok(true)),
        ("HTTP/1.1", "Expect: 100-Continue\r\nTransfer-Encoding: chunked", Ok(true)),
        ("HTTP/1.1", "Expect: 100-continue", Ok(false)),
        ("HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 0", Ok(false)),
        ("HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 5", Ok(false)),
        ("HTTP/1.0", "Expect: tea\r\nContent-Length: 5", Ok(false)),
        ("HTTP/1.1", "Expect: tea\r\nContent-Length: 5", Err(Reject::Expectation)),
        ("HTTP/1.1", "Expect: 100-continue\r\nExpect: tea", Err(Reject::Expectation)),
    ];
    for (version, fields, expected) in cases {
        let result = framing(&format!("POST / {version}\r\nHost: h\r\n{fields}\r\n\r\n"));
        assert_eq!(result.map(|framing| framing.expects_continue), expected, "{version} {fields:?}");
    }
}

#[test]
fn an_upgrade_is_offered_by_two_fields() {
    let cases = [
        ("HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket", true),
        ("HTTP/1.1", "Upgrade: websocket", false),
        ("HTTP/1.1", "Connection: upgrade", false),
        ("HTTP/1.0", "Connection: upgrade\r\nUpgrade: websocket", false),
    ];
    for (version, fields, offered) in cases {
        let result = framing(&format!("GET / {version}\r\nHost: h\r\n{fields}\r\n\r\n"));
        assert_eq!(result.map(|framing| framing.offers_upgrade), Ok(offered), "{version} {fields:?}");
    }
}

#[test]
fn methods_have_a_longest() {
    for (length, expected) in [(MAX_METHOD, None), (MAX_METHOD + 1, Some(Reject::MethodTooLong))] {
        for version in ["1.1", "1.2"] {
            let head = format!("{} / HTTP/{version}\r\nHost: h\r\n\r\n", "M".repeat(length));
            assert_eq!(parse(head.into(), &Limits::default()).err(), expected, "{length}");
        }
    }
}

#[test]
fn limits() {
    let limits = Limits { target: 8, fields: 2, body: 4, ..Limits::default() };
    let cases = [
        ("GET /1234567 HTTP/1.1\r\nHost: h\r\n\r\n", None),
        ("GET /12345678 HTTP/1.1\r\nHost: h\r\n\r\n", Some(Reject::TargetTooLong)),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nA: b\r\n\r\n", Some(Reject::TooManyFields)),
        ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", None),
        ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", Some(Reject::BodyTooLarge)),
    ];
    for (head, expected) in cases {
        assert_eq!(parse(head.into(), &limits).err(), expected, "{head:?}");
    }
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "A: b\r\n".repeat(MAX_FIELDS));
    assert_eq!(parse(many.into(), &Limits::default()).err(), Some(Reject::TooManyFields));
}
