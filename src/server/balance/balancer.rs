//! From a configuration to a process that balances.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backend::Backend;
use super::check::watch;
use super::config::{self, Config, Listener, Service};
use super::connections::Connections;
use super::gateway::{Action, Branches, Forward, Gateway, Route};
use super::tcp::Tcp;
use super::upstream::Upstream;
use crate::net::client::pool;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::serve::Gate;
use crate::net::shards::Threading;
use crate::proto::balance::split::Split;
use crate::proto::http::limits::Limits;
use crate::server::RunError;
use crate::server::http::server::Server;
use crate::server::listening::Listening;
use crate::server::options::CommonOptions;
use crate::server::process::{Outcome, Part, Process, Running, Serving, announce};

/// The name of this server in what it prints.
pub const NAME: &str = "balance";

/// Idle connections to one backend that a thread keeps.
const IDLE: usize = 256;

/// What is spoken within TLS when connections are joined: anything.
const NO_ALPN: &[u8] = b"";

/// Runs a balancer until a signal.
///
/// # Errors
/// An address cannot be listened on, a certificate not be read, or the system has no threads.
pub fn run(config: &Config) -> Result<Outcome, RunError> {
    Ok(process(config)?.run(announce)?)
}

/// Runs a balancer on threads of its own, without hearing signals; returns when clients are accepted.
///
/// # Errors
/// As for [`run`].
pub fn start(config: &Config) -> Result<Running, RunError> {
    Ok(process(config)?.start(|_| {})?)
}

fn process(config: &Config) -> Result<Process, RunError> {
    let mut process = Process::new(Threading::PerCore, config.threads, config.drain_timeout);
    prepare(config, &mut process)?;
    Ok(process)
}

/// Puts a balancer into `process`.
///
/// # Errors
/// As for [`run`].
pub(in crate::server) fn prepare(config: &Config, process: &mut Process) -> Result<(), RunError> {
    let now = Instant::now();
    let upstreams: Vec<Arc<Upstream>> = config
        .upstreams
        .iter()
        .map(|upstream| {
            let setups = upstream.backends.iter().cloned();
            let backends = setups.map(|setup| Arc::new(Backend::new(setup, now, fastrand::f64())));
            Arc::new(Upstream::new(&upstream.name, backends.collect(), upstream.settings.clone(), now))
        })
        .collect();
    let limits = pool::Limits { total: 65_536, per_key: 65_536, idle_per_key: IDLE, ..pool::Limits::DEFAULT };
    let heads = Limits { body: u64::MAX, ..Limits::default() };
    let connections = Arc::new(Connections::new(limits, heads));
    let gateways: Vec<_> =
        config.upstreams.iter().map(|upstream| Arc::new(upstream.gateway.clone())).collect();
    for listener in &config.listeners {
        match &listener.service {
            Service::Tcp(to, settings) => {
                let mut options = CommonOptions::new(NAME, NO_ALPN);
                options.listen.clone_from(&listener.listen);
                options.connections = listener.limits;
                options.proxies = listener.proxies.clone();
                certificates(listener, &mut options);
                let (gate, sockets) = options.open(process)?;
                let tcp = Tcp::new(Arc::clone(&upstreams[*to]), *settings, process.drain.clone());
                process.parts.push(Arc::new(Listening::new(tcp, Gate::new(gate), sockets)));
            }
            Service::Http(service) => {
                let trusted = Arc::new(service.trusted.clone());
                let forward = |upstream: usize| {
                    Arc::new(Forward {
                        upstream: Arc::clone(&upstreams[upstream]),
                        settings: Arc::clone(&gateways[upstream]),
                        connections: Arc::clone(&connections),
                        trusted: Arc::clone(&trusted),
                    })
                };
                let routes = service.routes.iter().map(|route| Route {
                    condition: route.condition.clone(),
                    action: action(&route.action, forward),
                });
                let gateway = Gateway::new(routes.collect());
                let mut server = Server::new(gateway).name(NAME).connections(listener.limits);
                server = server.proxies(listener.proxies.clone());
                for address in &listener.listen {
                    server = server.listen(address.clone());
                }
                if let Some(tls) = &listener.tls {
                    for pair in &tls.certificates {
                        server = server.tls(&pair.cert, &pair.key);
                    }
                    if tls.self_signed {
                        server = server.tls_self_signed();
                    }
                    server = server.tls_client_auth(tls.client_auth.clone());
                }
                server.prepare(process)?;
            }
        }
    }
    process.parts.push(Arc::new(Watch { upstreams, drain: process.drain.clone() }));
    Ok(())
}

/// What becomes of the requests of a route; `forward` gives them to an upstream.
fn action(action: &config::Action, forward: impl Fn(usize) -> Arc<Forward>) -> Action {
    let config::Action::Forward(to) = action;
    match (&to.branches[..], Split::new(to.branches.iter().map(|(_, weight)| *weight))) {
        (branches @ [_, _, ..], Ok(split)) => Action::Handle(Arc::new(Branches {
            split,
            by: to.by.clone(),
            branches: branches.iter().map(|(upstream, _)| forward(*upstream)).collect(),
        })),
        (branches, _) => Action::Forward(forward(branches.first().map_or(0, |(upstream, _)| *upstream))),
    }
}

fn certificates(listener: &Listener, options: &mut CommonOptions) {
    let Some(tls) = &listener.tls else { return };
    for pair in &tls.certificates {
        options.certificate(pair.cert.clone(), pair.key.clone());
    }
    if tls.self_signed {
        options.self_signed();
    }
    options.client_auth(tls.client_auth.clone());
}

/// What looks after backends, on the first thread.
struct Watch {
    upstreams: Vec<Arc<Upstream>>,
    drain: Drain,
}

/// How often it is decided anew which pool is used: ejections end by their time.
const REFRESH: Duration = Duration::from_secs(1);

impl Part for Watch {
    fn serve(self: Arc<Self>, shard: usize, _: Clock) -> Serving {
        Box::pin(async move {
            if shard > 0 {
                return Ok(());
            }
            let checks = self.upstreams.iter().map(|upstream| watch(Arc::clone(upstream)));
            let checking = futures_util::future::join_all(checks);
            let refreshing = async {
                let mut ticks = tokio::time::interval(REFRESH);
                loop {
                    let now = ticks.tick().await.into_std();
                    self.upstreams.iter().for_each(|upstream| upstream.refresh(now));
                }
            };
            tokio::select! {
                _ = async { tokio::join!(checking, refreshing) } => {}
                () = self.drain.stopping() => {}
            }
            io::Result::Ok(())
        })
    }
}
