//! Which replies are compressed, and what their fields say then: RFC 9110 sections 8.4, 8.8.3.3 and 12.5.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};

use super::super::Stack;
use super::super::test_support::{field, get, request, run};
use super::encoder::tests::decoded;
use super::*;
use crate::net::workers::BlockingConfig;
use crate::proto::http::conditional::{Validators, Verdict, evaluate};
use crate::server::http::body::{BoxError, FilePart, Segment};

fn stack() -> Stack {
    with(Compression::default())
}

fn with(compression: Compression) -> Stack {
    Stack { compression: Some(compression), ..Stack::default() }
}

fn text() -> String {
    "compress me, please. ".repeat(50)
}

fn all(request: Request) -> Request {
    let method = request.method().as_str().to_owned();
    super::super::test_support::request(&method, "/", &[("Accept-Encoding", "gzip, br, zstd")])
}

async fn answer(accept: &str, response: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Response {
    let handler = move |_: Request| std::future::ready(response());
    run(stack(), handler, get("/", &[("Accept-Encoding", accept)])).await
}

fn tagged() -> Response {
    Response::text(text())
        .with(ETAG, HeaderValue::from_static("\"x\""))
        .with(ACCEPT_RANGES, HeaderValue::from_static("bytes"))
}

#[tokio::test]
async fn a_text_is_sent_in_the_coding_that_the_client_likes_best() {
    let cases = [
        ("gzip", Coding::Gzip, "\"x-gz\""),
        ("br", Coding::Brotli, "\"x-br\""),
        ("zstd", Coding::Zstd, "\"x-zst\""),
        ("gzip, br, zstd", Coding::Zstd, "\"x-zst\""),
        ("gzip;q=1.0, br;q=0.9, zstd;q=0", Coding::Gzip, "\"x-gz\""),
        ("deflate", Coding::Identity, "\"x\""),
        ("*;q=0", Coding::Identity, "\"x\""),
        ("", Coding::Identity, "\"x\""),
    ];
    for (accept, coding, tag) in cases {
        let response = answer(accept, tagged).await;
        let said = (coding != Coding::Identity).then(|| coding.name());
        assert_eq!(field(&response, "content-encoding"), said, "{accept}");
        assert_eq!(field(&response, "vary"), Some("accept-encoding"), "{accept}");
        assert_eq!(field(&response, "etag"), Some(tag));
        assert_eq!(field(&response, "accept-ranges").is_some(), said.is_none());
        let body = response.body().as_bytes().expect("a small body is compressed at once");
        assert_eq!(decoded(coding, body), text().into_bytes());
    }
}

#[tokio::test]
async fn what_is_not_worth_it_or_forbidden_stays_as_it_is() {
    let of = |name: HeaderName, value: &'static str| {
        move || Response::text(text()).with(name.clone(), HeaderValue::from_static(value))
    };
    let status = |code: u16| move || Response::text(text()).status(StatusCode::from_u16(code).unwrap());
    type Make = Box<dyn Fn() -> Response + Send + Sync>;
    let cases: [(&str, Make); 14] = [
        ("short", Box::new(|| Response::text("x".repeat(255)))),
        ("no type", Box::new(|| Response::new(text()))),
        ("image", Box::new(of(CONTENT_TYPE, "image/png"))),
        ("events", Box::new(of(CONTENT_TYPE, "text/event-stream"))),
        ("coded", Box::new(of(CONTENT_ENCODING, "gzip"))),
        ("no-transform", Box::new(of(CACHE_CONTROL, "public, No-Transform"))),
        ("digest", Box::new(of(HeaderName::from_static("content-digest"), "sha-256=:x:"))),
        ("204", Box::new(status(204))),
        ("205", Box::new(status(205))),
        ("206", Box::new(status(206))),
        ("101", Box::new(status(101))),
        ("404", Box::new(status(404))),
        ("301", Box::new(status(301))),
        ("files", Box::new(files)),
    ];
    for (name, make) in cases {
        let make = Arc::new(make);
        let plain = make();
        let response = answer("gzip, br", move || make()).await;
        assert_eq!(response.fields(), plain.fields(), "{name}");
        assert_eq!(response.body().as_bytes(), plain.body().as_bytes(), "{name}");
    }
}

