//! The edits of a route in requests on their way to a backend, and in responses on their way back.

use http::{Extensions, HeaderName, HeaderValue};

use crate::proto::balance::edit::Edits;
use crate::proto::balance::rewrite::Rewrite;
use crate::proto::balance::template::Variable;
use crate::proto::http::fields::Fields;
use crate::proto::http::forwarded::Tell;
use crate::proto::http::hop::reads_as;

/// The edits of a route. The default has none, except the forwarded fields.
#[derive(Clone, Debug, Default)]
pub struct RouteEdits {
    /// Of the path.
    pub rewrite: Rewrite,
    /// Of the host.
    pub host: BackendHost,
    /// Of request fields.
    pub request: Edits,
    /// Of response fields.
    pub response: Edits,
    /// The forwarded fields.
    pub tell: Tell,
}

/// The host to send to a backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BackendHost {
    /// The client's.
    #[default]
    Kept,
    /// This one.
    Fixed(Box<str>),
    /// The configured address of the backend.
    Backend,
}

impl RouteEdits {
    /// Whether the request differs between backends.
    pub(super) fn is_by_backend(&self) -> bool {
        self.host == BackendHost::Backend || self.request.has(Variable::Backend)
    }

    /// Whether an edit uses the request id.
    pub(super) fn names_requests(&self) -> bool {
        self.request.has(Variable::RequestId) || self.response.has(Variable::RequestId)
    }
}

/// Fields that a layer in front of a backend sets in its request: an extension of the request. The client's own lines of such a field are
/// removed, so that a client cannot forge them.
#[derive(Clone, Debug, Default)]
pub struct Changes(Fields);

impl Changes {
    /// The fields of a request with these extensions, to add to.
    pub fn of(extensions: &mut Extensions) -> &mut Self {
        extensions.get_or_insert_default::<Self>()
    }

    /// Sets a field.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.set(name, value);
    }

    /// Whether the client's field of this name is removed.
    pub(super) fn hides(&self, name: &str) -> bool {
        self.0.iter().any(|(set, _)| reads_as(name, set.as_str()))
    }

    /// The fields that are set.
    pub(super) fn fields(&self) -> &Fields {
        &self.0
    }
}
