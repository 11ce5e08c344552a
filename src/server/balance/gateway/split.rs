//! A weighted split: a route that divides its requests between several upstreams.

use std::sync::Arc;

use super::forward::Forward;
use super::hash::HashBy;
use crate::proto::balance::split::{Split, point_of};
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::request::Request;

/// A handler that gives each request to one of several others.
#[derive(Debug)]
pub struct Branches {
    /// Their weights.
    pub split: Split,
    /// What keeps a client on its branch; without it the branch is random.
    pub by: Option<HashBy>,
    /// The branches, in the order of the split; at least one.
    pub branches: Vec<Arc<Forward>>,
}

impl Branches {
    fn branch(&self, request: &Request) -> Option<&Arc<Forward>> {
        let point = match (&self.by, self.branches.first()) {
            (Some(by), Some(first)) => point_of(by.key(request, &first.trusted)),
            _ => fastrand::u64(..),
        };
        self.branches.get(self.split.branch(point))
    }
}

impl Handler for Branches {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        match self.branch(&request) {
            Some(branch) => branch.handle(request),
            // A split has as many branches as weights.
            None => Box::pin(std::future::ready(crate::server::http::response::Response::empty(
                http::StatusCode::SERVICE_UNAVAILABLE,
            ))),
        }
    }
}
