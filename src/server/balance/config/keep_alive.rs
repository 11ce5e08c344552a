//! `[keep-alive]`: the idle connections to backends that each thread keeps for later requests.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use crate::net::client::pool::Limits;
use crate::server::units::TimeSpan;

/// Limits of the pools.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct KeepAliveTable {
    connections: Option<usize>,
    idle_timeout: Option<TimeSpan>,
    lifetime: Option<TimeSpan>,
}

/// The limits of a thread's pool unless configured. Connections in use are limited by `max-connections` of an upstream, not here. nginx's examples keep 16 to 32
/// idle ones for each worker; an idle one costs little more than its descriptor.
pub(super) const DEFAULT: Limits =
    Limits { total: 65_536, per_key: 65_536, idle_per_key: 256, ..Limits::DEFAULT };

/// What a time may be: up to a week.
const TIME: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(7 * 24 * 3600);

impl Checker<'_> {
    /// The limits of the pools.
    pub(super) fn keep_alive(&mut self, table: &Spanned<KeepAliveTable>) -> Limits {
        let KeepAliveTable { connections, idle_timeout, lifetime } = table.get_ref();
        let mut limits = DEFAULT;
        limits.idle_per_key = connections.unwrap_or(limits.idle_per_key);
        for (name, given, limit) in
            [("idle-timeout", idle_timeout, &mut limits.idle), ("lifetime", lifetime, &mut limits.lifetime)]
        {
            match given.map(|time| time.0) {
                None => {}
                Some(time) if TIME.contains(&time) => *limit = time,
                Some(_) => self.fault(&table.span(), format!("{name} is from 1ms to 7d")),
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(section: &str) -> Result<Limits, String> {
        let text = format!(
            "[[listener]]\nlisten = \":1\"\nto = \"a\"\n[upstream.a]\nbackends = [\"b:1\"]\n{section}"
        );
        Config::parse(&text).map(|config| config.keep_alive).map_err(|faults| format!("{faults:?}"))
    }

    #[test]
    fn every_key_counts() {
        assert_eq!(parse(""), Ok(DEFAULT));
        let limits = parse("[keep-alive]\nconnections = 7\nidle-timeout = \"8s\"\nlifetime = \"9m\"\n");
        let (idle, lifetime) = (Duration::from_secs(8), Duration::from_secs(540));
        assert_eq!(limits, Ok(Limits { idle_per_key: 7, idle, lifetime, ..DEFAULT }));
    }

    #[test]
    fn what_is_wrong() {
        for (section, message) in [
            ("[keep-alive]\nidle-timeout = \"0s\"\n", "idle-timeout is from 1ms to 7d"),
            ("[keep-alive]\nlifetime = \"8d\"\n", "lifetime is from 1ms to 7d"),
            ("[keep-alive]\nmax = 1\n", "unknown field `max`"),
        ] {
            let fault = parse(section).unwrap_err();
            assert!(fault.contains(message), "{section}: {fault}");
        }
    }
}
