//! What lies below HTTP: TLS, Unix sockets, and the PROXY header. With it point 54, `close_notify`.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use wireworks::net::addr::PeerAddr;
use wireworks::net::serve::{Preamble, PreambleSettings};
use wireworks::net::tls::{CertPair, Tls, TlsConfig};
use wireworks::proto::proxy::{Addresses, Header, Parsed, encode_v1, encode_v2, parse};
use wireworks::server::http::files::FilesOptions;
use wireworks::server::http::request::Request;

use crate::support::certificate::certificate;
use crate::support::process::Ended;
use crate::support::tool::Tool;

use super::files::Site;
use super::limits::{early_enough, not_before};
use super::server::{Setup, TestServer, echo};

/// TLS with a certificate that nobody knows.
fn tls() -> Tls {
    Tls::new(TlsConfig { self_signed: true, alpn: vec![b"http/1.1".to_vec()], ..TlsConfig::default() })
        .unwrap()
}

fn encrypted(setup: Setup) -> TestServer {
    setup.gate(|gate| gate.tls = Some(tls())).start()
}

/// curl, which trusts anybody.
fn curl(args: &[&str], url: &str) -> Ended {
    Tool::new("curl").args(["-sSk", "--max-time", "20"]).args(args).args([url]).run()
}

/// What `openssl s_client` says of an exchange, protocol messages included.
fn s_client(server: &TestServer, request: &str) -> Ended {
    let addr = server.addr().to_string();
    Tool::new("openssl")
        .args(["s_client", "-connect", &addr, "-servername", "localhost", "-msg", "-ign_eof"])
        .input(request)
        .run()
}

#[test]
fn files_of_all_sizes_arrive_over_tls() {
    let large: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let site = Site::new(FilesOptions::default(), &[("large", &large), ("small.txt", b"small")]);
    let server = encrypted(Setup::shared(Arc::clone(&site.files)));
    let url = |path: &str| format!("https://localhost:{}{path}", server.addr().port());
    assert_eq!(curl(&[], &url("/small.txt")).success().text(), "small");
    assert!(curl(&[], &url("/large")).success().stdout == large);
    assert!(curl(&["-r", "500000-1499999"], &url("/large")).success().stdout == large[500_000..1_500_000]);
    // Two on one connection, and what curl thinks of it.
    let both =
        curl(&["-w", "%{http_version} %{num_connects}\n", &url("/small.txt")], &url("/small.txt")).success();
    assert_eq!(both.text(), "small1.1 1\nsmall1.1 0\n");
    assert_eq!(
        curl(&["-I", "-o", "/dev/null", "-w", "%{http_code}"], &url("/large")).success().text(),
        "200"
    );
}

#[test]
fn bodies_arrive_over_tls_and_are_refused_there_so_that_it_can_be_read() {
    let server = encrypted(Setup::new(echo).settings(|settings| settings.limits.body = 100_000));
    let url = format!("https://localhost:{}/", server.addr().port());
    let fine = curl(&["-H", "Expect: 100-continue", "-d", "hello"], &url).success();
    assert!(fine.text().ends_with(" body=hello"), "{}", fine.text());
    let folder = tempfile::tempdir().unwrap();
    let upload = folder.path().join("upload");
    fs::write(&upload, vec![b'x'; 5_000_000]).unwrap();
    let data = format!("@{}", upload.display());
    for framing in ["X: y", "Transfer-Encoding: chunked"] {
        let args =
            ["-H", "Expect:", "-H", framing, "--data-binary", &data, "-o", "/dev/null", "-w", "%{http_code}"];
        // curl may complain that it could not send all, which is true.
        assert_eq!(curl(&args, &url).text(), "413", "{framing}");
    }
}

#[test]
fn p54_the_end_of_a_tls_connection_is_told() {
    let server =
        encrypted(Setup::new(echo).settings(|settings| settings.idle_timeout = Duration::from_millis(200)));
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let said = s_client(&server, request).text();
        assert!(said.contains("HTTP/1.1 "), "{request:?}: {said}");
        let theirs = said.split("<<<").skip(1).any(|message| {
            message.split(">>>").next().is_some_and(|message| message.contains("close_notify"))
        });
        assert!(theirs, "no close_notify after {request:?}: {said}");
    }
}

