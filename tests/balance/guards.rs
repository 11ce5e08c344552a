//! What stands in front of backends: limits, compression, and fields for browsers.

use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::Balancer;
use super::raw::Backend;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn serving() -> Backend {
    Backend::start(|_, peer| peer.serve("ok"))
}

/// A backend that answers every request with the field lines `fields` and a body.
fn answering(fields: &'static str, body: &'static str) -> Backend {
    Backend::start(move |_, peer| {
        loop {
            peer.answer(format!("HTTP/1.1 {fields}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))?;
        }
    })
}

#[test]
fn a_body_over_the_limit_is_413_announced_or_not() {
    let backend = serving();
    let balancer = Balancer::with(backend.addr, "limits = { body = \"8B\" }");
    let chunked = |size: usize| {
        format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size))
    };
    let sized = |size: usize| format!("Content-Length: {size}\r\n\r\n{}", "x".repeat(size));
    for (body, status) in [(sized(8), 200), (sized(9), 413), (chunked(8), 200), (chunked(9), 413)] {
        let request = format!("POST / HTTP/1.1\r\nHost: a.test\r\n{body}");
        assert_eq!(balancer.ask(&request).status, status, "{body}");
    }
}

#[test]
fn requests_are_counted_for_the_client_behind_a_trusted_proxy() {
    let backend = serving();
    let limits = "limits = { requests = { rate = \"2/h\" } }";
    let trusting = Balancer::with(backend.addr, &format!("trusted-proxies = [\"127.0.0.0/8\"]\n{limits}"));
    let from = |balancer: &Balancer, client| {
        let response = balancer.get("/", &[&format!("X-Forwarded-For: {client}")]);
        if response.status == 429 {
            let seconds: u64 = response.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=1800).contains(&seconds), "{seconds}");
        }
        response.status
    };
    for (client, status) in
        [("192.0.2.1", 200), ("192.0.2.1", 200), ("192.0.2.1", 429), ("192.0.2.2", 200), ("192.0.2.1", 429)]
    {
        assert_eq!(from(&trusting, client), status, "{client}");
    }
    let wary = Balancer::with(backend.addr, limits);
    for (client, status) in [("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.3", 429)] {
        assert_eq!(from(&wary, client), status, "a stranger's word about {client}");
    }
    assert_eq!(backend.requests().len(), 5, "what is refused reaches nobody");
}

#[test]
fn requests_are_counted_by_several_rules_at_once() {
    let backend = serving();
    let balancer = Balancer::with(
        backend.addr,
        "limits = { requests = [{ rate = \"3/h\" }, { rate = \"1/h\", burst = 2, by = \"header:x-key\" }] }",
    );
    for (key, status) in [("a", 200), ("a", 200), ("a", 429), ("b", 429)] {
        assert_eq!(balancer.get("/", &[&format!("X-Key: {key}")]).status, status, "{key}");
    }
}

#[test]
fn the_limits_of_a_listener_hold_for_its_routes_together() {
    let backend = serving();
    let route = |path| format!("[[listener.route]]\npath = \"{path}\"\nto = \"web\"\n");
    let limits = "limits = { requests = { rate = \"3/h\" } }";
    let own = "limits = { requests = { rate = \"1/h\" } }";
    let keys = format!("{limits}\n{}{}{own}", route("/a"), route("/b"));
    let balancer = Balancer::with(backend.addr, &keys);
    for (path, status) in [("/b", 200), ("/b", 429), ("/a", 200), ("/a", 429), ("/c", 429)] {
        assert_eq!(balancer.get(path, &[]).status, status, "{path}");
    }
}

