//! Addresses as users type them, and peers as the kernel names them.
//!
//! A [`ListenAddr`] is where a server listens: an IP address and port, all addresses, a Unix socket, or a descriptor that
//! the service manager opened. A [`PeerAddr`] is who connected. [`Prefixes`] answers "is this peer one of those?".
//! IPv4 peers that reach an IPv6 socket carry mapped addresses (RFC 4291 section 2.5.5.2); they are IPv4 here, always, so
//! that no rule about an IPv4 address can be passed by in its other spelling.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// Where a server listens.
///
/// | typed | meaning |
/// |---|---|
/// | `127.0.0.1:8080`, `[::1]:8080` | one address |
/// | `[::]:8080` | all IPv6 addresses, and only those |
/// | `0.0.0.0:8080` | all IPv4 addresses |
/// | `:8080` | all addresses of both families |
/// | `localhost:8080` | the IPv4 loopback address, `127.0.0.1` |
/// | `unix:/run/app.sock` | a Unix socket |
/// | `fd:0`, `fd:web` | the descriptor of that index (from 0) or name handed over by the service manager |
///
/// Port 0 lets the kernel choose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddr {
    /// One IP address (or all of one family) and a port.
    Tcp(SocketAddr),
    /// All addresses of both families, on this port.
    Any(u16),
    /// A Unix socket at this path.
    Unix(PathBuf),
    /// A descriptor opened by the service manager.
    Inherited(Inherited),
}

/// Which of the descriptors handed over by the service manager.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inherited {
    /// By position, from 0.
    Index(usize),
    /// By name, as in `FileDescriptorName=` of a systemd socket unit.
    Name(String),
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddrError {
    /// There is no port.
    #[error("{0:?} has no port: write it as ADDRESS:PORT, for example 127.0.0.1:8080")]
    NoPort(String),
    /// The port is not a number from 0 to 65535.
    #[error("{1:?} in {0:?} is not a port: a port is a number from 0 to 65535")]
    Port(String, String),
    /// The part before the port is not an IP address.
    #[error(
        "{1:?} in {0:?} is not an IP address: write 127.0.0.1, [::1], localhost, or nothing for all addresses"
    )]
    Host(String, String),
    /// `unix:` without a path, or with one that no socket can have.
    #[error("{0:?} has no usable path: write it as unix:/run/app.sock")]
    Path(String),
    /// `fd:` without an index or a name.
    #[error("{0:?} names no descriptor: write it as fd:0 for the first one, or fd:NAME")]
    Descriptor(String),
    /// Neither an IP address nor a prefix.
    #[error("{0:?} is not an IP address or prefix: write it as 10.0.0.0/8 or 2001:db8::/32")]
    Prefix(String),
}

impl FromStr for ListenAddr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let usable = !path.is_empty() && !path.contains('\0');
            return usable.then(|| Self::Unix(path.into())).ok_or_else(|| AddrError::Path(text.into()));
        }
        if let Some(which) = text.strip_prefix("fd:") {
            return inherited(which).map(Self::Inherited).ok_or_else(|| AddrError::Descriptor(text.into()));
        }
        let (host, port) = split_port(text)?;
        let ip = match host {
            "" => return Ok(Self::Any(port)),
            host if host.eq_ignore_ascii_case("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
            host => parse_host(host).ok_or_else(|| AddrError::Host(text.into(), host.into()))?,
        };
        Ok(Self::Tcp(SocketAddr::new(ip, port)))
    }
}

/// Splits `HOST:PORT` at its last colon.
fn split_port(text: &str) -> Result<(&str, u16), AddrError> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| AddrError::NoPort(text.into()))?;
    if host.starts_with('[') && !host.ends_with(']') {
        return Err(AddrError::NoPort(text.into()));
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits => Ok((host, number)),
        _ => Err(AddrError::Port(text.into(), port.into())),
    }
}

