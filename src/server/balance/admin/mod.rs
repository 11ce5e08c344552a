//! Metrics, a runtime API and a status page for the operators of a running balancer.
//!
//! All of them present a [`View`], which is built on request. Pages of other sites cannot cause changes:
//! those need a token in a header field that browsers do not send by themselves, or come over a Unix socket that only its owner can open.

mod api;
mod guard;
mod metrics;
mod page;
pub mod view;

use std::sync::Arc;

use rustix::fs::Mode;
use rustix::process::umask;

use self::api::Api;
use self::guard::Guard;
use self::metrics::BalanceMetrics;
pub use self::view::View;
use super::balancer::Balancer;
use super::config::Admin;
use super::doors::{self, Open, Sockets};
use super::reload::Source;
use crate::net::addr::ListenAddr;
use crate::server::RunError;
use crate::server::http::handler::SharedHandler;
use crate::server::http::part;
use crate::server::http::router::Router;
use crate::server::listening;
use crate::server::metrics::Metrics;
use crate::server::process::Process;
use crate::server::status;

/// The name of the API and the page in the output of a process.
pub const ADMIN: &str = "admin";

/// The name of the metrics there.
const METRICS: &str = "metrics";

/// What the admin interface works with.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) balancer: Arc<Balancer>,
    /// The configuration file of the balancer, if it has one.
    pub(super) source: Option<Arc<Source>>,
}

/// The sockets of the admin interface, kept for a successor of the process.
pub(super) type Kept = Vec<(ListenAddr, Sockets)>;

/// Adds the admin interface to `process`, on sockets that are `open` already or on new ones.
///
/// # Errors
/// An address cannot be bound.
pub(super) fn prepare(
    config: &Admin,
    desk: &Desk,
    open: &mut Open,
    process: &mut Process,
) -> Result<Kept, RunError> {
    let mut kept = Vec::new();
    let metrics = Metrics::new();
    let collected = BalanceMetrics(Arc::clone(&desk.balancer));
    metrics.register(|registry| registry.register_collector(Box::new(collected)));
    let health = |router| status::routes(router, metrics.clone(), process.drain.clone());
    let rooms: [(&'static str, _, Router); 2] = [
        (METRICS, &config.metrics, health(Router::new())),
        (ADMIN, &config.listen, page::routes(health(Api::routes(desk, Guard::new(&desk.balancer))))),
    ];
    for (name, address, router) in rooms {
        let Some(address) = address else { continue };
        // A Unix socket is for whoever runs the process, and for nobody else, from its first moment on.
        let before =
            matches!(address, ListenAddr::Unix(_)).then(|| umask(Mode::RWXG | Mode::RWXO | Mode::XUSR));
        let sockets = open.take(address, 1);
        before.map(umask);
        let sockets = sockets?;
        kept.push((address.clone(), doors::share(&sockets)?));
        let sockets = vec![sockets];
        listening::note(name, &sockets, process);
        let handler: SharedHandler = Arc::new(router);
        process.parts.push(Arc::new(part::status(handler, sockets, process.drain.clone())));
    }
    Ok(kept)
}
