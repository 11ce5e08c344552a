//! The sockets of the site: an echo, a room for all, a clock, and a page to try them with.

mod page;
mod routes;

pub use self::page::Page;
use self::routes::{broadcast, clock, echo};
use crate::server::http::handler::Handler;
use crate::server::http::request::Request;
use crate::server::http::router::Router;
use crate::server::ws::Upgrade;
use crate::server::ws::topic::{BACKLOG, Topic};

/// The routes `echo`, `broadcast` and `clock` below `base`, which is empty or a path such as `/ws`.
#[must_use]
pub fn routes(router: Router, base: &str, upgrade: &Upgrade) -> Router {
    // Two of the largest messages fit: nobody can push out what the others had no time to take.
    let topic = Topic::new(BACKLOG.max(2 * upgrade.limits().message));
    router
        .get(&format!("{base}/echo"), on(upgrade, echo))
        .get(&format!("{base}/broadcast"), on(upgrade, move |socket| broadcast(socket, topic.clone())))
        .get(&format!("{base}/clock"), on(upgrade, clock))
}

/// A route that becomes a socket for `speak`.
fn on<F, Fut>(upgrade: &Upgrade, speak: F) -> impl Handler
where
    F: Fn(crate::server::ws::Socket) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let upgrade = upgrade.clone();
    move |request: Request| std::future::ready(upgrade.accept(request, speak.clone()))
}
