//! How an upstream handles failing, slow and full backends: `outlier`, `breaker`, `pools`, retries, and limits.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use super::upstream::UpstreamTable;
use crate::net::resilience::backoff::{self, Growth, Jitter};
use crate::net::resilience::pick::{Bound, pools};
use crate::net::resilience::{breaker, budget};
use crate::proto::balance::outlier;
use crate::server::balance::upstream::Settings;
use crate::server::units::TimeSpan;

/// The rules of outlier ejection.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct OutlierTable {
    faults: Option<u32>,
    errors: Option<u32>,
    rate: Option<u8>,
    latency_factor: Option<f64>,
    least_latency: Option<TimeSpan>,
    requests: Option<u32>,
    window: Option<TimeSpan>,
    time: Option<TimeSpan>,
    max_time: Option<TimeSpan>,
    cap: Option<u8>,
}

/// The rules of circuit breakers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BreakerTable {
    failures: Option<u32>,
    rate: Option<u8>,
    requests: Option<u32>,
    window: Option<TimeSpan>,
    open: Option<TimeSpan>,
    max_open: Option<TimeSpan>,
    probes: Option<u32>,
    probe_timeout: Option<TimeSpan>,
}

/// The retry budget of an upstream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RetryBudgetTable {
    percent: Option<u32>,
    per_second: Option<u32>,
}

/// The most retries of one request: enough to try every backend of a small group, and few enough not to multiply an outage.
const MAX_RETRIES: u32 = 10;

/// How long requests and retries count for the budget.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// When the next pool is used, and when all backends are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PoolsTable {
    enough: Option<u8>,
    panic: Option<u8>,
}

