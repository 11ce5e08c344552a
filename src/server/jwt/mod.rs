//! JSON Web Tokens (RFC 7519) of an issuer elsewhere, verified with the keys of a file: the balancer and the chat let clients in by them.
//!
//! The header of a token decides nothing: only the configured algorithms are accepted, and of those only the ones that fit the chosen key
//! (`keys`). So unsigned tokens are never accepted, and a public key is never used as a shared secret.

mod claims;
mod crypto;
mod keys;

use std::collections::BTreeMap;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};

pub use self::claims::Claims;
pub use self::keys::Keys;

/// The longest token, in bytes. Those of the large identity providers have 1 to 4 KiB.
pub const MAX_TOKEN: usize = 16 * 1024;

/// The default tolerance for clocks that differ.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// A larger leeway would make `exp` meaningless.
pub const MAX_LEEWAY: Duration = Duration::from_secs(3600);

/// The conditions for tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Accepted issuers; empty for any whose key is known.
    pub issuers: Vec<String>,
    /// Accepted audiences, one of which must match; empty to ignore the audience.
    pub audiences: Vec<String>,
    /// The tolerance for clocks that differ, in whole seconds.
    pub leeway: Duration,
    /// Required claims, each with its accepted values. A claim that is a list must contain one of them.
    pub required: BTreeMap<String, Vec<String>>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It is malformed.
    #[error("the token is malformed")]
    Malformed,
    /// No known key can have signed it.
    #[error("the token was signed with a key or an algorithm that is not accepted")]
    Key,
    /// Its signature is wrong.
    #[error("the signature of the token is wrong")]
    Signature,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    Early,
    /// `exp`, `iss` or `aud` is missing or wrong.
    #[error("the token has a missing or invalid exp, iss, aud or nbf")]
    Claim,
    /// A required claim is missing, or has another value.
    #[error("the token lacks a required claim")]
    Scope,
}

/// The claims of a token, if it is valid.
///
/// # Errors
/// Why it is refused.
pub fn check(token: &str, keys: &Keys, rules: &Rules) -> Result<Claims, JwtError> {
    if token.len() > MAX_TOKEN {
        return Err(JwtError::Malformed);
    }
    let header = decode_header(token).map_err(|_| JwtError::Malformed)?;
    // RFC 7515 section 4.1.11: extensions that must be understood; none is here.
    if header.crit.is_some() {
        return Err(JwtError::Malformed);
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = rules.leeway.min(MAX_LEEWAY).as_secs();
    validation.validate_nbf = true;
    validation.validate_aud = !rules.audiences.is_empty();
    let mut required = vec!["exp"];
    if !rules.issuers.is_empty() {
        validation.set_issuer(&rules.issuers);
        required.push("iss");
    }
    if !rules.audiences.is_empty() {
        validation.set_audience(&rules.audiences);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    let mut result = Err(JwtError::Key);
    for key in keys.for_token(header.kid.as_deref(), header.alg) {
        result = decode(token, key, &validation).map_err(|error| blame(error.kind()));
        // Of several keys without a name the next may be the one.
        if !matches!(result, Err(JwtError::Signature)) {
            break;
        }
    }
    let claims = Claims(result?.claims);
    let holds = |(claim, values): (&String, &Vec<String>)| claims.has_one_of(claim, values);
    if rules.required.iter().all(holds) { Ok(claims) } else { Err(JwtError::Scope) }
}

fn blame(kind: &ErrorKind) -> JwtError {
    match kind {
        ErrorKind::InvalidSignature => JwtError::Signature,
        ErrorKind::ExpiredSignature => JwtError::Expired,
        ErrorKind::ImmatureSignature => JwtError::Early,
        ErrorKind::InvalidIssuer
        | ErrorKind::InvalidAudience
        | ErrorKind::InvalidSubject
        | ErrorKind::InvalidClaimFormat(_)
        | ErrorKind::MissingRequiredClaim(_) => JwtError::Claim,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat | ErrorKind::UnsupportedAlgorithm => {
            JwtError::Key
        }
        _ => JwtError::Malformed,
    }
}

#[cfg(test)]
mod tests;
