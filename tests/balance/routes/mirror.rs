//! Copies of requests to another upstream.

use std::sync::mpsc::channel;

use super::{Backend, backend, balancer, get};
use crate::support::PATIENCE;

const POST: &str = "POST /a?b HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\n";

/// A backend that says of each request what it was, when it has all of it.
fn telling() -> (Backend, std::sync::mpsc::Receiver<super::super::raw::Request>) {
    let (tell, told) = channel();
    let backend = Backend::start(move |_, peer| {
        loop {
            let request = peer.request()?;
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nshadow")?;
            drop(tell.send(request));
        }
    });
    (backend, told)
}

#[test]
fn a_copy_is_the_same_request() {
    let web = backend("ok");
    let (shadow, told) = telling();
    let routes = "[[listener.route]]\nto = \"web\"\nmirror = { to = \"shadow\" }\nadd-prefix = \"/v2\"\n";
    let balancer = balancer(routes, &[("web", &web), ("shadow", &shadow)]);
    for (framing, body) in [
        ("Content-Length: 5\r\n\r\n", "hello"),
        ("Transfer-Encoding: chunked\r\n\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    ] {
        let mut wire = balancer.connect();
        // The body comes after the head was read: it is copied as it passes.
        wire.send(format!("{POST}{framing}"));
        wire.wait_until_read();
        wire.send(body);
        assert_eq!(wire.read_response().text(), "ok");
        let copy = told.recv_timeout(PATIENCE).unwrap();
        let request = super::last(&web);
        assert_eq!((&*copy.method, &*copy.target, &*copy.body), ("POST", "/v2/a?b", &b"hello"[..]));
        assert_eq!(copy.all("x-a"), ["1"]);
        assert_eq!(copy.all("x-forwarded-for"), request.all("x-forwarded-for"));
    }
}

#[test]
fn what_is_too_long_or_of_another_protocol_is_not_copied() {
    let web = backend("ok");
    let (shadow, told) = telling();
    let routes = "[[listener.route]]\nto = \"web\"\nmirror = { to = \"shadow\", max-body = \"4B\" }\n";
    let balancer = balancer(routes, &[("web", &web), ("shadow", &shadow)]);
    let mut wire = balancer.connect();
    for request in [
        format!("{POST}Content-Length: 5\r\n\r\nhello"),
        format!("{POST}Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        format!("{POST}Upgrade: x\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n"),
        format!("{POST}Content-Length: 4\r\n\r\nlast"),
    ] {
        wire.send(request);
        assert_eq!(wire.read_response().text(), "ok");
    }
    // Copies begin in the order of their requests: the first one is that of the last request.
    assert_eq!(told.recv_timeout(PATIENCE).unwrap().body, b"last");
    assert_eq!(shadow.requests().len(), 1);
}

#[test]
fn a_share_is_copied() {
    let web = backend("ok");
    for (percent, all) in [("0", false), ("100", true)] {
        let (shadow, told) = telling();
        let routes = format!(
            "[[listener.route]]\nto = \"web\"\nmirror = {{ to = \"shadow\", percent = {percent} }}\n"
        );
        let balancer = balancer(&routes, &[("web", &web), ("shadow", &shadow)]);
        for _ in 0..5 {
            assert_eq!(get(&balancer, "/", "").text(), "ok");
            assert!(!all || told.recv_timeout(PATIENCE).is_ok());
        }
        drop(balancer);
        assert_eq!(shadow.requests().len(), if all { 5 } else { 0 }, "{percent}");
    }
}

#[test]
fn a_shadow_that_is_silent_broken_or_gone_costs_nothing() {
    let web = backend("ok");
    let (silent, begun) = {
        let (tell, told) = channel();
        let backend = Backend::start(move |_, peer| {
            peer.head()?;
            let _ = tell.send(());
            peer.hold()
        });
        (backend, told)
    };
    let routes = "[[listener.route]]\nto = \"web\"\nmirror = { to = \"shadow\", max-in-flight = 3 }\n";
    let balancer = balancer(routes, &[("web", &web), ("shadow", &silent)]);
    for number in 0..20 {
        assert_eq!(get(&balancer, "/", "").text(), "ok");
        // Three copies wait for their answers; no further one is sent.
        assert!(number >= 3 || begun.recv_timeout(PATIENCE).is_ok(), "{number}");
    }
    assert_eq!(silent.requests().len(), 3);
    for broken in [Backend::start(|_, peer| peer.answer("nonsense\r\n\r\n")), Backend::start(|_, _| Ok(()))] {
        let balancer = super::balancer(routes, &[("web", &web), ("shadow", &broken)]);
        for _ in 0..10 {
            assert_eq!(get(&balancer, "/", "").text(), "ok");
        }
    }
}
