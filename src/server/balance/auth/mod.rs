//! Authentication: methods by which a route verifies a client before a request is forwarded.
//!
//! An authenticated client has a name. It is stored in the request's extensions, for limits and logs, and sent to the backend in a header field. A
//! client cannot forge that field: its own are removed, in any spelling, on all routes of a listener that has authentication on any.
//! The credential is removed from the request unless the configuration forwards it.

mod api_key;
mod basic;
pub mod forward;
pub mod jwt;

use std::sync::Arc;
use std::task::{Poll, ready};

use futures_util::stream::poll_fn;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderName, HeaderValue, StatusCode};

pub use self::api_key::{ApiKeyPlace, ApiKeys};
pub use self::basic::Basic;
pub use self::forward::ForwardAuth;
pub use self::jwt::{Jwt, JwtRules};
use super::gateway::Forward;
use super::log::Note;
use crate::proto::http::amend::Amendment;
use crate::proto::http::hop::reads_as;
use crate::server::http::body::{Body, BoxError, Frame};
use crate::server::http::handler::{Handler, HandlerFuture, SharedHandler};
use crate::server::http::middleware::auth::AuthName;
use crate::server::http::middleware::refusal::RefusalReason;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// The default field for the user's name.
pub const USER_FIELD: HeaderName = HeaderName::from_static("x-auth-user");

/// The authentication method of a route.
#[derive(Clone, Debug)]
pub enum Auth {
    /// A user name and a password.
    Basic(Arc<Basic>),
    /// An API key.
    ApiKey(Arc<ApiKeys>),
    /// A signed token.
    Jwt(Arc<Jwt>),
    /// The decision of another server.
    Forward(Arc<ForwardAuth>),
}

/// What a backend learns about the client.
#[derive(Clone, Debug)]
pub struct Told {
    /// The field for the user's name.
    pub user_field: HeaderName,
    /// Whether it also gets the credential.
    pub credential: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self { user_field: USER_FIELD, credential: false }
    }
}

impl Auth {
    /// Wraps `handler` in this method. `upstream` returns the handler of an upstream by its name.
    #[must_use]
    pub fn around(&self, handler: SharedHandler, upstream: &dyn Fn(&str) -> Arc<Forward>) -> SharedHandler {
        let auth = match self {
            Self::Basic(basic) => Gate::Basic(Arc::clone(basic)),
            Self::ApiKey(keys) => Gate::ApiKey(Arc::clone(keys)),
            Self::Jwt(jwt) => Gate::Jwt(Arc::clone(jwt)),
            Self::Forward(forward) => Gate::Forward(Arc::clone(forward), upstream(&forward.to)),
        };
        Arc::new(Guarded { auth, inner: handler })
    }

    /// The fields that only this balancer may send to a backend.
    #[must_use]
    pub fn own_fields(&self) -> Vec<HeaderName> {
        match self {
            Self::Basic(basic) => vec![basic.told.user_field.clone()],
            Self::ApiKey(keys) => vec![keys.told.user_field.clone()],
            Self::Jwt(jwt) => jwt.own_fields(),
            Self::Forward(forward) => forward.own_fields(),
        }
    }
}

/// The check of an authentication method.
enum Gate {
    Basic(Arc<Basic>),
    ApiKey(Arc<ApiKeys>),
    Jwt(Arc<Jwt>),
    Forward(Arc<ForwardAuth>, Arc<Forward>),
}

impl Gate {
    /// The request with the authenticated name, or the response that refuses it.
    async fn admit(&self, request: Request) -> Result<Request, Response> {
        match self {
            Self::Basic(basic) => basic.admit(request).await,
            Self::ApiKey(keys) => keys.admit(request).await,
            Self::Jwt(jwt) => jwt.admit(request).await,
            Self::Forward(auth, forward) => auth.admit(request, forward).await,
        }
    }
}

/// A handler behind authentication.
struct Guarded {
    auth: Gate,
    inner: SharedHandler,
}

