//! The end of a connection, in stages, so that a reset does not destroy what the peer has not read yet.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Conn;
use crate::codec::Codec;
use crate::net::io::Transport;

impl<S: Transport, C: Codec> Conn<S, C> {
    /// The staged close of RFC 9112 section 9.6, good for any protocol: sends what was fed, says that nothing follows,
    /// and reads on until the peer closes too, so that a reset does not destroy what it has not read yet. At most `bytes`
    /// are read, and the deadline ends it.
    pub async fn linger(mut self, bytes: usize) {
        let mut linger = Linger::new(bytes);
        poll_fn(|cx| self.poll_linger(cx, &mut linger)).await;
    }

    /// [`linger`](Self::linger), for a task that polls. Ready when the peer has closed, the stream failed, or the deadline passed;
    /// nothing can be done with the connection then but to drop it.
    pub fn poll_linger(&mut self, cx: &mut Context<'_>, linger: &mut Linger) -> Poll<()> {
        match self.poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Pending => return self.poll_deadline(cx),
        }
        loop {
            let over = self.eof || linger.left == 0;
            if !linger.shut && (over || !linger.after_peer) {
                match Pin::new(&mut self.io).poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => linger.shut = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return self.poll_deadline(cx),
                }
            }
            if over {
                return Poll::Ready(());
            }
            self.rbuf.clear();
            match self.poll_read(cx) {
                Poll::Ready(Ok(())) => linger.left = linger.left.saturating_sub(self.rbuf.len()),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return self.poll_deadline(cx),
            }
        }
    }
}

/// How far a [lingering](Conn::poll_linger) connection is.
#[derive(Clone, Copy, Debug)]
pub struct Linger {
    /// We have said that nothing follows.
    shut: bool,
    /// We say so when the peer has.
    after_peer: bool,
    /// Bytes that may still be read.
    left: usize,
}

impl Linger {
    /// At the beginning; at most `bytes` will be read.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { shut: false, after_peer: false, left: bytes }
    }

    /// The same for the end that lets the other close first.
    #[must_use]
    pub fn after_peer(bytes: usize) -> Self {
        Self { after_peer: true, ..Self::new(bytes) }
    }
}
