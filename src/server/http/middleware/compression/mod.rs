//! Replies compressed on their way out, when the client likes that and it is worth its time.
//!
//! What is compressed: a reply with a status of 200 to 299 (but 204, 205, 206) and a media type that compresses
//! ([`is_compressible`], which leaves event streams out), [`MIN_LENGTH`] bytes or of unknown length, without a coding of
//! its own, `no-transform` or a digest of its content. Bodies made of files never are: they leave without passing
//! through this process, and have compressed siblings. Every reply that could have been compressed says
//! `Vary: Accept-Encoding` (RFC 9110 section 12.5.5), whatever became of it. HEAD gets the fields of GET.
//!
//! Each coding is a representation with a tag of its own (section 8.8.3.3): `"x"` becomes `"x-gz"`. A client sends that
//! back in its preconditions, and the handler knows only `"x"`. So a request with `"x-gz"` in `If-None-Match` or
//! `If-Match` is handed on with a line `"x"` more: the handler finds its tag, and its 304 is given the suffix back when
//! the client has named the tag with it. The tag as sent stays, for handlers that have such tags themselves.

mod encoder;
mod stream;
mod tags;

use std::sync::Arc;

use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use http::{HeaderValue, Method, StatusCode};

use self::encoder::Encoder;
pub use self::encoder::Levels;
use self::stream::Compressed;
use super::vary_by;
use crate::net::workers::{Blocking, Priority};
use crate::proto::http::fields::Fields;
use crate::proto::http::list::{FieldLines, contains_token};
use crate::proto::http::media_type::is_compressible;
use crate::proto::http::negotiate::{AcceptEncoding, Coding};
use crate::server::http::body::{Body, Kind};
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// Bytes below which a body of known length is left alone: it fits a packet anyway. nginx 20, Apache none, Caddy 512.
pub const MIN_LENGTH: u64 = 256;

/// Bytes up to which a body in memory is compressed at once, where it is: half a millisecond to a few.
pub const INLINE: usize = 256 * 1024;

/// Bytes up to which a body in memory is compressed whole, by a worker, and so the cap on compressed bytes that wait in
/// memory. Longer ones are compressed piece by piece as the client takes them.
pub const MAX_BUFFERED: usize = 8 << 20;

/// What we prefer when a client likes several codings as much: the quickest for its size first.
pub const PREFERENCE: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

/// The part that compresses.
#[derive(Clone, Debug)]
pub struct Compression {
    codings: Vec<Coding>,
    levels: Levels,
    min_length: u64,
    /// The media types that are compressed, in lower case; `None` for all that compress.
    types: Option<Arc<[String]>>,
    workers: Option<Blocking>,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            codings: PREFERENCE.to_vec(),
            levels: Levels::default(),
            min_length: MIN_LENGTH,
            types: None,
            workers: None,
        }
    }
}

/// What the request says.
#[derive(Debug)]
pub(super) struct Wish {
    coding: Coding,
    head: bool,
    /// Tags with a suffix that the client named, if any.
    tags: Option<Box<tags::Suffixed>>,
}

/// What may be done with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// It is nothing that is ever compressed.
    No,
    /// It varies by coding, but this one stays as it is.
    Plain,
    /// Compress it.
    Yes,
}

impl Compression {
    /// The same with these codings, in the order of preference.
    #[must_use]
    pub fn codings(mut self, codings: impl IntoIterator<Item = Coding>) -> Self {
        self.codings = codings.into_iter().filter(|coding| *coding != Coding::Identity).collect();
        self
    }

    /// The same with other levels.
    #[must_use]
    pub fn levels(mut self, levels: Levels) -> Self {
        self.levels = levels;
        self
    }

    /// The same with another least length.
    #[must_use]
    pub fn min_length(mut self, bytes: u64) -> Self {
        self.min_length = bytes;
        self
    }

