//! The layer around the handler of a route: it answers from stored responses, and forwards everything else.

use std::future::ready;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderName, Method, StatusCode};

use super::answer::{answer, noted};
use super::counters::CacheCount;
use super::fetch::Asking;
use super::key::{Key, KeyRule, is_odd, scheme};
use super::object::Stored;
use super::{Cache, now};
use crate::net::addr::Prefixes;
use crate::proto::http::cache::control::RequestControl;
use crate::proto::http::cache::invalidation;
use crate::proto::http::cache::reuse::{self, Reuse};
use crate::proto::http::cache::status::{CacheStatus, Why};
use crate::proto::http::head::Head;
use crate::server::balance::gateway::normal_path;
use crate::server::balance::log::Note;
use crate::server::http::handler::{Handler, HandlerFuture, SharedHandler};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// A handler with a cache in front of it. Cloning shares both.
#[derive(Clone)]
pub struct Cached {
    pub(super) cache: Arc<Cache>,
    pub(super) inner: SharedHandler,
    /// Trusted proxies.
    trusted: Arc<Prefixes>,
    /// What distinguishes the responses of this route from those of others for the same URI.
    route: Arc<str>,
    rule: Arc<KeyRule>,
    /// The fields of requests that are written behind the cache, each for its client.
    pub(super) written: Arc<[HeaderName]>,
}

/// What to do with a request.
enum Look {
    /// It is answered.
    Answer(Response),
    /// It is forwarded unchanged, and its response is not stored.
    Pass(Why),
    /// It may change something on the backend.
    Change,
    /// It is forwarded, and its response may be stored.
    Fetch(Box<Asking>),
}

impl Cached {
    /// Puts `cache` in front of `inner`. `route` distinguishes the responses of this route from those of others that share the cache: two routes with the same
    /// value share their responses.
    #[must_use]
    pub fn new(cache: Arc<Cache>, inner: SharedHandler, trusted: Arc<Prefixes>, route: &str) -> Self {
        let rule = Arc::new(cache.settings.key.clone());
        Self { cache, inner, trusted, route: route.into(), rule, written: Arc::default() }
    }

    /// The same, where backends get these fields from what stands behind the cache, and not from clients: a response that varies by one of them cannot be told
    /// from others, and is not stored.
    #[must_use]
    pub fn writing(self, fields: &[HeaderName]) -> Self {
        Self { written: fields.into(), ..self }
    }

    /// The same, with these request fields in its keys.
    #[must_use]
    pub fn keyed_by(mut self, fields: &[HeaderName]) -> Self {
        if !fields.is_empty() {
            let mut rule = KeyRule::clone(&self.rule);
            rule.headers.extend(fields.iter().cloned());
            self.rule = Arc::new(rule);
        }
        self
    }

