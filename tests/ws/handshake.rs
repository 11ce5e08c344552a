//! Section 4.2: the server's side of the opening handshake.

use wireworks::proto::ws::handshake::server::Origins;
use wireworks::server::ws::Upgrade;

use super::peer::{Stand, frame, request};

/// The request with one of its lines changed.
fn changed(from: &str, to: &str) -> String {
    let request = request("");
    assert!(request.contains(from), "{from}");
    request.replace(from, to)
}

/// The status of each request, on one connection if it can be.
#[track_caller]
fn statuses<const N: usize>(requests: [(String, u16); N]) {
    let stand = Stand::new();
    for (request, status) in requests {
        assert_eq!(stand.ask(&request).status, status, "{request}");
    }
}

#[test]
fn r01_the_method_is_get_and_the_version_1_1_or_later() {
    statuses([
        (changed("GET", "GET"), 101),
        (changed("GET", "POST"), 405),
        (changed("GET", "OPTIONS"), 405),
        (changed("HTTP/1.1", "HTTP/1.0"), 426),
        (changed("HTTP/1.1", "HTTP/1.9"), 101),
    ]);
    assert_eq!(Stand::new().ask(changed("GET", "PUT")).header("allow"), Some("GET"));
}

#[test]
fn r02_there_is_one_host() {
    let host = "Host: server.example.com\r\n";
    statuses([(changed(host, ""), 400), (changed(host, &host.repeat(2)), 400)]);
}

#[test]
fn r03_upgrade_has_websocket_in_any_case() {
    let line = "Upgrade: websocket\r\n";
    statuses([
        (changed(line, "upgrade: WebSocket\r\n"), 101),
        (changed(line, "Upgrade: h2c, WEBSOCKET\r\n"), 101),
        (changed(line, ""), 426),
        (changed(line, "Upgrade: h2c\r\n"), 426),
        (changed(line, "Upgrade: websockets\r\n"), 426),
    ]);
}

#[test]
fn r04_connection_has_upgrade_in_any_case() {
    let line = "Connection: Upgrade\r\n";
    statuses([
        (changed(line, "connection: keep-alive, UPGRADE\r\n"), 101),
        (changed(line, "Connection: keep-alive\r\nConnection: upgrade\r\n"), 101),
        (changed(line, ""), 426),
        (changed(line, "Connection: keep-alive\r\n"), 426),
    ]);
}

#[test]
fn r05_the_key_is_16_bytes_in_base64_and_comes_once() {
    let line = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let key = |key: &str| changed(line, &format!("Sec-WebSocket-Key: {key}\r\n"));
    statuses([
        (changed(line, ""), 400),
        (changed(line, &line.repeat(2)), 400),
        (key(""), 400),
        (key("c2hvcnQ="), 400),
        (key("dGhlIHNhbXBsZSBub25jZSBpcyBsb25n"), 400),
        (key("dGhlIHNhbXBsZSBub25jZQ"), 400),
        (key("dGhlIHNhbXBsZSBub25j*Q=="), 400),
        (key("AAAAAAAAAAAAAAAAAAAAAA=="), 101),
    ]);
}

#[test]
fn r06_another_version_is_answered_with_the_one_there_is() {
    let stand = Stand::new();
    let line = "Sec-WebSocket-Version: 13\r\n";
    for version in ["", "Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 013\r\n", &line.repeat(2)] {
        let response = stand.ask(changed(line, version));
        assert_eq!(
            (response.status, response.header("sec-websocket-version")),
            (426, Some("13")),
            "{version}"
        );
        assert_eq!(response.header("upgrade"), Some("websocket"));
    }
}

#[test]
fn r07_what_is_not_known_is_passed_over() {
    let fields = "Sec-WebSocket-Unknown: 1\r\nCookie: a=1; b=2\r\nX-Other: x\r\n";
    Stand::new().open_with(fields).0.is_heard();
}

