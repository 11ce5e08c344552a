//! `wireworks rpc serve`: the demo services.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;

use super::ServeError;
use crate::net::addr::ListenAddr;
use crate::net::bucket::Rate;
use crate::net::limits::ConnectionLimits;
use crate::net::shards::Threading;
use crate::net::tls::ClientAuth;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::proto::rpc::settings::{LEAST_MESSAGE, MAX_CREDIT};
use crate::server::metrics::Metrics;
use crate::server::process::{Outcome, Process, announce};
use crate::server::rpc::layer::{CallLimit, RateLimit};
use crate::server::rpc::observe::{Format, Target};
use crate::server::rpc::{Server, Services, Settings, demo};
use crate::server::units::{ByteSize, Frequency, TimeSpan, UnitError};

pub use crate::server::rpc::server::NAME;

/// Where it listens when nobody says.
pub const DEFAULT_LISTEN: ListenAddr =
    ListenAddr::Tcp(std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7000));

/// What a user may type after `wireworks rpc serve`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Address to listen on: 127.0.0.1:7000, :7000, unix:/run/app.sock, fd:NAME; repeatable
    #[arg(long, short = 'l', value_name = "ADDR", default_values_t = [DEFAULT_LISTEN], help_heading = "Listening")]
    pub listen: Vec<ListenAddr>,

    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = ConnectionLimits::DEFAULT.total, help_heading = "Limits")]
    pub max_connections: usize,

    /// Calls at a time on each connection; further ones are refused, and can be made again
    #[arg(long, value_name = "N", default_value_t = Settings::default().max_calls, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CREDIT)), help_heading = "Limits")]
    pub max_calls: u32,

    /// Calls at a time on all connections; further ones are told when to come back
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_calls_at_work: Option<NonZeroUsize>,

    /// Calls of one peer, by certificate or address, also at once: 100/s, 600/m
    #[arg(long, value_name = "RATE", help_heading = "Limits")]
    pub rate_limit: Option<Frequency>,

    /// The longest message, 4KiB at least
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = message_size, help_heading = "Limits")]
    pub max_message: ByteSize,

    /// Compress answers of this size and more by zstd, for callers that read it
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub compress_from: Option<ByteSize>,

    /// The longest time that a call gets, whatever its caller says
    #[arg(long, value_name = "TIME", default_value = "1h", help_heading = "Limits")]
    pub max_deadline: TimeSpan,

    /// How long connections stay, a tenth less or more by chance; calls under way get the drain timeout to end
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    pub max_connection_age: Option<TimeSpan>,

    /// Certificate with its chain, as PEM; repeatable. Unix sockets stay plain
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS")]
    pub tls_cert: Vec<PathBuf>,

    /// Its key, as PEM; repeatable
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    pub tls_key: Vec<PathBuf>,

    /// Make up a certificate for localhost: for development
    #[arg(long, help_heading = "TLS")]
    pub tls_self_signed: bool,

    /// Callers over TLS need a certificate of these authorities, in a PEM file
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub tls_client_ca: Option<PathBuf>,

    /// Log each call, to stdout (-) or to a file
    #[arg(long, value_name = "-|FILE", help_heading = "Logs and metrics")]
    pub access_log: Option<PathBuf>,

    /// What a line of the access log looks like
    #[arg(
        long,
        value_name = "text|json",
        requires = "access_log",
        hide_possible_values = true,
        default_value = "text",
        help_heading = "Logs and metrics"
    )]
    pub access_log_format: AccessLogFormat,

    /// Answer /metrics (Prometheus) and /healthz over HTTP at this address
    #[arg(long, value_name = "ADDR", help_heading = "Logs and metrics")]
    pub metrics: Option<ListenAddr>,

    /// Threads that serve connections; 0 for one a core
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Process")]
    pub threads: usize,

    /// Whether each thread has connections of its own, or all share them
    #[arg(long, value_name = "HOW", default_value = "per-core", help_heading = "Process")]
    pub threading: Threading,

    /// What calls under way get to end
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = "Process")]
    pub drain_timeout: TimeSpan,
}

/// Serves until a signal. Prints a line `listening rpc ADDR` for each listener when it is ready.
///
/// # Errors
/// An address cannot be listened on, or a file cannot be read.
pub fn run(args: &Args) -> Result<Outcome, ServeError> {
    Ok(server(args)?.on_ready(announce).run()?)
}

