//! A reply, as a handler makes it.

use std::future::Future;
use std::path::Path;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE, UPGRADE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use super::body::{Body, Sent};
use super::files;
use super::middleware::refusal::RefusalReason;
use super::problem::Problem;
use super::request::Request;
use super::upgrade::Upgraded;
use crate::proto::http::cookie::{CookieError, SetCookie};
use crate::proto::http::fields::Fields;

/// A reply. `Connection`, `Content-Length`, `Transfer-Encoding` and `Date` are the server's business: it derives them.
#[derive(Debug, Default)]
pub struct Response {
    pub(super) status: StatusCode,
    pub(super) fields: Fields,
    pub(super) body: Body,
    pub(super) extra: Option<Box<Extra>>,
}

/// What few replies have.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) on_sent: Vec<OnSent>,
    pub(super) upgrade: Option<OnUpgrade>,
    pub(super) length: Option<u64>,
    pub(super) refusal: Option<RefusalReason>,
}

/// Called once, when the reply was handed to its connection to the end, or cannot be.
pub type OnSent = Box<dyn FnOnce(Sent) + Send>;
/// Called with the connection after `101 Switching Protocols` has left, to start a task that speaks the other protocol.
pub type OnUpgrade = Box<dyn FnOnce(Upgraded) + Send>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Response {
    /// 200 without fields.
    pub fn new(body: impl Into<Body>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// 200 with a body of a media type.
    pub fn of(content_type: HeaderValue, body: impl Into<Body>) -> Self {
        let mut response = Self::new(body);
        response.fields.append(CONTENT_TYPE, content_type);
        response
    }

    /// 200 with `text/plain; charset=utf-8`.
    pub fn text(body: impl Into<Body>) -> Self {
        Self::of(TEXT, body)
    }

    /// 200 with `text/html; charset=utf-8`.
    pub fn html(body: impl Into<Body>) -> Self {
        Self::of(HTML, body)
    }

    /// 200 with `application/json`; 500 when `value` cannot be written as JSON.
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::of(JSON, bytes),
            Err(error) => Problem::internal(format!("JSON: {error}")).into_response(),
        }
    }

    /// The file at `path`, as an answer to `request`: with `Content-Type` by its name, `ETag` and `Last-Modified`; to GET and
    /// HEAD with preconditions and ranges heeded, so also 304, 412, 206 and 416. Large files are sent from their
    /// descriptor, by the thread of the connection: over TLS too, where [`Files`](super::files::Files) has workers for that.
    /// Other methods get 200 with all of it.
    ///
    /// The path is the program's own: it is opened as it stands, symbolic links and all. What is made of a request's text
    /// may lead anywhere; [`Files`](super::files::Files) stays in its folder.
    ///
    /// # Errors
    /// 404 when there is no file, 403 when it may not be read, 503 when too many files are open, 500 when the disk fails.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use http::header::CONTENT_DISPOSITION;
    /// use wireworks::server::http::problem::Problem;
    /// use wireworks::server::http::request::Request;
    /// use wireworks::server::http::response::Response;
    ///
    /// async fn report(request: Request) -> Result<Response, Problem> {
    ///     let reply = Response::file(&request, "/srv/reports/today.pdf")?;
    ///     Ok(reply.with(CONTENT_DISPOSITION, HeaderValue::from_static("attachment")))
    /// }
    /// # let _ = wireworks::server::http::router::Router::new().get("/report", report);
    /// ```
    pub fn file(request: &Request, path: impl AsRef<Path>) -> Result<Self, Problem> {
        files::reply(request.head(), path.as_ref())
    }

    /// A reply without a body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self { status, ..Self::default() }
    }

    /// A redirect; 500 when `location` holds bytes that no field may hold.
    #[must_use]
    pub fn redirect(status: StatusCode, location: &str) -> Self {
        match HeaderValue::try_from(location) {
            Ok(location) => Self::empty(status).with(LOCATION, location),
            Err(_) => Problem::internal(format!("cannot redirect to {location:?}")).into_response(),
        }
    }

    /// `101 Switching Protocols` to `protocol`, one that the request offers: then `then` has the connection, in a task of its own.
    /// The server answers 400 instead when the request does not offer it.
    pub fn upgrade<F, Fut>(protocol: HeaderValue, then: F) -> Self
    where
        F: FnOnce(Upgraded) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut response = Self::empty(StatusCode::SWITCHING_PROTOCOLS).with(UPGRADE, protocol);
        response.extra().upgrade = Some(Box::new(|upgraded| drop(tokio::spawn(then(upgraded)))));
        response
    }

    /// The same with another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same with a field set.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.set(name, value);
        self
    }

    /// The same, setting a cookie beside those that it sets already.
    ///
    /// # Errors
    /// What makes the cookie one that browsers would misread or ignore.
    pub fn cookie(mut self, cookie: &SetCookie) -> Result<Self, CookieError> {
        let line = cookie.finish()?.freeze();
        // A finished cookie is visible ASCII and spaces.
        if let Ok(value) = HeaderValue::from_maybe_shared(line) {
            self.fields.append(SET_COOKIE, value);
        }
        Ok(self)
    }

    /// The status.
    #[must_use]
    pub fn code(&self) -> StatusCode {
        self.status
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The fields, to change.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.fields
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body, to change.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The body alone.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// Calls `f` once the reply has left or its connection was lost: what logs and metrics hang on.
    pub fn on_sent(&mut self, f: impl FnOnce(Sent) + Send + 'static) {
        self.extra().on_sent.push(Box::new(f));
    }

    /// The same, made in place of the handler's answer for this reason.
    #[must_use]
    pub fn refused(mut self, reason: RefusalReason) -> Self {
        self.extra().refusal = Some(reason);
        self
    }

    /// Why this is not the answer of the handler.
    #[must_use]
    pub fn refusal(&self) -> Option<RefusalReason> {
        self.extra.as_ref().and_then(|extra| extra.refusal)
    }

    /// Says how long the body of GET is, in a reply to HEAD whose handler leaves the body out.
    pub fn length_of_get(&mut self, bytes: u64) {
        self.extra().length = Some(bytes);
    }

    /// Whether it can be sent as it stands, without waiting for anything.
    pub(super) fn is_at_hand(&self) -> bool {
        self.body.as_bytes().is_some() && !self.status.is_informational()
    }

    /// Whether it hands the connection over to another protocol.
    pub(super) fn is_upgrade(&self) -> bool {
        let then = self.extra.as_ref().is_some_and(|extra| extra.upgrade.is_some());
        then && self.status == StatusCode::SWITCHING_PROTOCOLS
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl std::fmt::Debug for Extra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extra").field("upgrade", &self.upgrade.is_some()).finish_non_exhaustive()
    }
}

