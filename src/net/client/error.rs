//! Why there is no connection, in one line that says what was tried, and where.

use std::fmt::{self, Write};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::eyeballs::Refusals;
use crate::net::tls::TlsError;
use crate::net::words;

/// Refusals that a message spells out; of more it gives the number.
const SHOWN: usize = 4;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// What should be a host is none.
    #[error("{0:?} is neither a host's name nor an IP address")]
    Host(String),
    /// The name could not be looked up, or does not exist: resolvers do not say which.
    #[error("cannot resolve {host}: {}", lookup(error))]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// The name exists, without an address.
    #[error("cannot resolve {host}: it has no address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// No address took the connection.
    #[error("cannot connect to {place}: {}", refused(place, refusals))]
    Refused {
        /// Host and port as asked for.
        place: String,
        /// Each address that was tried, and what the system said.
        refusals: Refusals,
    },
    /// The Unix socket took no connection.
    #[error("cannot connect to unix:{}: {}", path.display(), plain(error))]
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A function of the caller's, in place of ours, made no connection.
    #[error("cannot connect to {place}: {}", plain(error))]
    Dial {
        /// Where.
        place: String,
        /// What the function said.
        error: io::Error,
    },
    /// A step took too long.
    #[error("cannot {step} {place}: no answer within {after:?}")]
    Deadline {
        /// The step.
        step: Step,
        /// The host, with its port where it matters.
        place: String,
        /// How long all steps were allowed to take.
        after: Duration,
    },
    /// The server's certificate is not one for this host from somebody who is trusted.
    #[error("the certificate of {host}: {}", certificate(error))]
    Certificate {
        /// The host as asked for.
        host: String,
        /// What is wrong with the certificate.
        error: CertificateError,
    },
    /// The server speaks no TLS, or none that both know.
    #[error("cannot make a TLS handshake with {host}: {}", tls(error))]
    Tls {
        /// The host as asked for.
        host: String,
        /// Why.
        error: rustls::Error,
    },
    /// The connection failed within the TLS handshake.
    #[error("cannot make a TLS handshake with {host}: {}", plain(error))]
    Handshake {
        /// The host as asked for.
        host: String,
        /// What the system said.
        error: io::Error,
    },
    /// The client's own TLS files, or the system's, cannot be used.
    #[error(transparent)]
    Config(#[from] TlsError),
}

/// A step on the way to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Looking the name up.
    Resolve,
    /// Connecting to its addresses.
    Connect,
    /// The TLS handshake.
    Handshake,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect to",
            Self::Handshake => "make a TLS handshake with",
        })
    }
}

impl ConnectError {
    /// Whether the same attempt may succeed later, with nothing changed here: the server is not up, or the network is not. A
    /// name that does not exist counts, because a resolver without a network says the same.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::NoAddress { .. }
            | Self::Refused { .. }
            | Self::Dial { .. }
            | Self::Deadline { .. }
            | Self::Handshake { .. } => true,
            Self::Unix { error, .. } => error.kind() != io::ErrorKind::PermissionDenied,
            Self::Host(_) | Self::Certificate { .. } | Self::Tls { .. } | Self::Config(_) => false,
        }
    }

    /// Of what the TLS library gave.
    pub(super) fn handshake(host: &str, error: io::Error) -> Self {
        let host = host.into();
        match error.downcast::<rustls::Error>() {
            Ok(rustls::Error::InvalidCertificate(error)) => Self::Certificate { host, error },
            Ok(error) => Self::Tls { host, error },
            Err(error) => Self::Handshake { host, error },
        }
    }
}

/// `name or service not known`, without the words that say that it was looked up.
fn lookup(error: &io::Error) -> String {
    let text = words::plain(error);
    text.strip_prefix("failed to lookup address information: ").map_or(text.clone(), str::to_owned)
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket".into(),
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::UnexpectedEof => "the server closed the connection".into(),
        _ => words::plain(error),
    }
}

/// What each address said, or all of them; the addresses only where they say more than the place does.
fn refused(place: &str, refusals: &Refusals) -> String {
    let mut text = String::new();
    let (shown, more) = refusals.split_at(refusals.len().min(SHOWN));
    for (index, (address, error)) in shown.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        let address = address.to_string();
        let address = if address == place { String::new() } else { format!("{address}: ") };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{address}{}", plain(error));
    }
    if !more.is_empty() {
        let _ = write!(text, "; and {} more addresses", more.len());
    }
    text
}

/// Why a connection failed. What a server thinks of its client's certificate is heard only then, as with TLS 1.3 the client has finished its
/// handshake before (RFC 8446 section 4.4.2.4).
pub(crate) fn in_words(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.map_or_else(|| error.to_string(), tls)
}

/// What is wrong with TLS, likewise.
fn tls(error: &rustls::Error) -> String {
    let text = match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => "the server does not speak TLS",
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the other side wants to see our certificate, and we have shown none"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "the other side says that our certificate has expired"
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError,
        ) => "the other side does not accept our certificate",
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "the other side speaks another protocol"
        }
        other => return other.to_string(),
    };
    text.into()
}

