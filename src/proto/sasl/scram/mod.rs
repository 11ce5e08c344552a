//! SCRAM-SHA-256 (RFC 5802, RFC 7677): a client proves that it knows a password, and the server that it keeps the keys of that password.
//!
//! The exchange is four messages. [`ClientFirst::parse`] reads the first and names the account; the caller finds its [`Keys`], or
//! [`Keys::fake`] ones if there are none, and [`ClientFirst::challenge`] writes the second. [`Pending::finish`] reads the third and writes the fourth.
//! Whoever has no account is refused at the same step, after the same computations, as one who has the wrong password.
//!
//! A channel binding is `tls-exporter` (RFC 9266), 32 bytes that only the two ends of a TLS connection can compute. Others are refused.

mod exchange;
mod keys;
mod message;

pub use self::exchange::{ClientFirst, Exporter, Pending};
pub use self::keys::{KEY_LENGTH, Keys, SALT_LENGTH};

#[cfg(test)]
pub(crate) mod client;
