//! Forward authentication: another server decides about each request, as with nginx's `auth_request` and Traefik's `forwardAuth`.
//!
//! It gets a `GET` without a body, with the configured fields and with the original method and target in `X-Forwarded-Method` and `X-Forwarded-Uri`
//! (the normalised path, by which the route was chosen). After a 2xx response the request is forwarded, with the configured fields of that response in place of
//! the client's own. Any other response goes to the client. Without a response, or after a 5xx, the request is refused with 503.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use super::{Told, amend, know};
use crate::proto::http::amend::Amendment;
use crate::proto::http::draft::Draft;
use crate::proto::http::forwarded::is_word;
use crate::proto::http::hop::{HopByHop, reads_as};
use crate::server::balance::gateway::{Changes, Forward, normal_path};
use crate::server::http::body::Body;
use crate::server::http::middleware::timeout::GivesUp;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// Fields that the question has of its own: it goes to another host, and without a body.
const OWN: [&str; 2] = ["host", "content-length"];

/// The longest body of a response, in bytes. A longer one is omitted.
pub const MAX_ANSWER: u64 = 64 * 1024;

/// The default time limit.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// The default fields for the other server.
pub const COPIED: [HeaderName; 2] = [http::header::AUTHORIZATION, http::header::COOKIE];

const METHOD: &str = "x-forwarded-method";
const URI: &str = "x-forwarded-uri";

/// The server to ask, and how.
#[derive(Clone, Debug)]
pub struct ForwardAuth {
    /// The name of its upstream.
    pub to: String,
    /// The path to request, with a query if needed.
    pub path: String,
    /// Fields of the request to copy.
    pub copy_request: Vec<HeaderName>,
    /// Fields of the response that the backend gets in place of the client's.
    pub copy_response: Vec<HeaderName>,
    /// The time limit.
    pub timeout: Duration,
    /// The field of the response that contains the user's name.
    pub told: Told,
}

impl ForwardAuth {
    pub(super) fn own_fields(&self) -> Vec<HeaderName> {
        let user = [&self.told.user_field];
        let user = user.into_iter().filter(|name| !self.copy_response.contains(name));
        self.copy_response.iter().chain(user).cloned().collect()
    }

    /// Asks about a request. `forward` leads to the other server.
    pub(super) async fn admit(
        &self,
        mut request: Request,
        forward: &Arc<Forward>,
    ) -> Result<Request, Response> {
        let mut question = self.question(&request)?;
        GivesUp::within(self.timeout, question.extensions_mut());
        let answer = tokio::time::timeout(self.timeout, async {
            let mut answer = forward.answer(question).await;
            let body = std::mem::take(answer.body_mut());
            // Read to its end, so that the connection can be used again.
            *answer.body_mut() = body.collect(MAX_ANSWER).await.map_or_else(|_| Body::empty(), Body::from);
            answer
        });
        let answer = match answer.await {
            Ok(answer) if answer.code().is_success() => answer,
            Ok(answer) if !answer.code().is_server_error() => return Err(told(answer)),
            Ok(answer) => {
                tracing::debug!(upstream = self.to, status = %answer.code(), "no decision from the authentication server");
                return Err(closed());
            }
            Err(_) => {
                tracing::debug!(upstream = self.to, "no decision from the authentication server in time");
                return Err(closed());
            }
        };
        let mut amendment = Amendment::default();
        for name in self.own_fields() {
            amendment.drop_field(name.clone());
            for (_, value) in answer.fields().iter().filter(|(field, _)| **field == name) {
                amendment.set(name.clone(), value.clone());
            }
        }
        if let Some(name) = answer.fields().find(self.told.user_field.as_str()) {
            let name = String::from_utf8_lossy(name.as_bytes());
            know(&mut request, name.into());
        }
        amend(&mut request, &amendment)?;
        Ok(request)
    }

    /// The request to the other server.
    fn question(&self, request: &Request) -> Result<Request, Response> {
        let head = request.head();
        let mut draft = Draft::new(&[b"GET ", self.path.as_bytes(), b" HTTP/1.1"], 1024);
        draft.field("host", head.authority().as_bytes());
        let hop = HopByHop::of(head);
        for (name, value) in head
            .fields()
            .filter(|(name, _)| !hop.has(name) && !OWN.iter().any(|own| name.eq_ignore_ascii_case(own)))
        {
            // What proxies in front say of the client goes on, and is judged where all requests are.
            let listed = self.copy_request.iter().any(|listed| name.eq_ignore_ascii_case(listed.as_str()));
            let ours = [METHOD, URI].iter().any(|ours| reads_as(name, ours));
            if (listed || is_word(name, true)) && !ours {
                draft.field(name, value);
            }
        }
        let question = draft.finish().map_err(|_| closed())?;
        let mut question = Request::new(question, Body::empty(), Arc::clone(request.peer()));
        let mut uri = normal_path(head, request.extensions()).to_owned();
        if let Some(query) = head.query() {
            uri.push('?');
            uri.push_str(query);
        }
        let changes = Changes::of(question.extensions_mut());
        for (name, value) in [(METHOD, head.method().as_str()), (URI, &uri)] {
            let value = HeaderValue::from_str(value).map_err(|_| closed())?;
            changes.set(HeaderName::from_static(name), value);
        }
        Ok(question)
    }
}

/// The other server's response, for the client.
fn told(mut answer: Response) -> Response {
    if answer.body().is_empty() {
        // What was too long to be passed on is not announced.
        answer.fields_mut().remove(&http::header::CONTENT_TYPE);
    }
    answer
}

/// The response without a decision.
fn closed() -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the authentication server is not available")
        .into_response()
}
