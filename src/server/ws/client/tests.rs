//! Sockets to the HTTP server of this crate, and to servers that are wrong.

use std::net::SocketAddr;
use std::path::Path;

use http::StatusCode;
use http::header::{COOKIE, LOCATION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::net::client::ConnectError;
use crate::net::tls::{CertPair, ClientTls, ClientTlsConfig, Trust};
use crate::proto::http::list::FieldLines;
use crate::server::http::Server;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};
use crate::server::http::router::Router;
use crate::server::process::Running;
use crate::server::ws::{CloseCode, Message, Upgrade};

async fn echo(mut socket: Socket) {
    while let Ok(Some(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

fn router() -> Router {
    let upgrade = Upgrade::new()
        .subprotocol("v1.echo")
        .unwrap()
        .deflate(deflate::Terms { threshold: 0, ..deflate::Terms::default() });
    Router::new()
        .get("/echo", move |request: Request| {
            let upgrade = upgrade.clone();
            async move { upgrade.accept(request, echo) }
        })
        .get("/greet", async |request: Request| {
            crate::server::ws::upgrade(request, |mut socket: Socket| async move {
                let _ = socket.send("hello").await;
                let _ = socket.close(CloseCode::NORMAL).await;
            })
        })
        .get("/moved", async |_: Request| {
            Response::empty(StatusCode::FOUND).with(LOCATION, HeaderValue::from_static("wss://b.test/"))
        })
        .get("/who", async |request: Request| {
            let said = |name: &str| {
                let lines: Vec<_> = request.head().lines(name).map(String::from_utf8_lossy).collect();
                format!("{name} {}", lines.join("+"))
            };
            let text = ["host", "cookie", "authorization", "origin"].map(said).join("; ");
            (StatusCode::UNAUTHORIZED, text).into_response()
        })
}

/// The server, stopped at once when the test ends.
struct Stand(Option<Running>);

impl Stand {
    fn new(listen: &str) -> Self {
        Self(Some(Server::new(router()).listen(listen).threads(1).start().unwrap()))
    }

    fn addr(&self) -> SocketAddr {
        self.0.as_ref().and_then(Running::tcp).unwrap()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            running.handle().stop_now();
            running.stop().unwrap();
        }
    }
}

async fn there_and_back(socket: &mut Socket, text: &str) {
    socket.send(text.to_owned()).await.unwrap();
    assert_eq!(socket.recv().await.unwrap(), Some(Message::from(text.to_owned())));
}

#[tokio::test]
async fn an_echo_with_all_wishes() {
    let server = Stand::new("127.0.0.1:0");
    let terms = deflate::Terms { threshold: 0, ..deflate::Terms::default() };
    let connect = Connect::to(&format!("ws://{}/echo?a=b", server.addr()))
        .unwrap()
        .subprotocol("v2.echo")
        .subprotocol("v1.echo")
        .deflate(terms);
    let (mut socket, response) = connect.connect().await.unwrap();
    assert_eq!(socket.subprotocol(), Some("v1.echo"));
    assert!(socket.compression().is_some() && socket.peer().is_none());
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    there_and_back(&mut socket, "hello").await;
    there_and_back(&mut socket, &"long ".repeat(50_000)).await;
    socket.close(CloseCode::NORMAL).await.unwrap();

    let mut plain = connect_plain(&server).await;
    assert!(plain.compression().is_none() && plain.subprotocol().is_none());
    there_and_back(&mut plain, "hello").await;
}

async fn connect_plain(server: &Stand) -> Socket {
    connect(&format!("ws://{}/echo", server.addr())).await.unwrap()
}

#[tokio::test]
async fn what_came_with_the_answer_is_heard() {
    let server = Stand::new("127.0.0.1:0");
    let mut socket = connect(&format!("ws://{}/greet", server.addr())).await.unwrap();
    assert_eq!(socket.recv().await.unwrap(), Some(Message::from("hello")));
    assert_eq!(socket.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let _server = Stand::new(&format!("unix:{}", path.display()));
    let url = format!("ws+unix:{}:/echo", path.display());
    let mut socket = connect(&url).await.unwrap();
    there_and_back(&mut socket, "hello").await;
    let by_proxy = Connect::to(&url).unwrap().proxy("http://127.0.0.1:1".parse().unwrap());
    assert!(matches!(by_proxy.connect().await, Err(OpenError::UnixByProxy)));
}

/// Writes a certificate for 127.0.0.1 and its key.
fn certificate(folder: &Path) -> CertPair {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let pair = CertPair { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&pair.cert, made.cert.pem()).unwrap();
    std::fs::write(&pair.key, made.signing_key.serialize_pem()).unwrap();
    pair
}

fn trusting(trust: Trust) -> Connector {
    Connector::new().trusting(ClientTls::new(&ClientTlsConfig { trust, certificate: None }).unwrap())
}

#[tokio::test]
async fn over_tls_with_a_certificate_that_is_believed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let pair = certificate(folder.path());
    let server = Server::new(router()).listen("127.0.0.1:0").threads(1).tls(&pair.cert, &pair.key).start();
    let server = Stand(Some(server.unwrap()));
    let connect = Connect::to(&format!("wss://{}/echo", server.addr())).unwrap();
    for trust in [Trust::SystemAnd(pair.cert.clone()), Trust::Anybody] {
        let (mut socket, _) = connect.clone().connector(trusting(trust)).connect().await.unwrap();
        there_and_back(&mut socket, &"long ".repeat(50_000)).await;
    }
    let other = tempfile::tempdir().unwrap();
    let stranger = certificate(other.path()).cert;
    let error = connect.connector(trusting(Trust::SystemAnd(stranger))).connect().await.unwrap_err();
    assert!(matches!(error, OpenError::Connect(ConnectError::Certificate { .. })), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_self_signed_server_is_for_who_trusts_anybody() {
    let server = Server::new(router()).listen("127.0.0.1:0").threads(1).tls_self_signed().start();
    let server = Stand(Some(server.unwrap()));
    let connect = Connect::to(&format!("wss://{}/echo", server.addr())).unwrap();
    let (mut socket, _) = connect.clone().connector(trusting(Trust::Anybody)).connect().await.unwrap();
    there_and_back(&mut socket, "hello").await;
    assert!(matches!(connect.connect().await.unwrap_err(), OpenError::Connect(_)));
}

/// A proxy for one tunnel. It gives the first line that it was asked.
async fn proxy(listener: TcpListener) -> String {
    let (mut near, _) = listener.accept().await.unwrap();
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(near.read_u8().await.unwrap());
    }
    let line = String::from_utf8(asked).unwrap().lines().next().unwrap().to_owned();
    let mut far = TcpStream::connect(line.split(' ').nth(1).unwrap()).await.unwrap();
    near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    // Whoever ends first ends both; how does not matter here.
    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    line
}

#[tokio::test]
async fn through_a_proxy_plain_and_over_tls() {
    for tls in [false, true] {
        let builder = Server::new(router()).listen("127.0.0.1:0").threads(1);
        let builder = if tls { builder.tls_self_signed() } else { builder };
        let server = Stand(Some(builder.start().unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let via = format!("http://u:p@{}", listener.local_addr().unwrap());
        let scheme = if tls { "wss" } else { "ws" };
        let connect = Connect::to(&format!("{scheme}://{}/echo", server.addr()))
            .unwrap()
            .connector(trusting(Trust::Anybody))
            .proxy(via.parse().unwrap());
        let (line, ()) = tokio::join!(proxy(listener), async {
            let (mut socket, _) = connect.connect().await.unwrap();
            there_and_back(&mut socket, "hello").await;
            socket.close(CloseCode::NORMAL).await.unwrap();
        });
        assert_eq!(line, format!("CONNECT {} HTTP/1.1", server.addr()));
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_where_else() {
    let server = Stand::new("127.0.0.1:0");
    let addr = server.addr();
    let rows = [
        ("/none", 404, "answers 404 Not Found: "),
        ("/moved", 302, "answers 302 Found, and that it is at wss://b.test/; redirects are not followed"),
    ];
    for (path, status, text) in rows {
        let error = connect(&format!("ws://{addr}{path}")).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("ws://{addr}{path} {text}")), "{error}");
        let OpenError::Refused(refused) = error else { panic!("{error}") };
        assert_eq!(refused.status().as_u16(), status);
    }
    let who = Connect::to(&format!("ws://u:p@{addr}/who"))
        .unwrap()
        .header(COOKIE, HeaderValue::from_static("a=b"))
        .header(COOKIE, HeaderValue::from_static("c=d"))
        .origin(HeaderValue::from_static("https://a.test"));
    let error = who.connect().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "ws://{addr}/who answers 401 Unauthorized: \
             host {addr}; cookie a=b+c=d; authorization Basic dTpw; origin https://a.test"
        )
    );
}

/// Answers one connection with these bytes, whatever it says, and keeps it open.
async fn stand_in(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.read_u8().await.unwrap();
        tcp.write_all(answer).await.unwrap();
        std::future::pending::<()>().await;
    });
    addr
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_wrong_or_slow_is_named() {
    let rows: [(&[u8], &str, bool); 6] = [
        (b"", "URL is not open within 20s", true),
        (b"HTTP/1.1 101", "URL is not open within 20s", true),
        (b"SSH-2.0-OpenSSH\r\n", "URL gives no answer: the server does not speak HTTP/1.1", false),
        (
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "URL gives a wrong answer: the server's Sec-WebSocket-Accept does not match the key",
            false,
        ),
        // The body never ends, or its length is unclear: the status is told all the same.
        (b"HTTP/1.1 503 X\r\n\r\nbusy", "URL answers 503 Service Unavailable: busy", true),
        (b"HTTP/1.1 503 X\r\nContent-Length: 4, 4\r\n\r\nbusy", "URL answers 503 Service Unavailable", true),
    ];
    for (answer, text, retryable) in rows {
        let url = format!("ws://{}/", stand_in(answer).await);
        let error = connect(&url).await.unwrap_err();
        assert_eq!(error.to_string(), text.replace("URL", &url));
        assert_eq!(error.is_retryable(), retryable, "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_said_before_anything_is_sent() {
    let wrong = Connect::to("ws://127.0.0.1:1/").unwrap().subprotocol("a b");
    assert!(matches!(wrong.connect().await, Err(OpenError::Wish(_))));
    assert!(matches!(connect("http://127.0.0.1:1/").await, Err(OpenError::Url(_))));
    let error = connect("ws://127.0.0.1:1/").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to 127.0.0.1:1: connection refused");
}

#[tokio::test]
async fn a_shutdown_closes_the_socket() {
    let server = Stand::new("127.0.0.1:0");
    let drain = Drain::new();
    let connect = Connect::to(&format!("ws://{}/echo", server.addr())).unwrap().drain(drain.clone());
    let (mut socket, _) = connect.connect().await.unwrap();
    there_and_back(&mut socket, "hello").await;
    let (end, ()) = tokio::join!(socket.recv(), async { drain.stop() });
    assert_eq!(end.unwrap(), None);
}
