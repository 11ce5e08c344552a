//! What a handshake has told about the peer.

use std::sync::OnceLock;

use rustls::ProtocolVersion;
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsStream;

use super::names::dns_names;

/// What is known of a peer by the TLS handshake. Kept for as long as the connection; a resumed session has what the
/// first handshake had.
#[derive(Clone, Debug)]
pub struct TlsSession {
    server_name: Option<Box<str>>,
    alpn: Option<Box<[u8]>>,
    version: Option<&'static str>,
    certificates: Box<[CertificateDer<'static>]>,
    /// Read from the first certificate when somebody asks.
    names: OnceLock<Box<[String]>>,
}

impl TlsSession {
    /// Of a connection whose handshake is through.
    pub(in crate::net) fn of<S>(stream: &TlsStream<S>) -> Self {
        let server_name = match stream {
            TlsStream::Server(stream) => stream.get_ref().1.server_name(),
            TlsStream::Client(_) => None,
        };
        let (_, connection) = stream.get_ref();
        Self {
            server_name: server_name.map(Into::into),
            alpn: connection.alpn_protocol().map(Into::into),
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
                Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
                _ => None,
            },
            certificates: connection.peer_certificates().unwrap_or_default().into(),
            names: OnceLock::new(),
        }
    }

    /// The version of TLS: `TLSv1.2` or `TLSv1.3`.
    #[must_use]
    pub fn version(&self) -> Option<&'static str> {
        self.version
    }

    /// The name of the server that the client asked for (SNI, RFC 6066 section 3), in lower case; `None` when it named none,
    /// as one does that was given an IP address, and at the client's own end.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The protocol that was agreed on (ALPN, RFC 7301), such as `http/1.1`; `None` when the client offered none.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The DNS names that the peer's certificate is for, in lower case; none when it showed none.
    #[must_use]
    pub fn names(&self) -> &[String] {
        self.names.get_or_init(|| self.certificates.first().map(dns_names).unwrap_or_default().into())
    }

    /// The peer's certificate and those that it sent along, each as DER, its own first; none when it showed none. The
    /// first was checked: a client's against [`ClientAuth`](super::ClientAuth), a server's against
    /// [`Trust`](super::Trust). The peer has its key.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.certificates.iter().map(AsRef::as_ref)
    }
}
