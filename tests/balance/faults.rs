//! Backends that fail in every way: what the client is told, how often the request was sent, and that the next one is served.

use std::io;
use std::time::Duration;

use wireworks::proto::balance::outlier;
use wireworks::server::balance::config::{Config, Service};
use wireworks::server::http::middleware::timeout::Timeout;

use super::Balancer;
use super::raw::{Backend, Peer, nobody};
use crate::support::response::{Progress, parse};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody";

/// What a backend does with its first connection.
type First = fn(&mut Peer) -> io::Result<()>;

/// The status that a client gets, and how often its request was sent.
type Outcome = (u16, usize);

/// A backend does `first` with its first connection and serves the others: what becomes of a request, and that the next is served.
#[track_caller]
fn outcome(
    name: &str,
    request: &str,
    first: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
) -> Outcome {
    let backend = Backend::first(first);
    let balancer = Balancer::over(&[backend.addr], |config| {
        if name.contains("stalls") {
            config.upstreams[0].gateway.timeouts.response = Duration::from_millis(500);
        }
    });
    let mut wire = balancer.connect();
    wire.send(request);
    let response = wire.read_response();
    if response.status == 200 {
        assert_eq!(response.text(), "ok", "{name}");
    }
    let sent = backend.requests().len();
    let mut next = balancer.connect();
    next.send(GET);
    let next = next.read_response();
    assert_eq!((next.status, next.text()), (200, "ok"), "{name}: the next request");
    (response.status, sent)
}

