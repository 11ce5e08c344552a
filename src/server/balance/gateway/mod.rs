//! HTTP through the balancer: a handler that asks a backend, and another if that fails before it has answered.
//!
//! A request is tried again only where that is safe: when no byte of it has left, or when its method is idempotent (RFC 9110 section
//! 9.2.2) and no byte of a response came; when its body was kept; on a backend that has not failed it yet; and within the retry budget of
//! the upstream, as a balancer that repeats everything doubles the load of servers that are overloaded already.

mod answer;
mod attempt;
mod edits;
mod facts;
mod forward;
mod hash;
mod mirror;
mod onward;
mod passing;
mod replay;
mod reply;
mod split;
mod sticky;
mod trace;

use std::borrow::Cow;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Extensions, Method, StatusCode};
use tokio::time::Instant;

use crate::net::relay::RelaySettings;
use crate::proto::balance::normal::{PathError, readings};
use crate::proto::balance::route::{Asked, Condition};
use crate::proto::http::head::Head;
use crate::server::balance::log::Note;
use crate::server::balance::spans::Exporter;
use crate::server::http::client::exchange::Timeouts;
use crate::server::http::handler::{Handler, HandlerFuture, SharedHandler};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::IntoResponse;

pub use self::answer::{ErrorPage, Page, Redirect, Respond};
pub use self::edits::{BackendHost, Changes, RouteEdits};
pub use self::forward::Forward;
pub use self::hash::HashBy;
pub use self::mirror::{Copies, Mirror, MirrorCounters};
pub use self::onward::TRACEPARENT;
pub use self::split::Branches;
pub use self::sticky::{LIFE as STICKY_LIFE, Sticky};
pub use self::trace::{Trace, Tracing};

/// What an operator decides about requests.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the parts of an exchange with a backend may take.
    pub timeouts: Timeouts,
    /// How long one attempt may take until the head of its response is there; without it, as long as its `timeouts` allow.
    pub try_timeout: Option<Duration>,
    /// How long all attempts together may take, an attempt under way included. Without it, further attempts may begin for [`DEADLINE`], and the
    /// last has the time that its `timeouts` allow.
    pub deadline: Option<Duration>,
    /// Bytes of a body that are kept to be sent again.
    pub replay: usize,
    /// How tunnels are held.
    pub tunnel: RelaySettings,
    /// What a hash goes by.
    pub hash: HashBy,
    /// The cookie by which clients return to their backend.
    pub sticky: Option<Arc<Sticky>>,
    /// What clients get in place of the answers of the balancer itself.
    pub error_pages: Vec<ErrorPage>,
}

/// For how long further attempts of a request may begin, unless its settings say otherwise.
pub const DEADLINE: Duration = Duration::from_secs(120);

impl Settings {
    /// When an attempt has to have the head of its response that begins `now`, if all of them have to be `over` then.
    fn until(&self, over: Option<Instant>, now: Instant) -> Option<Instant> {
        let attempt = self.try_timeout.map(|time| now + time);
        attempt.into_iter().chain(over).min()
    }
}

impl Default for Settings {
    /// No limits on whole attempts, 64 KiB of a body, tunnels that may be silent for an hour.
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            try_timeout: None,
            deadline: None,
            replay: 64 * 1024,
            tunnel: RelaySettings { idle: Duration::from_secs(3600), ..RelaySettings::default() },
            hash: HashBy::Source,
            sticky: None,
            error_pages: Vec::new(),
        }
    }
}

/// Which requests go to an upstream, and how.
#[derive(Clone)]
pub struct Route {
    /// The requests that it is for.
    pub condition: Condition,
    /// What becomes of them.
    pub action: Action,
}

/// What becomes of a request.
#[derive(Clone)]
pub enum Action {
    /// A backend is asked.
    Forward(Arc<Forward>),
    /// Something else answers, or stands in front of that: the layers of a route, which go on to its [`Forward`].
    Handle(SharedHandler),
}

impl Action {
    /// The same as a handler.
    #[must_use]
    pub fn into_handler(self) -> SharedHandler {
        match self {
            Self::Forward(forward) => Arc::new(forward),
            Self::Handle(handler) => handler,
        }
    }
}

impl Table {
    /// The number of the first route that fits.
    fn place(&self, asked: &Asked<'_, Head>) -> Option<usize> {
        self.routes.iter().position(|route| route.condition.holds(asked))
    }

