//! The opening handshake (RFC 6455 section 4): HTTP for the last time.
//!
//! [`server`] judges a request and says what to answer; [`client`] makes the request to a [`url`] and judges the answer. The key that both ends hash is here, and the grammar of extensions in
//! [`extension`].

pub mod client;
pub mod extension;
pub mod server;
pub mod url;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The version of the protocol, and the only one that we speak.
pub const VERSION: &str = "13";

/// The protocol's name in `Upgrade`.
pub const UPGRADE: &str = "websocket";

/// What is hashed behind each key (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a key before it is written in base64.
pub const KEY: usize = 16;

/// `Sec-WebSocket-Accept` for `key`, a value of `Sec-WebSocket-Key` (section 4.2.2, step 5.4).
#[must_use]
pub fn accept_key(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Whether `key` is 16 bytes in base64 (section 4.2.1, step 5).
fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        for (key, good) in [
            ("dGhlIHNhbXBsZSBub25jZQ==", true),
            ("AAAAAAAAAAAAAAAAAAAAAA==", true),
            ("", false),
            ("dGhlIHNhbXBsZSBub25jZQ", false),
            ("dGhlIHNhbXBsZSBub25j", false),
            ("dGhlIHNhbXBsZSBub25jZSE=", false),
            ("dGhlIHNhbXBsZSBub25jZQ==, x", false),
            ("not base64 at all !!!!==", false),
        ] {
            assert_eq!(is_key(key.as_bytes()), good, "{key}");
        }
    }
}