impl Checker<'_> {
    /// Sets the rules for failures and limits.
    pub(super) fn resilience(&mut self, upstream: &UpstreamTable, settings: &mut Settings) {
        if let Some(retries) = &upstream.retries {
            let count = *retries.get_ref();
            if count > MAX_RETRIES {
                self.fault(&retries.span(), format!("retries is at most {MAX_RETRIES}"));
            }
            settings.retry.attempts = count.min(MAX_RETRIES) + 1;
            settings.retry.most = settings.retry.attempts;
            // With none, what was never sent is not sent again either.
            settings.retry.transparent = settings.retry.transparent.min(count);
        }
        if let Some(table) = &upstream.retry_budget {
            let RetryBudgetTable { percent, per_second } = *table.get_ref();
            if percent.is_some_and(|percent| percent > 100) {
                self.fault(&table.span(), "percent is 0 to 100");
            }
            let (percent, reserve) = (percent.unwrap_or(20), per_second.unwrap_or(10));
            settings.budget = budget::Policy::Share { percent, reserve, window: BUDGET_WINDOW };
        }
        if let Some(outlier) = &upstream.outlier {
            settings.outlier = self.outlier(outlier);
        }
        if let Some(pools) = &upstream.pools {
            let PoolsTable { enough, panic } = pools.get_ref();
            let defaults = pools::Policy::default();
            settings.pools = pools::Policy {
                enough: enough.unwrap_or(defaults.enough),
                panic: panic.unwrap_or(defaults.panic),
            };
            if settings.pools.enough > 100 || settings.pools.panic > 100 {
                self.fault(&pools.span(), "enough and panic are 0 to 100 percent");
            }
        }
        if let Some(bound) = &upstream.bound {
            let factor = *bound.get_ref();
            if !(1.0..=100.0).contains(&factor) {
                self.fault(&bound.span(), "bound is 1 to 100 times the share of a backend, for example 1.25");
            }
            if !settings.algorithm.is_keyed() {
                let message = "bound needs a hashing algorithm: rendezvous, ring or maglev";
                self.fault(&bound.span(), message);
            }
            settings.bound = Some(Bound::new((factor.clamp(1.0, 100.0) * 100.0).round() as u32));
        }
        settings.queue = upstream.queue.unwrap_or(settings.queue);
        settings.queue_timeout = upstream.queue_timeout.map_or(settings.queue_timeout, |time| time.0);
    }

    fn outlier(&mut self, table: &Spanned<OutlierTable>) -> outlier::Policy {
        let at = table.span();
        let table = table.get_ref();
        let defaults = outlier::Policy::DEFAULT;
        let lag = match table.latency_factor {
            None => 0,
            Some(factor) if factor == 0.0 || (1.0..=1000.0).contains(&factor) => {
                (factor * 100.0).round() as u32
            }
            Some(_) => {
                self.fault(&at, "latency-factor is 1 to 1000 times the median, or 0 to disable the rule");
                0
            }
        };
        if table.rate.is_some_and(|rate| rate > 100) || table.cap.is_some_and(|cap| cap > 100) {
            self.fault(&at, "rate and cap are 0 to 100 percent");
        }
        let time = |given: Option<TimeSpan>, default| given.map_or(default, |time| time.0);
        outlier::Policy {
            faults: table.faults.unwrap_or(defaults.faults),
            failures: table.errors.unwrap_or(defaults.failures),
            rate: table.rate.unwrap_or(defaults.rate),
            lag,
            lag_least: time(table.least_latency, defaults.lag_least),
            window: time(table.window, defaults.window),
            least_calls: table.requests.unwrap_or(defaults.least_calls),
            time: time(table.time, defaults.time),
            longest: time(table.max_time, defaults.longest.max(time(table.time, Duration::ZERO))),
            most: table.cap.unwrap_or(defaults.most),
            ..defaults
        }
    }

    /// The rules of circuit breakers.
    pub(super) fn breaker(&mut self, table: &Spanned<BreakerTable>) -> breaker::Policy {
        let at = table.span();
        let table = table.get_ref();
        let defaults = breaker::Policy::DEFAULT;
        if table.rate.is_some_and(|rate| rate > 100) {
            self.fault(&at, "rate is 0 to 100 percent");
        }
        if table.probes == Some(0) {
            self.fault(&at, "a breaker needs at least one probe");
        }
        let time = |given: Option<TimeSpan>, default| given.map_or(default, |time| time.0);
        let first = time(table.open, Duration::from_secs(1));
        breaker::Policy {
            consecutive: table.failures.unwrap_or(defaults.consecutive),
            // Told by the part that fails, judged by the part that succeeds.
            percent: table.rate.map_or(defaults.percent, |rate| {
                if rate == 0 { 0 } else { 100_u32.saturating_sub(rate.into()) + 1 }
            }),
            requests: table.requests.unwrap_or(defaults.requests),
            window: time(table.window, defaults.window),
            open: backoff::Policy {
                growth: Growth::Exponential { first, jitter: Jitter::Equal },
                cap: time(table.max_open, defaults.open.cap.max(first)),
            },
            probes: table.probes.unwrap_or(defaults.probes),
            patience: time(table.probe_timeout, defaults.patience),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Upstream};
    use super::*;

    fn upstream(lines: &str) -> Result<Upstream, String> {
        let text = format!("[[listener]]\nlisten = \":1\"\nto = \"a\"\n[upstream.a]\n{lines}\n");
        let config = Config::parse(&text);
        config.map(|mut config| config.upstreams.remove(0)).map_err(|faults| format!("{faults:?}"))
    }

    #[test]
    fn every_key_counts() {
        let upstream = upstream(
            "algorithm = \"maglev\"\nbackends = [\"b:1\", { address = \"b:2\", max-connections = 7 }]\nmax-connections = 5\nqueue = 9\nretries = 7\nretry-budget = { percent = 30, per-second = 4 }\nqueue-timeout = \"2s\"\nbound = 1.25\n\
             pools = { enough = 40, panic = 20 }\nbreaker = { failures = 2, rate = 30, requests = 4, window = \"1m\", open = \"2s\", max-open = \"9s\", probes = 3, probe-timeout = \"4s\" }\n\
             outlier = { faults = 1, errors = 2, rate = 3, latency-factor = 4.5, least-latency = \"5ms\", requests = 6, window = \"7s\", time = \"8s\", max-time = \"9s\", cap = 10 }",
        )
        .unwrap();
        let settings = &upstream.settings;
        assert_eq!((settings.queue, settings.queue_timeout), (9, Duration::from_secs(2)));
        assert_eq!((settings.retry.attempts, settings.retry.most), (8, 8));
        let window = BUDGET_WINDOW;
        assert_eq!(settings.budget, budget::Policy::Share { percent: 30, reserve: 4, window });
        assert_eq!(settings.bound, Some(Bound::new(125)));
        assert_eq!(settings.pools, pools::Policy { enough: 40, panic: 20 });
        let expected = outlier::Policy {
            faults: 1,
            failures: 2,
            rate: 3,
            lag: 450,
            lag_least: Duration::from_millis(5),
            least_calls: 6,
            window: Duration::from_secs(7),
            time: Duration::from_secs(8),
            longest: Duration::from_secs(9),
            most: 10,
            forgive: outlier::Policy::DEFAULT.forgive,
        };
        assert_eq!(settings.outlier, expected);
        let limits: Vec<_> = upstream.backends.iter().map(|backend| backend.limit).collect();
        assert_eq!(limits, [Some(5), Some(7)]);
        for backend in &upstream.backends {
            assert_eq!(backend.outlier, expected);
            let breaker = backend.breaker.unwrap();
            assert_eq!(
                (breaker.consecutive, breaker.percent, breaker.requests, breaker.probes),
                (2, 71, 4, 3)
            );
            assert_eq!(
                (breaker.open.cap, breaker.patience),
                (Duration::from_secs(9), Duration::from_secs(4))
            );
        }
    }

    #[test]
    fn what_is_not_said_has_a_default_and_limits_none() {
        let upstream =
            upstream("backends = [\"b:1\"]\nbreaker = {}\noutlier = {}\npools = {}\nretry-budget = {}")
                .unwrap();
        assert_eq!(upstream.settings.outlier, outlier::Policy::DEFAULT);
        assert_eq!(upstream.settings.pools, pools::Policy::default());
        assert_eq!(upstream.settings.budget, budget::Policy::DEFAULT);
        assert_eq!(upstream.backends[0].breaker, Some(breaker::Policy::DEFAULT));
        assert_eq!((upstream.backends[0].limit, upstream.settings.bound), (None, None));
    }

    #[test]
    fn what_is_wrong() {
        for (lines, message) in [
            ("bound = 1.25", "needs a hashing algorithm"),
            ("algorithm = \"ring\"\nbound = 0.5", "1 to 100 times"),
            ("pools = { panic = 101 }", "0 to 100 percent"),
            ("outlier = { rate = 101 }", "0 to 100 percent"),
            ("outlier = { latency-factor = 0.5 }", "1 to 1000 times"),
            ("breaker = { probes = 0 }", "at least one probe"),
            ("breaker = { rate = 200 }", "0 to 100 percent"),
            ("max-connections = 0", "at least 1"),
            ("retries = 11", "at most 10"),
            ("retry-budget = { percent = 101 }", "0 to 100"),
        ] {
            let fault = upstream(&format!("backends = [\"b:1\"]\n{lines}")).unwrap_err();
            assert!(fault.contains(message), "{lines}: {fault}");
        }
    }
}
