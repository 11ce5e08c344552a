//! Many clients at once, stale content, and backends that fail.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex};

use super::*;
use crate::balance::raw::Peer;
use crate::support::wire::Wire;

/// A backend that says what `answer` makes of the number of a request when it is told to. Each connection has one request.
fn held(answer: impl Fn(usize) -> String + Send + Sync + 'static) -> (Backend, Sender<()>) {
    let (go, told) = channel();
    let told = Mutex::new(told);
    let backend = Backend::start(move |number, peer| {
        peer.request()?;
        told.lock().unwrap().recv().map_err(io::Error::other)?;
        peer.say(answer(number).replacen("\r\n", "\r\nConnection: close\r\n", 1))
    });
    (backend, go)
}

/// However slow the machine is, nobody goes alone.
const PATIENT: &str = "collapse-timeout = \"1h\"";

/// Clients that have asked, and wait.
fn waiting(balancer: &Balancer, count: usize) -> Vec<Wire> {
    let ask = |_| {
        let mut wire = balancer.connect();
        wire.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        wire.wait_until_read();
        wire
    };
    (0..count).map(ask).collect()
}

#[test]
fn a_hundred_clients_are_one_request() {
    for (name, response) in [
        ("whole", said(200, FRESH, "body")),
        ("long", said(200, FRESH, &"x".repeat(300_000))),
        (
            "chunked",
            format!("HTTP/1.1 200 X\r\n{FRESH}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"),
        ),
    ] {
        let (backend, go) = held(move |_| response.clone());
        let balancer = balancer(&backend, PATIENT);
        let mut clients = waiting(&balancer, 100);
        go.send(()).unwrap();
        let responses: Vec<_> = clients.iter_mut().map(Wire::read_response).collect();
        assert!(
            responses.iter().all(|response| response.status == 200 && response.body == responses[0].body),
            "{name}"
        );
        let shared = responses.iter().filter(|response| status(response).ends_with("; collapsed"));
        assert_eq!((shared.count(), backend.requests().len()), (99, 1), "{name}");
    }
}

#[test]
fn what_is_confirmed_is_confirmed_for_all_who_wait() {
    // Past its end, and past the time for which it could be used while it is refreshed.
    let stale = "Cache-Control: max-age=60, stale-while-revalidate=10\r\nAge: 90\r\nETag: \"a\"\r\n";
    let (backend, go) = held(move |number| match number {
        0 => said(200, stale, "body"),
        _ => said(304, &format!("{FRESH}ETag: \"a\"\r\n"), ""),
    });
    let balancer = balancer(&backend, PATIENT);
    go.send(()).unwrap();
    ask(&balancer, "GET /", "");
    let mut clients = waiting(&balancer, 20);
    go.send(()).unwrap();
    assert!(clients.iter_mut().all(|client| client.read_response().text() == "body"));
    assert_eq!(backend.requests().len(), 2);
}

#[test]
fn what_cannot_be_stored_holds_nobody_up() {
    let (backend, go) = held(|_| said(200, "Cache-Control: private\r\n", "mine"));
    let balancer = balancer(&backend, PATIENT);
    let mut clients = waiting(&balancer, 10);
    assert!(backend.requests().len() <= 1, "the others wait");
    (0..10).for_each(|_| go.send(()).unwrap());
    assert!(clients.iter_mut().all(|client| client.read_response().text() == "mine"));
    assert_eq!(backend.requests().len(), 10);
    drop(balancer);

    // And those who come then do not wait for each other: this backend answers when two have asked.
    let both = Arc::new(Barrier::new(2));
    let backend = Backend::start(move |number, peer| {
        let request: fn(&mut Peer) -> io::Result<_> = Peer::request;
        request(peer)?;
        if number > 0 {
            both.wait();
        }
        peer.say(said(200, "Cache-Control: private\r\nConnection: close\r\n", "mine"))
    });
    let balancer = self::balancer(&backend, PATIENT);
    assert!(status(&ask(&balancer, "GET /", "")).ends_with("detail=private"));
    let mut clients = waiting(&balancer, 2);
    assert!(clients.iter_mut().all(|client| client.read_response().text() == "mine"));
}

