//! A server of this process whose socket is an echo, and a raw client of it that says frames byte by byte.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use wireworks::proto::ws::close::CloseReason;
use wireworks::server::http::Server;
use wireworks::server::http::request::Request;
use wireworks::server::http::router::Router;
use wireworks::server::process::Running;
use wireworks::server::ws::{Event, Socket, SocketError, Upgrade};

use crate::support::response::Response;
use crate::support::wire::Wire;

/// The key of every frame, unless a test takes another.
pub(super) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// How a socket ended, as its task was told.
pub(super) type End = Result<Option<CloseReason>, SocketError>;

/// A server with a socket at `/echo`, and a page at `/page`.
pub(super) struct Stand {
    running: Option<Running>,
    ends: Receiver<End>,
}

/// Says each message again, and then how it ended.
async fn echo(mut socket: Socket, ends: Sender<End>) {
    let end = loop {
        match socket.turn().await {
            Ok(Event::Message(message)) => {
                // Told again by the next turn.
                let _ = socket.send(message).await;
            }
            Ok(Event::Pong(_) | Event::Room) => {}
            Ok(Event::Closed(reason)) => break Ok(reason),
            Err(error) => break Err(error),
        }
    };
    drop(socket);
    let _ = ends.send(end);
}

impl Stand {
    /// An echo.
    pub(super) fn new() -> Self {
        Self::of(Upgrade::new())
    }

    /// An echo with other terms.
    pub(super) fn of(upgrade: Upgrade) -> Self {
        Self::doing(upgrade, echo)
    }

    /// Another socket.
    pub(super) fn doing<Fut>(
        upgrade: Upgrade,
        act: impl Fn(Socket, Sender<End>) -> Fut + Clone + Send + Sync + 'static,
    ) -> Self
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::with(upgrade, act, |server| server)
    }

    /// An echo of a server that is made otherwise.
    pub(super) fn made(change: impl FnOnce(Server) -> Server) -> Self {
        Self::with(Upgrade::new(), echo, change)
    }

    fn with<Fut>(
        upgrade: Upgrade,
        act: impl Fn(Socket, Sender<End>) -> Fut + Clone + Send + Sync + 'static,
        change: impl FnOnce(Server) -> Server,
    ) -> Self
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (tell, ends) = channel();
        let accept = move |request: Request| {
            let (upgrade, act, tell) = (upgrade.clone(), act.clone(), tell.clone());
            async move { upgrade.accept(request, move |socket| act(socket, tell)) }
        };
        let router = Router::new().any("/echo", accept).get("/page", async |_: Request| "a page");
        let server = Server::new(router).listen("127.0.0.1:0").threads(1);
        Self { running: Some(change(server).start().unwrap()), ends }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.running.as_ref().and_then(Running::tcp).unwrap()
    }

    pub(super) fn wire(&self) -> Wire {
        Wire::connect(self.addr())
    }

    /// A socket of a client with no wishes.
    #[track_caller]
    pub(super) fn open(&self) -> Peer {
        self.open_with("").0
    }

    /// A socket of a client that sends further field lines, each ended by CRLF; with the answer.
    #[track_caller]
    pub(super) fn open_with(&self, fields: &str) -> (Peer, Response) {
        let mut wire = self.wire();
        wire.send(request(fields));
        let response = wire.read_response();
        assert_eq!(response.status, 101, "{}", response.text());
        (Peer { wire }, response)
    }

    /// The answer to a request on a connection of its own.
    #[track_caller]
    pub(super) fn ask(&self, request: impl AsRef<[u8]>) -> Response {
        let mut wire = self.wire();
        wire.send(request);
        wire.read_response()
    }

    /// How the next socket to end has ended.
    #[track_caller]
    pub(super) fn end(&self) -> End {
        self.ends.recv_timeout(Duration::from_secs(20)).expect("a socket that ends")
    }

    /// The server itself, to be stopped by the test.
    pub(super) fn into_running(mut self) -> Running {
        self.running.take().unwrap()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.handle().stop_now();
            let stopped = running.stop();
            assert!(stopped.is_ok() || std::thread::panicking(), "{stopped:?}");
        }
    }
}

