//! Builds the handlers of a listener's routes from its configuration.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::HeaderName;

use super::auth;
use super::balancer::{Caches, Upstreams};
use super::cache::Cached;
use super::config::{self, Config, HttpService};
use super::connections::Connections;
use super::gateway::{
    self, Action, BackendHost, Branches, Forward, Mirror, Redirect, Respond, Route, RouteEdits, TRACEPARENT,
    Table,
};
use super::guards::Guards;
use super::route_counters::RouteCounters;
use super::spans::Exporter;
use crate::net::addr::Prefixes;
use crate::proto::balance::split::Split;
use crate::proto::http::forwarded::Field;

/// What handlers are built from.
pub(super) struct Assembly<'a> {
    upstreams: &'a Upstreams,
    settings: BTreeMap<&'a str, Arc<gateway::Settings>>,
    connections: &'a Arc<Connections>,
    caches: &'a Caches,
    spans: Option<Arc<Exporter>>,
}

impl<'a> Assembly<'a> {
    /// The parts of a configuration with these upstreams and caches.
    pub(super) fn new(
        config: &'a Config,
        upstreams: &'a Upstreams,
        connections: &'a Arc<Connections>,
        caches: &'a Caches,
        spans: &Arc<Exporter>,
    ) -> Self {
        let spans = config.trace.as_ref().map(|_| Arc::clone(spans));
        let settings = config.upstreams.iter();
        let settings = settings.map(|upstream| (&*upstream.name, Arc::new(upstream.gateway.clone())));
        Self { upstreams, settings: settings.collect(), connections, caches, spans }
    }

    /// The handler of a listener's requests, whose routes have these counters.
    pub(super) fn table(&self, service: &HttpService, counters: &[RouteCounters]) -> Table {
        let trusted = Arc::new(service.trusted.clone());
        let own = own_fields(service);
        // Who is asked about requests is another server with a name of its own.
        let edits = Arc::new(RouteEdits { host: BackendHost::Backend, ..RouteEdits::default() });
        let asked = |upstream: &str| Arc::new(self.innermost(upstream, &edits, &trusted));
        let routes = service.routes.iter().zip(counters).map(|(route, counters)| {
            let parts = Parts { service, route, trusted: &trusted, counters };
            let sets = [&service.guards, &route.guards].map(Guards::own_fields).concat();
            let cached = self.cached(&parts, &sets);
            let action = route.guards.before(cached, &asked);
            let action = service.guards.before(action, &asked);
            let action = match &counters.refusals {
                Some(refusals) => Action::Handle(refusals.around(action.into_handler())),
                None => action,
            };
            let forged: Vec<_> = own.iter().filter(|name| !sets.contains(name)).cloned().collect();
            let action = match own.is_empty() {
                true => action,
                false => Action::Handle(auth::without(&forged, &own, action.into_handler())),
            };
            Route { condition: route.condition.clone(), action }
        });
        Table { routes: routes.collect(), tracing: service.tracing, spans: self.spans.clone() }
    }

    /// The handler of a route's requests, with a cache in front of it if it has one. The fields that tell backends who the client is, `told`,
    /// are part of the cache keys.
    fn cached(&self, parts: &Parts<'_>, told: &[HeaderName]) -> Action {
        let Parts { route, trusted, .. } = *parts;
        let action = self.action(parts);
        let Some(cache) = route.cache.as_deref().and_then(|name| self.caches.get(name)) else {
            return action;
        };
        // Routes for the same URI that go different ways share nothing: where they go, what they change and what they ask of a request
        // tells them apart.
        let mut hasher = DefaultHasher::new();
        let config::Route { condition, action: to, edits, .. } = route;
        format!("{to:?} {edits:?} {:?} {:?}", condition.fields, condition.query).hash(&mut hasher);
        let name = format!("{:016x}", hasher.finish());
        let cached = Cached::new(Arc::clone(cache), action.into_handler(), Arc::clone(trusted), &name);
        Action::Handle(Arc::new(cached.keyed_by(told).writing(&written(parts))))
    }

