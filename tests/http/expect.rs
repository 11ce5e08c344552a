//! Points 58 to 64: `Expect` and `Upgrade` (RFC 9110 sections 10.1.1 and 7.8).

use http::{HeaderValue, StatusCode};
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;
use wireworks::server::http::upgrade::Upgraded;

use crate::support::wire::Wire;

use super::server::{Setup, TestServer, echo_server};
use super::ways::{Turns, refused};

const EXPECTING: &str = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A handler that wants no body.
fn indifferent() -> TestServer {
    Setup::new(|_: Request| async { (StatusCode::FORBIDDEN, "no") }).start()
}

/// A client may say that it has a body, and hold it back, with any method: a file is sent whole all the same.
#[test]
fn a_file_for_a_client_that_holds_its_body_back() {
    let mut file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    std::io::Write::write_all(&mut file, &content).unwrap();
    let file = std::sync::Arc::new(file);
    let server = Setup::new(move |_: Request| {
        let file = std::sync::Arc::clone(&file);
        let part =
            wireworks::server::http::body::FilePart { file, offset: 0, length: 200_000, workers: None };
        let segments = vec![wireworks::server::http::body::Segment::File(part)];
        std::future::ready(Response::new(wireworks::server::http::body::Body::files(segments)))
    })
    .start();
    let reply = server.get("/", "Expect: 100-continue\r\nContent-Length: 5\r\n");
    assert_eq!(reply.body, content);
}

#[test]
fn p58_a_handler_that_reads_lets_the_client_continue() {
    let server = echo_server();
    let mut turns = Turns::of(&server);
    for expect in ["Expect: 100-continue", "expect: 100-Continue"] {
        for (framing, body) in
            [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
        {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{expect}\r\n{framing}\r\n\r\n");
            for at in 1..head.len() {
                let mut wire = server.connect();
                turns.send_cut(&mut wire, &head, at);
                assert_eq!(wire.read_exact(CONTINUE.len()), CONTINUE, "at {at}");
                turns.send_cut(&mut wire, body, 1 + at % (body.len() - 1));
                assert_eq!(wire.read_response().text(), "POST / host=a body=hello");
                wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                assert_eq!(wire.read_response().text(), "GET / host=a body=");
            }
        }
    }
}

#[test]
fn p58_and_62_a_handler_that_does_not_read_answers_instead_and_the_connection_ends() {
    let server = indifferent();
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let before = server.requests();
        let mut wire = server.connect();
        wire.send(format!("{EXPECTING}{framing}\r\n\r\n"));
        let response = wire.read_response();
        assert_eq!((response.status, response.header("connection")), (403, Some("close")));
        // A client that takes the answer for a leave to send its next request must not be taken by its word.
        drop(wire.try_send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        wire.expect_close();
        assert_eq!(server.requests() - before, 1);
    }
}

#[test]
fn p59_http_1_0_gets_no_interim_response() {
    let server = echo_server();
    let mut wire = server.connect();
    wire.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    wire.wait_until_read();
    wire.send("hello");
    assert_eq!(wire.read_response().text(), "POST / host= body=hello");
    // Nor one about expectations that it cannot have.
    let response = server.ask("GET / HTTP/1.0\r\nExpect: tea\r\n\r\n");
    assert_eq!(response.status, 200);
}

#[test]
fn p60_no_100_without_a_body_or_after_it() {
    let server = echo_server();
    for (framing, understood) in [
        ("\r\n", ""),
        ("Content-Length: 0\r\n\r\n", ""),
        ("Content-Length: 5\r\n\r\nhello", "hello"),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
    ] {
        let response = server.ask(format!("{EXPECTING}{framing}"));
        assert_eq!(
            (response.status, response.text()),
            (200, &format!("POST / host=a body={understood}")[..])
        );
    }
    // A part of it shows that the client does not wait.
    let mut wire = server.connect();
    wire.send(format!("{EXPECTING}Content-Length: 5\r\n\r\nhel"));
    wire.wait_until_read();
    wire.send("lo");
    assert_eq!(wire.read_response().text(), "POST / host=a body=hello");
}

#[test]
fn p61_an_unknown_expectation_is_417() {
    let server = echo_server();
    for expect in ["tea", "100-continued", "100-continue, tea", "100-continue; q=1", ""] {
        refused(&server, format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\n\r\n"), 417);
    }
}

/// A server that lets clients who offer it speak a protocol in which everything is said twice.
fn doubling() -> TestServer {
    async fn double(upgraded: Upgraded) {
        let mut conn = upgraded.conn;
        while let Ok(Some(data)) = conn.recv().await {
            for _ in 0..2 {
                conn.feed(data.clone()).unwrap();
            }
        }
        drop(conn.flush().await);
    }
    Setup::new(|mut request: Request| async move {
        while let Some(Ok(_)) = request.body_mut().data().await {}
        Response::upgrade(HeaderValue::from_static("double"), double)
    })
    .start()
}

/// The head of a response, as bytes.
fn head(wire: &mut Wire) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(wire.read_exact(1));
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn p63_an_upgrade_hands_the_connection_over_with_all_its_bytes() {
    let server = doubling();
    for offer in ["double", "websocket, Double", "triple,double/2\r\nUpgrade: double"] {
        let mut wire = server.connect();
        // The first words of the other protocol share a segment with the request.
        wire.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: {offer}\r\n\r\nab"
        ));
        let head = head(&mut wire);
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        assert!(head.contains("upgrade: double\r\n") && head.contains("connection: upgrade\r\n"), "{head}");
        assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
        assert_eq!(wire.read_exact(4), b"abab");
        wire.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(wire.read_exact(36), b"GET / HTTP/1.1\r\n\r\n".repeat(2));
        wire.half_close();
        wire.expect_close();
    }
    // Wherever the bytes are cut, those of the other protocol too.
    let all = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: double\r\n\r\nab";
    for at in 1..all.len() {
        let mut wire = server.connect();
        wire.send_split(all, at);
        assert!(head(&mut wire).starts_with("HTTP/1.1 101 "), "at {at}");
        wire.half_close();
        let mut said = wire.read_to_end();
        said.sort_unstable();
        assert_eq!(said, b"aabb", "at {at}");
    }
}

