//! Two sockets back to back, for the tests of this folder.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::settings::Settings;
use super::socket::{About, Socket};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::proto::ws::codec::{Codec, Role};
use crate::proto::ws::deflate::Agreed;

/// One end over `stream`.
pub(super) fn end(
    role: Role,
    stream: DuplexStream,
    settings: Settings,
    drain: &Drain,
    deflate: Option<Agreed>,
) -> Socket {
    let mut codec = match role {
        Role::Server => Codec::server(settings.limits),
        Role::Client => Codec::client(settings.limits, [9; 32]),
    };
    if let Some(agreed) = deflate {
        codec = codec.deflate(agreed);
    }
    let clock = Clock::new();
    drain.attach(&clock);
    let about = About { peer: None, subprotocol: None, _place: None, _context: None };
    Socket::new(
        Conn::new(Io::Memory(stream), codec, clock.timer()),
        role,
        Arc::new(settings),
        drain.clone(),
        about,
    )
}

/// A server and a client with these settings, and a pipe of so many bytes between them.
pub(super) fn pair(settings: Settings, pipe: usize) -> (Socket, Socket) {
    let (a, b) = tokio::io::duplex(pipe);
    let drain = Drain::new();
    (end(Role::Server, a, settings.clone(), &drain, None), end(Role::Client, b, settings, &drain, None))
}

/// A server, and a peer of bytes.
pub(super) fn server(settings: Settings, pipe: usize) -> (Socket, Wire, Drain) {
    let (a, b) = tokio::io::duplex(pipe);
    let drain = Drain::new();
    (end(Role::Server, a, settings, &drain, None), Wire(b), drain)
}

/// A client that is bytes.
pub(super) struct Wire(DuplexStream);

impl Wire {
    /// Sends a frame with this first byte, masked with zeros.
    pub(super) async fn say(&mut self, first: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        assert!(length < 126);
        let frame = [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat();
        self.0.write_all(&frame).await.unwrap();
    }

    /// Sends bytes.
    pub(super) async fn raw(&mut self, bytes: &[u8]) {
        assert!(self.try_raw(bytes).await);
    }

    /// Sends bytes, if the server still reads.
    pub(super) async fn try_raw(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Reads so many bytes.
    pub(super) async fn hear(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// Reads to the end.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        while self.0.read_buf(&mut bytes).await.is_ok_and(|n| n > 0) {}
        bytes.to_vec()
    }
}
