//! One route: a pattern with its handlers, and what is said about it.

use std::sync::{Arc, OnceLock};

use http::{HeaderValue, Method};

use crate::server::http::handler::SharedHandler;

#[cfg(doc)]
use crate::server::http::request::Request;

/// The handlers of a pattern.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) pattern: Arc<str>,
    pub(super) names: Arc<[Box<str>]>,
    pub(super) methods: Vec<(Method, SharedHandler)>,
    pub(super) any: Option<SharedHandler>,
}

impl Route {
    pub(super) fn new(pattern: &str) -> Self {
        Self { pattern: pattern.into(), names: names(pattern), methods: Vec::new(), any: None }
    }

    /// Adds the handler of a method, or the one of all that have none; says what is wrong when it is there.
    pub(super) fn insert(&mut self, method: Option<Method>, handler: SharedHandler) -> Result<(), String> {
        match method {
            Some(method) if self.exact(&method).is_some() => {
                return Err(format!("it has a handler for {method} already"));
            }
            Some(method) => self.methods.push((method, handler)),
            None if self.any.is_some() => return Err("it has a handler for any method already".into()),
            None => self.any = Some(handler),
        }
        Ok(())
    }

    /// The handlers, each as [`insert`](Self::insert) takes it.
    pub(super) fn handlers(&self) -> impl Iterator<Item = (Option<Method>, SharedHandler)> {
        let methods = self.methods.iter().map(|(method, handler)| (Some(method.clone()), handler));
        methods
            .chain(self.any.iter().map(|handler| (None, handler)))
            .map(|(method, handler)| (method, Arc::clone(handler)))
    }

    /// What answers `method` here.
    pub(super) fn handler(&self, method: &Method) -> Option<&SharedHandler> {
        let or_get = || (*method == Method::HEAD).then(|| self.exact(&Method::GET)).flatten();
        self.exact(method).or_else(or_get).or(self.any.as_ref())
    }

    fn exact(&self, method: &Method) -> Option<&SharedHandler> {
        self.methods.iter().find(|(known, _)| known == method).map(|(_, handler)| handler)
    }

    pub(super) fn allow(&self) -> HeaderValue {
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

/// The fallback of a nested router.
#[derive(Clone)]
pub(super) struct Nested {
    pub(super) prefix: Box<str>,
    /// What stands for its route: a label, as the patterns are.
    pub(super) pattern: Arc<str>,
    /// The parameters of the prefix; what follows it has no name.
    pub(super) names: Arc<[Box<str>]>,
    pub(super) handler: SharedHandler,
}

impl Nested {
    pub(super) fn new(prefix: &str, handler: SharedHandler) -> Self {
        Self {
            prefix: prefix.into(),
            pattern: format!("{prefix}/{{*rest}}").into(),
            names: names(prefix),
            handler,
        }
    }

    /// Whether a route is as specific as the prefix where the two first differ, and so goes before the fallback.
    pub(super) fn holds(&self, route: &Route) -> bool {
        let mut parts = route.pattern.split('/').zip(self.prefix.split('/'));
        parts.find(|(theirs, own)| theirs != own).is_none_or(|(theirs, own)| rank(theirs) <= rank(own))
    }
}

/// How much a segment of a pattern leaves open: nothing, one segment, or all that follows.
fn rank(segment: &str) -> u8 {
    if segment.starts_with("{*") { 2 } else { u8::from(segment.contains('{')) }
}

/// The names of the parameters of a pattern, in order.
fn names(pattern: &str) -> Arc<[Box<str>]> {
    // A brace that is written twice is a literal.
    let pattern = pattern.replace("{{", "").replace("}}", "");
    pattern
        .split('/')
        .filter_map(|segment| {
            segment.split_once('{')?.1.split_once('}').map(|(name, _)| name.trim_start_matches('*').into())
        })
        .collect()
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

    pub(super) fn fill(&self, pattern: &Arc<str>) {
        // The first router that finds a route is the outermost, whose pattern has the fewest values.
        self.0.get_or_init(|| Arc::clone(pattern));
    }
}
