//! Why a part of the stack has answered in place of the handler.
//!
//! The answer itself carries the reason ([`Response::refusal`](crate::server::http::response::Response::refusal)), so that whoever stands
//! around the stack can count and log refusals without guessing from the status: a handler may answer 429 or 503, too.

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum RefusalReason {
    /// A preflight came from an origin that is not allowed (403).
    Cors,
    /// The client has not shown who it is, or may not ask (401, 403, or what another server has said).
    Auth,
    /// The client asks too often (429).
    Rate,
    /// Too many requests are under way, and too many wait (503).
    QueueFull,
    /// The request has waited too long for others to end (503).
    QueueTimeout,
    /// The handler took too long (503 or 504).
    Timeout,
    /// The body is too long (413).
    Body,
}

/// How many reasons there are.
const REASONS: usize = RefusalReason::Body as usize + 1;

impl RefusalReason {
    /// All of them.
    pub const ALL: [Self; REASONS] =
        [Self::Cors, Self::Auth, Self::Rate, Self::QueueFull, Self::QueueTimeout, Self::Timeout, Self::Body];

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cors => "cors",
            Self::Auth => "auth",
            Self::Rate => "rate",
            Self::QueueFull => "queue-full",
            Self::QueueTimeout => "queue-timeout",
            Self::Timeout => "timeout",
            Self::Body => "body",
        }
    }
}