/// What is wrong with a certificate, in the words of who has to mend it.
fn certificate(error: &CertificateError) -> String {
    match error {
        // The mark of an authority, and nobody has named it as trusted: as of `openssl req -x509`.
        CertificateError::Other(rustls::OtherError(other)) if format!("{other:?}") == "CaUsedAsEndEntity" => {
            "it has signed itself, and is not among those that are trusted here".into()
        }
        CertificateError::UnknownIssuer => "no authority that is trusted here has signed it".into(),
        CertificateError::Expired => "it has expired".into(),
        CertificateError::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            format!("it has expired, {days} days ago")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".into()
        }
        CertificateError::NotValidForName => "it is for other names".into(),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "it is for no name at all".into()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names: Vec<_> = presented.iter().take(SHOWN).map(|name| plain_name(name)).collect();
            let more = if presented.len() > SHOWN { ", ..." } else { "" };
            format!("it is for other names: {}{more}", names.join(", "))
        }
        CertificateError::BadSignature => "the authority that it names has not signed it".into(),
        CertificateError::Revoked => "it was revoked".into(),
        other => other.to_string(),
    }
}

/// `a.test` of `DnsName("a.test")`, as the library spells names.
fn plain_name(name: &str) -> String {
    name.split('"').nth(1).unwrap_or(name).into()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rustix::io::Errno;

    use super::*;

    fn io(number: Errno) -> io::Error {
        io::Error::from_raw_os_error(number.raw_os_error())
    }

    #[test]
    fn each_error_says_what_and_where_and_whether_to_try_again() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let refused = |place: &str, addresses: &[&str]| ConnectError::Refused {
            place: place.into(),
            refusals: addresses.iter().map(|text| (address(text), io(Errno::CONNREFUSED))).collect(),
        };
        let host = || String::from("a.test");
        let deadline =
            |step| ConnectError::Deadline { step, place: host(), after: Duration::from_millis(1500) };
        let certificate = |error| ConnectError::Certificate { host: host(), error };
        let rows = [
            (ConnectError::Host("a b".into()), "\"a b\" is neither a host's name nor an IP address", false),
            (
                ConnectError::Resolve {
                    host: host(),
                    error: io::Error::other("failed to lookup address information: Temporary failure"),
                },
                "cannot resolve a.test: temporary failure",
                true,
            ),
            (ConnectError::NoAddress { host: host() }, "cannot resolve a.test: it has no address", true),
            (
                refused("127.0.0.1:1", &["127.0.0.1:1"]),
                "cannot connect to 127.0.0.1:1: connection refused",
                true,
            ),
            (
                refused("a.test:1", &["[::1]:1", "127.0.0.1:1"]),
                "cannot connect to a.test:1: [::1]:1: connection refused; 127.0.0.1:1: connection refused",
                true,
            ),
            (
                refused("a.test:1", &["10.0.0.1:1"; 6]),
                "cannot connect to a.test:1: 10.0.0.1:1: connection refused; 10.0.0.1:1: connection refused; \
                 10.0.0.1:1: connection refused; 10.0.0.1:1: connection refused; and 2 more addresses",
                true,
            ),
            (
                ConnectError::Unix { path: "/run/a.sock".into(), error: io(Errno::NOENT) },
                "cannot connect to unix:/run/a.sock: there is no such socket",
                true,
            ),
            (
                ConnectError::Unix { path: "/run/a.sock".into(), error: io(Errno::ACCESS) },
                "cannot connect to unix:/run/a.sock: permission denied",
                false,
            ),
            (
                ConnectError::Dial { place: "a.test:1".into(), error: io(Errno::CONNREFUSED) },
                "cannot connect to a.test:1: connection refused",
                true,
            ),
            (deadline(Step::Resolve), "cannot resolve a.test: no answer within 1.5s", true),
            (deadline(Step::Connect), "cannot connect to a.test: no answer within 1.5s", true),
            (
                deadline(Step::Handshake),
                "cannot make a TLS handshake with a.test: no answer within 1.5s",
                true,
            ),
            (
                certificate(CertificateError::UnknownIssuer),
                "the certificate of a.test: no authority that is trusted here has signed it",
                false,
            ),
            (certificate(CertificateError::Expired), "the certificate of a.test: it has expired", false),
            (
                certificate(CertificateError::BadSignature),
                "the certificate of a.test: the authority that it names has not signed it",
                false,
            ),
            (
                ConnectError::handshake(
                    "a.test",
                    io::Error::other(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)),
                ),
                "cannot make a TLS handshake with a.test: the other side speaks another protocol",
                false,
            ),
            (
                ConnectError::handshake("a.test", io(Errno::CONNRESET)),
                "cannot make a TLS handshake with a.test: connection reset by peer",
                true,
            ),
            (
                ConnectError::handshake("a.test", io::ErrorKind::UnexpectedEof.into()),
                "cannot make a TLS handshake with a.test: the server closed the connection",
                true,
            ),
            (
                ConnectError::Config(TlsError::NoAuthorities { reason: None }),
                "the system has no certificate authorities",
                false,
            ),
        ];
        for (error, text, retryable) in rows {
            assert_eq!(error.to_string(), text);
            assert_eq!(error.is_retryable(), retryable, "{text}");
        }
    }
}
