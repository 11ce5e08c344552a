//! JSON Web Tokens (RFC 7519) as bearer tokens (RFC 6750), verified with the keys of a file.
//!
//! The header of a token decides nothing: only the configured algorithms are accepted, and of those only the ones that fit the chosen key
//! (`keys`). So unsigned tokens are never accepted, and a public key is never used as a shared secret.

mod claims;
mod crypto;
mod keys;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, StatusCode};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};

use self::claims::Claims;
pub use self::keys::Keys;
use super::watched::{Watched, WatchedError};
use super::{Told, identify, quoted, refusal};
use crate::proto::http::amend::Amendment;
use crate::proto::http::credentials::Credentials;
use crate::proto::http::list::FieldLines;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// The longest token, in bytes. Those of the large identity providers have 1 to 4 KiB.
pub const MAX_TOKEN: usize = 16 * 1024;

/// The default tolerance for clocks that differ.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// A larger leeway would make `exp` meaningless.
pub const MAX_LEEWAY: Duration = Duration::from_secs(3600);

/// The conditions for tokens.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Accepted issuers; empty for any whose key is known.
    pub issuers: Vec<String>,
    /// Accepted audiences, one of which must match; empty to ignore the audience.
    pub audiences: Vec<String>,
    /// The tolerance for clocks that differ, in whole seconds.
    pub leeway: Duration,
    /// Required claims, each with its accepted values. A claim that is a list must contain one of them.
    pub required: BTreeMap<String, Vec<String>>,
    /// The cookie with the token, used when there is no `Authorization`.
    pub cookie: Option<String>,
    /// Claims that are copied into these header fields.
    pub told: BTreeMap<String, HeaderName>,
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

/// Token authentication with the keys of a file.
#[derive(Debug)]
pub struct Jwt {
    keys: Arc<Watched<Keys>>,
    rules: Rules,
    realm: String,
    pub(super) told: Told,
}

impl Jwt {
    /// Accepts tokens that are signed by `algorithms` with the keys of a JWKS file (RFC 7517 section 5).
    ///
    /// # Errors
    /// The file cannot be read, or has no key for these algorithms.
    pub fn open(
        path: &Path,
        algorithms: Vec<Algorithm>,
        rules: Rules,
        realm: &str,
        told: Told,
    ) -> Result<Self, WatchedError> {
        let keys = Watched::open(path, move |text| Keys::parse(text, &algorithms))?;
        Ok(Self { keys, rules, realm: quoted(realm), told })
    }

    pub(super) fn own_fields(&self) -> Vec<HeaderName> {
        let user = [&self.told.user_field];
        user.into_iter().chain(self.rules.told.values()).cloned().collect()
    }

    pub(super) async fn admit(&self, request: Request) -> Result<Request, Response> {
        let keys = self.keys.current().await;
        let token = match self.token(&request) {
            Ok(Some(token)) => token,
            Ok(None) => {
                let challenge = format!("Bearer realm={}", self.realm);
                return Err(refusal(StatusCode::UNAUTHORIZED, "a token is needed here", challenge));
            }
            Err(detail) => {
                return Err(self.refuse(StatusCode::BAD_REQUEST, "invalid_request", detail));
            }
        };
        let claims = check(&token, &keys, &self.rules).map_err(|error| {
            let (status, code) = match error {
                JwtError::Scope => (StatusCode::FORBIDDEN, "insufficient_scope"),
                _ => (StatusCode::UNAUTHORIZED, "invalid_token"),
            };
            self.refuse(status, code, &error.to_string())
        })?;
        let mut amendment = Amendment::default();
        if !self.told.credential {
            amendment.drop_field(AUTHORIZATION);
            self.rules.cookie.iter().for_each(|cookie| amendment.drop_cookie(cookie));
        }
        for (claim, field) in &self.rules.told {
            let value = claims.text(claim).and_then(|text| HeaderValue::try_from(text.into_bytes()).ok());
            match value {
                Some(value) => amendment.set(field.clone(), value),
                None => amendment.drop_field(field.clone()),
            }
        }
        let name = claims.text("sub").unwrap_or_default();
        identify(request, name.into(), &self.told, amendment)
    }

    /// The token of a request: RFC 6750 section 2.1, or a cookie.
    fn token(&self, request: &Request) -> Result<Option<String>, &'static str> {
        let mut lines = request.head().lines("authorization");
        match (lines.next(), lines.next()) {
            (Some(line), None) => match Credentials::parse(line) {
                Ok(Credentials::Bearer(token)) => Ok(Some(token)),
                _ => Err("Authorization holds no bearer token"),
            },
            (None, _) => {
                let cookie = self.rules.cookie.as_ref();
                Ok(cookie.and_then(|name| request.cookie(name)).map(str::to_owned))
            }
            (Some(_), Some(_)) => Err("there is more than one Authorization"),
        }
    }

    /// Section 3 of RFC 6750.
    fn refuse(&self, status: StatusCode, code: &str, detail: &str) -> Response {
        let challenge =
            format!("Bearer realm={}, error=\"{code}\", error_description={}", self.realm, quoted(detail));
        refusal(status, detail, challenge)
    }
}

/// The claims of a token, if it is valid.
fn check(token: &str, keys: &Keys, rules: &Rules) -> Result<Claims, JwtError> {
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
