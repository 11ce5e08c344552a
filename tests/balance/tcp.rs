//! TCP mode: what a connection says about its backend, and how long connections may be silent.

use std::sync::Mutex;
use std::time::Instant;

use super::Balancer;
use super::raw::Backend;
use crate::support::PATIENCE;
use crate::support::wire::Wire;

/// A balancer in TCP mode over these backends in turn, with these keys of its listener and its upstream.
fn over(backends: &[&Backend], listener: &str, upstream: &str) -> Balancer {
    let backends: Vec<_> = backends.iter().map(|backend| format!("\"{}\"", backend.addr)).collect();
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nmode = \"tcp\"\nto = \"db\"\n{listener}\n\
         [upstream.db]\nalgorithm = \"round-robin\"\nbackends = [{}]\n{upstream}\n",
        backends.join(", ")
    );
    Balancer::parse(&text, |_| {})
}

/// One that greets each client.
fn greeting() -> Backend {
    Backend::start(|_, peer| {
        peer.say("hello")?;
        peer.hold()
    })
}

/// How many connections a backend has got.
fn connections(backend: &Backend) -> usize {
    backend.bytes().len()
}

/// What a client hears that says nothing, until it has been greeted or its connection has ended.
fn heard(balancer: &Balancer) -> Vec<u8> {
    let mut wire = balancer.connect();
    wire.half_close();
    wire.read_to_close().0
}

#[test]
fn a_backend_that_accepts_and_then_resets_is_ejected() {
    let (bad, good) = (Backend::start(|_, peer| peer.reset()), greeting());
    // A reset that comes while connecting is not answered by another attempt.
    let balancer = over(&[&bad, &good], "", "retries = 0");
    let served = (0..20).filter(|_| heard(&balancer) == b"hello").count();
    // By three faults in a row, which no accepted connection breaks.
    assert_eq!((served, connections(&bad), connections(&good)), (17, 3, 17));
}

#[test]
fn a_reset_opens_the_circuit_breaker() {
    let backend = Backend::start(|_, peer| peer.reset());
    let rules = "retries = 0\noutlier = { faults = 0, errors = 0, rate = 0 }\nbreaker = { failures = 2, open = \"1h\", max-open = \"1h\" }";
    let balancer = over(&[&backend], "", rules);
    for _ in 0..6 {
        assert_eq!(heard(&balancer), b"");
    }
    assert_eq!(connections(&backend), 2, "an open breaker lets nobody through");
}

#[test]
fn a_backend_that_closes_in_order_or_whose_clients_reset_is_kept() {
    let orderly = Backend::start(|_, peer| peer.stream.shutdown(std::net::Shutdown::Write));
    let balancer = over(&[&orderly], "", "retries = 0\nbreaker = { failures = 1, open = \"1h\" }");
    for _ in 0..10 {
        assert_eq!(heard(&balancer), b"");
    }
    assert_eq!(connections(&orderly), 10);
    // Who leaves by a reset says nothing about the backend.
    let silent = Backend::start(|_, peer| peer.hold());
    let balancer = over(&[&silent], "", "retries = 0\nbreaker = { failures = 1, open = \"1h\" }");
    for number in 1..=5 {
        let mut wire = balancer.connect();
        wire.send("x");
        let deadline = Instant::now() + PATIENCE;
        while silent.bytes().get(number - 1).is_none_or(Vec::is_empty) {
            assert!(Instant::now() < deadline, "it does not reach the backend");
            std::thread::yield_now();
        }
        wire.reset();
        silent.wait_for_ends(number);
    }
    assert_eq!(connections(&silent), 5);
}

/// Of two listeners the first has a short time and the second its default: the first ends, while the second is still there.
#[track_caller]
fn first_ends(mut first: Wire, second: &Wire) {
    assert_eq!(first.read_to_close().0, b"");
    assert!(!second.has_ended(), "both have ended");
}

#[test]
fn silence_and_half_of_a_connection_have_limits() {
    // Not even an end is answered.
    let open = Mutex::new(Vec::new());
    let backend = Backend::start(move |_, peer| {
        open.lock().unwrap().push(peer.stream.try_clone()?);
        peer.hold()
    });
    let (short, long) = (over(&[&backend], "idle-timeout = \"100ms\"", ""), over(&[&backend], "", ""));
    let (first, second) = (short.connect(), long.connect());
    first_ends(first, &second);
    let short = over(&[&backend], "half-closed-timeout = \"100ms\"", "");
    let (first, second) = (short.connect(), long.connect());
    first.half_close();
    second.half_close();
    first_ends(first, &second);
}

#[test]
fn what_comes_before_the_first_byte_has_a_limit() {
    let backend = Backend::start(|_, peer| peer.hold());
    for (mode, what) in [
        ("tcp", "tls = { self-signed = true }"),
        ("http", "tls = { self-signed = true }"),
        ("tcp", "proxy-protocol-from = [\"127.0.0.0/8\"]"),
    ] {
        let start = |keys: &str| {
            let text = format!(
                "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nmode = \"{mode}\"\nto = \"db\"\n{what}\n{keys}\n[upstream.db]\nbackends = [\"{}\"]\n",
                backend.addr
            );
            Balancer::parse(&text, |_| {})
        };
        let (short, long) = (start("handshake-timeout = \"100ms\""), start(""));
        let (first, second) = (short.connect(), long.connect());
        first_ends(first, &second);
    }
    assert_eq!(connections(&backend), 0, "nobody reaches the backend");
}
