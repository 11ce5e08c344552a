//! A request, as a handler sees it.

use std::sync::Arc;

use http::{Extensions, Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::body::Body;
use super::multipart::{FormLimits, Multipart};
use super::problem::Problem;
use super::router::RoutePattern;
use crate::proto::http::cookie;
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::server::peer::Peer;

/// Bytes of a body that [`Request::bytes`], [`json`](Request::json) and [`form`](Request::form) gather at most, unless
/// [`Request::gather_limit`] says otherwise: 2 MiB, as axum has it.
pub const GATHER_LIMIT: u64 = 2 << 20;

/// A request: its head, its body, and what the way to the handler has learned.
#[derive(Debug)]
pub struct Request {
    pub(super) head: Box<Head>,
    pub(super) body: Body,
    pub(super) peer: Arc<Peer>,
    pub(super) params: Params,
    pub(super) extensions: Extensions,
    pub(super) gather_limit: u64,
    pub(super) route: Option<RoutePattern>,
}

/// A request without its body: what several tasks, or several attempts, can look at.
#[derive(Debug)]
pub struct Parts {
    pub(super) head: Box<Head>,
    pub(super) peer: Arc<Peer>,
    pub(super) extensions: Extensions,
}

impl Parts {
    /// The head as it arrived.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Who sent it.
    #[must_use]
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// A request with the same head, from the same sender, with another body.
    #[must_use]
    pub fn to_request(&self, body: Body) -> Request {
        let mut request = Request::new(self.head.clone(), body, Arc::clone(&self.peer));
        request.extensions = self.extensions.clone();
        request
    }

    /// What the way to the handler has left.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

impl Request {
    /// A request from its parts. Servers make them; tests may.
    #[must_use]
    pub fn new(head: impl Into<Box<Head>>, body: Body, peer: Arc<Peer>) -> Self {
        Self {
            head: head.into(),
            body,
            peer,
            params: Params::default(),
            extensions: Extensions::new(),
            gather_limit: GATHER_LIMIT,
            route: None,
        }
    }

    /// Asks the router to note the pattern of the route on `note`.
    pub fn note_route(&mut self, note: RoutePattern) {
        self.route = Some(note);
    }

    /// The head as it arrived.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Puts another head in place of the one that arrived, for handlers further in. Behind a router its path has to be the same: parameters are
    /// places in it.
    pub fn replace_head(&mut self, head: impl Into<Box<Head>>) {
        self.head = head.into();
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// The path, percent-encoded as it was sent.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.path()
    }

    /// The first line of a field, when it is text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field_str(name)
    }

    /// Who sent it.
    #[must_use]
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// What middleware left for the handler.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// What middleware leaves for the handler.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Sets how many bytes of body the gathering methods take.
    pub fn gather_limit(&mut self, bytes: u64) {
        self.gather_limit = bytes;
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The request without its body, and the body.
    #[must_use]
    pub fn into_parts(self) -> (Parts, Body) {
        let Self { head, body, peer, extensions, .. } = self;
        (Parts { head, peer, extensions }, body)
    }

    /// The body alone.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The path parameter `name`, percent-decoded and parsed.
    ///
    /// # Errors
    /// 400 when it does not decode or parse; 500 when the route has no such parameter.
    pub fn param<T: std::str::FromStr>(&self, name: &str) -> Result<T, Problem> {
        let raw = self
            .raw_param(name)
            .ok_or_else(|| Problem::internal(format!("the route has no parameter {name}")))?;
        let decoded = percent_decode_str(raw)
            .decode_utf8()
            .map_err(|_| Problem::bad_request(format!("path parameter {name}: not UTF-8")))?;
        decoded.parse().map_err(|_| {
            Problem::bad_request(format!("path parameter {name}: {decoded:?} is not of its kind"))
        })
    }

    /// The path parameter `name`, as it was sent.
    #[must_use]
    pub fn raw_param(&self, name: &str) -> Option<&str> {
        self.params.find(name).and_then(|(start, end)| self.head.path().get(start..end))
    }

    /// The query, parsed as `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// 400 with what is wrong.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_urlencoded::from_str(self.head.query().unwrap_or_default())
            .map_err(|error| Problem::bad_request(format!("query: {error}")))
    }

    /// The whole body in memory, up to the gather limit.
    ///
    /// # Errors
    /// 413 over the limit, 400 or 408 when it does not arrive.
    pub async fn bytes(&mut self) -> Result<bytes::Bytes, Problem> {
        Ok(std::mem::take(&mut self.body).collect(self.gather_limit).await?)
    }

    /// The body, as JSON.
    ///
    /// # Errors
    /// 415 when `Content-Type` is not JSON, 400 when the body is not, and as for [`bytes`](Self::bytes).
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        self.require_media_type(
            |media| media == "application/json" || media.ends_with("+json"),
            "application/json",
        )?;
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| Problem::bad_request(format!("JSON: {error}")))
    }

    /// The body, as `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// As for [`json`](Self::json).
    pub async fn form<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let form = "application/x-www-form-urlencoded";
        self.require_media_type(|media| media == form, form)?;
        let bytes = self.bytes().await?;
        serde_urlencoded::from_bytes(&bytes).map_err(|error| Problem::bad_request(format!("form: {error}")))
    }

    /// The body as `multipart/form-data`, to be read part after part.
    ///
    /// # Errors
    /// 415 when `Content-Type` is another, 400 when it has no boundary, 413 when the body is announced to be too long.
    pub fn multipart(&mut self, limits: FormLimits) -> Result<Multipart, Problem> {
        let body = std::mem::take(&mut self.body);
        Multipart::new(self.head.field("content-type"), body, limits)
    }

    /// Name and value of each cookie, in order. What is no cookie or no UTF-8 is passed over; see
    /// [`cookies`](cookie::cookies).
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = std::str::from_utf8;
        self.head
            .lines("cookie")
            .flat_map(cookie::cookies)
            .filter_map(move |(name, value)| text(name).ok().zip(text(value).ok()))
    }

    /// The first cookie of that name, which is case-sensitive.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn require_media_type(&self, accept: impl Fn(&str) -> bool, name: &str) -> Result<(), Problem> {
        let media = self.field("content-type").and_then(|value| value.split(';').next()).unwrap_or_default();
        if accept(&media.trim().to_ascii_lowercase()) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the body must be {name}")))
    }
}

/// The path parameters of a route: names of the route, places in the path.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    pub(super) names: Option<Arc<[Box<str>]>>,
    pub(super) places: Vec<(usize, usize)>,
}

impl Params {
    fn find(&self, name: &str) -> Option<(usize, usize)> {
        let at = self.names.as_ref()?.iter().position(|known| &**known == name)?;
        self.places.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::request;

    #[test]
    fn cookies_of_all_lines_in_order() {
        let fields = [("Cookie", "a=1; b=\"two\"; nonsense; \u{e9}=\u{e9}"), ("cookie", "a=3")];
        let request = request("GET /", &fields, "");
        let cookies: Vec<_> = request.cookies().collect();
        assert_eq!(cookies, [("a", "1"), ("b", "two"), ("\u{e9}", "\u{e9}"), ("a", "3")]);
        assert_eq!(request.cookie("a"), Some("1"));
        assert_eq!(request.cookie("A"), None);
    }
}
