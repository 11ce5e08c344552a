//! The way down: what is idle ends at once, what runs ends well, and what does not end in time is cut and counted.

use std::future::pending;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderValue;
use tokio::sync::Notify;
use wireworks::server::http::body::Body;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;
use wireworks::server::http::upgrade::Upgraded;

use crate::support::socket::End;
use crate::support::wire::Wire;

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

/// It would hold up the shutdown; its client finds it ended in good order, and asks again soon.
#[test]
fn an_event_stream_ends_when_the_shutdown_begins() {
    let server = Setup::new(|_: Request| async {
        let first = [Ok::<_, std::io::Error>(Bytes::from_static(b"data: first\n\n"))];
        let events = stream::iter(first).chain(stream::pending());
        Response::of(HeaderValue::from_static("text/event-stream; charset=utf-8"), Body::stream(events))
    })
    .start();
    let mut wire = server.connect();
    wire.send(GET);
    wire.read_until(b"first\n\n\r\n");
    let start = Instant::now();
    assert_eq!(server.stop(LONG), 0);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(wire.read_to_close(), (b"0\r\n\r\n".to_vec(), End::Eof));
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
    assert_eq!((response.text(), response.header("connection")), ("done", Some("close")));
    late.expect_close();
    leave.notify_one();
    let response = wire.read_response();
    assert_eq!((response.text(), response.header("connection")), ("done", Some("close")));
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

/// A protocol that says everything again. One that listens says so when it is told that the server stops, and ends.
async fn parrot(mut upgraded: Upgraded, listens: bool) {
    loop {
        let heard = tokio::select! {
            () = upgraded.drain.stopping(), if listens => {
                upgraded.conn.feed("bye".into()).unwrap();
                return drop(upgraded.conn.flush().await);
            }
            heard = upgraded.conn.recv() => heard,
        };
        let Ok(Some(heard)) = heard else { return };
        upgraded.conn.feed(heard).unwrap();
        if upgraded.conn.flush().await.is_err() {
            return;
        }
    }
}

/// A server whose connections become parrots, and one of them.
fn parrots(listen: bool) -> (TestServer, Wire) {
    let server = Setup::new(move |_: Request| async move {
        Response::upgrade(HeaderValue::from_static("parrot"), move |upgraded| parrot(upgraded, listen))
    })
    .start();
    let mut wire = server.connect();
    wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: parrot\r\n\r\n");
    assert_eq!(wire.read_response().status, 101);
    wire.send("hello");
    assert_eq!(wire.read_exact(5), b"hello");
    (server, wire)
}

#[test]
fn an_upgraded_connection_is_told_and_says_goodbye() {
    let (server, mut wire) = parrots(true);
    server.begin_stop();
    assert_eq!(wire.read_exact(3), b"bye");
    wire.expect_close();
    assert_eq!(server.stop(LONG), 0);
}

#[test]
fn an_upgraded_connection_that_does_not_listen_goes_on_until_it_is_cut() {
    let (server, mut wire) = parrots(false);
    server.begin_stop();
    wire.send("still here");
    assert_eq!(wire.read_exact(10), b"still here");
    let deadline = Duration::from_millis(300);
    let start = Instant::now();
    assert_eq!(server.stop(deadline), 1);
    not_before(start, deadline);
    early_enough(start, deadline);
    wire.expect_close();
}
