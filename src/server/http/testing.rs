//! Requests without a connection, for the unit tests of handlers.

use std::sync::Arc;

use super::body::Body;
use super::handler::Handler;
use super::request::Request;
use super::response::Response;
use crate::net::addr::PeerAddr;
use crate::proto::http::limits::Limits;
use crate::proto::http::parse::parse;
use crate::server::peer::Peer;

/// A request as a connection would make it: `line` is method and target.
#[track_caller]
pub(crate) fn request(line: &str, fields: &[(&str, &str)], body: impl Into<Body>) -> Request {
    let mut head = format!("{line} HTTP/1.1\r\nHost: example.org\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let (head, _) = parse(head.into(), &Limits::default()).expect("a request that can be parsed");
    let peer = Peer::new(PeerAddr::Unix, false, 1);
    Request::new(head, body.into(), Arc::new(peer))
}

/// What `handler` answers to a GET of `target`.
pub(crate) async fn get(handler: &impl Handler, target: &str) -> Response {
    handler.handle(request(&format!("GET {target}"), &[], "")).await
}

/// Status and body of a reply, read to its end.
pub(crate) async fn read(mut response: Response) -> (u16, String) {
    let body = std::mem::take(response.body_mut());
    let bytes = body.collect(64 << 20).await.expect("a body without an error");
    let text = String::from_utf8(bytes.to_vec()).expect("a body of text");
    (response.code().as_u16(), text)
}

/// A field of a reply; empty without it.
pub(crate) fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    response.fields().find(name).map_or("", |value| value.to_str().expect("a field of text"))
}
