//! The ways to a socket: behind other requests, with its first frame, over TLS, and the way back after a refusal.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::peer::{Peer, Stand, frame, request};

const PAGE: &str = "GET /page HTTP/1.1\r\nHost: server.example.com\r\n\r\n";

#[test]
fn the_first_frame_may_come_with_the_request() {
    let stand = Stand::new();
    let mut wire = stand.wire();
    let frames = [frame(0x81, b"one"), frame(0x01, b"t"), frame(0x80, b"wo"), frame(0x88, b"\x03\xe8")];
    wire.send([request("").as_bytes(), &frames.concat()].concat());
    assert_eq!(wire.read_response().status, 101);
    let mut peer = Peer { wire };
    peer.hears(0x81, b"one");
    peer.hears(0x81, b"two");
    peer.hears_close(1000);
}

#[test]
fn requests_may_come_before_it_on_the_same_connection() {
    let stand = Stand::new();
    let mut wire = stand.wire();
    // One by one, and all at once.
    wire.send(PAGE);
    assert_eq!(wire.read_response().text(), "a page");
    wire.send([PAGE, PAGE, &request("")].concat());
    for _ in 0..2 {
        assert_eq!(wire.read_response().text(), "a page");
    }
    assert_eq!(wire.read_response().status, 101);
    Peer { wire }.is_heard();
}

#[test]
fn a_refusal_leaves_the_connection_to_http() {
    let stand = Stand::new();
    let mut wire = stand.wire();
    for (from, to, status) in [
        ("Version: 13", "Version: 12", 426),
        ("Upgrade: websocket\r\n", "", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400),
        ("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n", 403),
    ] {
        wire.send(request("").replace(from, to));
        let response = wire.read_response();
        assert_eq!(response.status, status, "{from}");
        assert_ne!(response.header("connection"), Some("close"), "{from}");
        wire.send(PAGE);
        assert_eq!(wire.read_response().text(), "a page");
    }
    wire.send(request(""));
    assert_eq!(wire.read_response().status, 101);
    Peer { wire }.is_heard();
}

#[test]
fn over_tls_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let stand = Stand::made(|server| server.tls(&cert, &key));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(stand.addr()).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp);
    let large = vec![7; 100_000];
    let frames = [frame(0x81, b"hello"), frame(0x82, &large), frame(0x88, b"\x03\xe8")].concat();
    tls.write_all(&[request("").as_bytes(), &frames].concat()).unwrap();
    let mut heard = Vec::new();
    // To the end that TLS says: nothing was cut.
    tls.read_to_end(&mut heard).unwrap();
    let end = heard.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(heard.starts_with(b"HTTP/1.1 101 "));
    let said = [b"\x81\x05hello\x82\x7f\0\0\0\0\0\x01\x86\xa0", &large[..], b"\x88\x02\x03\xe8"].concat();
    assert!(heard[end..] == said, "{} bytes, not {}", heard.len() - end, said.len());
}
