//! Fields that restrict what a browser does with a reply. A handler that sets one of them itself is right.

use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue};

use crate::server::http::response::Response;

/// The content type is what it says.
pub const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// Only pages of the same origin may put the reply into a frame; for browsers that know no `frame-ancestors`.
pub const FRAME_OPTIONS: HeaderValue = HeaderValue::from_static("SAMEORIGIN");
/// The same, for the browsers of today.
pub const FRAME_ANCESTORS: HeaderValue = HeaderValue::from_static("frame-ancestors 'self'");
/// Other origins learn the origin a visitor comes from, not the page. What browsers do by default.
pub const REFERRER: HeaderValue = HeaderValue::from_static("strict-origin-when-cross-origin");
/// A year of TLS only, this host alone (RFC 6797); subdomains are for the operator to decide.
pub const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The part that sets security fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityHeaders {
    always: Vec<(HeaderName, HeaderValue)>,
    /// Over TLS only: section 7.2 of RFC 6797 forbids it in the clear.
    hsts: Option<HeaderValue>,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self {
            always: vec![
                (X_CONTENT_TYPE_OPTIONS, NOSNIFF),
                (X_FRAME_OPTIONS, FRAME_OPTIONS),
                (CONTENT_SECURITY_POLICY, FRAME_ANCESTORS),
                (REFERRER_POLICY, REFERRER),
            ],
            hsts: Some(HSTS),
        }
    }
}

impl SecurityHeaders {
    /// No fields, to add some to.
    #[must_use]
    pub const fn none() -> Self {
        Self { always: Vec::new(), hsts: None }
    }

    /// The same with a field set, in place of its default. `Strict-Transport-Security` still goes over TLS only.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if name == STRICT_TRANSPORT_SECURITY {
            self.hsts = Some(value);
            return self;
        }
        self = self.without(&name);
        self.always.push((name, value));
        self
    }

    /// The same without a field.
    #[must_use]
    pub fn without(mut self, name: &HeaderName) -> Self {
        if *name == STRICT_TRANSPORT_SECURITY {
            self.hsts = None;
        }
        self.always.retain(|(field, _)| field != name);
        self
    }

    /// Sets what the reply does not have.
    pub(super) fn after(&self, tls: bool, response: &mut Response) {
        let hsts = self.hsts.as_ref().filter(|_| tls);
        let hsts = hsts.map(|value| (&STRICT_TRANSPORT_SECURITY, value));
        // Browsers that see `frame-ancestors` ignore `X-Frame-Options`: ours must not weaken what the handler said.
        let framed = response.fields.contains(&X_FRAME_OPTIONS);
        for (name, value) in self.always.iter().map(|(name, value)| (name, value)).chain(hsts) {
            let weakens = framed && *name == CONTENT_SECURITY_POLICY && *value == FRAME_ANCESTORS;
            if !weakens && !response.fields.contains(name) {
                response.fields.append(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{field, get, peer, run};
    use super::*;
    use crate::server::http::middleware::Stack;

    async fn reply(headers: SecurityHeaders, tls: bool, own: Option<(HeaderName, &'static str)>) -> Response {
        let stack = Stack { security_headers: Some(headers), ..Stack::default() };
        let mut request = get("/", &[]);
        request.peer = peer("192.0.2.1:1", tls);
        let handler = move |_| {
            let mut response = Response::text("x");
            if let Some((name, value)) = own.clone() {
                response.fields.set(name, HeaderValue::from_static(value));
            }
            std::future::ready(response)
        };
        run(stack, handler, request).await
    }

    #[tokio::test]
    async fn the_defaults_are_set_and_hsts_over_tls_only() {
        for tls in [false, true] {
            let response = reply(SecurityHeaders::default(), tls, None).await;
            assert_eq!(field(&response, "x-content-type-options"), Some("nosniff"));
            assert_eq!(field(&response, "x-frame-options"), Some("SAMEORIGIN"));
            assert_eq!(field(&response, "content-security-policy"), Some("frame-ancestors 'self'"));
            assert_eq!(field(&response, "referrer-policy"), Some("strict-origin-when-cross-origin"));
            let hsts = field(&response, "strict-transport-security");
            assert_eq!(hsts, tls.then_some("max-age=31536000"));
        }
    }

    #[tokio::test]
    async fn what_the_handler_set_stays() {
        let own = Some((REFERRER_POLICY, "no-referrer"));
        let response = reply(SecurityHeaders::default(), false, own).await;
        assert_eq!(field(&response, "referrer-policy"), Some("no-referrer"));
        assert_eq!(response.fields().len(), 5, "once each, and the content type");

        let response = reply(SecurityHeaders::default(), false, Some((X_FRAME_OPTIONS, "DENY"))).await;
        assert_eq!(field(&response, "x-frame-options"), Some("DENY"));
        assert_eq!(field(&response, "content-security-policy"), None, "it would override DENY");
    }

    #[tokio::test]
    async fn fields_are_replaced_and_switched_off() {
        let headers = SecurityHeaders::default()
            .with(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=1"))
            .with(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))
            .without(&CONTENT_SECURITY_POLICY);
        let response = reply(headers.clone(), true, None).await;
        assert_eq!(field(&response, "strict-transport-security"), Some("max-age=1"));
        assert_eq!(field(&response, "x-frame-options"), Some("DENY"));
        assert_eq!(field(&response, "content-security-policy"), None);
        let response = reply(headers.without(&STRICT_TRANSPORT_SECURITY), true, None).await;
        assert_eq!(field(&response, "strict-transport-security"), None);
        let response = reply(SecurityHeaders::none(), true, None).await;
        assert_eq!(response.fields().len(), 1);
    }
}
