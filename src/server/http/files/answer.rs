//! The answer to a request for a file: preconditions, then ranges, then the file (RFC 9110 sections 13.2.2, 14 and 15).

use std::iter::repeat_with;
use std::ops::Range;
use std::time::SystemTime;

use http::header::{CACHE_CONTROL, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, VARY};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::content::Content;
use crate::proto::http::conditional::{self, Validators, Verdict};
use crate::proto::http::fields::Fields;
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::proto::http::range::{self, MultipartRanges, Selection};
use crate::server::http::body::{Body, Segment};
use crate::server::http::problem::Problem;
use crate::server::http::response::{IntoResponse, Response};

/// Characters of the boundary between ranges: more than can be met by chance.
const BOUNDARY: usize = 24;

/// What a 304 repeats of a 200, `Date` apart: section 15.4.5.
const REPEATED: [HeaderName; 5] = [CACHE_CONTROL, CONTENT_LOCATION, ETAG, EXPIRES, VARY];

/// What can be sent: content, and what is known of it.
#[derive(Debug)]
pub(super) struct Sendable {
    /// Bytes.
    pub(super) length: u64,
    pub(super) validators: Validators,
    /// The fields of a 200.
    pub(super) fields: Fields,
    pub(super) content: Content,
}

/// Answers GET or HEAD with a file.
pub(super) fn answer(head: &Head, sendable: &Sendable, now: SystemTime) -> Response {
    match conditional::evaluate(head.method(), head, Some(&sendable.validators), now) {
        Verdict::Proceed => {}
        Verdict::NotModified => return not_modified(&sendable.fields),
        Verdict::PreconditionFailed => return precondition_failed(),
    }
    if head.method() == Method::HEAD {
        let mut response = with_fields(sendable, Body::empty());
        response.length_of_get(sendable.length);
        return response;
    }
    match selection(head, sendable, now) {
        Selection::Ignore => whole(sendable),
        Selection::Unsatisfiable => unsatisfiable(sendable.length),
        Selection::Single(range) => single(sendable, range),
        Selection::Multiple(ranges) if sendable.content.has_segments() => multiple(sendable, &ranges),
        // Section 14.2: a server may ignore what is asked for.
        Selection::Multiple(_) => whole(sendable),
    }
}

/// 200 with all of it, whatever was asked.
pub(super) fn whole(sendable: &Sendable) -> Response {
    with_fields(sendable, sendable.content.body(sendable.length))
}

/// 412: the state that the client names is not the current one.
pub(super) fn precondition_failed() -> Response {
    Problem::new(StatusCode::PRECONDITION_FAILED, "this is not in the state that the request names")
        .into_response()
}

/// 304: the client has what a reply with `fields` would bring.
pub(super) fn not_modified(fields: &Fields) -> Response {
    let mut response = Response::empty(StatusCode::NOT_MODIFIED);
    for (name, value) in fields.iter().filter(|(name, _)| REPEATED.contains(name)) {
        response.fields.append(name.clone(), value.clone());
    }
    response
}

/// Which ranges are to be sent: section 14.2, with step 5 of section 13.2.2.
fn selection(head: &Head, sendable: &Sendable, now: SystemTime) -> Selection {
    let mut lines = head.lines("range").peekable();
    if lines.peek().is_none() || !conditional::if_range(head, &sendable.validators, now) {
        return Selection::Ignore;
    }
    range::select(lines, sendable.length)
}

fn with_fields(sendable: &Sendable, body: Body) -> Response {
    let mut response = Response::new(body);
    response.fields = sendable.fields.clone();
    response
}

fn single(sendable: &Sendable, range: Range<u64>) -> Response {
    let position = field(range::content_range(&range, sendable.length));
    with_fields(sendable, sendable.content.part(range))
        .status(StatusCode::PARTIAL_CONTENT)
        .with(CONTENT_RANGE, position)
}

fn multiple(sendable: &Sendable, ranges: &[Range<u64>]) -> Response {
    let boundary: String = repeat_with(fastrand::alphanumeric).take(BOUNDARY).collect();
    let content_type = sendable.fields.find("content-type").and_then(|value| value.to_str().ok());
    let frame = match MultipartRanges::new(ranges, sendable.length, content_type, &boundary) {
        Ok(frame) => frame,
        Err(error) => return Problem::internal(format!("ranges of a file: {error}")).into_response(),
    };
    let mut segments = Vec::with_capacity(2 * ranges.len() + 1);
    for part in frame.parts() {
        segments.push(Segment::Bytes(part.head.clone()));
        segments.extend(sendable.content.segment(part.range.clone()));
    }
    segments.push(Segment::Bytes(frame.closing().clone()));
    with_fields(sendable, Body::files(segments))
        .status(StatusCode::PARTIAL_CONTENT)
        .with(CONTENT_TYPE, field(frame.content_type().to_owned()))
}

fn unsatisfiable(length: u64) -> Response {
    Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        format!("no byte of what was asked for is among the {length} that there are"),
    )
    .with(CONTENT_RANGE, field(range::unsatisfied_range(length)))
    .into_response()
}

/// A field of our own making, which is visible ASCII.
fn field(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
