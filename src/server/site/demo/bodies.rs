//! Replies that differ in their bodies: in memory, streamed, of known and unknown length, soon and late.

use std::fmt::Write;
use std::future::{Ready, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use serde::Serialize;

use crate::server::http::body::{Body, BoxError, Frame};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// Bytes that `/bytes` gives at most: 1 GiB, enough to measure with.
const MAX_BYTES: u64 = 1 << 30;
/// Lines that `/stream` gives at most; httpbin gives 100.
const MAX_LINES: u64 = 100_000;
/// Milliseconds that `/delay` waits at most: well below the time that a handler has by default. httpbin waits 10 seconds.
const MAX_DELAY: u64 = 30_000;

const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");
pub(super) const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// The body comes back as it is, at the pace at which the client takes it.
pub(super) fn echo(mut request: Request) -> Ready<Response> {
    let content_type =
        request.head().field("content-type").and_then(|value| HeaderValue::from_bytes(value).ok());
    let body = std::mem::take(request.body_mut());
    ready(Response::of(content_type.unwrap_or(BINARY), body).with(X_CONTENT_TYPE_OPTIONS, NO_SNIFF))
}

/// What benchmarks ask for. It allocates for the list of fields, and the router for the future.
pub(super) fn plaintext(_: Request) -> Ready<Response> {
    ready(Response::text("Hello, World!"))
}

#[derive(Serialize)]
struct Message {
    message: &'static str,
}

/// Written anew for each request, as the rules of the benchmarks want it.
pub(super) fn json(_: Request) -> Ready<Response> {
    ready(Response::json(&Message { message: "Hello, World!" }))
}

/// The byte at any place is known: 63 characters and a line feed, again and again.
const LINE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-\n";
const BLOCK_SIZE: usize = 64 * 1024;
static BLOCK: [u8; BLOCK_SIZE] = block();

const fn block() -> [u8; BLOCK_SIZE] {
    let mut block = [0; BLOCK_SIZE];
    let mut at = 0;
    while at < BLOCK_SIZE {
        block[at] = LINE[at % LINE.len()];
        at += 1;
    }
    block
}

/// So many bytes, all of them the same block in memory.
pub(super) fn bytes(request: Request) -> Ready<Result<Response, Problem>> {
    let count = number(&request, "n", MAX_BYTES);
    ready(count.map(|count| Response::of(BINARY, blocks(count))))
}

fn blocks(count: u64) -> Body {
    let first = |left: u64| {
        let size = usize::try_from(left).unwrap_or(BLOCK_SIZE).min(BLOCK_SIZE);
        Bytes::from_static(&BLOCK[..size])
    };
    if count <= BLOCK_SIZE as u64 {
        return first(count).into();
    }
    let frames = stream::unfold(count, move |left| async move {
        let block = first(left);
        let rest = left - block.len() as u64;
        (left > 0).then_some((Ok::<_, BoxError>(Frame::Data(block)), rest))
    });
    Body::frames(frames, Some(count))
}

/// So many lines of JSON, a chunk for each.
pub(super) fn lines(request: Request) -> Ready<Result<Response, Problem>> {
    let count = number(&request, "n", MAX_LINES);
    ready(count.map(|count| {
        let lines = stream::iter((0..count).map(|line| {
            let mut text = BytesMut::with_capacity(24);
            // Writing to a buffer that grows cannot fail.
            let _ = writeln!(text, "{{\"line\":{line}}}");
            Ok::<_, BoxError>(text.freeze())
        }));
        Response::new(Body::stream(lines))
            .with(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))
    }))
}

/// An answer that takes its time.
pub(super) async fn delay(request: Request) -> Result<Response, Problem> {
    let wait = number(&request, "ms", MAX_DELAY)?;
    tokio::time::sleep(Duration::from_millis(wait)).await;
    Ok(Response::text(format!("waited {wait} ms\n")))
}

