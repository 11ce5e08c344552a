//! The keys of a JWKS file (RFC 7517 section 5), each with the algorithms that it may be used for.
//!
//! The type of a key determines the algorithms that fit it; `alg` in the file narrows that to one. A token can only select among
//! these: a public key is never used as a shared secret.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::crypto;

/// The most keys to try for a token without a `kid`. Each costs a signature verification.
pub(super) const MAX_TRIED: usize = 8;

/// The keys of a file.
#[derive(Debug)]
pub struct Keys(Vec<Known>);

#[derive(Debug)]
struct Known {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// A file. Unknown members are ignored (section 5).
#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// The keys in a file that are usable with one of these algorithms. Others are ignored.
    ///
    /// # Errors
    /// It is not a JWKS, or no key is usable with these algorithms.
    pub fn parse(text: &str, algorithms: &[Algorithm]) -> Result<Self, String> {
        crypto::install();
        let set: Set = serde_json::from_str(text).map_err(|error| format!("not a JWKS: {error}"))?;
        let known: Vec<Known> = set.keys.into_iter().filter_map(|key| Known::of(key, algorithms)).collect();
        if known.is_empty() { Err("no key is usable with the algorithms".into()) } else { Ok(Self(known)) }
    }

    /// The keys that can have signed a token: those with its `kid`, if it has one.
    pub(super) fn for_token(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        let named = move |known: &&Known| id.is_none() || known.id.as_deref() == id;
        let fits = move |known: &&Known| known.algorithms.contains(&algorithm);
        self.0.iter().filter(named).filter(fits).take(MAX_TRIED).map(|known| &known.key)
    }
}

impl Known {
    fn of(key: serde_json::Value, algorithms: &[Algorithm]) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(key).ok()?;
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let verifies = common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !signs || !verifies {
            return None;
        }
        let said = common.key_algorithm.map(|said| said.to_string());
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let fits = |algorithm: &&Algorithm| {
            is_for(&jwk.algorithm, &key, **algorithm)
                && said.as_deref().is_none_or(|said| said.parse() == Ok(**algorithm))
        };
        let algorithms: Vec<Algorithm> = algorithms.iter().filter(fits).copied().collect();
        (!algorithms.is_empty()).then(|| Self { id: common.key_id.clone(), algorithms, key })
    }
}

/// Whether an algorithm fits the type of a key.
fn is_for(kind: &AlgorithmParameters, key: &DecodingKey, algorithm: Algorithm) -> bool {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    match kind {
        AlgorithmParameters::RSA(_) => [RS256, RS384, RS512, PS256, PS384, PS512].contains(&algorithm),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => algorithm == ES256,
            EllipticCurve::P384 => algorithm == ES384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(key) => key.curve == EllipticCurve::Ed25519 && algorithm == EdDSA,
        // Secrets are as long as the hash, at least: RFC 7518 section 3.2.
        AlgorithmParameters::OctetKey(_) => {
            let least = match algorithm {
                HS256 => 32,
                HS384 => 48,
                HS512 => 64,
                _ => return false,
            };
            key.try_get_as_bytes().is_ok_and(|secret| secret.len() >= least)
        }
        // Kinds that the crate may come to know.
        _ => false,
    }
}
