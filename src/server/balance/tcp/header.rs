//! The PROXY header in front of a connection to a backend, and in front of a check.

use std::net::SocketAddr;

use bytes::BytesMut;

use crate::net::addr::PeerAddr;
use crate::net::io::Io;
use crate::proto::proxy::{self, Addresses, EncodeError, Header, Tlv};
use crate::proto::tls::client_hello::ClientHello;

/// The version of the PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// Version 1, a line of text.
    V1,
    /// Version 2, binary. It also contains the server name of the client's TLS and its ALPN protocol, if they are known.
    V2,
}

impl ProxyHeader {
    /// The header for the connection of a client with these addresses, and with what its ClientHello says if the TLS is passed through.
    ///
    /// # Errors
    /// It would be too long.
    pub(super) fn write(
        self,
        client: &Io,
        addresses: Option<Addresses>,
        hello: Option<&ClientHello>,
    ) -> Result<BytesMut, EncodeError> {
        let mut header = BytesMut::new();
        match self {
            Self::V1 => proxy::encode_v1(addresses.as_ref(), &mut header),
            Self::V2 => {
                let tlvs = hello.map_or_else(|| ended_here(client), passed_through);
                proxy::encode_v2(&Header { addresses, tlvs }, false, &mut header)?;
            }
        }
        Ok(header)
    }

    /// The header for a connection of the balancer itself, such as a check: LOCAL in version 2, UNKNOWN in version 1 (sections 2.1 and
    /// 2.2 of the specification).
    #[must_use]
    pub fn local(self) -> BytesMut {
        let mut header = BytesMut::new();
        match self {
            Self::V1 => proxy::encode_v1(None, &mut header),
            // Without addresses and extensions it has a fixed length, which fits.
            Self::V2 => drop(proxy::encode_v2(&Header::default(), false, &mut header)),
        }
        header
    }
}

/// The two ends of the client's connection, of which `server` was told by a proxy; `None` when they are not both Internet addresses.
pub(super) fn addresses(client: &Io, peer: &PeerAddr, server: Option<SocketAddr>) -> Option<Addresses> {
    let PeerAddr::Ip(source) = peer else { return None };
    let destination = match (server, client) {
        (Some(server), _) => server,
        (None, Io::Tcp(stream)) => stream.local_addr().ok()?,
        (None, Io::Tls(stream)) => stream.get_ref().0.local_addr().ok()?,
        (None, _) => return None,
    };
    Some(Addresses::Ip { source: *source, destination })
}

/// The TLVs of a ClientHello. Of several protocols the backend chooses one later, so none is named here.
fn passed_through(hello: &ClientHello) -> Vec<Tlv> {
    let mut tlvs = Vec::new();
    if let [protocol] = &hello.alpn[..] {
        tlvs.push(Tlv::Alpn(protocol.clone()));
    }
    tlvs.extend(hello.sni.clone().map(Tlv::Authority));
    tlvs
}

/// The TLVs of a TLS handshake of this balancer.
fn ended_here(client: &Io) -> Vec<Tlv> {
    let Some(session) = client.tls_session() else { return Vec::new() };
    let mut tlvs = Vec::new();
    tlvs.extend(session.alpn().map(|protocol| Tlv::Alpn(protocol.to_vec())));
    tlvs.extend(session.server_name().map(|name| Tlv::Authority(name.to_owned())));
    tlvs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::proxy::{Parsed, parse};

    #[test]
    fn a_check_speaks_for_itself() {
        assert_eq!(&ProxyHeader::V1.local()[..], b"PROXY UNKNOWN\r\n");
        let local = ProxyHeader::V2.local();
        assert_eq!(parse(&local), Ok(Parsed::Complete { consumed: 16, header: Header::default() }));
        assert_eq!(local[12], 0x20, "version 2, LOCAL");
    }

    #[tokio::test]
    async fn the_address_that_a_proxy_tells_goes_on() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let dialled = tokio::net::TcpStream::connect(local).await.unwrap();
        let near = dialled.local_addr().unwrap();
        let io = dialled.into();
        let peer = PeerAddr::Ip("192.0.2.7:4711".parse().unwrap());
        let told: SocketAddr = "198.51.100.1:443".parse().unwrap();
        for (server, expected) in [(Some(told), told), (None, near)] {
            let wire = ProxyHeader::V1.write(&io, addresses(&io, &peer, server), None).unwrap();
            let Ok(Parsed::Complete { header, .. }) = parse(&wire) else { panic!("{wire:?}") };
            let Some(Addresses::Ip { destination, .. }) = header.addresses else { panic!("{header:?}") };
            assert_eq!(destination, expected);
        }
    }

    #[tokio::test]
    async fn what_the_hello_says_goes_along() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let io = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap().into();
        let peer = PeerAddr::Ip("192.0.2.7:4711".parse().unwrap());
        let hello = |sni: Option<&str>, alpn: &[&str]| ClientHello {
            sni: sni.map(str::to_owned),
            alpn: alpn.iter().map(|name| name.as_bytes().to_vec()).collect(),
        };
        let authority = Tlv::Authority("a.test".into());
        for (hello, expected) in [
            (None, vec![]),
            (Some(hello(None, &[])), vec![]),
            (Some(hello(Some("a.test"), &["h2"])), vec![Tlv::Alpn(b"h2".to_vec()), authority.clone()]),
            (Some(hello(Some("a.test"), &["h2", "http/1.1"])), vec![authority]),
        ] {
            let wire = ProxyHeader::V2.write(&io, addresses(&io, &peer, None), hello.as_ref()).unwrap();
            let Ok(Parsed::Complete { header, .. }) = parse(&wire) else { panic!("{wire:?}") };
            assert_eq!(header.tlvs, expected, "{hello:?}");
        }
    }
}
