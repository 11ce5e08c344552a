//! A request whose response may be stored, on its way to a backend: by itself, or waiting for another one with the same key.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Extensions, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::answer::{answer, noted, preconditioned, with_age};
use super::counters::CacheCount;
use super::filling::Filling;
use super::flight::{Join, Lead, Progress};
use super::key::Key;
use super::layer::Cached;
use super::object::Stored;
use super::settle::Case;
use super::store::Stamp;
use super::{now, onward};
use crate::proto::http::cache::control::RequestControl;
use crate::proto::http::cache::freshness::Times;
use crate::proto::http::cache::reuse::{self, Reuse};
use crate::proto::http::cache::status::{CacheStatus, Forwarded, Why};
use crate::proto::http::cache::{validation, vary};
use crate::proto::http::head::Head;
use crate::server::balance::log::Note;
use crate::server::http::body::Body;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::peer::Peer;

/// How often a request looks for another one to wait for: the second time it knows the fields of `Vary`.
const ROUNDS: usize = 2;

/// The state of a request that is forwarded.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) key: Key,
    pub(super) stamp: Stamp,
    pub(super) asked: RequestControl,
    pub(super) authorized: bool,
    /// The stored response that must be revalidated.
    pub(super) stored: Option<Arc<Stored>>,
    pub(super) why: Why,
    /// The values of the request in the fields by which the responses of its key vary.
    pub(super) selection: Bytes,
    /// Whether it may wait for another one.
    pub(super) join: bool,
    /// Whether it is forwarded with the conditions of its client: its response is most likely not stored.
    pub(super) as_it_is: bool,
    /// Whether no client waits for its response.
    pub(super) background: bool,
}

/// The parts of a client's request that are needed after it was forwarded.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) head: Head,
    peer: Arc<Peer>,
    extensions: Extensions,
}

impl Client {
    pub(super) fn of(request: &Request) -> Self {
        let mut extensions = request.extensions().clone();
        // Its line of the access log is not held up by what is done after its exchange.
        extensions.remove::<Note>();
        Self { head: request.head().clone(), peer: Arc::clone(request.peer()), extensions }
    }

    /// A request for the whole response, with these conditions. `None` when there is no space for them.
    pub(super) fn request(&self, conditions: &[(HeaderName, HeaderValue)]) -> Option<Request> {
        let head = onward::head(&self.head, conditions)?;
        let mut request = Request::new(head, Body::empty(), Arc::clone(&self.peer));
        *request.extensions_mut() = self.extensions.clone();
        Some(request)
    }
}

impl Cached {
    /// Forwards a request, or waits for another one with the same key.
    pub(super) async fn fetch(&self, request: Request, mut asking: Asking) -> Response {
        let client = Client::of(&request);
        let deadline = Instant::now() + self.cache.settings.collapse_timeout;
        let mut lead = None;
        let mut waited = false;
        let mut round = 0;
        while asking.join && round < ROUNDS {
            match self.cache.flights.join((asking.key.clone(), asking.selection.clone())) {
                Join::Lead(first) => {
                    lead = Some(first);
                    break;
                }
                Join::Full => break,
                Join::Follow(flight) => {
                    waited = true;
                    let progress = flight.wait(deadline).await;
                    // A lead that was lost is replaced by one of those who wait, as long as there is time.
                    round += usize::from(!matches!(progress, Progress::Lost));
                    if let Some(response) = self.share(&client.head, &mut asking, progress) {
                        return response;
                    }
                }
            }
        }
        self.cache.counters.count(CacheCount::Miss);
        self.ask(request, client, asking, lead, waited).await
    }