#[test]
fn p63_only_what_was_offered_is_switched_to() {
    let server = doubling();
    for fields in [
        "",
        "Upgrade: double\r\n",
        "Connection: upgrade\r\n",
        "Connection: upgrade\r\nUpgrade: triple\r\n",
        "Connection: upgrade\r\nUpgrade: double2\r\n",
    ] {
        assert_eq!(server.get("/", fields).status, 400, "{fields:?}");
    }
    // HTTP/1.0 cannot offer.
    let old = server.ask("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: double\r\n\r\n");
    assert_eq!(old.status, 400);
    // A handler that does not switch is not affected by an offer.
    let response = echo_server().get("/", "Connection: upgrade\r\nUpgrade: double\r\n");
    assert_eq!((response.status, response.header("upgrade")), (200, None));
}

#[test]
fn p63_continue_comes_before_switching() {
    let server = doubling();
    let mut wire = server.connect();
    wire.send(format!("{EXPECTING}Connection: upgrade\r\nUpgrade: double\r\nContent-Length: 5\r\n\r\n"));
    assert_eq!(wire.read_exact(CONTINUE.len()), CONTINUE);
    wire.send("helloab");
    assert!(head(&mut wire).starts_with("HTTP/1.1 101 "));
    assert_eq!(wire.read_exact(4), b"abab");
}

#[test]
fn p64_426_names_the_protocol_that_is_required() {
    let server = Setup::new(|_: Request| async {
        Response::text("speak double")
            .status(StatusCode::UPGRADE_REQUIRED)
            .with(http::header::UPGRADE, HeaderValue::from_static("double"))
    })
    .start();
    let response = server.get("/", "");
    assert_eq!(response.status, 426);
    assert_eq!(
        (response.header("upgrade"), response.header("connection")),
        (Some("double"), Some("upgrade"))
    );
    let response = server.get("/", "Connection: close\r\n");
    assert_eq!(response.header("connection"), Some("upgrade, close"));
}
