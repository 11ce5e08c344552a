//! Which addresses are contacted, and which peers are dialled.
//!
//! Torrents, trackers and peers are written by strangers, and what they name is asked by this machine, from within its
//! network: a service that trusts its neighbours could be talked to through us. So a link of a stranger's that leads
//! here or into the private network has to look like a tracker, and nobody outside sends us inside. The rules are
//! those of libtorrent (`ssrf_mitigation`, and the audit in its `docs/security-audit.rst`), and the ports that browsers
//! refuse (WHATWG Fetch, section "port blocking"). They are asked of addresses, after names were looked up, and again
//! at each redirection: a name may lead anywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::url::{Scheme, Url};

/// How far an address reaches. A wider one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// No host is there: unspecified, multicast, broadcast, reserved.
    Nowhere,
    /// This host: 127.0.0.0/8, `::1`.
    Loopback,
    /// This link: 169.254.0.0/16, where clouds keep their secrets, and `fe80::/10`.
    Link,
    /// This network: RFC 1918, 100.64.0.0/10 (RFC 6598), `fc00::/7` (RFC 4193).
    Private,
    /// Anywhere.
    Global,
}

/// How far an address reaches. What stands for an address of IPv4 counts as that: mapped (RFC 4291), by 6to4 (RFC 3056)
/// or by NAT64 (RFC 6052). Addresses for documentation are as others, since tests use them.
#[must_use]
pub fn scope(ip: IpAddr) -> Scope {
    match ip.to_canonical() {
        IpAddr::V4(ip) => scope_v4(ip),
        IpAddr::V6(ip) => scope_v6(ip),
    }
}

fn scope_v4(ip: Ipv4Addr) -> Scope {
    match ip.octets() {
        [0 | 224..=255, ..] => Scope::Nowhere,
        [127, ..] => Scope::Loopback,
        [169, 254, ..] => Scope::Link,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Scope::Private,
        _ => Scope::Global,
    }
}

fn scope_v6(ip: Ipv6Addr) -> Scope {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        scope_v4(Ipv4Addr::new(a, b, c, d))
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Scope::Loopback,
        // Also IPv4-compatible addresses, which were given up (RFC 4291 section 2.5.5.1), and IPv4-translated ones.
        [0, 0, 0, 0, 0, 0, ..] | [0xff00..=0xffff, ..] | [0, 0, 0, 0, 0xffff, ..] => Scope::Nowhere,
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        [0xfe80..=0xfebf, ..] => Scope::Link,
        // fec0::/10 was the same (RFC 3879), and so is NAT64 within a network (RFC 8215).
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Scope::Private,
        _ => Scope::Global,
    }
}

/// Why an address is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// No host is there.
    #[error("{0} is the address of no host")]
    Nowhere(IpAddr),
    /// An address of this link.
    #[error("{0} is an address that only its own link has")]
    Link(IpAddr),
    /// A port where another kind of service is.
    #[error("port {0} is that of another kind of service")]
    Port(u16),
    /// A stranger's link to a tracker in this network that does not look like one.
    #[error("{0} is in this network, and the path is not /announce")]
    LocalPath(IpAddr),
    /// A stranger's link to a web seed in this network, with a query.
    #[error("{0} is in this network, and the link has a query")]
    LocalQuery(IpAddr),
    /// A server sends us further inside than it is itself.
    #[error("{from} sends to {to}, which is inside")]
    Inward {
        /// Who sends.
        from: IpAddr,
        /// Whereto.
        to: IpAddr,
    },
    /// A peer inside, told of by somebody outside.
    #[error("{peer} is inside, and {from} is not")]
    Outsider {
        /// The peer.
        peer: IpAddr,
        /// Who tells of it.
        from: IpAddr,
    },
    /// Ourselves.
    #[error("{0} is our own address")]
    Ours(SocketAddr),
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Announces and scrapes.
    Tracker,
    /// Files (BEP 17, BEP 19).
    WebSeed,
}

/// Whose link it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The user has written it.
    User,
    /// It is of a torrent, a magnet link, or a peer.
    Stranger,
    /// A server at this address has sent us there; for the user's links, too.
    Redirect(IpAddr),
}

/// Whether a link may be followed to this address, which its host has.
///
/// # Errors
/// It may not: why.
pub fn link(purpose: Purpose, author: Author, url: &Url, ip: IpAddr) -> Result<(), NotAllowed> {
    let scope = scope(ip);
    match scope {
        Scope::Nowhere => return Err(NotAllowed::Nowhere(ip)),
        Scope::Link => return Err(NotAllowed::Link(ip)),
        Scope::Loopback | Scope::Private | Scope::Global => {}
    }
    // Packets of BEP 15 cannot be taken for a word of another protocol.
    if url.scheme() != Scheme::Udp && is_misused(url.port()) {
        return Err(NotAllowed::Port(url.port()));
    }
    if let Author::Redirect(from) = author
        && scope < self::scope(from)
    {
        return Err(NotAllowed::Inward { from, to: ip });
    }
    if author == Author::User || scope == Scope::Global {
        return Ok(());
    }
    match purpose {
        Purpose::Tracker if url.scheme() != Scheme::Udp && !is_announce(url.path()) => {
            Err(NotAllowed::LocalPath(ip))
        }
        Purpose::WebSeed if url.query().is_some() => Err(NotAllowed::LocalQuery(ip)),
        Purpose::Tracker | Purpose::WebSeed => Ok(()),
    }
}

/// `/announce`, with anything behind that is no other path: `/announce.php`, but not `/announce/../admin`. Also the
/// path of a scrape.
fn is_announce(path: &str) -> bool {
    let rest = path.strip_prefix("/announce").or_else(|| path.strip_prefix("/scrape"));
    rest.is_some_and(|rest| !rest.contains('/') && !rest.contains('%'))
}

/// Whether a peer may be dialled that `from` has told of: a tracker, another peer, a node of the DHT; or the peer
/// itself, by local discovery. `ours` are our own addresses.
///
/// # Errors
/// It may not: why.
pub fn peer(peer: SocketAddr, from: IpAddr, ours: &[SocketAddr]) -> Result<(), NotAllowed> {
    let (ip, from) = (peer.ip().to_canonical(), from.to_canonical());
    let scope = scope(ip);
    match scope {
        Scope::Nowhere => return Err(NotAllowed::Nowhere(ip)),
        Scope::Link if ip != from => return Err(NotAllowed::Link(ip)),
        _ => {}
    }
    if peer.port() == 0 || is_misused(peer.port()) {
        return Err(NotAllowed::Port(peer.port()));
    }
    if ours.iter().any(|own| own.port() == peer.port() && own.ip().to_canonical() == ip) {
        return Err(NotAllowed::Ours(peer));
    }
    let teller = self::scope(from);
    let outside = match scope {
        // Who is on this host is known only here.
        Scope::Loopback => teller != Scope::Loopback,
        Scope::Private => teller == Scope::Global || teller == Scope::Nowhere,
        Scope::Nowhere | Scope::Link | Scope::Global => false,
    };
    if outside { Err(NotAllowed::Outsider { peer: ip, from }) } else { Ok(()) }
}

/// Ports of services that read lines, and could take ours for their own.
#[rustfmt::skip]
const MISUSED: &[u16] = &[
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

fn is_misused(port: u16) -> bool {
    MISUSED.binary_search(&port).is_ok()
}
