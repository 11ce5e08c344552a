//! Points 49 to 57: how long a connection lasts, and how it ends (RFC 9112 section 9).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::Notify;
use wireworks::server::http::body::Body;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;

use crate::support::socket::End;

use super::limits::{early_enough, not_before};
use super::server::{Setup, echo, echo_server};
use super::ways::answered_last;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn p49_connections_persist_by_the_rules_of_their_version() {
    let server = echo_server();
    for (version, fields, persists, said) in [
        ("1.1", "", true, None),
        ("1.1", "Connection: keep-alive\r\n", true, None),
        ("1.1", "Connection: close\r\n", false, Some("close")),
        ("1.0", "", false, Some("close")),
        ("1.0", "Connection: keep-alive\r\n", true, Some("keep-alive")),
        ("1.0", "Connection: Keep-Alive\r\n", true, Some("keep-alive")),
        ("1.0", "Connection: keep-alive, close\r\n", false, Some("close")),
    ] {
        let mut wire = server.connect();
        let request = format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n");
        wire.send(&request);
        let response = wire.read_response();
        assert_eq!(response.header("connection"), said, "{request}");
        assert_eq!(response.version, "HTTP/1.1", "the version is ours, not the client's");
        if persists {
            wire.send(&request);
            assert_eq!(wire.read_response().status, 200, "{request}");
        } else {
            wire.expect_close();
        }
    }
    // Of a body whose end only the end of the connection can tell.
    let server = Setup::new(|_: Request| async { Response::new(stream(["a", "b"])) }).start();
    let mut wire = server.connect();
    wire.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let response = wire.read_response();
    assert_eq!((response.text(), response.header("connection")), ("ab", Some("close")));
}

/// A body of unknown length.
fn stream<const N: usize>(parts: [&'static str; N]) -> Body {
    let parts = parts.map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part.as_bytes())));
    Body::stream(futures_util::stream::iter(parts))
}

#[test]
fn p50_close_is_heard_anywhere_in_the_list_and_ends_the_pipeline() {
    let server = echo_server();
    for fields in [
        "Connection: close",
        "connection: CLOSE",
        "Connection: foo, Close",
        "Connection: keep-alive, close",
        "Connection: keep-alive\r\nConnection: close",
    ] {
        let before = server.requests();
        let mut wire = server.connect();
        wire.send(format!("{GET}GET /last HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{GET}{GET}"));
        assert_eq!(wire.read_response().header("connection"), None);
        let last = wire.read_response();
        assert_eq!((last.text(), last.header("connection")), ("GET /last host=a body=", Some("close")));
        wire.expect_close();
        assert_eq!(server.requests() - before, 2, "{fields}");
        let alone = format!("GET /last HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        answered_last(&server, alone, 200, |_| {});
    }
    let mut wire = server.connect();
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n");
    assert_eq!(wire.read_response().header("connection"), None, "another option");
}

#[test]
fn p51_responses_come_in_the_order_of_the_requests() {
    // Odd ones take a turn of the scheduler more than even ones.
    let server = Setup::new(|request: Request| async move {
        if request.path().ends_with(['1', '3', '5', '7', '9']) {
            tokio::task::yield_now().await;
        }
        request.path().to_owned()
    })
    .start();
    let requests: String = (0..500).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let mut wire = server.connect();
    wire.send(requests);
    for n in 0..500 {
        assert_eq!(wire.read_response().text(), format!("/{n}"));
    }
}

#[test]
fn p52_a_client_that_is_through_is_still_answered() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let server = Setup::new(move |request: Request| {
        let held = Arc::clone(&held);
        async move {
            if request.path() == "/held" {
                held.notified().await;
            }
            echo(request).await
        }
    })
    .start();
    // Before the handler is done, and with another request behind it.
    let mut wire = server.connect();
    wire.send(format!("GET /held HTTP/1.1\r\nHost: a\r\n\r\n{GET}"));
    wire.half_close();
    release.notify_one();
    assert_eq!(wire.read_response().text(), "GET /held host=a body=");
    assert_eq!(wire.read_response().text(), "GET / host=a body=");
    wire.expect_close();
    // Of a client that waits for nothing the server learns at once.
    let mut wire = server.connect();
    wire.send(GET);
    wire.read_response();
    wire.half_close();
    wire.expect_close();
    // In a head, there is something to say.
    let mut wire = server.connect();
    wire.send("GET / HTTP/1.1\r\nHo");
    wire.half_close();
    let response = wire.read_response();
    assert_eq!((response.status, response.header("connection")), (400, Some("close")));
    wire.expect_close();
}

