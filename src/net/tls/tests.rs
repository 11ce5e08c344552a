//! Handshakes over memory, with rustls at the other end.

use std::fs;
use std::io;
use std::sync::Mutex;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, HandshakeKind, RootCertStore, SignatureScheme};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsConnector, client, server};

use super::*;

/// Writes a fresh certificate for `name` and its key, and gives the certificate.
pub(super) fn write_pair(pair: &CertPair, name: &str) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    fs::write(&pair.key, made.signing_key.serialize_pem()).unwrap();
    fs::write(&pair.cert, made.cert.pem()).unwrap();
    made.cert.der().clone()
}

fn pair_in(folder: &TempDir, name: &str) -> CertPair {
    CertPair {
        cert: folder.path().join(format!("{name}.crt")),
        key: folder.path().join(format!("{name}.key")),
    }
}

/// A folder with one certificate, and a configuration for it.
pub(super) fn files(name: &str) -> (TempDir, TlsConfig) {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair_in(&folder, name);
    write_pair(&pair, name);
    (folder, TlsConfig { certificates: vec![pair], ..TlsConfig::default() })
}

/// A client that believes everything, and remembers what it saw.
#[derive(Debug, Default)]
struct Credulous(Mutex<Option<CertificateDer<'static>>>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that a client gets who asks for `name`.
pub(super) async fn served(tls: &Tls, name: &str) -> CertificateDer<'static> {
    let look = Arc::new(Credulous::default());
    let mut client = trusting(&[]);
    client.dangerous().set_certificate_verifier(Arc::clone(&look) as _);
    // Where clients need a certificate of their own the handshake fails, but not before this one has been seen.
    let _ = handshake(tls, Arc::new(client), name).await;
    let seen = look.0.lock().unwrap().take();
    seen.unwrap_or_else(|| panic!("no certificate for {name}"))
}

fn client_builder(
    roots: RootCertStore,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let builder = ClientConfig::builder_with_provider(provider());
    builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots)
}

fn trusting(certificates: &[&CertificateDer<'static>]) -> ClientConfig {
    client_builder(roots(certificates)).with_no_client_auth()
}

fn roots(certificates: &[&CertificateDer<'static>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for &certificate in certificates {
        roots.add(certificate.clone()).unwrap();
    }
    roots
}

type Ends = (client::TlsStream<DuplexStream>, server::TlsStream<DuplexStream>);

async fn handshake(tls: &Tls, config: Arc<ClientConfig>, name: &str) -> io::Result<Ends> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(config);
    let (client, server) = tokio::join!(connector.connect(name, near), tls.acceptor().accept(far));
    // The server's verdict first: in TLS 1.3 a client hears only later that its certificate is not taken.
    let server = server?;
    Ok((client?, server))
}

/// One byte each way, so that the client has read what follows the handshake.
async fn exchange((client, server): &mut Ends) {
    client.write_all(b"?").await.unwrap();
    client.flush().await.unwrap();
    let mut byte = [0];
    server.read_exact(&mut byte).await.unwrap();
    server.write_all(b"!").await.unwrap();
    server.flush().await.unwrap();
    client.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"!");
}

fn peer(ends: &Ends) -> CertificateDer<'static> {
    ends.0.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn each_name_gets_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = ["first.test", "second.test", "third.test"].map(|name| pair_in(&folder, name));
    let first = write_pair(&pairs[0], "first.test");
    let second = write_pair(&pairs[1], "second.test");
    let wild = write_pair(&pairs[2], "*.third.test");
    let tls = Tls::new(TlsConfig { certificates: pairs.to_vec(), ..TlsConfig::default() }).unwrap();
    let client = Arc::new(trusting(&[&first, &second, &wild]));
    for (name, certificate) in [("first.test", &first), ("second.test", &second), ("a.third.test", &wild)] {
        let mut ends = handshake(&tls, Arc::clone(&client), name).await.unwrap();
        assert_eq!(&peer(&ends), certificate, "{name}");
        exchange(&mut ends).await;
    }
    assert!(handshake(&tls, client, "unknown.test").await.is_err(), "the first one does not fit that name");
}

