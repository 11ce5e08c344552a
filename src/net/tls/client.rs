//! The client's side of TLS: whom it trusts, and the certificate that it shows.
//!
//! Names are checked against the certificate, by RFC 9525, for every server but those that nobody checks
//! ([`Trust::Anybody`]). TLS 1.2 and 1.3, with the cryptography of the servers. Sessions are resumed, within one [`ClientTls`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use tokio_rustls::TlsConnector;

use super::{CertPair, TlsError, load, provider};

/// Which servers a client believes to be who they say they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those that an authority vouches for which the system trusts.
    #[default]
    System,
    /// Those, and the ones that a certificate in this PEM file vouches for. A server's own, self-signed certificate may stand
    /// there too. The system need not trust anybody then.
    SystemAnd(PathBuf),
    /// All of them: whoever sits between can read and change everything. For tests.
    Anybody,
}

/// What a client brings to a TLS handshake, beside the name of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTlsConfig {
    /// Which servers are trusted.
    pub trust: Trust,
    /// The client's own certificate, for servers that ask for one.
    pub certificate: Option<CertPair>,
}

/// The TLS of a client. Clones are the same, and share sessions.
#[derive(Clone, Debug)]
pub struct ClientTls(Arc<ClientConfig>);

impl ClientTls {
    /// Reads all files, those of the system too: some 200 KB, and a few milliseconds.
    ///
    /// # Errors
    /// Which file is wrong, and how; or that the system trusts nobody.
    pub fn new(config: &ClientTlsConfig) -> Result<Self, TlsError> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Library)?;
        let builder = match &config.trust {
            Trust::System => builder.with_root_certificates(system_roots()?),
            Trust::SystemAnd(path) => {
                let verifier = Arc::new(WithOwn::new(path, &provider)?);
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
            Trust::Anybody => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(NoVerification(Arc::clone(&provider)))),
        };
        let client = match &config.certificate {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = load::certified_key(pair, &provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
        };
        Ok(Self(Arc::new(client)))
    }

    /// What to begin a handshake with.
    pub(in crate::net) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.0))
    }
}

/// The authorities that the system trusts. What rustls cannot use is left out: systems carry some very old ones.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities { reason: found.errors.first().map(ToString::to_string) });
    }
    Ok(roots)
}

/// The usual verification, but for certificates that were named by the user: those may be marked as an authority's and
/// stand for a server nevertheless, as what `openssl req -x509` makes is and does. Name and dates are checked all the same.
#[derive(Debug)]
struct WithOwn {
    usual: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl WithOwn {
    fn new(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let mut roots = load::roots(path)?;
        if let Ok(system) = system_roots() {
            roots.extend(system.roots);
        }
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let usual = builder
            .build()
            .map_err(|error| TlsError::Authorities { path: path.into(), error: error.to_string() })?;
        Ok(Self { usual, own: load::certificates(path)? })
    }
}

impl ServerCertVerifier for WithOwn {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.usual.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The dates have been checked before this is found.
            Err(error) if is_authority(&error) && self.own.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Whether all that is wrong with a server's certificate is that it is marked as an authority's.
fn is_authority(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(error))) = error else {
        return false;
    };
    error.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Believes every certificate, whoever shows it.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    /// Nobody is kept out by a signature made with a key that anybody can make up.
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
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