#[test]
fn a_request_that_may_be_repeated_is_and_no_other() {
    const AGAIN: (Outcome, Outcome) = ((200, 2), (502, 1));
    let rows: [(&str, First, (Outcome, Outcome)); 5] = [
        ("closes without an answer", |peer| peer.request().map(drop), AGAIN),
        (
            "resets after the request",
            |peer| {
                peer.request()?;
                peer.reset()
            },
            AGAIN,
        ),
        ("stalls before the head", Peer::hold_request, ((200, 2), (504, 1))),
        ("stalls by a head of drips", Peer::drip_a_head, ((504, 1), (504, 1))),
        (
            "answers 503",
            |peer| peer.answer("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
            ((503, 1), (503, 1)),
        ),
    ];
    for (name, first, (get, post)) in rows {
        assert_eq!(outcome(name, GET, first), get, "GET: {name}");
        assert_eq!(outcome(name, POST, first), post, "POST: {name}");
        let put = POST.replace("POST", "PUT");
        assert_eq!(outcome(name, &put, first), get, "PUT: {name}");
    }
}

impl Peer {
    /// A head without end, a byte from time to time, until the other side has enough of it.
    fn drip_a_head(&mut self) -> io::Result<()> {
        self.answer("HTTP/1.1 200 OK\r\nx: ")?;
        loop {
            self.say("y")?;
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn hold_request(&mut self) -> io::Result<()> {
        self.request()?;
        self.hold()
    }
}

#[test]
fn a_response_that_is_none_is_502_and_its_request_is_not_repeated() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\nContent-Length: 2\r\n\r\nok", "y".repeat(1 << 20));
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let rows: Vec<(&str, String)> = vec![
        ("another protocol", "SSH-2.0-x\r\n".into()),
        ("two lengths that differ", last.replace("\r\nC", "\r\nContent-Length: 3\r\nC")),
        ("a length and chunks", last.replace("\r\nC", "\r\nTransfer-Encoding: chunked\r\nC")),
        ("an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked, x\r\n\r\n".into()),
        ("a signed length", last.replace(": 2", ": +2")),
        ("a length that no number holds", last.replace(": 2", ": 18446744073709551616")),
        ("a flood of interim responses", hints.repeat(9) + last),
        ("a head without end", long),
        ("LF alone", last.replace("\r\nC", "\nC")),
        ("a folded field", last.replace("\r\nC", "\r\na: b\r\n c\r\nC")),
        ("a NUL", last.replace("\r\nC", "\r\na: \0\r\nC")),
        ("space before the colon", last.replace("th:", "th :")),
        ("a status of two digits", last.replace("200", "20")),
        ("101 that nobody asked for", "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".into()),
    ];
    for (name, said) in rows {
        for request in [GET, POST] {
            let said = said.clone();
            let got = outcome(name, request, move |peer| {
                peer.answer(&said)?;
                peer.hold()
            });
            assert_eq!(got, (502, 1), "{name}: {request:?}");
        }
    }
    let few = hints.repeat(8) + last;
    assert_eq!(outcome("some hints", GET, move |peer| peer.answer(&few)), (200, 1));
    assert_eq!(outcome("half a head", GET, |peer| peer.answer("HTTP/1.1 200 OK\r\nConte")), (502, 1));
}

#[test]
fn a_body_that_breaks_off_is_cut_for_the_client_too() {
    let rows: [(&str, First); 6] = [
        ("closes", |peer| peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")),
        ("closes in a chunk", |peer| {
            peer.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab")
        }),
        ("closes between chunks", |peer| {
            peer.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        }),
        ("stalls", |peer| {
            peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")?;
            peer.hold()
        }),
        ("no chunk", |peer| {
            peer.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n")?;
            peer.hold()
        }),
        ("LF after a chunk's size", |peer| {
            peer.answer(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\nab\r\n0\r\n\r\n",
            )?;
            peer.hold()
        }),
    ];
    for (name, first) in rows {
        let backend = Backend::first(first);
        let balancer = Balancer::over(&[backend.addr], |config| {
            config.upstreams[0].gateway.timeouts.idle = Duration::from_millis(500);
        });
        let mut wire = balancer.connect();
        wire.send(GET);
        let (all, _) = wire.read_to_close();
        let text = String::from_utf8_lossy(&all);
        assert!(text.starts_with("HTTP/1.1 200 "), "{name}: {text}");
        let whole =
            matches!(parse(&all, "GET", true), Ok(Progress::Whole(response, _)) if response.status == 200);
        assert!(!whole, "{name}: {text}");
        assert_eq!(backend.requests().len(), 1, "{name}");
        let mut next = balancer.connect();
        next.send(GET);
        assert_eq!(next.read_response().text(), "ok", "{name}");
    }
}

#[test]
fn what_ends_well_in_odd_ways_is_whole() {
    let rows: [(&str, First, &str); 3] = [
        (
            "drips",
            |peer| {
                peer.request()?;
                for byte in
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\na: b\r\n\r\n"
                        .bytes()
                {
                    peer.say([byte])?;
                    std::thread::yield_now();
                }
                peer.hold()
            },
            "ok",
        ),
        (
            "HTTP/1.0 without a length",
            |peer| peer.answer("HTTP/1.0 200 OK\r\n\r\nuntil the end"),
            "until the end",
        ),
        (
            "HTTP/1.1 without a length",
            |peer| peer.answer("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
            "until the end",
        ),
    ];
    for (name, first, body) in rows {
        let backend = Backend::first(first);
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        for expected in [body, "ok"] {
            wire.send(GET);
            let response = wire.read_response();
            assert_eq!((response.status, response.text()), (200, expected), "{name}");
            if name == "drips" {
                break;
            }
        }
    }
}

#[test]
fn a_connection_that_says_too_much_is_not_used_again() {
    let late = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let rows = [
        ("GET", format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{late}"), 200),
        (
            "GET",
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{late}"),
            200,
        ),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(), 200),
        ("GET", format!("HTTP/1.1 204 No Content\r\n\r\n{late}"), 204),
        ("GET", format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n{late}"), 304),
    ];
    for (method, said, status) in rows {
        let again = said.clone();
        let backend = Backend::first(move |peer| {
            peer.answer(&again)?;
            peer.serve("evil")
        });
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        wire.send(GET.replace("GET", method));
        let response = wire.read_response_to(method);
        assert_eq!(response.status, status, "{said:?}");
        for _ in 0..3 {
            wire.send(GET);
            let response = wire.read_response();
            assert_eq!((response.status, response.text()), (200, "ok"), "{said:?}");
        }
        let connections: Vec<_> = backend.requests().iter().map(|request| request.connection).collect();
        assert_eq!(connections, [0, 1, 1, 1], "{said:?}");
    }
}

#[test]
fn a_kept_connection_that_has_closed_harms_no_request() {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for method in ["GET", "POST"] {
        // It has closed before the next request comes: that is seen, and nothing was sent.
        let backend = Backend::first(|peer| peer.answer(OK));
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        wire.send(GET);
        wire.read_response();
        backend.wait_for_ends(1);
        wire.send(POST.replace("POST", method));
        assert_eq!(wire.read_response().status, 200, "{method}");
        assert_eq!(backend.requests().len(), 2);
    }
    // It closes just as the request comes, which the backend may have begun.
    for (method, expected) in [("GET", (200, 3)), ("POST", (502, 2))] {
        let backend = Backend::first(|peer| {
            peer.answer(OK)?;
            peer.request().map(drop)
        });
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        wire.send(GET);
        wire.read_response();
        wire.send(POST.replace("POST", method));
        assert_eq!((wire.read_response().status, backend.requests().len()), expected, "{method}");
    }
}

#[test]
fn a_backend_that_refuses_costs_no_request() {
    let well = Backend::start(|_, peer| peer.serve("ok"));
    let balancer = Balancer::over(&[nobody(), well.addr], |_| {});
    for request in [GET, POST].repeat(10) {
        let mut wire = balancer.connect();
        wire.send(request);
        assert_eq!(wire.read_response().status, 200, "{request:?}");
    }
    assert_eq!(well.requests().len(), 20);
    let balancer = Balancer::over(&[nobody()], |_| {});
    for request in [GET, POST] {
        let mut wire = balancer.connect();
        wire.send(request);
        assert_eq!(wire.read_response().status, 502, "{request:?}");
    }
}

#[test]
fn a_backend_that_resets_at_once_is_passed_over() {
    for (request, statuses) in [(GET, &[200][..]), (POST, &[200, 502])] {
        let backend = Backend::first(Peer::reset);
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        wire.send(request);
        let status = wire.read_response().status;
        assert!(statuses.contains(&status), "{request:?}: {status}");
        assert_eq!(backend.requests().len(), usize::from(status == 200), "{request:?}");
    }
}

#[test]
fn a_body_is_sent_again_as_far_as_it_was_kept() {
    for (length, outcome) in [(1000, (200, 2)), (60_000, (200, 2)), (200_000, (502, 1))] {
        let backend = Backend::first(|peer| peer.request().map(drop));
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        wire.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        wire.send(vec![b'x'; length]);
        let status = wire.read_response().status;
        assert_eq!((status, backend.requests().len()), outcome, "{length}");
        if status == 200 {
            let heard = backend.bytes();
            assert_eq!(heard[0], heard[1], "the same twice");
        }
    }
}

#[test]
fn an_answer_before_the_end_of_the_request_counts() {
    const LENGTH: usize = 20 << 20;
    let backend = Backend::first(|peer| {
        peer.head()?;
        peer.say("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")?;
        peer.hold()
    });
    let balancer = Balancer::over(&[backend.addr], |_| {});
    let mut wire = balancer.connect();
    wire.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
    let response = wire.read_response();
    assert_eq!((response.status, response.text()), (413, "big"));
    assert_eq!(backend.requests().len(), 1);
    let mut next = balancer.connect();
    next.send(GET);
    assert_eq!(next.read_response().text(), "ok");
}

#[test]
fn a_backend_that_cuts_its_responses_is_ejected() {
    let cut = Backend::start(|_, peer| peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));
    let good = Backend::start(|_, peer| peer.serve("whole"));
    let balancer = Balancer::over(&[cut.addr, good.addr], |config| {
        config.upstreams[0].settings.algorithm = "round-robin".parse().unwrap();
    });
    let faults = outlier::Policy::DEFAULT.faults as usize;
    for _ in 0..4 * faults {
        let mut wire = balancer.connect();
        wire.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        wire.read_to_end();
    }
    assert_eq!((cut.requests().len(), good.requests().len()), (faults, 3 * faults));
}

#[test]
fn an_answer_before_the_end_of_the_request_counts_though_the_connection_is_reset() {
    const LENGTH: usize = 20 << 20;
    for closes in ["Connection: close\r\n", ""] {
        // What is unread when the backend closes makes a reset of the end.
        let backend = Backend::first(move |peer| {
            peer.head()?;
            peer.say(format!("HTTP/1.1 413 Too Large\r\n{closes}Content-Length: 3\r\n\r\nbig"))
        });
        let balancer = Balancer::over(&[backend.addr], |_| {});
        let mut wire = balancer.connect();
        wire.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
        // The end may come before all is sent.
        let _refused = wire.try_send(vec![b'x'; LENGTH]);
        let response = wire.read_response();
        assert_eq!((response.status, response.text()), (413, "big"));
        assert_eq!(backend.requests().len(), 1);
    }
}

/// Two backends in turn, the first of which does `first` with all of its connections; a fault ejects.
fn in_turn(first: First, change: impl FnOnce(&mut Config)) -> (Backend, Backend, Balancer) {
    let one = Backend::start(move |_, peer| first(peer));
    let two = Backend::start(|_, peer| peer.serve("ok"));
    let balancer = Balancer::over(&[one.addr, two.addr], |config| {
        config.upstreams[0].settings.algorithm = "round-robin".parse().unwrap();
        for backend in &mut config.upstreams[0].backends {
            backend.outlier.faults = 1;
        }
        change(config);
    });
    (one, two, balancer)
}

#[test]
fn a_client_that_is_slow_to_send_is_told_so_and_no_backend_is_blamed() {
    let (one, two, balancer) = in_turn(
        |peer| peer.serve("ok"),
        |config| config.upstreams[0].gateway.try_timeout = Some(Duration::from_millis(100)),
    );
    for _ in 0..4 {
        let mut wire = balancer.connect();
        wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
        assert_eq!(wire.read_response().status, 408);
    }
    let before = [&one, &two].map(|backend| backend.requests().len());
    for _ in 0..4 {
        assert_eq!(balancer.get("/", &[]).status, 200);
    }
    let after = [&one, &two].map(|backend| backend.requests().len());
    assert_eq!(after, before.map(|count| count + 2), "both are still in use");
}

#[test]
fn a_backend_that_outlasts_the_time_of_a_route_is_ejected() {
    let (one, _two, balancer) = in_turn(Peer::hold_request, |config| {
        let Service::Http(service) = &mut config.listeners[0].service else { panic!("it is for requests") };
        service.guards.timeout = Some(Timeout::new(Duration::from_millis(100)).gateway());
    });
    let mut statuses: Vec<_> = (0..6).map(|_| balancer.get("/", &[]).status).collect();
    statuses.sort_unstable();
    assert_eq!((&statuses[..], one.requests().len()), (&[200, 200, 200, 200, 200, 504][..], 1));
}

#[test]
fn without_retries_nothing_is_tried_twice() {
    let well = Backend::start(|_, peer| peer.serve("ok"));
    for (retries, expected) in [(0, [200, 502]), (1, [200, 200])] {
        let text = format!(
            "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nalgorithm = \"round-robin\"\nretries = {retries}\nbackends = [\"{}\", \"{}\"]\n",
            nobody(),
            well.addr
        );
        let balancer = Balancer::parse(&text, |_| {});
        let mut statuses = [GET, POST].map(|request| balancer.ask(request).status);
        statuses.sort_unstable();
        assert_eq!(statuses, expected, "{retries}");
    }
}
