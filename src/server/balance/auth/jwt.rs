//! JSON Web Tokens (RFC 7519) as bearer tokens (RFC 6750), verified with the keys of a file by [`jwt`](crate::server::jwt).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, StatusCode};
use jsonwebtoken::Algorithm;

use super::{Told, identify, quoted, refusal};
use crate::proto::http::amend::Amendment;
use crate::proto::http::credentials::Credentials;
use crate::proto::http::list::FieldLines;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::jwt::{JwtError, Keys, Rules, check};
use crate::server::watched::{Watched, WatchedError};

/// What a route asks of tokens, and does with them.
#[derive(Clone, Debug, Default)]
pub struct JwtRules {
    /// The conditions for tokens.
    pub token: Rules,
    /// The cookie with the token, used when there is no `Authorization`.
    pub cookie: Option<String>,
    /// Claims that are copied into these header fields.
    pub told: BTreeMap<String, HeaderName>,
}

/// Token authentication with the keys of a file.
#[derive(Debug)]
pub struct Jwt {
    keys: Arc<Watched<Keys>>,
    rules: JwtRules,
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
        rules: JwtRules,
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
        let claims = check(&token, &keys, &self.rules.token).map_err(|error| {
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