#[test]
fn p53_a_refused_client_that_goes_on_talking_can_read_the_answer() {
    let server = Setup::new(echo).settings(|settings| settings.limits.body = 1000).start();
    let mut wire = server.connect();
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    // Far more than the buffers of both ends hold: without someone who reads, this would fail or reset the connection.
    wire.send(vec![b'x'; 8_000_000]);
    let response = wire.read_response();
    assert_eq!((response.status, response.header("connection")), (413, Some("close")));
    wire.expect_close();
}

#[test]
fn p53_the_patience_with_a_refused_client_has_bounds() {
    let server = Setup::new(echo)
        .settings(|settings| {
            settings.linger_timeout = Duration::from_millis(200);
            settings.linger_limit = 100_000;
        })
        .start();
    // In time.
    let mut wire = server.connect();
    let start = Instant::now();
    wire.send("what\r\n\r\n");
    assert_eq!(wire.read_response().status, 400);
    wire.expect_close();
    while server.gate.connections() > 0 {
        early_enough(start, Duration::from_millis(200));
        std::thread::yield_now();
    }
    not_before(start, Duration::from_millis(200));
    // In bytes.
    let mut wire = server.connect();
    wire.send("what\r\n\r\n");
    assert_eq!(wire.read_response().status, 400);
    let sent = (0..10_000).take_while(|_| wire.try_send([b'x'; 10_000]).is_ok()).count();
    assert!(sent < 10_000, "the server reads without end");
    assert!(matches!(wire.read_to_close().1, End::Eof | End::Reset));
}

#[test]
fn p55_a_connection_has_so_many_requests() {
    let server = Setup::new(echo).settings(|settings| settings.requests_per_connection = 3).start();
    let mut wire = server.connect();
    wire.send(GET.repeat(5));
    for _ in 0..2 {
        assert_eq!(wire.read_response().header("connection"), None);
    }
    assert_eq!(wire.read_response().header("connection"), Some("close"));
    wire.expect_close();
    assert_eq!(server.requests(), 3);
}

#[test]
fn p55_an_idle_connection_ends_without_a_word() {
    let idle = Duration::from_millis(500);
    let server = Setup::new(echo).settings(|settings| settings.idle_timeout = idle).start();
    let mut wire = server.connect();
    let mut start = Instant::now();
    for _ in 0..2 {
        wire.send(GET);
        start = Instant::now();
        assert_eq!(wire.read_response().status, 200);
    }
    wire.expect_close();
    not_before(start, idle);
    early_enough(start, idle);
}

#[test]
fn p55_idle_time_begins_when_the_reply_has_left() {
    let idle = Duration::from_millis(800);
    let server = Setup::new(move |request: Request| {
        // It computes, and never waits: two requests in a row take longer than a connection may be idle.
        let start = Instant::now();
        while request.path() == "/long" && start.elapsed() < idle * 5 / 8 {
            std::hint::spin_loop();
        }
        echo(request)
    })
    .settings(|settings| {
        settings.idle_timeout = idle;
        settings.head_timeout = idle;
    })
    .start();
    let mut wire = server.connect();
    for _ in 0..3 {
        wire.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(wire.read_response().status, 200);
    }
    wire.expect_close();
}

