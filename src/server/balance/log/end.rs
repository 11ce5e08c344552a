//! Why an exchange ended: a closed list like HAProxy's termination states, for statistics over the log.

use std::fmt;

use serde::{Serialize, Serializer};

/// Why an exchange, or a connection, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole response was sent, or both sides of a connection finished.
    Complete,
    /// The balancer answered by itself: a redirect, a page.
    Local,
    /// A stored response, or one that another client's request brought, was the answer.
    Cached,
    /// The client left, or its connection was lost.
    ClientClosed,
    /// The client sent its request, or read its response, too slowly.
    ClientTimeout,
    /// The client broke the protocol.
    ClientInvalid,
    /// The body of the request was too long.
    TooLarge,
    /// The last backend that was tried could not be connected to.
    BackendRefused,
    /// Connecting to it took too long.
    BackendConnectTimeout,
    /// It closed or reset the connection before its response.
    BackendReset,
    /// Its response did not begin in time.
    BackendTimeout,
    /// The backend sent something that is not a valid response.
    BackendInvalid,
    /// The connection to the backend was lost, or it stalled, during its response.
    BackendCut,
    /// Both sides of a connection or a tunnel were silent for too long.
    IdleTimeout,
    /// No backend is available.
    NoBackend,
    /// The queue is full.
    QueueFull,
    /// The request waited too long in the queue.
    QueueTimeout,
    /// No route matches.
    NoRoute,
    /// The client is not authenticated, or not allowed to do this.
    Denied,
    /// The client exceeded a rate limit.
    RateLimited,
    /// The balancer stopped and the drain timeout passed.
    Aborted,
    /// An error in the balancer itself.
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

    /// Why an exchange without a backend ended, by the status of the response.
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
