//! What an operator decides about connections: waits, rates and counts, each with its default.
//!
//! Plain, checked data. The limits of messages are [`Limits`]; how many connections there may be is
//! [`ConnectionLimits`](crate::net::limits::ConnectionLimits).

use std::time::Duration;

use http::header::SERVER;

use crate::net::pace::MinRate;
use crate::proto::http::fields::Fields;
use crate::proto::http::limits::Limits;

/// The settings of the connections of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Sizes and counts of messages.
    pub limits: Limits,
    /// From accept, and from the first byte of each later request, to the end of its head. Over it: 408.
    pub head_timeout: Duration,
    /// How long a connection may wait for its next request. Over it: closed without a word.
    pub idle_timeout: Duration,
    /// How long a handler may neither read its request's body nor begin its reply; zero for
    /// as long as it takes. Over it: 503.
    pub handler_timeout: Duration,
    /// The longest pause within a request's body, and within a reply that the client takes slowly.
    pub stall_timeout: Duration,
    /// How slowly a body may come. Over it: 408.
    pub min_read_rate: MinRate,
    /// How slowly a reply may be taken. Over it: cut.
    pub min_write_rate: MinRate,
    /// Requests on one connection: the last is answered with `Connection: close`.
    pub requests_per_connection: u64,
    /// Bytes of a body nobody wanted that are read to keep the connection.
    pub drain_limit: u64,
    /// How long a refused client may go on talking, so that it reads the answer.
    pub linger_timeout: Duration,
    /// Bytes that a refused client may go on talking.
    pub linger_limit: usize,
    /// Whether a client that ends its side of the connection while it waits for a reply has left: its handler is dropped. nginx, Envoy and Go
    /// see it so; a client that only says that it has no further request is not answered then.
    pub abort_on_close: bool,
    /// The value of `Server`; `None` to leave it out.
    pub server_name: Option<http::HeaderValue>,
}

impl Default for Settings {
    fn default() -> Self {
        // Kestrel's, but for the grace of writing. The system of a client that reads slowly says what it took in lumps: a
        // sixteenth of a receive buffer of 6 MiB in 30 s is 13 kB/s.
        let min_rate = |grace| MinRate { rate: 240, grace: Duration::from_secs(grace) };
        Self {
            limits: Limits::default(),
            head_timeout: Duration::from_secs(30), // hyper 30 s, nginx 60 s
            idle_timeout: Duration::from_secs(75), // nginx 75 s
            handler_timeout: Duration::from_secs(60), // nginx 60 s for an upstream
            stall_timeout: Duration::from_secs(60), // nginx 60 s
            min_read_rate: min_rate(5),
            min_write_rate: min_rate(30),
            requests_per_connection: 100_000,        // nginx 1000
            drain_limit: 256 * 1024,                 // Go 256 KiB
            linger_timeout: Duration::from_secs(10), // nginx 30 s
            linger_limit: 16 << 20,
            abort_on_close: false,
            server_name: None,
        }
    }
}

impl Settings {
    /// Adds `Server` to a reply that has none, when there is a name.
    pub(super) fn sign(&self, fields: &mut Fields) {
        if let Some(name) = &self.server_name
            && !fields.contains(&SERVER)
        {
            fields.append(SERVER, name.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_reply_is_signed_once_and_only_on_request() {
        let mut fields = Fields::new();
        Settings::default().sign(&mut fields);
        assert!(fields.is_empty());
        let named = Settings { server_name: Some(HeaderValue::from_static("ours")), ..Settings::default() };
        named.sign(&mut fields);
        named.sign(&mut fields);
        assert_eq!(fields.len(), 1);
        let mut own = Fields::new();
        own.set(SERVER, HeaderValue::from_static("the handler's"));
        named.sign(&mut own);
        assert_eq!(own.find("server").unwrap(), "the handler's");
    }
}
