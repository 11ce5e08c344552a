//! The page to try the sockets with.

use std::future::{Ready, ready};

use bytes::Bytes;

use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::site::page;

const PAGE: &str = include_str!("page.html");

/// Where in the page the path before the sockets goes.
const BASE: &str = "<!-- base -->";

/// The page, ready to be sent.
pub struct Page(Bytes);

impl Page {
    /// The page for sockets below `base`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self(page(PAGE).replace(BASE, base).into())
    }

    fn answer(&self) -> Ready<Response> {
        ready(Response::html(self.0.clone()))
    }
}

impl Handler for Page {
    fn handle(&self, _: Request) -> HandlerFuture<'_> {
        Box::pin(self.answer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::testing::{get, read};

    #[tokio::test]
    async fn the_page_knows_where_the_sockets_are_and_needs_nothing_from_elsewhere() {
        for base in ["", "/ws"] {
            let (status, html) = read(get(&Page::new(base), "/ws").await).await;
            assert_eq!(status, 200);
            assert!(html.starts_with("<!doctype html>") && !html.contains("<!-- "), "every place is filled");
            assert!(html.contains(&format!("data-base=\"{base}\"")));
            for elsewhere in ["https://", "src=\"//", "url("] {
                assert!(!html.contains(elsewhere), "{elsewhere}");
            }
        }
    }
}
