//! The client's side, sections 4.1, 5.1, 5.3, 7 and 10.3: the library's client, and a server that is bytes.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use wireworks::proto::ws::deflate::{Memory, Terms};
use wireworks::proto::ws::handshake::accept_key;
use wireworks::server::ws::client::{Connect, OpenError};
use wireworks::server::ws::{CloseCode, Message, Socket, SocketError};

use super::peer::{frame, next, plain};
use crate::support::wire::Wire;

/// A request, as the lines of its head.
struct Asked(String);

impl Asked {
    fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.0.lines().skip(1).filter_map(|line| line.split_once(": "));
        named.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The answer that opens the socket, with further field lines.
    fn answer(&self, fields: &str) -> String {
        let accept = accept_key(self.field("sec-websocket-key").unwrap().as_bytes());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{fields}\r\n"
        )
    }
}

/// A client, and a server of one connection that does `script` with the request when it has come.
fn meet<S: Send + 'static, C>(
    script: impl FnOnce(Wire, Asked) -> S + Send + 'static,
    client: impl AsyncFnOnce(Connect) -> C,
) -> (S, C) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = Connect::to(&format!("ws://{}/chat?x=1", listener.local_addr().unwrap())).unwrap();
    let server = thread::spawn(move || {
        let mut wire = Wire::accepted(listener.accept().unwrap().0);
        let asked = String::from_utf8(wire.read_until(b"\r\n\r\n")).unwrap();
        script(wire, Asked(asked))
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let said = client(connect).await;
        // Meanwhile the runtime finishes the connection.
        let server = tokio::task::spawn_blocking(|| server.join().unwrap());
        (server.await.unwrap(), said)
    })
}

/// The error of a client that was answered like that.
fn refused(
    connect: impl FnOnce(Connect) -> Connect,
    answer: impl FnOnce(&Asked) -> String + Send + 'static,
) -> OpenError {
    let script = |mut wire: Wire, asked: Asked| {
        wire.send(answer(&asked));
        // The client ends the connection, and says nothing more.
        assert_eq!(wire.read_to_close().0, b"");
    };
    meet(script, async |to| connect(to).connect().await.map(|_| ()).unwrap_err()).1
}

#[test]
fn r64_a_client_asks_as_it_has_to() {
    let script = |mut wire: Wire, asked: Asked| {
        let addr = asked.field("host").unwrap().to_owned();
        wire.send(asked.answer("Sec-WebSocket-Protocol: b\r\n"));
        let _ = wire.read_to_close();
        (asked, addr)
    };
    let ((asked, addr), connected) = meet(script, async |to| {
        let url = to.url().to_string();
        let to = to.subprotocol("a").subprotocol("b").origin("https://example.org".parse().unwrap());
        let (socket, _) = to.deflate(Terms::default()).connect().await.unwrap();
        (socket.subprotocol().map(str::to_owned), url)
    });
    assert_eq!(connected.0.as_deref(), Some("b"));
    assert!(connected.1.contains(&addr), "{addr}, with the port");
    assert!(asked.0.starts_with("GET /chat?x=1 HTTP/1.1\r\n"), "{}", asked.0);
    assert!(asked.field("upgrade").unwrap().eq_ignore_ascii_case("websocket"));
    assert!(asked.field("connection").unwrap().eq_ignore_ascii_case("upgrade"));
    assert_eq!(asked.field("sec-websocket-version"), Some("13"));
    assert_eq!(asked.field("sec-websocket-protocol"), Some("a, b"));
    assert_eq!(asked.field("origin"), Some("https://example.org"));
    assert!(asked.field("sec-websocket-extensions").unwrap().starts_with("permessage-deflate"));
    assert_eq!(STANDARD.decode(asked.field("sec-websocket-key").unwrap()).unwrap().len(), 16);
}

#[test]
fn r65_every_connection_has_another_key() {
    let keys: BTreeSet<String> = (0..5)
        .map(|_| {
            let script = |_: Wire, asked: Asked| asked.field("sec-websocket-key").unwrap().to_owned();
            meet(script, async |to| assert!(to.connect().await.is_err())).0
        })
        .collect();
    assert_eq!(keys.len(), 5);
}

