//! `[upstream.NAME]`: a group of interchangeable backends.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::backends::{BackendEntry, MAX_BACKENDS};
use super::check::{AgentTable, CheckTable};
use super::checker::Checker;
use super::discover::DiscoverTable;
use super::page::ErrorPageTable;
use super::resilience::{BreakerTable, OutlierTable, PoolsTable, RetryBudgetTable};
use super::sticky::StickyTable;
use super::tcp::SILENCE;
use super::tls::UpstreamTlsTable;
use super::{Upstream, hash_by};
use crate::net::client::Target;
use crate::net::resilience::pick::SlowStart;
use crate::server::balance::backend::Setup;
use crate::server::balance::discovery::Discovery;
use crate::server::balance::{gateway, upstream};
use crate::server::units::{ByteSize, TimeSpan};

/// A group of interchangeable backends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamTable {
    pub(super) algorithm: Option<Spanned<String>>,
    pub(super) hash: Option<Spanned<String>>,
    pub(super) seed: Option<u64>,
    #[serde(default)]
    pub(super) backends: Vec<Spanned<BackendEntry>>,
    pub(super) discover: Option<Spanned<DiscoverTable>>,
    pub(super) check: Option<Spanned<CheckTable>>,
    pub(super) agent: Option<AgentTable>,
    pub(super) tls: Option<Spanned<UpstreamTlsTable>>,
    pub(super) connect_timeout: Option<TimeSpan>,
    pub(super) response_timeout: Option<TimeSpan>,
    pub(super) retries: Option<Spanned<u32>>,
    pub(super) retry_budget: Option<Spanned<RetryBudgetTable>>,
    pub(super) replay: Option<ByteSize>,
    pub(super) slow_start: Option<TimeSpan>,
    pub(super) idle_timeout: Option<TimeSpan>,
    pub(super) try_timeout: Option<TimeSpan>,
    pub(super) deadline: Option<TimeSpan>,
    pub(super) tunnel_timeout: Option<TimeSpan>,
    pub(super) max_connections: Option<Spanned<usize>>,
    pub(super) queue: Option<usize>,
    pub(super) queue_timeout: Option<TimeSpan>,
    pub(super) bound: Option<Spanned<f64>>,
    pub(super) pools: Option<Spanned<PoolsTable>>,
    pub(super) outlier: Option<Spanned<OutlierTable>>,
    pub(super) breaker: Option<Spanned<BreakerTable>>,
    pub(super) sticky: Option<Spanned<StickyTable>>,
    #[serde(default)]
    pub(super) error_page: Vec<ErrorPageTable>,
}

impl Checker<'_> {
    pub(super) fn upstream(&mut self, name: &str, upstream: &Spanned<UpstreamTable>) -> Upstream {
        let at = upstream.span();
        let upstream = upstream.get_ref();
        let mut settings = upstream::Settings::default();
        if let Some(algorithm) = &upstream.algorithm {
            match algorithm.get_ref().parse() {
                Ok(known) => settings.algorithm = known,
                Err(error) => self.fault(&algorithm.span(), format!("{error}")),
            }
        }
        settings.seed = upstream.seed.unwrap_or(settings.seed);
        settings.connect_timeout = upstream.connect_timeout.map_or(settings.connect_timeout, |time| time.0);
        let mut gateway = gateway::Settings::default();
        gateway.timeouts.response =
            upstream.response_timeout.map_or(gateway.timeouts.response, |time| time.0);
        gateway.timeouts.idle = upstream.idle_timeout.map_or(gateway.timeouts.idle, |time| time.0);
        gateway.try_timeout = upstream.try_timeout.map(|time| time.0);
        gateway.deadline = upstream.deadline.map(|time| time.0);
        self.time("tunnel-timeout", upstream.tunnel_timeout, &mut gateway.tunnel.idle, &at, &SILENCE);
        self.resilience(upstream, &mut settings);
        let breaker = upstream.breaker.as_ref().map(|breaker| self.breaker(breaker));
        let limit = upstream.max_connections.as_ref().map(|most| *most.get_ref());
        if let Some(most) = upstream.max_connections.as_ref().filter(|_| limit == Some(0)) {
            self.fault(&most.span(), "max-connections is at least 1");
        }
        if let Some(bytes) = upstream.replay {
            gateway.replay = usize::try_from(bytes.0).unwrap_or(usize::MAX);
        }
        if let Some(hash) = &upstream.hash {
            match hash_by(hash.get_ref()) {
                Some(by) => gateway.hash = by,
                None => {
                    self.fault(&hash.span(), "hash is source, path, header:NAME or cookie:NAME");
                }
            }
        }
        gateway.sticky = upstream.sticky.as_ref().and_then(|sticky| self.sticky(name, sticky)).map(Arc::new);
        gateway.error_pages = self.error_pages(&upstream.error_page);
        let tls = upstream.tls.as_ref().map(|tls| self.tls_dial(tls.get_ref(), &tls.span()));
        let mut dial = tls.unwrap_or_default();
        // Longer than the default of a connector, too.
        dial.connector = dial.connector.deadline(settings.connect_timeout);
        let dial = Arc::new(dial);
        let checked = upstream.check.as_ref().map(|check| self.check(check, upstream));
        let (checks, probe) = checked.unzip();
        settings.checks = probe;
        settings.agent = upstream.agent.as_ref().map(|agent| self.agent(agent));
        let slow_start = SlowStart {
            window: upstream.slow_start.map_or(Duration::ZERO, |time| time.0),
            ..SlowStart::DEFAULT
        };
        if upstream.backends.len() > MAX_BACKENDS
            || upstream.backends.is_empty() && upstream.discover.is_none()
        {
            self.fault(&at, format!("an upstream needs 1 to {MAX_BACKENDS} backends, or `discover`"));
        }
        // The address is another for each backend.
        let nowhere = Target::Tcp { host: String::new(), port: 0 };
        let outlier = settings.outlier;
        let template = Setup { dial, slow_start, checks, outlier, limit, breaker, ..Setup::new(nowhere) };
        let backends = self.backends(&upstream.backends, &template);
        let unix = backends.iter().any(|backend| matches!(backend.target, Target::Unix(_)));
        if unix && settings.agent.is_some() {
            self.fault(&at, "an agent has a port: there is none at a backend behind a Unix socket");
        }
        if unix && settings.checks.as_ref().is_some_and(|checks| checks.probe.port.is_some()) {
            self.fault(&at, "the `port` of a check is for backends with addresses: a Unix socket has none");
        }
        settings.template = Arc::new(template.clone());
        let source = upstream.discover.as_ref().and_then(|discover| self.discover(discover));
        settings.discovery = source.map(|source| Arc::new(Discovery { source, template }));
        Upstream { name: name.into(), backends, settings, gateway }
    }
}