/// The request of RFC 6455 section 1.3, with further field lines.
pub(super) fn request(fields: &str) -> String {
    format!(
        "GET /echo HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
    )
}

/// A frame of a client, its length in the shortest form.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked(first, payload, KEY)
}

/// The same with another key.
pub(super) fn masked(first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut frame = plain(first, payload);
    frame[1] |= 0x80;
    let start = frame.len() - payload.len();
    frame.splice(start..start, key);
    frame[start + 4..].iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    frame
}

/// A frame of a server.
pub(super) fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(short as u8),
        middle @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// The next frame on a wire: its first byte, the key if it is masked, and the payload, unmasked. Its length has to be in the shortest form.
#[track_caller]
pub(super) fn next(wire: &mut Wire) -> (u8, Option<[u8; 4]>, Vec<u8>) {
    let head = wire.read_exact(2);
    let length = match head[1] & 0x7f {
        126 => {
            let length = u64::from(u16::from_be_bytes(wire.read_exact(2).try_into().unwrap()));
            assert!(length >= 126, "{length} in two bytes");
            length
        }
        127 => {
            let length = u64::from_be_bytes(wire.read_exact(8).try_into().unwrap());
            assert!((1 << 16..1 << 63).contains(&length), "{length} in eight bytes");
            length
        }
        short => u64::from(short),
    };
    let key: Option<[u8; 4]> = (head[1] & 0x80 != 0).then(|| wire.read_exact(4).try_into().unwrap());
    let mut payload = wire.read_exact(usize::try_from(length).unwrap());
    if let Some(key) = key {
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
    (head[0], key, payload)
}

/// A raw client behind its handshake.
pub(super) struct Peer {
    pub(super) wire: Wire,
}

impl Peer {
    /// Says a frame.
    #[track_caller]
    pub(super) fn say(&mut self, first: u8, payload: &[u8]) {
        self.wire.send(frame(first, payload));
    }

    /// The next frame, which is not masked.
    #[track_caller]
    pub(super) fn hear(&mut self) -> (u8, Vec<u8>) {
        let (first, key, payload) = next(&mut self.wire);
        assert_eq!(key, None, "a server masks nothing (section 5.1)");
        (first, payload)
    }

    /// The next frame is this one.
    #[track_caller]
    pub(super) fn hears(&mut self, first: u8, payload: &[u8]) {
        let (heard, content) = self.hear();
        let long = payload.len() > 200;
        assert_eq!(heard, first);
        assert!(
            content == payload,
            "{}",
            if long { "another content".into() } else { format!("{content:02x?}") }
        );
    }

    /// A message there and back.
    #[track_caller]
    pub(super) fn is_heard(&mut self) {
        self.say(0x81, b"still there?");
        self.hears(0x81, b"still there?");
    }

    /// The next frame is a close frame with this code, and then the connection ends, without a reset. The server waits for our end.
    #[track_caller]
    pub(super) fn hears_close(mut self, code: u16) {
        let (first, payload) = self.hear();
        assert_eq!(first, 0x88, "{payload:02x?}");
        assert_eq!(payload.get(..2), Some(&code.to_be_bytes()[..]), "not {code}");
        assert!(std::str::from_utf8(&payload[2..]).is_ok());
        self.wire.expect_close();
    }
}

/// These bytes make the server fail the connection with this code: at once, and byte by byte. What comes behind them counts no more.
#[track_caller]
pub(super) fn is_refused(stand: &Stand, wire: &[u8], code: u16) {
    let late = frame(0x81, b"late");
    let mut whole = stand.open();
    whole.wire.send([wire, &late].concat());
    whole.hears_close(code);
    assert!(matches!(stand.end(), Err(SocketError::Peer(_))), "{wire:02x?}");
    let mut slow = stand.open();
    for byte in wire {
        // It may be refused before its last byte.
        let _ = slow.wire.try_send([*byte]);
    }
    slow.hears_close(code);
    assert!(matches!(stand.end(), Err(SocketError::Peer(_))), "{wire:02x?}");
}
