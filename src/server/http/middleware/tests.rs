//! The stack as a whole: its order.

use std::sync::Mutex;
use std::time::Duration;

use super::compression::Compression;
use super::cors::{CorsConfig, Origins};
use super::rate_limit::RateKey;
use super::test_support::{field, get, request, run};
use super::*;
use crate::net::bucket::Rate;

/// Every part that needs no file.
fn full() -> Stack {
    let cors =
        CorsConfig { origins: Origins::These(vec!["https://page.example".into()]), ..CorsConfig::default() };
    Stack {
        request_id: Some(RequestIds),
        access_log: None,
        metrics: Some(HttpMetrics::new()),
        catch_panics: true,
        security_headers: Some(SecurityHeaders::default()),
        cors: Some(Cors::new(cors).unwrap()),
        auth: Some(Auth::new("r").token("t", "t")),
        rate_limit: Some(RateLimit::new(Rate::new(1.0, 3).unwrap(), RateKey::Peer, 10)),
        concurrency: Some(Concurrency::new(10, 0)),
        timeout: Some(Timeout::new(Duration::from_secs(5))),
        body_limit: Some(BodyLimit::new(10)),
        compression: Some(Compression::default()),
    }
}

const GOOD: (&str, &str) = ("Authorization", "Bearer t");
const PAGE: (&str, &str) = ("Origin", "https://page.example");

async fn handler(request: Request) -> String {
    assert_ne!(request.path(), "/panic");
    if request.path() == "/slow" {
        std::future::pending::<()>().await;
    }
    "x".repeat(1000)
}

#[test]
fn an_empty_stack_is_the_handler_itself() {
    let inner: SharedHandler = Arc::new(handler);
    let same = Stack::default().around(Arc::clone(&inner));
    assert!(Arc::ptr_eq(&inner, &same));
    assert!(!Arc::ptr_eq(&inner, &full().around(Arc::clone(&inner))));
}

#[tokio::test]
async fn a_reply_comes_through_all_parts() {
    let fields = [GOOD, PAGE, ("Accept-Encoding", "gzip"), ("X-Request-Id", "id")];
    let response = run(full(), handler, get("/", &fields)).await;
    assert_eq!(response.code(), 200);
    assert_eq!(field(&response, "x-request-id"), Some("id"));
    assert_eq!(field(&response, "x-content-type-options"), Some("nosniff"));
    assert_eq!(field(&response, "access-control-allow-origin"), Some(PAGE.1));
    assert_eq!(field(&response, "content-encoding"), Some("gzip"));
    let varies: Vec<_> = FieldLines::lines(response.fields(), "vary").collect();
    assert_eq!(varies, [&b"accept-encoding"[..], b"origin"]);
}

#[tokio::test(start_paused = true)]
async fn refusals_come_in_the_documented_order_and_pass_the_parts_outside() {
    let shared = full().around(Arc::new(handler));
    let preflight = [PAGE, ("Access-Control-Request-Method", "PUT")];
    let mut long = get("/", &[GOOD]);
    long.body = "more than ten bytes".into();
    let cases = [
        // CORS before authentication; both before the rate limit, of which they use nothing up.
        (request("OPTIONS", "/", &preflight), 204),
        (get("/", &[]), 401),
        (get("/", &[]), 401),
        (get("/", &[]), 401),
        (long, 413),
        (get("/slow", &[GOOD]), 503),
        (get("/panic", &[GOOD]), 500),
    ];
    for (number, (request, status)) in cases.into_iter().enumerate() {
        let response = shared.handle(request).await;
        assert_eq!(response.code(), status, "{number}");
        assert!(field(&response, "x-request-id").is_some(), "{number}");
        assert!(field(&response, "x-content-type-options").is_some(), "{number}");
    }
}

#[tokio::test]
async fn a_request_over_the_rate_runs_nothing_further_in() {
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let count = move |_: Request| {
        *counted.lock().unwrap() += 1;
        std::future::ready(())
    };
    let stack = Stack { auth: None, ..full() };
    let shared = stack.around(Arc::new(count));
    let mut refused = 0;
    for _ in 0..5 {
        refused += usize::from(shared.handle(get("/", &[])).await.code() == 429);
    }
    assert!(refused >= 1);
    assert_eq!(*calls.lock().unwrap() + refused, 5);
}

#[test]
fn vary_is_said_once() {
    let mut fields = Fields::new();
    vary_by(&mut fields, "origin");
    vary_by(&mut fields, "origin");
    vary_by(&mut fields, "accept-encoding");
    assert_eq!(fields.len(), 2);
    fields.set(VARY, HeaderValue::from_static("*"));
    vary_by(&mut fields, "origin");
    assert_eq!(fields.len(), 1);
}

#[test]
fn a_request_under_way_holds_little() {
    let parts = full();
    let inner: SharedHandler = Arc::new(handler);
    let stacked = Stacked { parts, inner };
    let size = size_of_val(&stacked.observed(get("/", &[])));
    assert!(size < 6 * 1024, "{size} bytes: does a wrapper hold a copy of the rest?");
}
