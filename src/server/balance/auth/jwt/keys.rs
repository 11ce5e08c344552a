//! The keys of a JWKS file (RFC 7517 section 5), each with the algorithms that it is for.
//!
//! A key says its kind, and so which algorithms make sense with it; `alg` in the file narrows that to one. A token chooses among these
//! and can have no other: a public key is never taken for a shared secret.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::crypto;

/// Keys that are tried at most with a token that does not say which it was signed with. Each costs a signature's check.
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

/// A file. Members that we do not understand are left out (section 5).
#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// The keys in the text of a file that are for one of these algorithms. Others are left out.
    ///
    /// # Errors
    /// It is no set of keys, or there is none for these algorithms.
    pub fn parse(text: &str, algorithms: &[Algorithm]) -> Result<Self, String> {
        crypto::install();
        let set: Set = serde_json::from_str(text).map_err(|error| format!("this is no JWKS: {error}"))?;
        let known: Vec<Known> = set.keys.into_iter().filter_map(|key| Known::of(key, algorithms)).collect();
        if known.is_empty() { Err("there is no key for the algorithms".into()) } else { Ok(Self(known)) }
    }

    /// The keys that may have signed a token: with its `kid`, if it says one.
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

/// Whether an algorithm makes sense with a key of this kind.
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
