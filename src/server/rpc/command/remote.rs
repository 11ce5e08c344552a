//! Where a server is, and how to reach it: what every command of a client wants to know.

use std::path::PathBuf;

use super::RpcError;
use crate::net::client::Connector;
use crate::net::resilience::retry;
use crate::net::tls::{CertPair, ClientTls, ClientTlsConfig, Trust};
use crate::server::rpc::client::{Builder, Policies};
use crate::server::rpc::{Channel, Settings};
use crate::server::units::{ByteSize, TimeSpan};

/// What a user may type about a server.
#[derive(clap::Args, Clone, Debug)]
pub struct Remote {
    /// HOST:PORT, unix:PATH, dns:HOST:PORT (each of its addresses) or file:PATH (each of its lines); several, with commas between them, are servers
    /// that are alike
    #[arg(value_name = "ADDR")]
    pub addresses: String,

    /// How long it may take, all attempts together
    #[arg(long, short = 'd', value_name = "TIME", default_value = "10s", help_heading = "Calls")]
    pub deadline: TimeSpan,

    /// Retries of a failed call, if it is safe to repeat
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u8).range(0..=20), help_heading = "Calls")]
    pub retries: u8,

    /// Compress requests of this size and more by zstd, if the server reads it
    #[arg(long, value_name = "SIZE", help_heading = "Calls")]
    pub compress_from: Option<ByteSize>,

    /// Speak TLS; Unix sockets stay plain
    #[arg(long, help_heading = "TLS")]
    pub tls: bool,

    /// Speak TLS, and trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub tls_ca: Option<PathBuf>,

    /// Speak TLS, and trust any certificate: whoever sits between can read and change everything
    #[arg(long, short = 'k', help_heading = "TLS")]
    pub insecure: bool,

    /// Our own certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    pub cert: Option<PathBuf>,

    /// Its key, as PEM
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    pub key: Option<PathBuf>,
}

impl Remote {
    /// A channel to it.
    pub(super) fn channel(&self) -> Result<Channel, RpcError> {
        Ok(self.builder()?.lazy())
    }

    /// What its connections put up with.
    pub(super) fn settings(&self) -> Settings {
        let compress_from = self.compress_from.map(|size| usize::try_from(size.0).unwrap_or(usize::MAX));
        Settings { compress_from, ..Settings::default() }
    }

    pub(super) fn builder(&self) -> Result<Builder, RpcError> {
        let attempts = u32::from(self.retries) + 1;
        let retry = retry::Policy { attempts, most: attempts, ..retry::Policy::DEFAULT };
        let policies = Policies { retry, ..Policies::default() };
        let builder = Channel::to(self.addresses.split(','))?.deadline(self.deadline.0).policies(policies);
        let builder = builder.settings(self.settings());
        if !self.tls && self.tls_ca.is_none() && !self.insecure && self.cert.is_none() {
            return Ok(builder);
        }
        if self.addresses.split(',').all(|address| address.starts_with("unix:")) {
            let (option, _) = [
                ("--tls-ca", self.tls_ca.is_some()),
                ("--insecure", self.insecure),
                ("--cert", self.cert.is_some()),
            ]
            .into_iter()
            .find(|(_, given)| *given)
            .unwrap_or(("--tls", true));
            return Err(RpcError::Usage(format!(
                "{option} does nothing for unix: addresses, which stay plain"
            )));
        }
        let trust = match (&self.tls_ca, self.insecure) {
            (Some(_), true) => {
                return Err(RpcError::Usage("--tls-ca and --insecure exclude each other".into()));
            }
            (Some(file), false) => Trust::SystemAnd(file.clone()),
            (None, true) => Trust::Anybody,
            (None, false) => Trust::System,
        };
        let certificate = self.cert.clone().zip(self.key.clone()).map(|(cert, key)| CertPair { cert, key });
        let tls = ClientTls::new(&ClientTlsConfig { trust, certificate })?;
        Ok(builder.tls().connector(Connector::new().trusting(tls)))
    }
}
