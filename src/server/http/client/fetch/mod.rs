//! What web servers have, asked for by GET.
//!
//! A [`Fetcher`] follows redirects, asks for the bytes as they are, and for a range of them where one is wanted (RFC 9110 sections 14 and 15.4).
//! [`get`](Fetcher::get) gives a [`Fetched`]: the body comes piece by piece, with the time of each, and whoever drops it has abandoned it.
//! [`whole`](Fetcher::whole) collects the body, and asks again when it was lost on the way.

mod error;
mod fetched;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, COOKIE, IF_RANGE, PROXY_AUTHORIZATION, RANGE, USER_AGENT,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use tokio::time::{Instant, sleep};

pub use self::error::FetchError;
pub use self::fetched::{Fetched, Part, Piece};
use super::exchange::Timeouts;
use super::{Address, Client, Reply, SendError};
use crate::net::client::Connector;
use crate::net::client::pool::{Limits, Stats};
use crate::net::resilience::backoff::{Backoff, Policy};
use crate::proto::http::client::{Finish, WireRequest};
use crate::proto::http::reference::join;
use crate::server::http::body::Body;

/// Redirects that are followed, one after the other. curl follows 50, browsers 20, Go 10.
pub const REDIRECTS: usize = 10;

/// Connections that are kept to one server: as many as browsers open to one.
const KEPT: usize = 6;

/// How often something is asked for by [`Retry::default`]: with the default backoff for some ten seconds.
const ATTEMPTS: u32 = 6;

/// What we are called (RFC 9110 section 10.1.5).
const AGENT: HeaderValue = HeaderValue::from_static(concat!("wireworks/", env!("CARGO_PKG_VERSION")));

/// What says who asks, and is for one server's eyes (RFC 9110 section 15.4).
const SECRET: &[HeaderName] = &[AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// What nobody else can say: how the bytes come, and which.
const OURS: &[HeaderName] = &[ACCEPT_ENCODING, RANGE, IF_RANGE];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Where it is.
    pub uri: Uri,
    /// The bytes that are wanted, if not all.
    pub range: Option<Range<u64>>,
    /// By which the resource is known again of which these are bytes: its `ETag`, or its `Last-Modified`. Of another one none are taken.
    pub same: Option<HeaderValue>,
    /// What else is said, in the place of what would be said otherwise. `Authorization` and `Cookie` are shown to the server of `uri` alone, and not to one that
    /// it leads to. What says how the bytes come (`Accept-Encoding`, `Range`, `If-Range`, and what frames a message) is left out: it is ours to say.
    pub fields: Arc<[(HeaderName, HeaderValue)]>,
    /// How long the server may take.
    pub timeouts: Timeouts,
    /// Whether an answer that says no is an answer all the same, and its body is wanted, unless it says when to come again (`Retry-After`).
    pub refusals: bool,
}

impl Ask {
    /// For all of what is at `uri`, with the patience of [`Timeouts::default`].
    #[must_use]
    pub fn of(uri: Uri) -> Self {
        let (fields, timeouts) = (Arc::default(), Timeouts::default());
        Self { uri, range: None, same: None, fields, timeouts, refusals: false }
    }

    /// For these bytes only.
    #[must_use]
    pub fn range(self, range: Range<u64>) -> Self {
        Self { range: Some(range), ..self }
    }

    /// For bytes of the resource that is known by this.
    #[must_use]
    pub fn same(self, validator: Option<HeaderValue>) -> Self {
        Self { same: validator, ..self }
    }

    /// With these fields.
    #[must_use]
    pub fn fields(self, fields: Arc<[(HeaderName, HeaderValue)]>) -> Self {
        Self { fields, ..self }
    }

    /// What the server says when it says no is wanted, too.
    #[must_use]
    pub fn refusals(self, wanted: bool) -> Self {
        Self { refusals: wanted, ..self }
    }

    /// With so much patience, for the head of the answer and then for each piece of its body.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { timeouts: Timeouts { response: patience, idle: patience }, ..self }
    }
}

/// How often something is asked for that was lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first among them; none is one.
    pub attempts: u32,
    /// The waits between them.
    pub backoff: Policy,
}

impl Retry {
    /// Once.
    #[must_use]
    pub fn never() -> Self {
        Self { attempts: 1, backoff: Policy::default() }
    }
}

impl Default for Retry {
    /// Six times within some ten seconds: what survives a server that starts anew.
    fn default() -> Self {
        Self { attempts: ATTEMPTS, backoff: Policy::default() }
    }
}

/// What fetches. Clones have the same connections.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    retry: Retry,
    redirects: usize,
}

