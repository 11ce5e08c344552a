//! A connection of uTP, as a byte stream.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Datagrams;
use crate::proto::bittorrent::utp::{Handle, Reason};

/// A byte stream over uTP. Dropping it closes the connection; what was written before is sent still.
#[derive(Debug)]
pub(in crate::server::share) struct UtpStream {
    datagrams: Arc<Datagrams>,
    handle: Handle,
    /// What was received and did not fit into the reader's buffer.
    rest: Bytes,
}

impl UtpStream {
    pub(super) fn new(datagrams: Arc<Datagrams>, handle: Handle) -> Self {
        Self { datagrams, handle, rest: Bytes::new() }
    }

    /// Waits until the peer has answered.
    pub(super) async fn connected(&self) -> io::Result<()> {
        poll_fn(|cx| {
            let mut state = self.datagrams.lock();
            let Some(stream) = state.streams.get_mut(&self.handle) else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            match stream.closed {
                Some(reason) => Poll::Ready(Err(failed(reason))),
                None if stream.connected => Poll::Ready(Ok(())),
                None => {
                    stream.writes = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl AsyncRead for UtpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let mut took = false;
        let mut ended = None;
        {
            let mut state = this.datagrams.lock();
            while buf.remaining() > 0 {
                if this.rest.is_empty() {
                    match state.utp.read(this.handle) {
                        Some(bytes) => {
                            this.rest = bytes;
                            took = true;
                        }
                        None => break,
                    }
                }
                let now = this.rest.len().min(buf.remaining());
                buf.put_slice(&this.rest.split_to(now));
            }
            if buf.filled().len() == before {
                match state.streams.get_mut(&this.handle) {
                    None => ended = Some(Ok(())),
                    Some(stream) if stream.finished => ended = Some(Ok(())),
                    Some(stream) => match stream.closed {
                        Some(Reason::Closed) => ended = Some(Ok(())),
                        Some(reason) => ended = Some(Err(failed(reason))),
                        None => stream.reads = Some(cx.waker().clone()),
                    },
                }
            }
        }
        if took {
            // The peer is to hear that there is room.
            this.datagrams.changed.notify_one();
        }
        match ended {
            Some(ended) => Poll::Ready(ended),
            None if buf.filled().len() > before => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for UtpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        {
            let mut state = self.datagrams.lock();
            let closed = state.streams.get(&self.handle).is_none_or(|stream| stream.closed.is_some());
            if closed {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            for slice in slices {
                // At least a byte is tried: whoever is not taken is told when there is room.
                let tried = slice.len().min(state.utp.writable(self.handle).max(1));
                let mut bytes = Bytes::copy_from_slice(&slice[..tried]);
                let taken = state.utp.write(Instant::now(), self.handle, &mut bytes);
                written += taken;
                if taken < slice.len() {
                    break;
                }
            }
            if written == 0
                && slices.iter().any(|slice| !slice.is_empty())
                && let Some(stream) = state.streams.get_mut(&self.handle)
            {
                stream.writes = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        self.datagrams.changed.notify_one();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.datagrams.lock().utp.close(Instant::now(), self.handle);
        self.datagrams.changed.notify_one();
        Poll::Ready(Ok(()))
    }
}

impl Drop for UtpStream {
    fn drop(&mut self) {
        let mut state = self.datagrams.lock();
        state.streams.remove(&self.handle);
        state.utp.close(Instant::now(), self.handle);
        drop(state);
        self.datagrams.changed.notify_one();
    }
}

fn failed(reason: Reason) -> io::Error {
    let kind = match reason {
        Reason::Closed => io::ErrorKind::UnexpectedEof,
        Reason::Reset => io::ErrorKind::ConnectionReset,
        Reason::Refused => io::ErrorKind::ConnectionRefused,
        Reason::TimedOut => io::ErrorKind::TimedOut,
    };
    io::Error::new(kind, reason)
}