    /// The response to another request, if it can be used for this one too.
    fn share(&self, client: &Head, asking: &mut Asking, progress: Progress) -> Option<Response> {
        let now = now();
        let sent = Forwarded { why: asking.why, status: None, stored: false, collapsed: true, detail: None };
        match progress {
            Progress::Arriving(filling) => {
                if vary::selection(&filling.meta.names, client)? != filling.meta.selection {
                    asking.join = false;
                    return None;
                }
                let reply = along(client, &filling, now, CacheStatus::Forwarded(sent));
                self.cache.counters.add(CacheCount::Collapsed, u64::from(reply.is_some()));
                reply
            }
            Progress::Stored => {
                let found = self.cache.store.find(&asking.key, client, now);
                (asking.stored, asking.selection) = (found.stored, found.selection);
                let stored = asking.stored.as_ref()?;
                matches!(reuse::judge(&asking.asked, &stored.meta.freshness, now), Reuse::Fresh(_)).then(
                    || {
                        self.cache.counters.count(CacheCount::Collapsed);
                        answer(client, stored, now, CacheStatus::Forwarded(sent))
                    },
                )
            }
            Progress::Failed => {
                asking.join = false;
                let stored = asking.stored.as_ref()?;
                reuse::on_error(&asking.asked, &stored.meta.freshness, now)
                    .then(|| self.hit(client, stored, now, CacheCount::Stale, Some("stale-if-error")))
            }
            Progress::Slow => {
                asking.join = false;
                None
            }
            Progress::Unstorable => {
                (asking.join, asking.as_it_is) = (false, asking.stored.is_none());
                None
            }
            Progress::Asked | Progress::Lost => None,
        }
    }

    /// Forwards a request.
    async fn ask(
        &self,
        mut request: Request,
        client: Client,
        mut asking: Asking,
        lead: Option<Lead>,
        waited: bool,
    ) -> Response {
        let onward = if asking.as_it_is {
            None
        } else {
            let stored = asking.stored.as_ref();
            client.request(
                &stored.map(|stored| validation::conditions(&stored.meta.fields)).unwrap_or_default(),
            )
        };
        asking.as_it_is |= onward.is_none();
        if let Some(mut onward) = onward {
            *onward.extensions_mut() = std::mem::take(request.extensions_mut());
            request = onward;
        }
        asking.stamp = self.cache.store.stamp(&asking.key);
        let asked = now();
        let response = self.inner.handle(request).await;
        let times = Times { asked, answered: now() };
        let sent =
            Forwarded { why: asking.why, status: None, stored: false, collapsed: waited, detail: None };
        self.settle(response, Case { client, asking, lead, times, sent }).await
    }

    /// Refreshes a stale response in the background while it is given to a client.
    pub(super) fn refresh(&self, request: &Request, key: &Key, selection: &Bytes, stored: &Arc<Stored>) {
        let cache = &self.cache;
        let Ok(place) = Arc::clone(&cache.background).try_acquire_owned() else { return };
        let Join::Lead(lead) = cache.flights.join((key.clone(), selection.clone())) else { return };
        let client = Client::of(request);
        let Some(request) = client.request(&[]) else { return };
        let asking = Asking {
            stamp: cache.store.stamp(key),
            key: key.clone(),
            asked: RequestControl::default(),
            authorized: request.field("authorization").is_some(),
            stored: Some(Arc::clone(stored)),
            why: Why::Stale,
            selection: selection.clone(),
            join: false,
            as_it_is: false,
            background: true,
        };
        cache.counters.count(CacheCount::Refreshed);
        let this = self.clone();
        tokio::spawn(async move {
            // Its body is read by whoever stores it.
            drop(this.ask(request, client, asking, Some(lead), false).await);
            drop(place);
        });
    }
}

/// The response for a client that reads it while it arrives. `None` when it has failed already.
pub(super) fn along(
    client: &Head,
    filling: &Arc<Filling>,
    now: SystemTime,
    status: CacheStatus,
) -> Option<Response> {
    let meta = &filling.meta;
    let reply = match preconditioned(client, meta.status, &meta.fields, &meta.validators, now) {
        Some(reply) => reply,
        None => {
            let mut response = Response::new(filling.body()?).status(meta.status);
            *response.fields_mut() = meta.fields.clone();
            response
        }
    };
    Some(with_age(noted(reply, status), meta, now, false))
}
