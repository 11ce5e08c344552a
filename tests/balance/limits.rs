//! How slowly, how long and how much a client may talk: the keys of a listener against slow and greedy clients.

use super::Balancer;
use super::raw::Backend;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn over(keys: &str) -> (Backend, Balancer) {
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    let balancer = Balancer::with(backend.addr, keys);
    (backend, balancer)
}

#[test]
fn a_client_that_is_too_slow_is_answered_408_and_its_connection_closed() {
    let body = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nab";
    for (keys, said) in
        [("head-timeout = \"100ms\"", "GET / HTTP/1.1\r\nHost: a"), ("stall-timeout = \"100ms\"", body)]
    {
        let (_backend, balancer) = over(keys);
        let mut wire = balancer.connect();
        wire.send(said);
        let response = wire.read_response();
        assert_eq!(
            (response.status, response.header("connection")),
            (408, Some("close")),
            "{keys}: {said:?}"
        );
        assert_eq!(wire.read_to_end(), b"", "{keys}: {said:?}");
    }
}

#[test]
fn a_client_that_never_begins_is_left_without_a_word() {
    let (_backend, balancer) = over("head-timeout = \"100ms\"");
    assert_eq!(balancer.connect().read_to_end(), b"");
}

#[test]
fn a_connection_waits_for_its_next_request_only_so_long() {
    let (_backend, balancer) = over("idle-timeout = \"100ms\"");
    let mut wire = balancer.connect();
    wire.send(GET);
    assert_eq!(wire.read_response().status, 200);
    assert_eq!(wire.read_to_end(), b"", "closed without a word");
}

#[test]
fn a_client_that_says_too_much_is_told_so() {
    let rows = [
        (
            "max-header-size = \"1KiB\"",
            format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "y".repeat(2000)),
            431,
        ),
        ("max-headers = 3", format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(3)), 431),
        ("max-headers = 3", format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(2)), 200),
        ("max-target-size = \"512B\"", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(600)), 414),
        ("max-body-size = \"3B\"", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody".into(), 413),
        ("max-body-size = \"4B\"", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody".into(), 200),
    ];
    for (keys, request, status) in rows {
        let (_backend, balancer) = over(keys);
        assert_eq!(balancer.ask(&request).status, status, "{keys}");
    }
}

#[test]
fn a_connection_takes_only_so_many_requests() {
    let (_backend, balancer) = over("keep-alive-requests = 2");
    let mut wire = balancer.connect();
    wire.send(GET);
    assert_eq!(wire.read_response().header("connection"), None);
    wire.send(GET);
    assert_eq!(wire.read_response().header("connection"), Some("close"));
    assert_eq!(wire.read_to_end(), b"");
}

#[test]
fn a_tunnel_may_be_silent_only_so_long() {
    let backend = Backend::start(|_, peer| {
        peer.answer("HTTP/1.1 101 Go\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\n")?;
        peer.hold()
    });
    let over = |keys: &str| {
        let text = format!(
            "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nbackends = [\"{}\"]\n{keys}\n",
            backend.addr
        );
        Balancer::parse(&text, |_| {})
    };
    let (short, long) = (over("tunnel-timeout = \"100ms\""), over(""));
    let open = |balancer: &Balancer| {
        let mut wire = balancer.connect();
        wire.send("GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: chat\r\nConnection: upgrade\r\n\r\n");
        wire.read_until(b"\r\n\r\n");
        wire
    };
    let (mut first, second) = (open(&short), open(&long));
    assert_eq!(first.read_to_close().0, b"");
    assert!(!second.has_ended(), "an hour is the default");
}
