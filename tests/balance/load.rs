//! Clients that go on and on while something happens to a balancer: none of them may lose a request, or a message.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::PATIENCE;
use crate::support::wire::Wire;

/// A request for the page `/`.
pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// The same, for a connection without another request.
const LAST: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// The name in the certificate of a [`Site`].
const NAME: &str = "a.test";

/// A certificate in a folder, for a listener with TLS.
pub(super) struct Site {
    folder: tempfile::TempDir,
    certificate: CertificateDer<'static>,
}

impl Site {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder, certificate: made.cert.der().clone() }
    }

    /// The key `tls` of the listener.
    pub(super) fn tls(&self) -> String {
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| self.folder.path().join(name));
        format!("tls = {{ certificates = [{{ cert = {cert:?}, key = {key:?} }}] }}")
    }

    /// A client that trusts this certificate alone.
    fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth())
    }
}

/// What is answered to a request over a new connection with TLS, to its end, which must be an orderly one.
fn ask_by_tls(addr: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<String> {
    let tcp = TcpStream::connect(addr)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(NAME).map_err(std::io::Error::other)?;
    let tls = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(tls, tcp);
    stream.write_all(LAST.as_bytes())?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

/// A client, by how it connects.
#[derive(Clone, Debug)]
pub(super) enum Client {
    /// Over a connection that is kept, as long as it may.
    Kept(SocketAddr),
    /// Over a new connection for each request: one that arrives while its listener changes hands may be lost.
    New(SocketAddr),
    /// The same with TLS.
    Tls(SocketAddr, Arc<ClientConfig>),
}

/// Clients that ask for `/` and want `well` each time.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many clients of a balancer with kept connections.
    pub(super) fn start(addr: SocketAddr, clients: usize) -> Self {
        Self::of(vec![Client::Kept(addr); clients])
    }

    /// Six clients with kept connections, two with new ones, and two with new ones to a listener with TLS.
    pub(super) fn of_all_kinds(plain: SocketAddr, tls: SocketAddr, site: &Site) -> Self {
        let kept = vec![Client::Kept(plain); 6];
        let new = vec![Client::New(plain), Client::New(plain)];
        let tls = vec![Client::Tls(tls, site.client()), Client::Tls(tls, site.client())];
        Self::of([kept, new, tls].concat())
    }

    /// These clients.
    pub(super) fn of(clients: Vec<Client>) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let start = |client: Client| {
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            thread::spawn(move || match client {
                Client::Kept(addr) => {
                    let mut wire = Wire::connect(addr);
                    while !stop.load(Ordering::SeqCst) {
                        wire.send(GET);
                        let response = wire.read_response();
                        assert_eq!((response.status, response.text()), (200, "well"));
                        count.fetch_add(1, Ordering::SeqCst);
                        if response.header("connection") == Some("close") {
                            wire = Wire::connect(addr);
                        }
                    }
                }
                Client::New(addr) => {
                    while !stop.load(Ordering::SeqCst) {
                        let mut wire = Wire::connect(addr);
                        wire.send(LAST);
                        let response = wire.read_response();
                        assert_eq!((response.status, response.text()), (200, "well"));
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
                Client::Tls(addr, config) => {
                    while !stop.load(Ordering::SeqCst) {
                        let said = ask_by_tls(addr, &config).expect("a whole exchange by TLS");
                        assert!(
                            said.starts_with("HTTP/1.1 200 ") && said.ends_with("\r\n\r\nwell"),
                            "{said:?}"
                        );
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        };
        let clients = clients.into_iter().map(start).collect();
        Self { stop, count, clients }
    }

    /// Waits for so many further responses.
    #[track_caller]
    pub(super) fn more(&self, more: usize) {
        let (goal, deadline) = (self.count.load(Ordering::SeqCst) + more, Instant::now() + PATIENCE);
        while self.count.load(Ordering::SeqCst) < goal && !self.clients.iter().any(JoinHandle::is_finished) {
            assert!(Instant::now() < deadline, "no more requests");
            thread::yield_now();
        }
    }

    /// Ends it. None of its requests has failed.
    #[track_caller]
    pub(super) fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().expect("no request fails");
        }
    }
}

/// A WebSocket to an echo behind a balancer.
pub(super) struct WebSocket(Wire);

impl WebSocket {
    #[track_caller]
    pub(super) fn connect(addr: SocketAddr) -> Self {
        let mut wire = Wire::connect(addr);
        wire.send(concat!(
            "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ));
        let head = wire.read_until(b"\r\n\r\n");
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        Self(wire)
    }

    /// Sends a message, and gets it back.
    #[track_caller]
    pub(super) fn echo(&mut self) {
        // "hi", masked with zeros.
        self.0.send(b"\x81\x82\0\0\0\0hi");
        assert_eq!(self.0.read_exact(4), b"\x81\x02hi");
    }

    /// Says goodbye, which both sides do.
    #[track_caller]
    pub(super) fn goodbye(mut self) {
        self.0.send(b"\x88\x82\0\0\0\0\x03\xe8");
        assert_eq!(self.0.read_exact(4), b"\x88\x02\x03\xe8");
    }
}