/// A number in the path, up to a limit.
fn number(request: &Request, name: &str, max: u64) -> Result<u64, Problem> {
    let text: String = request.param(name)?;
    let number = text.parse().ok().filter(|number| *number <= max);
    number.ok_or_else(|| {
        Problem::bad_request(format!("path parameter {name}: {text:?} is no number from 0 to {max}"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::router;
    use super::*;
    use crate::server::http::handler::Handler;
    use crate::server::http::settings::Settings;
    use crate::server::http::testing::{field, get, read, request};

    #[tokio::test]
    async fn plaintext_and_json_are_in_memory() {
        for (target, content_type, body) in [
            ("/plaintext", "text/plain; charset=utf-8", "Hello, World!"),
            ("/json", "application/json", "{\"message\":\"Hello, World!\"}"),
        ] {
            let response = get(&router(), target).await;
            assert_eq!(field(&response, "content-type"), content_type);
            assert_eq!(response.body().as_bytes(), Some(body.as_bytes()));
            assert_eq!(response.fields().len(), 1, "no field that is not needed");
        }
    }

    #[tokio::test]
    async fn an_echo_keeps_type_and_length() {
        for (content_type, length) in [("text/x-y", Some(3)), ("application/octet-stream", None)] {
            let body = match length {
                Some(_) => Body::from("abc"),
                None => Body::stream(stream::iter(["a", "bc"].map(|text| Ok::<_, BoxError>(text.into())))),
            };
            let fields = [("Content-Type", content_type)];
            let fields = if length.is_some() { &fields[..] } else { &[] };
            let response = router().handle(request("POST /", fields, body)).await;
            assert_eq!(field(&response, "content-type"), content_type);
            assert_eq!(response.body().len(), length);
            assert_eq!(read(response).await, (200, "abc".to_owned()));
        }
    }

    #[tokio::test]
    async fn bytes_are_known_at_every_place() {
        let block = BLOCK_SIZE as u64;
        for count in [0, 1, 63, 64, 65, block - 1, block, block + 1, 3 * block, 3 * block + 7] {
            let response = get(&router(), &format!("/bytes/{count}")).await;
            assert_eq!(response.body().len(), Some(count));
            let (_, text) = read(response).await;
            assert_eq!(text.len() as u64, count);
            let wrong = text.bytes().enumerate().find(|(at, byte)| *byte != LINE[at % 64]);
            assert_eq!(wrong, None);
        }
        let most = get(&router(), "/bytes/1073741824").await;
        assert_eq!(most.body().len(), Some(MAX_BYTES));
    }

    #[tokio::test]
    async fn lines_come_one_by_one() {
        let mut response = get(&router(), "/stream/2").await;
        assert_eq!(response.body().len(), None);
        assert_eq!(field(&response, "content-type"), "application/x-ndjson");
        for line in ["{\"line\":0}\n", "{\"line\":1}\n"] {
            assert_eq!(response.body_mut().data().await.unwrap().unwrap(), line);
        }
        assert!(response.body_mut().data().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_lasts() {
        let start = tokio::time::Instant::now();
        let answer = read(get(&router(), "/delay/30000").await).await;
        assert_eq!(answer, (200, "waited 30000 ms\n".to_owned()));
        assert_eq!(start.elapsed(), Duration::from_secs(30));
        assert!(start.elapsed() < Settings::default().handler_timeout, "it is answered");
    }

    #[tokio::test]
    async fn numbers_have_limits() {
        for target in [
            "/bytes/1073741825",
            "/bytes/-1",
            "/bytes/x",
            "/bytes/99999999999999999999",
            "/stream/100001",
            "/delay/30001",
        ] {
            let (status, text) = read(get(&router(), target).await).await;
            assert_eq!(status, 400, "{target}");
            let (_, wrong) = target.rsplit_once('/').unwrap();
            assert!(text.contains(&format!("{wrong:?} is no number from 0 to ")), "{text}");
        }
    }
}
