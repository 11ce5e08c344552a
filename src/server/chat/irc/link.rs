//! The two ways in which lines come and go: a stream, where they end with CR LF, and a WebSocket, where each is a message.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::net::clock::Clock;
use crate::net::conn::{Conn, Turn};
use crate::net::io::Io;
use crate::proto::irc::line::{Heard, Lines};
use crate::server::ws::{CloseCode, Event, Message, Socket, Text};

/// Bytes that are read from a peer after our last word, before its end is no longer waited for.
const LINGER: usize = 64 * 1024;

/// A connection.
pub(super) enum Link {
    /// TCP or TLS.
    Stream(Box<Conn<Io, Lines>>),
    /// WebSocket, and whether its messages are binary.
    Socket(Box<Socket>, bool),
}

/// What happens on a connection.
pub(super) enum Turned {
    /// A line.
    Heard(Heard),
    /// There is room again for more to send.
    Room,
    /// It is over.
    Closed,
}

impl Link {
    /// The next thing that happens; what was fed leaves meanwhile.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turned> {
        match self {
            Self::Stream(conn) => conn.poll_turn(cx).map(|turn| match turn {
                Ok(Turn::Item(heard)) => Turned::Heard(heard),
                Ok(Turn::Room) => Turned::Room,
                Ok(Turn::Closed) | Err(_) => Turned::Closed,
            }),
            Self::Socket(socket, _) => loop {
                return Poll::Ready(match std::task::ready!(socket.poll_turn(cx)) {
                    Ok(Event::Message(message)) => {
                        let bytes = match message {
                            Message::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
                            Message::Binary(bytes) => bytes,
                        };
                        let Some(heard) = Heard::of_frame(bytes) else { continue };
                        Turned::Heard(heard)
                    }
                    Ok(Event::Pong(_)) => continue,
                    Ok(Event::Room) => Turned::Room,
                    Ok(Event::Closed(_)) | Err(_) => Turned::Closed,
                });
            },
        }
    }

    /// The clock of its shard.
    pub(super) fn clock(&self) -> &Clock {
        match self {
            Self::Stream(conn) => conn.clock(),
            Self::Socket(socket, _) => socket.clock(),
        }
    }

    /// Whether a producer may go on.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Stream(conn) => conn.has_room(),
            Self::Socket(socket, _) => socket.has_room(),
        }
    }

    /// Bytes that were fed and have not left. A WebSocket has rules of its own for them.
    pub(super) fn unsent(&self) -> Option<usize> {
        match self {
            Self::Stream(conn) => Some(conn.unsent()),
            Self::Socket(..) => None,
        }
    }

    /// Queues whole lines, each with CR LF.
    pub(super) fn feed(&mut self, lines: Bytes) {
        match self {
            Self::Stream(conn) => {
                let Ok(()) = conn.feed(lines);
            }
            Self::Socket(socket, binary) => {
                for line in lines.split(|byte| *byte == b'\n') {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if line.is_empty() {
                        continue;
                    }
                    let line = lines.slice_ref(line);
                    let message = match Text::new(line.clone()) {
                        Some(text) if !*binary => Message::Text(text),
                        _ => Message::Binary(line),
                    };
                    // A socket that is closing says so in its next turn.
                    let _ = socket.feed(message);
                }
            }
        }
    }

    /// Sends what was fed, and ends.
    pub(super) async fn close(self) {
        match self {
            Self::Stream(conn) => conn.linger(LINGER).await,
            Self::Socket(mut socket, _) => drop(socket.close(CloseCode::NORMAL).await),
        }
    }
}