#[test]
fn requests_over_the_limit_wait_their_turn_or_are_turned_away() {
    let (entered, inside) = channel();
    let (leave, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let backend = Backend::start(move |_, peer| {
        loop {
            peer.request()?;
            entered.send(()).unwrap();
            gate.lock().unwrap().recv().map_err(std::io::Error::other)?;
            // The head alone: a response counts until it has left.
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")?;
            gate.lock().unwrap().recv().map_err(std::io::Error::other)?;
            peer.say("ok")?;
        }
    });
    let limits = "limits = { in-flight = 1, queue = 1, queue-timeout = \"20s\" }";
    let balancer = Balancer::with(backend.addr, limits);
    let (mut first, mut second) = (balancer.connect(), balancer.connect());
    first.send(GET);
    inside.recv().unwrap();
    leave.send(()).unwrap();
    first.read_until(b"\r\n\r\n");
    second.send(GET);
    second.wait_until_read();
    // One of those that come behind is turned away, as the queue has room for one.
    let refused = balancer.ask(GET);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(inside.try_recv().is_err(), "the second has not been sent");
    leave.send(()).unwrap();
    first.read_exact(2);
    inside.recv().unwrap();
    leave.send(()).unwrap();
    leave.send(()).unwrap();
    assert_eq!(second.read_response().text(), "ok");

    let hasty =
        Balancer::with(backend.addr, "limits = { in-flight = 1, queue = 1, queue-timeout = \"50ms\" }");
    first = hasty.connect();
    first.send(GET);
    inside.recv().unwrap();
    assert_eq!(hasty.ask(GET).status, 503, "it has waited long enough");
    leave.send(()).unwrap();
    leave.send(()).unwrap();
    assert_eq!(first.read_response().text(), "ok");
}

#[test]
fn a_response_that_does_not_begin_in_time_is_504() {
    let backend = Backend::first(super::raw::Peer::hold);
    let balancer = Balancer::with(backend.addr, "timeout = \"100ms\"");
    assert_eq!(balancer.ask(GET).status, 504);
    assert_eq!(balancer.ask(GET).text(), "ok");
}

const LONG: &str = "All work and no play makes Jack a dull boy. All work and no play makes Jack a dull boy. \
    All work and no play makes Jack a dull boy. All work and no play makes Jack a dull boy. \
    All work and no play makes Jack a dull boy. All work and no play makes Jack a dull boy.";

#[test]
fn what_compresses_is_compressed_and_nothing_else() {
    let text = "200 OK\r\nContent-Type: text/plain";
    let rows: [(&str, &'static str, bool, bool); 9] = [
        ("text", text, true, true),
        ("encoded already", "200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: br", false, false),
        ("no-transform", "200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-transform", false, false),
        (
            "a part",
            "206 Partial Content\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-261/900",
            false,
            false,
        ),
        ("events", "200 OK\r\nContent-Type: text/event-stream", false, false),
        ("an image", "200 OK\r\nContent-Type: image/png", false, false),
        ("of no type", "200 OK", false, false),
        ("an error", "404 Not Found\r\nContent-Type: text/plain", false, false),
        ("a tag", "200 OK\r\nContent-Type: text/html\r\nETag: \"x\"", true, true),
    ];
    for (name, fields, compressed, varies) in rows {
        let backend = answering(fields, LONG);
        let balancer = Balancer::with(backend.addr, "compress = true");
        let response = balancer.get("/", &["Accept-Encoding: gzip"]);
        let coding = response.header("content-encoding");
        assert_eq!(coding == Some("gzip"), compressed, "{name}: {coding:?}");
        let vary = response.headers_named("vary");
        assert_eq!(vary.contains(&"accept-encoding"), varies, "{name}: {vary:?}");
        let mut body = String::new();
        if compressed {
            assert!(response.body.len() < LONG.len());
            flate2::read::GzDecoder::new(&response.body[..]).read_to_string(&mut body).unwrap();
        } else {
            body.push_str(response.text());
        }
        assert_eq!(body, LONG, "{name}");
        if name == "a tag" {
            assert_eq!(response.header("etag"), Some("\"x-gz\""));
            let plain = balancer.get("/", &[]);
            assert_eq!(plain.header("etag"), Some("\"x\""));
            assert_eq!(plain.headers_named("vary"), ["accept-encoding"]);
        }
    }
}

#[test]
fn what_is_compressed_can_be_named() {
    let keys = "compress = { types = [\"application/x-own\", \"image/*\"], min-size = \"100B\" }";
    for (fields, compressed) in [
        ("200 OK\r\nContent-Type: Application/X-Own; a=b", true),
        ("200 OK\r\nContent-Type: image/bmp", true),
        ("200 OK\r\nContent-Type: text/plain", false),
    ] {
        let backend = answering(fields, LONG);
        let balancer = Balancer::with(backend.addr, keys);
        let response = balancer.get("/", &["Accept-Encoding: gzip"]);
        assert_eq!(response.header("content-encoding").is_some(), compressed, "{fields}");
    }
}

#[test]
fn browsers_are_told_what_pages_may_do() {
    let backend = answering("200 OK\r\nX-Frame-Options: DENY", "ok");
    let balancer = Balancer::with(
        backend.addr,
        "cors = { origins = [\"https://page.test\"], headers = [\"x-a\"], credentials = true, max-age = \"1m\" }\n\
         security-headers = { referrer-policy = \"no-referrer\", content-security-policy = \"\" }",
    );
    let response = balancer.get("/", &["Origin: https://page.test"]);
    for (name, value) in [
        ("access-control-allow-origin", Some("https://page.test")),
        ("access-control-allow-credentials", Some("true")),
        ("referrer-policy", Some("no-referrer")),
        ("x-content-type-options", Some("nosniff")),
        ("content-security-policy", None),
        ("x-frame-options", Some("DENY")),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
    let sent = backend.requests().len();
    let asked = "OPTIONS / HTTP/1.1\r\nHost: a.test\r\nOrigin: https://page.test\r\nAccess-Control-Request-Method: PUT\r\n\r\n";
    let preflight = balancer.ask(asked);
    assert_eq!((preflight.status, preflight.header("access-control-max-age")), (204, Some("60")));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("x-a"));
    assert_eq!(backend.requests().len(), sent, "the answer is ours");
}
