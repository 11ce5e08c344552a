//! The two pages: the welcome page, with validators, and the form for uploads.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::future::{Ready, ready};
use std::hash::Hasher;
use std::sync::LazyLock;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, LAST_MODIFIED};
use http::{HeaderValue, StatusCode};

use super::SHOWN;
use crate::proto::http::conditional::{Validators, Verdict, evaluate};
use crate::proto::http::date;
use crate::proto::http::etag::EntityTag;
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};
use crate::server::site::page;

const INDEX: &str = include_str!("index.html");
const UPLOAD: &str = include_str!("upload.html");

/// Where in the welcome page the table of routes goes.
const ROWS: &str = "<!-- rows -->";

/// The welcome page, ready to be sent.
pub(super) struct Page {
    html: Bytes,
    validators: Validators,
    etag: HeaderValue,
    last_modified: HeaderValue,
}

impl Page {
    /// The page, last modified now: a page of another build has another tag anyway.
    pub(super) fn new() -> Self {
        let html = page(INDEX).replace(ROWS, &rows());
        let mut hasher = DefaultHasher::new();
        hasher.write(html.as_bytes());
        let tag = format!("{:016x}", hasher.finish());
        let now = SystemTime::now();
        Self {
            html: html.into(),
            etag: HeaderValue::try_from(format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("")),
            last_modified: HeaderValue::from_bytes(&date::format(now))
                .unwrap_or(HeaderValue::from_static("")),
            validators: Validators { etag: EntityTag::strong(tag).ok(), last_modified: Some(now) },
        }
    }

    fn answer(&self, request: &Request) -> Response {
        let head = request.head();
        let verdict = evaluate(head.method(), head, Some(&self.validators), SystemTime::now());
        let response = match verdict {
            Verdict::Proceed => Response::html(self.html.clone()),
            Verdict::NotModified => Response::empty(StatusCode::NOT_MODIFIED),
            Verdict::PreconditionFailed => {
                let detail = "the page is not as you expect it";
                return Problem::new(StatusCode::PRECONDITION_FAILED, detail).into_response();
            }
        };
        response
            .with(ETAG, self.etag.clone())
            .with(LAST_MODIFIED, self.last_modified.clone())
            .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
    }
}

impl Handler for Page {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        Box::pin(ready(self.answer(&request)))
    }
}

/// The table of routes. All of its text is our own, and plain.
fn rows() -> String {
    let mut rows = String::new();
    for row in SHOWN {
        let (options, path) = match row.curl.rsplit_once(' ') {
            Some((options, path)) => (format!("{options} "), path),
            None => (String::new(), row.curl),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            rows,
            "<tr><td><span class=\"method\">{}</span></td><td><code>{}</code></td><td>{}</td>\
             <td><code class=\"try\">curl {options}<span class=\"base\">http://localhost:8080</span>{path}</code></td></tr>",
            row.methods, row.path, row.what
        );
    }
    rows
}

/// The form for uploads.
pub(super) fn upload_form(_: Request) -> Ready<Response> {
    static FORM: LazyLock<Bytes> = LazyLock::new(|| page(UPLOAD).into());
    ready(Response::html(FORM.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::router;
    use super::*;
    use crate::server::http::testing::{field, get, read, request};

    #[tokio::test]
    async fn a_client_that_has_the_page_is_told_so() {
        let router = router();
        let first = get(&router, "/").await;
        let (etag, date) = (field(&first, "etag").to_owned(), field(&first, "last-modified").to_owned());
        assert!(etag.starts_with('"') && etag.len() == 18, "{etag}");
        let long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (name, value, status) in [
            ("If-None-Match", &*etag, 304),
            ("If-None-Match", &format!("\"x\", W/{etag}"), 304),
            ("If-None-Match", "*", 304),
            ("If-None-Match", "\"x\"", 200),
            ("If-Modified-Since", &*date, 304),
            ("If-Modified-Since", long_ago, 200),
            ("If-Match", &*etag, 200),
            ("If-Match", "\"x\"", 412),
            ("If-Unmodified-Since", long_ago, 412),
        ] {
            let ask = request("GET /", &[(name, value)], "");
            let response = router.handle(ask).await;
            assert_eq!(response.code(), status, "{name}: {value}");
            if status == 304 {
                assert!(response.body().is_empty());
                assert_eq!(field(&response, "etag"), etag);
                assert_eq!(field(&response, "cache-control"), "no-cache");
            }
        }
    }

    #[tokio::test]
    async fn the_tag_depends_on_the_content_alone() {
        let etags = [get(&router(), "/").await, get(&router(), "/").await];
        assert_eq!(field(&etags[0], "etag"), field(&etags[1], "etag"));
    }

    #[tokio::test]
    async fn the_pages_need_nothing_from_elsewhere() {
        for target in ["/", "/upload"] {
            let (status, html) = read(get(&router(), target).await).await;
            assert_eq!(status, 200);
            assert!(html.starts_with("<!doctype html>"));
            assert!(!html.contains("<!-- "), "every place is filled");
            for elsewhere in ["https://", "src=\"//", "url("] {
                assert!(!html.contains(elsewhere), "{elsewhere}");
            }
        }
    }
}
