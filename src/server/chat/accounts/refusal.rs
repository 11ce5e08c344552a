//! Why somebody is not let in, and what clients are told.

use std::time::Duration;

use super::super::store::StoreError;
use crate::proto::chat::name::NotAName;
use crate::proto::sasl::Reject;
use crate::server::jwt::JwtError;

/// Why a password cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// It has too few characters.
    #[error("the password has less than {0} characters")]
    Short(usize),
    /// It is longer than [`MAX_PASSWORD`](super::config::MAX_PASSWORD).
    #[error("the password is longer than {0} bytes")]
    Long(usize),
    /// It holds a control character, which many clients cannot type.
    #[error("the password holds a control character")]
    Control,
    /// It is the account's name.
    #[error("the password is the name of the account")]
    Name,
}

/// Why it was not done. The text is for people and tells nothing that they should not know; [`code`](Self::code) is for programs.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The name or the password is wrong, or the certificate belongs to nobody. It is not told which, nor whether there is such an account.
    #[error("the name or the password is wrong")]
    Credentials,
    /// There were too many failures: the account or the address has to wait for so long.
    #[error("too many attempts: try again in {} s", seconds(*.0))]
    Limited(Duration),
    /// Too many passwords are being checked, or the server stops.
    #[error("the server is busy: try again soon")]
    Busy,
    /// The password is right, and an operator has suspended the account, for this reason.
    #[error("the account is suspended: {0}")]
    Suspended(String),
    /// Somebody has the name.
    #[error("the name is taken")]
    Taken,
    /// Nobody can have the name.
    #[error("the name is reserved")]
    Reserved,
    /// It is no name.
    #[error("the name cannot be used: {0}")]
    Name(#[from] NotAName),
    /// Accounts are made by operators only.
    #[error("accounts are made by operators only")]
    Closed,
    /// The invitation code is missing or wrong.
    #[error("a valid invitation code is needed")]
    Invitation,
    /// The password cannot be chosen.
    #[error("{0}")]
    Weak(#[from] Weak),
    /// The token is not known, or its session is over.
    #[error("the session is over")]
    Session,
    /// The token of the issuer is refused.
    #[error("{0}")]
    Jwt(#[from] JwtError),
    /// The token of the issuer names nobody who can have an account.
    #[error("the token names no account")]
    Nobody,
    /// The account has a password of its own, so tokens of the issuer do not open it; or it has none that could be changed.
    #[error("the account is not opened in this way")]
    OtherWay,
    /// There are no tokens here, or the mechanism is not offered on this connection.
    #[error("this way to log in is not offered")]
    NotOffered,
    /// The client's messages make no sense.
    #[error("{0}")]
    Sasl(#[from] Reject),
    /// The account has as many certificates as it may.
    #[error("the account has {0} certificates already")]
    Certificates(usize),
    /// There is no such account or session.
    #[error("there is none")]
    None,
    /// The store cannot do it now.
    #[error("{0}")]
    Store(StoreError),
    /// The system gives no random bytes.
    #[error("{0}")]
    Random(#[from] std::io::Error),
}

impl Refusal {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Credentials => "wrong-credentials",
            Self::Limited(_) => "rate-limited",
            Self::Busy => "busy",
            Self::Suspended(_) => "suspended",
            Self::Taken => "name-taken",
            Self::Reserved => "name-reserved",
            Self::Name(_) => "bad-name",
            Self::Closed => "registration-closed",
            Self::Invitation => "invitation-needed",
            Self::Weak(_) => "bad-password",
            Self::Session => "session-over",
            Self::Jwt(_) | Self::Nobody => "bad-token",
            Self::OtherWay => "other-way",
            Self::NotOffered => "not-offered",
            Self::Sasl(_) => "bad-sasl",
            Self::Certificates(_) => "too-many-certificates",
            Self::None => "not-found",
            Self::Store(_) | Self::Random(_) => "unavailable",
        }
    }

    /// How long to wait before it makes sense to try again, if that would help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limited(wait) => Some(*wait),
            Self::Busy => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken => Self::Taken,
            StoreError::None => Self::None,
            error => Self::Store(error),
        }
    }
}

/// Whole seconds, so that who waits for so long does not come too early.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_named_in_whole_seconds() {
        for (millis, said) in [(1, "1 s"), (1000, "1 s"), (1001, "2 s")] {
            let refusal = Refusal::Limited(Duration::from_millis(millis));
            assert!(refusal.to_string().ends_with(&format!("in {said}")), "{refusal}");
            assert_eq!(refusal.retry_after(), Some(Duration::from_millis(millis)));
        }
        assert_eq!(Refusal::Credentials.retry_after(), None);
    }

    #[test]
    fn answers_of_a_store() {
        for (error, code) in [
            (StoreError::Taken, "name-taken"),
            (StoreError::None, "not-found"),
            (StoreError::Away("x".into()), "unavailable"),
            (StoreError::Full("x".into()), "unavailable"),
        ] {
            assert_eq!(Refusal::from(error).code(), code);
        }
    }
}
