//! `[redis]`: the Redis that counts rate limits shared by several balancers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use super::tls::UpstreamTlsTable;
use crate::net::client::Target;
use crate::server::balance::dial::Dial;
use crate::server::balance::redis::{CONNECT_TIMEOUT, DEFAULT_LEASE, DEFAULT_PREFIX, DEFAULT_TIMEOUT};
use crate::server::balance::redis::{Redis, Server, Settings};
use crate::server::units::TimeSpan;

/// The allowed timeouts.
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(1), CONNECT_TIMEOUT);

/// The `[redis]` section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RedisTable {
    url: Spanned<String>,
    ca: Option<Spanned<PathBuf>>,
    timeout: Option<Spanned<TimeSpan>>,
    lease: Option<Spanned<u32>>,
    prefix: Option<String>,
}

impl Checker<'_> {
    /// The Redis of the configuration.
    pub(super) fn redis(&mut self, table: &Spanned<RedisTable>) -> Option<Arc<Redis>> {
        let RedisTable { url, ca, timeout, lease, prefix } = table.get_ref();
        let time = timeout.as_ref().map_or(DEFAULT_TIMEOUT, |time| time.get_ref().0);
        if let Some(timeout) = timeout.as_ref().filter(|_| time < TIMEOUTS.0 || time > TIMEOUTS.1) {
            self.fault(&timeout.span(), format!("timeout is from {:?} to {:?}", TIMEOUTS.0, TIMEOUTS.1));
        }
        if let Some(lease) = lease.as_ref().filter(|lease| *lease.get_ref() == 0) {
            self.fault(&lease.span(), "a lease has at least one token");
        }
        let server = Server::parse(url.get_ref()).map_err(|error| self.fault(&url.span(), error.to_string()));
        let server = server.ok()?;
        let dial = match &server.target {
            Target::Tcp { host, .. } if server.tls => {
                let ca = ca.as_ref().map(|ca| ca.get_ref().clone());
                self.tls_dial(&UpstreamTlsTable::vouched(host, ca), &table.span())
            }
            _ => {
                if let Some(ca) = ca {
                    self.fault(&ca.span(), "`ca` is for TLS: the address begins with rediss://");
                }
                Dial::default()
            }
        };
        Some(Arc::new(Redis::new(Settings {
            server,
            dial,
            timeout: time,
            lease: lease.as_ref().map_or(DEFAULT_LEASE, |lease| *lease.get_ref()),
            prefix: prefix.clone().unwrap_or_else(|| DEFAULT_PREFIX.to_owned()),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn parse(redis: &str, limit: &str) -> Result<Config, String> {
        let text = format!(
            "{redis}\n[[listener]]\nlisten = \":1\"\nto = \"a\"\nlimits = {{ requests = {{ rate = \"1/s\", {limit} }} }}\n[upstream.a]\nbackends = [\"b:1\"]\n"
        );
        Config::parse(&text).map_err(|faults| {
            let lines: Vec<_> = faults
                .iter()
                .map(|fault| format!("{}:{}: {}", fault.line, fault.column, fault.message))
                .collect();
            lines.join("\n")
        })
    }

    #[test]
    fn what_is_wrong_with_it() {
        for (redis, limit, expected) in [
            ("", "shared = true", "5:48: shared limits are counted by Redis: there is no [redis]"),
            ("[redis]\nurl = \"http://a\"", "shared = true", "2:7: this is no address of a Redis"),
            (
                "[redis]\nurl = \"redis://a\"\ntimeout = \"2s\"",
                "burst = 1",
                "3:11: timeout is from 1ms to 1s",
            ),
            ("[redis]\nurl = \"redis://a\"\nlease = 0", "burst = 1", "3:9: a lease has at least one token"),
            ("[redis]\nurl = \"redis://a\"\nca = \"x.pem\"", "burst = 1", "3:6: `ca` is for TLS"),
            (
                "[redis]\nurl = \"rediss://a\"\nca = \"/nonexistent\"",
                "burst = 1",
                "1:1: cannot read /nonexistent",
            ),
            ("[redis]", "burst = 1", "1:1: missing field `url`"),
        ] {
            let fault = parse(redis, limit).unwrap_err();
            assert!(fault.starts_with(expected), "{redis}: {fault}");
        }
    }

    #[test]
    fn it_is_read() {
        let config =
            parse("[redis]\nurl = \"redis://a:1\"\nlease = 9\nprefix = \"x\"", "shared = true").unwrap();
        let settings = config.redis.unwrap().settings().clone();
        assert_eq!((settings.lease, &*settings.prefix), (9, "x"));
        assert_eq!(settings.server.target.to_string(), "a:1");
        assert!(parse("", "shared = false").unwrap().redis.is_none());
    }
}
