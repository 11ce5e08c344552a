//! What a handshake has told about the peer.

use std::sync::OnceLock;

use rustls::ProtocolVersion;
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsStream;

use super::names::dns_names;

/// What a TLS connection exports to bind other things to it.
pub type Exporter = [u8; 32];

/// What is known of a peer by the TLS handshake. Kept for as long as the connection; a resumed session has what the
/// first handshake had.
#[derive(Clone, Debug)]
pub struct TlsSession {
    server_name: Option<Box<str>>,
    alpn: Option<Box<[u8]>>,
    version: Option<&'static str>,
    certificates: Box<[CertificateDer<'static>]>,
    exporter: Option<Exporter>,
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
            exporter: exporter(stream),
            names: OnceLock::new(),
        }
    }

    /// The channel binding `tls-exporter` (RFC 9266): the same at both ends, and known to nobody else. Only with TLS 1.3.
    #[must_use]
    pub fn exporter(&self) -> Option<&Exporter> {
        self.exporter.as_ref()
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

    /// The DNS names that the peer's certificate is for, in lower case; none when it showed none. Nobody vouches for those of a client with
    /// [`ClientAuth::Any`](super::ClientAuth::Any).
    #[must_use]
    pub fn names(&self) -> &[String] {
        self.names.get_or_init(|| self.certificates.first().map(dns_names).unwrap_or_default().into())
    }

    /// The peer's certificate and those that it sent along, each as DER, its own first; none when it showed none. The
    /// first was checked: a client's against [`ClientAuth`](super::ClientAuth) ([`Any`](super::ClientAuth::Any) checks only that it has the key), a server's against
    /// [`Trust`](super::Trust). The peer has its key.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.certificates.iter().map(AsRef::as_ref)
    }
}

/// TLS 1.2 has such a thing only with an extension that not every peer speaks: RFC 9266, section 4.1.
fn exporter<S>(stream: &TlsStream<S>) -> Option<Exporter> {
    const LABEL: &[u8] = b"EXPORTER-Channel-Binding";
    if stream.get_ref().1.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    let exported = match stream {
        TlsStream::Server(stream) => stream.get_ref().1.export_keying_material([0; 32], LABEL, Some(b"")),
        TlsStream::Client(stream) => stream.get_ref().1.export_keying_material([0; 32], LABEL, Some(b"")),
    };
    exported.ok()
}
