//! The page at `/`: the numbers of `/stats` for people, one document with its style and its script.
//!
//! Its content security policy names the two by their hashes, so that nothing else runs there.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use ring::digest::{SHA256, digest};

use super::numbers::{Kind, ROWS};
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::http::router::Router;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The document and its policy.
static DOCUMENT: LazyLock<(Bytes, HeaderValue)> = LazyLock::new(|| {
    let document = PAGE
        .replace("/*STYLE*/", STYLE)
        .replace("/*SCRIPT*/", SCRIPT)
        .replace("<!--GAUGES-->", &rows(Kind::Gauge))
        .replace("<!--COUNTERS-->", &rows(Kind::Counter));
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

/// A place for each number of a kind, which the script fills.
fn rows(kind: Kind) -> String {
    ROWS.iter().filter(|row| row.kind == kind).fold(String::new(), |mut text, row| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  <div><dt>{}</dt><dd data-number=\"{}\">…</dd></div>", row.what, row.name);
        text
    })
}

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
    async fn the_page_stands_alone_and_has_all_numbers() {
        let response = get(&routes(Router::new()), "/").await;
        let policy = field(&response, "content-security-policy").to_owned();
        let (status, text) = read(response).await;
        assert_eq!(status, 200);
        for row in &ROWS {
            assert!(text.contains(&format!("<dt>{}</dt><dd data-number=\"{}\">", row.what, row.name)));
        }
        for outside in
            ["http://", "https://", " src=", "@import", "/*STYLE*/", "/*SCRIPT*/", "<!--", "innerHTML"]
        {
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