    /// Whether a backend could take the path for one that another route than that at `place` is for: then the rules of that other route, who may come in
    /// among them, would not hold for what is served.
    fn is_ambiguous(&self, asked: &Asked<'_, Head>, place: Option<usize>) -> bool {
        let goes_by_path = || self.routes.iter().any(|route| !route.condition.paths.is_empty());
        let elsewhere = |reading: Result<String, PathError>| {
            !reading.is_ok_and(|path| self.place(&Asked { path: &path, ..*asked }) == place)
        };
        let mut readings = readings(asked.path).peekable();
        readings.peek().is_some() && goes_by_path() && readings.any(elsewhere)
    }
}

/// A handler that asks backends.
pub struct Gateway {
    table: ArcSwap<Table>,
}

/// What becomes of requests.
#[derive(Clone, Default)]
pub struct Table {
    /// The routes, the first of which that fits a request is taken.
    pub routes: Vec<Route>,
    /// How requests are traced, if they are.
    pub tracing: Option<Tracing>,
    /// Where the spans of sampled requests go, if they go anywhere.
    pub spans: Option<Arc<Exporter>>,
}

impl Gateway {
    /// A gateway by this table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table: ArcSwap::from_pointee(table) }
    }

    /// Takes another table from the next request on. Requests under way keep theirs.
    pub fn replace(&self, table: Table) {
        self.table.store(Arc::new(table));
    }

    /// What becomes of a request, which gets the normal form of its path.
    fn route(&self, request: &mut Request) -> Result<Action, Problem> {
        if request.method() == Method::CONNECT {
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "CONNECT is not spoken here"));
        }
        onward::one_host(request.head())?;
        let path = NormalPath::of(request)?;
        let table = self.table.load();
        let head = request.head();
        let asked = Asked {
            authority: head.authority(),
            path: path.as_deref().unwrap_or(head.path()),
            query: head.query(),
            method: head.method(),
            head,
        };
        let place = table.place(&asked);
        if table.is_ambiguous(&asked, place) {
            return Err(Problem::bad_request("the path can be read in two ways"));
        }
        let action = place.map(|place| table.routes[place].action.clone());
        let action =
            action.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no route takes this request"))?;
        if let Some(tracing) = table.tracing {
            let trace = tracing.trace(head);
            if let Some(note) = Note::of(request) {
                note.journey().trace = Some(trace);
            }
            request.extensions_mut().insert(trace);
            if let Some(spans) = table.spans.as_ref().filter(|_| trace.parent.is_sampled()) {
                Note::record(request, spans, trace);
            }
        }
        if let (Some(note), Some(place)) = (Note::of(request), place) {
            note.route(place + 1);
        }
        if let Some(path) = path {
            request.extensions_mut().insert(NormalPath(path));
        }
        Ok(action)
    }
}

impl Handler for Gateway {
    fn handle(&self, mut request: Request) -> HandlerFuture<'_> {
        let action = self.route(&mut request);
        // A note of the log is told of the answer by the log.
        let note = Note::of(&request).filter(|note| !note.is_logged()).cloned();
        let answer: HandlerFuture<'_> = match action {
            Ok(Action::Forward(forward)) => Box::pin(async move { forward.answer(request).await }),
            Ok(Action::Handle(handler)) => Box::pin(async move { handler.handle(request).await }),
            Err(problem) => Box::pin(ready(problem.into_response())),
        };
        match note {
            None => answer,
            Some(note) => Box::pin(async move {
                let mut response = answer.await;
                note.answered(&mut response);
                response
            }),
        }
    }
}

/// So that a gateway that others change can serve.
impl Handler for Arc<Gateway> {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        (**self).handle(request)
    }
}

/// The path of a request in its normal form, where that is another than the client wrote: an extension of the request.
#[derive(Clone, Debug)]
struct NormalPath(Box<str>);

impl NormalPath {
    /// The path of a request, if its normal form is another.
    fn of(request: &Request) -> Result<Option<Box<str>>, Problem> {
        match onward::path(request.head()) {
            Ok(Cow::Borrowed(_)) => Ok(None),
            Ok(Cow::Owned(path)) => Ok(Some(path.into())),
            Err(error) => Err(Problem::bad_request(error.to_string())),
        }
    }
}

/// The normal form of a request's path, after the gateway has seen it.
pub(in crate::server::balance) fn normal_path<'a>(head: &'a Head, extensions: &'a Extensions) -> &'a str {
    extensions.get::<NormalPath>().map_or_else(|| head.path(), |path| &path.0)
}
