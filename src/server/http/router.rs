//! From method and path to a handler.
//!
//! A pattern has literal segments, `{name}` for one segment and `{*name}` for the rest. The most specific pattern that
//! matches is taken; `/a/{*rest}` still gets `/a/b/` when `/a/b` is a route of its own. HEAD is answered by the handler of
//! GET, OPTIONS with the methods that there are, another method with 405 and `Allow` (RFC 9110 section 15.5.6), a method
//! that no route has and RFC 9110 does not define with 501 (section 9.1).

use std::sync::{Arc, OnceLock};

use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};

use super::handler::{Handler, HandlerFuture, Layered, Next, SharedHandler};
use super::problem::Problem;
use super::request::{Params, Request};
use super::response::{IntoResponse, Response};
use crate::net::service::Service;
use crate::proto::http::target::Form;

/// Routes. Built once, then shared by every connection.
#[derive(Clone, Default)]
pub struct Router {
    table: matchit::Router<usize>,
    routes: Vec<Route>,
    fallback: Option<SharedHandler>,
}

#[derive(Clone)]
struct Route {
    pattern: Arc<str>,
    names: Arc<[Box<str>]>,
    methods: Vec<(Method, SharedHandler)>,
    any: Option<SharedHandler>,
}

/// A note of the pattern of the route that a request takes: a label that has few values. Who wants to know hangs an empty
/// note on the request ([`Request::note_route`]) and keeps a clone, which is the same note; the router fills it in.
/// Without one the router does nothing.
#[derive(Clone, Debug, Default)]
pub struct RoutePattern(Arc<OnceLock<Arc<str>>>);

impl RoutePattern {
    /// The pattern; `None` while no router has found one.
    #[must_use]
    pub fn pattern(&self) -> Option<&Arc<str>> {
        self.0.get()
    }

    fn fill(&self, pattern: &Arc<str>) {
        // The first router that finds a route is the outermost, whose pattern has the fewest values.
        self.0.get_or_init(|| Arc::clone(pattern));
    }
}

/// A pattern that cannot be a route.
#[derive(Debug, thiserror::Error)]
#[error("the route {pattern} cannot be added: {reason}")]
pub struct RouteError {
    pattern: String,
    reason: String,
}

impl Router {
    /// No routes: 404 for all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler for `method` at `pattern`.
    ///
    /// # Errors
    /// The pattern is malformed, conflicts with another, or has a handler for the method already.
    pub fn add(&mut self, method: Method, pattern: &str, handler: impl Handler) -> Result<(), RouteError> {
        self.insert(Some(method), pattern, Arc::new(handler))
    }

    fn insert(
        &mut self,
        method: Option<Method>,
        pattern: &str,
        handler: SharedHandler,
    ) -> Result<(), RouteError> {
        let error = |reason: String| RouteError {
            pattern: pattern.to_owned(),
            reason,
        };
        let at = match self.routes.iter().position(|route| *route.pattern == *pattern) {
            Some(at) => at,
            None => {
                self.table
                    .insert(pattern, self.routes.len())
                    .map_err(|cause| error(cause.to_string()))?;
                self.routes.push(Route {
                    pattern: pattern.into(),
                    names: names(pattern),
                    methods: Vec::new(),
                    any: None,
                });
                self.routes.len() - 1
            }
        };
        let route = &mut self.routes[at];
        match method {
            Some(method) if route.methods.iter().any(|(known, _)| *known == method) => {
                return Err(error(format!("it has a handler for {method} already")));
            }
            Some(method) => route.methods.push((method, handler)),
            None if route.any.is_some() => {
                return Err(error("it has a handler for any method already".into()));
            }
            None => route.any = Some(handler),
        }
        Ok(())
    }

