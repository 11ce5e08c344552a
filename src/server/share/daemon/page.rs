//! The page at `/`: one document with its style and its script, which asks the API.
//!
//! Its content security policy names the two by their hashes, so that nothing else runs there. Films of a torrent play in it, from [`stream`](super::stream).

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use ring::digest::{SHA256, digest};

use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::http::router::Router;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");

/// The parts of the script, in the order in which they need each other.
const SCRIPT: &str = concat!(
    include_str!("page/dom.js"),
    include_str!("page/format.js"),
    include_str!("page/api.js"),
    include_str!("page/list.js"),
    include_str!("page/actions.js"),
    include_str!("page/add.js"),
    include_str!("page/graph.js"),
    include_str!("page/detail.js"),
    include_str!("page/files.js"),
    include_str!("page/settings.js"),
    include_str!("page/page.js"),
);

/// The document and its policy.
static DOCUMENT: LazyLock<(Bytes, HeaderValue)> = LazyLock::new(|| {
    let document = PAGE.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT);
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
         img-src 'self' data:; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
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
        for outside in [" src=\"", "@import", "/*STYLE*/", "/*SCRIPT*/", "innerHTML", " style=\""] {
            assert!(!text.contains(outside), "{outside}");
        }
        // What stands between the tags is what was hashed.
        for (tag, name) in [("style", "style-src"), ("script", "script-src")] {
            let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap();
            let (between, _) = rest.split_once(&format!("</{tag}>")).unwrap();
            let hash = STANDARD.encode(digest(&SHA256, between.as_bytes()));
            assert!(policy.contains(&format!("{name} 'sha256-{hash}'")), "{tag}: {policy}");
        }
    }
}
