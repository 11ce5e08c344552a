//! The response to a request from a stored one: conditional and range requests are answered here (RFC 9111 section 4.3.2, RFC 9110
//! sections 13.2.2, 14 and 15).

use std::iter::repeat_with;
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, EXPIRES, VARY,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::object::{Content, Meta, Stored, of_pieces};
use crate::proto::http::cache::status::CacheStatus;
use crate::proto::http::conditional::{self, Validators, Verdict};
use crate::proto::http::fields::Fields;
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::proto::http::range::{self, MultipartRanges, Selection};
use crate::server::http::body::Body;
use crate::server::http::problem::Problem;
use crate::server::http::response::{IntoResponse, Response};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The fields of a 200 that a 304 repeats: RFC 9110 section 15.4.5.
const REPEATED: [HeaderName; 6] = [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, VARY];

/// The length of the boundary between ranges: too long to occur by chance.
const BOUNDARY: usize = 24;

/// The response to GET or HEAD.
pub(super) fn answer(client: &Head, stored: &Stored, now: SystemTime, status: CacheStatus) -> Response {
    let Stored { meta, content } = stored;
    let reply = preconditioned(client, meta.status, &meta.fields, &meta.validators, now)
        .unwrap_or_else(|| whole_or_part(client, meta, content, now));
    let is_hit = matches!(status, CacheStatus::Hit { .. });
    with_age(noted(reply, status), meta, now, is_hit)
}

/// The same response, with `Cache-Status`.
pub(super) fn noted(mut reply: Response, status: CacheStatus) -> Response {
    // Numbers and words of our own are visible ASCII.
    if let Ok(value) = HeaderValue::try_from(status.to_string()) {
        reply.fields_mut().append(CACHE_STATUS, value);
    }
    reply
}

/// The same response, with `Age`. A response that a backend has given for this very request within this second has it only when it `is_hit` (RFC 9111
/// section 5.1: the field means that the response was not made for this request).
pub(super) fn with_age(mut reply: Response, meta: &Meta, now: SystemTime, is_hit: bool) -> Response {
    let age = meta.freshness.age(now).as_secs();
    if is_hit || age > 0 {
        reply.fields_mut().append(AGE, HeaderValue::from(age));
    }
    reply
}

/// 304 or 412, if the client's conditions require it. They apply only where the plain response is a 2xx (RFC 9110 section 13.2.1).
pub(super) fn preconditioned(
    client: &Head,
    status: StatusCode,
    fields: &Fields,
    validators: &Validators,
    now: SystemTime,
) -> Option<Response> {
    if !status.is_success() {
        return None;
    }
    match conditional::evaluate(client.method(), client, Some(validators), now) {
        Verdict::Proceed => None,
        Verdict::NotModified => Some(not_modified(fields)),
        Verdict::PreconditionFailed => {
            let detail = "this is not in the state that the request names";
            Some(Problem::new(StatusCode::PRECONDITION_FAILED, detail).into_response())
        }
    }
}

fn not_modified(fields: &Fields) -> Response {
    let mut response = Response::empty(StatusCode::NOT_MODIFIED);
    for (name, value) in fields.iter().filter(|(name, _)| REPEATED.contains(name)) {
        response.fields_mut().append(name.clone(), value.clone());
    }
    response
}

fn whole_or_part(client: &Head, meta: &Meta, content: &Content, now: SystemTime) -> Response {
    if client.method() == Method::HEAD {
        let mut response = with_fields(meta, Body::empty());
        response.length_of_get(content.len());
        return response;
    }
    match selection(client, meta, content, now) {
        Selection::Ignore => with_fields(meta, content.body()),
        Selection::Unsatisfiable => unsatisfiable(content.len()),
        Selection::Single(range) => single(meta, content, range),
        Selection::Multiple(ranges) => multiple(meta, content, &ranges),
    }
}

/// The requested ranges of a 200: RFC 9110 section 14.2.
fn selection(client: &Head, meta: &Meta, content: &Content, now: SystemTime) -> Selection {
    let mut lines = client.lines("range").peekable();
    let asked = lines.peek().is_some() && meta.status == StatusCode::OK;
    if !asked || !conditional::if_range(client, &meta.validators, now) {
        return Selection::Ignore;
    }
    range::select(lines, content.len())
}

fn with_fields(meta: &Meta, body: Body) -> Response {
    let mut response = Response::new(body).status(meta.status);
    *response.fields_mut() = meta.fields.clone();
    response
}

fn single(meta: &Meta, content: &Content, range: Range<u64>) -> Response {
    let position = field(range::content_range(&range, content.len()));
    let length = range.end - range.start;
    with_fields(meta, of_pieces(content.range(range), length))
        .status(StatusCode::PARTIAL_CONTENT)
        .with(CONTENT_RANGE, position)
}

fn multiple(meta: &Meta, content: &Content, ranges: &[Range<u64>]) -> Response {
    let boundary: String = repeat_with(fastrand::alphanumeric).take(BOUNDARY).collect();
    let content_type = meta.fields.find("content-type").and_then(|value| value.to_str().ok());
    let frame = match MultipartRanges::new(ranges, content.len(), content_type, &boundary) {
        Ok(frame) => frame,
        Err(error) => {
            return Problem::internal(format!("ranges of a stored response: {error}")).into_response();
        }
    };
    let mut pieces: Vec<Bytes> = Vec::new();
    for part in frame.parts() {
        pieces.push(part.head.clone());
        pieces.extend(content.range(part.range.clone()));
    }
    pieces.push(frame.closing().clone());
    with_fields(meta, of_pieces(pieces, frame.content_length()))
        .status(StatusCode::PARTIAL_CONTENT)
        .with(CONTENT_TYPE, field(frame.content_type().to_owned()))
}

fn unsatisfiable(length: u64) -> Response {
    let detail = format!("no byte of what was asked for is among the {length} that there are");
    Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail)
        .with(CONTENT_RANGE, field(range::unsatisfied_range(length)))
        .into_response()
}

/// A field value of the balancer's own, in visible ASCII.
fn field(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
