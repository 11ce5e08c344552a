//! A page that stands alone: one document with its style and its script in it.
//!
//! Its content security policy names the two by their hashes, so that nothing else runs there, whatever the names that it shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use ring::digest::{SHA256, digest};

use super::middleware::security::NOSNIFF;
use super::response::Response;

/// A page that stands alone.
#[derive(Clone, Debug)]
pub(in crate::server) struct Document {
    text: Bytes,
    policy: HeaderValue,
}

impl Document {
    /// A page whose style and script stand where it says `/*STYLE*/` and `/*SCRIPT*/`, and which asks its own server. `more` directives of the policy let in what else it
    /// shows: pictures and films, for example.
    pub(in crate::server) fn new(page: &str, style: &str, script: &str, more: &str) -> Self {
        let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; {more}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(style),
            hash(script)
        );
        Self {
            text: page.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script).into(),
            policy: HeaderValue::try_from(policy)
                .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
        }
    }

    /// The answer to who asks for it.
    pub(in crate::server) fn response(&self) -> Response {
        Response::html(self.text.clone())
            .with(CONTENT_SECURITY_POLICY, self.policy.clone())
            .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
            .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
            .with(X_CONTENT_TYPE_OPTIONS, NOSNIFF)
    }
}

/// Asserts that a page fetches nothing from elsewhere, and that what stands between its tags is what its policy names; its text.
#[cfg(test)]
pub(in crate::server) async fn stands_alone(response: Response) -> String {
    use super::testing::{field, read};

    let policy = field(&response, "content-security-policy").to_owned();
    let (status, text) = read(response).await;
    assert_eq!(status, 200);
    // The name of a vocabulary, which nobody fetches.
    let loaded = text.replace("http://www.w3.org/2000/svg", "").replace("http:%2F%2Fwww.w3.org/2000/svg", "");
    for outside in
        ["http://", "https://", " src=", "@import", "/*STYLE*/", "/*SCRIPT*/", "innerHTML", " style="]
    {
        assert!(!loaded.contains(outside), "{outside}");
    }
    for (tag, name) in [("style", "style-src"), ("script", "script-src")] {
        let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap();
        let (between, _) = rest.split_once(&format!("</{tag}>")).unwrap();
        assert_eq!(text.matches(&format!("<{tag}>")).count(), 1, "{tag}");
        let hash = STANDARD.encode(digest(&SHA256, between.as_bytes()));
        assert!(policy.contains(&format!("{name} 'sha256-{hash}'")), "{tag}: {policy}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::testing::field;
    use super::*;

    #[tokio::test]
    async fn style_and_script_are_in_it_and_nothing_else_runs() {
        let page = "<style>/*STYLE*/</style><p>a</p><script>/*SCRIPT*/</script>";
        let document = Document::new(page, "p { color: red }", "start()", "img-src data:");
        let response = document.response();
        let policy = field(&response, "content-security-policy");
        assert!(policy.contains("; connect-src 'self'; img-src data:; base-uri 'none'"), "{policy}");
        let text = stands_alone(response).await;
        assert_eq!(text, "<style>p { color: red }</style><p>a</p><script>start()</script>");
    }
}
