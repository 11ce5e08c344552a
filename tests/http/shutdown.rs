//! The way down: what is idle ends at once, what runs ends well, and what does not end in time is cut and counted.

use std::future::pending;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use wireworks::server::http::request::Request;

use super::limits::{early_enough, not_before};
use super::server::{Setup, TestServer, echo_server};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LONG: Duration = Duration::from_secs(30);

/// A server whose handler waits for leave, but for `/now`.
fn holding() -> (TestServer, Arc<Notify>) {
    let leave = Arc::new(Notify::new());
    let held = Arc::clone(&leave);
    let server = Setup::new(move |request: Request| {
        let held = Arc::clone(&held);
        async move {
            match request.path() {
                "/now" => {}
                "/never" => pending().await,
                _ => held.notified().await,
            }
            "done"
        }
    })
    .start();
    (server, leave)
}

#[test]
fn idle_connections_end_at_once_and_new_ones_are_not_taken() {
    let server = echo_server();
    let addr = server.addr();
    // One that has not asked yet, one between two requests.
    let mut fresh = server.connect();
    let mut idle = server.connect();
    idle.send(GET);
    assert_eq!(idle.read_response().status, 200);
    let start = Instant::now();
    assert_eq!(server.stop(LONG), 0);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    fresh.expect_close();
    idle.expect_close();
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn a_request_that_runs_is_answered_and_says_close() {
    let (server, leave) = holding();
    let mut wire = server.connect();
    wire.send(format!("GET /now HTTP/1.1\r\nHost: a\r\n\r\n{GET}"));
    let before = wire.read_response();
    assert_eq!((before.text(), before.header("connection")), ("done", None));
    wire.wait_until_read();
    // A half head counts as a request, too.
    let mut late = server.connect();
    late.send("GET /now HTTP/1.1\r\n");
    late.wait_until_read();
    while server.requests() < 2 {
        thread::yield_now();
    }
    server.begin_stop();
    // Nothing ends before its time: the rest of the head is taken and answered.
    late.send("Host: a\r\n\r\n");
    let response = late.read_response();
    assert_eq!(
        (response.text(), response.header("connection")),
        ("done", Some("close"))
    );
    late.expect_close();
    leave.notify_one();
    let response = wire.read_response();
    assert_eq!(
        (response.text(), response.header("connection")),
        ("done", Some("close"))
    );
    wire.expect_close();
    assert_eq!(server.stop(LONG), 0);
}

#[test]
fn what_does_not_end_in_time_is_cut_and_counted() {
    let (server, _) = holding();
    let mut wires: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for wire in &mut wires {
        wire.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    while server.requests() < 3 {
        thread::yield_now();
    }
    let deadline = Duration::from_millis(300);
    let start = Instant::now();
    assert_eq!(server.stop(deadline), 3);
    not_before(start, deadline);
    early_enough(start, deadline);
    for wire in &mut wires {
        wire.expect_close();
    }
}