impl Fetcher {
    /// One that connects by `connector`, asks again as `retry` says, and follows [`REDIRECTS`].
    #[must_use]
    pub fn new(connector: Connector, retry: Retry) -> Self {
        let limits = Limits { idle_per_key: KEPT, ..Limits::DEFAULT };
        Self { client: Client::new(connector, limits), retry, redirects: REDIRECTS }
    }

    /// Sets how many redirects are followed, one after the other.
    #[must_use]
    pub fn redirects(self, redirects: usize) -> Self {
        Self { redirects, ..self }
    }

    /// What became of its connections.
    #[must_use]
    pub fn connections(&self) -> Stats {
        self.client.connections()
    }

    /// Asks, and follows where the answers lead: the head of what is there, and its body as it comes.
    ///
    /// # Errors
    /// It is not there, or does not come.
    pub async fn get(&self, ask: &Ask) -> Result<Fetched, FetchError> {
        if ask.range.as_ref().is_some_and(Range::is_empty) {
            return Err(FetchError::Range);
        }
        let asked = Instant::now();
        let mut uri = ask.uri.clone();
        let address = |uri: &Uri| Address::of(uri).map_err(SendError::from);
        let first = address(&uri)?.server;
        let mut astray = false;
        for _ in 0..=self.redirects {
            let address = address(&uri)?;
            // Whoever was led away once is shown nothing more: where it is led from there is the word of another server.
            astray |= address.server != first;
            let request = request(&address, ask, !astray)?;
            let reply = self.client.send(&address.server, request, Body::empty, ask.timeouts).await?;
            let Some(place) = elsewhere(&reply) else {
                return Fetched::of(reply, uri, ask, asked);
            };
            let lead = || FetchError::Lead(place.clone());
            uri = join(&uri, &place).map_err(|_| lead())?;
            if !matches!(uri.scheme_str(), Some("http" | "https")) {
                return Err(lead());
            }
        }
        Err(FetchError::Redirects(self.redirects))
    }

    /// All that was asked for, of at most `limit` bytes, and where it was in the end. What is lost on the way, or refused for the moment, is asked for again:
    /// not before the server says (`Retry-After`), as far as the cap of the backoff goes.
    /// A server that knows no ranges is taken at its word: what it sends is cut, and counts against the limit.
    ///
    /// # Errors
    /// It is not there, does not come, or is longer.
    pub async fn whole(&self, ask: &Ask, limit: u64) -> Result<(Bytes, Fetched), FetchError> {
        let mut backoff = Backoff::new(self.retry.backoff, fastrand::u64(..));
        let mut attempts = 1;
        loop {
            match self.once(ask, limit).await {
                Err(error) if error.is_passing() && attempts < self.retry.attempts => {
                    let asked = error.retry_after().unwrap_or_default().min(self.retry.backoff.cap);
                    sleep(backoff.wait().max(asked)).await;
                    attempts += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn once(&self, ask: &Ask, limit: u64) -> Result<(Bytes, Fetched), FetchError> {
        let mut fetched = self.get(ask).await?;
        let bytes = fetched.rest(ask.range.as_ref(), limit).await?;
        Ok((bytes, fetched))
    }
}

/// Where an answer leads, if it leads elsewhere (RFC 9110 section 15.4).
fn elsewhere(reply: &Reply) -> Option<String> {
    let leads = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let place = reply.head.field_str("location").filter(|_| leads.contains(&reply.status()));
    place.map(str::to_owned)
}

/// The request for what is at an address. `known`: its server is the one that was asked first.
fn request(address: &Address, ask: &Ask, known: bool) -> Result<WireRequest, SendError> {
    let mut writer = address.request(&Method::GET)?;
    let theirs =
        || ask.fields.iter().filter(|(name, _)| !OURS.contains(name) && (known || !SECRET.contains(name)));
    let says = |ours: &HeaderName| theirs().any(|(name, _)| name == ours);
    if !says(&USER_AGENT) {
        writer.field(&USER_AGENT, &AGENT);
    }
    writer.field(&ACCEPT_ENCODING, &HeaderValue::from_static("identity"));
    if let Some(credentials) = address.credentials.as_ref().filter(|_| !says(&AUTHORIZATION)) {
        writer.field(&AUTHORIZATION, credentials);
    }
    theirs().for_each(|(name, value)| writer.field(name, value));
    if let Some(Range { start, end }) = &ask.range {
        let value = format!("bytes={start}-{}", end - 1);
        writer.field_of(&RANGE, |out| out.extend_from_slice(value.as_bytes()));
        if let Some(validator) = &ask.same {
            writer.field(&IF_RANGE, validator);
        }
    }
    Ok(writer.finish(Finish { length: Some(0), ..Finish::default() }))
}

#[cfg(test)]
mod tests;