#[test]
fn r08_a_refusal_is_http_and_stops_there() {
    let stand = Stand::new();
    for bad in [changed("websocket", "other"), changed("Version: 13", "Version: 1"), changed("ZQ==", "")] {
        let mut wire = stand.wire();
        wire.send([bad.as_bytes(), &frame(0x81, b"no frame here")].concat());
        let response = wire.read_response();
        assert!((400..500).contains(&response.status) && !response.text().is_empty(), "{bad}");
        assert!(response.header("sec-websocket-accept").is_none());
        // What follows is not a frame but a bad request.
        assert_eq!(wire.read_response().status, 400);
        wire.expect_close();
    }
}

#[test]
fn r09_the_answer_is_101_with_the_key_hashed() {
    let stand = Stand::new();
    let (mut peer, response) = stand.open_with("");
    assert_eq!((response.status, response.version.as_str()), (101, "HTTP/1.1"));
    assert_eq!(response.header("upgrade"), Some("websocket"));
    assert_eq!(response.header("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(response.headers_named("sec-websocket-accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    assert!(response.header("content-length").is_none() && response.header("transfer-encoding").is_none());
    peer.is_heard();
    // Section 4.2.2: the key is hashed as it was written.
    let response = stand.ask(changed("dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEA=="));
    assert_eq!(response.header("sec-websocket-accept"), Some("C/0nmHhBztSRGR1CwL6Tf4ZjwpY="));
}

#[test]
fn r10_a_subprotocol_is_one_that_was_asked_for_or_none() {
    let stand = Stand::of(Upgrade::new().subprotocol("chat").unwrap().subprotocol("superchat").unwrap());
    for (fields, taken) in [
        ("", None),
        ("Sec-WebSocket-Protocol: other\r\n", None),
        ("Sec-WebSocket-Protocol: CHAT\r\n", None),
        ("Sec-WebSocket-Protocol: superchat\r\n", Some("superchat")),
        ("Sec-WebSocket-Protocol: superchat, chat\r\n", Some("chat")),
        ("Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: superchat\r\n", Some("superchat")),
    ] {
        let (mut peer, response) = stand.open_with(fields);
        assert_eq!(response.header("sec-websocket-protocol"), taken, "{fields}");
        peer.is_heard();
    }
    assert_eq!(stand.ask(request("Sec-WebSocket-Protocol: a b\r\n")).status, 400);
    let (_, response) = Stand::new().open_with("Sec-WebSocket-Protocol: chat\r\n");
    assert_eq!(response.header("sec-websocket-protocol"), None);
}

#[test]
fn r11_the_origin_of_a_browser_is_checked() {
    let origin = |origin: &str| request(&format!("Origin: {origin}\r\n"));
    let same = Stand::new();
    let any = Stand::of(Upgrade::new().origins(Origins::Any));
    let one = Stand::of(Upgrade::new().origins(Origins::These(vec!["https://example.org".into()])));
    for (page, expected) in [
        ("http://server.example.com", [101, 101, 403]),
        ("https://example.org", [403, 101, 101]),
        ("null", [403, 101, 403]),
        ("http://server.example.com.evil.org", [403, 101, 403]),
        ("http://server.example.com:81", [403, 101, 403]),
    ] {
        let statuses = [&same, &any, &one].map(|stand| stand.ask(origin(page)).status);
        assert_eq!(statuses, expected, "{page}");
    }
    assert_eq!(one.ask(request("")).status, 101, "a program that is no browser");
}

#[test]
fn r12_the_request_may_come_in_any_pieces() {
    let stand = Stand::new();
    let all = [request("").as_bytes(), &frame(0x81, b"at once")].concat();
    for at in (1..all.len()).step_by(7).chain([all.len() - 1]) {
        let mut wire = stand.wire();
        wire.send_split(&all, at);
        assert_eq!(wire.read_response().status, 101);
        assert_eq!(wire.read_exact(9), b"\x81\x07at once", "cut at {at}");
    }
}
