//! HTTP mode: a handler that sends requests to a backend, and to another one if that fails.
//!
//! A request is retried only where that is safe: when no byte of it was sent, or when its method is idempotent (RFC 9110 section
//! 9.2.2) and no byte of a response has arrived; when its body was kept; on a backend that has not failed it yet; and within the retry budget of
//! the upstream, as unlimited retries double the load of servers that are overloaded already.

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

/// The settings of an upstream for HTTP.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The timeouts of the parts of an exchange with a backend.
    pub timeouts: Timeouts,
    /// The time limit of one attempt until the head of its response; without it the `timeouts` apply.
    pub try_timeout: Option<Duration>,
    /// The time limit of all attempts together, including one in progress. Without it, attempts may begin for [`DEADLINE`], and the
    /// last one has the time that its `timeouts` allow.
    pub deadline: Option<Duration>,
    /// How many bytes of a body are kept for retries.
    pub replay: usize,
    /// The settings of tunnels.
    pub tunnel: RelaySettings,
    /// The part of a request that is hashed.
    pub hash: HashBy,
    /// The session cookie.
    pub sticky: Option<Arc<Sticky>>,
    /// Pages for the balancer's own error responses.
    pub error_pages: Vec<ErrorPage>,
}

/// For how long attempts of a request may begin by default.
pub const DEADLINE: Duration = Duration::from_secs(120);

impl Settings {
    /// The deadline for the response head of an attempt that begins `now`, if all attempts must be `over` then.
    fn until(&self, over: Option<Instant>, now: Instant) -> Option<Instant> {
        let attempt = self.try_timeout.map(|time| now + time);
        attempt.into_iter().chain(over).min()
    }
}

impl Default for Settings {
    /// No limits on whole attempts, 64 KiB of a body, tunnels that may be idle for an hour.
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
    /// The conditions.
    pub condition: Condition,
    /// The action.
    pub action: Action,
}

/// The action of a route.
#[derive(Clone)]
pub enum Action {
    /// Forward to a backend.
    Forward(Arc<Forward>),
    /// Something else answers, or stands in front of that: the layers of a route around its [`Forward`].
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

/// The handler of a listener.
pub struct Gateway {
    table: ArcSwap<Table>,
}

/// The routes of a listener.
#[derive(Clone, Default)]
pub struct Table {
    /// The routes; the first match is used.
    pub routes: Vec<Route>,
    /// How requests are traced, if they are.
    pub tracing: Option<Tracing>,
    /// Where the spans of sampled requests go, if they go anywhere.
    pub spans: Option<Arc<Exporter>>,
}

impl Gateway {
    /// A gateway with this table.
    #[must_use]
    pub fn new(table: Table) -> Self {
        Self { table: ArcSwap::from_pointee(table) }
    }

    /// Uses another table from the next request on. Requests in progress keep theirs.
    pub fn replace(&self, table: Table) {
        self.table.store(Arc::new(table));
    }

    /// Routes a request, and gives it its normalised path.
    fn route(&self, request: &mut Request) -> Result<Action, Problem> {
        if request.method() == Method::CONNECT {
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "CONNECT is not supported"));
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
            action.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no route matches this request"))?;
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

/// So that a gateway whose table changes can be served.
impl Handler for Arc<Gateway> {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        (**self).handle(request)
    }
}

/// The normalised path of a request, where it differs from what the client sent: an extension of the request.
#[derive(Clone, Debug)]
struct NormalPath(Box<str>);

impl NormalPath {
    /// The normalised path of a request, if it differs.
    fn of(request: &Request) -> Result<Option<Box<str>>, Problem> {
        match onward::path(request.head()) {
            Ok(Cow::Borrowed(_)) => Ok(None),
            Ok(Cow::Owned(path)) => Ok(Some(path.into())),
            Err(error) => Err(Problem::bad_request(error.to_string())),
        }
    }
}

/// The normalised path of a request, after the gateway has seen it.
pub(in crate::server::balance) fn normal_path<'a>(head: &'a Head, extensions: &'a Extensions) -> &'a str {
    extensions.get::<NormalPath>().map_or_else(|| head.path(), |path| &path.0)
}
