//! `discover` of an upstream: service discovery.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use crate::proto::balance::discovery::Policy;
use crate::server::balance::discovery::{Dns, Kind, Source};
use crate::server::units::TimeSpan;

/// The source of backends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DiscoverTable {
    file: Option<PathBuf>,
    dns: Option<Spanned<String>>,
    #[serde(rename = "type")]
    kind: Option<KindName>,
    port: Option<Spanned<u16>>,
    resolver: Option<Spanned<String>>,
    min_ttl: Option<TimeSpan>,
    max_ttl: Option<TimeSpan>,
    hold: Option<TimeSpan>,
}

/// The record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindName {
    A,
    Aaaa,
    Srv,
}

/// The port of DNS.
const DNS_PORT: u16 = 53;

impl Checker<'_> {
    /// The source that a table describes.
    pub(super) fn discover(&mut self, table: &Spanned<DiscoverTable>) -> Option<Source> {
        let at = table.span();
        let DiscoverTable { file, dns, kind, port, resolver, min_ttl, max_ttl, hold } = table.get_ref();
        let of_dns = kind.is_some() || port.is_some() || resolver.is_some();
        let of_dns = of_dns || min_ttl.is_some() || max_ttl.is_some() || hold.is_some();
        let name = match (file, dns) {
            (Some(_), None) if of_dns => {
                self.fault(&at, "the other keys are for dns, not for a file");
                return None;
            }
            (Some(file), None) => return Some(Source::File(file.clone())),
            (None, Some(name)) => name,
            _ => {
                self.fault(&at, "set either `dns` or `file`");
                return None;
            }
        };
        let text = name.get_ref();
        let fits = |label: &str| {
            let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            (1..=63).contains(&label.len()) && label.bytes().all(byte)
        };
        if text.len() > 253 || !text.strip_suffix('.').unwrap_or(text).split('.').all(fits) {
            self.fault(&name.span(), format!("{text:?} is not a valid DNS name"));
        }
        let kind = match kind.unwrap_or(KindName::A) {
            KindName::A => Kind::A,
            KindName::Aaaa => Kind::Aaaa,
            KindName::Srv => Kind::Srv,
        };
        match port {
            Some(port) if kind == Kind::Srv => {
                self.fault(&port.span(), "SRV records contain the port");
            }
            None if kind != Kind::Srv => self.fault(&at, "set `port`: A and AAAA records have none"),
            Some(port) if *port.get_ref() == 0 => self.fault(&port.span(), "port 0 is not allowed"),
            _ => {}
        }
        let defaults = Policy::DEFAULT;
        let time =
            |given: &Option<TimeSpan>, default| given.as_ref().map_or(default, |time: &TimeSpan| time.0);
        let policy = Policy {
            min_ttl: time(min_ttl, defaults.min_ttl),
            max_ttl: time(max_ttl, defaults.max_ttl.max(time(min_ttl, defaults.min_ttl))),
            hold: time(hold, defaults.hold),
        };
        if policy.min_ttl > policy.max_ttl || policy.max_ttl.is_zero() {
            self.fault(&at, "max-ttl must be more than 0 and at least min-ttl");
        }
        let resolver = resolver.as_ref().and_then(|text| {
            let address = text.get_ref();
            let plain = address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
            let parsed = address.parse().or(plain).ok();
            if parsed.is_none() {
                self.fault(
                    &text.span(),
                    format!("{address:?} is not an address of a resolver, such as 10.0.0.1 or 10.0.0.1:53"),
                );
            }
            parsed
        });
        let port = port.as_ref().map_or(0, |port| *port.get_ref());
        Some(Source::Dns(Dns { name: text.clone(), kind, port, resolver, policy }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Config;
    use super::*;

    fn source(lines: &str) -> Result<Option<Source>, String> {
        let text = format!("[[listener]]\nlisten = \":1\"\nto = \"a\"\n[upstream.a]\n{lines}\n");
        let config = Config::parse(&text).map_err(|faults| format!("{faults:?}"))?;
        Ok(config.upstreams[0].settings.discovery.as_ref().map(|discovery| discovery.source.clone()))
    }

    #[test]
    fn whole_tables() {
        let file = source("discover = { file = \"b.json\" }\nbackends = [\"c:1\"]");
        assert_eq!(file, Ok(Some(Source::File("b.json".into()))));
        let Ok(Some(Source::Dns(dns))) = source("discover = { dns = \"web.internal\", port = 80 }") else {
            panic!("no names")
        };
        assert_eq!((dns.kind, dns.port, dns.resolver, dns.policy), (Kind::A, 80, None, Policy::DEFAULT));
        let all = "discover = { dns = \"_http._tcp.web.internal.\", type = \"srv\", resolver = \"::1\", min-ttl = \"5s\", max-ttl = \"9s\", hold = \"0\" }";
        let Ok(Some(Source::Dns(dns))) = source(all) else { panic!("no names") };
        let policy =
            Policy { min_ttl: Duration::from_secs(5), max_ttl: Duration::from_secs(9), hold: Duration::ZERO };
        assert_eq!(
            (dns.kind, dns.resolver, dns.policy),
            (Kind::Srv, Some("[::1]:53".parse().unwrap()), policy)
        );
    }

    #[test]
    fn what_is_wrong() {
        for (lines, message) in [
            ("discover = {}", "set either"),
            ("discover = { file = \"a\", dns = \"b\" }", "set either"),
            ("discover = { file = \"a\", port = 1 }", "are for dns"),
            ("discover = { dns = \"a\" }", "set `port`"),
            ("discover = { dns = \"a\", port = 0 }", "port 0 is not"),
            ("discover = { dns = \"a..b\", port = 1 }", "not a valid DNS name"),
            ("discover = { dns = \"a b\", port = 1 }", "not a valid DNS name"),
            ("discover = { dns = \"a\", type = \"srv\", port = 1 }", "SRV records contain"),
            ("discover = { dns = \"a\", type = \"mx\" }", "unknown variant"),
            ("discover = { dns = \"a\", port = 1, resolver = \"ns.test\" }", "not an address of a resolver"),
            ("discover = { dns = \"a\", port = 1, min-ttl = \"9s\", max-ttl = \"5s\" }", "at least min-ttl"),
            ("algorithm = \"p2c\"", "1 to 10000 backends"),
        ] {
            let fault = source(lines).unwrap_err();
            assert!(fault.contains(message), "{lines}: {fault}");
        }
    }
}
