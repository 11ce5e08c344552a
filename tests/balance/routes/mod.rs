//! What the routes of a listener do with requests, over real sockets.

mod answers;
mod forwarded;
mod headers;
mod mirror;
mod rewrite;
mod split;
mod sticky;
mod trace;

use super::Balancer;
use super::raw::Backend;

/// A backend that answers with `text`.
fn backend(text: &'static str) -> Backend {
    Backend::start(move |_, peer| peer.serve(text))
}

/// A balancer with one listener, whose `routes` lead to upstreams with these names and backends.
#[track_caller]
fn balancer(routes: &str, upstreams: &[(&str, &Backend)]) -> Balancer {
    let upstreams: String = upstreams
        .iter()
        .map(|(name, backend)| format!("[upstream.{name}]\nbackends = [{:?}]\n", backend.addr.to_string()))
        .collect();
    let text =
        format!("[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\n{routes}\n{upstreams}");
    Balancer::parse(&text, |_| {})
}

/// The answer to a GET with these further lines in its head, on a connection of its own.
#[track_caller]
fn get(balancer: &Balancer, path: &str, lines: &str) -> crate::support::response::Response {
    let mut wire = balancer.connect();
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: shop.test:81\r\n{lines}\r\n"));
    wire.read_response()
}

/// What the backend got of the last request.
#[track_caller]
fn last(backend: &Backend) -> super::raw::Request {
    backend.requests().pop().expect("a request")
}