fn files() -> Response {
    let mut response = Response::text("");
    let file = Arc::new(tempfile::tempfile().unwrap());
    response.body =
        Body::files(vec![Segment::File(FilePart { file, offset: 0, length: 5000, workers: None })]);
    response
}

#[tokio::test]
async fn vary_is_added_once() {
    for (before, after) in [
        ("origin", vec!["origin", "accept-encoding"]),
        ("Origin, Accept-Encoding", vec!["Origin, Accept-Encoding"]),
        ("*", vec!["*"]),
    ] {
        for accept in ["gzip", "identity"] {
            let make = move || Response::text(text()).with(VARY, HeaderValue::from_static(before));
            let response = answer(accept, make).await;
            let lines: Vec<_> = FieldLines::lines(response.fields(), "vary")
                .map(|line| std::str::from_utf8(line).unwrap())
                .collect();
            assert_eq!(lines, after, "{accept}");
        }
    }
}

#[tokio::test]
async fn head_gets_the_fields_of_get() {
    let handler = async |_: Request| tagged();
    let of_get = run(stack(), handler, all(get("/", &[]))).await;
    let of_head = run(stack(), handler, all(request("HEAD", "/", &[]))).await;
    assert_eq!(of_head.fields(), of_get.fields());
    assert_eq!(of_head.body().len(), None, "so no Content-Length");

    let left_out = async |_: Request| {
        let mut response = tagged();
        response.fields.remove(&ACCEPT_RANGES);
        response.body = Body::empty();
        response.length_of_get(1000);
        response
    };
    let of_head = run(stack(), left_out, all(request("HEAD", "/", &[]))).await;
    assert_eq!(of_head.fields(), of_get.fields());
    assert_eq!((of_head.body().len(), of_head.extra.unwrap().length), (None, None));

    let of_file = async |_: Request| {
        let mut response = tagged();
        response.body = Body::empty();
        response.length_of_get(1000);
        response
    };
    let of_head = run(stack(), of_file, all(request("HEAD", "/", &[]))).await;
    assert_eq!(of_head.fields(), tagged().fields(), "as its GET is a body of files");
}

/// Answers by the preconditions; the path is the tag.
async fn conditional(request: Request) -> Response {
    let tag = format!("\"{}\"", &request.path()[1..]);
    let value = HeaderValue::try_from(&tag).unwrap();
    let current = Validators { etag: Some(tag.parse().unwrap()), last_modified: None };
    match evaluate(request.method(), request.head(), Some(&current), SystemTime::UNIX_EPOCH) {
        Verdict::Proceed => Response::text(text()).with(ETAG, value),
        Verdict::NotModified => Response::empty(StatusCode::NOT_MODIFIED).with(ETAG, value),
        Verdict::PreconditionFailed => Response::empty(StatusCode::PRECONDITION_FAILED),
    }
}

