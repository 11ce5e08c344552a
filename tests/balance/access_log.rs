//! The access log: what each exchange leaves there, and why it ended.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::Balancer;
use super::raw::{Backend, Peer, nobody};
use crate::support::wire::Wire;

const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nUser-Agent: test\r\n\r\n";
const POST: &str = "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody";

/// A balancer whose log is read when it has ended.
struct Logging {
    balancer: Balancer,
    folder: tempfile::TempDir,
}

impl Logging {
    /// `upstream` and `listener` are further lines of the file.
    #[track_caller]
    fn over(backends: &[SocketAddr], listener: &str, upstream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let backends: Vec<_> = backends.iter().map(|addr| format!("{:?}", addr.to_string())).collect();
        let balancer = Balancer::parse(
            &format!(
                "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\naccess-log = {{ path = {:?} }}\n{listener}\n\
                 [upstream.web]\nalgorithm = \"round-robin\"\nbackends = [{}]\n{upstream}\n",
                folder.path().join("log"),
                backends.join(", ")
            ),
            |_| {},
        );
        Self { balancer, folder }
    }

    fn lines(self) -> Vec<Value> {
        self.balancer.running.stop().unwrap();
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn line(self) -> Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    /// Its only line is that of an exchange with so many attempts, all of which were refused.
    #[track_caller]
    fn has_refused_attempts(self, attempts: usize) {
        let line = self.line();
        let before = vec!["backend-refused"; attempts - 1];
        let retries = if before.is_empty() { Value::Null } else { json!(before) };
        assert_eq!(
            (&line["end"], &line["attempts"], &line["retries"]),
            (&json!("backend-refused"), &json!(attempts), &retries),
            "{line}"
        );
    }
}

#[test]
fn a_line_has_all_that_is_known() {
    let backend = Backend::start(|_, peer| peer.serve("hello"));
    let log = Logging::over(&[backend.addr], "to = \"web\"\ntrusted-proxies = [\"127.0.0.0/8\"]", "");
    let mut wire = log.balancer.connect();
    let request = GET.replace(
        "\r\n\r\n",
        "\r\nX-Forwarded-For: 192.0.2.7\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
    );
    for _ in 0..2 {
        wire.send(&request);
        assert_eq!(wire.read_response().text(), "hello");
    }
    drop(wire);
    let mut lines = log.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["reused"], &lines[1]["reused"]), (&json!(false), &json!(true)));
    let mut line = lines.remove(0);
    for phase in ["queue", "connect", "first_byte", "total"] {
        assert!(
            line[phase].as_f64().is_some_and(|millis| (0.0..60_000.0).contains(&millis)),
            "{phase}: {line}"
        );
    }
    let sum: f64 = ["queue", "connect", "first_byte"].iter().filter_map(|phase| line[phase].as_f64()).sum();
    assert!(sum <= line["total"].as_f64().unwrap() + 0.01, "{line}");
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
    let object = line.as_object_mut().unwrap();
    for name in ["time", "queue", "connect", "first_byte", "total"] {
        object.remove(name);
    }
    assert_eq!(
        line,
        json!({
            "listener": "127.0.0.1:0", "client": "192.0.2.7", "method": "GET", "host": "a.test", "path": "/a", "query": "b=c",
            "version": "HTTP/1.1", "user_agent": "test", "status": 200, "bytes_in": 0, "bytes_out": 5, "route": 1,
            "upstream": "web", "backend": backend.addr.to_string(), "attempts": 1, "reused": false,
            "trace": "0af7651916cd43dd8448eb211c80319c", "end": "complete",
        })
    );
}

/// What a backend does with its first connection.
type First = fn(&mut Peer) -> io::Result<()>;

