//! SASL (RFC 4422): how a client shows who it is. The server's side of four mechanisms.
//!
//! [PLAIN](plain) carries a name and a password, [EXTERNAL](external) refers to the client's certificate, and [SCRAM-SHA-256](scram), with or
//! without a channel binding, proves that the client knows a password without sending it.
//!
//! Messages are bytes. How a protocol wraps them is its own affair: IRC sends base64 in lines of 400 characters. Nothing here
//! looks an account up: a message is read, and the caller, who knows accounts, is told what to compare.

pub mod external;
mod password;
pub mod plain;
mod reject;
pub mod scram;

use std::fmt;
use std::str::FromStr;

pub use self::password::prepare;
pub use self::reject::Reject;

/// Bytes of a client's message at most. PLAIN has two names of 255 bytes (RFC 4616, section 2) and a password; Ergo allows 600 bytes of
/// password, and Libera 400 for all of it.
pub const MAX_MESSAGE: usize = 4096;

/// Bytes of a name at most, whoever is meant: RFC 4616, section 2.
pub const MAX_NAME: usize = 255;

/// A way to show who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// `PLAIN`: RFC 4616. Only where nobody can listen: within TLS.
    Plain,
    /// `EXTERNAL`: RFC 4422, appendix A. Only for clients with a certificate.
    External,
    /// `SCRAM-SHA-256`: RFC 7677.
    ScramSha256,
    /// `SCRAM-SHA-256-PLUS`: the same, bound to the TLS connection (RFC 9266).
    ScramSha256Plus,
}

impl Mechanism {
    /// All of them, the strongest first: the order in which a server lists them.
    pub const ALL: [Self; 4] = [Self::ScramSha256Plus, Self::ScramSha256, Self::External, Self::Plain];

    /// Its registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::External => "EXTERNAL",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The mechanism is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mechanism is not known")]
pub struct UnknownMechanism;

impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    /// Reads a name in any case: they are registered in upper case, and some clients of IRC send them as their user typed them.
    fn from_str(name: &str) -> Result<Self, UnknownMechanism> {
        let known = Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name));
        known.ok_or(UnknownMechanism)
    }
}

/// A message as text. No mechanism allows NUL within its parts.
fn text(message: &[u8]) -> Result<&str, Reject> {
    if message.len() > MAX_MESSAGE {
        return Err(Reject::Long);
    }
    std::str::from_utf8(message).map_err(|_| Reject::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mechanisms_have_names() {
        for mechanism in Mechanism::ALL {
            assert_eq!(mechanism.name().parse(), Ok(mechanism));
            assert_eq!(mechanism.to_string().to_lowercase().parse(), Ok(mechanism));
        }
        for name in ["", "PLAIN ", "SCRAM-SHA-1", "SCRAM-SHA-256-", "*"] {
            assert_eq!(name.parse::<Mechanism>(), Err(UnknownMechanism), "{name:?}");
        }
    }
}
