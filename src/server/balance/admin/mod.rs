//! What operators get of a balancer that runs: metrics, an API to look at it and to change it, and a page that shows it.
//!
//! All of it is made of a [`View`], which is put together when somebody asks. Nobody who changes something can be led by another site's page:
//! changes need a token in a field of its own, which no browser sends unasked, or come over a Unix socket that only its owner can open.

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

/// The name of the API and the page in what a process prints.
pub const ADMIN: &str = "admin";

/// The name of the metrics there.
const METRICS: &str = "metrics";

/// What operators work with.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) balancer: Arc<Balancer>,
    /// The file that the balancer runs by, if it does.
    pub(super) source: Option<Arc<Source>>,
}

/// The sockets of operators, kept for a successor of the process.
pub(super) type Kept = Vec<(ListenAddr, Sockets)>;

/// Puts what operators get into `process`, at sockets that are `open` already or at new ones.
///
/// # Errors
/// An address cannot be listened on.
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
