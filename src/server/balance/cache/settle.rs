//! Handles the response of a backend: it is stored or not, the previously stored one is confirmed, replaced or used instead, and
//! waiting requests are notified.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::answer::{answer, noted, preconditioned};
use super::counters::CacheCount;
use super::fetch::{Asking, Client, along};
use super::filling::{Filled, Filling};
use super::flight::{Lead, Progress};
use super::layer::Cached;
use super::object::{Content, Meta, Stored};
use super::{Cache, UNCACHEABLE_FOR, now};
use crate::proto::http::cache::control::ResponseControl;
use crate::proto::http::cache::freshness::{Freshness, Times};
use crate::proto::http::cache::reuse;
use crate::proto::http::cache::status::{CacheStatus, Forwarded};
use crate::proto::http::cache::storing::{self, Exchange, Unstorable, stored_fields};
use crate::proto::http::cache::{validation, vary};
use crate::proto::http::conditional::Validators;
use crate::proto::http::fields::Fields;
use crate::server::http::body::Body;
use crate::server::http::response::Response;

/// A request that was forwarded, and the requests that wait for its response.
pub(super) struct Case {
    pub(super) client: Client,
    pub(super) asking: Asking,
    pub(super) lead: Option<Lead>,
    pub(super) times: Times,
    /// Its `Cache-Status`, as far as it is known.
    pub(super) sent: Forwarded,
}

impl Case {
    fn end(&mut self, how: Progress) {
        if let Some(lead) = self.lead.take() {
            lead.end(how);
        }
    }
}

impl Cached {
    /// The response for the client, from that of a backend.
    pub(super) async fn settle(&self, mut response: Response, mut case: Case) -> Response {
        if let Some(stored) = case.asking.stored.clone().filter(|_| !case.asking.as_it_is) {
            if response.code() == StatusCode::NOT_MODIFIED {
                if validation::confirms(&stored.meta.fields, response.fields()) {
                    return self.confirmed(&stored, response.fields(), case);
                }
                // It speaks of something that is not stored: asked once more, without a condition.
                let Some(request) = case.client.request(&[]) else { return response };
                case.times.asked = now();
                response = self.inner.handle(request).await;
                case.times.answered = now();
            }
            let now = case.times.answered;
            if is_failure(response.code()) && reuse::on_error(&case.asking.asked, &stored.meta.freshness, now)
            {
                case.end(Progress::Failed);
                return self.hit(&case.client.head, &stored, now, CacheCount::Stale, Some("stale-if-error"));
            }
        }
        match self.judge(&case, response.code(), response.fields(), response.body().len()) {
            Ok(meta) => self.keep(response, meta, case),
            Err(why) => self.unstored(response, why, case),
        }
    }

    /// Whether a response is stored, and its stored head.
    fn judge(
        &self,
        case: &Case,
        status: StatusCode,
        fields: &Fields,
        length: Option<u64>,
    ) -> Result<Meta, Reason> {
        let policy = &self.cache.settings.policy;
        let control = ResponseControl::of(fields);
        let exchange = Exchange {
            method: &Method::GET,
            asked: &case.asking.asked,
            authorized: case.asking.authorized,
            status,
            fields,
            control: &control,
        };
        storing::judge(&exchange, policy.default_ttl.is_some())?;
        let names = vary::names(fields).ok_or(Unstorable::Vary)?;
        // What the client wrote there is not what the backend got.
        if names.iter().any(|name| self.written.contains(name)) {
            return Err(Unstorable::Vary.into());
        }
        let selection = vary::selection(&names, &case.client.head).ok_or(Unstorable::Vary)?;
        let freshness = Freshness::of(status, fields, &control, case.times, policy);
        let kept = stored_fields(fields, &control);
        // What is stale at once and cannot be confirmed is of no use.
        let is_idle = freshness.is_always_stale() && freshness.stale_if_error.is_zero();
        if is_idle && validation::conditions(&kept).is_empty() {
            return Err(Unstorable::Unsaid.into());
        }
        if length.is_some_and(|length| length > self.cache.settings.max_object) {
            return Err(Reason::TooLarge);
        }
        let for_all = storing::for_all(&control);
        let validators = Validators::default();
        let meta =
            Meta { status, fields: kept, freshness, validators, for_all, names: names.into(), selection };
        Ok(meta.compact(case.times.answered))
    }

    /// A 304 has confirmed the stored response: RFC 9111 section 4.3.4.
    fn confirmed(&self, old: &Arc<Stored>, fields: &Fields, mut case: Case) -> Response {
        self.cache.counters.count(CacheCount::Revalidated);
        let merged = validation::freshened(&old.meta.fields, fields);
        let status = Some(StatusCode::NOT_MODIFIED);
        let judged = self.judge(&case, old.meta.status, &merged, None);
        let (client, now) = (&case.client.head, case.times.answered);
        match judged {
            Ok(meta) => {
                let fresh = Arc::new(Stored { meta, content: old.content.clone() });
                let stored = self.cache.insert(&case.asking, &fresh);
                let said = CacheStatus::Forwarded(Forwarded { status, stored, ..case.sent });
                let reply = answer(client, &fresh, now, said);
                case.end(end_of(&fresh.meta));
                reply
            }
            Err(why) => {
                // It may not be stored any longer, but it answers this request.
                self.cache.store.forget(&case.asking.key, old);
                let said =
                    CacheStatus::Forwarded(Forwarded { status, detail: Some(why.word()), ..case.sent });
                let meta = Meta { fields: merged, ..old.meta.clone() };
                let reply = answer(client, &Stored { meta, content: old.content.clone() }, now, said);
                case.end(Progress::Unstorable);
                reply
            }
        }
    }

