//! Addresses of peers: which are possible, and their compact form: 4 or 16 bytes of address and 2 of port, in the order of the network (BEP 23, BEP 7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses of 6 bytes each. What is left over at the end is none.
#[must_use]
pub fn read_v4(bytes: &[u8]) -> Vec<SocketAddr> {
    let (peers, _) = bytes.as_chunks::<6>();
    let peer = |[a, b, c, d, high, low]: &[u8; 6]| {
        SocketAddr::from((Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*high, *low])))
    };
    peers.iter().map(peer).collect()
}

/// Addresses of 18 bytes each. What is left over at the end is none.
#[must_use]
pub fn read_v6(bytes: &[u8]) -> Vec<SocketAddr> {
    let (peers, _) = bytes.as_chunks::<18>();
    let peer = |peer: &[u8; 18]| {
        let mut ip = [0; 16];
        ip.copy_from_slice(&peer[..16]);
        SocketAddr::from((Ipv6Addr::from(ip), u16::from_be_bytes([peer[16], peer[17]])))
    };
    peers.iter().map(peer).collect()
}

/// Those of IPv4, 6 bytes each.
#[must_use]
pub fn write_v4(peers: impl IntoIterator<Item = SocketAddr>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for peer in peers {
        if let SocketAddr::V4(peer) = peer {
            bytes.extend_from_slice(&peer.ip().octets());
            bytes.extend_from_slice(&peer.port().to_be_bytes());
        }
    }
    bytes
}

/// Those of IPv6, 18 bytes each.
#[must_use]
pub fn write_v6(peers: impl IntoIterator<Item = SocketAddr>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for peer in peers {
        if let SocketAddr::V6(peer) = peer {
            bytes.extend_from_slice(&peer.ip().octets());
            bytes.extend_from_slice(&peer.port().to_be_bytes());
        }
    }
    bytes
}

/// Whether there can be a peer at an address.
#[must_use]
pub fn is_possible(addr: SocketAddr) -> bool {
    let is_host = match addr.ip() {
        IpAddr::V4(ip) => {
            !(ip.octets()[0] == 0 || ip.is_multicast() || ip.is_broadcast() || ip.octets()[0] >= 240)
        }
        IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.to_ipv4_mapped().is_some()),
    };
    is_host && addr.port() != 0
}

/// Whether an address means something within a network only.
#[must_use]
pub fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // RFC 6598: shared by the customers of a provider.
            let is_shared = a == 100 && b & 0xc0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_and_read() {
        let peers: Vec<SocketAddr> = ["1.2.3.4:258", "[2001:db8::1]:6881", "5.6.7.8:1"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let (v4, v6) = (write_v4(peers.clone()), write_v6(peers.clone()));
        assert_eq!(v4, [1, 2, 3, 4, 1, 2, 5, 6, 7, 8, 0, 1]);
        assert_eq!((read_v4(&v4), read_v6(&v6)), (vec![peers[0], peers[2]], vec![peers[1]]));
        assert_eq!(read_v4(&v4[..11]), [peers[0]], "half of one is none");
        assert_eq!(read_v6(&v4), []);
    }
}
