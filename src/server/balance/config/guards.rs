//! The keys that a route and a listener share: `limits`, `compress`, `timeout`, `cors`, `security-headers` and `auth`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use toml::Spanned;

use super::auth::AuthTable;
use super::checker::Checker;
use super::file::{OneOrMany, Several, Switch};
use crate::net::addr::Prefixes;
use crate::net::bucket::Rate;
use crate::net::leases::Terms;
use crate::server::balance::guards::Guards;
use crate::server::http::middleware::body_limit::BodyLimit;
use crate::server::http::middleware::compression::Compression;
use crate::server::http::middleware::concurrency::Concurrency;
use crate::server::http::middleware::cors::{AllowedFields, Cors, CorsConfig, Origins};
use crate::server::http::middleware::rate_limit::{RateKey, RateLimit};
use crate::server::http::middleware::security::SecurityHeaders;
use crate::server::http::middleware::timeout::Timeout;
use crate::server::units::{ByteSize, Frequency, TimeSpan};

/// The default time limit in the queue of `in-flight`.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// The keys of a route or a listener.
#[derive(Debug, Default)]
pub(super) struct GuardKeys<'a> {
    pub(super) limits: Option<&'a Spanned<LimitsTable>>,
    pub(super) compress: Option<&'a Switch<CompressTable>>,
    pub(super) timeout: Option<TimeSpan>,
    pub(super) cors: Option<&'a Spanned<CorsTable>>,
    pub(super) security_headers: Option<&'a Spanned<Switch<BTreeMap<String, String>>>>,
    pub(super) auth: Option<&'a Spanned<AuthTable>>,
}

/// Limits on requests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LimitsTable {
    body: Option<ByteSize>,
    requests: Option<Several<RateTable>>,
    in_flight: Option<usize>,
    queue: Option<usize>,
    queue_timeout: Option<TimeSpan>,
}

/// A rate limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RateTable {
    rate: Frequency,
    burst: Option<u32>,
    by: Option<Spanned<String>>,
    shared: Option<Spanned<bool>>,
}

/// The settings of compression.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CompressTable {
    types: Option<OneOrMany<String>>,
    min_size: Option<ByteSize>,
}

/// The settings of CORS.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CorsTable {
    origins: OneOrMany<String>,
    methods: Option<OneOrMany<String>>,
    headers: Option<OneOrMany<String>>,
    expose: Option<OneOrMany<String>>,
    #[serde(default)]
    credentials: bool,
    max_age: Option<TimeSpan>,
}

