//! One connection, as a script of bytes and messages.

use http::StatusCode;

use super::*;

/// What the codec says of `wire`, answering each request with `200` and no body; the same for every way to split it.
fn script(wire: &[u8]) -> (Vec<String>, Option<HttpError>) {
    let whole = run([wire].into_iter());
    assert_eq!(run(wire.chunks(1)), whole, "byte by byte: {}", wire.escape_ascii());
    for at in 1..wire.len() {
        let (a, b) = wire.split_at(at);
        assert_eq!(run([a, b].into_iter()), whole, "split at {at}: {}", wire.escape_ascii());
    }
    whole
}

fn run<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Option<HttpError>) {
    let mut codec = ServerCodec::new(Limits::default());
    let (mut src, mut said, mut body) = (BytesMut::new(), Vec::new(), Vec::new());
    for piece in pieces {
        src.extend_from_slice(piece);
        loop {
            match codec.decode(&mut src) {
                Ok(None) => break,
                Ok(Some(Incoming::Head(head, framing))) => {
                    said.push(format!("{} {}", head.method(), head.target()));
                    if framing.body == BodyLength::Empty {
                        reply(&mut codec, 200, Some(0));
                    }
                }
                Ok(Some(Incoming::Data(data))) => body.extend_from_slice(&data),
                Ok(Some(Incoming::End(trailers))) => {
                    said.push(format!(
                        "{} +{}",
                        String::from_utf8_lossy(&std::mem::take(&mut body)),
                        trailers.len()
                    ));
                    reply(&mut codec, 200, Some(0));
                }
                Err(error) => return (said, Some(error)),
            }
        }
    }
    let end = codec.decode_eof(&mut src).err();
    (said, end)
}

fn reply(codec: &mut ServerCodec, status: u16, length: Option<u64>) -> String {
    let mut out = Outbox::new();
    let head = ReplyHead {
        status: StatusCode::from_u16(status).unwrap(),
        fields: Fields::new(),
        length,
        date: *b"Sun, 06 Nov 1994 08:49:37 GMT",
    };
    codec.encode(Outgoing::Head(head), &mut out).unwrap();
    for _ in 0..length.unwrap_or(1) {
        codec.encode(Outgoing::Data(Bytes::from_static(b"x")), &mut out).unwrap();
    }
    codec.encode(Outgoing::End(Fields::new()), &mut out).unwrap();
    String::from_utf8(out.single().unwrap().to_vec()).unwrap()
}

#[test]
fn requests_follow_one_another() {
    let cases: [(&str, &[&str], Option<Reject>); 13] = [
        ("GET /a HTTP/1.1\r\nHost: h\r\n\r\n", &["GET /a"], None),
        ("\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n", &["GET /a"], None),
        ("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", &["GET /a", "GET /b"], None),
        (
            "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
            &["PUT /a", "abc +0", "GET /b"],
            None,
        ),
        (
            "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
            &["PUT /a", "abc +1", "GET /b"],
            None,
        ),
        (
            "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
            &["GET /a"],
            None,
        ),
        ("GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n", &["GET /a"], None),
        ("\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n", &[], Some(Reject::RequestLine)),
        ("\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n", &[], Some(Reject::RequestLine)),
        (" GET /a HTTP/1.1\r\nHost: h\r\n\r\n", &[], Some(Reject::RequestLine)),
        ("\x16\x03\x01\x02\x00\x01", &[], Some(Reject::NotHttp)),
        ("GET /a HTTP/1.1\r\nHost: h\r\n", &[], Some(Reject::Incomplete)),
        ("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab", &["PUT /a"], Some(Reject::Incomplete)),
    ];
    for (wire, said, fault) in cases {
        let expected = (said.iter().map(ToString::to_string).collect(), fault.map(HttpError::Reject));
        assert_eq!(script(wire.as_bytes()), expected, "{wire:?}");
    }
}

#[test]
fn after_a_fault_nothing_is_parsed() {
    let mut codec = ServerCodec::new(Limits::default());
    let mut src = BytesMut::from("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nX");
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::Head(..)))));
    assert_eq!(codec.decode(&mut src).err(), Some(Reject::Chunk.into()));
    src.extend_from_slice(b"\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(matches!(codec.decode(&mut src), Ok(None)));
    assert!(!codec.persists(), "the reply to a fault says close");
    assert!(reply(&mut codec, 400, Some(0)).contains("connection: close\r\n"));
    assert!(matches!(codec.decode(&mut src), Ok(None)));
}

#[test]
fn an_early_reply_waits_for_the_rest_of_the_body() {
    let mut codec = ServerCodec::new(Limits::default());
    let mut src = BytesMut::from("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na");
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::Head(..)))));
    reply(&mut codec, 200, Some(0));
    src.extend_from_slice(b"bcGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::Data(_)))));
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::End(_)))));
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::Head(head, _))) if head.path() == "/b"));
}