/// What a handler may return.
pub trait IntoResponse {
    /// The reply.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        Response::of(HeaderValue::from_static("application/octet-stream"), self)
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Bytes::from(self).into_response()
    }
}

/// Without a `Content-Type`: nobody has said what the bytes are.
impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::default()
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::empty(self)
    }
}

impl IntoResponse for std::convert::Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().status(self.0)
    }
}

/// A reply with fields set in place of its own; 500 when a value holds bytes that no field may hold.
impl<T: IntoResponse, const N: usize> IntoResponse for ([(HeaderName, &'static str); N], T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        for (name, value) in self.0 {
            let Ok(parsed) = HeaderValue::from_maybe_shared(Bytes::from_static(value.as_bytes())) else {
                return Problem::internal(format!("{name} cannot be {value:?}")).into_response();
            };
            response.fields_mut().set(name, parsed);
        }
        response
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        self.map_or_else(IntoResponse::into_response, IntoResponse::into_response)
    }
}

/// A value to answer as JSON: `Json(value)`.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        Response::json(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_and_bodies_with_status_and_fields_are_replies() {
        use super::super::testing::{field, read};
        const BINARY: &str = "application/octet-stream";
        let csv = || [(CONTENT_TYPE, "text/csv"), (HeaderName::from_static("x-a"), "b")];
        let bad = [(CONTENT_TYPE, "a\nb")];
        for (response, status, content_type, x, body) in [
            (vec![b'a', b'b'].into_response(), 200, BINARY, "", "ab"),
            (Bytes::from("ab").into_response(), 200, BINARY, "", "ab"),
            (Body::from("ab").into_response(), 200, "", "", "ab"),
            (Body::empty().into_response(), 200, "", "", ""),
            ((csv(), "a,b").into_response(), 200, "text/csv", "b", "a,b"),
            ((StatusCode::CREATED, (csv(), Body::from("a,b"))).into_response(), 201, "text/csv", "b", "a,b"),
            (
                (bad, "never").into_response(),
                500,
                "text/plain; charset=utf-8",
                "",
                "500 Internal Server Error: something went wrong here\n",
            ),
        ] {
            let said = (field(&response, "content-type"), field(&response, "x-a"));
            assert_eq!(said, (content_type, x));
            let types = response.fields().iter().filter(|(name, _)| *name == CONTENT_TYPE);
            assert!(types.count() <= 1);
            assert_eq!(read(response).await, (status, body.to_owned()));
        }
    }

    #[test]
    fn cookies_are_set_beside_each_other() {
        let response = Response::text("")
            .cookie(&SetCookie::new("a", "1").path("/"))
            .and_then(|response| response.cookie(&SetCookie::new("b", "2").http_only()))
            .unwrap();
        let lines: Vec<_> = response.fields().iter().skip(1).collect();
        let value = |text: &'static str| HeaderValue::from_static(text);
        let expected = [value("a=1; Path=/"), value("b=2; HttpOnly")];
        assert_eq!(lines, expected.each_ref().map(|value| (&SET_COOKIE, value)));
        assert!(Response::text("").cookie(&SetCookie::new("a", "b;c")).is_err());
    }
}
