//! Where a tracker is, or a web seed: `http`, `https` and `udp`.
//!
//! Reading is strict where two readers could see two different hosts in one text, as a link that seems to lead outside
//! could then lead to a service of this machine: no user information, no backslash, no blank, and a host that looks
//! like a number is an IPv4 address in its only spelling.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Bytes of a URL at most. Nothing that is in use is longer; servers refuse lines of 8 KiB.
pub const MAX_URL: usize = 2048;

/// Bytes of a name in the DNS at most (RFC 1035 section 2.3.4, without the dot at the end).
const MAX_NAME: usize = 253;

/// What is escaped in a target, if it is not already: letters beyond ASCII, and what no URL has (RFC 3986).
const NOT_IN_TARGET: &AsciiSet = &CONTROLS.add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');

/// How a tracker is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// HTTP.
    Http,
    /// HTTP within TLS.
    Https,
    /// Packets of BEP 15.
    Udp,
}

impl Scheme {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Udp => "udp",
        }
    }

    /// The port where none is written. For `udp` nothing is laid down; 80 is what libtorrent takes.
    fn port(self) -> u16 {
        match self {
            Self::Http | Self::Udp => 80,
            Self::Https => 443,
        }
    }
}

/// Whose address it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An address.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(formatter, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(formatter, "[{ip}]"),
        }
    }
}

/// A URL that was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// The path, which begins with a slash, and the query.
    target: String,
}

/// Why a text is no URL of a tracker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// More than [`MAX_URL`].
    #[error("a URL of more than {MAX_URL} bytes")]
    Long,
    /// Neither `http`, `https` nor `udp`.
    #[error("{0:?} is no kind of address that is known here: http, https and udp are")]
    Scheme(String),
    /// Characters that different programs understand differently.
    #[error("a URL has no {0:?}")]
    Character(char),
    /// A user in front of the host.
    #[error("a URL with a user and a password")]
    Credentials,
    /// The host is none.
    #[error("{0:?} is no host")]
    Host(String),
    /// The port is none.
    #[error("{0:?} is no port")]
    Port(String),
}

impl Url {
    /// How it is spoken to.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whose address it is.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, which is never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query: of an HTTP request, or of the option of BEP 41.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What follows the question mark, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Host and port, as in the field `Host` of a request: without the port if it is the scheme's.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The target of a scrape (BEP 48): `announce` behind the last slash becomes `scrape`. `None` if it is not there,
    /// which says that this tracker cannot be scraped. By UDP every tracker can.
    #[must_use]
    pub fn scrape_target(&self) -> Option<String> {
        let (head, last) = self.target.rsplit_once('/')?;
        Some(format!("{head}/scrape{}", last.strip_prefix("announce")?))
    }

    /// Where a redirection leads (RFC 3986 section 5): another URL, or another target on the same host.
    ///
    /// # Errors
    /// It is no URL. Whether it may be followed is another question: see [`allowed`](super::allowed).
    pub fn redirected(&self, location: &str) -> Result<Self, UrlError> {
        let location = location.trim();
        if location.starts_with("//") {
            return format!("{}:{location}", self.scheme.name()).parse();
        }
        let head = location.split(['/', '?', '#']).next().unwrap_or_default();
        if head.contains(':') {
            return location.parse();
        }
        let path = self.path();
        let target = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            None | Some('#') => self.target.clone(),
            Some(_) => format!("{}/{location}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        check(&target)?;
        Ok(Self { target: escape(&target), ..self.clone() })
    }
}

/// Length and characters.
fn check(text: &str) -> Result<(), UrlError> {
    if text.len() > MAX_URL {
        return Err(UrlError::Long);
    }
    match text.chars().find(|letter| letter.is_control() || letter.is_whitespace() || *letter == '\\') {
        Some(letter) => Err(UrlError::Character(letter)),
        None => Ok(()),
    }
}

/// A target without its fragment.
fn escape(target: &str) -> String {
    let plain = target.split('#').next().unwrap_or_default();
    utf8_percent_encode(plain, NOT_IN_TARGET).to_string()
}

fn host(text: &str) -> Result<Host, UrlError> {
    let wrong = || UrlError::Host(text.to_owned());
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(wrong)?;
        return Ok(Host::Ip(IpAddr::V6(inner.parse::<Ipv6Addr>().map_err(|_| wrong())?)));
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(IpAddr::V4(ip)));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let labels = || name.split('.');
    let plain = |label: &str| {
        let mut bytes = label.bytes();
        matches!(label.len(), 1..=63)
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // 127.1, 0x7f000001 and 2130706433 are addresses to some resolvers (inet_aton).
    let last = labels().next_back().unwrap_or_default();
    let number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    if name.len() > MAX_NAME || number || !labels().all(plain) {
        return Err(wrong());
    }
    Ok(Host::Name(name))
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        check(text)?;
        let (scheme, rest) = text.split_once("://").ok_or_else(|| UrlError::Scheme(text.to_owned()))?;
        let known = [Scheme::Http, Scheme::Https, Scheme::Udp];
        let scheme = known
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(scheme))
            .ok_or_else(|| UrlError::Scheme(scheme.to_owned()))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        // The colons of an IPv6 address are within brackets.
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            // An empty port is the default (RFC 3986 section 3.2.3).
            None | Some("") => scheme.port(),
            Some(digits) => {
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.parse().ok().filter(|number| plain && *number != 0);
                number.ok_or_else(|| UrlError::Port(digits.to_owned()))?
            }
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { scheme, host: host(name)?, port, target: format!("{slash}{}", escape(target)) })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A link of UDP without a path is written without one.
        let bare = self.scheme == Scheme::Udp && self.target == "/";
        let target = if bare { "" } else { &self.target };
        write!(formatter, "{}://{}{target}", self.scheme.name(), self.authority())
    }
}
