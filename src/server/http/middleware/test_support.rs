//! Requests and stacks for the tests of the parts.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::Stack;
use crate::net::addr::PeerAddr;
use crate::proto::http::limits::Limits;
use crate::proto::http::parse::parse;
use crate::server::http::body::Body;
use crate::server::http::handler::Handler;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::peer::Peer;

/// A request with a target and fields, from 192.0.2.1 without TLS.
pub(crate) fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Request {
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
    let (head, _) = parse(Bytes::from(head), &Limits::default()).unwrap();
    Request::new(head, Body::empty(), peer("192.0.2.1:1234", false))
}

pub(crate) fn get(target: &str, fields: &[(&str, &str)]) -> Request {
    request("GET", target, fields)
}

pub(crate) fn peer(addr: &str, tls: bool) -> Arc<Peer> {
    let addr: SocketAddr = addr.parse().unwrap();
    Arc::new(Peer::new(PeerAddr::from(addr), tls, 1))
}

/// What `handler` answers behind `stack`.
pub(crate) async fn run(stack: Stack, handler: impl Handler, request: Request) -> Response {
    stack.around(Arc::new(handler)).handle(request).await
}

/// The first line of a field of a reply, as text.
pub(crate) fn field<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.fields().find(name).map(|value| value.to_str().unwrap())
}
