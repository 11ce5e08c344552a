//! A name for each request, which its reply and the logs carry: `X-Request-Id`.
//!
//! A name that a proxy in front has given is kept, so that one name follows a request through all servers; it is
//! client's text, so only a short one of visible ASCII is believed.

use http::{HeaderName, HeaderValue};

use crate::proto::http::head::Head;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// The field.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes of a name from outside at most. A UUID has 36, a W3C trace id with its parent 55.
pub const MAX_LEN: usize = 64;

/// The part that names requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestIds;

/// The name of a request, in its extensions: visible ASCII, at most [`MAX_LEN`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The name of a request with this head: what the client sent, if it is sane, or else a new one.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        Self::sent(head).unwrap_or_else(Self::random)
    }

    /// The name that the client sent, if it is sane.
    fn sent(head: &Head) -> Option<Self> {
        let name = head.field(X_REQUEST_ID.as_str())?;
        let sane = (1..=MAX_LEN).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
        sane.then(|| HeaderValue::from_bytes(name).ok().map(Self))?
    }

    /// 128 random bits in hexadecimal. Unique enough, and no secret.
    fn random() -> Self {
        let name = HeaderValue::try_from(format!("{:032x}", fastrand::u128(..)));
        Self(name.unwrap_or(HeaderValue::from_static("0")))
    }

    /// Sets the field of the reply.
    pub(super) fn after(self, response: &mut Response) {
        response.fields_mut().set(X_REQUEST_ID, self.0);
    }
}

impl RequestIds {
    /// Names the request.
    pub(super) fn before(self, request: &mut Request) -> RequestId {
        let id = RequestId::of(&request.head);
        request.extensions.insert(id.clone());
        id
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{field, get, run};
    use super::*;
    use crate::server::http::middleware::Stack;

    async fn echo(request: Request) -> String {
        request.extensions().get::<RequestId>().unwrap().as_str().to_owned()
    }

    fn stack() -> Stack {
        Stack { request_id: Some(RequestIds), ..Stack::default() }
    }

    #[tokio::test]
    async fn a_sane_name_is_kept_and_any_other_replaced() {
        let longest = "x".repeat(MAX_LEN);
        let too_long = "x".repeat(MAX_LEN + 1);
        let cases = [
            ("abc-1", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("a b", false),
            ("caf\u{e9}", false),
            ("", false),
        ];
        for (sent, kept) in cases {
            let response = run(stack(), echo, get("/", &[("X-Request-Id", sent)])).await;
            let name = field(&response, "x-request-id").unwrap().to_owned();
            assert_eq!(response.body().as_bytes().unwrap(), name.as_bytes());
            assert_eq!(name == sent, kept, "{sent}");
            assert!(kept || name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }

    #[tokio::test]
    async fn made_names_differ() {
        let one = run(stack(), echo, get("/", &[])).await;
        let other = run(stack(), echo, get("/", &[])).await;
        assert_ne!(field(&one, "x-request-id"), field(&other, "x-request-id"));
    }
}
