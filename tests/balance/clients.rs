//! Clients that stop half-way, say more than one thing at once, or are slow: none harms another, and none costs more than its limit.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::Balancer;
use super::raw::{Backend, whole};
use crate::support::PATIENCE;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn who_leaves_half_way_harms_nobody() {
    for (said, heads) in [
        ("GET / HTT", 0),
        ("GET / HTTP/1.1\r\nHost: a", 0),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", 1),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", 1),
    ] {
        let backend = Backend::start(|_, peer| peer.serve("ok"));
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        wire.send(said);
        wire.wait_until_read();
        wire.reset();
        let mut next = balancer.connect();
        next.send(GET);
        assert_eq!(next.read_response().text(), "ok", "{said:?}");
        // A request that is cut is cut for the backend too, and its connection is never used again.
        let whole: Vec<_> = backend
            .bytes()
            .iter()
            .filter(|bytes| whole(bytes).is_ok_and(|all| all.len() == 1))
            .cloned()
            .collect();
        assert_eq!(whole.len(), 1, "{said:?}: {:?}", backend.bytes());
        assert!(backend.requests().len() <= 1 + heads, "{said:?}");
    }
}

#[test]
fn a_client_that_leaves_within_a_response_frees_its_backend() {
    let (left, ended) = channel();
    let backend = Backend::first(move |peer| {
        peer.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        // Whoever has nothing to say does not learn that nobody listens.
        while peer.say("1\r\na\r\n").is_ok() {}
        left.send(()).unwrap();
        Ok(())
    });
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    wire.send(GET);
    wire.read_until(b"1\r\na\r\n");
    wire.reset();
    ended.recv_timeout(PATIENCE).unwrap();
    let mut next = balancer.connect();
    next.send(GET);
    assert_eq!(next.read_response().text(), "ok");
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let backend = Backend::start(|_, peer| {
        loop {
            let request = peer.request()?;
            let text = format!("{}{}", request.target, String::from_utf8_lossy(&request.body));
            peer.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()))?;
        }
    });
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    let requests = (0..50).map(|number| match number % 2 {
        0 => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
        _ => format!(
            "POST /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n!\r\n0\r\n\r\n"
        ),
    });
    wire.send(requests.collect::<String>());
    for number in 0..50 {
        let end = if number % 2 == 0 { "" } else { "!" };
        assert_eq!(wire.read_response().text(), format!("/{number}{end}"));
    }
}

const UPGRADE: &str = "Upgrade: echo\r\nConnection: upgrade\r\n";

#[test]
fn a_tunnel_begins_with_the_101_and_not_before() {
    // The backend does not switch: what follows is the next request, and never bytes for a tunnel.
    let backend = Backend::start(|_, peer| peer.serve("no"));
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    wire.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
    for _ in 0..2 {
        assert_eq!(wire.read_response().text(), "no");
    }
    let requests = backend.requests();
    assert_eq!(requests.iter().map(|request| &*request.target).collect::<Vec<_>>(), ["/", "/next"]);
    assert_eq!((requests[0].all("upgrade"), requests[1].all("upgrade")), (vec!["echo"], vec![]));

    // It switches: bytes both ways, and the end of one side leaves the other open.
    let backend = Backend::start(|_, peer| {
        peer.answer("HTTP/1.1 101 Go\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nfirst")?;
        let mut heard = [0; 4];
        std::io::Read::read_exact(&mut peer.stream, &mut heard)?;
        peer.stream.write_all(&heard)?;
        peer.stream.shutdown(std::net::Shutdown::Write)?;
        peer.hold()
    });
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    wire.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n"));
    let head = wire.read_until(b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
    assert_eq!(wire.read_exact(5), b"first");
    wire.send("ping");
    assert_eq!(wire.read_exact(4), b"ping");
    wire.expect_close();
}

#[test]
fn an_upgrade_with_a_body_is_one_request_or_none() {
    let backend = Backend::start(|_, peer| peer.serve("no"));
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    wire.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{UPGRADE}Content-Length: 4\r\n\r\nbodyGET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
    wire.half_close();
    let (answers, _) = wire.read_to_close();
    assert!(
        answers.starts_with(b"HTTP/1.1 200 ") || answers.starts_with(b"HTTP/1.1 400 "),
        "{}",
        answers.escape_ascii()
    );
    drop(balancer);
    for bytes in backend.bytes() {
        for request in whole(&bytes).unwrap() {
            let body: &[u8] = if request.target == "/" { b"body" } else { b"" };
            assert_eq!(request.body, body);
        }
    }
}

#[test]
fn connect_is_refused() {
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    wire.send("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
    assert_eq!(wire.read_response().status, 501);
    assert_eq!(backend.requests(), []);
}

/// What may be under way between a backend and a client that does not read: the sockets of the system on both sides, which hold some MiB
/// each, and what the balancer has in hand.
const UNDER_WAY: usize = 32 << 20;

#[test]
fn a_backend_is_read_no_faster_than_its_client_reads() {
    const LENGTH: usize = 64 << 20;
    let said = Arc::new(AtomicUsize::new(0));
    let (count, (full, stuck)) = (Arc::clone(&said), channel());
    let backend = Backend::first(move |peer| {
        peer.answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"))?;
        let piece = vec![b'x'; 1 << 16];
        peer.stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        while count.load(Ordering::SeqCst) < LENGTH {
            let left = LENGTH - count.load(Ordering::SeqCst);
            match peer.stream.write(&piece[..left.min(piece.len())]) {
                Ok(written) => drop(count.fetch_add(written, Ordering::SeqCst)),
                // Nobody has read for a while.
                Err(error) if error.kind() == ErrorKind::WouldBlock => full.send(()).unwrap(),
                Err(error) => return Err(error),
            }
        }
        peer.hold()
    });
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    wire.send(GET);
    stuck.recv_timeout(PATIENCE).unwrap();
    let taken = said.load(Ordering::SeqCst);
    assert!(taken < UNDER_WAY, "{taken} bytes were taken of the backend, and none by the client");
    // The others are served meanwhile, and so is this client as soon as it reads.
    let mut next = balancer.connect();
    next.send(GET);
    assert_eq!(next.read_response().text(), "ok");
    wire.read_until(b"\r\n\r\n");
    for _ in 0..LENGTH >> 20 {
        wire.read_exact(1 << 20);
    }
}

#[test]
fn a_head_says_no_length_that_its_backend_has_not_said() {
    let rows = [
        ("Content-Length: 5\r\n", Some("5")),
        ("Content-Length: 0\r\n", Some("0")),
        ("Transfer-Encoding: chunked\r\n", None),
        ("", None),
    ];
    for (line, length) in rows {
        let backend = Backend::start(move |_, peer| peer.answer(format!("HTTP/1.1 200 OK\r\n{line}\r\n")));
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        for _ in 0..2 {
            wire.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
            let response = wire.read_response_to("HEAD");
            assert_eq!((response.status, response.header("content-length")), (200, length), "{line:?}");
        }
    }
}

#[test]
fn a_426_names_its_protocols() {
    let said = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n";
    let backend = Backend::start(move |_, peer| peer.answer(said));
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let response = balancer.get("/", &[]);
    let told = (response.status, response.header("upgrade"), response.header("connection"));
    assert_eq!(told, (426, Some("websocket"), Some("upgrade")));
}

#[test]
fn an_old_client_that_names_no_host_is_served() {
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    wire.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(wire.read_response().text(), "ok");
    assert_eq!(backend.requests()[0].all("host"), [backend.addr.to_string()]);
}