impl Handler for Guarded {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        Box::pin(async move {
            match self.auth.admit(request).await {
                Ok(request) => self.inner.handle(request).await,
                Err(response) => response.refused(RefusalReason::Auth),
            }
        })
    }
}

/// A handler whose backends must not get certain fields from clients.
struct Unforged {
    fields: Amendment,
    trailers: Arc<[HeaderName]>,
    inner: SharedHandler,
}

/// Wraps `handler` and removes these fields from requests, and those of `own` from their trailers, as some servers treat trailer fields like those of the head.
#[must_use]
pub fn without(fields: &[HeaderName], own: &[HeaderName], handler: SharedHandler) -> SharedHandler {
    let mut amendment = Amendment::default();
    fields.iter().for_each(|name| amendment.drop_field(name.clone()));
    Arc::new(Unforged { fields: amendment, trailers: own.into(), inner: handler })
}

impl Handler for Unforged {
    fn handle(&self, mut request: Request) -> HandlerFuture<'_> {
        if self.fields.concerns(request.head())
            && let Err(response) = amend(&mut request, &self.fields)
        {
            return Box::pin(std::future::ready(response));
        }
        // Only bodies that do not say their length have trailer fields.
        if request.body().len().is_none() {
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = without_trailers(body, Arc::clone(&self.trailers));
        }
        self.inner.handle(request)
    }
}

/// A body without those of its trailer fields that read as one of `names`.
fn without_trailers(mut body: Body, names: Arc<[HeaderName]>) -> Body {
    let frames = poll_fn(move |cx| {
        let frame = ready!(body.poll_next_frame(cx));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(Frame::Trailers(mut fields)) => {
                let reads =
                    |field: &&HeaderName| names.iter().any(|name| reads_as(field.as_str(), name.as_str()));
                let forged: Vec<_> = fields.iter().map(|(name, _)| name).filter(reads).cloned().collect();
                for name in &forged {
                    fields.remove(name);
                }
                Ok(Frame::Trailers(fields))
            }
            frame => frame.map_err(BoxError::from),
        }))
    });
    Body::frames(frames, None)
}

/// Gives the request its user name, as `told` says, and makes the other changes.
fn identify(
    mut request: Request,
    name: Arc<str>,
    told: &Told,
    mut amendment: Amendment,
) -> Result<Request, Response> {
    match HeaderValue::from_bytes(name.as_bytes()) {
        Ok(value) if !name.is_empty() => amendment.set(told.user_field.clone(), value),
        // No name, or one that no field can say, is not told; nobody else's is either.
        _ => amendment.drop_field(told.user_field.clone()),
    }
    if !name.is_empty() {
        know(&mut request, name);
    }
    amend(&mut request, &amendment)?;
    Ok(request)
}

/// Records the user name for limits and the log.
fn know(request: &mut Request, name: Arc<str>) {
    if let Some(note) = Note::of(request) {
        note.journey().user = Some(Arc::clone(&name));
    }
    request.extensions_mut().insert(AuthName(name));
}

fn amend(request: &mut Request, amendment: &Amendment) -> Result<(), Response> {
    let head = amendment.apply(request.head());
    let head = head.map_err(|reject| Problem::new(reject.status(), reject.to_string()).into_response())?;
    request.replace_head(head);
    Ok(())
}

/// Quotes a text by RFC 9110 section 5.6.4, in visible ASCII: other characters become `?`.
fn quoted(text: &str) -> String {
    let visible = text.chars().map(|char| if matches!(char, ' '..='~') { char } else { '?' });
    let text: String = visible.collect();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A refusal with a challenge.
fn refusal(status: StatusCode, detail: &str, challenge: String) -> Response {
    let mut problem = Problem::new(status, detail);
    if let Ok(value) = HeaderValue::try_from(challenge) {
        problem = problem.with(WWW_AUTHENTICATE, value);
    }
    problem.into_response()
}
