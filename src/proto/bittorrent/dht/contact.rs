//! Nodes as they are named to others: an id and an address, in 26 bytes (BEP 5, "compact node info") or 38 (BEP 32).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::proto::bittorrent::hash::Sha1;

/// Which of the two networks of nodes: they are apart, and a node may be in both (BEP 32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// That of IPv4.
    V4,
    /// That of IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// That of an address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// Bytes of a node in compact form.
    #[must_use]
    pub fn compact(self) -> usize {
        match self {
            Self::V4 => 26,
            Self::V6 => 38,
        }
    }
}

/// A node: its id, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// Its id.
    pub id: Sha1,
    /// Its address, for UDP.
    pub addr: SocketAddr,
}

impl Contact {
    /// Reads nodes of a family, one behind the other. `None` if something is left over at the end.
    #[must_use]
    pub fn read(bytes: &[u8], family: Family) -> Option<Vec<Self>> {
        let chunks = bytes.chunks_exact(family.compact());
        let is_whole = chunks.remainder().is_empty();
        is_whole.then(|| chunks.filter_map(Self::read_one).collect())
    }

    fn read_one(bytes: &[u8]) -> Option<Self> {
        let (id, addr) = bytes.split_first_chunk()?;
        Some(Self { id: Sha1(*id), addr: read_address(addr)? })
    }

    /// Appends the compact form.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0);
        write_address(self.addr, out);
    }
}

/// An address of 6 or of 18 bytes; `None` of any other length.
#[must_use]
pub fn read_address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk()?;
    let ip = match ip.len() {
        4 => IpAddr::from(Ipv4Addr::from(*ip.first_chunk()?)),
        16 => IpAddr::from(Ipv6Addr::from(*ip.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Appends an address in 6 or in 18 bytes.
pub fn write_address(addr: SocketAddr, out: &mut Vec<u8>) {
    match addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&addr.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_written_and_read() {
        for (text, family) in [("1.2.3.4:258", Family::V4), ("[2001:db8::1]:6881", Family::V6)] {
            let contact = Contact { id: Sha1::of(b"node"), addr: text.parse().unwrap() };
            let mut bytes = Vec::new();
            contact.write(&mut bytes);
            contact.write(&mut bytes);
            assert_eq!(bytes.len(), 2 * family.compact());
            assert_eq!(Contact::read(&bytes, family), Some(vec![contact; 2]));
            assert_eq!(Family::of(contact.addr.ip()), family);
            for cut in (1..bytes.len()).filter(|cut| cut % family.compact() != 0) {
                assert_eq!(Contact::read(&bytes[..cut], family), None, "{cut} bytes");
            }
        }
        assert_eq!(Contact::read(b"", Family::V4), Some(Vec::new()));
    }

    #[test]
    fn addresses_have_six_or_eighteen_bytes() {
        let mut bytes = Vec::new();
        write_address("5.6.7.8:1".parse().unwrap(), &mut bytes);
        assert_eq!(bytes, [5, 6, 7, 8, 0, 1]);
        for length in 0..40 {
            assert_eq!(read_address(&vec![1; length]).is_some(), length == 6 || length == 18, "{length}");
        }
    }
}
