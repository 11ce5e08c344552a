//! What a request costs that a cache answers.

use std::sync::Arc;

use divan::Bencher;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, VARY};
use wireworks::net::addr::PeerAddr;
use wireworks::proto::http::limits::Limits;
use wireworks::proto::http::parse::parse;
use wireworks::server::balance::cache::{Cache, Cached, Settings};
use wireworks::server::http::body::Body;
use wireworks::server::http::handler::Handler;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;
use wireworks::server::peer::Peer;

/// From a request to the reply, of a response with and without `Vary`.
#[divan::bench(args = ["plain", "vary"])]
fn cache_hit(bencher: Bencher<'_, '_>, name: &str) {
    let varies = name == "vary";
    let backend = move |_: Request| async move {
        let response =
            Response::text("x".repeat(1024)).with(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
        let vary = HeaderValue::from_static("accept-encoding");
        if varies { response.with(VARY, vary) } else { response }
    };
    let cache = Arc::new(Cache::new("bench", Settings::default()));
    let layer = Cached::new(cache, Arc::new(backend), Arc::default(), "");
    let wire = "GET /plaintext?a=b HTTP/1.1\r\nHost: www.example.com\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n";
    let Ok((head, _)) = parse(wire.into(), &Limits::default()) else {
        return;
    };
    let peer = Arc::new(Peer::new(PeerAddr::Unix, false, 1));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let request = || Request::new(head.clone(), Body::empty(), Arc::clone(&peer));
    // The first is stored.
    assert!(layer.handle(request()).as_mut().poll(&mut cx).is_ready());
    bencher
        .with_inputs(request)
        .bench_local_values(|request| layer.handle(request).as_mut().poll(&mut cx).is_ready());
}
