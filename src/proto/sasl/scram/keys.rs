//! What a server keeps of a password: RFC 5802, section 3. Nobody can log in by it without guessing the password.

use std::fmt;
use std::num::NonZeroU32;

use ring::digest::{SHA256, digest};
use ring::{hmac, pbkdf2};
use subtle::ConstantTimeEq;

use super::super::prepare;

/// Bytes of a key: those of SHA-256.
pub const KEY_LENGTH: usize = 32;

/// Bytes of a salt. PostgreSQL and Ergo have 16.
pub const SALT_LENGTH: usize = 16;

/// The keys of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// What makes equal passwords have different keys.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2, which the client has to compute at each login.
    pub iterations: NonZeroU32,
    /// `StoredKey`, by which a proof is checked.
    pub stored_key: [u8; KEY_LENGTH],
    /// `ServerKey`, by which we prove that we know the password's keys.
    pub server_key: [u8; KEY_LENGTH],
}

impl Keys {
    /// The keys of a password, which is [prepared](prepare) first. This takes about a quarter of a microsecond for each iteration.
    #[must_use]
    pub fn derive(password: &str, salt: Vec<u8>, iterations: NonZeroU32) -> Self {
        let salted = salted(password, &salt, iterations);
        let stored_key = hash(&client_key(&salted));
        let server_key = mac(&salted, &[b"Server Key"]);
        Self { salt, iterations, stored_key, server_key }
    }

    /// Keys for a name that has no account: always the same for a name, as those of an account are, and different for each name. No password
    /// fits them. `secret` is known to the server alone, and must outlive a restart of it.
    #[must_use]
    pub fn fake(secret: &[u8; KEY_LENGTH], name: &str, iterations: NonZeroU32) -> Self {
        let part = |what: &[u8]| mac(secret, &[what, name.to_ascii_lowercase().as_bytes()]);
        let salt = part(b"salt ")[..SALT_LENGTH].to_vec();
        Self { salt, iterations, stored_key: part(b"stored key "), server_key: part(b"server key ") }
    }

    /// Whether a client that says this about `message` knows the password.
    pub(super) fn proves(&self, proof: &[u8; KEY_LENGTH], message: &[u8]) -> bool {
        let mut key = mac(&self.stored_key, &[message]);
        key.iter_mut().zip(proof).for_each(|(byte, proof)| *byte ^= proof);
        hash(&key).ct_eq(&self.stored_key).into()
    }

    /// `ServerSignature`.
    pub(super) fn signature(&self, message: &[u8]) -> [u8; KEY_LENGTH] {
        mac(&self.server_key, &[message])
    }
}

/// Without the keys.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// `SaltedPassword`.
fn salted(password: &str, salt: &[u8], iterations: NonZeroU32) -> [u8; KEY_LENGTH] {
    let mut salted = [0; KEY_LENGTH];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, prepare(password).as_bytes(), &mut salted);
    salted
}

fn client_key(salted: &[u8; KEY_LENGTH]) -> [u8; KEY_LENGTH] {
    mac(salted, &[b"Client Key"])
}

fn hash(bytes: &[u8]) -> [u8; KEY_LENGTH] {
    array(digest(&SHA256, bytes).as_ref())
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; KEY_LENGTH] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    array(context.sign().as_ref())
}

/// SHA-256 always gives as many bytes.
fn array(bytes: &[u8]) -> [u8; KEY_LENGTH] {
    let mut array = [0; KEY_LENGTH];
    array.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    array
}

#[cfg(test)]
pub(crate) mod client {
    //! What a client computes.

    use super::*;

    /// `ClientProof` for a message, and the `ServerSignature` that it expects.
    pub(crate) fn prove(
        password: &str,
        salt: &[u8],
        iterations: NonZeroU32,
        message: &[u8],
    ) -> ([u8; KEY_LENGTH], [u8; KEY_LENGTH]) {
        let salted = salted(password, salt, iterations);
        let client_key = client_key(&salted);
        let mut proof = mac(&hash(&client_key), &[message]);
        proof.iter_mut().zip(client_key).for_each(|(byte, key)| *byte ^= key);
        (proof, mac(&mac(&salted, &[b"Server Key"]), &[message]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(iterations: u32) -> NonZeroU32 {
        NonZeroU32::new(iterations).unwrap()
    }

    #[test]
    fn keys_hang_on_everything() {
        let keys =
            |password, salt: &[u8], iterations| Keys::derive(password, salt.into(), rounds(iterations));
        let one = keys("pencil", b"salt", 2);
        assert_eq!(one, keys("pencil", b"salt", 2));
        for other in [keys("Pencil", b"salt", 2), keys("pencil", b"Salt", 2), keys("pencil", b"salt", 3)] {
            assert!(other.stored_key != one.stored_key && other.server_key != one.server_key);
        }
        assert_eq!(keys("I\u{ad}X", b"salt", 2), keys("IX", b"salt", 2), "both are prepared");
        assert!(!format!("{one:?}").contains("key"), "{one:?}");
    }

    #[test]
    fn fake_keys_hang_on_the_name_and_the_secret() {
        let fake = |secret, name| Keys::fake(&[secret; 32], name, rounds(4096));
        let keys = fake(1, "alice");
        assert_eq!(keys, fake(1, "Alice"), "names do not differ by case");
        assert_eq!((keys.salt.len(), keys.iterations), (SALT_LENGTH, rounds(4096)));
        for other in [fake(2, "alice"), fake(1, "alicf")] {
            assert!(other.salt != keys.salt && other.stored_key != keys.stored_key);
        }
        assert_ne!(keys.stored_key, keys.server_key);
    }
}
