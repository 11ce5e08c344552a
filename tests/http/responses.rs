//! Points 65 to 82: what a response is made of (RFC 9112 sections 4 to 6, RFC 9110 sections 6, 8, 9, 10 and 15).

use std::fs::File;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, ETAG, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode};
use wireworks::net::bucket::Rate;
use wireworks::proto::http::cookie::SetCookie;
use wireworks::proto::http::date;
use wireworks::server::http::body::{Body, FilePart, Frame, Segment};
use wireworks::server::http::middleware::Stack;
use wireworks::server::http::middleware::auth::Auth;
use wireworks::server::http::middleware::concurrency::Concurrency;
use wireworks::server::http::middleware::rate_limit::{RateKey, RateLimit};
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;
use wireworks::server::http::router::Router;

use crate::support::socket::End;

use super::server::{Setup, TestServer, echo, echo_server};

/// A server that answers any request with the status that is its path.
fn statuses() -> TestServer {
    Setup::new(|request: Request| async move {
        let status = request.path()[1..].parse::<u16>().unwrap();
        Response::text("content").status(StatusCode::from_u16(status).unwrap())
    })
    .start()
}

#[test]
fn p65_the_space_before_an_empty_reason_stays() {
    let server = statuses();
    let mut wire = server.connect();
    wire.send("GET /299 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let all = wire.read_to_end();
    assert!(all.starts_with(b"HTTP/1.1 299 \r\n"), "{}", all.escape_ascii());
    assert_eq!(server.get("/404", "").reason, "Not Found");
}

#[test]
fn p66_every_reply_is_dated() {
    let server = statuses();
    for status in [200, 204, 206, 301, 304, 400, 404, 500] {
        let response = server.get(&format!("/{status}"), "");
        assert_eq!(response.status, status);
        let text = response.header("date").expect("a date");
        let said = date::parse(text.as_bytes(), SystemTime::now()).expect("a date");
        assert_eq!(&date::format(said)[..], text.as_bytes(), "an IMF-fixdate");
        let age = SystemTime::now().duration_since(said).unwrap_or_default();
        assert!(age < Duration::from_secs(5), "{text} is {age:?} old");
    }
}

#[test]
fn p67_and_68_lengths_are_said_where_they_belong() {
    let server = statuses();
    // The parser of the tests takes no Content-Length or Transfer-Encoding with 204, and no two of them.
    for (status, length, body) in [(200, Some("7"), "content"), (204, None, ""), (304, None, "")] {
        let response = server.get(&format!("/{status}"), "");
        assert_eq!((response.header("content-length"), response.text()), (length, body), "{status}");
        assert_eq!(response.header("transfer-encoding"), None);
    }
    let server = Setup::new(|_: Request| async { Response::new(three_parts()) }).start();
    let old = server.ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!((old.header("transfer-encoding"), old.text()), (None, "onetwothree"));
}

/// A body of unknown length.
fn three_parts() -> Body {
    let parts =
        ["one", "two", "three"].map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part.as_bytes())));
    Body::stream(stream::iter(parts))
}

