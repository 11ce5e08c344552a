//! `[cache.NAME]`: a response cache, shared by the routes that name it.

use http::HeaderName;
use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use super::{Action, Cache};
use crate::proto::http::cache::freshness::Policy;
use crate::server::balance::cache::{KeyRule, MIN_MEMORY, OBJECTS_AT_LEAST, Settings};
use crate::server::units::{ByteSize, TimeSpan};

/// A cache.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct CacheTable {
    memory: Option<Spanned<ByteSize>>,
    max_object: Option<Spanned<ByteSize>>,
    default_ttl: Option<TimeSpan>,
    heuristic_ttl: Option<TimeSpan>,
    stale_while_revalidate: Option<TimeSpan>,
    stale_if_error: Option<TimeSpan>,
    collapse_timeout: Option<TimeSpan>,
    ignore_client_cache_control: bool,
    key: KeyTable,
}

/// The parts of a request in the cache key, beside host and path.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct KeyTable {
    query: Option<Vec<String>>,
    headers: Vec<Spanned<String>>,
}

impl Checker<'_> {
    pub(super) fn cache(&mut self, name: &str, table: &Spanned<CacheTable>) -> Cache {
        let at = table.span();
        let table = table.get_ref();
        let defaults = Settings::default();
        let memory = table.memory.as_ref().map_or(defaults.memory, |memory| memory.get_ref().0);
        if memory < MIN_MEMORY {
            let at = table.memory.as_ref().map_or(at.clone(), Spanned::span);
            self.fault(&at, format!("the memory of a cache is at least {}", ByteSize(MIN_MEMORY)));
        }
        // Unless it is said, the longest object follows a memory that is small.
        let largest = memory / OBJECTS_AT_LEAST;
        let max_object =
            table.max_object.as_ref().map_or(defaults.max_object.min(largest), |size| size.get_ref().0);
        if max_object > largest || max_object == 0 {
            let at = table.max_object.as_ref().map_or(at, Spanned::span);
            self.fault(&at, format!("max-object is from 1 to an eighth of the memory, {largest} bytes"));
        }
        let mut headers = Vec::new();
        for header in &table.key.headers {
            match HeaderName::from_bytes(header.get_ref().as_bytes()) {
                Ok(name) => headers.push(name),
                Err(_) => {
                    self.fault(&header.span(), format!("{:?} is not a valid field name", header.get_ref()));
                }
            }
        }
        let time = |time: Option<TimeSpan>| time.map(|time| time.0);
        let policy = Policy {
            default_ttl: time(table.default_ttl),
            heuristic_cap: time(table.heuristic_ttl).unwrap_or(defaults.policy.heuristic_cap),
            stale_while_revalidate: time(table.stale_while_revalidate)
                .unwrap_or(defaults.policy.stale_while_revalidate),
            stale_if_error: time(table.stale_if_error).unwrap_or(defaults.policy.stale_if_error),
        };
        let mut query = table.key.query.clone();
        if let Some(names) = &mut query {
            names.sort();
        }
        let settings = Settings {
            memory,
            max_object,
            policy,
            ignore_client: table.ignore_client_cache_control,
            collapse_timeout: time(table.collapse_timeout).unwrap_or(defaults.collapse_timeout),
            key: KeyRule { query, headers },
        };
        Cache { name: name.into(), settings }
    }

    /// The name of a cache, which must exist, for a route with this action.
    pub(super) fn cache_named(&mut self, name: &Spanned<String>, action: &Action) -> String {
        if !self.caches.contains(name.get_ref()) {
            self.fault(&name.span(), format!("there is no [cache.{}]", name.get_ref()));
        }
        if !matches!(action, Action::Forward(_)) {
            self.fault(&name.span(), "only a route with `to` can have a cache");
        }
        name.get_ref().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Config, Service};

    const REST: &str = "[[listener]]\nlisten = \":1\"\n[[listener.route]]\nto = \"a\"\ncache = \"main\"\n[upstream.a]\nbackends = [\"b:1\"]\n";

    #[test]
    fn caches() {
        let with = |table: &str| Config::parse(&format!("{REST}{table}"));
        let table =
            "[cache.main]\nmemory = \"64MiB\"\ndefault-ttl = \"10s\"\nkey = { query = [\"b\", \"a\"] }\n";
        let config = with(table).unwrap();
        let settings = &config.caches[0].settings;
        assert_eq!((settings.memory, settings.max_object), (64 << 20, 4 << 20));
        assert_eq!(settings.policy.default_ttl, Some(Duration::from_secs(10)));
        assert_eq!(settings.key.query, Some(vec!["a".into(), "b".into()]));
        let Service::Http(service) = &config.listeners[0].service else { panic!("{config:?}") };
        assert_eq!(service.routes[0].cache.as_deref(), Some("main"));
        // The longest object follows the memory, unless it is said.
        assert_eq!(with("[cache.main]\nmemory = \"8MiB\"\n").unwrap().caches[0].settings.max_object, 1 << 20);
        for (table, line, column, message) in [
            ("", 5, 9, "there is no [cache.main]"),
            ("[cache.main]\nmemory = \"1KiB\"\n", 9, 10, "at least 1MiB"),
            ("[cache.main]\nmemory = \"8MiB\"\nmax-object = \"2MiB\"\n", 10, 14, "an eighth of the memory"),
            ("[cache.main]\nkey = { headers = [\"a b\"] }\n", 9, 20, "not a valid field name"),
            ("[cache.main]\nttl = \"1s\"\n", 9, 1, "unknown field"),
        ] {
            let faults = with(table).unwrap_err();
            let fault = &faults[0];
            assert_eq!((fault.line, fault.column), (line, column), "{faults:?}");
            assert!(fault.message.contains(message), "{faults:?}");
        }
        let redirect = REST.replace("to = \"a\"", "redirect = { to = \"/\" }");
        let faults = Config::parse(&format!("{redirect}[cache.main]\n")).unwrap_err();
        assert!(faults[0].message.contains("only a route with `to`"), "{faults:?}");
    }
}
