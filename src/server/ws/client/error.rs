//! Why there is no socket, in one line.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::net::client::ConnectError;
use crate::proto::http::client::{ResponseHead, is_transient};
use crate::proto::ws::handshake::client::{Mismatch, WishError};
use crate::proto::ws::handshake::url::UrlError;
use crate::server::http::client::{AskError, TunnelError};

/// Characters of a refusal's body that a message shows.
const SHOWN: usize = 200;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The text is no URL of a WebSocket.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// What was wished for cannot be asked for.
    #[error(transparent)]
    Wish(#[from] WishError),
    /// A Unix socket through a proxy.
    #[error("a Unix socket is not reached through a proxy")]
    UnixByProxy,
    /// The server cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The proxy gives no tunnel.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// The server gives no answer, or none that is HTTP.
    #[error("{url} gives no answer: {error}")]
    Ask {
        /// The URL.
        url: String,
        /// Why.
        error: AskError,
    },
    /// The server says no.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// The server's answer is not the one to our request.
    #[error("{url} gives a wrong answer: {mismatch}")]
    Mismatch {
        /// The URL.
        url: String,
        /// What is wrong with it.
        mismatch: Mismatch,
    },
    /// It took too long.
    #[error("{url} is not open within {after:?}")]
    Deadline {
        /// The URL.
        url: String,
        /// The deadline.
        after: Duration,
    },
    /// One connection after the other ended soon after it was open.
    #[error("{url} ends every connection soon, {times} in a row")]
    Unsteady {
        /// The URL.
        url: String,
        /// How many attempts there were.
        times: u32,
    },
    /// The system gives no random bytes.
    #[error(transparent)]
    Random(#[from] io::Error),
}

impl OpenError {
    /// Whether the same attempt may succeed later, with nothing changed here: not when the URL, a certificate or a password
    /// is wrong, nor when the server does not know the place.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_retryable(),
            Self::Tunnel(error) => error.is_retryable(),
            Self::Ask { error, .. } => error.is_retryable(),
            Self::Refused(refused) => is_transient(refused.status()),
            Self::Deadline { .. } => true,
            Self::Url(_)
            | Self::Wish(_)
            | Self::UnixByProxy
            | Self::Mismatch { .. }
            | Self::Unsteady { .. }
            | Self::Random(_) => false,
        }
    }
}

/// What a server says that says no.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The URL that was asked for.
    pub url: String,
    /// The head of its answer.
    pub response: ResponseHead,
    /// The beginning of its body, at most [`EXCERPT`](super::EXCERPT) bytes.
    pub body: Bytes,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers {}", self.url, self.status())?;
        if let Some(location) = self.location() {
            return write!(f, ", and that it is at {location}; redirects are not followed");
        }
        match &*self.words() {
            "" => Ok(()),
            words => write!(f, ": {words}"),
        }
    }
}

impl Refused {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Where a redirect points, as it was sent, when that can be shown.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        let location = self.response.field_str("location").filter(|_| self.status().is_redirection())?;
        location.chars().all(|c| !c.is_control()).then_some(location)
    }

    /// What the body says, when it is not a page for browsers: in one line, without control characters.
    fn words(&self) -> String {
        let kind = self.response.field_str("content-type").unwrap_or_default();
        if kind.to_ascii_lowercase().contains("html") {
            return String::new();
        }
        let text = String::from_utf8_lossy(&self.body);
        let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = printable.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(SHOWN) {
            Some((at, _)) => format!("{}...", &line[..at]),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::http::client::parse;
    use crate::proto::http::limits::Limits;

    fn refused(head: &str, body: &[u8]) -> Refused {
        let response = parse(format!("HTTP/1.1 {head}\r\n\r\n").into(), &Limits::default()).unwrap();
        Refused { url: "ws://a/".into(), response, body: Bytes::copy_from_slice(body) }
    }

    #[test]
    fn a_refusal_in_one_line() {
        let long = "ab ".repeat(200);
        let rows: [(&str, &[u8], &str); 8] = [
            ("404 X", b"", "ws://a/ answers 404 Not Found"),
            ("401 X", b"who\r\n are \x1b[31myou?\n", "ws://a/ answers 401 Unauthorized: who are [31myou?"),
            ("403 X\r\nContent-Type: Text/HTML", b"<h1>No</h1>", "ws://a/ answers 403 Forbidden"),
            (
                "400 X\r\nContent-Type: application/json",
                b"{\"a\": 1}",
                "ws://a/ answers 400 Bad Request: {\"a\": 1}",
            ),
            ("500 X", b"\xff\xfe", "ws://a/ answers 500 Internal Server Error: \u{fffd}\u{fffd}"),
            (
                "301 X\r\nLocation: https://b/c",
                b"moved",
                "ws://a/ answers 301 Moved Permanently, and that it is at https://b/c; redirects are not followed",
            ),
            ("200 X\r\nLocation: https://b/c", b"", "ws://a/ answers 200 OK"),
            ("400 X", long.as_bytes(), ""),
        ];
        for (head, body, expected) in rows {
            let text = refused(head, body).to_string();
            if expected.is_empty() {
                assert!(text.ends_with("ab..."), "{text}");
                assert_eq!(text.len(), "ws://a/ answers 400 Bad Request: ...".len() + SHOWN);
            } else {
                assert_eq!(text, expected);
            }
        }
    }

    #[test]
    fn what_may_change_is_tried_again() {
        let by_status = |line: &str| OpenError::Refused(Box::new(refused(line, b"")));
        let url = || String::from("ws://a/");
        let rows = [
            (by_status("503 X"), true),
            (by_status("429 X"), true),
            (by_status("502 X"), true),
            (by_status("400 X"), false),
            (by_status("401 X"), false),
            (by_status("404 X"), false),
            (by_status("426 X"), false),
            (by_status("301 X"), false),
            (by_status("200 X"), false),
            (OpenError::Ask { url: url(), error: AskError::Closed }, true),
            (OpenError::Deadline { url: url(), after: Duration::from_secs(1) }, true),
            (OpenError::Mismatch { url: url(), mismatch: Mismatch::Accept }, false),
            (OpenError::Url(UrlError::Scheme), false),
            (OpenError::Unsteady { url: url(), times: 3 }, false),
        ];
        for (error, retryable) in rows {
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
    }
}
