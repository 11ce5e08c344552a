//! A connection of the bench: bytes in, units out.
//!
//! The bench shares the machine with the server that it measures, so hearing has to be cheap. All connections of a thread read into one buffer,
//! and what is whole there is looked at where it lies; a connection keeps only the piece at the end that is not. No unit is copied, and none is
//! given memory.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::fault::Fault;
use crate::net::io::Io;
use crate::proto::ws::frame::{FrameHead, Opcode};
use crate::proto::ws::mask::Mask;

/// Who is shown each unit that is whole, with the time.
type Hear<'a> = dyn FnMut(Instant, &[u8]) -> Result<(), Fault> + 'a;

/// Bytes that are read at once.
const READ: usize = 256 << 10;

/// Bytes of the longest unit: a page of history, or a list of names, is shorter.
const MAX_UNIT: usize = 16 << 20;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// How bytes are cut into units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Frames of WebSocket, of which texts are units.
    Frames,
    /// Lines of IRC.
    Lines,
}

/// A connection.
pub(super) struct Link {
    io: Io,
    framing: Framing,
    /// The beginning of a unit.
    rest: Vec<u8>,
    out: BytesMut,
    seed: fastrand::Rng,
}

impl Link {
    /// A connection on which these bytes have arrived already.
    pub(super) fn new(io: Io, framing: Framing, rest: &[u8]) -> Self {
        Self { io, framing, rest: rest.into(), out: BytesMut::new(), seed: fastrand::Rng::new() }
    }

    /// Queues a unit. It leaves with the next [`poll`](Self::poll).
    pub(super) fn say(&mut self, text: &str) {
        put(&mut self.out, self.framing, Opcode::Text, text.as_bytes(), &mut self.seed);
    }

    /// Writes what is queued, reads once, and shows each unit that is whole to `hear`, with the time.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, hear: &mut Hear<'_>) -> Poll<Result<(), Fault>> {
        while !self.out.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, &self.out) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Fault::Gone)),
                Poll::Ready(Ok(count)) => self.out.advance(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Fault::io(&error))),
                Poll::Pending => break,
            }
        }
        if self.out.is_empty() {
            ready!(Pin::new(&mut self.io).poll_flush(cx)).map_err(|error| Fault::io(&error))?;
        }
        if !self.rest.is_empty() && self.framing == Framing::Frames && self.has_whole() {
            // What came with the handshake.
            let bytes = std::mem::take(&mut self.rest);
            return Poll::Ready(self.take(&bytes, Instant::now(), hear));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf)).map_err(|error| Fault::io(&error))?;
            let read = buf.filled();
            if read.is_empty() {
                return Poll::Ready(Err(Fault::Gone));
            }
            let now = Instant::now();
            if self.rest.is_empty() {
                return Poll::Ready(self.take(read, now, hear));
            }
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(read);
            Poll::Ready(self.take(&bytes, now, hear))
        })
    }

    fn has_whole(&self) -> bool {
        matches!(FrameHead::parse(&self.rest), Ok(Some((head, size))) if self.rest.len() as u64 >= head.length.saturating_add(size as u64))
    }

    /// Shows what is whole, and keeps the rest.
    fn take(&mut self, bytes: &[u8], now: Instant, hear: &mut Hear<'_>) -> Result<(), Fault> {
        let used = match self.framing {
            Framing::Frames => self.frames(bytes, now, hear)?,
            Framing::Lines => lines(bytes, now, hear)?,
        };
        let rest = &bytes[used..];
        if rest.len() > MAX_UNIT {
            return Err(Fault::Long);
        }
        self.rest = rest.into();
        Ok(())
    }

    fn frames(&mut self, bytes: &[u8], now: Instant, hear: &mut Hear<'_>) -> Result<usize, Fault> {
        let mut at = 0;
        while let Some((head, size)) = FrameHead::parse(&bytes[at..]).map_err(|_| Fault::Framing)? {
            let length = usize::try_from(head.length).map_err(|_| Fault::Long)?;
            let begin = at + size;
            let Some(payload) = begin.checked_add(length).and_then(|end| bytes.get(begin..end)) else {
                break;
            };
            match head.opcode {
                Opcode::Text if head.fin && !head.rsv1 => hear(now, payload)?,
                Opcode::Ping => put(&mut self.out, Framing::Frames, Opcode::Pong, payload, &mut self.seed),
                Opcode::Pong => {}
                Opcode::Close => return Err(Fault::closed(payload)),
                _ => return Err(Fault::Framing),
            }
            at = begin + length;
        }
        Ok(at)
    }
}

fn lines(bytes: &[u8], now: Instant, hear: &mut Hear<'_>) -> Result<usize, Fault> {
    let mut at = 0;
    while let Some(length) = memchr::memchr(b'\n', &bytes[at..]) {
        let line = &bytes[at..at + length];
        hear(now, line.strip_suffix(b"\r").unwrap_or(line))?;
        at += length + 1;
    }
    Ok(at)
}

fn put(out: &mut BytesMut, framing: Framing, opcode: Opcode, text: &[u8], seed: &mut fastrand::Rng) {
    match framing {
        Framing::Lines => {
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Frames => {
            let key = seed.u32(..).to_ne_bytes();
            FrameHead { mask: Some(key), ..FrameHead::whole(opcode, text.len()) }.put(out);
            let begin = out.len();
            out.extend_from_slice(text);
            Mask::new(key).apply(&mut out[begin..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What a link hears of these bytes, written so many at a time.
    async fn heard(framing: Framing, wire: &[u8], step: usize) -> (Vec<String>, Fault) {
        let (mut server, client) = tokio::io::duplex(step);
        let wire = wire.to_vec();
        let writer = tokio::spawn(async move {
            server.write_all(&wire).await.unwrap();
            server.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let _ = server.read_to_end(&mut rest).await;
        });
        let mut link = Link::new(Io::other(client), framing, b"");
        let mut heard = Vec::new();
        let fault = loop {
            let mut hear = |_: Instant, unit: &[u8]| {
                heard.push(String::from_utf8_lossy(unit).into_owned());
                Ok(())
            };
            if let Err(fault) = poll_fn(|cx| link.poll(cx, &mut hear)).await {
                break fault;
            }
        };
        drop(link);
        writer.await.unwrap();
        (heard, fault)
    }

    #[tokio::test]
    async fn units_are_the_same_however_they_arrive() {
        let mut frames = BytesMut::new();
        for text in ["one", "", &"x".repeat(300), "last"] {
            FrameHead::whole(Opcode::Text, text.len()).put(&mut frames);
            frames.extend_from_slice(text.as_bytes());
        }
        let expected = ["one".to_owned(), String::new(), "x".repeat(300), "last".into()];
        for step in [1, 2, 7, 64, 4096] {
            assert_eq!(heard(Framing::Frames, &frames, step).await, (expected.to_vec(), Fault::Gone));
            let lines = b":a PRIVMSG #b :c\r\nPING x\nhalf";
            let (heard, fault) = heard(Framing::Lines, lines, step).await;
            assert_eq!((heard, fault), (vec![":a PRIVMSG #b :c".to_owned(), "PING x".into()], Fault::Gone));
        }
    }

    #[tokio::test]
    async fn the_end_says_why() {
        let (_, fault) = heard(Framing::Frames, b"\x88\x06\x03\xf5slow", 64).await;
        assert_eq!(fault.to_string(), "the server closed with 1013: slow");
        assert_eq!(heard(Framing::Frames, b"\x82\x01x", 64).await.1, Fault::Framing);
    }
}
