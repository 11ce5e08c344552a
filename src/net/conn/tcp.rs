//! What only plain sockets can do: end by a reset, send a file past this process, and pass bytes on to another socket.

use std::fs::File;
use std::io;
use std::task::{Context, Poll, ready};

use super::Conn;
use crate::codec::Codec;
use crate::net::io::Io;
use crate::net::sendfile::{poll_send_more, poll_sendfile};
use crate::net::splice::{Pipe, Socket};

impl<C: Codec> Conn<Io, C> {
    /// Drops the connection so that the peer cannot take its end for an orderly one: plain TCP is reset, and TLS ends without
    /// `close_notify`. A Unix socket knows no other end than an orderly one.
    pub fn reset(self) {
        if let Some(socket) = self.io.as_tcp() {
            // Without it the peer sees an orderly end; there is nothing else to try.
            let _ = socket.set_zero_linger();
        }
    }

    /// Sends bytes of a file behind what was fed, past this process, when the connection is plain TCP; `None` when it is not.
    /// Says how many left, at most a [`SLICE`](crate::net::sendfile::SLICE); 0 when the file ends at `offset`.
    ///
    /// The codec is not asked: tell it.
    ///
    /// # Errors
    /// The stream's or the file's.
    pub fn poll_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        offset: u64,
        length: u64,
    ) -> Option<Poll<io::Result<u64>>> {
        self.io.as_tcp()?;
        match self.poll_flush_before_file(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
            Poll::Pending => return Some(Poll::Pending),
        }
        let sent = poll_sendfile(self.io.as_tcp()?, cx, file, offset, length);
        if let Poll::Ready(Ok(n)) = &sent {
            self.sent(usize::try_from(*n).unwrap_or(usize::MAX));
        }
        Some(sent)
    }

    /// Moves bytes of the peer into an empty pipe past this process, at most `most`; `None` when the stream is no plain socket, or bytes were read
    /// that are not decoded yet. How many; 0 when nothing follows.
    ///
    /// The codec is not asked: tell it.
    ///
    /// # Errors
    /// The stream's.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        most: usize,
    ) -> Option<Poll<io::Result<usize>>> {
        let socket = Socket::of(&self.io).filter(|_| !self.has_input())?;
        let filled = socket.poll_fill(cx, pipe, most);
        if filled.is_ready() {
            self.touch();
        }
        Some(filled)
    }

    /// Sends bytes of a pipe behind what was fed; `None` when the stream is no plain socket. How many.
    ///
    /// The codec is not asked: tell it.
    ///
    /// # Errors
    /// The stream's.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Option<Poll<io::Result<usize>>> {
        Socket::of(&self.io)?;
        match self.poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
            Poll::Pending => return Some(Poll::Pending),
        }
        let drained = Socket::of(&self.io)?.poll_drain(cx, pipe);
        if let Poll::Ready(Ok(n)) = drained {
            self.sent(n);
        }
        Some(drained)
    }

    /// What was fed is mostly the head of the reply: it shares a segment with the file's first bytes.
    fn poll_flush_before_file(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(tcp) = self.io.as_tcp()
            && let Some(head) = self.out.single().filter(|head| !head.is_empty())
        {
            let sent = ready!(poll_send_more(tcp, cx, head))?;
            self.out.advance(sent);
            self.sent(sent);
        }
        self.poll_flush(cx)
    }
}