#[tokio::test]
async fn conditional_requests_work_with_the_tag_of_a_coding() {
    // The path is the handler's own tag.
    let cases = [
        ("/x", "If-None-Match", "\"x-gz\"", 304, Some("\"x-gz\"")),
        ("/x", "If-None-Match", "\"a\", W/\"x-gz\"", 304, Some("\"x-gz\"")),
        ("/x", "If-None-Match", "\"x\"", 304, Some("\"x\"")),
        ("/x", "If-None-Match", "\"y-gz\"", 200, Some("\"x-gz\"")),
        // Another coding's tag is another representation's.
        ("/x", "If-None-Match", "\"x-br\"", 200, Some("\"x-gz\"")),
        ("/x", "If-None-Match", "*", 304, Some("\"x\"")),
        // A handler whose own tags look like that.
        ("/x-gz", "If-None-Match", "\"x-gz\"", 304, Some("\"x-gz\"")),
        ("/x", "If-Match", "\"x-gz\"", 200, Some("\"x-gz\"")),
        ("/x", "If-Match", "\"x-br\"", 200, Some("\"x-gz\"")),
        ("/x", "If-Match", "\"y-gz\"", 412, None),
    ];
    for (path, name, value, status, tag) in cases {
        let request = get(path, &[("Accept-Encoding", "gzip"), (name, value)]);
        let response = run(stack(), conditional, request).await;
        assert_eq!(response.code(), status, "{path} {name}: {value}");
        assert_eq!(field(&response, "etag"), tag, "{path} {name}: {value}");
        let varies = field(&response, "vary") == Some("accept-encoding");
        assert_eq!(varies, status != 412, "{path} {name}: {value}");
    }
    let plain = get("/x", &[("If-None-Match", "\"x-gz\"")]);
    let response = run(stack(), conditional, plain).await;
    assert_eq!(response.code(), 200, "the client wants no coding now");
    assert_eq!(field(&response, "etag"), Some("\"x\""));
}

#[tokio::test]
async fn tags_keep_their_weakness_and_what_is_no_tag_is_left_out() {
    for (before, after) in [("W/\"x\"", Some("W/\"x-gz\"")), ("\"\"", Some("\"-gz\"")), ("x", None)] {
        let make = move || Response::text(text()).with(ETAG, HeaderValue::from_static(before));
        let response = answer("gzip", make).await;
        assert_eq!(field(&response, "etag"), after);
    }
}

#[tokio::test]
async fn streams_and_long_bodies_are_compressed_too() {
    let long: Vec<u8> = text().into_bytes().repeat(2000);
    assert!(long.len() > INLINE);
    let workers = Blocking::new(BlockingConfig { threads: 1, queue: 8 });
    let no_room = Blocking::new(BlockingConfig { threads: 1, queue: 0 });
    let cases = [
        ("piece by piece", Compression::default(), false),
        ("by a worker", Compression::default().workers(workers.clone()), true),
        ("without room", Compression::default().workers(no_room), false),
    ];
    for (name, compression, buffered) in cases {
        let body = long.clone();
        let handler = move |_: Request| std::future::ready(Response::text(body.clone()));
        let request = get("/", &[("Accept-Encoding", "br")]);
        let mut response = run(with(compression), handler, request).await;
        assert_eq!(response.body().as_bytes().is_some(), buffered, "{name}");
        let wire = std::mem::take(response.body_mut()).collect(1 << 20).await.unwrap();
        assert_eq!(decoded(Coding::Brotli, &wire), long, "{name}");
    }
    assert_eq!(workers.stats().done, 1);

    let handler = async |_: Request| {
        let chunks: Vec<Result<Bytes, BoxError>> = vec![Ok(Bytes::from_static(b"tiny"))];
        Response::text(Body::stream(stream::iter(chunks)))
    };
    let mut response = run(stack(), handler, get("/", &[("Accept-Encoding", "gzip")])).await;
    assert_eq!(field(&response, "content-encoding"), Some("gzip"), "of unknown length");
    let wire = std::mem::take(response.body_mut()).collect(100).await.unwrap();
    assert_eq!(decoded(Coding::Gzip, &wire), b"tiny");
}

#[tokio::test]
async fn codings_levels_and_the_least_length_are_configurable() {
    let compression = || {
        Compression::default()
            .codings([Coding::Gzip, Coding::Identity])
            .levels(Levels { gzip: 9, brotli: 0, zstd: 1 })
            .min_length(10)
    };
    let handler = async |_: Request| Response::text("0123456789");
    let request = |accept| get("/", &[("Accept-Encoding", accept)]);
    let response = run(with(compression()), handler, request("br, gzip;q=0.1")).await;
    assert_eq!(field(&response, "content-encoding"), Some("gzip"));
    let response = run(with(compression()), handler, request("br, zstd")).await;
    assert_eq!(field(&response, "content-encoding"), None);
}
