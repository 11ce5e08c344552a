//! `[[listener.route]]`: the conditions and the action of a route.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde::Deserialize;
use toml::Spanned;

use super::auth::AuthTable;
use super::checker::Checker;
use super::edits::{EditsTable, RewriteTable};
use super::file::{OneOrMany, Switch};
use super::guards::{CompressTable, CorsTable, GuardKeys, LimitsTable};
use super::mirror::MirrorTable;
use super::page::{PageTable, RedirectTable};
use super::to::ToEntry;
use super::{Action, Route, To};
use crate::net::addr::Prefixes;
use crate::proto::balance::normal::normalise;
use crate::proto::balance::route::{Condition, HostPattern, PathPattern, TextPattern};
use crate::proto::http::forwarded::Tell;
use crate::server::units::TimeSpan;

/// A route of a listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RouteTable {
    pub(super) host: Option<OneOrMany<String>>,
    pub(super) path: Option<Spanned<OneOrMany<String>>>,
    pub(super) method: Option<Spanned<OneOrMany<String>>>,
    #[serde(default)]
    pub(super) header: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) query: BTreeMap<String, String>,
    pub(super) to: Option<ToEntry>,
    pub(super) split_by: Option<Spanned<String>>,
    pub(super) mirror: Option<Spanned<MirrorTable>>,
    pub(super) redirect: Option<RedirectTable>,
    pub(super) respond: Option<Spanned<PageTable>>,
    pub(super) strip_prefix: Option<Spanned<String>>,
    pub(super) add_prefix: Option<Spanned<String>>,
    pub(super) rewrite: Option<RewriteTable>,
    pub(super) rewrite_host: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) request_headers: EditsTable,
    #[serde(default)]
    pub(super) response_headers: EditsTable,
    /// The name of the cache of its responses.
    pub(super) cache: Option<Spanned<String>>,
    pub(super) limits: Option<Spanned<LimitsTable>>,
    pub(super) compress: Option<Switch<CompressTable>>,
    pub(super) timeout: Option<TimeSpan>,
    pub(super) cors: Option<Spanned<CorsTable>>,
    pub(super) security_headers: Option<Spanned<Switch<BTreeMap<String, String>>>>,
    pub(super) auth: Option<Spanned<AuthTable>>,
    /// TCP mode only.
    pub(super) sni: Option<Spanned<OneOrMany<String>>>,
    pub(super) alpn: Option<Spanned<OneOrMany<String>>>,
}

impl Checker<'_> {
    pub(super) fn route(&mut self, route: &Spanned<RouteTable>, tell: Tell, trusted: &Prefixes) -> Route {
        let at = route.span();
        let route = route.get_ref();
        if let Some(key) = route.sni.as_ref().or(route.alpn.as_ref()) {
            self.fault(&key.span(), "sni and alpn are for TCP: set mode = \"tcp\"");
        }
        let hosts = route.host.iter().flat_map(OneOrMany::as_slice);
        let mut condition =
            Condition { hosts: hosts.map(|host| HostPattern::new(host)).collect(), ..Condition::default() };
        if let Some(paths) = &route.path {
            for path in paths.get_ref().as_slice() {
                if !path.starts_with('/') || path.trim_end_matches('*').contains('*') {
                    self.fault(&paths.span(), format!("{path:?} is not a path: use /exact or /prefix/*"));
                }
                match normal(path) {
                    Ok(path) => condition.paths.push(PathPattern::new(&path)),
                    Err(why) => self.fault(&paths.span(), format!("no request has the path {path:?}: {why}")),
                }
            }
        }
        if let Some(methods) = &route.method {
            for method in methods.get_ref().as_slice() {
                match Method::from_bytes(method.as_bytes()) {
                    Ok(method) => condition.methods.push(method),
                    Err(_) => self.fault(&methods.span(), format!("{method:?} is not a method")),
                }
            }
        }
        let texts = |map: &BTreeMap<String, String>| {
            map.iter().map(|(name, text)| (name.clone(), TextPattern::new(text))).collect::<Vec<_>>()
        };
        condition.fields = texts(&route.header);
        condition.fields.iter_mut().for_each(|(name, _)| name.make_ascii_lowercase());
        condition.query = texts(&route.query);
        let action = match (&route.to, &route.redirect, &route.respond) {
            (Some(to), None, None) => Action::Forward(self.to(to, route.split_by.as_ref())),
            (None, Some(redirect), None) => self.redirect(redirect),
            (None, None, Some(page)) => Action::Respond(self.page(page)),
            _ => {
                self.fault(&at, "a route needs exactly one of `to`, `redirect` and `respond`");
                Action::Forward(To::one(""))
            }
        };
        let keys = GuardKeys {
            limits: route.limits.as_ref(),
            compress: route.compress.as_ref(),
            timeout: route.timeout,
            cors: route.cors.as_ref(),
            security_headers: route.security_headers.as_ref(),
            auth: route.auth.as_ref(),
        };
        let guards = self.guards(&keys, trusted);
        let cache = route.cache.as_ref().map(|name| self.cache_named(name, &action));
        if let (Some(mirror), None) = (&route.mirror, &route.to) {
            self.fault(&mirror.span(), "mirror needs a route with `to`");
        }
        let mirror = route.mirror.as_ref().map(|mirror| self.mirror(mirror.get_ref()));
        Route { condition, action, edits: Arc::new(self.edits(route, tell)), mirror, guards, cache }
    }
}

/// A pattern in the form of the paths that it is compared with: another would fit none of them, and the route would guard nothing.
fn normal(path: &str) -> Result<String, String> {
    let (prefix, star) = path.strip_suffix('*').map_or((path, ""), |prefix| (prefix, "*"));
    if let Some(odd) = prefix.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
        return Err(format!("{odd:?} has to be percent-encoded"));
    }
    let normal = normalise(prefix).map_err(|error| error.to_string())?;
    Ok(format!("{normal}{star}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_the_form_of_paths() {
        for (pattern, expected) in [
            ("/a", Ok("/a")),
            ("/a/*", Ok("/a/*")),
            ("/*", Ok("/*")),
            ("/a*", Ok("/a*")),
            ("/%7euser/*", Ok("/~user/*")),
            ("/caf%c3%a9", Ok("/caf%C3%A9")),
            ("/a/./b/*", Ok("/a/b/*")),
            ("/a//b", Ok("/a//b")),
            ("/caf\u{e9}", Err("'\u{e9}' has to be percent-encoded")),
            ("/a b", Err("' ' has to be percent-encoded")),
            ("/a?b", Err("'?' has to be percent-encoded")),
            ("/../a", Err("the path leads above its root")),
            ("/a%zz", Err("the path has an invalid percent-encoding")),
        ] {
            let got = normal(pattern);
            assert_eq!(got.as_deref().map_err(String::as_str), expected, "{pattern}");
        }
    }
}
