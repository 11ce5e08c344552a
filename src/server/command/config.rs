//! What every server is told by its command: plain data, every value in its range, every default filled in.
//!
//! The defaults are those of the library's own types and are written nowhere else.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use super::load::useful;
use super::options::ListenOptions;
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::limits::ConnectionLimits;
use crate::net::shards::{Threading, cores};
use crate::net::tls::ClientAuth;
use crate::server::lines::Target;
use crate::server::log::LogConfig;
use crate::server::options::{DRAIN_TIMEOUT, TLS_HANDSHAKE_TIMEOUT};

/// What TLS cannot be without.
const CERTIFICATE: &str = "--tls-cert or --tls-self-signed";

/// Where TLS is spoken.
const TCP: &str = "a TCP address: Unix sockets stay plain";

/// The configuration that every server has.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// Where to listen; at least one address.
    pub listen: Vec<ListenAddr>,
    /// Who must send a PROXY header.
    pub proxies: Prefixes,
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// Threads that serve connections.
    pub threads: usize,
    /// How the work is spread over them.
    pub threading: Threading,
    /// What requests and calls get to end when the server is told to stop.
    pub drain_timeout: Duration,
    /// Certificates.
    pub tls: TlsFiles,
    /// Where the access log goes, if there is one.
    pub access_log: Option<Target>,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<ListenAddr>,
    /// The server's own log.
    pub log: LogConfig,
}

impl ServerConfig {
    /// The defaults, for a server that listens there.
    #[must_use]
    pub fn listening(listen: ListenAddr) -> Self {
        Self {
            listen: vec![listen],
            proxies: Prefixes::default(),
            connections: ConnectionLimits::default(),
            threads: cores(),
            threading: Threading::PerCore,
            drain_timeout: DRAIN_TIMEOUT,
            tls: TlsFiles {
                certs: Vec::new(),
                keys: Vec::new(),
                self_signed: false,
                client_ca: None,
                client_auth: TlsClientAuth::Required,
                handshake_timeout: TLS_HANDSHAKE_TIMEOUT,
            },
            access_log: None,
            metrics: None,
            log: LogConfig::default(),
        }
    }

    /// What no single value can tell.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let (certs, keys) = (self.tls.certs.len(), self.tls.keys.len());
        if certs != keys {
            return Err(ConfigError::Pairs { certs, keys });
        }
        useful(&[("tls-client-ca", self.tls.client_ca.is_some())], self.tls.is_on(), CERTIFICATE)?;
        let spoken = self.listen.iter().any(|address| !matches!(address, ListenAddr::Unix(_)));
        useful(&[("tls-cert", certs > 0), ("tls-self-signed", self.tls.self_signed)], spoken, TCP)
    }

    /// What was typed and would do nothing.
    pub(in crate::server) fn check_use(&self, typed: &ListenOptions) -> Result<(), ConfigError> {
        let of_tls = [("tls-handshake-timeout", typed.tls_handshake_timeout.is_some())];
        let of_clients = [("tls-client-auth", typed.tls_client_auth.is_some())];
        useful(&of_tls, self.tls.is_on(), CERTIFICATE)?;
        useful(&of_clients, self.tls.client_ca.is_some(), "--tls-client-ca")
    }
}

/// Certificates as files; without any there is no TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates with their chains.
    pub certs: Vec<PathBuf>,
    /// As many keys, in the same order.
    pub keys: Vec<PathBuf>,
    /// Whether to make one up.
    pub self_signed: bool,
    /// Who signs the certificates of clients; `None` asks for none.
    pub client_ca: Option<PathBuf>,
    /// Whether every client has to have one, if they are asked.
    pub client_auth: TlsClientAuth,
    /// What a handshake may take.
    pub handshake_timeout: Duration,
}

/// Whether clients that are asked for a certificate have to show one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum TlsClientAuth {
    /// Nobody gets in without.
    Required,
    /// Who shows none gets in; a bad one is refused all the same.
    Optional,
}

impl TlsFiles {
    /// Whether there is TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.self_signed || !self.certs.is_empty()
    }

    /// What clients are asked for, if for anything.
    #[must_use]
    pub fn client_auth(&self) -> Option<ClientAuth> {
        let ca = self.client_ca.clone()?;
        Some(match self.client_auth {
            TlsClientAuth::Required => ClientAuth::Required(ca),
            TlsClientAuth::Optional => ClientAuth::Optional(ca),
        })
    }
}