#[test]
fn who_has_waited_long_enough_goes_alone() {
    let (backend, go) = held(|number| said(200, FRESH, &format!("{number}")));
    let balancer = balancer(&backend, "collapse-timeout = \"50ms\"");
    let mut clients = waiting(&balancer, 2);
    // Both are answered, though no answer was stored before both had asked.
    while backend.requests().len() < 2 {
        std::thread::yield_now();
    }
    (0..2).for_each(|_| go.send(()).unwrap());
    assert!(clients.iter_mut().all(|client| client.read_response().status == 200));
}

#[test]
fn what_is_stale_is_given_while_it_is_refreshed() {
    for said_by in ["response", "operator"] {
        let own = if said_by == "response" { ", stale-while-revalidate=600" } else { "" };
        let backend = origin(move |_, number| match number {
            0 => said(200, &format!("Cache-Control: max-age=60{own}\r\nAge: 90\r\nETag: \"a\"\r\n"), "old"),
            _ => said(200, FRESH, "new"),
        });
        let settings = if said_by == "operator" { "stale-while-revalidate = \"10m\"" } else { "" };
        let balancer = balancer(&backend, settings);
        ask(&balancer, "GET /", "");
        let second = ask(&balancer, "GET /", "");
        assert_eq!((second.text(), second.header("age")), ("old", Some("90")));
        assert_eq!(status(&second), "wireworks; hit; ttl=-30; detail=stale-while-revalidate");
        // The new one comes in the background.
        let fresh =
            std::iter::repeat_with(|| ask(&balancer, "GET /", "")).find(|response| response.text() == "new");
        assert!(fresh.is_some_and(|response| status(&response).contains("hit")));
        let requests = backend.requests();
        assert_eq!(requests.len(), 2, "{said_by}");
    }
}

#[test]
fn what_is_stale_is_given_when_backends_fail() {
    const OLD: &str = "Cache-Control: max-age=60\r\nAge: 90\r\nETag: \"a\"\r\n";
    // What the backend says the second time; `None`: it is gone.
    for (settings, second, code, detail) in [
        ("stale-if-error = \"1h\"", Some(503), 200, "hit; ttl=-30; detail=stale-if-error"),
        ("stale-if-error = \"1h\"", Some(500), 200, "hit; ttl=-30; detail=stale-if-error"),
        ("stale-if-error = \"1h\"", Some(404), 404, "fwd=stale"),
        ("stale-if-error = \"10s\"", Some(503), 503, "fwd=stale"),
        ("", Some(503), 503, "fwd=stale"),
        ("stale-if-error = \"1h\"", None, 200, "hit; ttl=-30; detail=stale-if-error"),
        ("", None, 502, "fwd=stale"),
    ] {
        let backend = Backend::start(move |number, peer| match (number, second) {
            (0, _) => peer.answer(said(200, &format!("{OLD}Connection: close\r\n"), "old")),
            (_, Some(code)) => peer.answer(said(code, "Connection: close\r\n", "")),
            (_, None) => peer.reset(),
        });
        let balancer = balancer(&backend, settings);
        ask(&balancer, "GET /", "");
        backend.wait_for_ends(1);
        let response = ask(&balancer, "GET /", "");
        assert_eq!(response.status, code, "{settings} {second:?}");
        assert!(status(&response).contains(detail), "{settings} {second:?}: {}", status(&response));
        if code == 200 {
            assert_eq!(response.text(), "old");
        }
    }
}

#[test]
fn a_client_that_leaves_does_not_lose_what_others_wait_for() {
    let (backend, go) = held(|_| said(200, FRESH, "body"));
    let balancer = balancer(&backend, PATIENT);
    let mut clients = waiting(&balancer, 3);
    while backend.requests().is_empty() {
        std::thread::yield_now();
    }
    clients.remove(0).reset();
    // Another takes its place, or it was noticed too late to matter.
    (0..2).for_each(|_| go.send(()).unwrap());
    assert!(clients.iter_mut().all(|client| client.read_response().text() == "body"));
    assert!(backend.requests().len() <= 2);
}