#[test]
fn r66_a_client_waits_for_the_answer_and_hears_what_comes_with_it() {
    let script = |mut wire: Wire, asked: Asked| {
        wire.send([asked.answer("").as_bytes(), &plain(0x81, b"with the answer")].concat());
        // The first bytes behind the request are a frame that was said after the answer.
        next(&mut wire)
    };
    let ((first, key, payload), heard) = meet(script, async |to| {
        let (mut socket, _) = to.connect().await.unwrap();
        let heard = socket.recv().await.unwrap();
        socket.send("after").await.unwrap();
        heard
    });
    assert_eq!((first, &payload[..]), (0x81, &b"after"[..]));
    assert!(key.is_some());
    assert_eq!(heard, Some(Message::from("with the answer")));
}

#[test]
fn r67_another_status_than_101_is_no_socket() {
    for (line, body) in [
        ("200 OK", "Content-Length: 4\r\n\r\npage"),
        ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"a\"\r\nContent-Length: 0\r\n\r\n"),
        ("302 Found", "Location: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        ("426 Upgrade Required", "Sec-WebSocket-Version: 8\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let error = refused(|to| to, move |_| format!("HTTP/1.1 {line}\r\n{body}"));
        assert!(matches!(error, OpenError::Refused(_)), "{line}: {error}");
    }
}

#[test]
fn r68_an_answer_that_is_not_to_the_request_fails() {
    for (from, to) in [
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n"),
        ("Connection: Upgrade\r\n", ""),
        ("Connection: Upgrade\r\n", "Connection: close\r\n"),
        ("Sec-WebSocket-Accept", "X-Accept"),
        ("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x"),
        ("HTTP/1.1", "HTTP/1.0"),
    ] {
        let error = refused(|to| to, move |asked| asked.answer("").replace(from, to));
        assert!(matches!(error, OpenError::Mismatch { .. }), "{from}: {error}");
    }
    // The case of names and values is free.
    let script = |mut wire: Wire, asked: Asked| {
        wire.send(asked.answer("").replace("Upgrade: websocket", "UPGRADE: WebSocket"));
        let _ = wire.read_to_close();
    };
    meet(script, async |to| assert!(to.connect().await.is_ok()));
}

#[test]
fn r69_what_was_not_asked_for_fails() {
    for fields in [
        "Sec-WebSocket-Protocol: chat\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Extensions: x-unknown\r\n",
    ] {
        let error = refused(|to| to, move |asked| asked.answer(fields));
        assert!(matches!(error, OpenError::Mismatch { .. }), "{fields}: {error}");
    }
    for fields in
        ["Sec-WebSocket-Protocol: b\r\n", "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n"]
    {
        let error = refused(|to| to.subprotocol("a"), move |asked| asked.answer(fields));
        assert!(matches!(error, OpenError::Mismatch { .. }), "{fields}: {error}");
    }
}

#[test]
fn r70_parameters_of_compression_go_with_the_offer_or_the_answer_fails() {
    let terms = Terms { memory: Memory::Dedicated, server_window_bits: 10, ..Terms::default() };
    for parameters in [
        "",
        "; server_max_window_bits=11",
        "; server_max_window_bits=10; unknown",
        "; server_max_window_bits=10; server_max_window_bits=10",
        "; server_max_window_bits=7",
        "; server_max_window_bits=10; client_max_window_bits",
        "; server_max_window_bits=10; client_max_window_bits=16",
        "; server_max_window_bits=10; server_no_context_takeover=1",
        "; server_max_window_bits=10, permessage-deflate; server_max_window_bits=10",
    ] {
        let fields = format!("Sec-WebSocket-Extensions: permessage-deflate{parameters}\r\n");
        let error = refused(|to| to.deflate(terms), move |asked| asked.answer(&fields));
        assert!(matches!(error, OpenError::Mismatch { .. }), "{parameters}: {error}");
    }
}

