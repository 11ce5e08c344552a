//! From a request to the handler of its route, and what the router answers where there is none.

use std::sync::Arc;

use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};

use super::Router;
use super::route::{Nested, Route};
use crate::net::service::Service;
use crate::proto::http::target::Form;
use crate::server::http::handler::{Handler, HandlerFuture, SharedHandler};
use crate::server::http::problem::Problem;
use crate::server::http::request::{Params, Request};
use crate::server::http::response::{IntoResponse, Response};

impl Router {
    /// The handler for `request`, with its path parameters set.
    fn find(&self, request: &mut Request) -> Found<'_> {
        if request.head.form() == Form::Asterisk {
            return Found::Server;
        }
        let path = request.head.path();
        let matched = self.table.at(path).ok();
        let route = matched.as_ref().and_then(|found| self.routes.get(*found.value));
        if let Some((nested, found)) = self.nested(path, route) {
            let params = params(path, &nested.names, &found);
            note(request, &nested.pattern);
            request.params = params;
            self.note_method(request);
            return Found::Handler(&nested.handler);
        }
        let Some((route, matched)) = route.zip(matched) else {
            self.note_method(request);
            return self.fallback.as_ref().map_or(Found::Nothing, Found::Handler);
        };
        let params = params(path, &route.names, &matched.params);
        note(request, &route.pattern);
        request.params = params;
        route.handler(request.head.method()).map_or(Found::Route(route), Found::Handler)
    }

    /// The fallback of a nested router, where it goes before `route`: the one is below a prefix, the other is not.
    fn nested<'p>(&self, path: &'p str, route: Option<&Route>) -> Option<(&Nested, matchit::Params<'_, 'p>)> {
        if self.nested.is_empty() {
            return None;
        }
        let matched = self.below.at(path).ok()?;
        let nested = self.nested.get(*matched.value)?;
        let wins = route.is_none_or(|route| !nested.holds(route));
        wins.then_some((nested, matched.params))
    }

    /// Leaves word for [`not_found`], which may stand behind layers, that a route somewhere here has the method.
    fn note_method(&self, request: &mut Request) {
        if !STANDARD.contains(request.method()) && self.knows(request.method()) {
            request.extensions.insert(KnownMethod);
        }
    }

    fn knows(&self, method: &Method) -> bool {
        STANDARD.contains(method)
            || self.routes.iter().any(|route| route.methods.iter().any(|(known, _)| known == method))
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
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not allowed here"))
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

/// On a request: its method is none of the standard ones, but one of this router's.
#[derive(Clone, Copy, Debug)]
struct KnownMethod;

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

/// Fills in the note of those who want to know the pattern.
fn note(request: &Request, pattern: &Arc<str>) {
    if let Some(note) = &request.route {
        note.fill(pattern);
    }
}

/// Where the parameters of these names are in `path`.
fn params(path: &str, names: &Arc<[Box<str>]>, found: &matchit::Params<'_, '_>) -> Params {
    let start = path.as_ptr().addr();
    let place = |value: &str| {
        let from = value.as_ptr().addr().saturating_sub(start);
        (from, from + value.len())
    };
    Params {
        names: (!names.is_empty()).then(|| Arc::clone(names)),
        places: found.iter().map(|(_, value)| place(value)).collect(),
    }
}

pub(super) async fn not_found(request: Request) -> Problem {
    // What no route matches has no method either; but a method that nobody knows is 501 wherever it is sent.
    let known = request.extensions.get::<KnownMethod>().is_some();
    if known || STANDARD.contains(request.method()) {
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
