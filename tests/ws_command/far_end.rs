//! Far ends for the clients: a server of routes that no site has, and raw sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use wireworks::proto::ws::handshake::accept_key;
use wireworks::proto::ws::handshake::server::Origins;
use wireworks::server::http::Server;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;
use wireworks::server::http::router::Router;
use wireworks::server::process::Running;
use wireworks::server::ws::{self, CloseCode, CloseReason, Event, Message, Socket};

use crate::support::PATIENCE;

/// A server of odd routes, which ends with the value, and the beginning of its URLs.
pub(super) fn odd() -> (Running, String) {
    let router = Router::new()
        .get("/close/{code}", close)
        .get("/headers", headers)
        .get("/flood", flood)
        .get("/wrong", wrong)
        .get("/deaf", deaf)
        .get("/binary", binary);
    let running = Server::new(router).listen("127.0.0.1:0").threads(1).start().unwrap();
    let url = format!("ws://{}", running.tcp().unwrap());
    (running, url)
}

/// A server that says when a socket of `/open` is open, and when one of `/tenth` has said ten things, which it echoes.
pub(super) fn telling() -> (Running, String, Receiver<()>) {
    let (sender, told) = channel();
    let tell = move |path: &'static str, when: usize| {
        let sender = sender.clone();
        move |request: Request| {
            let sender = sender.clone();
            async move {
                ws::upgrade(request, move |mut socket: Socket| async move {
                    for count in 0.. {
                        if count == when {
                            sender.send(()).unwrap_or_else(|_| panic!("nobody waits for {path}"));
                        }
                        let Ok(Some(message)) = socket.recv().await else { return };
                        drop(socket.send(message).await);
                    }
                })
            }
        }
    };
    let router = Router::new().get("/open", tell("/open", 0)).get("/tenth", tell("/tenth", 10));
    let running = Server::new(router).listen("127.0.0.1:0").threads(1).start().unwrap();
    let url = format!("ws://{}", running.tcp().unwrap());
    (running, url, told)
}

/// Closes at once, with the code of the path and a reason.
async fn close(request: Request) -> Response {
    let code: u16 = request.raw_param("code").unwrap().parse().unwrap();
    ws::upgrade(request, move |mut socket: Socket| async move {
        let code = CloseCode::new(code).unwrap();
        drop(socket.close(CloseReason::new(code, "as asked")).await);
    })
}

/// Says what the request said, a field a message.
async fn headers(request: Request) -> Response {
    let mut lines = Vec::new();
    for name in ["x-a", "authorization", "origin", "sec-websocket-extensions", "sec-websocket-protocol"] {
        lines.push(format!("{name}: {}", request.field(name).unwrap_or("none")));
    }
    ws::Upgrade::new().origins(Origins::Any).accept(request, |mut socket: Socket| async move {
        for line in lines {
            socket.feed(line).unwrap();
        }
        while let Ok(Some(_)) = socket.recv().await {}
    })
}

/// Says the same for ever.
async fn flood(request: Request) -> Response {
    ws::upgrade(request, |mut socket: Socket| async move {
        loop {
            while socket.has_room() && socket.is_open() {
                socket.feed("again").unwrap();
            }
            if matches!(socket.turn().await, Ok(Event::Closed(_)) | Err(_)) {
                return;
            }
        }
    })
}

/// Answers something else.
async fn wrong(request: Request) -> Response {
    ws::upgrade(request, |mut socket: Socket| async move {
        while let Ok(Some(_)) = socket.recv().await {
            if socket.send("wrong").await.is_err() {
                return;
            }
        }
    })
}

/// Answers nothing.
async fn deaf(request: Request) -> Response {
    ws::upgrade(request, |mut socket: Socket| async move { while let Ok(Some(_)) = socket.recv().await {} })
}

/// Says two binary messages around a text.
async fn binary(request: Request) -> Response {
    ws::upgrade(request, |mut socket: Socket| async move {
        for message in [Message::from(vec![0, 1]), "text".into(), Message::from(vec![b'x'; 40])] {
            socket.feed(message).unwrap();
        }
        while let Ok(Some(_)) = socket.recv().await {}
    })
}

/// A raw server: `act` gets the connections. Its address, and its thread.
pub(super) fn raw(act: impl FnOnce(&TcpListener) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (addr, thread::spawn(move || act(&listener)))
}

/// The next connection.
pub(super) fn accept(listener: &TcpListener) -> TcpStream {
    let (tcp, _) = listener.accept().unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}

/// The head of a request.
pub(super) fn head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tcp.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// The next connection, as a socket that is open.
pub(super) fn open(listener: &TcpListener) -> TcpStream {
    let mut tcp = accept(listener);
    let head = head(&mut tcp);
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let accept = accept_key(key.as_bytes());
    let fields = format!("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n");
    tcp.write_all(format!("HTTP/1.1 101 X\r\n{fields}\r\n").as_bytes()).unwrap();
    tcp
}
