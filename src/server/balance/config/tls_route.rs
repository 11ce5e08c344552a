//! `[[listener.route]]` of a TCP listener: routes for TLS passthrough.

use toml::Spanned;

use super::TlsRoute;
use super::checker::Checker;
use super::route::RouteTable;
use super::to::ToEntry;
use crate::proto::balance::route::HostPattern;
use crate::proto::balance::tls_route::TlsCondition;

/// The longest protocol name (RFC 7301 section 3.1).
const MAX_PROTOCOL: usize = 255;

impl Checker<'_> {
    /// A route of a TCP listener.
    pub(super) fn tls_route(&mut self, route: &Spanned<RouteTable>) -> TlsRoute {
        // Each key is named, so that a new one cannot be forgotten here.
        let RouteTable {
            host,
            path,
            method,
            header,
            query,
            to,
            split_by,
            cache,
            mirror,
            redirect,
            respond,
            strip_prefix,
            add_prefix,
            rewrite,
            rewrite_host,
            request_headers,
            response_headers,
            limits,
            compress,
            timeout,
            cors,
            security_headers,
            auth,
            sni,
            alpn,
        } = route.get_ref();
        let request = [
            host.is_some(),
            path.is_some(),
            method.is_some(),
            !header.is_empty(),
            !query.is_empty(),
            split_by.is_some(),
            cache.is_some(),
            mirror.is_some(),
            redirect.is_some(),
            respond.is_some(),
            strip_prefix.is_some(),
            add_prefix.is_some(),
            rewrite.is_some(),
            rewrite_host.is_some(),
            !request_headers.is_empty(),
            !response_headers.is_empty(),
            limits.is_some(),
            compress.is_some(),
            timeout.is_some(),
            cors.is_some(),
            security_headers.is_some(),
            auth.is_some(),
        ];
        if request.contains(&true) {
            let message = "a TCP route has only `sni`, `alpn` and `to`: the other keys are for HTTP";
            self.fault(&route.span(), message);
        }
        if sni.is_none() && alpn.is_none() {
            self.fault(&route.span(), "a TCP route needs `sni` or `alpn`");
        }
        let mut condition = TlsCondition::default();
        if let Some(names) = sni {
            for name in names.get_ref().as_slice() {
                let plain = name.strip_prefix("*.").unwrap_or(name);
                if plain.is_empty() || plain.contains(['*', ':', '/']) {
                    self.fault(
                        &names.span(),
                        format!("{name:?} is not a server name such as a.example or *.example"),
                    );
                }
                condition.names.push(HostPattern::new(name));
            }
        }
        if let Some(protocols) = alpn {
            for name in protocols.get_ref().as_slice() {
                if name.is_empty() || name.len() > MAX_PROTOCOL {
                    self.fault(&protocols.span(), format!("{name:?} is not a valid protocol name"));
                }
                condition.protocols.push(name.as_bytes().to_vec());
            }
        }
        let to = match to {
            Some(ToEntry::One(name)) => self.named(name),
            Some(ToEntry::Split(branches)) => {
                self.fault(&branches.span(), "a TCP route has one upstream: only HTTP requests can be split");
                String::new()
            }
            None => {
                self.fault(&route.span(), "a TCP route needs `to`");
                String::new()
            }
        };
        TlsRoute { condition, to }
    }
}
