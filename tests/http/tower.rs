//! An axum application, written without a thought of this server, on this server.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use wireworks::server::http::tower::service;

use super::server::{Setup, TestServer};

fn app() -> TestServer {
    let user = |Path((name, id)): Path<(String, u32)>| async move { format!("{name} is {id}") };
    let sum = |Json(numbers): Json<BTreeMap<String, u32>>| async move {
        Json(BTreeMap::from([("sum", numbers.into_values().sum::<u32>())]))
    };
    let app = Router::new()
        .route("/users/{name}/{id}", get(user))
        .route("/sum", post(sum))
        .route("/echo", post(|body: Body| async { body }));
    Setup::new(service(app)).start()
}

#[test]
fn an_axum_router_runs_unmodified() {
    let server = app();
    let mut wire = server.connect();
    let json = "Content-Type: application/json\r\n";
    for (request, fields, body, status, text) in [
        ("GET /users/M%C3%A9lo/7?x", "", "", 200, "M\u{e9}lo is 7"),
        ("POST /sum", json, r#"{"a":1,"b":2}"#, 200, r#"{"sum":3}"#),
        ("POST /echo", "", "said", 200, "said"),
        ("GET /nothing", "", "", 404, ""),
        ("DELETE /sum", "", "", 405, ""),
    ] {
        let length = body.len();
        wire.send(format!("{request} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}"));
        let response = wire.read_response();
        assert_eq!((response.status, response.text()), (status, text), "{request}");
    }
    // Its own refusals are its own: only the status is sure.
    for (fields, body, status) in [("", "{}", 415), (json, "{", 400), (json, r#"{"a":"b"}"#, 422)] {
        let length = body.len();
        wire.send(format!("POST /sum HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}"));
        assert_eq!(wire.read_response().status, status, "{body}");
    }
}

#[test]
fn an_axum_handler_echoes_while_the_body_arrives() {
    let server = app();
    let mut wire = server.connect();
    wire.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(wire.read_exact(interim.len()), interim);
    wire.send("3\r\nabc\r\n");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(wire.read_exact(1));
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    // Each piece comes back before the next one is sent.
    assert_eq!(wire.read_exact(8), b"3\r\nabc\r\n");
    for piece in ["2\r\nde\r\n", "1\r\nf\r\n", "0\r\n\r\n"] {
        wire.send(piece);
        assert_eq!(wire.read_exact(piece.len()), piece.as_bytes());
    }
    wire.send("GET /users/me/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(wire.read_response().text(), "me is 1");
}
