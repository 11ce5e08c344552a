//! The command `wireworks balance`: a configuration from a file, or a short one from the command line.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args as ClapArgs, Subcommand};

use super::backend::Setup;
use super::config::{Config, ConfigError, HttpService, Listener, Mode, Route, Service, TcpService, Upstream};
use super::ctl::CtlArgs;
use super::{gateway, upstream};
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::client::Target;
use crate::net::limits::ConnectionLimits;
use crate::net::resilience::pick::Algorithm;
use crate::proto::balance::health;
use crate::proto::http::forwarded::Tell;
use crate::server::balance::check::Checks;
use crate::server::balance::probe::Probe;

/// The options of `wireworks balance`.
#[derive(ClapArgs, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// Control a running balancer instead
    #[command(subcommand)]
    pub order: Option<SubCommand>,
    /// Read the configuration from a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "to", "l4", "algorithm"])]
    pub config: Option<PathBuf>,
    /// Only check the file, and print what is wrong with it
    #[arg(long, requires = "config")]
    pub check: bool,
    /// Listen on this address; may be repeated
    #[arg(long, short, value_name = "ADDR")]
    pub listen: Vec<ListenAddr>,
    /// Use this backend; repeat for each one
    #[arg(long, value_name = "ADDR", required_unless_present = "config")]
    pub to: Vec<Target>,
    /// Balance TCP connections of any protocol instead of HTTP requests
    #[arg(long)]
    pub l4: bool,
    /// The algorithm that chooses a backend
    #[arg(long, value_name = "NAME", default_value_t = Algorithm::P2c)]
    pub algorithm: Algorithm,
}

/// Subcommands.
#[derive(Subcommand, Clone, Debug)]
pub enum SubCommand {
    /// Show and change a running balancer
    Ctl(CtlArgs),
}

/// The default address.
pub const DEFAULT_LISTEN: ListenAddr = ListenAddr::Tcp(std::net::SocketAddr::V4(
    std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 8000),
));

/// The name of the upstream of the short form.
const NAME: &str = "default";

/// The timeout of checks in the short form.
const CHECK_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

impl Args {
    /// The configuration of these options.
    ///
    /// # Errors
    /// The file cannot be read, or something is wrong with it.
    pub fn configuration(&self) -> Result<Config, ConfigError> {
        match &self.config {
            Some(path) => Config::read(path),
            None => Ok(self.short()),
        }
    }

    /// One listener, one upstream, checked by connecting.
    fn short(&self) -> Config {
        let listen = if self.listen.is_empty() { vec![DEFAULT_LISTEN] } else { self.listen.clone() };
        let mode = if self.l4 { Mode::Tcp } else { Mode::Http };
        let service = match mode {
            Mode::Tcp => Service::Tcp(Box::new(TcpService::to(NAME))),
            Mode::Http => {
                Service::Http(Box::new(HttpService::new(vec![Route::all_to(NAME, Tell::default())])))
            }
        };
        let checks = Some(health::Policy::DEFAULT);
        let setup = |target: &Target| Setup { checks, ..Setup::new(target.clone()) };
        let backends: Vec<_> = self.to.iter().map(setup).collect();
        // The address is another for each backend.
        let template = backends.first().cloned().map(Arc::new);
        let defaults = upstream::Settings::default();
        let upstream = Upstream {
            name: NAME.into(),
            backends,
            settings: upstream::Settings {
                algorithm: self.algorithm,
                checks: Some(Checks { probe: Probe::default(), timeout: CHECK_TIMEOUT }),
                template: template.unwrap_or(defaults.template),
                ..defaults
            },
            gateway: gateway::Settings::default(),
        };
        let listener = Listener {
            listen,
            proxies: Prefixes::default(),
            limits: ConnectionLimits::default(),
            access_log: None,
            tls: None,
            service,
        };
        Config { listeners: vec![listener], upstreams: vec![upstream], ..Config::default() }
    }
}