#[test]
fn p56_a_head_that_takes_too_long_is_408_and_none_at_all_is_silence() {
    let timeout = Duration::from_millis(300);
    let server = Setup::new(echo).settings(|settings| settings.head_timeout = timeout).start();
    // From accept, even if bytes keep coming.
    for first in ["", "G", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let start = Instant::now();
        let mut wire = server.connect();
        wire.send(first);
        if first.is_empty() {
            wire.expect_close();
        } else {
            let response = wire.read_response();
            assert_eq!((response.status, response.header("connection")), (408, Some("close")));
            wire.expect_close();
        }
        not_before(start, timeout);
        early_enough(start, timeout);
    }
    // Of a later request, from its first byte.
    let mut wire = server.connect();
    wire.send(GET);
    assert_eq!(wire.read_response().status, 200);
    let start = Instant::now();
    wire.send("GET");
    assert_eq!(wire.read_response().status, 408);
    not_before(start, timeout);
    early_enough(start, timeout);
}

#[test]
fn p56_a_head_that_trickles_gains_no_time() {
    let timeout = Duration::from_millis(300);
    let server = Setup::new(echo).settings(|settings| settings.head_timeout = timeout).start();
    let start = Instant::now();
    let mut wire = server.connect();
    // A byte each time the server has taken the one before: there is always something new.
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "y".repeat(20_000));
    for byte in head.as_bytes() {
        if wire.try_send([*byte]).is_err() || start.elapsed() > 2 * timeout {
            break;
        }
        wire.wait_until_read();
    }
    let (all, _) = wire.read_to_close();
    assert!(all.starts_with(b"HTTP/1.1 408 "), "{}", all.escape_ascii());
    not_before(start, timeout);
}

#[test]
fn p57_a_handler_that_does_not_read_holds_its_client_back() {
    const LENGTH: usize = 64 << 20;
    let leave = Arc::new(Notify::new());
    let held = Arc::clone(&leave);
    let server = Setup::new(move |mut request: Request| {
        let held = Arc::clone(&held);
        async move {
            if request.path() == "/held" {
                held.notified().await;
            }
            let mut length = 0;
            while let Some(Ok(data)) = request.body_mut().data().await {
                length += data.len();
            }
            length.to_string()
        }
    })
    .start();
    let mut wire = server.connect();
    let mut other = server.connect();
    wire.send(format!("POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
    let sending = std::thread::spawn(move || {
        wire.send(vec![b'x'; LENGTH]);
        wire
    });
    // The server does all that it can do meanwhile.
    for _ in 0..2000 {
        other.send(GET);
        assert_eq!(other.read_response().text(), "0");
    }
    assert!(!sending.is_finished(), "somebody keeps what nobody has asked for");
    leave.notify_one();
    let mut wire = sending.join().unwrap();
    assert_eq!(wire.read_response().text(), LENGTH.to_string());
}

#[test]
fn p57_a_client_that_does_not_read_is_not_served_ahead() {
    const REPLY: usize = 256 * 1024;
    const REQUESTS: usize = 3000;
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let server = Setup::new(move |request: Request| {
        let counter = Arc::clone(&counter);
        async move {
            if request.path() == "/other" {
                return Response::text("other");
            }
            counter.fetch_add(1, Ordering::Relaxed);
            let number = HeaderValue::from_str(&request.path()[1..]).unwrap();
            Response::new(vec![b'x'; REPLY]).with(http::header::ETAG, number)
        }
    })
    .start();
    let requests: String = (0..REQUESTS).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let mut wire = server.connect();
    wire.send(&requests);
    // The server has one thread: while it answers others, it has done all that it can do for this client.
    let mut other = server.connect();
    let settled = loop {
        let before = made.load(Ordering::Relaxed);
        for _ in 0..20 {
            other.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(other.read_response().text(), "other");
        }
        if before > 0 && made.load(Ordering::Relaxed) == before {
            break before;
        }
    };
    // What the sockets hold, and a little more.
    assert!(settled * REPLY < 24 << 20, "{settled} replies were made for a client that reads none");
    for n in 0..REQUESTS {
        let response = wire.read_response();
        assert_eq!(response.header("etag"), Some(&n.to_string()[..]));
        assert_eq!(response.body.len(), REPLY);
    }
}
