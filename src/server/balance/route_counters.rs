//! What routes count beside their backends: requests that were turned away, and copies that were sent to a mirror.
//!
//! The counters of a route go over to the next configuration, where the listener has the same addresses and the route the same number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::config::{Config, Service};
use super::gateway::MirrorCounters;
use super::log::{End, Note};
use crate::server::http::handler::{Handler, HandlerFuture, SharedHandler};
use crate::server::http::middleware::refusal::RefusalReason;
use crate::server::http::request::Request;

/// The counters of one route.
#[derive(Debug)]
pub struct RouteCounters {
    /// The addresses of its listener, as they are configured.
    pub listener: Arc<str>,
    /// Its number there, from 1.
    pub number: usize,
    /// Requests turned away by the guards of the route or its listener; `None` if there are none.
    pub refusals: Option<Arc<Refusals>>,
    /// Copies of requests; `None` if it has no mirror.
    pub mirror: Option<Arc<MirrorCounters>>,
}

/// Requests that were turned away, by reason.
#[derive(Debug, Default)]
pub struct Refusals([AtomicU64; RefusalReason::ALL.len()]);

impl Refusals {
    /// How many there were for this reason.
    #[must_use]
    pub fn of(&self, reason: RefusalReason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }

    fn count(&self, reason: RefusalReason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// `handler`, whose refusals are counted here.
    pub(super) fn around(self: &Arc<Self>, handler: SharedHandler) -> SharedHandler {
        Arc::new(Counted { refusals: Arc::clone(self), inner: handler })
    }
}

/// A handler whose refusals are counted, and noted for the log.
struct Counted {
    refusals: Arc<Refusals>,
    inner: SharedHandler,
}

impl Handler for Counted {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        let note = Note::of(&request).cloned();
        let answer = self.inner.handle(request);
        Box::pin(async move {
            let response = answer.await;
            if let Some(reason) = response.refusal() {
                self.refusals.count(reason);
                if let Some(note) = note {
                    note.refused(reason, end(reason));
                }
            }
            response
        })
    }
}

/// Why an exchange ended that was refused.
const fn end(reason: RefusalReason) -> End {
    match reason {
        RefusalReason::Cors | RefusalReason::Auth => End::Denied,
        RefusalReason::Rate => End::RateLimited,
        RefusalReason::QueueFull => End::QueueFull,
        RefusalReason::QueueTimeout => End::QueueTimeout,
        RefusalReason::Timeout => End::BackendTimeout,
        RefusalReason::Body => End::TooLarge,
    }
}

/// The counters of the routes of each listener, in the order of the configuration: those of `before`, or new ones.
pub(super) fn of(before: &[Vec<RouteCounters>], config: &Config) -> Vec<Vec<RouteCounters>> {
    let of_listener = |listener: &super::config::Listener| {
        let name: Arc<str> = listener.name().into();
        let Service::Http(service) = &listener.service else { return Vec::new() };
        let routes = service.routes.iter().enumerate().map(|(place, route)| {
            let number = place + 1;
            let same = before.iter().flatten().find(|known| known.number == number && known.listener == name);
            let guarded = !service.guards.is_empty() || !route.guards.is_empty();
            let refusals = same.and_then(|known| known.refusals.clone());
            let mirror = same.and_then(|known| known.mirror.clone());
            RouteCounters {
                listener: Arc::clone(&name),
                number,
                refusals: guarded.then(|| refusals.unwrap_or_default()),
                mirror: route.mirror.is_some().then(|| mirror.unwrap_or_default()),
            }
        });
        routes.collect()
    };
    config.listeners.iter().map(of_listener).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_go_over_where_the_route_is_the_same() {
        let config = |port: u16, routes: &str| {
            let text = format!(
                "[[listener]]\nlisten = \":{port}\"\nto = \"a\"\n{routes}[upstream.a]\nbackends = [\"b:1\"]\n"
            );
            Config::parse(&text).unwrap()
        };
        let guarded = "[[listener.route]]\nto = \"a\"\nlimits = { in-flight = 1 }\n";
        let mirrored = "[[listener.route]]\nto = \"a\"\nmirror = { to = \"a\" }\n";
        let first = of(&[], &config(1, guarded));
        let [route, rest] = &first[0][..] else { panic!("{first:?}") };
        assert!(route.mirror.is_none() && rest.refusals.is_none() && rest.number == 2);
        let refusals = route.refusals.as_ref().unwrap();
        refusals.count(RefusalReason::Rate);
        let count = |routes: &[Vec<RouteCounters>], place: usize| {
            routes[0][place].refusals.as_ref().map(|refusals| refusals.of(RefusalReason::Rate))
        };
        assert_eq!(count(&of(&first, &config(1, guarded)), 0), Some(1));
        assert_eq!(count(&of(&first, &config(2, guarded)), 0), Some(0), "another listener");
        let other = of(&first, &config(1, &format!("{mirrored}{guarded}")));
        assert_eq!((count(&other, 0), count(&other, 1)), (None, Some(0)));
        assert!(other[0][0].mirror.is_some());
    }
}
