//! The client's side, for tests: written from RFC 5802 apart from the server's.

use std::num::NonZeroU32;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;

use super::keys::client::prove;

/// A name as a `saslname`.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// A client that is asked for its messages one after the other.
pub(crate) struct Client {
    header: String,
    bare: String,
    exporter: Vec<u8>,
    password: String,
    signature: String,
}

impl Client {
    pub(crate) fn new(name: &str, password: &str, nonce: &str) -> Self {
        let bare = format!("n={},r={nonce}", escaped(name));
        Self {
            header: "n,,".into(),
            bare,
            exporter: Vec::new(),
            password: password.into(),
            signature: String::new(),
        }
    }

    /// With another header, and what it binds to.
    pub(crate) fn bound(mut self, header: &str, exporter: &[u8]) -> Self {
        (self.header, self.exporter) = (header.into(), exporter.into());
        self
    }

    pub(crate) fn first(&self) -> String {
        format!("{}{}", self.header, self.bare)
    }

    /// The answer to a challenge.
    pub(crate) fn last(&mut self, challenge: &str) -> String {
        let value = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
        let binding = BASE64.encode([self.header.as_bytes(), &self.exporter].concat());
        let unproved = format!("c={binding},r={}", value("r="));
        let signed = format!("{},{challenge},{unproved}", self.bare);
        let (salt, iterations) =
            (BASE64.decode(value("s=")).unwrap(), value("i=").parse::<NonZeroU32>().unwrap());
        let (proof, signature) = prove(&self.password, &salt, iterations, signed.as_bytes());
        self.signature = format!("v={}", BASE64.encode(signature));
        format!("{unproved},p={}", BASE64.encode(proof))
    }

    /// Whether the server knows the keys.
    pub(crate) fn trusts(&self, last: &str) -> bool {
        last == self.signature
    }
}
