//! Clients that do not mean well.

use serde_json::json;

use super::Server;
use super::client::{Client, handshake};
use crate::support::wire::Wire;

#[test]
fn what_is_no_request_is_answered_and_harms_nobody() {
    let server = Server::start();
    let mut client = server.client();
    for (text, code) in [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("null", "bad_json"),
        ("[\"ping\"]", "bad_json"),
        ("{\"t\":7}", "bad_json"),
        ("{\"t\":\"fly\"}", "unknown_verb"),
        ("{\"t\":\"send\",\"room\":\"#a\"}", "bad_request"),
        ("{\"t\":\"guest\",\"name\":\"a b\"}", "bad_request"),
        ("{\"t\":\"guest\",\"name\":\"../etc\"}", "bad_request"),
        ("{\"t\":\"ping\",\"t\":\"ping\"}", "bad_json"),
    ] {
        client.sends(text);
        let reply = client.hears();
        assert_eq!(reply["code"], code, "{text}: {reply}");
    }
    let deep = "[".repeat(10_000);
    client.sends(&deep);
    assert_eq!(client.hears()["code"], "bad_json");
    client.asks(json!({"t": "ping"}));
}

#[test]
fn frames_that_are_no_text_end_the_connection() {
    let server = Server::start();
    for (first, payload, code) in [
        (0x82, &b"x"[..], 1003),
        (0x81, &b"\xff"[..], 1007),
        (0xc1, &b"x"[..], 1002),
        (0x83, &b"x"[..], 1002),
    ] {
        let mut client = server.client();
        client.frame(first, payload);
        assert_eq!(client.is_closed(), code);
    }
    let mut client = server.client();
    client.frame(0x81, &vec![b' '; 64 * 1024]);
    assert_eq!(client.is_closed(), 1009);
}

#[test]
fn texts_have_limits() {
    let server = Server::start();
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    let long = "é".repeat(8 * 1024 + 1);
    assert_eq!(ann.is_refused(json!({"t": "send", "room": "#a", "text": long})), "too_long");
    assert_eq!(ann.is_refused(json!({"t": "send", "room": "#a", "text": " \n "})), "bad_request");
    assert_eq!(ann.is_refused(json!({"t": "send", "room": "#a", "text": "a\u{0}b"})), "bad_request");
    assert_eq!(
        ann.is_refused(json!({"t": "send", "room": "#a", "text": "x", "cid": "y".repeat(65)})),
        "bad_request"
    );
    assert_eq!(ann.is_refused(json!({"t": "topic", "room": "#a", "topic": "x".repeat(391)})), "too_long");
    assert_eq!(ann.is_refused(json!({"t": "topic", "room": "#a", "topic": "a\nb"})), "bad_request");
    ann.asks(json!({"t": "send", "room": "#a", "text": "é".repeat(8 * 1024)}));
}

#[test]
fn whoever_asks_too_fast_is_slowed_down() {
    let server = Server::with(&["--rate-limit", "5/m"]);
    let mut client = server.client();
    for _ in 0..5 {
        client.asks(json!({"t": "ping"}));
    }
    let reply = client.tries(json!({"t": "ping"}));
    assert_eq!(reply["code"], "slow_down");
    assert!((1..=12_000).contains(&reply["wait_ms"].as_u64().unwrap()), "{reply}");
}

#[test]
fn pages_of_others_do_not_connect() {
    let server = Server::start();
    for (origin, status) in [("http://test", 101), ("https://evil.example", 403), ("null", 403)] {
        let mut wire = Wire::connect(server.addr);
        wire.send(handshake(&format!("Origin: {origin}\r\n")));
        assert_eq!(wire.read_response().status, status, "{origin}");
    }
    drop(Client::open(server.addr, ""));
}

#[test]
fn one_name_is_for_one() {
    let server = Server::start();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let mut client = server.client();
            std::thread::spawn(move || {
                let reply = client.tries(json!({"t": "guest", "name": "same"}));
                // The name is held as long as the client is here.
                (reply["t"] == "ok", client)
            })
        })
        .collect();
    let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(ended.iter().filter(|(got, _)| *got).count(), 1);
}
