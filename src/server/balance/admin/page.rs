//! The status page: one document with its style and its script, which displays the events of `/api/events`.

use std::sync::LazyLock;

use crate::server::http::document::Document;
use crate::server::http::request::Request;
use crate::server::http::router::Router;

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let [page, style, script] =
        [include_str!("page/page.html"), include_str!("page/page.css"), include_str!("page/page.js")];
    Document::new(page, style, script, "img-src data:")
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