#[test]
fn a_handshake_that_fails_or_takes_too_long_ends_the_connection() {
    let timeout = Duration::from_millis(200);
    let server = Setup::new(echo)
        .gate(|gate| {
            gate.tls = Some(tls());
            gate.tls_handshake_timeout = timeout;
        })
        .start();
    let mut plain = server.connect();
    plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (said, _) = plain.read_to_close();
    assert!(!said.starts_with(b"HTTP/"));
    let start = Instant::now();
    let mut silent = server.connect();
    silent.expect_close();
    not_before(start, timeout);
    early_enough(start, timeout);
    // It is counted when the client has seen the end already.
    while server.gate.stats().tls_failed.load(Ordering::Relaxed) < 2 {
        early_enough(start, timeout);
        thread::yield_now();
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn certificates_are_exchanged_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let pair = CertPair { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    certificate(&pair.cert, &pair.key, "first");
    let tls = Tls::new(TlsConfig {
        certificates: vec![pair.clone()],
        alpn: vec![b"http/1.1".to_vec()],
        ..TlsConfig::default()
    })
    .unwrap();
    let server = Setup::new(echo).gate(|gate| gate.tls = Some(tls.clone())).start();
    let url = format!("https://localhost:{}/", server.addr().port());
    let subject = || s_client(&server, "GET / HTTP/1.0\r\n\r\n").text();
    assert!(subject().contains("CN = first") || subject().contains("CN=first"));
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let text = curl(&[], &url).success().text();
                    assert!(text.starts_with("GET / host=localhost"), "{text}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        certificate(&pair.cert, &pair.key, "second");
        let start = Instant::now();
        while asked.load(Ordering::Relaxed) < 20 && start.elapsed() < Duration::from_secs(10) {
            tls.reload().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(asked.load(Ordering::Relaxed) >= 20);
    let now = subject();
    assert!(now.contains("CN = second") || now.contains("CN=second"), "{now}");
    // What is bad is not taken.
    fs::write(&pair.cert, "no certificate").unwrap();
    assert!(tls.reload().is_err());
    assert!(curl(&[], &url).success().text().starts_with("GET /"));
}

#[test]
fn a_unix_socket_carries_everything_that_tcp_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = Setup::new(echo).at(&path).settings(|settings| settings.limits.body = 1000).start();
    let mut wire = server.connect();
    wire.send(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert_eq!(wire.read_response().text(), "GET /1 host=a body=");
    assert_eq!(wire.read_response().text(), "POST /2 host=a body=hello");
    // A refusal reaches a client that goes on talking.
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    wire.send(vec![b'x'; 1_000_000]);
    assert_eq!(wire.read_response().status, 413);
    wire.expect_close();
    drop(wire);
    drop(server);
    assert!(!path.exists(), "the file goes with the server");
}

/// Reads a PROXY header for the gate.
fn proxy_header(bytes: &[u8]) -> Result<Preamble, Box<dyn Error + Send + Sync>> {
    Ok(match parse(bytes)? {
        Parsed::Incomplete { .. } => Preamble::Incomplete,
        Parsed::Complete { consumed, header } => Preamble::Complete {
            consumed,
            client: header.addresses.map(|addresses| match addresses {
                Addresses::Ip { source, .. } => PeerAddr::from(source),
                Addresses::Unix { .. } => PeerAddr::Unix,
            }),
            server: None,
        },
    })
}

/// A server that says who asks, and takes the word of these proxies.
fn behind(trusted: &str) -> Setup {
    Setup::new(|request: Request| async move { request.peer().addr.to_string() }).gate(|gate| {
        gate.preamble = Some(PreambleSettings {
            trusted: trusted.parse().unwrap(),
            timeout: Duration::from_secs(20),
            parse: proxy_header,
        });
    })
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Headers of both versions, and whom they name.
fn headers() -> Vec<(Vec<u8>, Option<SocketAddr>)> {
    let mut headers = Vec::new();
    for source in ["192.0.2.7:4711", "[2001:db8::7]:4711"] {
        let source: SocketAddr = source.parse().unwrap();
        let destination = SocketAddr::new(source.ip(), 80);
        let addresses = Addresses::Ip { source, destination };
        let (mut v1, mut v2) = (BytesMut::new(), BytesMut::new());
        encode_v1(Some(&addresses), &mut v1);
        let header = Header { addresses: Some(addresses), ..Header::default() };
        encode_v2(&header, true, &mut v2).unwrap();
        headers.push((v1.to_vec(), Some(source)));
        headers.push((v2.to_vec(), Some(source)));
    }
    let mut local = BytesMut::new();
    encode_v2(&Header::default(), false, &mut local).unwrap();
    headers.push((local.to_vec(), None));
    headers.push((b"PROXY UNKNOWN\r\n".to_vec(), None));
    headers
}

#[test]
fn a_trusted_proxy_names_its_client() {
    let server = behind("10.0.0.0/8, 127.0.0.1").start();
    for (header, client) in headers() {
        for at in 0..header.len() {
            let mut wire = server.connect();
            let all = [&header[..], REQUEST.as_bytes()].concat();
            if at == 0 {
                wire.send(all);
            } else {
                wire.send_split(all, at);
            }
            let said = wire.read_response().text().to_owned();
            match client {
                Some(client) => assert_eq!(said, client.to_string(), "{at}"),
                None => assert!(said.starts_with("127.0.0.1:"), "{said}"),
            }
            wire.send(REQUEST);
            assert_eq!(wire.read_response().text(), said, "for the whole connection");
            wire.reset();
        }
    }
}

#[test]
fn a_trusted_proxy_must_send_a_sound_header_in_time() {
    let timeout = Duration::from_millis(300);
    let server = behind("127.0.0.1").gate(|gate| gate.preamble.as_mut().unwrap().timeout = timeout).start();
    for bytes in [
        REQUEST,
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
        "PROXY TCP4 1.2.3.4\r\n",
        "PROXY \r\n",
        "\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0C",
    ] {
        let mut wire = server.connect();
        wire.send([bytes, REQUEST].concat());
        let (all, _) = wire.read_to_close();
        assert!(all.is_empty(), "{bytes:?}: {}", all.escape_ascii());
    }
    assert_eq!(server.gate.stats().preamble_failed.load(Ordering::Relaxed), 5);
    let start = Instant::now();
    let mut wire = server.connect();
    wire.send("PROXY TCP4 1.2.3.4 ");
    wire.expect_close();
    not_before(start, timeout);
    early_enough(start, timeout);
    assert_eq!(server.requests(), 0);
}

#[test]
fn nobody_else_is_believed() {
    let server = behind("10.0.0.0/8").start();
    for (header, _) in headers() {
        let mut wire = server.connect();
        wire.send([&header[..], REQUEST.as_bytes()].concat());
        let response = wire.read_response();
        assert_eq!((response.status, response.header("connection")), (400, Some("close")));
        wire.expect_close();
    }
    assert!(server.ask(REQUEST).text().starts_with("127.0.0.1:"));
}

#[test]
fn a_client_behind_a_proxy_counts_for_its_own_address() {
    let server = behind("127.0.0.1").gate(|gate| gate.limits.per_address = 1).start();
    let header = |client: &str| format!("PROXY TCP4 {client} 192.0.2.1 1000 80\r\n");
    let mut held = server.connect();
    held.send(format!("{}{REQUEST}", header("192.0.2.7")));
    assert_eq!(held.read_response().status, 200);
    let mut second = server.connect();
    second.send(header("192.0.2.7"));
    assert_eq!(second.read_response().status, 503);
    let mut other = server.connect();
    other.send(format!("{}{REQUEST}", header("192.0.2.8")));
    assert_eq!(other.read_response().text(), "192.0.2.8:1000");
}

#[test]
fn the_proxy_header_comes_before_tls() {
    let server = encrypted(behind("127.0.0.1"));
    let url = format!("https://localhost:{}/", server.addr().port());
    let text = curl(&["-4", "--haproxy-protocol"], &url).success().text();
    assert!(text.starts_with("127.0.0.1:"), "{text}");
    let failed = curl(&["-4"], &url);
    assert!(!failed.status.success(), "without the header there is no handshake");
}
