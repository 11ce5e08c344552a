//! TLS by rustls, with certificates that change while connections go on.
//!
//! [`TlsConfig`] says where certificates and keys are. [`Tls`] holds what was read from there: a finished server
//! configuration behind an atomic pointer. Each connection takes the one of its moment ([`Tls::acceptor`]); a reload puts a new
//! one in place, or keeps the old one and says what is wrong with the new files. The cryptography is *ring*, named at
//! every place, so that another library's choice of a process-wide default changes nothing here.
//!
//! [`ClientTls`] is the other side: whom a client trusts, and the certificate that it shows.

mod any_client;
mod challenge;
mod client;
mod der;
mod load;
mod names;
mod ocsp;
mod self_signed;
mod session;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use self::any_client::AnyClient;
use self::challenge::Challenged;
pub use self::challenge::{Answer, Challenges};
pub use self::client::{ClientTls, ClientTlsConfig, Trust};
pub use self::der::Life;
pub use self::load::{TlsError, fingerprint};
use self::names::ByName;
use self::self_signed::SelfSigned;
pub use self::session::{Exporter, TlsSession};
pub use self::watch::INTERVAL as WATCH_INTERVAL;

/// A certificate and its private key, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertPair {
    /// The certificate, followed by the intermediate ones. An OCSP response in DER that lies beside it, with `.ocsp` appended to the whole name,
    /// is stapled.
    pub cert: PathBuf,
    /// The key of the first certificate: PKCS #8, PKCS #1 or SEC 1, without a password. May be the same file.
    pub key: PathBuf,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// None is asked for.
    #[default]
    None,
    /// One is asked for; it has to be signed by a certificate in this PEM file, if it is shown.
    Optional(PathBuf),
    /// One is needed, signed by a certificate in this PEM file.
    Required(PathBuf),
    /// One is asked for, and any is taken whose key the client has; nobody vouches for what it says of names and dates. For servers that know the
    /// certificates of their users themselves, as those of IRC do (SASL EXTERNAL).
    Any,
}

/// What to serve TLS with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates, chosen by the name that a client asks for (SNI). The first is for clients whose name fits none.
    pub certificates: Vec<CertPair>,
    /// Whether to make up a certificate for `localhost`, for development. It comes after those from files.
    pub self_signed: bool,
    /// Certificates of clients.
    pub client_auth: ClientAuth,
    /// Protocols of the connection (ALPN, RFC 7301), the most wanted first. A client that names others only is refused.
    pub alpn: Vec<Vec<u8>>,
    /// Challenges of an authority that are answered beside the clients (TLS-ALPN-01). Not for a server without `alpn`: it would take clients
    /// for those of another protocol.
    pub challenges: Option<Challenges>,
}

impl TlsConfig {
    /// All files that it names, and those beside them that there may be.
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let client = match &self.client_auth {
            ClientAuth::None | ClientAuth::Any => None,
            ClientAuth::Optional(path) | ClientAuth::Required(path) => Some(path),
        };
        let pairs = self.certificates.iter();
        let pairs = pairs.flat_map(|pair| [pair.cert.clone(), pair.key.clone(), ocsp::beside(&pair.cert)]);
        pairs.chain(client.cloned())
    }
}

/// The TLS of a server. Clones are the same.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: TlsConfig,
    /// Made once and kept, so that a browser that was told to trust it can go on.
    self_signed: Option<Arc<SelfSigned>>,
    current: ArcSwap<ServerConfig>,
    /// When the first of the stapled responses expires, in seconds since 1970.
    staples_until: AtomicU64,
}

impl Tls {
    /// Reads all files.
    ///
    /// # Errors
    /// Which file is wrong, and how. An expired certificate is not an error, but is logged as a warning.
    pub fn new(config: TlsConfig) -> Result<Self, TlsError> {
        let self_signed = config.self_signed.then(SelfSigned::generate).transpose()?;
        Self::with(config, self_signed.map(Arc::new))
    }

