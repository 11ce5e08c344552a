//! Backends that have as much as they may have: who waits, who is sent away, and what a client is told.

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Balancer;
use super::raw::Backend;
use crate::support::PATIENCE;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// A backend that tells of each request, and answers it when it is told to.
fn gated() -> (Backend, Receiver<String>, Sender<()>) {
    let (tell, told) = channel();
    let (open, gate) = channel::<()>();
    let (tell, gate) = (Mutex::new(tell), Arc::new(Mutex::new(gate)));
    let backend = Backend::start(move |_, peer| {
        loop {
            let request = peer.request()?;
            tell.lock().unwrap().send(request.target).unwrap();
            gate.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    (backend, told, open)
}

fn limited(backend: &Backend, mode: &str, keys: &str) -> Balancer {
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nmode = \"{mode}\"\nto = \"web\"\n[upstream.web]\nbackends = [\"{}\"]\n{keys}\n",
        backend.addr
    );
    Balancer::parse(&text, |_| {})
}

#[test]
fn requests_wait_in_order_and_no_backend_has_more_than_it_may() {
    let (backend, told, open) = gated();
    let balancer = limited(&backend, "http", "max-connections = 1");
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let mut client = balancer.connect();
            client.send(format!("GET /{number} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
            client.wait_until_read();
            client
        })
        .collect();
    for (number, mut client) in clients.into_iter().enumerate() {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), format!("/{number}"));
        assert!(told.try_recv().is_err(), "two requests at once");
        open.send(()).unwrap();
        assert_eq!(client.read_response().status, 200);
    }
}

#[test]
fn who_cannot_wait_is_told_to_come_again() {
    for (keys, detail) in [
        ("max-connections = 1\nqueue = 0", "the queue for a backend is full"),
        ("max-connections = 1\nqueue-timeout = \"50ms\"", "no backend became free in time"),
    ] {
        let (backend, told, open) = gated();
        let balancer = limited(&backend, "http", keys);
        let mut first = balancer.connect();
        first.send(GET);
        told.recv_timeout(PATIENCE).unwrap();
        let mut second = balancer.connect();
        second.send(GET);
        let response = second.read_response();
        assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
        assert!(response.text().contains(detail), "{}", response.text());
        open.send(()).unwrap();
        assert_eq!(first.read_response().status, 200);
        // The place is free again.
        second.send(GET);
        told.recv_timeout(PATIENCE).unwrap();
        open.send(()).unwrap();
        assert_eq!(second.read_response().status, 200);
    }
}

#[test]
fn a_client_that_leaves_the_queue_or_its_request_leaves_its_place() {
    let (backend, told, open) = gated();
    let balancer = limited(&backend, "http", "max-connections = 1");
    let mut first = balancer.connect();
    first.send(GET);
    told.recv_timeout(PATIENCE).unwrap();
    for _ in 0..3 {
        let mut waiting = balancer.connect();
        waiting.send(GET);
        waiting.wait_until_read();
        waiting.reset();
    }
    open.send(()).unwrap();
    assert_eq!(first.read_response().status, 200);
    // Those that have left may have been noticed or not: in the end this one is served.
    let mut last = balancer.connect();
    last.send("GET /last HTTP/1.1\r\nHost: a.test\r\n\r\n");
    loop {
        let target = told.recv_timeout(PATIENCE).unwrap();
        open.send(()).unwrap();
        if target == "/last" {
            break;
        }
    }
    assert_eq!(last.read_response().status, 200);
}

#[test]
fn connections_wait_or_are_closed() {
    let backend = Backend::start(|_, peer| {
        peer.say("hello")?;
        peer.hold()
    });
    let balancer = limited(&backend, "tcp", "max-connections = 1\nqueue = 1\nqueue-timeout = \"1h\"");
    let connect = || {
        let stream = TcpStream::connect(balancer.addr()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let read = |mut stream: &TcpStream| {
        let mut said = [0; 5];
        stream.read_exact(&mut said).map(|()| said)
    };
    let first = connect();
    assert_eq!(&read(&first).unwrap(), b"hello");
    // Of two more one waits, and the other finds the queue full.
    let (second, third) = (connect(), connect());
    for stream in [&second, &third] {
        stream.set_nonblocking(false).unwrap();
    }
    let mut closed = Vec::new();
    let waiting = std::thread::scope(|scope| {
        let others = [&second, &third].map(|stream| scope.spawn(move || read(stream)));
        while closed.is_empty() {
            for (number, other) in others.iter().enumerate() {
                if other.is_finished() {
                    closed.push(number);
                }
            }
            std::thread::yield_now();
        }
        // The place goes to the one that waits.
        first.shutdown(std::net::Shutdown::Both).unwrap();
        others.map(|other| other.join().unwrap())
    });
    let served = waiting.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((closed.len(), served), (1, 1), "{waiting:?}");
    assert!(waiting[closed[0]].is_err());
}

#[test]
fn an_attempt_and_all_attempts_have_limits() {
    let slow = || Backend::first(super::raw::Peer::hold);
    for (keys, status, sent) in [
        // The first attempt is given up, the second is served.
        ("try-timeout = \"200ms\"", 200, 2),
        // The first attempt has all the time that there is.
        ("deadline = \"200ms\"", 504, 1),
        ("deadline = \"1m\"\ntry-timeout = \"200ms\"\nretries = 0", 504, 1),
    ] {
        let backend = slow();
        let balancer = limited(&backend, "http", keys);
        let mut client = balancer.connect();
        client.send(GET);
        let begun = std::time::Instant::now();
        assert_eq!(client.read_response().status, status, "{keys}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert_eq!(backend.bytes().iter().filter(|bytes| !bytes.is_empty()).count(), sent, "{keys}");
    }
}

#[test]
fn a_breaker_keeps_requests_away_from_a_backend_that_fails() {
    let bad = Backend::start(|_, peer| {
        loop {
            peer.answer("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")?;
        }
    });
    let good = Backend::start(|_, peer| peer.serve("ok"));
    let keys = "algorithm = \"round-robin\"\noutlier = { faults = 0, errors = 0, rate = 0 }\nbreaker = { failures = 3, open = \"1h\", max-open = \"1h\" }";
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nbackends = [\"{}\", \"{}\"]\n{keys}\n",
        bad.addr, good.addr
    );
    let balancer = Balancer::parse(&text, |_| {});
    let mut client = balancer.connect();
    let mut statuses = Vec::new();
    for _ in 0..20 {
        client.send(GET);
        statuses.push(client.read_response().status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 3, "{statuses:?}");
    assert_eq!((bad.requests().len(), good.requests().len()), (3, 17));
}

#[test]
fn connections_go_to_another_backend_as_often_as_they_may() {
    let live = Backend::start(|_, peer| {
        peer.say("hello")?;
        peer.hold()
    });
    // Nobody listens there: it was a port of ours a moment ago.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (retries, served) in [(0, 4), (1, 8)] {
        let text = format!(
            "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nmode = \"tcp\"\nto = \"db\"\n[upstream.db]\nalgorithm = \"round-robin\"\n\
             backends = [\"{dead}\", \"{}\"]\nretries = {retries}\noutlier = {{ faults = 0, errors = 0, rate = 0 }}\n",
            live.addr
        );
        let balancer = Balancer::parse(&text, |_| {});
        let said = (0..8).map(|_| {
            let mut stream = TcpStream::connect(balancer.addr()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut said = [0; 5];
            stream.read_exact(&mut said).is_ok_and(|()| said == *b"hello")
        });
        assert_eq!(said.filter(|served| *served).count(), served, "{retries} retries");
    }
}
