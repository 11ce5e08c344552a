//! TLS that is passed through: the ClientHello chooses the backend, which gets every byte as it came.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use wireworks::proto::proxy::{self, Parsed, Tlv};
use wireworks::proto::tls::client_hello::{Peek, peek};

use super::Balancer;
use super::raw::Backend;
use crate::support::PATIENCE;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// A backend that ends TLS, with a certificate of its own for `name`, and says its name.
struct Site {
    backend: Backend,
    certificate: CertificateDer<'static>,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Site {
    fn new(name: &str, alpn: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned(), "fallback.test".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let config = builder.unwrap().with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate.clone()], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let (config, name) = (Arc::new(config), name.to_owned());
        let backend = Backend::start(move |_, peer| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, peer.stream.try_clone()?);
            let mut line = [0; 5];
            stream.read_exact(&mut line)?;
            assert_eq!(&line, b"name\n");
            writeln!(stream, "{name}")?;
            stream.conn.send_close_notify();
            stream.flush()
        });
        Self { backend, certificate }
    }
}

/// What a client of rustls hears that wants this server and offers these protocols; it trusts only this certificate.
fn ask(balancer: SocketAddr, name: &str, alpn: &[&str], trusted: &Site) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tcp = TcpStream::connect(balancer)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp);
    stream.write_all(b"name\n")?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

/// A balancer with routes for three sites, and the last for all others.
fn three(sites: [&Site; 3], more: &str) -> Balancer {
    let [a, b, c] = sites.map(|site| site.backend.addr);
    Balancer::parse(
        &format!(
            "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nmode = \"tcp\"\nto = \"c\"\n{more}\n\
             [[listener.route]]\nsni = [\"a.test\", \"*.a.test\"]\nto = \"a\"\n\
             [[listener.route]]\nalpn = [\"xmpp-client\"]\nto = \"b\"\n\
             [upstream.a]\nbackends = [\"{a}\"]\n[upstream.b]\nbackends = [\"{b}\"]\n[upstream.c]\nbackends = [\"{c}\"]\n"
        ),
        |_| {},
    )
}

#[test]
fn clients_of_rustls_reach_the_backend_of_their_name() {
    let (a, b, c) =
        (Site::new("a.test", &["h2"]), Site::new("b.test", &["xmpp-client"]), Site::new("c.test", &[]));
    let balancer = three([&a, &b, &c], "");
    let ask = |name: &str, alpn: &[&str], site: &Site| ask(balancer.addr(), name, alpn, site);
    assert_eq!(ask("a.test", &["h2"], &a).unwrap(), "a.test\n");
    assert_eq!(ask("a.test", &[], &a).unwrap(), "a.test\n");
    assert_eq!(ask("b.test", &["xmpp-client"], &b).unwrap(), "b.test\n");
    assert_eq!(ask("fallback.test", &[], &c).unwrap(), "c.test\n");
    // The certificate is the backend's: whoever trusts another's is not served.
    assert!(ask("fallback.test", &[], &a).is_err());
    assert_eq!(a.backend.bytes().len() + b.backend.bytes().len() + c.backend.bytes().len(), 5);
}

#[test]
fn openssl_reaches_the_backend_of_its_name() {
    let (a, b, c) =
        (Site::new("a.test", &[]), Site::new("b.test", &["xmpp-client"]), Site::new("c.test", &[]));
    let balancer = three([&a, &b, &c], "");
    let address = balancer.addr().to_string();
    for (args, expected) in [
        (&["-servername", "a.test"][..], "a.test"),
        (&["-servername", "A.TEST", "-tls1_2"], "a.test"),
        (&["-servername", "x.test", "-alpn", "h2,xmpp-client"], "b.test"),
        (&["-servername", "x.test"], "c.test"),
        (&["-noservername"], "c.test"),
    ] {
        let mut client = Tool::new("openssl")
            .args(["s_client", "-quiet", "-connect", &address])
            .args(args)
            .input("name\n")
            .within(PATIENCE)
            .start();
        client.wait_for_stdout(expected);
        client.signal(rustix::process::Signal::KILL);
        client.wait();
    }
}

/// The ClientHello of rustls for a name.
fn hello(name: &str) -> Vec<u8> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = builder.unwrap().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut wire = Vec::new();
    ClientConnection::new(Arc::new(config), name).unwrap().write_tls(&mut wire).unwrap();
    wire
}

