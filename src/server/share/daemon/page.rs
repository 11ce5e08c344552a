//! The page at `/`: one document with its style and its script, which asks the API. Films of a torrent play in it, from [`stream`](super::stream).

use std::sync::LazyLock;

use crate::server::http::document::Document;
use crate::server::http::request::Request;
use crate::server::http::router::Router;

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

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let [page, style] = [include_str!("page/page.html"), include_str!("page/page.css")];
    Document::new(page, style, SCRIPT, "img-src 'self' data:; media-src 'self'")
});

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
    async fn the_page_stands_alone() {
        stands_alone(get(&routes(Router::new()), "/").await).await;
    }
}
