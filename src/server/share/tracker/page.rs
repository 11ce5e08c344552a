//! The page at `/`: the numbers of `/stats` for people, one document with its style and its script.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::numbers::{Kind, ROWS};
use crate::server::http::document::Document;
use crate::server::http::request::Request;
use crate::server::http::router::Router;

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let page = include_str!("page/page.html")
        .replace("<!--GAUGES-->", &rows(Kind::Gauge))
        .replace("<!--COUNTERS-->", &rows(Kind::Counter));
    let [style, script] = [include_str!("page/page.css"), include_str!("page/page.js")];
    Document::new(&page, style, script, "img-src data:")
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
    router.get("/", |_: Request| async { DOCUMENT.response() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::document::stands_alone;
    use crate::server::http::testing::get;

    #[tokio::test]
    async fn the_page_stands_alone_and_has_all_numbers() {
        let text = stands_alone(get(&routes(Router::new()), "/").await).await;
        for row in &ROWS {
            assert!(text.contains(&format!("<dt>{}</dt><dd data-number=\"{}\">", row.what, row.name)));
        }
        assert!(!text.contains("<!--"));
    }
}
