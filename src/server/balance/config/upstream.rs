//! `[upstream.NAME]`: backends that are alike, and how they are used.

use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::check::CheckTable;
use super::checker::Checker;
use super::{Upstream, hash_by};
use crate::net::client::Connector;
use crate::net::resilience::pick::SlowStart;
use crate::net::tls::{CertPair, ClientTls, ClientTlsConfig, Trust};
use crate::server::balance::backend::{Dial, Setup};
use crate::server::balance::{gateway, upstream};
use crate::server::units::{ByteSize, TimeSpan};

/// Backends of one upstream at most.
const MAX_BACKENDS: usize = 10_000;

/// Backends that are alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamTable {
    pub(super) algorithm: Option<Spanned<String>>,
    pub(super) hash: Option<Spanned<String>>,
    pub(super) backends: Vec<Spanned<BackendEntry>>,
    pub(super) check: Option<Spanned<CheckTable>>,
    pub(super) tls: Option<UpstreamTlsTable>,
    pub(super) connect_timeout: Option<TimeSpan>,
    pub(super) response_timeout: Option<TimeSpan>,
    pub(super) retries: Option<u32>,
    pub(super) replay: Option<ByteSize>,
    pub(super) slow_start: Option<TimeSpan>,
}

/// A backend: its address, or a table with more.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum BackendEntry {
    Address(String),
    Table(BackendTable),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BackendTable {
    pub(super) address: String,
    pub(super) weight: Option<u32>,
    #[serde(default)]
    pub(super) backup: bool,
    pub(super) priority: Option<u32>,
}

/// TLS to backends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamTlsTable {
    /// The name in their certificate.
    pub(super) name: String,
    /// Who vouches for them, if that is nobody whom the system trusts.
    pub(super) ca: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
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
        settings.connect_timeout = upstream.connect_timeout.map_or(settings.connect_timeout, |time| time.0);
        if let Some(retries) = upstream.retries {
            settings.retry.attempts = retries.saturating_add(1);
        }
        let mut gateway = gateway::Settings::default();
        gateway.timeouts.response =
            upstream.response_timeout.map_or(gateway.timeouts.response, |time| time.0);
        if let Some(bytes) = upstream.replay {
            gateway.replay = usize::try_from(bytes.0).unwrap_or(usize::MAX);
        }
        if let Some(hash) = &upstream.hash {
            match hash_by(hash.get_ref()) {
                Some(by) => gateway.hash = by,
                None => {
                    self.fault(&hash.span(), "a hash goes by source, path, header:NAME or cookie:NAME");
                }
            }
        }
        let dial = Arc::new(self.dial(upstream, &at));
        let checked = upstream.check.as_ref().map(|check| self.probe(check));
        let (checks, probe) = checked.unzip();
        settings.checks = probe;
        let slow_start = SlowStart {
            window: upstream.slow_start.map_or(Duration::ZERO, |time| time.0),
            ..SlowStart::DEFAULT
        };
        if upstream.backends.is_empty() || upstream.backends.len() > MAX_BACKENDS {
            self.fault(&at, format!("an upstream has 1 to {MAX_BACKENDS} backends"));
        }
        let mut backends: Vec<Setup> = Vec::new();
        for backend in &upstream.backends {
            let (address, weight, priority) = match backend.get_ref() {
                BackendEntry::Address(address) => (address, 1, 0),
                BackendEntry::Table(table) => {
                    let priority = table.priority.unwrap_or(u32::from(table.backup));
                    (&table.address, table.weight.unwrap_or(1), priority)
                }
            };
            match address.parse() {
                Ok(target) if backends.iter().any(|other| other.target == target) => {
                    self.fault(&backend.span(), format!("{address} is there twice"));
                }
                Ok(target) => backends.push(Setup {
                    weight,
                    priority,
                    dial: dial.clone(),
                    slow_start,
                    checks,
                    ..Setup::new(target)
                }),
                Err(error) => self.fault(&backend.span(), format!("{error}")),
            }
        }
        Upstream { name: name.into(), backends, settings, gateway }
    }

    fn dial(&mut self, upstream: &UpstreamTable, at: &Range<usize>) -> Dial {
        let mut dial = Dial::default();
        let Some(tls) = &upstream.tls else { return dial };
        if tls.name.parse::<IpAddr>().is_err()
            && rustls::pki_types::ServerName::try_from(tls.name.as_str()).is_err()
        {
            self.fault(at, format!("{:?} is no name of a server", tls.name));
        }
        let certificate = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => Some(CertPair { cert: cert.clone(), key: key.clone() }),
            (None, None) => None,
            _ => {
                self.fault(at, "a certificate has its key beside it: `cert` and `key`");
                None
            }
        };
        let trust = tls.ca.clone().map_or(Trust::System, Trust::SystemAnd);
        match ClientTls::new(&ClientTlsConfig { trust, certificate }) {
            Ok(client) => dial.connector = Connector::new().trusting(client),
            Err(error) => self.fault(at, format!("{error}")),
        }
        dial.tls = Some(Arc::from(&*tls.name));
        dial
    }
}