impl Checker<'_> {
    /// The guards of these keys. `trusted`: the trusted proxies.
    pub(super) fn guards(&mut self, keys: &GuardKeys<'_>, trusted: &Prefixes) -> Guards {
        let mut guards = Guards {
            timeout: keys.timeout.map(|time| Timeout::new(time.0).gateway()),
            compression: keys.compress.and_then(compression),
            ..Guards::default()
        };
        if let Some(limits) = keys.limits {
            self.limits(limits, trusted, &mut guards, keys.auth.is_some());
        }
        if let Some(cors) = keys.cors {
            guards.cors = self.cors(cors);
        }
        if let Some(headers) = keys.security_headers {
            guards.security_headers = self.security_headers(headers);
        }
        guards.auth = keys.auth.and_then(|auth| self.auth(auth));
        guards
    }

    fn limits(
        &mut self,
        limits: &Spanned<LimitsTable>,
        trusted: &Prefixes,
        guards: &mut Guards,
        authenticated: bool,
    ) {
        let at = limits.span();
        let limits = limits.get_ref();
        guards.body = limits.body.map(|size| BodyLimit::new(size.0));
        match limits.in_flight {
            Some(0) => self.fault(&at, "in-flight is at least 1"),
            Some(count) => {
                // As many may wait as are worked on.
                let part = Concurrency::new(count, limits.queue.unwrap_or(count));
                let wait = limits.queue_timeout.map_or(QUEUE_TIMEOUT, |time| time.0);
                guards.concurrency = Some(part.queue_timeout(wait).until_sent());
            }
            None if limits.queue.is_some() || limits.queue_timeout.is_some() => {
                self.fault(&at, "queue and queue-timeout need in-flight");
            }
            None => {}
        }
        for (number, table) in limits.requests.iter().flat_map(|several| &several.0).enumerate() {
            let by = match table.by.as_ref().map(|by| (by, rate_key(by.get_ref()))) {
                None => RateKey::Peer,
                Some((_, Some(key))) => key,
                Some((by, None)) => {
                    self.fault(&by.span(), "by is client, user or header:NAME");
                    continue;
                }
            };
            let (count, _) = table.rate.parts();
            let Some(rate) = Rate::new(table.rate.per_second(), table.burst.unwrap_or(count)) else {
                self.fault(&at, "a rate must be more than 0");
                continue;
            };
            let user = by == RateKey::User;
            if let Some(by) = table.by.as_ref().filter(|_| user && !authenticated && !self.authenticated) {
                self.fault(&by.span(), "by = \"user\" needs `auth`: without it nobody has a name");
            }
            let mut limit = RateLimit::new(rate, by, RateLimit::MAX_KEYS).trusting(trusted.clone());
            if let Some(shared) = table.shared.as_ref().filter(|shared| *shared.get_ref()) {
                limit = self.shared(limit, rate, number, table, &shared.span());
            }
            if user { &mut guards.user_rates } else { &mut guards.rates }.push(limit);
        }
    }

    /// A limit that is counted together with other balancers. It is known by its place in the file and by what it says: those that
    /// have another file do not count with it.
    fn shared(
        &mut self,
        limit: RateLimit,
        rate: Rate,
        number: usize,
        table: &RateTable,
        at: &std::ops::Range<usize>,
    ) -> RateLimit {
        let Some(redis) = self.redis.clone() else {
            if !self.has_redis {
                self.fault(at, "shared limits are counted by Redis: there is no [redis]");
            }
            return limit;
        };
        let (listener, route) = self.place;
        let by = table.by.as_ref().map_or("client", |by| by.get_ref());
        let name = format!("{listener}.{route}.{number}:{}+{}:{by}", table.rate, rate.burst());
        let settings = redis.settings();
        let terms = Terms::new(rate, settings.lease, settings.timeout);
        limit.sharing(name, terms, redis)
    }

    fn cors(&mut self, cors: &Spanned<CorsTable>) -> Option<Cors> {
        let at = cors.span();
        let table = cors.get_ref();
        let defaults = CorsConfig::default();
        let origins = table.origins.as_slice();
        let config = CorsConfig {
            origins: match origins {
                [any] if any == "*" => Origins::Any,
                these => Origins::These(these.to_vec()),
            },
            methods: match &table.methods {
                Some(methods) => self.all(methods, &at, "method"),
                None => defaults.methods,
            },
            fields: match &table.headers {
                Some(OneOrMany::One(any)) if any == "*" => AllowedFields::Any,
                Some(names) => AllowedFields::These(self.all(names, &at, "valid field name")),
                None => defaults.fields,
            },
            exposed: table
                .expose
                .as_ref()
                .map(|names| self.all(names, &at, "valid field name"))
                .unwrap_or_default(),
            credentials: table.credentials,
            max_age: table.max_age.map_or(defaults.max_age, |time| time.0),
        };
        Cors::new(config).map_err(|error| self.fault(&at, error.to_string())).ok()
    }

    fn security_headers(
        &mut self,
        headers: &Spanned<Switch<BTreeMap<String, String>>>,
    ) -> Option<SecurityHeaders> {
        let changes = match headers.get_ref() {
            Switch::Off => return None,
            Switch::On => return Some(SecurityHeaders::default()),
            Switch::With(changes) => changes,
        };
        let mut part = SecurityHeaders::default();
        for (name, value) in changes {
            match (HeaderName::from_str(name), HeaderValue::from_str(value)) {
                (Ok(name), Ok(value)) if value.is_empty() => part = part.without(&name),
                (Ok(name), Ok(value)) => part = part.with(name, value),
                (Err(_), _) => self.fault(&headers.span(), format!("{name:?} is not a valid field name")),
                (_, Err(_)) => self.fault(&headers.span(), format!("{value:?} is not a valid field value")),
            }
        }
        Some(part)
    }

    /// Parses these texts.
    pub(super) fn all<T: FromStr<Err: Display>>(
        &mut self,
        texts: &OneOrMany<String>,
        at: &std::ops::Range<usize>,
        kind: &str,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for text in texts.as_slice() {
            match text.parse() {
                Ok(one) => all.push(one),
                Err(_) => self.fault(at, format!("{text:?} is not a {kind}")),
            }
        }
        all
    }
}