#[test]
fn bodies_of_replies() {
    let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let cases = [
        (get, Some(2), "content-length: 2\r\n\r\nxx"),
        (get, None, "transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        ("GET / HTTP/1.0\r\n\r\n", None, "connection: close\r\n\r\nx"),
        ("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", Some(2), "content-length: 2\r\n\r\n"),
        ("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", None, "GMT\r\n\r\n"),
    ];
    for (request, length, end) in cases {
        let mut codec = ServerCodec::new(Limits::default());
        assert!(codec.decode(&mut BytesMut::from(request)).unwrap().is_some());
        let text = reply(&mut codec, 200, length);
        assert!(text.ends_with(end), "{request:?} {length:?}: {text:?}");
    }
}

#[test]
fn a_reply_that_contradicts_its_head_is_never_finished() {
    let head = |length| {
        let fields = Fields::new();
        Outgoing::Head(ReplyHead {
            status: StatusCode::OK,
            fields,
            length,
            date: *b"Sun, 06 Nov 1994 08:49:37 GMT",
        })
    };
    let data = || Outgoing::Data(Bytes::from_static(b"abc"));
    let end = || Outgoing::End(Fields::new());
    let cases: [(Vec<Outgoing>, Misuse); 6] = [
        (vec![head(Some(2)), data()], Misuse::BodyTooLong),
        (vec![head(Some(4)), data(), end()], Misuse::BodyTooShort),
        (vec![head(Some(4)), Outgoing::Aside(5)], Misuse::BodyTooLong),
        (vec![head(None), Outgoing::Aside(5)], Misuse::OutOfTurn),
        (vec![data()], Misuse::OutOfTurn),
        (vec![head(None), Outgoing::Continue], Misuse::OutOfTurn),
    ];
    for (items, misuse) in cases {
        let mut codec = ServerCodec::new(Limits::default());
        assert!(codec.decode(&mut BytesMut::from("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).unwrap().is_some());
        let mut out = Outbox::new();
        let result: Result<Vec<()>, _> = items.into_iter().map(|item| codec.encode(item, &mut out)).collect();
        assert_eq!(result.err(), Some(misuse.into()));
    }
}

#[test]
fn trailers_leave_with_a_chunked_body_only() {
    for (length, sent) in [(None, true), (Some(0), false)] {
        let mut codec = ServerCodec::new(Limits::default());
        assert!(codec.decode(&mut BytesMut::from("GET / HTTP/1.1\r\nHost: h\r\n\r\n")).unwrap().is_some());
        let (mut out, mut trailers) = (Outbox::new(), Fields::new());
        trailers.append(http::HeaderName::from_static("x-sum"), http::HeaderValue::from_static("1"));
        let fields = Fields::new();
        let head =
            ReplyHead { status: StatusCode::OK, fields, length, date: *b"Sun, 06 Nov 1994 08:49:37 GMT" };
        codec.encode(Outgoing::Head(head), &mut out).unwrap();
        codec.encode(Outgoing::End(trailers), &mut out).unwrap();
        assert_eq!(out.single().unwrap().ends_with(b"0\r\nx-sum: 1\r\n\r\n"), sent);
    }
}

#[test]
fn a_refusal_is_framed_by_itself_not_by_the_request_before() {
    let mut codec = ServerCodec::new(Limits::default());
    let mut src = BytesMut::from("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::Head(..)))));
    reply(&mut codec, 200, Some(0));
    src.extend_from_slice(b"broken\r\n\r\n");
    assert_eq!(codec.decode(&mut src).err(), Some(Reject::RequestLine.into()));
    assert!(reply(&mut codec, 400, Some(2)).ends_with("\r\n\r\nxx"), "it has a body");
}

#[test]
fn a_head_over_its_limits() {
    let limits = Limits { head: 256, target: 64, ..Limits::default() };
    let cases = [
        (format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(64)), Reject::TargetTooLong),
        (format!("GET /{}", "a".repeat(200)), Reject::TargetTooLong),
        ("G".repeat(200), Reject::MethodTooLong),
        (format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", "G".repeat(33)), Reject::MethodTooLong),
        (format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(300)), Reject::HeadTooLarge),
        (format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(300)), Reject::HeadTooLarge),
    ];
    for (wire, reject) in cases {
        let mut codec = ServerCodec::new(limits);
        assert_eq!(codec.decode(&mut BytesMut::from(wire.as_str())).err(), Some(reject.into()), "{wire}");
    }
    // The longest of each, in a line that is not over yet.
    let wire = format!("{} /{} HTTP/1.1\r", "G".repeat(32), "a".repeat(63));
    let decoded = ServerCodec::new(limits).decode(&mut BytesMut::from(wire.as_str()));
    assert!(matches!(decoded, Ok(None)), "{decoded:?}");
}