#[test]
fn why_a_backend_gave_no_answer() {
    let rows: [(&str, First, &str, Value, &str); 6] = [
        ("resets", |peer| peer.request().map(drop), POST, json!(502), "backend-reset"),
        (
            "is silent",
            |peer| {
                peer.request()?;
                peer.hold()
            },
            POST,
            json!(504),
            "backend-timeout",
        ),
        ("talks nonsense", |peer| peer.answer("nonsense\r\n\r\n"), POST, json!(502), "backend-invalid"),
        (
            "breaks off",
            |peer| peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
            POST,
            json!(200),
            "backend-cut",
        ),
        (
            "fails well",
            |peer| peer.answer("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
            GET,
            json!(503),
            "complete",
        ),
        ("resets a GET", |peer| peer.request().map(drop), GET, json!(200), "complete"),
    ];
    for (name, first, request, status, end) in rows {
        let backend = Backend::first(first);
        let log = Logging::over(&[backend.addr], "to = \"web\"", "response-timeout = \"300ms\"");
        let mut wire = log.balancer.connect();
        wire.send(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        wire.read_to_close();
        let line = log.line();
        assert_eq!((&line["status"], &line["end"]), (&status, &json!(end)), "{name}: {line}");
        let retries = if name == "resets a GET" { json!(["backend-reset"]) } else { Value::Null };
        assert_eq!(line["retries"], retries, "{name}: {line}");
    }
}

#[test]
fn without_a_backend_it_says_why() {
    // What was never sent is tried once more, beside the retries.
    for (retries, attempts) in [(0, 1), (1, 3)] {
        let log = Logging::over(&[nobody()], "to = \"web\"", &format!("retries = {retries}"));
        let mut wire = log.balancer.connect();
        wire.send(GET);
        assert_eq!(wire.read_response().status, 502);
        drop(wire);
        log.has_refused_attempts(attempts);
    }
}

#[test]
fn what_the_balancer_answers_itself() {
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    for (request, status, end, method) in [
        ("GET /else HTTP/1.1\r\nHost: a\r\n\r\n", 404, "no-route", json!("GET")),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501, "client-invalid", json!("CONNECT")),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "client-invalid", Value::Null),
    ] {
        let log = Logging::over(&[backend.addr], "[[listener.route]]\npath = \"/a/*\"\nto = \"web\"", "");
        let mut wire = log.balancer.connect();
        wire.send(request);
        assert_eq!(wire.read_response().status, status);
        drop(wire);
        let line = log.line();
        let found = (&line["status"], &line["end"], &line["method"], &line["attempts"]);
        assert_eq!(found, (&json!(status), &json!(end), &method, &json!(0)), "{line}");
    }
}

