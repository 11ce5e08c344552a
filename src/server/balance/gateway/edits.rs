//! What a route changes in requests on their way to a backend, and in the answers on their way back.

use http::{Extensions, HeaderName, HeaderValue};

use crate::proto::balance::edit::Edits;
use crate::proto::balance::rewrite::Rewrite;
use crate::proto::balance::template::Variable;
use crate::proto::http::fields::Fields;
use crate::proto::http::forwarded::Tell;
use crate::proto::http::hop::reads_as;

/// The changes of a route. The default has none, but for what every proxy tells of its client.
#[derive(Clone, Debug, Default)]
pub struct RouteEdits {
    /// Of the path.
    pub rewrite: Rewrite,
    /// Of the host.
    pub host: BackendHost,
    /// Of the fields of requests.
    pub request: Edits,
    /// Of the fields of answers.
    pub response: Edits,
    /// What the backend is told of the client.
    pub tell: Tell,
}

/// The host that a backend is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BackendHost {
    /// The one that the client asks for.
    #[default]
    Kept,
    /// This one.
    Fixed(Box<str>),
    /// The backend's address as it stands in the configuration.
    Backend,
}

impl RouteEdits {
    /// Whether a request is another one for each backend.
    pub(super) fn is_by_backend(&self) -> bool {
        self.host == BackendHost::Backend || self.request.has(Variable::Backend)
    }

    /// Whether the request's name is written somewhere.
    pub(super) fn names_requests(&self) -> bool {
        self.request.has(Variable::RequestId) || self.response.has(Variable::RequestId)
    }
}

/// Fields that a layer in front of a backend sets in the request that it gets: an extension of the request. The client's own lines of such a field do not go
/// on, so that a client cannot say what a layer says.
#[derive(Clone, Debug, Default)]
pub struct Changes(Fields);

impl Changes {
    /// Those of a request with these extensions, to add to.
    pub fn of(extensions: &mut Extensions) -> &mut Self {
        extensions.get_or_insert_default::<Self>()
    }

    /// Sets a field.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.set(name, value);
    }

    /// Whether the client's field of this name does not go on.
    pub(super) fn hides(&self, name: &str) -> bool {
        self.0.iter().any(|(set, _)| reads_as(name, set.as_str()))
    }

    /// The fields that are set.
    pub(super) fn fields(&self) -> &Fields {
        &self.0
    }
}
