//! From method and path to a handler.
//!
//! A pattern has literal segments, `{name}` for one segment and `{*name}` for the rest. The most specific pattern that
//! matches is taken; `/a/{*rest}` still gets `/a/b/` when `/a/b` is a route of its own. At one place of a path there is
//! one of `{name}` and `{*name}`; braces that are meant are written twice. HEAD is answered by the handler of
//! GET, OPTIONS with the methods that there are, another method with 405 and `Allow` (RFC 9110 section 15.5.6), a method
//! that no route has and RFC 9110 does not define with 501 (section 9.1).

mod find;
mod route;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::Method;

use self::route::{Nested, Route};
use super::handler::{Handler, Layered, Next, SharedHandler};
use super::request::Request;
use super::response::IntoResponse;

pub use self::route::RoutePattern;

/// Routes. Built once, then shared by every connection.
#[derive(Clone, Default)]
pub struct Router {
    table: matchit::Router<usize>,
    routes: Vec<Route>,
    /// Where the fallbacks of nested routers answer. A table of its own: `/api/{*rest}` would conflict with `/api/{id}`.
    below: matchit::Router<usize>,
    nested: Vec<Nested>,
    fallback: Option<SharedHandler>,
}

/// A pattern that cannot be a route.
#[derive(Debug, thiserror::Error)]
#[error("the route {pattern} cannot be added: {reason}")]
pub struct RouteError {
    pattern: String,
    reason: String,
}

impl RouteError {
    fn new(pattern: &str, reason: impl Into<String>) -> Self {
        Self { pattern: pattern.to_owned(), reason: reason.into() }
    }
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
        let at = match self.routes.iter().position(|route| *route.pattern == *pattern) {
            Some(at) => at,
            None => {
                enter(&mut self.table, pattern, self.routes.len())?;
                self.routes.push(Route::new(pattern));
                self.routes.len() - 1
            }
        };
        self.routes[at].insert(method, handler).map_err(|reason| RouteError::new(pattern, reason))
    }

    fn insert_nested(&mut self, prefix: &str, handler: &SharedHandler) -> Result<(), RouteError> {
        let at = self.nested.len();
        for pattern in itself(prefix).chain([format!("{prefix}/{{*rest}}")]) {
            enter(&mut self.below, &pattern, at)?;
        }
        self.nested.push(Nested::new(prefix, Arc::clone(handler)));
        Ok(())
    }

    /// [`add`](Self::add) for programs whose routes are fixed: a bad pattern is a defect of the program.
    ///
    /// # Panics
    /// As `add` fails.
    #[must_use]
    #[allow(clippy::panic, reason = "a route that is written in the program, not one that a peer sends")]
    pub fn route(mut self, method: Method, pattern: &str, handler: impl Handler) -> Self {
        self.add(method, pattern, handler).unwrap_or_else(|error| panic!("{error}"));
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

    /// A route for PATCH.
    #[must_use]
    pub fn patch(self, pattern: &str, handler: impl Handler) -> Self {
        self.route(Method::PATCH, pattern, handler)
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
    #[allow(clippy::panic, reason = "a route that is written in the program, not one that a peer sends")]
    pub fn any(mut self, pattern: &str, handler: impl Handler) -> Self {
        self.insert(None, pattern, Arc::new(handler)).unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// The handler of what no route matches, in place of 404.
    #[must_use]
    pub fn fallback(mut self, handler: impl Handler) -> Self {
        self.fallback = Some(Arc::new(handler));
        self
    }

    /// All routes of `inner` below `prefix`: below `/api`, its route `/` answers `/api` and `/api/`. Its fallback answers
    /// the two and what is below them, where no route of its own matches, and has the parameters of the prefix.
    ///
    /// # Panics
    /// As for [`route`](Self::route).
    #[must_use]
    #[allow(clippy::panic, reason = "a route that is written in the program, not one that a peer sends")]
    pub fn nest(mut self, prefix: &str, inner: Self) -> Self {
        self.try_nest(prefix.trim_end_matches('/'), inner).unwrap_or_else(|error| panic!("{error}"));
        self
    }

    fn try_nest(&mut self, prefix: &str, inner: Self) -> Result<(), RouteError> {
        for route in inner.routes {
            let patterns: Vec<String> = match &*route.pattern {
                "/" => itself(prefix).collect(),
                pattern => vec![format!("{prefix}{pattern}")],
            };
            for pattern in patterns {
                for (method, handler) in route.handlers() {
                    self.insert(method, &pattern, handler)?;
                }
            }
        }
        for nested in inner.nested {
            self.insert_nested(&format!("{prefix}{}", nested.prefix), &nested.handler)?;
        }
        inner.fallback.map_or(Ok(()), |fallback| self.insert_nested(prefix, &fallback))
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
            *inner = Arc::new(Layered { function: function.clone(), inner: Arc::clone(inner) });
        };
        for route in &mut self.routes {
            route.methods.iter_mut().map(|(_, handler)| handler).chain(&mut route.any).for_each(wrap);
        }
        self.nested.iter_mut().map(|nested| &mut nested.handler).for_each(wrap);
        let mut fallback = self.fallback.take().unwrap_or_else(|| Arc::new(find::not_found));
        wrap(&mut fallback);
        self.fallback = Some(fallback);
        self
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.routes.iter().map(|route| &route.pattern)).finish()
    }
}

/// Enters `pattern` as number `at` of a table.
fn enter(table: &mut matchit::Router<usize>, pattern: &str, at: usize) -> Result<(), RouteError> {
    if !pattern.starts_with('/') {
        return Err(RouteError::new(pattern, "it does not begin with /"));
    }
    table.insert(pattern, at).map_err(|cause| RouteError::new(pattern, cause.to_string()))
}

/// The patterns of `prefix` itself, with a slash at its end and without; the root has one only.
fn itself(prefix: &str) -> impl Iterator<Item = String> {
    let without = (!prefix.is_empty()).then(|| prefix.to_owned());
    without.into_iter().chain([format!("{prefix}/")])
}
