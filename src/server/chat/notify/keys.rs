//! The key of this server for web push, and the keys of single messages.
//!
//! Browsers bind a subscription to the public key that the server had then, so the key is made once and kept. Each message is encrypted with
//! a key of its own, which nobody keeps.

use std::fs;
use std::io;
use std::path::Path;

use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use crate::net::random;
use crate::proto::push::encrypt::{Reader, Sender, seal};
use crate::proto::push::{PublicKey, vapid};
use crate::server::durable;

/// The file of the key, as PKCS #8.
const FILE: &str = "vapid.key";

/// How long a token for a push service is good: as long as the longest request could take, and the clocks of both may differ by.
const TOKEN: u64 = 3600;

/// Why a message cannot be encrypted or signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    #[error("the key of the device is no point of the curve")]
    Device,
    #[error("the message is too long for a push service")]
    Long,
    #[error("the system gives no random bytes")]
    Random,
}

/// The key of this server.
#[derive(Debug)]
pub(super) struct Identity {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl Identity {
    /// The key in a folder, which is made if it is not there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => Self::of(&bytes).ok_or_else(|| {
                io::Error::other(format!("{} is no key of the curve P-256 in PKCS #8", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(&path),
            Err(error) => Err(error),
        }
    }

    fn make(path: &Path) -> io::Result<Self> {
        let failed = || io::Error::other("the system gives no random bytes");
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| failed())?;
        durable::replace(path, made.as_ref(), durable::SECRET)?;
        Self::of(made.as_ref()).ok_or_else(failed)
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes, &random).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public })
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The field `Authorization` for a push service of this origin, at `now` in seconds.
    pub(super) fn authorization(&self, origin: &str, now: u64, contact: &str) -> Result<String, KeyError> {
        let unsigned = vapid::unsigned(origin, now.saturating_add(TOKEN), contact);
        let signed =
            self.pair.sign(&SystemRandom::new(), unsigned.as_bytes()).map_err(|_| KeyError::Random)?;
        let signature = signed.as_ref().try_into().map_err(|_| KeyError::Random)?;
        Ok(vapid::authorization(&unsigned, signature, &self.public))
    }
}

/// Encrypts a message for a device.
pub(super) fn encrypt(text: &[u8], reader: &Reader) -> Result<Vec<u8>, KeyError> {
    let private =
        EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(|_| KeyError::Random)?;
    let public = private.compute_public_key().map_err(|_| KeyError::Random)?;
    let key: &PublicKey = public.as_ref().try_into().map_err(|_| KeyError::Random)?;
    let salt = random::bytes().map_err(|_| KeyError::Random)?;
    let sealed = agree_ephemeral(private, &UnparsedPublicKey::new(&ECDH_P256, reader.key), |shared| {
        let shared = shared.try_into().map_err(|_| KeyError::Device)?;
        seal(text, Sender { key, shared, salt: &salt }, reader).map_err(|_| KeyError::Long)
    });
    sealed.map_err(|_| KeyError::Device)?
}

/// Whether a public key is a point of the curve: what is encrypted for another one nobody can read.
#[must_use]
pub fn is_key(key: &PublicKey) -> bool {
    encrypt(b"", &Reader { key: *key, auth: [0; 16] }).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey as Verifier};

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let one = Identity::open(folder.path()).unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Identity::open(folder.path()).unwrap().public(), one.public());
        fs::write(&path, "no key").unwrap();
        let error = Identity::open(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("is no key of the curve P-256 in PKCS #8"), "{error}");
    }

    #[test]
    fn tokens_are_signed_by_it() {
        use base64::Engine;
        use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::open(folder.path()).unwrap();
        let field = identity.authorization("https://a.example", 5, "mailto:x@example.org").unwrap();
        let token = field.strip_prefix("vapid t=").unwrap().split(',').next().unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = BASE64.decode(signature).unwrap();
        let verifier = Verifier::new(&ECDSA_P256_SHA256_FIXED, identity.public());
        verifier.verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn only_points_of_the_curve_are_keys() {
        let folder = tempfile::tempdir().unwrap();
        let public = *Identity::open(folder.path()).unwrap().public();
        assert!(is_key(&public));
        let mut other = public;
        other[64] ^= 1;
        assert!(!is_key(&other) && !is_key(&[0; 65]) && !is_key(&[4; 65]));
    }
}
