//! Which addresses are worth keeping, and which of them are likely to be of one owner.
//!
//! A node tells us addresses of others, and we send to them: an address where no node of the public network can be
//! would have us probe the network that we are in. In private networks, and in tests, just those addresses are the
//! right ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Which addresses are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    /// Those of private networks and of this host, too.
    pub(super) local: bool,
    /// Only nodes whose id is of their address (BEP 42).
    pub(super) enforce: bool,
}

impl Scope {
    /// Whether a datagram may be sent there, and others be told of it.
    pub(super) fn takes(self, addr: SocketAddr) -> bool {
        let ip = addr.ip();
        addr.port() != 0 && (is_global(ip) || self.local && is_local(ip))
    }

    /// Whether nodes that share this address, or its network, are none too many: in a private network they all do.
    pub(super) fn shares(self, ip: IpAddr) -> bool {
        self.local && is_local(ip)
    }
}

/// Whether an address is of a private network or of this host. BEP 42 has no rule for ids of such nodes.
pub(super) fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            // RFC 6598 has 100.64/10, behind the address translation of providers.
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || a == 100 && b & 0xc0 == 64
        }
        // Link-local addresses mean nothing without an interface, which no message names.
        IpAddr::V6(ip) => ip.is_loopback() || ip.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Whether a node of the public network can have this address.
fn is_global(ip: IpAddr) -> bool {
    if is_local(ip) {
        return false;
    }
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let is_reserved =
                matches!((a, b, c), (0 | 224.., _, _) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _));
            !is_reserved && !ip.is_documentation()
        }
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            // 2000::/3, without Teredo, documentation and 6to4.
            a & 0xe000 == 0x2000 && !matches!((a, b), (0x2001, 0 | 0xdb8) | (0x2002, _))
        }
    }
}

/// The address as it stands for its owner: who has one of IPv6 has at least the 2^64 beside it.
pub(super) fn source(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) if !is_local(ip) => masked(v6, 64),
        _ => ip,
    }
}

/// The network that an address is in, of which one bucket takes one node: /24, or /48 of IPv6.
pub(super) fn subnet(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip) & 0xffff_ff00).into(),
        IpAddr::V6(ip) => masked(ip, 48),
    }
}

fn masked(ip: Ipv6Addr, bits: u32) -> IpAddr {
    Ipv6Addr::from(u128::from(ip) & (u128::MAX << (128 - bits))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_network() {
        let public = Scope::default();
        let private = Scope { local: true, ..public };
        for (text, is_public, is_private) in [
            ("1.2.3.4:1", true, true),
            ("[2a00::1]:1", true, true),
            ("[2001:470::1]:65535", true, true),
            ("1.2.3.4:0", false, false),
            ("10.99.0.1:6881", false, true),
            ("127.0.0.1:6881", false, true),
            ("172.16.0.1:1", false, true),
            ("172.32.0.1:1", true, true),
            ("192.168.1.1:1", false, true),
            ("169.254.1.1:1", false, true),
            ("100.64.0.1:1", false, true),
            ("100.128.0.1:1", true, true),
            ("[::1]:1", false, true),
            ("[fd00::1]:1", false, true),
            ("[fe80::1]:1", false, false),
            ("[ff02::1]:1", false, false),
            ("[::]:1", false, false),
            ("[::ffff:1.2.3.4]:1", false, false),
            ("[2001:db8::1]:1", false, false),
            ("[2001::1]:1", false, false),
            ("[2002:102:304::1]:1", false, false),
            ("[64:ff9b::1]:1", false, false),
            ("0.0.0.0:1", false, false),
            ("0.1.2.3:1", false, false),
            ("192.0.0.1:1", false, false),
            ("192.0.2.1:1", false, false),
            ("198.18.0.1:1", false, false),
            ("198.51.100.1:1", false, false),
            ("203.0.113.1:1", false, false),
            ("224.0.0.1:1", false, false),
            ("240.0.0.1:1", false, false),
            ("255.255.255.255:1", false, false),
        ] {
            let addr = text.parse().unwrap();
            assert_eq!((public.takes(addr), private.takes(addr)), (is_public, is_private), "{text}");
        }
    }

    #[test]
    fn owners_and_networks() {
        for (text, owner, network) in [
            ("1.2.3.4", "1.2.3.4", "1.2.3.0"),
            ("2a00:1:2:3:4:5:6:7", "2a00:1:2:3::", "2a00:1:2::"),
            ("fd00:1:2:3:4:5:6:7", "fd00:1:2:3:4:5:6:7", "fd00:1:2::"),
        ] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!((source(ip), subnet(ip)), (owner.parse().unwrap(), network.parse().unwrap()));
        }
    }
}