    /// The handler of a route's requests.
    fn action(&self, parts: &Parts<'_>) -> Action {
        let (edits, trusted) = (Arc::clone(&parts.route.edits), Arc::clone(parts.trusted));
        match &parts.route.action {
            config::Action::Forward(to) => self.forward(to, parts),
            config::Action::Redirect(to, status) => {
                Action::Handle(Arc::new(Redirect { to: to.clone(), status: *status, edits, trusted }))
            }
            config::Action::Respond(page) => {
                Action::Handle(Arc::new(Respond { page: page.clone(), edits, trusted }))
            }
        }
    }

    /// The handler that forwards requests to upstreams.
    fn forward(&self, to: &config::To, parts: &Parts<'_>) -> Action {
        let mirror = parts.route.mirror.as_ref().map(|mirror| Mirror {
            to: Arc::new(self.branch(&mirror.to, parts)),
            share: mirror.share,
            max_body: mirror.max_body,
            copies: mirror.copies.clone(),
            counters: parts.counters.mirror.clone().unwrap_or_default(),
        });
        let branch = |(name, _): &(String, u32)| {
            Arc::new(Forward { mirror: mirror.clone(), ..self.branch(name, parts) })
        };
        let mut branches: Vec<_> = to.branches.iter().map(branch).collect();
        match Split::new(to.branches.iter().map(|(_, weight)| *weight)) {
            Ok(split) if branches.len() > 1 => {
                Action::Handle(Arc::new(Branches { split, by: to.by.clone(), branches }))
            }
            _ => Action::Forward(branches.swap_remove(0)),
        }
    }

    /// One of the upstreams of a route.
    fn branch(&self, upstream: &str, parts: &Parts<'_>) -> Forward {
        let forward = self.innermost(upstream, &parts.route.edits, parts.trusted);
        // The upstream's own pages stand in front.
        let own = forward.settings.error_pages.iter();
        let pages = own.chain(&parts.service.error_pages).cloned().collect();
        Forward { pages, ..forward }
    }

    /// The innermost handler: it forwards requests to the backends of an upstream.
    fn innermost(&self, upstream: &str, edits: &Arc<RouteEdits>, trusted: &Arc<Prefixes>) -> Forward {
        Forward {
            upstream: Arc::clone(&self.upstreams[upstream]),
            settings: Arc::clone(&self.settings[upstream]),
            connections: Arc::clone(self.connections),
            trusted: Arc::clone(trusted),
            edits: Arc::clone(edits),
            pages: Arc::default(),
            mirror: None,
        }
    }
}

/// The fields of requests that a route writes behind its cache, by who asks or by chance. Those that are the same for all requests of a key are not among them.
fn written(parts: &Parts<'_>) -> Vec<HeaderName> {
    let Parts { service, route, .. } = parts;
    let told = route.edits.tell.fields().iter();
    let told = told.filter(|field| matches!(field, Field::For | Field::Forwarded)).map(|field| field.name());
    let set = route.edits.request.lines().filter(|(_, value)| value.as_plain().is_none());
    let traced = service.tracing.map(|_| TRACEPARENT);
    told.chain(set.map(|(name, _)| name)).cloned().chain(traced).collect()
}

/// The fields by which any route of a listener tells backends who the client is.
fn own_fields(service: &HttpService) -> Vec<HeaderName> {
    let guards = service.routes.iter().map(|route| &route.guards).chain([&service.guards]);
    let mut fields = Vec::new();
    for name in guards.flat_map(Guards::own_fields) {
        if !fields.contains(&name) {
            fields.push(name);
        }
    }
    fields
}

/// What the handler of one route is built from.
struct Parts<'a> {
    service: &'a HttpService,
    route: &'a config::Route,
    trusted: &'a Arc<Prefixes>,
    counters: &'a RouteCounters,
}
