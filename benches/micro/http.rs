//! What one request costs us before and after its handler.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use divan::{Bencher, black_box};
use http::StatusCode;
use wireworks::codec::{Codec, Outbox};
use wireworks::net::addr::PeerAddr;
use wireworks::proto::http::fields::Fields;
use wireworks::proto::http::limits::Limits;
use wireworks::proto::http::parse::parse;
use wireworks::proto::http::reply::ReplyHead;
use wireworks::proto::http::server::{Outgoing, ServerCodec};
use wireworks::server::http::body::Body;
use wireworks::server::http::handler::Handler;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;
use wireworks::server::http::router::Router;
use wireworks::server::peer::Peer;

/// What wrk sends.
const SHORT: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// About what a browser sends.
const BROWSER: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n\
    Cache-Control: max-age=0\r\nsec-ch-ua: \"Chromium\";v=\"140\", \"Not;A=Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\r\n";

/// The heads that are measured, by name.
fn wire(name: &str) -> &'static [u8] {
    if name == "short" { SHORT } else { BROWSER }
}

/// From bytes to a checked head.
#[divan::bench(args = ["short", "browser"])]
fn parse_head(bencher: Bencher<'_, '_>, name: &str) {
    let (wire, limits) = (Bytes::from_static(wire(name)), Limits::default());
    bencher.bench(|| parse(black_box(wire.clone()), &limits));
}

/// A request and its reply through the codec of a connection.
#[divan::bench(args = ["short", "browser"])]
fn exchange(bencher: Bencher<'_, '_>, name: &str) {
    let wire = wire(name);
    let mut codec = ServerCodec::new(Limits::default());
    let (mut src, mut out) = (BytesMut::new(), Outbox::new());
    bencher.bench_local(|| {
        src.extend_from_slice(wire);
        let request = codec.decode(&mut src);
        let head = ReplyHead {
            status: StatusCode::OK,
            fields: Fields::new(),
            length: Some(13),
            date: *b"Sun, 06 Nov 1994 08:49:37 GMT",
        };
        let body = Bytes::from_static(b"Hello, World!");
        let _ = codec.encode(Outgoing::Whole(head, body), &mut out);
        out.clear();
        request
    });
}

/// From a request to the reply of its handler, among a hundred routes.
#[divan::bench(args = ["/plaintext", "/route/50/users/7/posts", "/files/a/b/c.txt"])]
fn route(bencher: Bencher<'_, '_>, path: &str) {
    let reply = |_: Request| async { Response::text("Hello, World!") };
    let router = (0..100)
        .fold(Router::new(), |router, n| router.get(&format!("/route/{n}/users/{{id}}/posts"), reply));
    let router = router.get("/plaintext", reply).get("/files/{*rest}", reply);
    let wire = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let Ok((head, _)) = parse(wire.into(), &Limits::default()) else {
        return;
    };
    let peer = Arc::new(Peer::new(PeerAddr::Unix, false, 1));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    bencher
        .with_inputs(|| Request::new(head.clone(), Body::empty(), Arc::clone(&peer)))
        .bench_local_values(|request| router.handle(request).as_mut().poll(&mut cx).is_ready());
}