    /// The same certificates for a port on which another protocol is spoken, and clients are asked for other certificates.
    ///
    /// # Errors
    /// As for [`new`](Tls::new).
    pub fn beside(&self, alpn: Vec<Vec<u8>>, client_auth: ClientAuth) -> Result<Self, TlsError> {
        let Inner { config, self_signed, .. } = &*self.0;
        let config = TlsConfig { alpn, client_auth, challenges: None, ..config.clone() };
        Self::with(config, self_signed.clone())
    }

    fn with(config: TlsConfig, self_signed: Option<Arc<SelfSigned>>) -> Result<Self, TlsError> {
        let (current, until) = build(&config, self_signed.as_deref())?;
        let (current, staples_until) = (ArcSwap::from(current), AtomicU64::new(until));
        Ok(Self(Arc::new(Inner { config, self_signed, current, staples_until })))
    }

    /// What to accept a connection with, as of now. It costs two atomic steps; take a new one for each connection.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.current.load_full())
    }

    /// Reads all files again. Connections that there are go on with what they have. Sessions are not resumed across a
    /// reload, so that a client whose certificate is no longer accepted does not come back by a ticket.
    ///
    /// # Errors
    /// As for [`new`](Tls::new). What was there before stays in use then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let (fresh, until) = build(&self.0.config, self.0.self_signed.as_deref())?;
        self.0.current.store(fresh);
        self.0.staples_until.store(until, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a connection whose handshake agreed on this protocol was for an authority's challenge: it has seen what it wanted.
    pub(in crate::net) fn is_challenge(alpn: Option<&[u8]>) -> bool {
        alpn == Some(challenge::ALPN)
    }

    /// Whether a response that is stapled has expired, so that clients would give up at it.
    fn has_stale_staples(&self, now: UnixTime) -> bool {
        self.0.staples_until.load(Ordering::Relaxed) <= now.as_secs()
    }

    /// The SHA-256 fingerprint of the self-signed certificate, if there is one, as `AB:CD:...` to compare by eye.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.0.self_signed.as_deref().map(SelfSigned::fingerprint)
    }
}

/// The cryptography that everything here uses.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What connections are accepted with, and when the first of its stapled responses expires.
fn build(config: &TlsConfig, self_signed: Option<&SelfSigned>) -> Result<(Arc<ServerConfig>, u64), TlsError> {
    let provider = provider();
    let mut keys = Vec::new();
    let mut staples_until = u64::MAX;
    for pair in &config.certificates {
        let mut key = load::certified_key(pair, &provider)?;
        let staple = key.cert.first().and_then(|cert| ocsp::staple(&pair.cert, cert, UnixTime::now()));
        if let Some(staple) = staple {
            staples_until = staples_until.min(staple.until.unwrap_or(u64::MAX));
            key.ocsp = Some(staple.response);
        }
        keys.push(key);
    }
    if let Some(own) = self_signed {
        keys.push(own.certified_key(&provider)?);
    }
    let names = ByName::new(keys).ok_or(TlsError::Nothing)?;
    let resolver: Arc<dyn ResolvesServerCert> = match &config.challenges {
        Some(challenges) => Arc::new(Challenged { names, challenges: challenges.clone() }),
        None => Arc::new(names),
    };
    let verifier = client_verifier(&config.client_auth, &provider)?;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver);
    server.alpn_protocols.clone_from(&config.alpn);
    if config.challenges.is_some() {
        server.alpn_protocols.push(challenge::ALPN.to_vec());
    }
    // Stateless resumption; the ticketer changes its keys by itself.
    server.ticketer = rustls::crypto::ring::Ticketer::new().map_err(TlsError::Library)?;
    Ok((Arc::new(server), staples_until))
}

fn client_verifier(
    auth: &ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let (path, required) = match auth {
        ClientAuth::None => return Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Any => return Ok(Arc::new(AnyClient(Arc::clone(provider)))),
        ClientAuth::Optional(path) => (path, false),
        ClientAuth::Required(path) => (path, true),
    };
    let roots = Arc::new(load::roots(path)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| TlsError::Authorities { path: path.clone(), error: error.to_string() })
}

#[cfg(test)]
mod tests;
