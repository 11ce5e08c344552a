//! The status page: one document with its style and its script, which displays the events of `/api/events`.
//!
//! Its content security policy names the style and the script by their hashes, so that nothing else runs there, whatever the name of a backend.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY};
use ring::digest::{SHA256, digest};

use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::http::router::Router;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The document and its policy.
static DOCUMENT: LazyLock<(Bytes, HeaderValue)> = LazyLock::new(|| {
    let document = PAGE.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT);
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    (
        document.into(),
        HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
    )
});

/// Adds the page.
pub(super) fn routes(router: Router) -> Router {
    router.get("/", |_: Request| async {
        let (document, policy) = &*DOCUMENT;
        Response::html(document.clone())
            .with(CONTENT_SECURITY_POLICY, policy.clone())
            .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
            .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
            .with(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::testing::{field, get, read};

    #[tokio::test]
    async fn the_page_stands_alone() {
        let response = get(&routes(Router::new()), "/").await;
        let policy = field(&response, "content-security-policy").to_owned();
        let (status, text) = read(response).await;
        assert_eq!(status, 200);
        for part in ["<style>", "<script>"] {
            assert_eq!(text.matches(part).count(), 1, "{part}");
        }
        // The name of a vocabulary, which nobody fetches.
        let loaded = text.replace("http://www.w3.org/2000/svg", "");
        for outside in ["http://", "https://", " src=", "@import", "/*STYLE*/", "/*SCRIPT*/", "innerHTML"] {
            assert!(!loaded.contains(outside), "{outside}");
        }
        // What stands between the tags is what was hashed.
        for (tag, name) in [("style", "style-src"), ("script", "script-src")] {
            let between =
                text.split(&format!("<{tag}>")).nth(1).unwrap().split(&format!("</{tag}>")).next().unwrap();
            let hash = STANDARD.encode(digest(&SHA256, between.as_bytes()));
            assert!(policy.contains(&format!("{name} 'sha256-{hash}'")), "{tag}: {policy}");
        }
    }
}
