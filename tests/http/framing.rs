//! Points 30 to 48: where a message ends (RFC 9112 sections 6 and 7). Any doubt ends the connection.

use std::sync::mpsc::channel;

use wireworks::server::http::request::Request;

use crate::support::PATIENCE;
use crate::support::response::Response;

use super::server::{Setup, TestServer, echo, echo_server};
use super::ways::{Turns, accepted, refused};

/// A request of HTTP/1.1 with these field lines, and what follows its head.
fn post(fields: &str, rest: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    [head.as_bytes(), rest.as_ref()].concat()
}

fn chunked(rest: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked", rest)
}

const FIVE_AND_END: &str = "5\r\nhello\r\n0\r\n\r\n";

#[test]
fn p30_transfer_encoding_is_faulty_in_http_1_0() {
    let server = echo_server();
    for fields in ["", "Connection: keep-alive\r\n", "Host: a\r\n"] {
        let head = format!("POST / HTTP/1.0\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
        refused(&server, format!("{head}{FIVE_AND_END}"), 400);
    }
}

#[test]
fn p31_two_lengths_are_one_too_many() {
    let server = echo_server();
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "transfer-encoding: Chunked\r\nContent-Length: 0",
    ] {
        refused(&server, post(fields, FIVE_AND_END), 400);
    }
    refused(&server, post("Content-Length: 5\r\nTransfer-Encoding: identity", "hello"), 400);
}

#[test]
fn p32_chunked_comes_last() {
    let server = echo_server();
    for coding in ["chunked, gzip", "gzip", "identity", "chunked, identity", "x, chunked, y"] {
        refused(&server, post(&format!("Transfer-Encoding: {coding}"), FIVE_AND_END), 400);
    }
}

#[test]
fn p33_an_unknown_coding_is_501() {
    let server = echo_server();
    for coding in ["gzip, chunked", "x,chunked", "deflate, gzip, chunked"] {
        refused(&server, post(&format!("Transfer-Encoding: {coding}"), FIVE_AND_END), 501);
    }
}

#[test]
fn p34_chunked_is_named_once_without_anything_else() {
    let server = echo_server();
    for coding in ["chunked", "CHUNKED", "Chunked", "\t chunked \t"] {
        let request = post(&format!("Transfer-Encoding: {coding}"), FIVE_AND_END);
        accepted(&server, request, "POST / host=a body=hello");
    }
    for fields in [
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunke",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\u{a0}",
    ] {
        refused(&server, post(fields, FIVE_AND_END), 400);
    }
}

#[test]
fn p35_content_length_is_digits_that_fit() {
    let server = echo_server();
    accepted(&server, post("Content-Length: 5", "hello"), "POST / host=a body=hello");
    for length in [
        "+5",
        "-5",
        "5_0",
        "0x5",
        "5 0",
        "5.0",
        "5;",
        "\"5\"",
        "",
        "five",
        "\u{ff15}",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        refused(&server, post(&format!("Content-Length: {length}"), "hello"), 400);
    }
}

#[test]
fn p36_content_length_is_said_once() {
    let server = echo_server();
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: 5,",
        "Content-Length: 0\r\ncontent-length: 5",
    ] {
        refused(&server, post(fields, "hello"), 400);
    }
}

#[test]
fn p37_leading_zeros_are_decimal() {
    let server = echo_server();
    accepted(&server, post("Content-Length: 010", "helloworld"), "POST / host=a body=helloworld");
    accepted(
        &server,
        post("Content-Length: 00000000000000000000000005", "hello"),
        "POST / host=a body=hello",
    );
}

#[test]
fn p38_without_a_length_there_is_no_body() {
    let server = echo_server();
    accepted(&server, "POST / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / host=a body=");
    accepted(&server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / host=a body=");
}

#[test]
fn p39_a_chunk_size_is_hexadecimal_digits_that_fit() {
    let server = echo_server();
    for (chunks, body) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "hello"),
        ("a\r\nhelloworld\r\n0\r\n\r\n", "helloworld"),
        ("A\r\nhelloworld\r\n000\r\n\r\n", "helloworld"),
        ("0005\r\nhello\r\n0\r\n\r\n", "hello"),
        ("0\r\n\r\n", ""),
    ] {
        accepted(&server, chunked(chunks), &format!("POST / host=a body={body}"));
    }
    for size in [
        "",
        " 5",
        "5 ",
        "+5",
        "-5",
        "0x5",
        "5_0",
        "5h",
        "\t5",
        "5\t",
        "10000000000000000",
        "fffffffffffffffff",
        ";a",
    ] {
        refused(&server, chunked(format!("{size}\r\nhello\r\n0\r\n\r\n")), 400);
    }
    // It fits 64 bits, and no body may be so long.
    refused(&server, chunked("ffffffffffffffff\r\nhello\r\n"), 413);
}

