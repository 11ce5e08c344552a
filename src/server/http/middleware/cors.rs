//! Which pages of other origins may use this server: the CORS protocol of the Fetch standard.
//!
//! A preflight (OPTIONS with `Origin` and `Access-Control-Request-Method`) is answered here and no handler sees it. To
//! every other reply the fields are added that let a page of an allowed origin read it. What an origin is not allowed is
//! kept from it by its visitor's browser; the server does not refuse the request itself.

use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::refusal::RefusalReason;
use super::vary_by;
use crate::proto::http::list::{FieldLines, is_token, members};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// How long a browser may remember a preflight by default. Chromium remembers 2 hours at most.
pub const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// Names of fields in one preflight that are answered at most.
pub const MAX_REQUESTED_FIELDS: usize = 64;

/// Which origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Any, without credentials.
    Any,
    /// These: `https://example.com`, with a port when it is not the scheme's own; or `null`.
    These(Vec<String>),
}

/// Which fields a page may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedFields {
    /// Any that it asks for.
    Any,
    /// These, beside the few that need no permission.
    These(Vec<HeaderName>),
}

/// What is allowed, as an operator says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsConfig {
    /// Origins.
    pub origins: Origins,
    /// Methods, beside GET, HEAD and POST, which need no permission.
    pub methods: Vec<Method>,
    /// Fields that a page may send.
    pub fields: AllowedFields,
    /// Fields of replies that a page may read, beside the few that need no permission.
    pub exposed: Vec<HeaderName>,
    /// Whether cookies and the like may come along.
    pub credentials: bool,
    /// How long a browser may remember a preflight.
    pub max_age: Duration,
}

impl Default for CorsConfig {
    /// Nobody is let in.
    fn default() -> Self {
        Self {
            origins: Origins::These(Vec::new()),
            methods: vec![
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
            ],
            fields: AllowedFields::Any,
            exposed: Vec::new(),
            credentials: false,
            max_age: MAX_AGE,
        }
    }
}

/// What is wrong with a [`CorsConfig`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// Every page on the web could act for every visitor.
    #[error("CORS: credentials cannot be allowed to any origin; name the origins")]
    AnyWithCredentials,
    /// Not an origin.
    #[error("CORS: {0:?} is not an origin such as https://example.com:8443")]
    Origin(String),
}

/// The part that speaks CORS.
#[derive(Clone, Debug)]
pub struct Cors {
    /// `None` for any.
    origins: Option<Vec<HeaderValue>>,
    methods: HeaderValue,
    /// `None` for any.
    fields: Option<HeaderValue>,
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

impl Cors {
    /// The part, by its configuration.
    ///
    /// # Errors
    /// An origin is none, or credentials would be allowed to all.
    pub fn new(config: CorsConfig) -> Result<Self, CorsError> {
        let origins = match config.origins {
            Origins::Any if config.credentials => return Err(CorsError::AnyWithCredentials),
            Origins::Any => None,
            Origins::These(origins) => Some(origins.into_iter().map(origin).collect::<Result<_, _>>()?),
        };
        let fields = match config.fields {
            AllowedFields::Any => None,
            AllowedFields::These(names) => Some(joined(names.iter().map(HeaderName::as_str))),
        };
        let exposed = joined(config.exposed.iter().map(HeaderName::as_str));
        Ok(Self {
            origins,
            methods: joined(config.methods.iter().map(Method::as_str)),
            fields,
            exposed: (!exposed.is_empty()).then_some(exposed),
            credentials: config.credentials,
            max_age: HeaderValue::from(config.max_age.as_secs()),
        })
    }

    /// What `Access-Control-Allow-Origin` says to this request. `*` is said always, so that a cache may give the reply
    /// to any page; an origin of the list only to a request from it.
    pub(super) fn origin(&self, request: &Request) -> Option<HeaderValue> {
        let Some(origins) = &self.origins else {
            return Some(HeaderValue::from_static("*"));
        };
        let mut lines = request.head.lines("origin");
        let (sent, None) = (lines.next()?, lines.next()) else {
            return None;
        };
        origins.iter().find(|origin| origin.as_bytes() == sent).cloned()
    }

