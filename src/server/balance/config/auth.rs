//! `auth`: authentication of a route or a listener.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderName, Method};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use super::file::OneOrMany;
use crate::proto::http::list::is_token;
use crate::proto::http::target::Target;
use crate::server::balance::auth::forward::{COPIED, ForwardAuth, TIMEOUT};
use crate::server::balance::auth::{ApiKeyPlace, ApiKeys, Auth, Basic, Jwt, JwtRules, Told, USER_FIELD};
use crate::server::jwt::{LEEWAY, MAX_LEEWAY, Rules};
use crate::server::units::TimeSpan;

/// The default realm of challenges.
const REALM: &str = "balancer";

/// The authentication method.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AuthTable {
    basic: Option<Spanned<BasicTable>>,
    api_key: Option<Spanned<ApiKeyTable>>,
    jwt: Option<Spanned<JwtTable>>,
    forward: Option<Spanned<ForwardTable>>,
}

/// Basic authentication.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BasicTable {
    users_file: PathBuf,
    realm: Option<String>,
    user_header: Option<String>,
    #[serde(default)]
    forward: bool,
}

/// API keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ApiKeyTable {
    keys_file: PathBuf,
    header: Option<String>,
    query: Option<String>,
    realm: Option<String>,
    user_header: Option<String>,
    #[serde(default)]
    forward: bool,
}

/// JSON Web Tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct JwtTable {
    jwks_file: PathBuf,
    algorithms: OneOrMany<String>,
    issuer: Option<OneOrMany<String>>,
    audience: Option<OneOrMany<String>>,
    leeway: Option<TimeSpan>,
    #[serde(default)]
    require: BTreeMap<String, OneOrMany<String>>,
    #[serde(default)]
    claims: BTreeMap<String, String>,
    cookie: Option<String>,
    realm: Option<String>,
    user_header: Option<String>,
    #[serde(default)]
    forward: bool,
}

/// Forward authentication.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ForwardTable {
    to: Spanned<String>,
    path: String,
    copy_request: Option<OneOrMany<String>>,
    copy_response: Option<OneOrMany<String>>,
    timeout: Option<TimeSpan>,
    user_header: Option<String>,
}

impl Checker<'_> {
    /// The method that a table names. Its files are read.
    pub(super) fn auth(&mut self, auth: &Spanned<AuthTable>) -> Option<Auth> {
        let table = auth.get_ref();
        match (&table.basic, &table.api_key, &table.jwt, &table.forward) {
            (Some(basic), None, None, None) => self.basic(basic),
            (None, Some(key), None, None) => self.api_key(key),
            (None, None, Some(jwt), None) => self.jwt(jwt),
            (None, None, None, Some(forward)) => Some(self.forward_auth(forward)),
            _ => {
                self.fault(&auth.span(), "auth needs exactly one of basic, api-key, jwt and forward");
                None
            }
        }
    }

    fn basic(&mut self, basic: &Spanned<BasicTable>) -> Option<Auth> {
        let (at, table) = (basic.span(), basic.get_ref());
        let told = self.told(table.user_header.as_deref(), table.forward, &at);
        let realm = table.realm.as_deref().unwrap_or(REALM);
        let basic = Basic::open(&table.users_file, realm, told);
        self.opened(basic, &at).map(|basic| Auth::Basic(Arc::new(basic)))
    }

    fn api_key(&mut self, key: &Spanned<ApiKeyTable>) -> Option<Auth> {
        let (at, table) = (key.span(), key.get_ref());
        let told = self.told(table.user_header.as_deref(), table.forward, &at);
        let place = match (&table.header, &table.query) {
            (Some(name), None) => ApiKeyPlace::Field(self.field_name(name, &at)?),
            (None, Some(parameter)) => ApiKeyPlace::Query(parameter.clone()),
            _ => {
                self.fault(&at, "set either `header` or `query` for the key");
                return None;
            }
        };
        let realm = table.realm.as_deref().unwrap_or(REALM);
        let keys = ApiKeys::open(&table.keys_file, place, realm, told);
        self.opened(keys, &at).map(|keys| Auth::ApiKey(Arc::new(keys)))
    }

    fn jwt(&mut self, jwt: &Spanned<JwtTable>) -> Option<Auth> {
        let (at, table) = (jwt.span(), jwt.get_ref());
        let told = self.told(table.user_header.as_deref(), table.forward, &at);
        let algorithms: Vec<Algorithm> = self.all(&table.algorithms, &at, "known algorithm");
        if table.algorithms.as_slice().is_empty() {
            self.fault(&at, "algorithms must not be empty");
        }
        let leeway = table.leeway.map_or(LEEWAY, |time| time.0);
        if leeway > MAX_LEEWAY {
            self.fault(&at, "leeway is at most 1h");
        }
        if let Some(cookie) = table.cookie.as_ref().filter(|name| !is_token(name.as_bytes())) {
            self.fault(&at, format!("{cookie:?} is not a valid cookie name"));
        }
        let list = |texts: &Option<OneOrMany<String>>| {
            texts.as_ref().map(|texts| texts.as_slice().to_vec()).unwrap_or_default()
        };
        let claims: Vec<_> = table
            .claims
            .iter()
            .filter_map(|(claim, field)| Some((claim.clone(), self.field_name(field, &at)?)))
            .collect();
        let required =
            table.require.iter().map(|(claim, values)| (claim.clone(), values.as_slice().to_vec()));
        let rules = JwtRules {
            token: Rules {
                issuers: list(&table.issuer),
                audiences: list(&table.audience),
                leeway,
                required: required.collect(),
            },
            cookie: table.cookie.clone(),
            told: claims.into_iter().collect(),
        };
        let realm = table.realm.as_deref().unwrap_or(REALM);
        let jwt = Jwt::open(&table.jwks_file, algorithms, rules, realm, told);
        self.opened(jwt, &at).map(|jwt| Auth::Jwt(Arc::new(jwt)))
    }

    fn forward_auth(&mut self, forward: &Spanned<ForwardTable>) -> Auth {
        let (at, table) = (forward.span(), forward.get_ref());
        if Target::parse(&Method::GET, table.path.as_bytes()).is_err() || !table.path.starts_with('/') {
            self.fault(&at, format!("{:?} is not a path", table.path));
        }
        let copied = |checker: &mut Self, names: &Option<OneOrMany<String>>| {
            names.as_ref().map(|names| checker.all(names, &at, "valid field name"))
        };
        Auth::Forward(Arc::new(ForwardAuth {
            to: self.named(&table.to),
            path: table.path.clone(),
            copy_request: copied(self, &table.copy_request).unwrap_or_else(|| COPIED.to_vec()),
            copy_response: copied(self, &table.copy_response).unwrap_or_default(),
            timeout: table.timeout.map_or(TIMEOUT, |time| time.0),
            told: self.told(table.user_header.as_deref(), false, &at),
        }))
    }

    fn told(&mut self, user_field: Option<&str>, credential: bool, at: &Range<usize>) -> Told {
        let user_field = user_field.and_then(|name| self.field_name(name, at)).unwrap_or(USER_FIELD);
        Told { user_field, credential }
    }

    fn field_name(&mut self, name: &str, at: &Range<usize>) -> Option<HeaderName> {
        let parsed = name.parse();
        parsed.map_err(|_| self.fault(at, format!("{name:?} is not a valid field name"))).ok()
    }

    fn opened<T>(&mut self, opened: Result<T, impl Display>, at: &Range<usize>) -> Option<T> {
        opened.map_err(|error| self.fault(at, error.to_string())).ok()
    }
}