    /// The same for these media types and no others: `text/html`, or `text/*`. Streams of events are left alone all the same.
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = String>) -> Self {
        self.types = Some(types.into_iter().map(|media| media.to_ascii_lowercase()).collect());
        self
    }

    /// Whether content of this type is compressed.
    fn takes(&self, media: &str) -> bool {
        let Some(types) = &self.types else { return is_compressible(media) };
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(kind) => media.starts_with(kind),
            None => media == *pattern,
        };
        media != "text/event-stream" && types.iter().any(fits)
    }

    /// The same with workers for bodies longer than [`INLINE`].
    #[must_use]
    pub fn workers(mut self, workers: Blocking) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Chooses the coding, and makes preconditions readable for the handler.
    pub(super) fn before(&self, request: &mut Request) -> Wish {
        let head = &request.head;
        let coding = match head.field("accept-encoding") {
            None => Coding::Identity,
            Some(_) => {
                let accept = AcceptEncoding::parse(head.lines("accept-encoding"));
                // Where even identity is refused, section 12.5.3 lets us send it all the same.
                accept.choose(&self.codings).unwrap_or(Coding::Identity)
            }
        };
        let is_head = *head.method() == Method::HEAD;
        let tags = tags::Suffixed::find(head, coding, &self.codings);
        if let Some(with_plain) = tags.as_ref().and_then(|tags| tags.added_to(head)) {
            request.head = with_plain.into();
        }
        Wish { coding, head: is_head, tags }
    }

    /// Whether the reply is to be compressed. Either way its fields say what they have to.
    pub(super) fn judge(&self, wish: &Wish, response: &mut Response) -> bool {
        if let (StatusCode::NOT_MODIFIED, Some(tags)) = (response.status, &wish.tags) {
            tags.restore(&mut response.fields);
        }
        let fit = self.fit(wish, response);
        if fit != Fit::No {
            vary_by(&mut response.fields, "accept-encoding");
        }
        fit == Fit::Yes
    }

    /// Compresses a reply that was judged fit for it.
    pub(super) async fn compress(&self, wish: Wish, mut response: Response) -> Response {
        let body = std::mem::take(&mut response.body);
        response.body = if wish.head {
            // Of unknown length, as far as this reply says.
            Body::frames(futures_util::stream::empty(), None)
        } else {
            match self.compressed(wish.coding, body).await {
                Ok(body) => body,
                Err(body) => {
                    tracing::warn!(coding = wish.coding.name(), "a reply could not be compressed");
                    response.body = body;
                    return response;
                }
            }
        };
        if let Some(extra) = &mut response.extra {
            extra.length = None;
        }
        mark(&mut response.fields, wish.coding);
        response
    }

    fn fit(&self, wish: &Wish, response: &Response) -> Fit {
        let said = response.extra.as_ref().and_then(|extra| extra.length);
        let length = said.or_else(|| response.body.len());
        let status = response.status;
        // First what most replies are: short.
        if status != StatusCode::NOT_MODIFIED && length.is_some_and(|length| length < self.min_length) {
            return Fit::No;
        }
        let fields = &response.fields;
        let media = fields.find("content-type").and_then(|value| value.to_str().ok());
        if status == StatusCode::NOT_MODIFIED {
            // A 304 says by what its 200 varies, but seldom its type.
            return if media.is_none_or(|media| self.takes(media)) { Fit::Plain } else { Fit::No };
        }
        let bare = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::PARTIAL_CONTENT];
        let fixed = fields.contains(&CONTENT_ENCODING)
            || fields.find("content-digest").is_some()
            || contains_token(FieldLines::lines(fields, "cache-control"), "no-transform");
        let files = is_of_files(&response.body)
            // What a handler of files leaves out of its reply to HEAD would be a body of files.
            || wish.head && response.body.is_empty() && fields.contains(&ACCEPT_RANGES);
        let unfit = !status.is_success() || bare.contains(&status) || fixed || files;
        match wish.coding {
            _ if unfit || !media.is_some_and(|media| self.takes(media)) => Fit::No,
            Coding::Identity => Fit::Plain,
            _ => Fit::Yes,
        }
    }

    /// The body in another coding; as it was when the encoder fails.
    async fn compressed(&self, coding: Coding, body: Body) -> Result<Body, Body> {
        let levels = self.levels;
        let piece_by_piece = |body| match Encoder::new(coding, levels) {
            Ok(encoder) => Ok(Compressed::body(body, encoder)),
            Err(_) => Err(body),
        };
        let Kind::Full(bytes) = &body.0 else {
            return piece_by_piece(body);
        };
        let bytes = bytes.clone();
        let length = bytes.len();
        let whole = move || encoder::whole(coding, levels, &bytes).ok();
        if length <= INLINE {
            return whole().map(Body::from).ok_or(body);
        }
        let workers = self.workers.as_ref().filter(|_| length <= MAX_BUFFERED);
        match workers.map(|workers| workers.submit(Priority::Normal, whole)) {
            Some(Ok(job)) => job.await.ok().flatten().map(Body::from).ok_or(body),
            // Without workers, or without room for a job, it shares this thread with others.
            Some(Err(_)) | None => piece_by_piece(body),
        }
    }
}

fn is_of_files(body: &Body) -> bool {
    match &body.0 {
        Kind::Files(_) => true,
        Kind::Limited(inner, ..) => is_of_files(inner),
        _ => false,
    }
}

/// Makes the fields say what was done to the body.
fn mark(fields: &mut Fields, coding: Coding) {
    fields.append(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    fields.remove(&CONTENT_LENGTH);
    // A range would be of the compressed bytes, which are made anew each time.
    fields.remove(&ACCEPT_RANGES);
    if let Some(tag) = fields.find("etag").cloned() {
        fields.remove(&ETAG);
        // What is no entity tag cannot be told apart by coding, and is left out.
        if let Some(tag) = tags::with_suffix(tag.as_bytes(), coding) {
            fields.append(ETAG, tag);
        }
    }
}

#[cfg(test)]
mod tests;