#[tokio::test]
async fn a_reload_is_for_new_connections_and_a_bad_one_changes_nothing() {
    let (_folder, config) = files("a.test");
    let pair = config.certificates[0].clone();
    let old = served(&Tls::new(config.clone()).unwrap(), "a.test").await;
    let tls = Tls::new(config).unwrap();
    let mut before = handshake(&tls, Arc::new(trusting(&[&old])), "a.test").await.unwrap();
    fs::write(&pair.cert, "junk").unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert_eq!(error, format!("{} has no certificate (no line \"BEGIN CERTIFICATE\")", pair.cert.display()));
    let kept = handshake(&tls, Arc::new(trusting(&[&old])), "a.test").await.unwrap();
    assert_eq!(peer(&kept), old);
    let new = write_pair(&pair, "a.test");
    tls.reload().unwrap();
    let after = handshake(&tls, Arc::new(trusting(&[&new])), "a.test").await.unwrap();
    assert_eq!(peer(&after), new);
    exchange(&mut before).await;
}

#[tokio::test]
async fn the_protocol_is_agreed_on_or_refused() {
    let (_folder, config) = files("a.test");
    let tls = Tls::new(TlsConfig { alpn: vec![b"one".to_vec(), b"two".to_vec()], ..config }).unwrap();
    let certificate = served(&tls, "a.test").await;
    type Names<'a> = &'a [&'a [u8]];
    let cases: [(Names<'_>, Option<Option<&[u8]>>); 4] = [
        (&[b"two", b"one"], Some(Some(b"one"))),
        (&[b"three", b"two"], Some(Some(b"two"))),
        (&[], Some(None)),
        (&[b"three"], None),
    ];
    for (offered, agreed) in cases {
        let mut client = trusting(&[&certificate]);
        client.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let outcome = handshake(&tls, Arc::new(client), "a.test").await.ok();
        let got = outcome.as_ref().map(|(_, server)| server.get_ref().1.alpn_protocol());
        assert_eq!(got, agreed, "{offered:?}");
    }
}

#[tokio::test]
async fn a_session_is_resumed_by_ticket_but_not_across_a_reload() {
    let (_folder, config) = files("a.test");
    let tls = Tls::new(config).unwrap();
    let client = Arc::new(trusting(&[&served(&tls, "a.test").await]));
    let mut kinds = Vec::new();
    for reload in [false, false, true] {
        if reload {
            tls.reload().unwrap();
        }
        let mut ends = handshake(&tls, Arc::clone(&client), "a.test").await.unwrap();
        exchange(&mut ends).await;
        kinds.push(ends.0.get_ref().1.handshake_kind());
    }
    assert_eq!(kinds[..2], [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    assert_ne!(kinds[2], Some(HandshakeKind::Resumed));
}

#[tokio::test]
async fn clients_show_certificates_when_asked() {
    let (folder, config) = files("a.test");
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let authority_file = folder.path().join("ca.pem");
    fs::write(&authority_file, authority.pem()).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let good = CertificateParams::new(["client".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let der = |key: &KeyPair| PrivateKeyDer::Pkcs8(key.serialize_der().into());

    let optional = ClientAuth::Optional(authority_file.clone());
    let required = ClientAuth::Required(authority_file);
    for (auth, anonymous_passes) in [(optional, true), (required, false)] {
        let tls = Tls::new(TlsConfig { client_auth: auth, ..config.clone() }).unwrap();
        let server = served(&tls, "a.test").await;
        let with = |certificate: &CertificateDer<'static>, key| {
            let chain = vec![certificate.clone()];
            Arc::new(client_builder(roots(&[&server])).with_client_auth_cert(chain, key).unwrap())
        };
        let ends = handshake(&tls, with(good.der(), der(&key)), "a.test").await.unwrap();
        assert_eq!(ends.1.get_ref().1.peer_certificates().unwrap(), [good.der().clone()]);
        let refused = handshake(&tls, with(stranger.cert.der(), der(&stranger.signing_key)), "a.test").await;
        assert!(refused.is_err(), "a certificate of somebody else");
        let anonymous = handshake(&tls, Arc::new(trusting(&[&server])), "a.test").await;
        assert_eq!(anonymous.is_ok(), anonymous_passes);
    }
}

/// A certificate that nobody vouches for is taken from whom has its key.
#[tokio::test]
async fn any_client_with_a_key() {
    let (_folder, config) = files("a.test");
    let tls = Tls::new(TlsConfig { client_auth: ClientAuth::Any, ..config }).unwrap();
    let server = served(&tls, "a.test").await;
    let [own, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap());
    let der = |key: &KeyPair| PrivateKeyDer::Pkcs8(key.serialize_der().into());
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let with = |key: &KeyPair| {
            let provider = provider();
            let signing = provider.key_provider.load_private_key(der(key)).unwrap();
            // Not checked against the certificate, as an impostor would do it.
            let shown = rustls::sign::CertifiedKey::new(vec![own.cert.der().clone()], signing);
            let client = rustls::ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(versions)
                .unwrap()
                .with_root_certificates(roots(&[&server]))
                .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
            Arc::new(client)
        };
        let ends = handshake(&tls, with(&own.signing_key), "a.test").await.unwrap();
        assert_eq!(ends.1.get_ref().1.peer_certificates().unwrap(), [own.cert.der().clone()]);
        assert!(handshake(&tls, with(&other.signing_key), "a.test").await.is_err(), "of somebody else");
    }
    let anonymous = handshake(&tls, Arc::new(trusting(&[&server])), "a.test").await.unwrap();
    assert_eq!(anonymous.1.get_ref().1.peer_certificates(), None);
}

/// Both ends of a connection export the same, and no other connection does; TLS 1.2 exports nothing.
#[tokio::test]
async fn what_is_exported_belongs_to_one_connection() {
    let (_folder, config) = files("a.test");
    let tls = Tls::new(config).unwrap();
    let server = served(&tls, "a.test").await;
    let mut seen = Vec::new();
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let client = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots(&[&server]))
            .with_no_client_auth();
        let (near, far) = handshake(&tls, Arc::new(client), "a.test").await.unwrap();
        let near = TlsSession::of(&tokio_rustls::TlsStream::from(near));
        let far = TlsSession::of(&tokio_rustls::TlsStream::from(far));
        assert_eq!(near.exporter(), far.exporter());
        seen.push(near.exporter().copied());
    }
    assert!(seen[0].is_some() && seen[1].is_some() && seen[0] != seen[1] && seen[2].is_none(), "{seen:?}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_for_this_machine_and_survives_reloads() {
    let tls = Tls::new(TlsConfig { self_signed: true, ..TlsConfig::default() }).unwrap();
    let certificate = served(&tls, "localhost").await;
    assert_eq!(tls.fingerprint().unwrap().len(), 32 * 3 - 1);
    tls.reload().unwrap();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let ends = handshake(&tls, Arc::new(trusting(&[&certificate])), name).await.unwrap();
        assert_eq!(peer(&ends), certificate, "{name}");
    }
    let (_folder, config) = files("a.test");
    let both = Tls::new(TlsConfig { self_signed: true, ..config }).unwrap();
    assert_ne!(served(&both, "localhost").await, served(&both, "other.test").await, "files come first");
}

#[test]
fn tls_without_any_certificate_is_an_error() {
    assert!(matches!(Tls::new(TlsConfig::default()), Err(TlsError::Nothing)));
    let (folder, config) = files("a.test");
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let error = Tls::new(TlsConfig { client_auth: ClientAuth::Required(empty), ..config }).unwrap_err();
    assert!(matches!(error, TlsError::NoCertificate { .. }), "{error}");
}
