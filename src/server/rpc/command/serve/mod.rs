//! `wireworks rpc serve`: the demo services.
//!
//! Its [`Options`] can also stand in a TOML file, under the same names; [`Config`] is what they come to.

mod args;
mod config;
#[cfg(test)]
mod tests;

pub use self::args::{Args, Options};
pub use self::config::{AccessLogFormat, Config, DEFAULT_LISTEN};
use super::ServeError;
use crate::net::addr::ListenAddr;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::server::command::ServerConfig;
use crate::server::metrics::Metrics;
use crate::server::process::{Outcome, Process, announce};
use crate::server::rpc::health::HealthReporter;
use crate::server::rpc::layer::{CallLimit, RateLimit};
pub use crate::server::rpc::server::NAME;
use crate::server::rpc::{Server, Services, demo};
use crate::server::units::Frequency;

/// Serves until a signal. Prints a line `listening rpc ADDR` for each listener when it is ready.
///
/// # Errors
/// An address cannot be listened on, or a file cannot be read.
pub fn run(config: &Config) -> Result<Outcome, ServeError> {
    Ok(server(config)?.on_ready(announce).run()?)
}

/// Puts a server with the defaults, but for where it listens, into `process`.
///
/// # Errors
/// As for [`run`].
pub fn prepare(listen: ListenAddr, process: &mut Process) -> Result<(), ServeError> {
    let config = Config { server: ServerConfig::listening(listen), ..Config::default() };
    Ok(server(&config)?.prepare(process)?)
}

fn server(config: &Config) -> Result<Server, ServeError> {
    let (limits, reporter) = (Limits::of(config), HealthReporter::new());
    let mut server = limits
        .around(demo::reporting(&reporter), &reporter)
        .server()?
        .configured(&config.server)
        .workers(Blocking::new(BlockingConfig::default()))
        .settings(config.settings.clone())
        .show(move |metrics| limits.register(metrics));
    if let Some(target) = config.server.access_log.clone() {
        server = server.access_log(config.access_log_format.format(), target);
    }
    if let Some(age) = config.max_connection_age {
        server = server.max_connection_age(age);
    }
    Ok(server)
}

/// What goes around the demo services.
struct Limits {
    at_work: Option<CallLimit>,
    rate: Option<RateLimit>,
}

impl Limits {
    fn of(config: &Config) -> Self {
        let rate = config.rate_limit.and_then(Frequency::rate).map(RateLimit::new);
        Self { at_work: config.max_calls_at_work.map(|most| CallLimit::new(most.get())), rate }
    }

    /// The services; who looks after the server is not turned away.
    fn around(&self, mut services: Services, reporter: &HealthReporter) -> Services {
        if let Some(limit) = &self.at_work {
            services = services.layer(limit.clone());
        }
        if let Some(limit) = &self.rate {
            services = services.layer(limit.clone());
        }
        services.health_by(reporter).reflection()
    }

    /// Shows what they count.
    fn register(self, metrics: &Metrics) {
        if let Some(limit) = self.at_work {
            let refusals = limit.clone();
            metrics.register_gauge(
                "rpc_calls_at_work",
                "Calls that count against the limit in all",
                move || limit.at_work() as u64,
            );
            metrics.register_counter("rpc_calls_over_limit", "Calls over the limit in all", move || {
                refusals.refused()
            });
        }
        if let Some(limit) = self.rate {
            metrics.register_counter("rpc_calls_over_rate", "Calls over the rate of their peer", move || {
                limit.refused()
            });
        }
    }
}
