//! One connection to a server, as a script of what is said and heard.

use http::HeaderValue;

use super::*;
use crate::proto::http::client::{Finish, RequestWriter};

fn request(method: &Method, length: Option<u64>) -> Outgoing {
    let writer = RequestWriter::new(method, "/", "a.test").unwrap();
    Outgoing::Head(writer.finish(Finish { length, ..Finish::default() }))
}

/// Asks for `/` with a method, without a body.
fn asked(method: &Method) -> ClientCodec {
    let (mut codec, mut dst) = (ClientCodec::new(Limits::default()), Outbox::new());
    codec.encode(request(method, Some(0)), &mut dst).unwrap();
    codec.encode(Outgoing::End(Fields::new()), &mut dst).unwrap();
    codec
}

/// What is heard of `wire`, in words; then whether the connection can be used again. `eof`: the server closes afterwards.
fn hear(mut codec: ClientCodec, pieces: &[&[u8]], eof: bool) -> (Vec<String>, bool) {
    let (mut src, mut said, mut body) = (BytesMut::new(), Vec::new(), Vec::new());
    let mut note = |item: Result<Option<Incoming>, ClientError>| {
        let words = match item {
            Ok(None) => return false,
            Ok(Some(Incoming::Data(data))) => {
                body.extend_from_slice(&data);
                return true;
            }
            Ok(Some(Incoming::Interim(head))) => format!("interim {}", head.status().as_u16()),
            Ok(Some(Incoming::Head(head, body))) => format!("{} {body:?}", head.status().as_u16()),
            Ok(Some(Incoming::End(trailers))) => {
                let body = String::from_utf8(std::mem::take(&mut body)).unwrap();
                format!("{body:?} end {}", trailers.len())
            }
            Err(error) => {
                said.push(format!("{error:?}"));
                return false;
            }
        };
        said.push(words);
        true
    };
    for piece in pieces {
        src.extend_from_slice(piece);
        while note(codec.decode(&mut src)) {}
    }
    while eof && note(codec.decode_eof(&mut src)) {}
    (said, codec.is_ready())
}

/// The same whatever the pieces in which it arrives.
#[track_caller]
fn check(method: &Method, wire: &str, eof: bool, expected: &[&str], ready: bool) {
    let wire = wire.as_bytes();
    let whole = hear(asked(method), &[wire], eof);
    assert_eq!((whole.0.iter().map(String::as_str).collect::<Vec<_>>(), whole.1), (expected.to_vec(), ready));
    for at in 1..wire.len() {
        assert_eq!(hear(asked(method), &[&wire[..at], &wire[at..]], eof), whole, "split at {at}");
    }
    assert_eq!(hear(asked(method), &wire.chunks(1).collect::<Vec<_>>(), eof), whole, "byte by byte");
}