#[test]
fn p69_head_is_get_without_the_body() {
    let router = Router::new()
        .get("/known", |_: Request| async { "content" })
        .get("/stream", |_: Request| async { Response::new(three_parts()) })
        .get("/following", echo);
    let server = Setup::new(router).start();
    for path in ["/known", "/stream", "/nowhere"] {
        let mut wire = server.connect();
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let get = wire.read_response();
        wire.send(format!(
            "HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\nGET /following HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        let head = wire.read_response_to("HEAD");
        assert_eq!(head.status, get.status, "{path}");
        let comparable = |headers: &[(String, String)]| {
            let mut headers = headers.to_vec();
            headers.retain(|(name, _)| name != "date" && name != "transfer-encoding");
            headers
        };
        assert_eq!(comparable(&head.headers), comparable(&get.headers), "{path}");
        assert_eq!(head.header("content-length").is_some(), path != "/stream");
        assert_eq!(wire.read_response().text(), "GET /following host=a body=", "nothing was between");
    }
}

#[test]
fn p71_a_205_has_no_content() {
    let response = statuses().get("/205", "");
    assert_eq!((response.header("content-length"), response.text()), (Some("0"), ""));
}

#[test]
fn p72_the_length_is_said_when_it_is_known() {
    let router = Router::new()
        .get("/known", |_: Request| async { "content" })
        .get("/empty", |_: Request| async {})
        .get("/stream", |_: Request| async { Response::new(three_parts()) })
        .get("/trailers", |_: Request| async {
            let mut trailers = wireworks::proto::http::fields::Fields::new();
            trailers.append(ETAG, HeaderValue::from_static("\"x\""));
            let frames = [
                Frame::Data(Bytes::from_static(b"data")),
                Frame::Data(Bytes::new()),
                Frame::Trailers(trailers),
            ];
            Response::new(Body::frames(stream::iter(frames.map(Ok)), None))
        });
    let server = Setup::new(router).start();
    let known = server.get("/known", "");
    assert_eq!((known.header("content-length"), known.header("transfer-encoding")), (Some("7"), None));
    assert!(matches!(server.get("/empty", "").header("content-length"), Some("0") | None));
    let streamed = server.get("/stream", "");
    assert_eq!(
        (streamed.header("content-length"), streamed.header("transfer-encoding")),
        (None, Some("chunked"))
    );
    assert_eq!(streamed.text(), "onetwothree");
    let trailers = server.get("/trailers", "");
    assert_eq!(
        (trailers.text(), &trailers.trailers[..]),
        ("data", &[("etag".to_owned(), "\"x\"".to_owned())][..])
    );
}

#[test]
fn p73_no_field_splits_a_reply() {
    for bytes in [&b"a\r\nX: y"[..], b"a\nb", b"a\rb", b"a\0b", b"a\x7Fb"] {
        assert!(HeaderValue::from_bytes(bytes).is_err());
        assert!(http::HeaderName::from_bytes(bytes).is_err());
    }
    assert!(Response::text("").cookie(&SetCookie::new("name", "a\r\nX: y")).is_err());
    let server =
        Setup::new(|_: Request| async { Response::redirect(StatusCode::FOUND, "/a\r\nX: y") }).start();
    let response = server.get("/", "");
    assert_eq!((response.status, response.header("x")), (500, None));
}

#[test]
fn p74_a_field_that_frames_is_said_once_and_by_the_server() {
    let server = Setup::new(|_: Request| async {
        let mut response = Response::text("content");
        for (name, value) in [
            (CONTENT_LENGTH, "99"),
            (CONTENT_LENGTH, "1"),
            (TRANSFER_ENCODING, "chunked"),
            (CONNECTION, "close"),
            (DATE, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            response.fields_mut().append(name, HeaderValue::from_static(value));
        }
        response
    })
    .start();
    let response = server.get("/", "");
    // `header` finds one, or the test fails.
    assert_eq!((response.header("content-length"), response.text()), (Some("7"), "content"));
    assert_eq!((response.header("transfer-encoding"), response.header("connection")), (None, None));
    assert_eq!(response.header("date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert!(response.header("content-type").is_some());
}

#[test]
fn p75_a_method_that_is_not_allowed_learns_those_that_are() {
    let server = Setup::new(Router::new().get("/", echo).post("/", echo)).start();
    for (request, status) in [("DELETE /", 405), ("OPTIONS /", 204)] {
        let response = server.ask(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(response.status, status);
        let allow = response.header("allow").expect("Allow");
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            assert!(allow.split(", ").any(|allowed| allowed == method), "{allow}");
        }
        assert!(!allow.contains("DELETE"));
    }
}

#[test]
fn p76_a_401_says_how_to_authenticate() {
    let stack = Stack { auth: Some(Auth::new("the realm").user("me", "secret")), ..Stack::default() };
    let server = Setup::shared(stack.around(Arc::new(echo))).start();
    for fields in ["", "Authorization: Basic bWU6d3Jvbmc=\r\n", "Authorization: nonsense\r\n"] {
        let response = server.get("/", fields);
        assert_eq!(response.status, 401);
        let challenge = response.headers_named("www-authenticate").join(", ");
        assert!(challenge.contains("Basic realm=\"the realm\""), "{challenge}");
    }
    assert_eq!(server.get("/", "Authorization: Basic bWU6c2VjcmV0\r\n").status, 200);
}

#[test]
fn p77_content_has_a_type() {
    let server = echo_server();
    assert_eq!(server.get("/", "").header("content-type"), Some("text/plain; charset=utf-8"));
    let refused = server.ask("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(refused.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn p79_what_is_too_much_for_now_says_when_to_come_again() {
    let stack = Stack {
        rate_limit: Some(RateLimit::new(Rate::new(0.1, 1).unwrap(), RateKey::Peer, 10)),
        ..Stack::default()
    };
    let server = Setup::shared(stack.around(Arc::new(echo))).start();
    assert_eq!(server.get("/", "").status, 200);
    let response = server.get("/", "");
    assert_eq!(response.status, 429);
    assert!(response.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);

    let stack = Stack { concurrency: Some(Concurrency::new(1, 0)), ..Stack::default() };
    let busy = Setup::shared(stack.around(Arc::new(|request: Request| async move {
        if request.path() == "/long" {
            pending::<()>().await;
        }
        "short"
    })))
    .start();
    let mut long = busy.connect();
    long.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
    long.wait_until_read();
    let response = busy.get("/", "");
    assert_eq!((response.status, response.header("retry-after").is_some()), (503, true));
    assert_eq!(busy.stop(Duration::from_millis(10)), 1);
}

#[test]
fn p80_errors_are_explained_except_to_head() {
    let server = Setup::new(Router::new().get("/", echo)).start();
    for request in ["GET /nowhere", "DELETE /", "GET x"] {
        let response = server.ask(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(response.text().starts_with(&response.status.to_string()), "{request}");
    }
    let response = server.ask("HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((response.status, response.body.len()), (404, 0));
    assert_ne!(response.header("content-length"), Some("0"));
}

/// The connection ends within the response, and the server goes on.
#[track_caller]
fn is_cut(server: &TestServer, path: &str) -> String {
    let mut wire = server.connect();
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let (all, end) = wire.read_to_close();
    assert_eq!(end, End::Eof);
    assert_eq!(server.get("/alive", "").text(), "alive");
    String::from_utf8(all).unwrap()
}

#[test]
fn p81_a_reply_that_fails_looks_incomplete() {
    // Each part takes a turn, in which the one before leaves.
    let failing = || {
        stream::iter([Ok("part"), Err("failed")]).then(|item| async move {
            tokio::task::yield_now().await;
            item.map(Bytes::from)
        })
    };
    let frames = |length| {
        let parts = stream::iter(["one", "two"]).then(|part| async move {
            tokio::task::yield_now().await;
            Ok(Frame::Data(Bytes::from_static(part.as_bytes())))
        });
        Response::new(Body::frames(parts, Some(length)))
    };
    let router = Router::new()
        .get("/alive", |_: Request| async { "alive" })
        .get("/chunked", move |_: Request| async move { Response::new(Body::stream(failing())) })
        .get("/short", move |_: Request| async move { frames(7) })
        .get("/long", move |_: Request| async move { frames(5) })
        .get("/nothing", |_: Request| async {
            Response::new(Body::stream(stream::iter([Err::<Bytes, _>("failed")])))
        })
        .get("/right", move |_: Request| async move { frames(6) });
    let server = Setup::new(router).start();
    let chunked = is_cut(&server, "/chunked");
    assert!(chunked.ends_with("\r\n4\r\npart\r\n"), "no last chunk: {chunked}");
    let short = is_cut(&server, "/short");
    let (head, body) = short.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 7") && !body.is_empty() && "onetwo".starts_with(body), "{short}");
    // What is too much is not sent, and could not be: the next reply would begin there.
    let long = is_cut(&server, "/long");
    assert!(!long.contains("onetwo"), "{long}");
    // Without a byte the client could think that nobody had its request, and send it again: it sees that the reply has begun.
    let nothing = is_cut(&server, "/nothing");
    assert!(nothing.starts_with("HTTP/1.1 200 ") && nothing.ends_with("\r\n\r\n"), "{nothing}");
    assert_eq!(server.get("/right", "").text(), "onetwo");
    assert_eq!(server.server.stats.cut.load(std::sync::atomic::Ordering::Relaxed), 4);
}

/// A client of HTTP/1.0 takes an orderly end of the connection for the end of the reply, so there is none.
#[test]
fn p81_a_reply_that_ends_with_its_connection_and_fails_is_reset() {
    let failing = || {
        stream::iter([Ok("part"), Err("failed")]).then(|item| async move {
            tokio::task::yield_now().await;
            item.map(Bytes::from)
        })
    };
    let router =
        Router::new().get("/", move |_: Request| async move { Response::new(Body::stream(failing())) });
    let server = Setup::new(router).start();
    let mut wire = server.connect();
    wire.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(wire.read_to_close().1, End::Reset);
}

#[test]
fn p81_a_file_that_shrinks_while_it_is_sent_ends_the_connection() {
    const LENGTH: u64 = 64 << 20;
    let file = Arc::new(tempfile::tempfile().unwrap());
    let content: Arc<File> = Arc::clone(&file);
    let folder = tempfile::tempdir().unwrap();
    let handler = move |request: Request| {
        let part = FilePart { file: Arc::clone(&content), offset: 0, length: LENGTH, workers: None };
        async move {
            match request.path() {
                "/alive" => Response::text("alive"),
                _ => Response::new(Body::files(vec![Segment::File(part)])),
            }
        }
    };
    let over_tcp = Setup::new(handler.clone()).start();
    let over_unix = Setup::new(handler).at(&folder.path().join("socket")).start();
    for server in [&over_tcp, &over_unix] {
        file.set_len(LENGTH).unwrap();
        let mut wire = server.connect();
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        // It is being sent, and the sockets hold a part of it only.
        wire.read_exact(100);
        file.set_len(LENGTH / 2).unwrap();
        let (all, end) = wire.read_to_close();
        assert_eq!(end, End::Eof);
        assert!((all.len() as u64) < LENGTH, "{} bytes", all.len());
        assert_eq!(server.get("/alive", "").text(), "alive");
    }
}

#[test]
fn p82_the_server_is_named_when_it_has_a_name() {
    assert_eq!(echo_server().get("/", "").header("server"), None);
    let server = Setup::new(Router::new().get("/", echo).get("/own", |_: Request| async {
        Response::text("").with(http::header::SERVER, HeaderValue::from_static("handler"))
    }))
    .settings(|settings| settings.server_name = Some(HeaderValue::from_static("wireworks")))
    .start();
    for (request, status) in [("GET /", 200), ("GET /nowhere", 404), ("GET x", 400)] {
        let response = server.ask(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((response.status, response.header("server")), (status, Some("wireworks")));
    }
    let body =
        server.ask("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    assert_eq!(body.header("server"), Some("wireworks"));
    assert_eq!(server.get("/own", "").header("server"), Some("handler"));
}

#[test]
fn a_panic_is_a_500_where_it_is_caught_and_else_the_end_of_its_connection() {
    async fn panics(request: Request) -> &'static str {
        assert_ne!(request.path(), "/panic", "as asked for");
        "alive"
    }
    let stack = Stack { catch_panics: true, ..Stack::default() };
    let server = Setup::shared(stack.around(Arc::new(panics))).start();
    let mut wire = server.connect();
    wire.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.read_response().status, 500);
    assert_eq!(wire.read_response().text(), "alive");

    let server = Setup::new(panics).start();
    let mut wire = server.connect();
    wire.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.expect_close();
    assert_eq!(server.get("/", "").text(), "alive");
}