/// Puts a server with the defaults, but for where it listens, into `process`.
///
/// # Errors
/// As for [`run`].
pub fn prepare(listen: ListenAddr, process: &mut Process) -> Result<(), ServeError> {
    let workers = Blocking::new(BlockingConfig::default());
    let services = demo::services().health().reflection();
    Ok(services.server()?.listen(listen).workers(workers).prepare(process)?)
}

/// The format of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessLogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What goes around the demo services.
struct Limits {
    at_work: Option<CallLimit>,
    rate: Option<RateLimit>,
}

impl Limits {
    fn of(args: &Args) -> Self {
        let rate = args.rate_limit.and_then(rate).map(RateLimit::new);
        Self { at_work: args.max_calls_at_work.map(|most| CallLimit::new(most.get())), rate }
    }

    /// The services; who looks after the server is not turned away.
    fn around(&self, mut services: Services) -> Services {
        if let Some(limit) = &self.at_work {
            services = services.layer(limit.clone());
        }
        if let Some(limit) = &self.rate {
            services = services.layer(limit.clone());
        }
        services.health().reflection()
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

/// A size that a HELLO can say.
fn message_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: UnitError| error.to_string())?;
    if size.0 < u64::from(LEAST_MESSAGE) {
        return Err(format!("a server has to take messages of {} at least", ByteSize(LEAST_MESSAGE.into())));
    }
    if size.0 > u64::from(MAX_CREDIT) {
        return Err(format!("messages have {MAX_CREDIT} bytes at most"));
    }
    Ok(size)
}

/// What no single option can tell, in the words of `wireworks http`.
fn check(args: &Args) -> Result<(), ServeError> {
    let (certs, keys) = (args.tls_cert.len(), args.tls_key.len());
    if certs != keys {
        return Err(ServeError::Usage(format!(
            "{certs} of --tls-cert and {keys} of --tls-key: each certificate needs its key, in the same order"
        )));
    }
    if args.tls_client_ca.is_some() && certs == 0 && !args.tls_self_signed {
        return Err(ServeError::Usage(
            "--tls-client-ca does nothing without --tls-cert or --tls-self-signed".into(),
        ));
    }
    Ok(())
}

/// As many calls at once as in the time that the frequency names.
fn rate(frequency: Frequency) -> Option<Rate> {
    Rate::new(frequency.per_second(), frequency.parts().0)
}

fn server(args: &Args) -> Result<Server, ServeError> {
    check(args)?;
    let workers = Blocking::new(BlockingConfig::default());
    let settings = Settings {
        max_calls: args.max_calls,
        max_message: usize::try_from(args.max_message.0).unwrap_or(usize::MAX),
        max_deadline: args.max_deadline.0,
        compress_from: args.compress_from.map(|size| usize::try_from(size.0).unwrap_or(usize::MAX)),
        ..Settings::default()
    };
    let limits = Limits::of(args);
    let mut server = limits
        .around(demo::services())
        .server()?
        .workers(workers)
        .settings(settings)
        .connections(ConnectionLimits { total: args.max_connections, ..ConnectionLimits::DEFAULT })
        .threading(args.threading)
        .drain_timeout(args.drain_timeout.0);
    if args.threads > 0 {
        server = server.threads(args.threads);
    }
    if let Some(path) = &args.access_log {
        let target = if path.as_os_str() == "-" { Target::Stdout } else { Target::File(path.clone()) };
        let format = match args.access_log_format {
            AccessLogFormat::Text => Format::Text,
            AccessLogFormat::Json => Format::Json,
        };
        server = server.access_log(format, target);
    }
    if let Some(address) = &args.metrics {
        server = server.metrics(address.clone()).show(move |metrics| limits.register(metrics));
    }
    if let Some(age) = args.max_connection_age {
        server = server.max_connection_age(age.0);
    }
    for address in &args.listen {
        server = server.listen(address.clone());
    }
    for (cert, key) in args.tls_cert.iter().zip(&args.tls_key) {
        server = server.tls(cert, key);
    }
    if args.tls_self_signed {
        server = server.tls_self_signed();
    }
    if let Some(ca) = &args.tls_client_ca {
        server = server.tls_client_auth(ClientAuth::Required(ca.clone()));
    }
    Ok(server)
}