/// An open socket, and a server that does `script` behind its answer.
fn opened<S: Send + 'static, C>(
    script: impl FnOnce(&mut Wire) -> S + Send + 'static,
    client: impl AsyncFnOnce(Socket) -> C,
) -> (S, C) {
    let script = |mut wire: Wire, asked: Asked| {
        wire.send(asked.answer(""));
        script(&mut wire)
    };
    meet(script, async |to| client(to.connect().await.unwrap().0).await)
}

#[test]
fn r71_a_client_masks_every_frame_with_another_key() {
    let script = |wire: &mut Wire| {
        wire.send([plain(0x89, b"ping"), plain(0x81, b"the ping was read")].concat());
        let heard: Vec<_> = (0..9).map(|_| next(wire)).collect();
        assert_eq!(heard.iter().filter(|(first, _, _)| *first == 0x8a).count(), 1);
        let close = next(wire);
        assert_eq!((close.0, &close.2[..]), (0x88, &b"\x03\xe8"[..]));
        wire.send(plain(0x88, b"\x03\xe8"));
        let keys: BTreeSet<_> = heard.iter().chain([&close]).map(|(_, key, _)| key.unwrap()).collect();
        let texts: Vec<_> =
            heard.into_iter().filter(|(first, _, _)| *first == 0x81).map(|(_, _, text)| text).collect();
        (keys.len(), texts)
    };
    let ((keys, texts), end) = opened(script, async |mut socket| {
        for _ in 0..8 {
            socket.feed("the same").unwrap();
        }
        assert_eq!(socket.recv().await.unwrap(), Some("the ping was read".into()));
        socket.close(CloseCode::NORMAL).await
    });
    assert_eq!((keys, texts.len()), (10, 8));
    assert!(texts.iter().all(|text| text == b"the same"));
    assert!(end.is_ok(), "{end:?}");
}

#[test]
fn r72_a_client_refuses_what_a_server_must_not_say() {
    for (wire, code) in [
        (frame(0x81, b"masked"), 1002_u16),
        (plain(0xc1, b"bit"), 1002),
        (plain(0x83, b""), 1002),
        (plain(0x09, b""), 1002),
        (plain(0x89, &[0; 126]), 1002),
        (plain(0x80, b"stray"), 1002),
        ([plain(0x01, b"a"), plain(0x81, b"b")].concat(), 1002),
        (vec![0x82, 126, 0, 5], 1002),
        (vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
        (vec![0x82, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0], 1009),
        (plain(0x81, b"\xff"), 1007),
        (plain(0x81, b"cut\xc3"), 1007),
        (plain(0x88, b"\x03"), 1002),
        (plain(0x88, b"\x03\xed"), 1002),
        (plain(0x88, b"\x03\xe8\xff"), 1007),
    ] {
        let shown = format!("{:02x?}", &wire[..wire.len().min(12)]);
        let script = move |peer: &mut Wire| {
            peer.send(wire);
            let (first, key, payload) = next(peer);
            assert!(key.is_some());
            (first, payload[..2].to_vec(), peer.read_to_close().0.len())
        };
        let (told, end) = opened(script, async |mut socket| socket.recv().await);
        assert_eq!(told, (0x88, code.to_be_bytes().to_vec(), 0), "{shown}");
        assert!(matches!(end, Err(SocketError::Peer(_))), "{shown}: {end:?}");
    }
}

#[test]
fn r73_a_client_lets_the_server_end_tcp() {
    let script = |wire: &mut Wire| {
        wire.send(plain(0x88, b"\x0f\xa0bye"));
        let answer = next(wire);
        // It still reads, and leaves it to us to end.
        wire.send(plain(0x81, b"late"));
        wire.wait_until_read();
        assert!(!wire.has_ended());
        wire.half_close();
        (answer.0, answer.2, wire.read_to_end())
    };
    let (told, end) = opened(script, async |mut socket| socket.turn().await);
    assert_eq!(told, (0x88, b"\x0f\xa0".to_vec(), Vec::new()));
    let Ok(wireworks::server::ws::Event::Closed(Some(reason))) = end else { panic!("{end:?}") };
    assert_eq!((reason.code().get(), reason.reason()), (4000, "bye"));
}