#[test]
fn what_stands_in_front_of_a_route_says_why_it_refuses() {
    let rows = [
        ("limits = { body = \"3B\" }", POST, 413, "too-large", "body"),
        ("auth = { basic = { users-file = \"USERS\" } }", GET, 401, "denied", "auth"),
        (
            "cors = { origins = [\"https://a.test\"] }",
            "OPTIONS /a HTTP/1.1\r\nHost: a\r\nOrigin: https://b.test\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
            403,
            "denied",
            "cors",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, "a:b\n").unwrap();
    for (guard, request, status, end, reason) in rows {
        let backend = Backend::start(|_, peer| {
            peer.request()?;
            peer.hold()
        });
        let guard = guard.replace("USERS", users.to_str().unwrap());
        let log = Logging::over(&[backend.addr], &format!("[[listener.route]]\nto = \"web\"\n{guard}"), "");
        let mut wire = log.balancer.connect();
        wire.send(request);
        assert_eq!(wire.read_response().status, status, "{guard}");
        drop(wire);
        let line = log.line();
        assert_eq!(
            (&line["status"], &line["end"], &line["refused"]),
            (&json!(status), &json!(end), &json!(reason)),
            "{line}"
        );
    }
}

#[test]
fn a_rate_and_a_queue_say_why_they_refuse() {
    for (limit, end, reason) in [
        ("requests = { rate = \"1/h\", burst = 1 }", "rate-limited", "rate"),
        ("in-flight = 1, queue = 0", "queue-full", "queue-full"),
        ("in-flight = 1, queue-timeout = \"10ms\"", "queue-timeout", "queue-timeout"),
    ] {
        let backend = Backend::start(|_, peer| {
            peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")?;
            peer.hold()
        });
        let route = format!("[[listener.route]]\nto = \"web\"\nlimits = {{ {limit} }}");
        let log = Logging::over(&[backend.addr], &route, "");
        let mut first = log.balancer.connect();
        first.send(GET);
        first.read_until(b"half");
        let mut second = log.balancer.connect();
        second.send(GET);
        assert!([429, 503].contains(&second.read_response().status), "{limit}");
        drop((first, second));
        let lines = log.lines();
        let line = lines.iter().find(|line| line["status"] != 200).unwrap();
        assert_eq!((&line["end"], &line["refused"]), (&json!(end), &json!(reason)), "{line}");
        let other = lines.iter().find(|line| line["status"] == 200).unwrap();
        assert_eq!(other["refused"], Value::Null, "{other}");
    }
}

#[test]
fn what_a_cache_did_is_told() {
    let backend = Backend::start(|_, peer| {
        loop {
            peer.answer("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let keys = "[[listener.route]]\nto = \"web\"\ncache = \"pages\"\n[cache.pages]\nmemory = \"16MiB\"";
    let log = Logging::over(&[backend.addr], keys, "");
    let mut wire = log.balancer.connect();
    for request in [GET, GET, POST] {
        wire.send(request);
        assert_eq!(wire.read_response().status, 200);
    }
    drop(wire);
    let lines = log.lines();
    let told: Vec<_> = lines.iter().map(|line| (&line["end"], line["cache"].as_str().unwrap())).collect();
    for ((end, cache), (expected, begin)) in told.iter().zip([
        ("complete", "fwd=uri-miss; stored"),
        ("cached", "hit; ttl="),
        ("complete", "fwd=method"),
    ]) {
        assert_eq!(*end, expected, "{told:?}");
        assert!(cache.starts_with(begin), "{told:?}");
    }
}

#[test]
fn a_client_that_leaves_is_noticed_while_its_backend_is_silent() {
    let rows: [(&str, First); 2] = [
        ("before the head", |peer| {
            peer.request()?;
            peer.hold()
        }),
        ("within the body", |peer| {
            peer.answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")?;
            peer.hold()
        }),
    ];
    for (name, first) in rows {
        let backend = Backend::start(move |_, peer| first(peer));
        let log = Logging::over(&[backend.addr], "to = \"web\"", "");
        let mut wire: Wire = log.balancer.connect();
        wire.send(GET);
        if name == "within the body" {
            wire.read_until(b"half");
        } else {
            backend.wait_for_heads(1);
        }
        drop(wire);
        // Only the balancer can end it: the backend waits.
        backend.wait_for_ends(1);
        let line = log.line();
        assert_eq!((&line["end"], &line["attempts"]), (&json!("client-closed"), &json!(1)), "{name}: {line}");
        assert_eq!(line["status"], if name == "before the head" { json!(499) } else { json!(200) }, "{name}");
    }
}

const SWITCH: &str = "HTTP/1.1 101 Go\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n";

#[test]
fn a_tunnel_and_a_connection_have_a_line_at_their_end() {
    let backend = Backend::start(|_, peer| {
        peer.answer(SWITCH)?;
        let mut heard = [0; 4];
        io::Read::read_exact(&mut peer.stream, &mut heard)?;
        peer.say("pong!")
    });
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    for (mode, head_there, head_back) in [("http", 0, 0), ("tcp", upgrade.len(), SWITCH.len())] {
        let log = Logging::over(&[backend.addr], &format!("mode = {mode:?}\nto = \"web\""), "");
        let mut wire = log.balancer.connect();
        wire.send(upgrade);
        wire.read_until(b"\r\n\r\n");
        wire.send("ping");
        assert_eq!(wire.read_exact(5), b"pong!");
        wire.half_close();
        wire.read_to_close();
        drop(wire);
        let line = log.line();
        assert_eq!(
            (&line["end"], &line["bytes_in"], &line["bytes_out"]),
            (&json!("complete"), &json!(4 + head_there), &json!(5 + head_back)),
            "{mode}: {line}"
        );
        assert_eq!(line["status"], if mode == "http" { json!(101) } else { Value::Null }, "{mode}");
    }
}

#[test]
fn what_a_stop_cuts_says_so() {
    for mode in ["http", "tcp"] {
        let backend = Backend::start(|_, peer| {
            peer.head()?;
            peer.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")?;
            peer.hold()
        });
        let log = Logging::over(&[backend.addr], &format!("mode = {mode:?}\nto = \"web\""), "");
        let mut wire = log.balancer.connect();
        wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
        wire.read_until(b"\r\n\r\n");
        log.balancer.running.handle().stop_now();
        wire.read_to_close();
        let line = log.line();
        assert_eq!(line["end"], "aborted", "{mode}: {line}");
    }
}

#[test]
fn a_connection_that_nobody_takes_has_a_line() {
    let log = Logging::over(&[nobody()], "mode = \"tcp\"\nto = \"web\"", "retries = 1");
    let mut wire = log.balancer.connect();
    wire.read_to_close();
    drop(wire);
    log.has_refused_attempts(2);
}

#[test]
fn the_combined_format_is_that_of_other_servers() {
    let backend = Backend::start(|_, peer| peer.serve("hello"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let balancer = Balancer::parse(
        &format!(
            "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\naccess-log = {{ path = {path:?}, format = \"combined\" }}\n\
             [upstream.web]\nbackends = [{:?}]\n",
            backend.addr.to_string()
        ),
        |_| {},
    );
    let mut wire = balancer.connect();
    wire.send(GET);
    wire.read_response();
    drop(wire);
    balancer.running.stop().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.starts_with("127.0.0.1 - - ["), "{text}");
    assert!(text.ends_with("] \"GET /a?b=c HTTP/1.1\" 200 5 \"-\" \"test\"\n"), "{text}");
}