    /// [`add`](Self::add) for programs whose routes are fixed: a bad pattern is a defect of the program.
    ///
    /// # Panics
    /// As `add` fails.
    #[must_use]
    #[allow(
        clippy::panic,
        reason = "a route that is written in the program, not one that a peer sends"
    )]
    pub fn route(mut self, method: Method, pattern: &str, handler: impl Handler) -> Self {
        self.add(method, pattern, handler)
            .unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// A route for GET, and so for HEAD.
    #[must_use]
    pub fn get(self, pattern: &str, handler: impl Handler) -> Self {
        self.route(Method::GET, pattern, handler)
    }

    /// A route for POST.
    #[must_use]
    pub fn post(self, pattern: &str, handler: impl Handler) -> Self {
        self.route(Method::POST, pattern, handler)
    }

    /// A route for PUT.
    #[must_use]
    pub fn put(self, pattern: &str, handler: impl Handler) -> Self {
        self.route(Method::PUT, pattern, handler)
    }

    /// A route for DELETE.
    #[must_use]
    pub fn delete(self, pattern: &str, handler: impl Handler) -> Self {
        self.route(Method::DELETE, pattern, handler)
    }

    /// A route for every method that has none of its own at the pattern. The handler answers OPTIONS itself.
    ///
    /// # Panics
    /// As for [`route`](Self::route).
    #[must_use]
    #[allow(
        clippy::panic,
        reason = "a route that is written in the program, not one that a peer sends"
    )]
    pub fn any(mut self, pattern: &str, handler: impl Handler) -> Self {
        self.insert(None, pattern, Arc::new(handler))
            .unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// The handler of what no route matches, in place of 404.
    #[must_use]
    pub fn fallback(mut self, handler: impl Handler) -> Self {
        self.fallback = Some(Arc::new(handler));
        self
    }

    /// All routes of `inner` below `prefix`. Its fallback answers what is below the prefix and no route matches.
    ///
    /// # Panics
    /// As for [`route`](Self::route).
    #[must_use]
    #[allow(
        clippy::panic,
        reason = "a route that is written in the program, not one that a peer sends"
    )]
    pub fn nest(mut self, prefix: &str, inner: Self) -> Self {
        let prefix = prefix.trim_end_matches('/');
        for route in inner.routes {
            let pattern = format!("{prefix}{}", route.pattern);
            let methods = route
                .methods
                .into_iter()
                .map(|(method, handler)| (Some(method), handler));
            for (method, handler) in methods.chain(route.any.map(|handler| (None, handler))) {
                self.insert(method, &pattern, handler)
                    .unwrap_or_else(|error| panic!("{error}"));
            }
        }
        if let Some(fallback) = inner.fallback {
            for pattern in [format!("{prefix}/"), format!("{prefix}/{{*rest}}")] {
                // A route of that pattern is more specific than the fallback.
                let _ = self.insert(None, &pattern, Arc::clone(&fallback));
            }
        }
        self
    }

    /// Puts `function` around every handler that was added so far, the fallback included. It gets the request and the rest
    /// of the way.
    #[must_use]
    pub fn layer<F, Fut>(mut self, function: F) -> Self
    where
        F: Fn(Request, Next) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output: IntoResponse> + Send + 'static,
    {
        let wrap = |inner: &mut SharedHandler| {
            *inner = Arc::new(Layered {
                function: function.clone(),
                inner: Arc::clone(inner),
            });
        };
        for route in &mut self.routes {
            route
                .methods
                .iter_mut()
                .map(|(_, handler)| handler)
                .chain(&mut route.any)
                .for_each(wrap);
        }
        let mut fallback = self.fallback.take().unwrap_or_else(|| Arc::new(not_found));
        wrap(&mut fallback);
        self.fallback = Some(fallback);
        self
    }

    /// The handler for `request`, with its path parameters set.
    fn find(&self, request: &mut Request) -> Found<'_> {
        if request.head.form() == Form::Asterisk {
            return Found::Server;
        }
        let Some((route, params)) = self.matching(request.head.path()) else {
            return self.fallback.as_ref().map_or(Found::Nothing, Found::Handler);
        };
        if let Some(note) = &request.route {
            note.fill(&route.pattern);
        }
        request.params = params;
        let method = request.head.method();
        let exact = |method: &Method| {
            route
                .methods
                .iter()
                .find(|(known, _)| known == method)
                .map(|(_, handler)| handler)
        };
        let or_get = || {
            if *method == Method::HEAD {
                exact(&Method::GET)
            } else {
                None
            }
        };
        exact(method)
            .or_else(or_get)
            .or(route.any.as_ref())
            .map_or(Found::Route(route), Found::Handler)
    }

    fn matching(&self, path: &str) -> Option<(&Route, Params)> {
        let matched = self.table.at(path).ok()?;
        let route = self.routes.get(*matched.value)?;
        let start = path.as_ptr().addr();
        let place = |value: &str| {
            let from = value.as_ptr().addr().saturating_sub(start);
            (from, from + value.len())
        };
        let places = matched.params.iter().map(|(_, value)| place(value)).collect();
        Some((
            route,
            Params {
                names: (!route.names.is_empty()).then(|| Arc::clone(&route.names)),
                places,
            },
        ))
    }

    fn knows(&self, method: &Method) -> bool {
        STANDARD.contains(method)
            || self
                .routes
                .iter()
                .any(|route| route.methods.iter().any(|(known, _)| known == method))
    }

    /// Answers for the router itself: what no handler is there for.
    fn answer(&self, route: Option<&Route>, method: &Method) -> Response {
        let allow = route.map_or_else(
            || HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"),
            Route::allow,
        );
        if *method == Method::OPTIONS {
            return Response::empty(StatusCode::NO_CONTENT).with(ALLOW, allow);
        }
        if !self.knows(method) {
            return Problem::new(
                StatusCode::NOT_IMPLEMENTED,
                format!("the method {method} is not known here"),
            )
            .into_response();
        }
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("{method} is not allowed here"),
        )
        .with(ALLOW, allow)
        .into_response()
    }
}

