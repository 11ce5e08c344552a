//! Why an exchange ended: a closed list, as HAProxy's termination states are, so that logs can be counted by it.

use std::fmt;

use serde::{Serialize, Serializer};

/// Why an exchange, or a connection, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole response was handed over; or both sides of a connection have said all.
    Complete,
    /// The balancer answered by itself: a redirect, a page.
    Local,
    /// A stored response, or one that another client's request brought, was the answer.
    Cached,
    /// The client left, or its connection was lost.
    ClientClosed,
    /// The client sent its request, or took its response, too slowly.
    ClientTimeout,
    /// The client broke the protocol.
    ClientInvalid,
    /// The body of the request was too long.
    TooLarge,
    /// No connection to the last backend that was tried.
    BackendRefused,
    /// No connection to it in time.
    BackendConnectTimeout,
    /// It closed or reset the connection before its response.
    BackendReset,
    /// Its response did not begin in time.
    BackendTimeout,
    /// What it said is no valid response.
    BackendInvalid,
    /// It was lost, or too slow, within its response.
    BackendCut,
    /// Both sides of a connection or a tunnel were silent for too long.
    IdleTimeout,
    /// No backend takes requests.
    NoBackend,
    /// Too many requests wait already.
    QueueFull,
    /// The request waited too long.
    QueueTimeout,
    /// No route takes the request.
    NoRoute,
    /// The client has not shown who it is, or is not allowed to ask.
    Denied,
    /// The client asks too often.
    RateLimited,
    /// The balancer stopped, and did not wait any longer.
    Aborted,
    /// A fault of the balancer itself.
    Internal,
}

impl End {
    /// All of them, in the order of the manual.
    pub const ALL: [Self; 22] = [
        Self::Complete,
        Self::Local,
        Self::Cached,
        Self::ClientClosed,
        Self::ClientTimeout,
        Self::ClientInvalid,
        Self::TooLarge,
        Self::BackendRefused,
        Self::BackendConnectTimeout,
        Self::BackendReset,
        Self::BackendTimeout,
        Self::BackendInvalid,
        Self::BackendCut,
        Self::IdleTimeout,
        Self::NoBackend,
        Self::QueueFull,
        Self::QueueTimeout,
        Self::NoRoute,
        Self::Denied,
        Self::RateLimited,
        Self::Aborted,
        Self::Internal,
    ];

    /// Its name in a log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Local => "local",
            Self::Cached => "cached",
            Self::ClientClosed => "client-closed",
            Self::ClientTimeout => "client-timeout",
            Self::ClientInvalid => "client-invalid",
            Self::TooLarge => "too-large",
            Self::BackendRefused => "backend-refused",
            Self::BackendConnectTimeout => "backend-connect-timeout",
            Self::BackendReset => "backend-reset",
            Self::BackendTimeout => "backend-timeout",
            Self::BackendInvalid => "backend-invalid",
            Self::BackendCut => "backend-cut",
            Self::IdleTimeout => "idle-timeout",
            Self::NoBackend => "no-backend",
            Self::QueueFull => "queue-full",
            Self::QueueTimeout => "queue-timeout",
            Self::NoRoute => "no-route",
            Self::Denied => "denied",
            Self::RateLimited => "rate-limited",
            Self::Aborted => "aborted",
            Self::Internal => "internal",
        }
    }

    /// Why an exchange ended that no backend was asked for, by the status of the reply.
    pub(super) const fn of_local(status: u16) -> Self {
        match status {
            401 | 403 | 407 => Self::Denied,
            404 => Self::NoRoute,
            429 => Self::RateLimited,
            408 => Self::ClientTimeout,
            413 => Self::TooLarge,
            400..500 | 501 => Self::ClientInvalid,
            500 => Self::Internal,
            _ => Self::Local,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_explains_each() {
        let manual = include_str!("../../../../docs/balance.md");
        let mut names: Vec<_> = End::ALL.iter().map(|end| end.name()).collect();
        for name in &names {
            assert!(manual.contains(&format!("| `{name}` |")), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), End::ALL.len());
    }
}