fn compression(compress: &Switch<CompressTable>) -> Option<Compression> {
    let table = match compress {
        Switch::Off => return None,
        Switch::On => return Some(Compression::default()),
        Switch::With(table) => table,
    };
    let mut part = Compression::default();
    if let Some(types) = &table.types {
        part = part.types(types.as_slice().iter().cloned());
    }
    if let Some(size) = table.min_size {
        part = part.min_length(size.0);
    }
    Some(part)
}

/// Parses what requests are counted by: `client`, `user`, `header:NAME`.
fn rate_key(text: &str) -> Option<RateKey> {
    match text.split_once(':') {
        None if text == "client" => Some(RateKey::Peer),
        None if text == "user" => Some(RateKey::User),
        Some(("header", name)) => name.parse().ok().map(RateKey::Field),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::server::balance::config::Config;

    /// Line, column, and a part of the message.
    type Told = (usize, usize, &'static str);

    #[test]
    fn faults_are_told_where_they_stand() {
        let rows: [(&str, &[Told]); 3] = [
            (
                "[[listener]]\nlisten = \":1\"\nhead-timeout = \"0s\"\nmax-headers = 999\n[[listener.route]]\nto = \"a\"\nlimits = { in-flight = 0, requests = { rate = \"1/s\", by = \"moon\" } }\nsecurity-headers = { \"a b\" = \"c\" }\ncors = { origins = \"page\" }\n[upstream.a]\nbackends = [\"b:1\"]\n",
                &[
                    (1, 1, "head-timeout is from 1ms to 1d"),
                    (1, 1, "max-headers is from 1 to 128"),
                    (7, 10, "in-flight is at least 1"),
                    (7, 59, "by is client, user or header:NAME"),
                    (8, 20, "\"a b\" is not a valid field name"),
                    (9, 8, "is not an origin"),
                ],
            ),
            (
                "[[listener]]\nlisten = \":1\"\nmode = \"tcp\"\nto = \"a\"\nlimits = { queue = 1 }\ntimeout = \"1s\"\nmin-rate = 1\n[upstream.a]\nbackends = [\"b:1\"]\n",
                &[
                    (1, 1, "limits is for HTTP: set mode"),
                    (1, 1, "timeout is for HTTP: set mode"),
                    (1, 1, "min-rate is for HTTP: set mode"),
                ],
            ),
            (
                "[[listener]]\nlisten = \":1\"\n[[listener.route]]\nto = \"a\"\nlimits = { queue = 1, requests = { rate = \"1/s\", by = \"user\" } }\n[upstream.a]\nbackends = [\"b:1\"]\n",
                &[(5, 10, "need in-flight"), (5, 55, "needs `auth`")],
            ),
        ];
        for (text, expected) in rows {
            let faults = Config::parse(text).unwrap_err();
            let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
            assert_eq!(
                places,
                expected.iter().map(|told| (told.0, told.1)).collect::<Vec<_>>(),
                "{faults:?}"
            );
            for (fault, (.., message)) in faults.iter().zip(expected) {
                assert!(fault.message.contains(message), "{}", fault.message);
            }
        }
    }
}
