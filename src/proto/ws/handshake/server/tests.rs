use super::*;
use crate::proto::http::limits::Limits;
use crate::proto::http::parse::parse;

/// The handshake of section 1.3, with some of its lines changed: `Name: value` in place of its own, `Name:` to leave it out.
fn head(first: &str, changes: &[&str]) -> Head {
    let mut lines: Vec<&str> = vec![
        "Host: server.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_ascii_lowercase();
    for change in changes {
        lines.retain(|line| name(line) != name(change) || lines_of(changes, line));
    }
    lines.extend(changes.iter().filter(|change| !change.ends_with(':')));
    let text = format!("{first}\r\n{}\r\n\r\n", lines.join("\r\n"));
    parse(text.into_bytes().into(), &Limits::default()).unwrap().0
}

fn lines_of(changes: &[&str], line: &str) -> bool {
    changes.contains(&line)
}

const GET: &str = "GET /chat HTTP/1.1";

fn answer(changes: &[&str], terms: &Terms) -> Result<Vec<(String, String)>, Refusal> {
    judge(&head(GET, changes), terms).map(|accepted| {
        let mut fields = Fields::new();
        accepted.fill(&mut fields);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        fields.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    })
}

fn accept() -> (String, String) {
    ("sec-websocket-accept".into(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into())
}

#[test]
fn the_example_of_the_rfc() {
    assert_eq!(answer(&[], &Terms::default()), Ok(vec![accept()]));
}

#[test]
fn names_and_tokens_in_any_case_among_others() {
    for changes in [
        &["Upgrade: WebSocket"][..],
        &["Upgrade: h2c, websocket"],
        &["Connection: keep-alive, Upgrade"],
        &["Connection: keep-alive", "Connection: upgrade"],
        &["Origin: http://server.example.com"],
        &["Origin: https://SERVER.example.com"],
        &["Sec-WebSocket-Extensions: x-unknown; a=1"],
        &["Sec-WebSocket-Protocol: chat"],
    ] {
        assert_eq!(answer(changes, &Terms::default()), Ok(vec![accept()]), "{changes:?}");
    }
}

#[test]
fn what_is_refused_and_how() {
    for (first, changes, refusal, status) in [
        ("POST /chat HTTP/1.1", &["Content-Length: 0"][..], Refusal::Method, 405),
        ("GET /chat HTTP/1.0", &[], Refusal::NotWebSocket, 426),
        (GET, &["Upgrade:"], Refusal::NotWebSocket, 426),
        (GET, &["Upgrade: h2c"], Refusal::NotWebSocket, 426),
        (GET, &["Connection:"], Refusal::NotWebSocket, 426),
        (GET, &["Connection: keep-alive"], Refusal::NotWebSocket, 426),
        (GET, &["Sec-WebSocket-Version:"], Refusal::Version, 426),
        (GET, &["Sec-WebSocket-Version: 8"], Refusal::Version, 426),
        (GET, &["Sec-WebSocket-Version: 13, 8"], Refusal::Version, 426),
        (GET, &["Sec-WebSocket-Key:"], Refusal::Key, 400),
        (GET, &["Sec-WebSocket-Key: short"], Refusal::Key, 400),
        (
            GET,
            &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
            Refusal::Key,
            400,
        ),
        (GET, &["Origin: https://evil.example"], Refusal::Origin, 403),
        (GET, &["Origin: null"], Refusal::Origin, 403),
        (GET, &["Origin: http://server.example.com:8080"], Refusal::Origin, 403),
        (GET, &["Sec-WebSocket-Protocol: a b"], Refusal::Field("Sec-WebSocket-Protocol"), 400),
    ] {
        let result = judge(&head(first, changes), &Terms::default());
        assert_eq!(result, Err(refusal), "{first} {changes:?}");
        assert_eq!(refusal.status(), status);
        let told =
            refusal.fields().iter().any(|(name, value)| name == "sec-websocket-version" && value == "13");
        assert_eq!(told, status == 426);
    }
}

#[test]
fn origins() {
    let these = Origins::These(vec!["https://a.example".into(), "https://b.example:8443".into()]);
    for (origins, origin, good) in [
        (Origins::Any, "https://evil.example", true),
        (Origins::Any, "null", true),
        (these.clone(), "https://a.example", true),
        (these.clone(), "https://B.example:8443", true),
        (these.clone(), "http://a.example", false),
        (these.clone(), "https://b.example", false),
        (these, "http://server.example.com", false),
    ] {
        let terms = Terms { origins, ..Terms::default() };
        let line = format!("Origin: {origin}");
        let result = answer(&[&line], &terms);
        assert_eq!(result.is_ok(), good, "{terms:?} {origin}");
    }
}

#[test]
fn the_servers_best_subprotocol_wins() {
    let name = HeaderValue::from_static;
    let terms = Terms { subprotocols: vec![name("v2.chat"), name("v1.chat")], ..Terms::default() };
    for (changes, chosen) in [
        (&[][..], None),
        (&["Sec-WebSocket-Protocol: v1.chat"], Some("v1.chat")),
        (&["Sec-WebSocket-Protocol: v1.chat, v2.chat"], Some("v2.chat")),
        (&["Sec-WebSocket-Protocol: x", "Sec-WebSocket-Protocol: v1.chat"], Some("v1.chat")),
        (&["Sec-WebSocket-Protocol: V1.chat"], None),
    ] {
        let accepted = judge(&head(GET, changes), &terms).unwrap();
        assert_eq!(accepted.subprotocol, chosen.map(name), "{changes:?}");
    }
}

#[test]
fn compression_is_agreed_on_as_rfc_7692_says() {
    use deflate::Memory::{Dedicated, Shared};
    let bits = |memory, server, client| deflate::Terms {
        memory,
        server_window_bits: server,
        client_window_bits: client,
        ..deflate::Terms::default()
    };
    let (dedicated, shared) = (bits(Dedicated, 15, 15), bits(Shared, 15, 15));
    let small = bits(Dedicated, 11, 12);
    for (terms, offers, answered) in [
        (dedicated, "", None),
        (dedicated, "x-webkit-deflate-frame", None),
        (dedicated, "permessage-deflate", Some("permessage-deflate")),
        (dedicated, "permessage-deflate; client_max_window_bits", Some("permessage-deflate")),
        (
            shared,
            "permessage-deflate",
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ),
        (
            dedicated,
            "permessage-deflate; server_no_context_takeover",
            Some("permessage-deflate; server_no_context_takeover"),
        ),
        (
            dedicated,
            "permessage-deflate; client_no_context_takeover",
            Some("permessage-deflate; client_no_context_takeover"),
        ),
        (
            dedicated,
            "permessage-deflate; server_max_window_bits=10",
            Some("permessage-deflate; server_max_window_bits=10"),
        ),
        (
            dedicated,
            "permessage-deflate; server_max_window_bits=15",
            Some("permessage-deflate; server_max_window_bits=15"),
        ),
        (
            dedicated,
            "permessage-deflate; server_max_window_bits=\"10\"",
            Some("permessage-deflate; server_max_window_bits=10"),
        ),
        (
            dedicated,
            "permessage-deflate; client_max_window_bits=10",
            Some("permessage-deflate; client_max_window_bits=10"),
        ),
        (small, "permessage-deflate", Some("permessage-deflate; server_max_window_bits=11")),
        (
            small,
            "permessage-deflate; client_max_window_bits",
            Some("permessage-deflate; server_max_window_bits=11; client_max_window_bits=12"),
        ),
        (
            small,
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
            Some("permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"),
        ),
        // What cannot be met, or is not legal, is declined.
        (dedicated, "permessage-deflate; server_max_window_bits=8", None),
        (dedicated, "permessage-deflate; server_max_window_bits=7", None),
        (dedicated, "permessage-deflate; server_max_window_bits=16", None),
        (dedicated, "permessage-deflate; server_max_window_bits=010", None),
        (dedicated, "permessage-deflate; server_max_window_bits", None),
        (dedicated, "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", None),
        (dedicated, "permessage-deflate; client_max_window_bits=99", None),
        (dedicated, "permessage-deflate; server_no_context_takeover=1", None),
        (dedicated, "permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
        (dedicated, "permessage-deflate; x", None),
        // The first that can be met is taken (section 5.1).
        (
            dedicated,
            "permessage-deflate; x, permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=9, permessage-deflate",
            Some("permessage-deflate; server_max_window_bits=9"),
        ),
    ] {
        let line = format!("Sec-WebSocket-Extensions: {offers}");
        let terms = Terms { deflate: Some(terms), ..Terms::default() };
        let fields = answer(&[&line], &terms).unwrap();
        let words =
            fields.iter().find(|(name, _)| name == "sec-websocket-extensions").map(|(_, value)| &**value);
        assert_eq!(words, answered, "{offers}");
    }
}

#[test]
fn a_bad_list_of_extensions_is_refused_only_by_who_reads_it() {
    let changes = &["Sec-WebSocket-Extensions: permessage-deflate; =1"];
    assert!(answer(changes, &Terms::default()).is_ok());
    let terms = Terms { deflate: Some(deflate::Terms::default()), ..Terms::default() };
    assert_eq!(answer(changes, &terms), Err(Refusal::Field("Sec-WebSocket-Extensions")));
}
