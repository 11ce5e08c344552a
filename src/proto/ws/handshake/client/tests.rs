//! What is asked, and every way in which an answer can be wrong.

use bytes::{Bytes, BytesMut};

use super::*;
use crate::proto::http::client::parse;
use crate::proto::http::limits::Limits;
use crate::proto::ws::deflate::{Memory, Params, Terms};
use crate::proto::ws::handshake::server;

/// The key of section 1.3: `dGhlIHNhbXBsZSBub25jZQ==`.
const NONCE: [u8; KEY] = *b"the sample nonce";

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
    let mut fields = Fields::new();
    for &(name, value) in lines {
        fields.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    fields
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn written(url: &str, wishes: &Wishes) -> Result<String, WishError> {
    let (request, _) = ask(&url.parse().unwrap(), wishes, NONCE)?;
    let mut wire = BytesMut::new();
    request.write(&mut wire);
    Ok(String::from_utf8(wire.to_vec()).unwrap())
}

/// The answer of section 1.3, with some of its lines changed: `Name: value` in place of its own, `Name:` to leave it out,
/// `+Name: value` to add one.
fn answer(first: &str, changes: &[&str]) -> ResponseHead {
    let mut lines = vec![
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ];
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_ascii_lowercase();
    for change in changes {
        lines.retain(|line| name(line) != name(change));
    }
    lines.extend(changes.iter().filter(|line| !line.ends_with(':')).map(|line| line.trim_start_matches('+')));
    let text = format!("{first}\r\n{}\r\n\r\n", lines.join("\r\n"));
    parse(Bytes::from(text), &Limits::default()).unwrap()
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols";

fn judged(wishes: &Wishes, changes: &[&str]) -> Result<Agreement, Mismatch> {
    ask(&url("ws://a"), wishes, NONCE).unwrap().1.judge(&answer(SWITCH, changes))
}

#[test]
fn the_example_of_the_rfc() {
    let wishes = Wishes {
        subprotocols: names(&["chat", "superchat"]),
        origin: Some(HeaderValue::from_static("http://example.com")),
        ..Wishes::default()
    };
    assert_eq!(
        written("ws://server.example.com/chat", &wishes).unwrap(),
        "GET /chat HTTP/1.1\r\nhost: server.example.com\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         origin: http://example.com\r\nsec-websocket-protocol: chat, superchat\r\n\r\n"
    );
    let agreement = judged(&wishes, &["Sec-WebSocket-Protocol: chat"]).unwrap();
    assert_eq!(agreement, Agreement { subprotocol: Some("chat".into()), deflate: None });
}

#[test]
fn what_is_wished_for_is_asked_for() {
    let deflate = Terms { memory: Memory::Dedicated, ..Terms::default() };
    let wishes = Wishes {
        deflate: Some(deflate),
        fields: fields(&[("cookie", "a=b"), ("origin", "null"), ("cookie", "c=d")]),
        ..Wishes::default()
    };
    let text = written("wss://u:p@[::1]:8443/a%20b?c", &wishes).unwrap();
    for line in [
        "GET /a%20b?c HTTP/1.1\r\nhost: [::1]:8443\r\n",
        "\r\nsec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n",
        "\r\nauthorization: Basic dTpw\r\n",
        "\r\ncookie: a=b\r\norigin: null\r\ncookie: c=d\r\n\r\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert!(
        written("ws+unix:/run/a.sock:/x", &Wishes::default()).unwrap().contains("\r\nhost: localhost\r\n")
    );
}

#[test]
fn what_cannot_be_wished_for() {
    let with = |name: &'static str| Wishes { fields: fields(&[(name, "x")]), ..Wishes::default() };
    for name in [
        "host",
        "upgrade",
        "connection",
        "content-length",
        "transfer-encoding",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "sec-websocket-accept",
    ] {
        let error = written("ws://a", &with(name)).unwrap_err();
        assert_eq!(error.to_string(), format!("the field {name} is the handshake's own"));
    }
    let twice = written("ws://u:p@a", &with("authorization")).unwrap_err();
    assert_eq!(twice.to_string(), "the field authorization is given twice");
    let origin = Wishes { origin: Some(HeaderValue::from_static("null")), ..with("origin") };
    assert_eq!(written("ws://a", &origin).unwrap_err(), WishError::Twice(ORIGIN));
    for (list, bad) in [(&["a b"][..], "a b"), (&[""], ""), (&["a", "b", "a"], "a"), (&["a,b"], "a,b")] {
        let wishes = Wishes { subprotocols: names(list), ..Wishes::default() };
        assert_eq!(written("ws://a", &wishes).unwrap_err(), WishError::Subprotocol(bad.into()));
    }
}

#[test]
fn an_answer_that_is_right_in_any_case() {
    for changes in [
        &[][..],
        &["Upgrade: WebSocket"],
        &["Connection: keep-alive, UPGRADE"],
        &["Connection: keep-alive", "+Connection: upgrade"],
        &["Sec-WebSocket-Accept:   s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "],
        &["Sec-WebSocket-Extensions: ,"],
        &["Server: a", "Set-Cookie: b=c"],
    ] {
        assert_eq!(judged(&Wishes::default(), changes), Ok(Agreement::default()), "{changes:?}");
    }
}

#[test]
fn an_answer_that_is_wrong() {
    let asked = Wishes {
        subprotocols: names(&["chat", "superchat"]),
        deflate: Some(Terms::default()),
        ..Wishes::default()
    };
    let nothing = Wishes::default();
    let sub = |text: &str| Mismatch::Subprotocol(text.into());
    let ext = |text: &str| Mismatch::Extension(text.into());
    let rows = [
        (&nothing, &["Upgrade:"][..], Mismatch::Upgrade),
        (&nothing, &["Upgrade: h2c"], Mismatch::Upgrade),
        (&nothing, &["Upgrade: websocket, h2c"], Mismatch::Upgrade),
        (&nothing, &["Upgrade: websocket", "+Upgrade: h2c"], Mismatch::Upgrade),
        (&nothing, &["Connection:"], Mismatch::Connection),
        (&nothing, &["Connection: close"], Mismatch::Connection),
        (&nothing, &["Connection: Upgraded"], Mismatch::Connection),
        (&nothing, &["Sec-WebSocket-Accept:"], Mismatch::Accept),
        (&nothing, &["Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ=="], Mismatch::Accept),
        (&nothing, &["Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO="], Mismatch::Accept),
        (&nothing, &["+Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], Mismatch::Accept),
        (&nothing, &["Sec-WebSocket-Protocol: chat"], sub("chat")),
        (&nothing, &["Sec-WebSocket-Protocol: "], sub("")),
        (&asked, &["Sec-WebSocket-Protocol: Chat"], sub("Chat")),
        (&asked, &["Sec-WebSocket-Protocol: other"], sub("other")),
        (&asked, &["Sec-WebSocket-Protocol: chat, superchat"], sub("chat, superchat")),
        (&asked, &["Sec-WebSocket-Protocol: chat", "+Sec-WebSocket-Protocol: chat"], sub("chat, chat")),
        (&nothing, &["Sec-WebSocket-Extensions: permessage-deflate"], ext("permessage-deflate")),
        (&asked, &["Sec-WebSocket-Extensions: x-other"], ext("x-other")),
        (&asked, &["Sec-WebSocket-Extensions: permessage-deflate; =1"], ext("permessage-deflate; =1")),
    ];
    for (wishes, changes, mismatch) in rows {
        assert_eq!(judged(wishes, changes), Err(mismatch), "{changes:?}");
    }
    let whole = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let line = format!("Sec-WebSocket-Extensions: {whole}");
    assert!(judged(&asked, &[&line]).is_ok());
    let twice = [&*line, &format!("+{line}")];
    assert_eq!(judged(&asked, &twice), Err(ext(&format!("{whole}, {whole}"))));
    let two = format!("{line}, x");
    assert_eq!(judged(&asked, &[&two]), Err(ext(&format!("{whole}, x"))));
}

#[test]
fn another_status_and_another_version() {
    let (_, asked) = ask(&url("ws://a"), &Wishes::default(), NONCE).unwrap();
    for status in [200, 301, 401, 426, 503] {
        let verdict = asked.judge(&answer(&format!("HTTP/1.1 {status} X"), &[]));
        assert_eq!(verdict, Err(Mismatch::Status(StatusCode::from_u16(status).unwrap())));
    }
    assert_eq!(asked.judge(&answer("HTTP/1.0 101 X", &[])), Err(Mismatch::Version));
}

#[test]
fn compression_is_taken_as_offered_or_not_at_all() {
    let terms = |memory, server, client| Terms {
        memory,
        server_window_bits: server,
        client_window_bits: client,
        ..Terms::default()
    };
    let params = |server_forgets, client_forgets, server, client| {
        Some(Params {
            server_no_context_takeover: server_forgets,
            client_no_context_takeover: client_forgets,
            server_window_bits: server,
            client_window_bits: client,
        })
    };
    let dedicated = terms(Memory::Dedicated, 15, 15);
    let small = terms(Memory::Dedicated, 10, 11);
    let shared = terms(Memory::Shared, 15, 15);
    let rows = [
        (dedicated, "", params(false, false, 15, 15)),
        (dedicated, "; server_no_context_takeover", params(true, false, 15, 15)),
        (dedicated, "; client_no_context_takeover", params(false, true, 15, 15)),
        (dedicated, "; server_max_window_bits=9", params(false, false, 9, 15)),
        (dedicated, "; server_max_window_bits=8", params(false, false, 8, 15)),
        (dedicated, "; client_max_window_bits=9", params(false, false, 15, 9)),
        // Without its value the parameter is an offer, no answer; a window of 8 bits is one that we cannot make.
        (dedicated, "; client_max_window_bits", None),
        (dedicated, "; client_max_window_bits=8", None),
        (dedicated, "; server_max_window_bits", None),
        (dedicated, "; server_max_window_bits=16", None),
        (dedicated, "; server_no_context_takeover=1", None),
        (dedicated, "; server_no_context_takeover; server_no_context_takeover", None),
        (dedicated, "; x", None),
        (small, "", None),
        (small, "; server_max_window_bits=11", None),
        (small, "; server_max_window_bits=10", params(false, false, 10, 11)),
        (small, "; server_max_window_bits=9; client_max_window_bits=10", params(false, false, 9, 10)),
        (shared, "", None),
        (shared, "; server_no_context_takeover", params(true, true, 15, 15)),
    ];
    for (terms, words, expected) in rows {
        let wishes = Wishes { deflate: Some(terms), ..Wishes::default() };
        let line = format!("Sec-WebSocket-Extensions: permessage-deflate{words}");
        let result = judged(&wishes, &[&line]);
        let expected = match expected {
            Some(params) => Ok(Some(Agreed::new(params, &terms))),
            None => Err(Mismatch::Deflate(format!("permessage-deflate{words}"))),
        };
        assert_eq!(result.map(|agreement| agreement.deflate), expected, "{terms:?}{words}");
    }
    let declined = judged(&Wishes { deflate: Some(dedicated), ..Wishes::default() }, &[]);
    assert_eq!(declined, Ok(Agreement::default()));
}

#[test]
fn both_ends_agree() {
    for (client, server) in [(15, 15), (9, 15), (15, 9), (10, 12)] {
        for (ours, theirs) in [
            (Memory::Shared, Memory::Dedicated),
            (Memory::Dedicated, Memory::Shared),
            (Memory::Dedicated, Memory::Dedicated),
        ] {
            let terms = |memory, bits| Terms {
                memory,
                server_window_bits: bits,
                client_window_bits: bits,
                ..Terms::default()
            };
            let wishes = Wishes {
                subprotocols: names(&["a", "b"]),
                deflate: Some(terms(ours, client)),
                ..Wishes::default()
            };
            let (request, asked) = ask(&url("ws://a/"), &wishes, NONCE).unwrap();
            let mut wire = BytesMut::new();
            request.write(&mut wire);
            let (head, _) = crate::proto::http::parse::parse(wire.freeze(), &Limits::default()).unwrap();
            let accepted = server::judge(
                &head,
                &server::Terms {
                    subprotocols: vec![HeaderValue::from_static("b")],
                    deflate: Some(terms(theirs, server)),
                    ..server::Terms::default()
                },
            )
            .unwrap();
            let mut reply = Fields::new();
            accepted.fill(&mut reply);
            let lines: String = reply
                .iter()
                .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()))
                .collect();
            let text = format!("{SWITCH}\r\nupgrade: websocket\r\nconnection: upgrade\r\n{lines}\r\n");
            let agreement = asked.judge(&parse(Bytes::from(text), &Limits::default()).unwrap()).unwrap();
            assert_eq!(agreement.subprotocol.as_deref(), Some("b"));
            let (here, there) = (agreement.deflate.unwrap().params, accepted.deflate().unwrap().params);
            assert_eq!(here.server_window_bits, there.server_window_bits);
            assert!(here.client_window_bits <= there.client_window_bits, "{here:?} {there:?}");
            assert_eq!(here.server_no_context_takeover, there.server_no_context_takeover);
            assert!(here.client_no_context_takeover || !there.client_no_context_takeover);
        }
    }
}