    /// Decides what to do with a request, by what is stored.
    fn look(&self, request: &Request, now: SystemTime) -> Look {
        let head = request.head();
        let is_get = *head.method() == Method::GET;
        if !is_get && *head.method() != Method::HEAD {
            return Look::Change;
        }
        let offers_upgrade = head.field("upgrade").is_some();
        if offers_upgrade || !request.body().is_empty() {
            return Look::Pass(Why::Bypass);
        }
        let cache = &self.cache;
        let Some(key) = Key::of(request, &self.rule, &self.trusted, &self.route) else {
            return Look::Pass(Why::Bypass);
        };
        let mut asked = RequestControl::of(head);
        if cache.settings.ignore_client {
            asked = RequestControl { no_cache: false, max_age: None, min_fresh: None, ..asked };
        }
        let authorized = head.field("authorization").is_some();
        let found = cache.store.find(&key, head, now);
        let stored = found.stored.filter(|stored| !authorized || stored.meta.for_all);
        let mut why = if found.others { Why::VaryMiss } else { Why::UriMiss };
        if let Some(stored) = &stored {
            let freshness = &stored.meta.freshness;
            why = match reuse::judge(&asked, freshness, now) {
                Reuse::Fresh(_) => return Look::Answer(self.hit(head, stored, now, CacheCount::Hit, None)),
                Reuse::Stale => {
                    return Look::Answer(self.hit(head, stored, now, CacheCount::Stale, Some("max-stale")));
                }
                Reuse::StaleWhileRevalidate => {
                    if is_get {
                        self.refresh(request, &key, &found.selection, stored);
                    }
                    let why = Some("stale-while-revalidate");
                    return Look::Answer(self.hit(head, stored, now, CacheCount::Stale, why));
                }
                Reuse::Validate if freshness.fresh_for(now).is_some() && !freshness.no_cache => Why::Request,
                Reuse::Validate => Why::Stale,
            };
        }
        if asked.only_if_cached {
            let problem =
                Problem::new(StatusCode::GATEWAY_TIMEOUT, "no stored response matches this request");
            return Look::Answer(noted(problem.into_response(), CacheStatus::forwarded(why)));
        }
        let is_part = head.field("range").is_some() && stored.is_none();
        if is_odd(head) || asked.no_store {
            return Look::Pass(Why::Bypass);
        }
        if !is_get || is_part {
            return Look::Pass(why);
        }
        // Whoever wants a word of the origin's own is not served by what another asked for, nor is what always needs one.
        let always = stored.as_ref().is_some_and(|stored| stored.meta.freshness.is_always_stale());
        let joins = !cache.settings.collapse_timeout.is_zero();
        Look::Fetch(Box::new(Asking {
            stamp: cache.store.stamp(&key),
            join: joins
                && why != Why::Request
                && !asked.no_cache
                && !always
                && !found.uncacheable
                && !authorized,
            key,
            asked,
            authorized,
            stored,
            why,
            selection: found.selection,
            as_it_is: found.uncacheable,
            background: false,
        }))
    }

    /// The response from a stored one.
    pub(super) fn hit(
        &self,
        client: &Head,
        stored: &Stored,
        now: SystemTime,
        count: CacheCount,
        detail: Option<&'static str>,
    ) -> Response {
        self.cache.counters.count(count);
        answer(client, stored, now, CacheStatus::hit(&stored.meta.freshness, now, detail))
    }

    /// Forwards a request.
    async fn pass(&self, request: Request, why: Why) -> Response {
        self.cache.counters.count(CacheCount::Bypass);
        let response = self.inner.handle(request).await;
        // What is no longer HTTP has no fields for others.
        if response.code().is_informational() {
            response
        } else {
            noted(response, CacheStatus::forwarded(why))
        }
    }

    /// Forwards a request that may change something, and invalidates what it has changed (RFC 9111 section 4.4).
    async fn change(&self, request: Request) -> Response {
        let method = request.method().clone();
        // The request is gone when the response is here.
        let of = Request::new(
            request.head().clone(),
            crate::server::http::body::Body::empty(),
            Arc::clone(request.peer()),
        );
        let path = normal_path(request.head(), request.extensions()).to_owned();
        let own = Key::of(&request, &self.rule, &self.trusted, &self.route);
        let response = self.pass(request, Why::Method).await;
        if invalidation::invalidates(&method, response.code()) {
            let key = |target: &str| Key::of_target(&of, &self.rule, &self.trusted, &self.route, target);
            let named = invalidation::named(response.fields(), scheme(&of), of.head().authority(), &path);
            let keys: Vec<_> = own.into_iter().chain(named.filter_map(|target| key(&target))).collect();
            let count = keys.iter().filter(|key| self.cache.store.invalidate(key)).count();
            self.cache.counters.add(CacheCount::Invalidated, count as u64);
        }
        response
    }
}

impl Handler for Cached {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        let note = Note::of(&request).cloned();
        let answer: HandlerFuture<'_> = match self.look(&request, now()) {
            Look::Answer(response) => Box::pin(ready(response)),
            Look::Pass(why) => Box::pin(self.pass(request, why)),
            Look::Change => Box::pin(self.change(request)),
            Look::Fetch(asking) => Box::pin(self.fetch(request, *asking)),
        };
        match note {
            None => answer,
            Some(note) => Box::pin(async move {
                let response = answer.await;
                note.cached(&response);
                response
            }),
        }
    }
}
