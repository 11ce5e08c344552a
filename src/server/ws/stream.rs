//! A socket as `Stream + Sink`, for programs that are built on those.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_core::Stream;
use futures_util::Sink;
use futures_util::task::AtomicWaker;

use super::{CloseCode, Event, Message, Socket, SocketError};

/// A [`Socket`] in the clothes of `futures`. It ends after an orderly end; `close` of the sink is the close handshake with 1000.
#[derive(Debug)]
pub struct SocketStream {
    socket: Socket,
    /// Who reads, and who writes: the halves of a split stream may be two tasks, and a socket knows only one.
    tasks: Arc<Tasks>,
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
        Self { socket, tasks: Arc::default(), failed: false }
    }
}

/// The two tasks of a split stream. What wakes the socket wakes both.
#[derive(Debug, Default)]
struct Tasks {
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.reader.wake();
        self.writer.wake();
    }
}

impl SocketStream {
    /// Asks the socket in the name of both tasks.
    fn poll<T>(&mut self, ask: impl FnOnce(&mut Socket, &mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let waker = Waker::from(Arc::clone(&self.tasks));
        ask(&mut self.socket, &mut Context::from_waker(&waker))
    }
}

impl Stream for SocketStream {
    type Item = Result<Message, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.tasks.reader.register(cx.waker());
        loop {
            if self.failed {
                return Poll::Ready(None);
            }
            match ready!(self.poll(Socket::poll_turn)) {
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
        self.tasks.writer.register(cx.waker());
        if self.socket.has_room() { Poll::Ready(Ok(())) } else { self.poll(Socket::poll_flush) }
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
        self.socket.feed(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.tasks.writer.register(cx.waker());
        self.poll(Socket::poll_flush)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.tasks.writer.register(cx.waker());
        self.poll(|socket, cx| socket.poll_close(cx, CloseCode::NORMAL.into())).map(|end| end.map(drop))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt, StreamExt};

    use super::super::Settings;
    use super::super::testing::pair;
    use super::*;

    #[tokio::test]
    async fn the_halves_may_be_two_tasks() {
        let (server, client) = pair(Settings::default(), 4096);
        let (mut say, mut hear) = SocketStream::from(server).split();
        let (mut ask, mut listen) = SocketStream::from(client).split();
        let large = Message::from(vec![7; 300_000]);
        let echo = tokio::spawn(async move {
            while let Some(message) = hear.next().await {
                say.send(message.unwrap()).await.unwrap();
            }
        });
        let asked = large.clone();
        let asking = tokio::spawn(async move {
            for _ in 0..10 {
                ask.send(asked.clone()).await.unwrap();
            }
            ask
        });
        for _ in 0..10 {
            assert_eq!(listen.next().await.unwrap().unwrap(), large);
        }
        let mut ask = asking.await.unwrap();
        ask.close().await.unwrap();
        assert!(listen.next().await.is_none());
        echo.await.unwrap();
    }
}
