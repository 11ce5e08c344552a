//! `[trace]`: where spans of traces go.

use http::Uri;
use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use super::{Listener, Service};
use crate::proto::otlp;
use crate::server::balance::spans::Collector;

/// The name of a balancer in its traces, unless it is configured.
pub const SERVICE_NAME: &str = "wireworks";

/// A collector of traces.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TraceTable {
    pub(super) endpoint: Spanned<String>,
    pub(super) service_name: Option<Spanned<String>>,
}

impl Checker<'_> {
    pub(super) fn trace(&mut self, table: &Spanned<TraceTable>, listeners: &[Listener]) -> Option<Collector> {
        let TraceTable { endpoint, service_name } = table.get_ref();
        let traces = |listener: &Listener| match &listener.service {
            Service::Http(service) => service.tracing.is_some(),
            Service::Tcp(_) => false,
        };
        if !listeners.iter().any(traces) {
            self.fault(
                &table.span(),
                "[trace] exports the spans of listeners with trace = true, and there is none",
            );
        }
        if let Some(name) = service_name.as_ref().filter(|name| name.get_ref().is_empty()) {
            self.fault(&name.span(), "a service has a name");
        }
        let service = service_name.as_ref().map_or(SERVICE_NAME, |name| name.get_ref()).to_owned();
        let collector = collector(endpoint.get_ref(), service);
        if collector.is_none() {
            let message = format!(
                "{:?} is no endpoint of a collector: it begins with http:// or https://, as http://127.0.0.1:4318",
                endpoint.get_ref()
            );
            self.fault(&endpoint.span(), message);
        }
        collector
    }
}

/// The collector at this URL. Without a path, spans go to the usual one.
fn collector(url: &str, service: String) -> Option<Collector> {
    let url: Uri = url.parse().ok()?;
    let tls = match url.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = url.authority()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let port = url.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = match url.path_and_query().map(http::uri::PathAndQuery::as_str) {
        None | Some("" | "/") => otlp::PATH,
        Some(path) => path,
    };
    Some(Collector { host: authority.host().to_owned(), port, tls, path: path.to_owned(), service })
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn parse(trace: &str, listener: &str) -> Result<Config, Vec<super::super::Fault>> {
        Config::parse(&format!(
            "[[listener]]\nlisten = \":1\"\nto = \"a\"\n{listener}\n[upstream.a]\nbackends = [\"b:1\"]\n[trace]\n{trace}\n"
        ))
    }

    #[test]
    fn where_spans_go() {
        for (url, host, port, tls, path) in [
            ("http://127.0.0.1:4318", "127.0.0.1", 4318, false, "/v1/traces"),
            ("http://[::1]:4318/", "[::1]", 4318, false, "/v1/traces"),
            ("https://otel.test/in/v1/traces?a=b", "otel.test", 443, true, "/in/v1/traces?a=b"),
        ] {
            let config = parse(&format!("endpoint = {url:?}"), "trace = true").unwrap();
            let found = config.trace.unwrap();
            assert_eq!((&*found.host, found.port, found.tls, &*found.path), (host, port, tls, path), "{url}");
            assert_eq!(found.service, "wireworks");
        }
        let config = parse("endpoint = \"http://a\"\nservice-name = \"edge\"", "trace = true").unwrap();
        assert_eq!(config.trace.unwrap().service, "edge");
    }

    #[test]
    fn what_does_not_fit() {
        for (trace, listener, expected) in [
            ("endpoint = \"http://a\"", "", "and there is none"),
            ("endpoint = \"a:4318\"", "trace = true", "is no endpoint of a collector"),
            ("endpoint = \"grpc://a\"", "trace = true", "is no endpoint of a collector"),
            ("endpoint = \"http://u:p@a\"", "trace = true", "is no endpoint of a collector"),
            ("endpoint = \"http://a\"\nservice-name = \"\"", "trace = true", "a service has a name"),
            ("service-name = \"a\"", "trace = true", "missing field `endpoint`"),
            ("endpoint = \"http://a\"\nratio = 1.0", "trace = true", "unknown field `ratio`"),
        ] {
            let faults = parse(trace, listener).unwrap_err();
            assert!(faults[0].message.contains(expected), "{trace}: {faults:?}");
        }
    }
}