#[test]
fn responses_and_what_becomes_of_their_connections() {
    let get = Method::GET;
    check(
        &get,
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab",
        false,
        &["200 Exactly(2)", "\"ab\" end 0"],
        true,
    );
    check(&get, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, &["200 Empty"], true);
    check(&get, "HTTP/1.1 204 No\r\n\r\n", false, &["204 Empty"], true);
    check(&Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", false, &["200 Empty"], true);
    check(&get, "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false, &["200 Empty"], false);
    check(
        &get,
        "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 0\r\n\r\n",
        false,
        &["200 Empty"],
        true,
    );
    check(
        &get,
        "HTTP/1.1 200 OK\r\nconnection: x, close\r\ncontent-length: 0\r\n\r\n",
        false,
        &["200 Empty"],
        false,
    );
    check(
        &get,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx: y\r\n\r\n",
        false,
        &["200 Chunked", "\"ab\" end 1"],
        true,
    );
    check(
        &get,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: a\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
        false,
        &["interim 100", "interim 103", "204 Empty"],
        true,
    );
    check(&get, "HTTP/1.1 200 OK\r\n\r\nab", true, &["200 UntilClose", "\"ab\" end 0"], false);
    check(&get, "", true, &[], false);
}

#[test]
fn what_servers_do_wrong() {
    let get = Method::GET;
    let unasked = "Fault(Unasked)";
    check(&get, "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", false, &["204 Empty", unasked], false);
    check(
        &get,
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        false,
        &["200 Exactly(1)", "\"a\" end 0", unasked],
        false,
    );
    check(&get, "HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n", false, &[unasked], false);
    check(
        &get,
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
        true,
        &["200 Exactly(3)", "Fault(Incomplete)"],
        false,
    );
    check(&get, "HTTP/1.1 200 O", true, &["Fault(Incomplete)"], false);
    check(&get, "SSH-2.0-x\r\n", false, &["Fault(NotHttp)"], false);
    check(&get, "HTTP/1.1 200 OK\na: b\r\n\r\n", false, &["Fault(BareLf)"], false);
    check(
        &get,
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        false,
        &["Fault(Length)"],
        false,
    );
    check(
        &get,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx",
        false,
        &["200 Chunked", "Fault(Chunk(Chunk))"],
        false,
    );
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_INTERIM + 1);
    let mut expected = vec!["interim 100"; MAX_INTERIM];
    expected.push("Fault(TooManyInterim)");
    check(&get, &flood, false, &expected, false);
}

#[test]
fn bodies_have_a_limit_however_they_are_framed() {
    for framing in ["content-length: 4\r\n\r\n", "transfer-encoding: chunked\r\n\r\n4\r\n", "\r\n"] {
        let mut codec = asked(&Method::GET);
        codec.limits.body = 3;
        let wire = format!("HTTP/1.1 200 OK\r\n{framing}abcd");
        let (said, ready) = hear(codec, &[wire.as_bytes()], false);
        assert!(said.last().unwrap().contains("BodyTooLarge") && !ready, "{said:?}");
    }
}

#[test]
fn after_an_upgrade_the_rest_belongs_to_others() {
    let (mut codec, mut dst) = (ClientCodec::new(Limits::default()), Outbox::new());
    let upgrade = HeaderValue::from_static("websocket");
    let writer = RequestWriter::new(&Method::GET, "/", "a.test").unwrap();
    let finish = Finish { length: Some(0), upgrade: Some(&upgrade), close: false };
    codec.encode(Outgoing::Head(writer.finish(finish)), &mut dst).unwrap();
    codec.encode(Outgoing::End(Fields::new()), &mut dst).unwrap();
    let mut src = BytesMut::from("HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\n\u{1}2");
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::Head(head, _))) if head.status() == 101));
    assert!(matches!(codec.decode(&mut src), Ok(None)));
    assert_eq!((&src[..], codec.is_ready()), (&b"\x012"[..], false));
}

#[test]
fn an_early_response_does_not_free_the_connection() {
    let (mut codec, mut dst) = (ClientCodec::new(Limits::default()), Outbox::new());
    codec.encode(request(&Method::POST, Some(4)), &mut dst).unwrap();
    codec.encode(Outgoing::Data("ab".into()), &mut dst).unwrap();
    let mut src = BytesMut::from("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n");
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::Head(..)))));
    assert!(!codec.is_ready());
    codec.encode(Outgoing::Data("cd".into()), &mut dst).unwrap();
    codec.encode(Outgoing::End(Fields::new()), &mut dst).unwrap();
    assert!(codec.is_ready());
}

#[test]
fn what_cannot_be_said() {
    let misuse = |codec: &mut ClientCodec, item| codec.encode(item, &mut Outbox::new()).unwrap_err();
    let mut codec = ClientCodec::new(Limits::default());
    assert_eq!(misuse(&mut codec, Outgoing::Data("a".into())), Misuse::OutOfTurn.into());
    codec.encode(request(&Method::POST, Some(1)), &mut Outbox::new()).unwrap();
    assert_eq!(misuse(&mut codec, request(&Method::GET, Some(0))), Misuse::OutOfTurn.into());
    assert_eq!(misuse(&mut codec, Outgoing::End(Fields::new())), Misuse::BodyTooShort.into());
    assert_eq!(misuse(&mut codec, Outgoing::Data("ab".into())), Misuse::BodyTooLong.into());
    // The next request waits for the response to this one.
    let mut codec = asked(&Method::GET);
    assert_eq!(misuse(&mut codec, request(&Method::GET, Some(0))), Misuse::OutOfTurn.into());
}

#[test]
fn bytes_that_pass_beside_the_codec_are_counted() {
    let mut codec = asked(&Method::GET);
    let mut src = BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab");
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::Head(..)))));
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::Data(data))) if data == "ab"));
    assert_eq!(codec.body_left(), Some(3));
    assert_eq!((codec.pass(2), codec.pass(2)), (Ok(false), Err(Misuse::BodyTooLong)));
    assert_eq!(codec.pass(1), Ok(true));
    assert!(matches!(codec.decode(&mut src), Ok(Some(Incoming::End(_)))));
    assert!(codec.is_ready());
}
