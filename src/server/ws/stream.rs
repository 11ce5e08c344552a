//! A socket as `Stream + Sink`, for programs that are built on those.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::Sink;

use super::{CloseCode, Event, Message, Socket, SocketError};

/// A [`Socket`] in the clothes of `futures`. It ends after an orderly end; `close` of the sink is the close handshake with 1000.
#[derive(Debug)]
pub struct SocketStream {
    socket: Socket,
    /// It has failed, and said so.
    failed: bool,
}

impl SocketStream {
    /// The same socket.
    #[must_use]
    pub fn into_inner(self) -> Socket {
        self.socket
    }
}

impl From<Socket> for SocketStream {
    fn from(socket: Socket) -> Self {
        Self { socket, failed: false }
    }
}

impl Stream for SocketStream {
    type Item = Result<Message, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.failed {
                return Poll::Ready(None);
            }
            match ready!(self.socket.poll_turn(cx)) {
                Ok(Event::Message(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(Event::Pong(_) | Event::Room) => {}
                Ok(Event::Closed(_)) => return Poll::Ready(None),
                Err(error) => {
                    self.failed = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl Sink<Message> for SocketStream {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if self.socket.has_room() { Poll::Ready(Ok(())) } else { self.socket.poll_flush(cx) }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
        self.socket.feed(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.socket.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.socket.poll_close(cx, CloseCode::NORMAL.into()).map(|end| end.map(drop))
    }
}