/// An IPv4 address as it is, an IPv6 address in brackets.
fn parse_host(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn inherited(which: &str) -> Option<Inherited> {
    if which.is_empty() || which.contains(':') {
        None
    } else if which.bytes().all(|byte| byte.is_ascii_digit()) {
        which.parse().ok().map(Inherited::Index)
    } else {
        Some(Inherited::Name(which.into()))
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Any(port) => write!(f, ":{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inherited(Inherited::Index(index)) => write!(f, "fd:{index}"),
            Self::Inherited(Inherited::Name(name)) => write!(f, "fd:{name}"),
        }
    }
}

impl TryFrom<&str> for ListenAddr {
    type Error = AddrError;

    fn try_from(text: &str) -> Result<Self, AddrError> {
        text.parse()
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl TryFrom<String> for ListenAddr {
    type Error = AddrError;

    fn try_from(text: String) -> Result<Self, AddrError> {
        text.parse()
    }
}

impl From<ListenAddr> for String {
    fn from(address: ListenAddr) -> Self {
        address.to_string()
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddr {
    /// An IP address and port; never an IPv4-mapped IPv6 address when made by `From<SocketAddr>`.
    Ip(SocketAddr),
    /// A process on this machine, over a Unix socket.
    Unix,
}

impl PeerAddr {
    /// The IP address, if the peer has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => Self::Ip(SocketAddr::new(ip.into(), address.port())),
            IpAddr::V6(_) => Self::Ip(address),
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str("unix:"),
        }
    }
}

/// A list of IP prefixes, for example the load balancers that may send a PROXY header.
///
/// Typed as one text with commas (`10.0.0.0/8, 2001:db8::/32, 192.0.2.7`) or, in a file, as a list of texts. A bare
/// address is a prefix of that one address. Lookup walks the list: it is meant for tens of prefixes, not thousands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Prefixes(Vec<IpNet>);

impl Prefixes {
    /// Whether `ip` lies in one of the prefixes. An IPv4-mapped IPv6 address is compared as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|prefix| prefix.contains(&ip))
    }

    /// Whether the list has no prefix, so that it contains nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Prefixes {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse_prefix).collect()
    }
}

impl FromIterator<IpNet> for Prefixes {
    fn from_iter<I: IntoIterator<Item = IpNet>>(prefixes: I) -> Self {
        Self(prefixes.into_iter().collect())
    }
}

impl Extend<IpNet> for Prefixes {
    fn extend<I: IntoIterator<Item = IpNet>>(&mut self, prefixes: I) {
        self.0.extend(prefixes);
    }
}

impl IntoIterator for Prefixes {
    type Item = IpNet;
    type IntoIter = std::vec::IntoIter<IpNet>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl TryFrom<Vec<String>> for Prefixes {
    type Error = AddrError;

    fn try_from(texts: Vec<String>) -> Result<Self, AddrError> {
        texts.iter().map(|text| parse_prefix(text.trim())).collect()
    }
}

impl From<Prefixes> for Vec<String> {
    fn from(prefixes: Prefixes) -> Self {
        prefixes.0.iter().map(ToString::to_string).collect()
    }
}

impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, prefix) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{prefix}")?;
        }
        Ok(())
    }
}