enum Found<'a> {
    Handler(&'a SharedHandler),
    /// A route without the method.
    Route(&'a Route),
    /// `OPTIONS *`.
    Server,
    Nothing,
}

/// The methods of RFC 9110 section 9 and RFC 5789.
const STANDARD: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

impl Route {
    fn allow(&self) -> HeaderValue {
        let mut names: Vec<&str> = self.methods.iter().map(|(method, _)| method.as_str()).collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        if !names.contains(&"OPTIONS") {
            names.push("OPTIONS");
        }
        HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
    }
}

/// The names of the parameters of a pattern, in order.
fn names(pattern: &str) -> Arc<[Box<str>]> {
    pattern
        .split('/')
        .filter_map(|segment| {
            segment
                .split_once('{')?
                .1
                .split_once('}')
                .map(|(name, _)| name.trim_start_matches('*').into())
        })
        .collect()
}

async fn not_found(request: Request) -> Problem {
    // What no route matches has no method either; but a method that nobody knows is 501 wherever it is sent.
    if STANDARD.contains(request.method()) {
        Problem::not_found()
    } else {
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            format!("the method {} is not known here", request.method()),
        )
    }
}

impl Handler for Router {
    fn handle(&self, mut request: Request) -> HandlerFuture<'_> {
        match self.find(&mut request) {
            Found::Handler(handler) => handler.handle(request),
            Found::Route(route) => {
                let response = self.answer(Some(route), request.method());
                Box::pin(std::future::ready(response))
            }
            Found::Server => Box::pin(std::future::ready(self.answer(None, &Method::OPTIONS))),
            Found::Nothing if self.knows(request.method()) => {
                Box::pin(std::future::ready(Problem::not_found().into_response()))
            }
            Found::Nothing => Box::pin(async { not_found(request).await.into_response() }),
        }
    }
}

impl Service<Request> for Router {
    type Res = Response;

    async fn call(&self, request: Request) -> Response {
        self.handle(request).await
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.routes.iter().map(|route| &route.pattern))
            .finish()
    }
}
