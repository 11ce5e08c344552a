//! Point 103: each limit has a status and a reason of its own, and each deadline is met, neither early nor late.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use wireworks::net::clock::TICK;
use wireworks::net::pace::MinRate;
use wireworks::server::http::multipart::FormLimits;
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;

use crate::support::PATIENCE;
use crate::support::tool::Tool;

use super::server::{Setup, TestServer, echo};
use super::ways::{answered, refused};

/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(3);

/// The deadline `after` from `start` has not been met before its time.
#[track_caller]
pub(super) fn not_before(start: Instant, after: Duration) {
    let took = start.elapsed();
    assert!(took >= after, "after {took:?}, {after:?} were given");
}

/// It has been met within a tick of the clock.
#[track_caller]
pub(super) fn early_enough(start: Instant, after: Duration) {
    let took = start.elapsed();
    assert!(took <= after + TICK + SLACK, "only after {took:?}, {after:?} were given");
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Waits until so many connections are open.
#[track_caller]
fn wait_for_connections(server: &TestServer, count: usize) {
    let start = Instant::now();
    while server.gate.connections() != count {
        assert!(start.elapsed() < Duration::from_secs(10), "{} connections", server.gate.connections());
        thread::yield_now();
    }
}

#[test]
fn each_limit_of_a_message_has_its_status_and_its_reason() {
    let server = Setup::new(echo)
        .settings(|settings| {
            settings.limits.head = 2000;
            settings.limits.target = 100;
            settings.limits.fields = 5;
            settings.limits.body = 100;
            settings.limits.chunk_extensions = 20;
            settings.limits.trailers = 50;
        })
        .start();
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    for (request, status, reason) in [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(100)), 414, "target_too_long"),
        (format!("{head}X: {}\r\n\r\n", "x".repeat(2000)), 431, "head_too_large"),
        (format!("{head}{}\r\n", "X: y\r\n".repeat(5)), 431, "too_many_fields"),
        (format!("{head}Content-Length: 101\r\n\r\n"), 413, "body_too_large"),
        (format!("{chunked}65\r\n"), 413, "body_too_large"),
        (format!("{chunked}32\r\n{}\r\n33\r\n", "x".repeat(50)), 413, "body_too_large"),
        (format!("{chunked}1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(20)), 400, "chunk_extensions"),
        (format!("{chunked}0\r\nX: {}\r\n\r\n", "x".repeat(50)), 431, "head_too_large"),
    ] {
        refused(&server, &request, status);
        let refusals = server.refusals();
        assert!(!refusals.is_empty());
        assert!(refusals.iter().all(|refusal| *refusal == (status, reason)), "{request:?}: {refusals:?}");
    }
    // Up to the limit all is well.
    let hundred = "x".repeat(100);
    answered(&server, format!("{head}Content-Length: 100\r\n\r\n{hundred}"), 200, |_| {});
    answered(&server, format!("{chunked}64\r\n{hundred}\r\n0\r\n\r\n"), 200, |_| {});
    answered(&server, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(99)), 200, |_| {});
}

#[test]
fn connections_over_the_limit_are_503_until_one_ends() {
    let server = Setup::new(echo).gate(|gate| gate.limits.total = 2).start();
    let mut held: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for wire in &mut held {
        wire.send(REQUEST);
        assert_eq!(wire.read_response().status, 200);
    }
    for _ in 0..2 {
        let mut over = server.connect();
        let response = over.read_response();
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
        assert_eq!(response.header("connection"), Some("close"));
    }
    assert_eq!(server.gate.stats().refused_total.load(std::sync::atomic::Ordering::Relaxed), 2);
    held[0].send(REQUEST);
    assert_eq!(held[0].read_response().status, 200, "those that are in go on");
    held.pop();
    wait_for_connections(&server, 1);
    assert_eq!(server.ask(REQUEST).status, 200);
}

#[test]
fn one_address_has_its_share_and_others_have_theirs() {
    let server = Setup::new(echo).gate(|gate| gate.limits.per_address = 1).start();
    let mut held = server.connect();
    held.send(REQUEST);
    assert_eq!(held.read_response().status, 200);
    assert_eq!(server.connect().read_response().status, 503);
    assert_eq!(server.gate.stats().refused_address.load(std::sync::atomic::Ordering::Relaxed), 1);
    let url = format!("http://{}/", server.addr());
    let other = Tool::new("curl").args(["-s", "--interface", "127.0.0.2", &url]).run().success();
    assert!(other.text().starts_with("GET / host=127.0.0.1:"), "{}", other.text());
}