/// The same with an extension more at its end.
fn extended(mut hello: Vec<u8>, kind: u16, value: &[u8]) -> Vec<u8> {
    let extension = [&kind.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat();
    // Record head, message head, version and random; then session, suites, compressions.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    at += 1 + usize::from(hello[at]);
    for length in [3, 7, at] {
        let longer = u16::from_be_bytes([hello[length], hello[length + 1]]) + extension.len() as u16;
        hello[length..length + 2].copy_from_slice(&longer.to_be_bytes());
    }
    hello.extend(extension);
    hello
}

/// A backend that says `seen` after so many bytes, and one that is never to be asked, behind a route each.
fn two(expected: usize, more: &str) -> (Backend, Backend, Balancer) {
    let backend = Backend::start(move |_, peer| {
        let mut wire = vec![0; expected];
        peer.stream.read_exact(&mut wire)?;
        peer.note(&wire);
        peer.say("seen")?;
        peer.hold()
    });
    let other = Backend::start(|_, peer| peer.hold());
    let balancer = Balancer::parse(
        &format!(
            "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nmode = \"tcp\"\n{more}\n\
             [[listener.route]]\nsni = \"*.test\"\nto = \"a\"\n\
             [upstream.a]\nbackends = [\"{}\"]\n[upstream.b]\nbackends = [\"{}\"]\n",
            backend.addr, other.addr
        ),
        |_| {},
    );
    (backend, other, balancer)
}

#[test]
fn every_byte_goes_on_as_it_came() {
    // A GREASE value of Encrypted Client Hello: outer, HKDF-SHA256 with AES-128-GCM, a key of 32 bytes and a payload of 144.
    let ech = [&[0, 0, 1, 0, 1, 7, 0, 32][..], &[0x5a; 32], &[0, 144], &[0xa5; 144]].concat();
    let grease = extended(extended(hello("a.test"), 0xfe0d, &ech), 0x1a1a, b"\0");
    assert!(matches!(peek(&grease), Peek::Found(found) if found.sni.as_deref() == Some("a.test")));
    let records = |wire: &[u8], size: usize| -> Vec<u8> {
        let record =
            |content: &[u8]| [&[0x16, 3, 1][..], &(content.len() as u16).to_be_bytes(), content].concat();
        wire[5..].chunks(size).flat_map(record).collect()
    };
    let rows = [
        ("whole", hello("a.test"), usize::MAX),
        ("GREASE of ECH", grease.clone(), usize::MAX),
        ("with what follows", [hello("a.test"), vec![0x14; 300]].concat(), usize::MAX),
        ("byte by byte", hello("a.test"), 1),
        ("small records, byte by byte", records(&hello("a.test"), 1), 1),
        ("small records", records(&grease, 7), 50),
        ("longer than most", extended(hello("a.test"), 21, &[0; 12_000]), 1000),
    ];
    for (name, wire, size) in rows {
        let (backend, other, balancer) = two(wire.len(), "to = \"b\"");
        let mut client = balancer.connect();
        for piece in wire.chunks(size.min(wire.len())) {
            client.send(piece);
        }
        assert_eq!(client.read_exact(4), b"seen", "{name}");
        assert!(backend.bytes()[0] == wire, "{name}: other bytes");
        assert!(other.bytes().is_empty(), "{name}");
    }
}

#[test]
fn what_fits_no_route_goes_to_the_others_or_is_closed() {
    let plain = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    for (name, wire) in
        [("not TLS", plain), ("another name", hello("a.example")), ("no name", hello("127.0.0.1"))]
    {
        let (backend, other, balancer) = two(wire.len(), "to = \"b\"");
        let mut client = balancer.connect();
        client.send(&wire);
        client.half_close();
        client.read_to_close();
        other.wait_for_ends(1);
        assert!(other.bytes()[0] == wire && backend.bytes().is_empty(), "{name}");
        let (backend, other, balancer) = two(wire.len(), "");
        let mut client = balancer.connect();
        client.send(&wire);
        assert!(client.read_to_close().0.is_empty(), "{name}");
        assert!(other.bytes().is_empty() && backend.bytes().is_empty(), "{name}");
    }
}

#[test]
fn a_hello_that_does_not_come_or_does_not_end_is_closed() {
    for piece in [&b""[..], b"\x16", &hello("a.test")[..100]] {
        let (backend, other, balancer) = two(1, "to = \"b\"\nclient-hello-timeout = \"200ms\"");
        let mut client = balancer.connect();
        client.send(piece);
        assert!(client.read_to_close().0.is_empty());
        assert!(other.bytes().is_empty() && backend.bytes().is_empty(), "{piece:x?}");
    }
    // What is longer than a ClientHello may be is none, and goes where all goes that is none.
    let (_, other, balancer) = two(1, "to = \"b\"");
    let mut client = balancer.connect();
    client.send(extended(hello("a.test"), 21, &[0; 16_300]));
    client.half_close();
    client.read_to_close();
    other.wait_for_ends(1);
}

#[test]
fn the_header_in_front_names_client_server_and_protocol() {
    let wire = hello("a.test");
    for (version, length) in [("v1", None), ("v2", Some(16 + 12 + 3 + 6))] {
        let line = "PROXY TCP4 192.0.2.7 192.0.2.8 4711 443\r\n";
        let more =
            format!("to = \"b\"\nsend-proxy = \"{version}\"\nproxy-protocol-from = [\"127.0.0.0/8\"]\n");
        let header = length.unwrap_or(line.len());
        let (backend, _, balancer) = two(header + wire.len(), &more);
        let mut client = Wire::connect(balancer.addr());
        client.send(line);
        client.send(&wire);
        assert_eq!(client.read_exact(4), b"seen");
        let bytes = backend.bytes().remove(0);
        let Ok(Parsed::Complete { consumed, header }) = proxy::parse(&bytes) else { panic!("{bytes:x?}") };
        assert!(bytes[consumed..] == wire, "{version}");
        let Some(proxy::Addresses::Ip { source, destination }) = header.addresses else {
            panic!("{header:?}")
        };
        assert_eq!(
            (source, destination),
            ("192.0.2.7:4711".parse().unwrap(), "192.0.2.8:443".parse().unwrap())
        );
        let tlvs = if version == "v2" { vec![Tlv::Authority("a.test".into())] } else { vec![] };
        assert_eq!(header.tlvs, tlvs);
    }
}

#[test]
fn who_waits_for_a_hello_is_let_go_at_the_end() {
    let (_backend, _other, balancer) = two(1, "to = \"b\"");
    let mut client = balancer.connect();
    client.send(b"\x16\x03");
    client.wait_until_read();
    let closing = std::thread::spawn(move || client.read_to_close());
    let begun = std::time::Instant::now();
    balancer.running.stop().unwrap();
    closing.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(8), "the shutdown does not wait for the ClientHello");
}
