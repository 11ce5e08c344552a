//! A way to a peer behind a router that lets nobody in: a third one, connected with both, tells each to dial the other at once, over uTP (BEP 55).

use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, BufMut};

/// A message of `ut_holepunch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holepunch {
    /// What is said.
    pub kind: Kind,
    /// Whom it is about.
    pub peer: SocketAddr,
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tell this peer to dial me, and me to dial it.
    Rendezvous,
    /// Dial this peer now.
    Connect,
    /// That cannot be done, because of this.
    Failed(Failure),
}

/// Why a peer cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The address is none.
    NoSuchPeer,
    /// Nobody is connected with it.
    NotConnected,
    /// It does not know this extension.
    NoSupport,
    /// It is the one that asks.
    NoSelf,
    /// One that is none of those above.
    Other(u32),
}

impl Failure {
    fn code(self) -> u32 {
        match self {
            Self::NoSuchPeer => 1,
            Self::NotConnected => 2,
            Self::NoSupport => 3,
            Self::NoSelf => 4,
            Self::Other(code) => code,
        }
    }

    fn of(code: u32) -> Self {
        let known = [Self::NoSuchPeer, Self::NotConnected, Self::NoSupport, Self::NoSelf];
        known.into_iter().find(|failure| failure.code() == code).unwrap_or(Self::Other(code))
    }
}

impl Holepunch {
    /// Reads one; `None` if it is none.
    #[must_use]
    pub fn read(mut payload: &[u8]) -> Option<Self> {
        let kind = payload.try_get_u8().ok()?;
        let ip: IpAddr = match payload.try_get_u8().ok()? {
            0 => payload.try_get_u32().ok()?.to_be_bytes().into(),
            1 => payload.try_get_u128().ok()?.to_be_bytes().into(),
            _ => return None,
        };
        let port = payload.try_get_u16().ok()?;
        let code = payload.try_get_u32().unwrap_or_default();
        let kind = match kind {
            0 => Kind::Rendezvous,
            1 => Kind::Connect,
            2 => Kind::Failed(Failure::of(code)),
            _ => return None,
        };
        Some(Self { kind, peer: (ip, port).into() })
    }

    /// The payload.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (kind, code) = match self.kind {
            Kind::Rendezvous => (0, 0),
            Kind::Connect => (1, 0),
            Kind::Failed(failure) => (2, failure.code()),
        };
        bytes.put_u8(kind);
        match self.peer.ip() {
            IpAddr::V4(ip) => {
                bytes.put_u8(0);
                bytes.put_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                bytes.put_u8(1);
                bytes.put_slice(&ip.octets());
            }
        }
        bytes.put_u16(self.peer.port());
        bytes.put_u32(code);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let peer: SocketAddr = "10.0.0.1:6881".parse().unwrap();
        for (kind, bytes) in [
            (Kind::Rendezvous, b"\0\0\x0a\0\0\x01\x1a\xe1\0\0\0\0"),
            (Kind::Connect, b"\x01\0\x0a\0\0\x01\x1a\xe1\0\0\0\0"),
            (Kind::Failed(Failure::NoSupport), b"\x02\0\x0a\0\0\x01\x1a\xe1\0\0\0\x03"),
            (Kind::Failed(Failure::Other(9)), b"\x02\0\x0a\0\0\x01\x1a\xe1\0\0\0\x09"),
        ] {
            let message = Holepunch { kind, peer };
            assert_eq!(message.to_bytes(), bytes);
            assert_eq!(Holepunch::read(bytes), Some(message));
        }
        let message = Holepunch { kind: Kind::Connect, peer: "[2001:db8::1]:1".parse().unwrap() };
        assert_eq!(Holepunch::read(&message.to_bytes()), Some(message));
        for bad in [&b""[..], b"\0", b"\0\x02\0\0\0\0\0\0", b"\x03\0\0\0\0\0\0\0", b"\0\x01\0\0\0\0\0\0"] {
            assert_eq!(Holepunch::read(bad), None);
        }
    }
}