    /// The answer to a preflight.
    pub(super) fn preflight(&self, request: &Request, allowed: bool) -> Option<Response> {
        let head = &request.head;
        let asks = head.field("origin").is_some() && head.field("access-control-request-method").is_some();
        if request.method() != Method::OPTIONS || !asks {
            return None;
        }
        let mut response = if allowed {
            self.permission(request)
        } else {
            let problem = Problem::new(StatusCode::FORBIDDEN, "this origin is not allowed here");
            problem.into_response().refused(RefusalReason::Cors)
        };
        for name in ["access-control-request-method", "access-control-request-headers"] {
            vary_by(response.fields_mut(), name);
        }
        Some(response)
    }

    fn permission(&self, request: &Request) -> Response {
        let mut response = Response::empty(StatusCode::NO_CONTENT)
            .with(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone())
            .with(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        // A list of what was asked for, not `*`, which with credentials would be the name of a field.
        let fields = self.fields.clone().or_else(|| requested(request));
        if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
            response.fields.set(ACCESS_CONTROL_ALLOW_HEADERS, fields);
        }
        response
    }

    /// Lets the page read the reply, unless the handler has decided that itself.
    pub(super) fn after(&self, origin: Option<HeaderValue>, response: &mut Response) {
        if self.origins.is_some() {
            // Also when there is no `Origin`: a cache must not give this reply to a page.
            vary_by(&mut response.fields, "origin");
        }
        let Some(origin) = origin else { return };
        let fields = &mut response.fields;
        if fields.contains(&ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        fields.append(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            fields.set(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(exposed) = &self.exposed
            && !fields.contains(&ACCESS_CONTROL_EXPOSE_HEADERS)
        {
            fields.append(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }
}

/// An origin as browsers write it: a scheme, a host, and a port if need be, in lower case.
fn origin(text: String) -> Result<HeaderValue, CorsError> {
    let written = text.to_ascii_lowercase();
    let host = written.split_once("://").map(|(_, host)| host).unwrap_or_default();
    let plain = !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '*', ',']);
    let value = HeaderValue::try_from(&written).ok();
    value.filter(|_| plain || written == "null").ok_or(CorsError::Origin(text))
}

/// A list of tokens, which are always good for a value.
fn joined<'a>(names: impl Iterator<Item = &'a str>) -> HeaderValue {
    let list: Vec<&str> = names.collect();
    HeaderValue::try_from(list.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// The fields that a preflight asks for, when they are names and not too many.
fn requested(request: &Request) -> Option<HeaderValue> {
    let lines = request.head.lines("access-control-request-headers");
    let names: Result<Vec<&[u8]>, _> = members(lines).take(MAX_REQUESTED_FIELDS + 1).collect();
    let names = names.ok()?;
    let sane = names.len() <= MAX_REQUESTED_FIELDS && names.iter().all(|name| is_token(name));
    sane.then(|| HeaderValue::from_bytes(&names.join(&b", "[..])).ok())?
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{field, get, request, run};
    use super::*;
    use crate::server::http::middleware::Stack;

    const PAGE: &str = "https://page.example";

    fn listed() -> CorsConfig {
        CorsConfig {
            origins: Origins::These(vec!["https://Page.example".into(), "http://localhost:3000".into()]),
            exposed: vec![HeaderName::from_static("x-total")],
            credentials: true,
            ..CorsConfig::default()
        }
    }

    fn any() -> CorsConfig {
        CorsConfig { origins: Origins::Any, ..CorsConfig::default() }
    }

    async fn answer(config: CorsConfig, request: Request) -> Response {
        let stack = Stack { cors: Some(Cors::new(config).unwrap()), ..Stack::default() };
        run(stack, async |_: Request| "from the handler", request).await
    }

    fn preflight(origin: &str, fields: &str) -> Request {
        request(
            "OPTIONS",
            "/x",
            &[
                ("Origin", origin),
                ("Access-Control-Request-Method", "PUT"),
                ("Access-Control-Request-Headers", fields),
            ],
        )
    }

    fn varies(response: &Response) -> Vec<&str> {
        let lines = FieldLines::lines(response.fields(), "vary");
        lines.map(|line| std::str::from_utf8(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_listed_origin_may_read_and_another_may_not() {
        let response = answer(listed(), get("/", &[("Origin", PAGE)])).await;
        assert_eq!(field(&response, "access-control-allow-origin"), Some(PAGE));
        assert_eq!(field(&response, "access-control-allow-credentials"), Some("true"));
        assert_eq!(field(&response, "access-control-expose-headers"), Some("x-total"));
        assert_eq!(varies(&response), ["origin"]);
        let others = ["https://page.example.evil", "http://page.example", "null", "https://page.example:444"];
        for other in others {
            let response = answer(listed(), get("/", &[("Origin", other)])).await;
            assert_eq!(response.code(), 200);
            assert_eq!(field(&response, "access-control-allow-origin"), None, "{other}");
            assert_eq!(field(&response, "access-control-allow-credentials"), None);
            assert_eq!(varies(&response), ["origin"], "a cache must know");
        }
        let twice = get("/", &[("Origin", PAGE), ("Origin", "https://evil.example")]);
        let response = answer(listed(), twice).await;
        assert_eq!(field(&response, "access-control-allow-origin"), None);
        let response = answer(listed(), get("/", &[])).await;
        assert_eq!(field(&response, "access-control-allow-origin"), None);
        assert_eq!(varies(&response), ["origin"]);
    }

    #[tokio::test]
    async fn any_origin_is_a_star_and_the_reply_varies_by_nothing() {
        let page = get("/", &[("Origin", "https://x.example")]);
        for request in [page, get("/", &[])] {
            let response = answer(any(), request).await;
            assert_eq!(field(&response, "access-control-allow-origin"), Some("*"));
            assert_eq!(field(&response, "access-control-allow-credentials"), None);
            assert!(varies(&response).is_empty());
        }
        let response = answer(any(), preflight("https://x.example", "x-a")).await;
        assert_eq!(response.code(), 204);
        assert_eq!(field(&response, "access-control-allow-origin"), Some("*"));
    }

    #[tokio::test]
    async fn a_preflight_is_answered_before_the_handler() {
        let response = answer(listed(), preflight(PAGE, "x-a,  X-B")).await;
        assert_eq!(response.code(), 204);
        assert!(response.body().is_empty());
        assert_eq!(field(&response, "access-control-allow-origin"), Some(PAGE));
        assert_eq!(
            field(&response, "access-control-allow-methods"),
            Some("GET, HEAD, POST, PUT, PATCH, DELETE")
        );
        assert_eq!(field(&response, "access-control-allow-headers"), Some("x-a, X-B"));
        assert_eq!(field(&response, "access-control-max-age"), Some("3600"));
        assert_eq!(
            varies(&response),
            ["access-control-request-method", "access-control-request-headers", "origin"]
        );
        let refused = answer(listed(), preflight("https://evil.example", "x-a")).await;
        assert_eq!(refused.code(), 403);
        assert_eq!(field(&refused, "access-control-allow-origin"), None);
        assert_eq!(field(&refused, "access-control-allow-methods"), None);
    }

    #[tokio::test]
    async fn a_list_of_fields_is_said_whatever_is_asked() {
        let config =
            CorsConfig { fields: AllowedFields::These(vec![http::header::AUTHORIZATION]), ..listed() };
        let response = answer(config, preflight(PAGE, "x-evil")).await;
        assert_eq!(field(&response, "access-control-allow-headers"), Some("authorization"));
        for wrong in ["x y", "a\"b", &"x,".repeat(200)] {
            let response = answer(listed(), preflight(PAGE, wrong)).await;
            assert_eq!(field(&response, "access-control-allow-headers"), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn plain_options_are_the_handlers() {
        let no_method = request("OPTIONS", "/", &[("Origin", PAGE)]);
        let no_origin = request("OPTIONS", "/", &[("Access-Control-Request-Method", "PUT")]);
        for request in [no_method, no_origin] {
            let response = answer(listed(), request).await;
            assert_eq!(response.body().as_bytes(), Some(&b"from the handler"[..]));
        }
    }

    #[tokio::test]
    async fn a_handler_may_decide_itself() {
        let stack = Stack { cors: Some(Cors::new(listed()).unwrap()), ..Stack::default() };
        let handler = async |_: Request| {
            Response::text("x")
                .with(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://own.example"))
        };
        let response = run(stack, handler, get("/", &[("Origin", PAGE)])).await;
        let lines = FieldLines::lines(response.fields(), "access-control-allow-origin").count();
        assert_eq!(lines, 1);
        assert_eq!(field(&response, "access-control-allow-credentials"), None);
    }

    #[test]
    fn configurations_are_checked() {
        let config = CorsConfig { credentials: true, ..any() };
        assert_eq!(Cors::new(config).unwrap_err(), CorsError::AnyWithCredentials);
        for wrong in ["example.com", "https://", "https://a/", "https://*.example.com", "*", ""] {
            let config = CorsConfig { origins: Origins::These(vec![wrong.into()]), ..CorsConfig::default() };
            assert_eq!(Cors::new(config).unwrap_err(), CorsError::Origin(wrong.into()));
        }
    }
}
