//! The page of a directory, for people (HTML) and for programs (JSON), made in the blocking lane.

mod html;
mod json;
mod order;
mod read;
mod text;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method};

pub use self::read::MAX_LISTED;

use self::order::Order;
use self::read::{Listing, read};
use super::answer::{not_modified, precondition_failed};
use super::entry::{busy, problem};
use super::{Now, Shared};
use crate::net::workers::Priority;
use crate::proto::http::conditional::{self, Validators, Verdict};
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::proto::http::negotiate::choose_type;
use crate::proto::http::path::FilePath;
use crate::server::http::problem::Problem;
use crate::server::http::response::Response;

/// How a listing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Html,
    Json,
}

impl Format {
    /// What the client would rather have; a page for people when it wants neither.
    fn of(head: &Head) -> Self {
        let accept: Vec<_> = head.lines("accept").collect();
        match choose_type(accept, &["text/html", "application/json"]) {
            Some("application/json") => Self::Json,
            _ => Self::Html,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
        })
    }

    fn write(self, listing: &Listing, order: Order) -> Bytes {
        match self {
            Self::Html => html::page(listing, order).into(),
            Self::Json => json::document(listing).into(),
        }
    }
}

impl Shared {
    /// Answers with the listing of `dir`, which is at `path`.
    pub(super) async fn list(
        &self,
        head: &Head,
        path: &FilePath,
        dir: OwnedFd,
        now: Now,
    ) -> Result<Response, Problem> {
        let mut response = Response::default()
            .with(VARY, HeaderValue::from_static("Accept"))
            .with(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        match conditional::evaluate(head.method(), head, Some(&Validators::default()), now.system) {
            Verdict::Proceed => {}
            Verdict::NotModified => return Ok(not_modified(response.fields())),
            Verdict::PreconditionFailed => return Ok(precondition_failed()),
        }
        let format = Format::of(head);
        let bytes = self.listing(path, dir, Order::of(head.query()), format).await?;
        let nothing_else = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'";
        response = response
            .with(CONTENT_TYPE, format.content_type())
            .with(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
            .with(CONTENT_SECURITY_POLICY, HeaderValue::from_static(nothing_else));
        if head.method() == Method::HEAD {
            response.length_of_get(bytes.len() as u64);
        } else {
            *response.body_mut() = bytes.into();
        }
        Ok(response)
    }

    async fn listing(
        &self,
        path: &FilePath,
        dir: OwnedFd,
        order: Order,
        format: Format,
    ) -> Result<Bytes, Problem> {
        let root = Arc::clone(&self.root);
        let path = path.relative().to_vec();
        let show_hidden = self.options.show_hidden;
        let write = move || {
            let mut listing = read(&root, dir, path, show_hidden)?;
            order.sort(&mut listing.items);
            Ok(format.write(&listing, order))
        };
        let job = self.blocking.submit(Priority::Normal, write).map_err(|_| busy())?;
        job.await
            .map_err(|error| Problem::internal(format!("listing a directory: {error}")))?
            .map_err(problem)
    }
}
