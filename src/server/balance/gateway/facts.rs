//! The values of variables in header fields and redirects.

use std::fmt::Write;

use bytes::BytesMut;

use super::hash::client;
use super::normal_path;
use super::trace::Trace;
use crate::net::addr::Prefixes;
use crate::proto::balance::rewrite::Rewrite;
use crate::proto::balance::route;
use crate::proto::balance::template::Variable;
use crate::proto::http::head::Head;
use crate::server::balance::backend::Backend;
use crate::server::http::middleware::request_id::RequestId;
use crate::server::peer::Peer;

/// The sources of the values.
pub(super) struct Facts<'a> {
    pub(super) head: &'a Head,
    pub(super) peer: &'a Peer,
    pub(super) extensions: &'a http::Extensions,
    pub(super) trusted: &'a Prefixes,
    pub(super) rewrite: &'a Rewrite,
    pub(super) upstream: &'a str,
    pub(super) backend: Option<&'a Backend>,
}

impl Facts<'_> {
    /// Appends the value of a variable. Each is text of the request head, which was validated when it was parsed, or the balancer's own.
    pub(super) fn fill(&self, variable: Variable, dst: &mut BytesMut) {
        let head = self.head;
        // Writing to memory cannot fail.
        let _ = match variable {
            Variable::Client => match client(head, self.peer, self.trusted) {
                Some(address) => write!(dst, "{address}"),
                None => Ok(()),
            },
            Variable::Host => dst.write_str(route::host(head.authority())),
            Variable::Authority => dst.write_str(head.authority()),
            Variable::Scheme => dst.write_str(if self.peer.tls { "https" } else { "http" }),
            Variable::Method => dst.write_str(head.method().as_str()),
            Variable::Path => match self.rewrite.apply(normal_path(head, self.extensions)) {
                Ok(rewritten) => dst.write_str(&rewritten.path),
                Err(_) => Ok(()),
            },
            Variable::Query => match head.query() {
                Some(query) => write!(dst, "?{query}"),
                None => Ok(()),
            },
            Variable::RequestId => match self.extensions.get::<RequestId>() {
                Some(id) => dst.write_str(id.as_str()),
                None => Ok(()),
            },
            Variable::TraceId => match self.extensions.get::<Trace>() {
                Some(trace) => write!(dst, "{}", trace.id()),
                None => Ok(()),
            },
            Variable::Upstream => dst.write_str(self.upstream),
            Variable::Backend => dst.write_str(self.backend.map_or("", |backend| backend.name())),
        };
    }
}
