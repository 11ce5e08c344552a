//! `tls` of an upstream, and of its checks: TLS to backends.

use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::checker::Checker;
use crate::net::client::Connector;
use crate::net::tls::{CertPair, ClientTls, ClientTlsConfig, Trust};
use crate::server::balance::dial::Dial;

/// TLS to backends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamTlsTable {
    /// The name in their certificates.
    name: String,
    /// Trusted authorities beside those of the system.
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl UpstreamTlsTable {
    /// Backends of this name, with certificates of the system's authorities.
    pub(super) fn named(name: &str) -> Self {
        Self::vouched(name, None)
    }

    /// Servers of this name, for which somebody of `ca` vouches, or whom the system trusts.
    pub(super) fn vouched(name: &str, ca: Option<PathBuf>) -> Self {
        Self { name: name.into(), ca, cert: None, key: None }
    }
}

impl Checker<'_> {
    /// How to connect with TLS.
    pub(super) fn tls_dial(&mut self, tls: &UpstreamTlsTable, at: &Range<usize>) -> Dial {
        let mut dial = Dial::default();
        self.files.extend([&tls.ca, &tls.cert, &tls.key].into_iter().flatten().cloned());
        if tls.name.parse::<IpAddr>().is_err()
            && rustls::pki_types::ServerName::try_from(tls.name.as_str()).is_err()
        {
            self.fault(at, format!("{:?} is not a valid server name", tls.name));
        }
        let certificate = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => Some(CertPair { cert: cert.clone(), key: key.clone() }),
            (None, None) => None,
            _ => {
                self.fault(at, "set both `cert` and `key`, or neither");
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