#[test]
fn p40_chunk_framing_has_cr_and_lf() {
    let server = echo_server();
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5\r\n\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "0\r\nX: y\n\r\n",
    ] {
        refused(&server, chunked(chunks), 400);
    }
}

#[test]
fn p41_extensions_are_ignored_when_they_are_sound() {
    let server = Setup::new(echo).settings(|settings| settings.limits.chunk_extensions = 80).start();
    for extension in [";a", ";a=b", ";a=\"b c\"", ";a=\"\\\"\\\\\"", ";a;b=c;d", " ; a = b", ";a=\"\u{e9}\""]
    {
        let request = chunked(format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n"));
        accepted(&server, request, "POST / host=a body=hello");
    }
    for extension in [
        ";",
        ";;a",
        ";a=",
        ";=b",
        ";a=\"b",
        ";a=b c",
        "a=b",
        ";a ",
        ";a=\"b\"c",
        ";\u{1}",
        ";a=\"\u{1}\"",
        ";a\r",
        ";a=\"\r\n\"",
        ";a\n",
    ] {
        refused(&server, chunked(format!("5{extension}\r\nhello\r\n0\r\n\r\n")), 400);
    }
    // A limit over all chunks of a body. The CR that ends an extension counts.
    accepted(
        &server,
        chunked("1;abc\r\na\r\n".repeat(16) + "0\r\n\r\n"),
        "POST / host=a body=aaaaaaaaaaaaaaaa",
    );
    refused(&server, chunked("1;abc\r\na\r\n".repeat(17) + "0\r\n\r\n"), 400);
}

#[test]
fn p42_a_chunk_longer_than_its_size_is_refused() {
    let server = echo_server();
    for chunks in ["5\r\nhello!\r\n0\r\n\r\n", "4\r\nhello\r\n0\r\n\r\n", "5\r\nhelloworld\r\n0\r\n\r\n"] {
        refused(&server, chunked(chunks), 400);
    }
}

#[test]
fn p43_trailers_are_kept_apart_and_checked() {
    let server = Setup::new(echo).settings(|settings| settings.limits.trailers = 128).start();
    let request = chunked("5\r\nhello\r\n0\r\nX: trailer\r\nEtag: a\r\n\r\n");
    // X is among the fields of no head.
    accepted(&server, request, "POST / host=a body=hello x=trailer etag=a");
    for trailer in [
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Host: b",
        "Authorization: Basic eA==",
        "Connection: close",
        "Content-Type: text/html",
        "Cookie: a=b",
        "Set-Cookie: a=b",
        "X : y",
        " X: y",
        "X",
        "X: \u{1}",
        "X: a\r\n b",
    ] {
        refused(&server, chunked(format!("0\r\n{trailer}\r\n\r\n")), 400);
    }
    refused(&server, chunked(format!("0\r\nX: {}\r\n\r\n", "y".repeat(128))), 431);
    // Before the section is over.
    refused(&server, chunked(format!("0\r\nX: {}", "y".repeat(300))), 431);
}

#[test]
fn p44_a_body_that_ends_early_is_an_error_for_its_reader() {
    let (tell, told) = channel();
    let server = Setup::new(move |mut request: Request| {
        let tell = tell.clone();
        async move {
            if request.path() == "/following" {
                return "nothing to read";
            }
            // The handler is given up when its request turns out to be none, so somebody else reads.
            let reader = tokio::spawn(async move {
                let end = loop {
                    match request.body_mut().data().await {
                        Some(Ok(_)) => {}
                        end => break end,
                    }
                };
                tell.send(matches!(end, Some(Err(_)))).unwrap();
            });
            reader.await.unwrap();
            "all of it"
        }
    })
    .start();
    let mut turns = Turns::of(&server);
    for request in [
        post("Content-Length: 10", "hello"),
        chunked("5\r\nhello\r\n"),
        chunked("5\r\nhel"),
        chunked("5\r\nhello\r\n0\r\n"),
        chunked("5\r\nhello\r\n0\r\nX: y\r\n"),
    ] {
        // Cut at every place, and at the end not at all.
        for at in 1..=request.len() {
            let mut wire = server.connect();
            turns.send_cut(&mut wire, &request, at);
            // The handler has begun by now.
            turns.send_cut(&mut wire, "", 0);
            wire.half_close();
            let response = wire.read_response();
            assert_eq!(response.status, 400, "{} at {at}", request.escape_ascii());
            assert_eq!(response.header("connection"), Some("close"));
            wire.expect_close();
            assert_eq!(told.recv_timeout(PATIENCE), Ok(true), "{} at {at}", request.escape_ascii());
        }
    }
}

/// A handler that does not look at the body.
async fn indifferent(_: Request) -> &'static str {
    "whatever"
}