/// One prefix or bare address; a prefix of mapped addresses becomes the IPv4 prefix it stands for.
fn parse_prefix(text: &str) -> Result<IpNet, AddrError> {
    let bare = text.parse::<IpAddr>().ok().map(IpNet::from);
    let prefix = bare.or_else(|| text.parse().ok()).ok_or_else(|| AddrError::Prefix(text.into()))?;
    let mapped = match prefix {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let v4 = mapped.and_then(|(ip, len)| Ipv4Net::new(ip, len).ok());
    Ok(v4.map_or(prefix, IpNet::V4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_users_type_them() {
        let tcp = |text: &str| ListenAddr::Tcp(text.parse().unwrap());
        let rows = [
            ("127.0.0.1:8080", tcp("127.0.0.1:8080")),
            ("0.0.0.0:0", tcp("0.0.0.0:0")),
            ("[::1]:80", tcp("[::1]:80")),
            ("[::]:65535", tcp("[::]:65535")),
            (":8080", ListenAddr::Any(8080)),
            ("unix:/run/a b.sock", ListenAddr::Unix("/run/a b.sock".into())),
            ("unix:app.sock", ListenAddr::Unix("app.sock".into())),
            ("fd:0", ListenAddr::Inherited(Inherited::Index(0))),
            ("fd:web", ListenAddr::Inherited(Inherited::Name("web".into()))),
        ];
        for (text, address) in rows {
            assert_eq!(text.parse(), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string(), text, "what is printed can be typed");
        }
        assert_eq!("localhost:8080".parse(), Ok(tcp("127.0.0.1:8080")));
        assert_eq!("LocalHost:0".parse(), Ok(tcp("127.0.0.1:0")));
    }

    #[test]
    fn what_is_no_address_is_named() {
        let rows = [
            ("", "\"\" has no port: write it as ADDRESS:PORT, for example 127.0.0.1:8080"),
            ("8080", "\"8080\" has no port: write it as ADDRESS:PORT, for example 127.0.0.1:8080"),
            ("[::1]", "\"[::1]\" has no port: write it as ADDRESS:PORT, for example 127.0.0.1:8080"),
            ("a:", "\"\" in \"a:\" is not a port: a port is a number from 0 to 65535"),
            (":65536", "\"65536\" in \":65536\" is not a port: a port is a number from 0 to 65535"),
            (":+80", "\"+80\" in \":+80\" is not a port: a port is a number from 0 to 65535"),
            ("unix:", "\"unix:\" has no usable path: write it as unix:/run/app.sock"),
            ("unix:a\0b", "\"unix:a\\0b\" has no usable path: write it as unix:/run/app.sock"),
            ("fd:", "\"fd:\" names no descriptor: write it as fd:0 for the first one, or fd:NAME"),
            (
                "fd:99999999999999999999",
                "\"fd:99999999999999999999\" names no descriptor: write it as fd:0 for the first one, or fd:NAME",
            ),
        ];
        for (text, message) in rows {
            assert_eq!(text.parse::<ListenAddr>().unwrap_err().to_string(), message);
        }
        for host in ["example.com:80", "::1:80", "[127.0.0.1]:80", "127.1:80", " 127.0.0.1:80", "*:80"] {
            assert!(matches!(host.parse::<ListenAddr>(), Err(AddrError::Host(..))), "{host}");
        }
    }

    #[test]
    fn a_listen_address_is_a_string_in_files() {
        let address: ListenAddr = serde_json::from_str("\":80\"").unwrap();
        assert_eq!(serde_json::to_string(&address).unwrap(), "\":80\"");
        let error = serde_json::from_str::<ListenAddr>("\"nowhere\"").unwrap_err().to_string();
        assert!(error.contains("has no port"), "{error}");
    }

    #[test]
    fn a_mapped_peer_is_an_ipv4_peer() {
        let rows = [
            ("[::ffff:192.0.2.1]:5", "192.0.2.1:5"),
            ("192.0.2.1:5", "192.0.2.1:5"),
            ("[2001:db8::1]:5", "[2001:db8::1]:5"),
            ("[::192.0.2.1]:5", "[::192.0.2.1]:5"),
        ];
        for (text, printed) in rows {
            let peer = PeerAddr::from(text.parse::<SocketAddr>().unwrap());
            assert_eq!(peer, PeerAddr::Ip(printed.parse().unwrap()), "{text}");
            assert_eq!(peer.ip(), Some(printed.parse::<SocketAddr>().unwrap().ip()));
        }
        assert_eq!(PeerAddr::Unix.to_string(), "unix:");
        assert_eq!(PeerAddr::Unix.ip(), None);
    }

    #[test]
    fn prefixes_contain_what_they_cover() {
        let prefixes: Prefixes = "10.0.0.0/8, 192.0.2.7,2001:db8::/32,::ffff:172.16.0.0/108".parse().unwrap();
        let rows = [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("::ffff:10.1.2.3", true),
            ("::ffff:11.1.2.3", false),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
        ];
        for (ip, expected) in rows {
            assert_eq!(prefixes.contains(ip.parse().unwrap()), expected, "{ip}");
        }
        assert_eq!(prefixes.to_string(), "10.0.0.0/8,192.0.2.7/32,2001:db8::/32,172.16.0.0/12");
        let all: Prefixes = "::/0".parse().unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()) && !all.contains("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn prefixes_are_a_list_in_files() {
        let prefixes: Prefixes = serde_json::from_str(r#"["10.0.0.0/8","::1"]"#).unwrap();
        assert_eq!(serde_json::to_string(&prefixes).unwrap(), r#"["10.0.0.0/8","::1/128"]"#);
        assert!(Prefixes::default().is_empty() && !Prefixes::default().contains(Ipv4Addr::LOCALHOST.into()));
        for bad in ["10.0.0.0/33", "10.0.0", "example.com", "10.0.0.0/8;::1"] {
            assert_eq!(bad.parse::<Prefixes>(), Err(AddrError::Prefix(bad.into())));
        }
    }
}