    /// Stores a response: at once when it is complete, otherwise while it arrives.
    fn keep(&self, mut response: Response, meta: Meta, mut case: Case) -> Response {
        let cache = &self.cache;
        let now = case.times.answered;
        let ended = end_of(&meta);
        if let Some(bytes) = response.body().as_bytes() {
            let stored = Arc::new(Stored { meta, content: Content::copy(bytes) });
            let kept = cache.insert(&case.asking, &stored);
            case.end(ended);
            let said = CacheStatus::Forwarded(Forwarded { stored: kept, ..case.sent });
            return answer(&case.client.head, &stored, now, said);
        }
        let length = response.body().len();
        let begun = Filling::begin(meta, length, cache.settings.max_object, &cache.budget);
        let said = CacheStatus::Forwarded(Forwarded { stored: true, ..case.sent });
        let reply = begun.and_then(|filling| Some((along(&case.client.head, &filling, now, said)?, filling)));
        let Some((reply, filling)) = reply else {
            case.end(Progress::Unstorable);
            return noted(response, CacheStatus::Forwarded(Forwarded { detail: Some("busy"), ..case.sent }));
        };
        // Of unknown length only one can read along, as the rest of what is too long has one reader. The others wait for the end.
        if length.is_some()
            && let (Some(lead), Progress::Stored) = (&case.lead, &ended)
        {
            lead.arriving(&filling);
        }
        let source = std::mem::take(response.body_mut());
        tokio::spawn(store_as_it_arrives(Arc::clone(cache), filling, source, case));
        reply
    }

    /// Passes on a response that is not stored.
    fn unstored(&self, response: Response, why: Reason, mut case: Case) -> Response {
        let (store, now) = (&self.cache.store, case.times.answered);
        let is_error = response.code().is_server_error();
        if why.concerns_all() && !is_error && !is_conditional(response.code()) {
            store.mark_uncacheable(&case.asking.key, now + UNCACHEABLE_FOR);
            // What is stored is older than this response, if that speaks of the same and not of what one client asked.
            if let Some(old) = case.asking.stored.as_ref().filter(|_| is_of_resource(response.code())) {
                store.forget(&case.asking.key, old);
            }
        }
        case.end(if is_error { Progress::Failed } else { Progress::Unstorable });
        if response.code().is_informational() {
            return response;
        }
        let said = CacheStatus::Forwarded(Forwarded { detail: Some(why.word()), ..case.sent });
        // The backend did not hear the client's conditions.
        let conditions = (!case.asking.as_it_is).then(|| {
            let validators = validation::validators(response.fields(), now);
            preconditioned(&case.client.head, response.code(), response.fields(), &validators, now)
        });
        noted(conditions.flatten().unwrap_or(response), said)
    }
}

/// How the flight of a stored response ends: one that must be revalidated for each use is useless to the waiting requests.
fn end_of(meta: &Meta) -> Progress {
    if meta.freshness.is_always_stale() { Progress::Unstorable } else { Progress::Stored }
}

impl Cache {
    /// Stores a response, unless its key was invalidated after the request.
    fn insert(&self, asking: &Asking, stored: &Arc<Stored>) -> bool {
        let inserted = self.store.insert(&asking.key, asking.stamp, Arc::clone(stored));
        if inserted {
            self.counters.count(CacheCount::Stored);
        }
        inserted
    }
}

/// Reads a response to its end and stores it.
async fn store_as_it_arrives(cache: Arc<Cache>, filling: Arc<Filling>, source: Body, mut case: Case) {
    let filled = {
        let lead = case.lead.as_ref();
        let is_wanted = || case.asking.background || lead.is_some_and(Lead::is_followed);
        filling.fill(source, is_wanted).await
    };
    match filled {
        Filled::Whole(content) => {
            let stored = Arc::new(Stored { meta: filling.meta.clone(), content });
            cache.insert(&case.asking, &stored);
            case.end(end_of(&stored.meta));
        }
        Filled::TooLong => {
            cache.store.mark_uncacheable(&case.asking.key, now() + UNCACHEABLE_FOR);
            case.end(Progress::Unstorable);
        }
        Filled::Broken => case.end(Progress::Failed),
        Filled::Abandoned => case.end(Progress::Lost),
    }
}

/// Why a response is not stored.
#[derive(Clone, Copy, Debug)]
enum Reason {
    /// It may not be.
    Rule(Unstorable),
    /// It is too long.
    TooLarge,
}

impl From<Unstorable> for Reason {
    fn from(rule: Unstorable) -> Self {
        Self::Rule(rule)
    }
}

impl Reason {
    fn concerns_all(self) -> bool {
        match self {
            Self::Rule(rule) => rule.concerns_all(),
            Self::TooLarge => true,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.word(),
            Self::TooLarge => "too-large",
        }
    }
}

/// The statuses that answer the conditions or the range of one client: they say nothing about the response for others.
fn is_conditional(status: StatusCode) -> bool {
    matches!(status.as_u16(), 206 | 304 | 412 | 416)
}

/// The statuses that speak of the resource. Other errors of clients are about one request: anybody can ask so that the answer is 400, or 403.
fn is_of_resource(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection() || matches!(status.as_u16(), 404 | 410)
}

/// The statuses of a failing origin: RFC 5861 section 4.
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