#[test]
fn a_body_that_stalls_or_trickles_is_408() {
    let grace = Duration::from_millis(300);
    let server = Setup::new(echo)
        .settings(|settings| {
            settings.min_read_rate = MinRate { rate: 10_000_000, grace };
            settings.stall_timeout = grace;
        })
        .start();
    let head = "POST / HTTP/1.1\r\nHost: a\r\n";
    for framing in ["Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n186a0\r\n"] {
        // It stalls.
        let start = Instant::now();
        let mut wire = server.connect();
        wire.send(format!("{head}{framing}abc"));
        let response = wire.read_response();
        assert_eq!((response.status, response.header("connection")), (408, Some("close")));
        wire.expect_close();
        not_before(start, grace);
        early_enough(start, grace);
        // It comes all the time, but slowly.
        let start = Instant::now();
        let mut wire = server.connect();
        wire.send(format!("{head}{framing}"));
        while wire.try_send("x").is_ok() && start.elapsed() < 2 * grace + TICK {
            wire.wait_until_read();
        }
        assert_eq!(wire.read_response().status, 408);
        not_before(start, grace);
    }
    assert_eq!(server.refusals(), [(408, "too_slow"); 4]);
}

#[test]
fn a_form_of_too_many_parts_is_413() {
    async fn count(mut request: Request) -> Result<String, Problem> {
        let mut limits = FormLimits::default();
        limits.format.parts = 3;
        let mut form = request.multipart(limits)?;
        let mut parts = 0;
        while form.next_part().await?.is_some() {
            parts += 1;
        }
        Ok(parts.to_string())
    }
    let server = Setup::new(count).start();
    for (parts, status) in [(3, 200), (4, 413)] {
        let part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
        let body = part.repeat(parts) + "--b--\r\n";
        let response = server.ask(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert_eq!(response.status, status, "{}", response.text());
    }
}

#[test]
fn a_client_that_is_gone_ends_its_reply() {
    let server = Setup::new(|_: Request| async {
        let parts =
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"part")));
        Response::new(wireworks::server::http::body::Body::stream(parts))
    })
    .start();
    let mut wire = server.connect();
    wire.send(REQUEST);
    wire.read_exact(100);
    wire.reset();
    wait_for_connections(&server, 0);
    assert_eq!(server.server.stats.cut.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_client_that_does_not_take_its_reply_is_cut() {
    const LENGTH: usize = 64 << 20;
    let grace = Duration::from_millis(300);
    let server = Setup::new(|request: Request| async move {
        match request.path() {
            "/stream" => {
                let parts = futures_util::stream::repeat_with(|| {
                    Ok::<_, std::io::Error>(bytes::Bytes::from(vec![b'x'; 65_536]))
                });
                Response::new(wireworks::server::http::body::Body::stream(parts))
            }
            _ => Response::new(vec![b'x'; LENGTH]),
        }
    })
    .settings(|settings| {
        settings.min_write_rate = MinRate { rate: 1_000_000_000, grace };
        settings.stall_timeout = grace;
    })
    .start();
    for path in ["/", "/stream"] {
        let start = Instant::now();
        let mut wire = server.connect();
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        wire.read_exact(100);
        wait_for_connections(&server, 0);
        not_before(start, grace);
        early_enough(start, grace);
        // What was on its way is not the whole.
        let (rest, _) = wire.read_to_close();
        assert!(rest.len() < LENGTH && !rest.ends_with(b"\r\n0\r\n\r\n"), "{} bytes", rest.len());
    }
}

/// More than the systems between hold.
const LONG_REPLY: usize = 64 << 20;
const WRITE_GRACE: Duration = Duration::from_millis(300);

/// A server that holds its clients to `rate`, and a client that has asked it for a long reply at the instant given.
#[track_caller]
fn long_reply(rate: u32) -> (TestServer, TcpStream, Instant) {
    let server = Setup::new(|_: Request| async { Response::new(vec![b'x'; LONG_REPLY]) })
        .settings(|settings| {
            settings.min_write_rate = MinRate { rate, grace: WRITE_GRACE };
            settings.stall_timeout = Duration::from_secs(60);
        })
        .start();
    let start = Instant::now();
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(REQUEST.as_bytes()).unwrap();
    wait_for_connections(&server, 1);
    (server, stream, start)
}

/// A client that takes its reply a byte at a time makes progress, so it never stalls; what cuts it is the least rate.
#[test]
fn a_client_that_takes_its_reply_in_drops_is_cut_by_the_rate_alone() {
    // More than anybody takes byte by byte.
    let (server, mut stream, start) = long_reply(1_000_000_000);
    let mut taken = 0;
    while server.gate.connections() == 1 {
        taken += stream.read(&mut [0]).unwrap();
        early_enough(start, WRITE_GRACE);
    }
    not_before(start, WRITE_GRACE);
    assert!(taken < LONG_REPLY, "{taken} bytes in drops");
}

/// A client that takes its reply slowly, but many times faster than the least rate, gets all of it.
///
/// What the system takes at once, before the client is waited for, buys no time; and a socket is writable again only when
/// a third of its buffer is free. So a client of 100 kB/s looks like one that takes nothing for seconds.
#[test]
fn a_client_faster_than_the_least_rate_is_not_cut() {
    let (server, mut stream, start) = long_reply(240);
    let mut taken = 0;
    while start.elapsed() < WRITE_GRACE * 3 + TICK {
        taken += stream.read(&mut [0]).unwrap();
        assert_eq!(server.gate.connections(), 1, "cut after {taken} bytes and {:?}", start.elapsed());
    }
}
