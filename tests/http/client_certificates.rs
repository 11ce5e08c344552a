//! What a handler knows of a client by its TLS handshake: the name it asked for, the protocol, its certificates.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use wireworks::net::tls::{CertPair, ClientAuth, Tls, TlsConfig};
use wireworks::server::http::request::Request;

use super::server::{Setup, TestServer};

/// What a server needs, and what its clients may show.
struct Hall {
    folder: TempDir,
    pair: CertPair,
    server: CertificateDer<'static>,
    /// Signed by the authority in `ca.pem`.
    good: (CertificateDer<'static>, Vec<u8>),
    /// Signed by itself.
    stranger: (CertificateDer<'static>, Vec<u8>),
}

impl Hall {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = CertPair { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(&pair.cert, server.cert.pem()).unwrap();
        fs::write(&pair.key, server.signing_key.serialize_pem()).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&authority_key).unwrap();
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate().unwrap();
        let client = || CertificateParams::new(["client".to_owned()]).unwrap();
        let good = client().signed_by(&key, &issuer).unwrap().der().clone();
        let stranger = client().self_signed(&key).unwrap().der().clone();
        Self {
            folder,
            pair,
            server: server.cert.der().clone(),
            good: (good, key.serialize_der()),
            stranger: (stranger, key.serialize_der()),
        }
    }

    fn serve(&self, auth: impl FnOnce(PathBuf) -> ClientAuth) -> TestServer {
        let tls = Tls::new(TlsConfig {
            certificates: vec![self.pair.clone()],
            client_auth: auth(self.folder.path().join("ca.pem")),
            alpn: vec![b"http/1.1".to_vec()],
            ..TlsConfig::default()
        });
        let tls = tls.unwrap();
        Setup::new(introduce).gate(|gate| gate.tls = Some(tls)).start()
    }

    /// A client that offers these protocols, and shows this certificate.
    fn client(&self, alpn: &[&str], shown: Option<&(CertificateDer<'static>, Vec<u8>)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.server.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(vec![certificate.clone()], PrivateKeyDer::Pkcs8(key.clone().into()))
                .unwrap(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// Says whom it has before it.
async fn introduce(request: Request) -> String {
    let peer = request.peer();
    let Some(session) = peer.tls_session() else {
        return format!("tls={}", peer.tls);
    };
    let alpn = session.alpn().map(|name| name.escape_ascii().to_string());
    let shown: Vec<_> = session.certificates().map(|der| der.len().to_string()).collect();
    let name = session.server_name();
    format!(
        "tls={} {} {} [{}]",
        peer.tls,
        name.unwrap_or("-"),
        alpn.as_deref().unwrap_or("-"),
        shown.join(" ")
    )
}

/// The body of the reply to one request, or nothing when there was none.
fn ask(server: &TestServer, client: &Arc<ClientConfig>, name: &str) -> String {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tcp = TcpStream::connect(server.addr()).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut tls = StreamOwned::new(ClientConnection::new(Arc::clone(client), name).unwrap(), tcp);
    let _ = tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut reply = String::new();
    let _ = tls.read_to_string(&mut reply);
    reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

#[test]
fn a_handler_sees_the_name_the_protocol_and_the_certificate() {
    let hall = Hall::new();
    let shown = hall.good.0.len();
    let server = hall.serve(ClientAuth::Optional);
    for (alpn, certificate, name, expected) in [
        (&["http/1.1"][..], None, "localhost", "tls=true localhost http/1.1 []".to_owned()),
        (&[], None, "127.0.0.1", "tls=true - - []".to_owned()),
        (&[], Some(&hall.good), "localhost", format!("tls=true localhost - [{shown}]")),
        (&[], Some(&hall.stranger), "localhost", String::new()),
    ] {
        let client = hall.client(alpn, certificate);
        // The second time the session is resumed.
        for _ in 0..2 {
            assert_eq!(ask(&server, &client, name), expected);
        }
    }
}

#[test]
fn who_must_show_a_certificate_gets_in_with_a_good_one_only() {
    let hall = Hall::new();
    let server = hall.serve(ClientAuth::Required);
    let said = |certificate| ask(&server, &hall.client(&[], certificate), "localhost");
    assert!(said(Some(&hall.good)).starts_with("tls=true"));
    assert_eq!([said(Some(&hall.stranger)), said(None)], ["", ""]);
    assert_eq!(server.requests(), 1);
}

#[test]
fn without_tls_there_is_nothing_to_know() {
    let server = Setup::new(introduce).start();
    assert_eq!(server.get("/", "").text(), "tls=false");
}
