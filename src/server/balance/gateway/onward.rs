//! From the request of a client to that for a backend, and from the backend's response to that for the client.
//!
//! No framing is passed on: the length of a body is what was parsed, and both codecs write their own fields. So the next server
//! understands the same message as this one, whatever the client wrote.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Version};

use super::edits::{BackendHost, Changes};
use super::facts::Facts;
use super::trace::Trace;
use super::{Forward, normal_path};
use crate::proto::balance::normal::{PathError, normalise};
use crate::proto::balance::rewrite::Rewritten;
use crate::proto::http::client::{Finish, RequestError, RequestWriter, ResponseHead, WireRequest};
use crate::proto::http::fields::Fields;
use crate::proto::http::forwarded::{Forwarding, is_word};
use crate::proto::http::head::Head;
use crate::proto::http::hop::{self, HopByHop, reads_as};
use crate::proto::http::target::Form;
use crate::server::balance::backend::Backend;
use crate::server::http::problem::Problem;
use crate::server::http::request::Parts;

/// Why a request cannot be forwarded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unforwardable {
    /// Its path cannot be normalised after the rewrite.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It cannot be written.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl From<Unforwardable> for Problem {
    fn from(error: Unforwardable) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// The normalised path of a request.
///
/// # Errors
/// It cannot be normalised.
pub(super) fn path(head: &Head) -> Result<Cow<'_, str>, PathError> {
    if head.form() == Form::Asterisk { Ok("*".into()) } else { normalise(head.path()) }
}

/// Refuses a request whose target names another host than its `Host` field. By RFC 9112 section 3.2.2 the target takes precedence; but a proxy in front of
/// this one may have decided by the field.
///
/// # Errors
/// The two differ.
pub(super) fn one_host(head: &Head) -> Result<(), Problem> {
    let differs = |host: &[u8]| !host.eq_ignore_ascii_case(head.authority().as_bytes());
    if head.form() == Form::Absolute && head.field("host").is_some_and(differs) {
        return Err(Problem::bad_request("the target and the Host field name different hosts"));
    }
    Ok(())
}

/// A request to forward.
pub(super) struct Onward<'a> {
    pub(super) forward: &'a Forward,
    pub(super) parts: &'a Parts,
    /// The length of the body in bytes; `None` if it is unknown.
    pub(super) length: Option<u64>,
}

impl<'a> Onward<'a> {
    /// The values of variables for the request and this backend.
    pub(super) fn facts(&self, backend: Option<&'a Backend>) -> Facts<'a> {
        Facts {
            head: self.parts.head(),
            peer: self.parts.peer(),
            extensions: self.parts.extensions(),
            trusted: &self.forward.trusted,
            rewrite: &self.forward.edits.rewrite,
            upstream: self.forward.upstream.name(),
            backend,
        }
    }

    /// Whether the request is another one for each backend.
    pub(super) fn is_by_backend(&self) -> bool {
        self.forward.edits.is_by_backend() || self.parts.head().authority().is_empty()
    }

    /// The request for this backend, without its body.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn request(&self, backend: &Backend) -> Result<WireRequest, Unforwardable> {
        let Self { forward, parts, length } = self;
        let (head, peer, edits) = (parts.head(), parts.peer(), &forward.edits);
        let trusted = peer.addr.ip().is_some_and(|ip| forward.trusted.contains(ip));
        let rewritten = edits.rewrite.apply(normal_path(head, parts.extensions()))?;
        let prefix = rewritten.stripped.unwrap_or_default();
        let host = match &edits.host {
            // HTTP/1.0 need not name one, and the backend has to be told some.
            BackendHost::Kept if head.authority().is_empty() => backend.host(),
            BackendHost::Kept => head.authority(),
            BackendHost::Fixed(host) => host,
            BackendHost::Backend => backend.host(),
        };
        let mut writer = RequestWriter::new(head.method(), &target(rewritten, head.query()), host)?;
        let changes = parts.extensions().get::<Changes>();
        let trace = parts.extensions().get::<Trace>();
        writer.forward(head, |name| {
            is_word(name, trusted)
                || FRAMING.iter().any(|ours| reads_as(name, ours))
                || edits.request.hides(name)
                || changes.is_some_and(|changes| changes.hides(name))
                || trace.is_some_and(|trace| trace.hides(name))
        });
        let host = head.authority();
        let forwarding = Forwarding { head, peer: peer.addr.ip(), trusted, tls: peer.tls, host, prefix };
        for field in edits.tell.fields() {
            let name = field.name();
            if edits.request.is_empty() || !edits.request.hides(name.as_str()) {
                writer.field_of(name, |dst| forwarding.write(*field, dst));
            }
        }
        if let Some(trace) = trace.filter(|_| !edits.request.hides(TRACEPARENT.as_str())) {
            writer.field_of(&TRACEPARENT, |dst| {
                // Writing to memory cannot fail.
                let _ = write!(dst, "{}", trace.parent);
            });
        }
        if let Some(changes) = changes {
            writer.fields(changes.fields());
        }
        if !edits.request.is_empty() {
            let facts = self.facts(Some(backend));
            for (name, template) in edits.request.lines() {
                writer.field_of(name, |dst| template.write(dst, |variable, dst| facts.fill(variable, dst)));
            }
        }
        let upgrade = upgrade(head);
        Ok(writer.finish(Finish { length: *length, upgrade: upgrade.as_ref(), close: false }))
    }
}

/// Path and query; a query of the rewrite goes first.
fn target<'a>(rewritten: Rewritten<'a>, query: Option<&str>) -> Cow<'a, str> {
    let Rewritten { path: mut target, query: ours, .. } = rewritten;
    for (query, mark) in [(ours.as_deref(), '?'), (query, if ours.is_some() { '&' } else { '?' })] {
        if let Some(query) = query {
            let target = target.to_mut();
            target.push(mark);
            target.push_str(query);
        }
    }
    target
}

/// The field by which a trace goes on (W3C Trace Context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The fields that determine where a message ends and its host; the client's own are never forwarded, however they are spelt.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "host"];

/// The protocols to which a request asks to upgrade. In HTTP/1.0 nobody can (RFC 9110 section 7.8).
fn upgrade(head: &Head) -> Option<HeaderValue> {
    let asked = hop::upgrade(head).filter(|_| head.version() != Version::HTTP_10);
    asked.and_then(|protocols| HeaderValue::from_maybe_shared(Bytes::from(protocols)).ok())
}

/// The response fields that are passed to the client.
#[must_use]
pub(super) fn fields(head: &ResponseHead) -> Fields {
    let hop = HopByHop::of(head);
    let lines = head.fields();
    let mut fields = Fields::with_capacity(lines.len());
    for (name, value) in lines.filter(|(name, _)| !hop.has(name)) {
        let value = head.bytes().slice_ref(value);
        // Both were checked when the head was parsed, and are checked once more.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_maybe_shared(value))
        {
            fields.append(name, value);
        }
    }
    fields
}
