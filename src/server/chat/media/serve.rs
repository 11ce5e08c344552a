//! `GET /media/DIGEST?e=END&s=SIGNATURE`: a file, to whoever has a link to it; with `&thumb=1` its thumbnail.
//!
//! A file never changes, so browsers keep it for a year and never ask again. Whatever it is, it cannot act: its type is what was sniffed and browsers
//! may not guess another (`nosniff`), nothing in it may load or run anything (a sandbox without rights), and other sites may not
//! embed it unless that is configured. Only what is harmless is shown in place.

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

use super::record::Record;
use super::signed::check_link;
use super::sniff::{Kind, UNKNOWN};
use super::storage::{Key, Part};
use super::upload::storage_problem;
use super::{Digest, Media, Shared, now, saved_name};
use crate::proto::http::etag::EntityTag;
use crate::proto::http::fields::Fields;
use crate::server::http::files::Representation;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

const FOR_EVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
const NO_RIGHTS: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The query of a link.
#[derive(Debug, Deserialize)]
struct Query {
    e: u64,
    s: String,
    thumb: Option<u8>,
}

impl Media {
    pub(super) async fn answer_get(self, request: Request) -> Response {
        let answer = self.0.serve(request).await.unwrap_or_else(IntoResponse::into_response);
        self.0.guard(answer)
    }
}

impl Shared {
    async fn serve(&self, request: Request) -> Result<Response, Problem> {
        let digest: Digest = request.param("digest").map_err(|_| Problem::not_found())?;
        let forbidden = |detail: String| Problem::new(StatusCode::FORBIDDEN, detail);
        let query: Query = request
            .query()
            .map_err(|_| forbidden("a file is only shown by a link with a signature".into()))?;
        let (parts, _) = request.into_parts();
        check_link(&self.keys.load(), &digest, query.e, &query.s, now())
            .map_err(|error| forbidden(format!("the link {error}")))?;
        let record = self.record(&digest).await.map_err(storage_problem)?.ok_or_else(Problem::not_found)?;
        let shown = match query.thumb {
            None | Some(0) => Shown::content(&digest, &record),
            Some(_) => Shown::thumbnail(&digest, &record).ok_or_else(Problem::not_found)?,
        };
        let key = Key { digest, part: shown.part };
        let source = self.storage.open(key, shown.length).await.map_err(storage_problem)?;
        let source = source.ok_or_else(Problem::not_found)?;
        let internal =
            |error: &dyn std::fmt::Display| Problem::internal(format!("a field of a file: {error}"));
        let etag = EntityTag::strong(shown.tag).map_err(|error| internal(&error))?;
        let mut fields = Fields::new();
        let value = |text: String| HeaderValue::try_from(text).map_err(|error| internal(&error));
        fields.append(CONTENT_TYPE, content_type(shown.kind));
        fields.append(CONTENT_DISPOSITION, value(shown.disposition)?);
        fields.append(CACHE_CONTROL, FOR_EVER);
        Representation { fields, etag, last_modified: None, length: shown.length, source }
            .answer(parts.head())
    }

    /// What each answer says, whatever it is, so that nothing in it can act.
    pub(super) fn guard(&self, answer: Response) -> Response {
        answer
            .with(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
            .with(CONTENT_SECURITY_POLICY, NO_RIGHTS)
            .with(RESOURCE_POLICY, self.options.shown_on.value())
    }
}

/// What of a file is shown, and how.
#[derive(Debug)]
struct Shown {
    part: Part,
    length: u64,
    kind: Kind,
    tag: String,
    disposition: String,
}

impl Shown {
    fn content(digest: &Digest, record: &Record) -> Self {
        let kind = record.kind();
        let how = if kind.is_shown() { "inline" } else { "attachment" };
        Self {
            part: Part::Content,
            length: record.size,
            kind,
            tag: digest.to_string(),
            disposition: format!("{how}; filename=\"{}\"", saved_name(digest, record)),
        }
    }

    fn thumbnail(digest: &Digest, record: &Record) -> Option<Self> {
        let picture = record.picture.as_ref()?;
        Some(Self {
            part: Part::Thumbnail,
            length: picture.thumbnail_size,
            kind: Kind::of(&picture.thumbnail_kind).unwrap_or(UNKNOWN),
            tag: format!("{digest}-thumb"),
            disposition: "inline".to_owned(),
        })
    }
}

fn content_type(kind: Kind) -> HeaderValue {
    // Text was found to be UTF-8 as far as it was looked at.
    HeaderValue::from_static(if kind.essence == "text/plain" {
        "text/plain; charset=utf-8"
    } else {
        kind.essence
    })
}