#[test]
fn p45_a_body_that_nobody_read_never_becomes_a_request() {
    let server = Setup::new(indifferent).settings(|settings| settings.drain_limit = 1000).start();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10);
    // Short: it is read, and the connection goes on.
    for body in [post(&format!("Content-Length: {}", smuggled.len()), &smuggled), {
        chunked(format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len()))
    }] {
        let before = server.requests();
        let mut wire = server.connect();
        for _ in 0..3 {
            wire.send(&body);
            let response = wire.read_response();
            assert_eq!((response.text(), response.header("connection")), ("whatever", None));
        }
        // In two pieces, so that the reply leaves before the body is here.
        wire.send_split(&body, body.len() - 50);
        wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        wire.read_response();
        assert_eq!(wire.read_response().header("connection"), Some("close"));
        wire.expect_close();
        assert_eq!(server.requests() - before, 5);
    }
    // Long: the connection ends.
    let long = smuggled.repeat(500);
    let mut wire = server.connect();
    wire.send(post(&format!("Content-Length: {}", long.len()), &long));
    assert_eq!(wire.read_response().header("connection"), Some("close"));
    wire.expect_close();
    // Long, and nobody knew before.
    let before = server.requests();
    let mut wire = server.connect();
    wire.send(chunked(""));
    assert_eq!(wire.read_response().text(), "whatever");
    wire.send(format!("{:x}\r\n{long}\r\n0\r\n\r\n{smuggled}", long.len()));
    wire.expect_close();
    assert_eq!(server.requests() - before, 1);
}

#[test]
fn p46_after_a_framing_error_nothing_is_a_request() {
    let server = echo_server();
    for broken in [
        post("Content-Length: x", ""),
        chunked("5\r\nhelloX\r\n"),
        chunked("x\r\n"),
        post("Transfer-Encoding: chunked\r\nContent-Length: 3", ""),
    ] {
        let before = server.requests();
        let mut wire = server.connect();
        wire.send(&broken);
        assert_eq!(wire.read_response().status, 400);
        // The connection is still there, to be read from; what comes now is thrown away.
        wire.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100));
        wire.expect_close();
        assert_eq!(server.requests(), before, "{}", broken.escape_ascii());
    }
}

#[test]
fn p47_a_body_is_framed_whatever_the_method_is() {
    let server = echo_server();
    for method in ["GET", "DELETE", "OPTIONS", "PUT", "TRACE", "BREW"] {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n");
        accepted(
            &server,
            format!("{head}Content-Length: 5\r\n\r\nhello"),
            &format!("{method} / host=a body=hello"),
        );
        accepted(
            &server,
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{FIVE_AND_END}"),
            &format!("{method} / host=a body=hello"),
        );
        refused(&server, format!("{head}Transfer-Encoding: chunked\r\n\r\nhello"), 400);
    }
    // The reply to HEAD says by its length that the body was understood.
    let length = "HEAD / host=a body=hello".len().to_string();
    super::ways::answered(
        &server,
        "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        200,
        |response: &Response| assert_eq!(response.header("content-length"), Some(&length[..])),
    );
}

#[test]
fn p48_a_framing_error_that_is_here_already_overrides_the_reply() {
    let server: TestServer = Setup::new(indifferent).start();
    for chunks in ["x\r\n", "5\r\nhelloX\r\n", "5\r\nhello\r\n5\r\nhello\r\n-1\r\n"] {
        let mut wire = server.connect();
        wire.send(chunked(chunks));
        let response = wire.read_response();
        assert_eq!((response.status, response.header("connection")), (400, Some("close")), "{chunks:?}");
        wire.expect_close();
    }
}
