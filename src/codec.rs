//! The treaty between the plumbing and the languages.
//!
//! A [`Codec`] turns bytes into typed messages and messages into bytes, both directions in one value, because an answer
//! often depends on the question (a reply to HEAD has no body). An [`Outbox`] holds bytes on their way out. Neither
//! does I/O: `net` moves what they produce, and a codec's error never is an I/O error.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// A protocol's framing: bytes in, messages out, and back.
///
/// The contract of [`decode`](Codec::decode): it consumes exactly one item or nothing; it never looks at a byte twice
/// without remembering how far it searched; it reserves for what arrived, never for what a peer announced. Every limit
/// (sizes, counts, depths) belongs to the codec.
pub trait Codec {
    /// What the peer says.
    type In;
    /// What we say.
    type Out;
    /// What a peer can do wrong. Protocol only, never I/O.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Takes one item from the front of `src`, or `None` when it needs more bytes.
    ///
    /// # Errors
    /// What the peer did wrong. After an error nothing more of this connection is decoded.
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::In>, Self::Error>;

    /// Like [`decode`](Codec::decode), when the peer has said that no byte will follow.
    ///
    /// `None` with bytes left in `src` means that the peer stopped in the middle of an item: a torn connection. A codec
    /// whose items can end with the connection overrides this.
    ///
    /// # Errors
    /// As for [`decode`](Codec::decode).
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Self::In>, Self::Error> {
        self.decode(src)
    }

    /// Appends one item to `dst`. It never sends.
    ///
    /// # Errors
    /// The item cannot be said in this state of the protocol.
    fn encode(&mut self, item: Self::Out, dst: &mut Outbox) -> Result<(), Self::Error>;
}

/// Chunks below this many bytes are copied behind the bytes before them; larger ones are queued by reference.
///
/// A copy of 4 KiB costs less than a further element of `writev`; hyper flattens below 8 to 16 KiB.
pub const COALESCE: usize = 4 * 1024;

/// Sent bytes in front of the tail from which their room is used again.
const COMPACT: usize = 16 * 1024;

/// Bytes on their way out, in order: small ones coalesce, large ones are queued by reference for `writev`.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Sealed chunks, in front of the tail.
    queue: VecDeque<Bytes>,
    /// Bytes in `queue`.
    queued: usize,
    /// Where small writes gather.
    tail: BytesMut,
    /// How many bytes of `tail` have left already. Kept here, not by `advance`, so that an emptied tail can be reused
    /// from its start.
    sent: usize,
}

impl Outbox {
    /// An empty outbox, which holds no memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queued + self.tail.len() - self.sent
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a copy of `bytes`.
    pub fn put(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// Appends `bytes`, by reference when that is cheaper than a copy.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < COALESCE {
            self.put(&bytes);
        } else {
            self.seal();
            self.queued += bytes.len();
            self.queue.push_back(bytes);
        }
    }

    /// The buffer at the end, for an encoder that writes in place. It may only append.
    pub fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Fills `slices` with what waits, in order, and says how many it used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = Some(&self.tail[self.sent..]).filter(|tail| !tail.is_empty());
        let chunks = self.queue.iter().map(|chunk| &chunk[..]).chain(tail);
        let mut used = 0;
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            used += 1;
        }
        used
    }

    /// The only chunk, when there is no other: the common case, which needs no `writev`.
    #[must_use]
    pub fn single(&self) -> Option<&[u8]> {
        self.queue.is_empty().then(|| &self.tail[self.sent..])
    }

    /// Forgets the first `n` bytes, which have left; at most [`len`](Outbox::len).
    pub fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let Some(front) = self.queue.front_mut() else {
                break;
            };
            let step = n.min(front.len());
            front.advance(step);
            self.queued -= step;
            n -= step;
            if front.is_empty() {
                self.queue.pop_front();
            }
        }
        self.sent = (self.sent + n).min(self.tail.len());
        // A reader that is always a little behind would let the sent part grow for ever.
        if self.sent >= COMPACT && self.sent < self.tail.len() {
            self.tail.advance(self.sent);
            self.sent = 0;
        }
        if self.sent == self.tail.len() {
            self.tail.clear();
            self.sent = 0;
        }
    }

    /// Forgets everything that waits.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.queued = 0;
        self.tail.clear();
        self.sent = 0;
    }

    /// Whether it holds no memory to write to.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.tail.capacity() == 0
    }

    /// Gives an outbox that [is bare](Outbox::is_bare) a buffer to write to.
    pub fn lend(&mut self, buffer: BytesMut) {
        self.tail = buffer;
    }

    /// Takes the memory of an empty outbox back, for another connection to use.
    pub fn reclaim(&mut self) -> Option<BytesMut> {
        (self.is_empty() && self.tail.capacity() > 0).then(|| std::mem::take(&mut self.tail))
    }

    /// Moves what the tail holds into the queue, so that a chunk can follow it.
    fn seal(&mut self) {
        let mut sealed = self.tail.split();
        sealed.advance(self.sent);
        self.sent = 0;
        if !sealed.is_empty() {
            self.queued += sealed.len();
            self.queue.push_back(sealed.freeze());
        }
    }
}

/// The codec of raw bytes: what arrives is one item. Used where a protocol hands its connection over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Codec for Raw {
    type In = Bytes;
    type Out = Bytes;
    type Error = std::convert::Infallible;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, Self::Error> {
        Ok((!src.is_empty()).then(|| src.split().freeze()))
    }

    fn encode(&mut self, item: Bytes, dst: &mut Outbox) -> Result<(), Self::Error> {
        dst.push(item);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 16];
        let used = outbox.slices(&mut slices);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn small_chunks_coalesce_and_large_ones_keep_their_place() {
        let large = Bytes::from(vec![b'L'; COALESCE]);
        let mut outbox = Outbox::new();
        outbox.put(b"head ");
        outbox.push(Bytes::from_static(b"small "));
        outbox.push(large.clone());
        outbox.put(b" tail");
        let mut slices = [IoSlice::new(&[]); 16];
        assert_eq!(outbox.slices(&mut slices), 3);
        assert_eq!(slices[1].as_ptr(), large.as_ptr(), "a large chunk is not copied");
        assert_eq!(content(&outbox), [b"head small ", &large[..], b" tail"].concat());
        assert_eq!(outbox.len(), 11 + COALESCE + 5);
    }

    #[test]
    fn bytes_leave_in_order_at_any_pace() {
        for step in [509, 4095, 4096, 4097, 1 << 20] {
            let mut outbox = Outbox::new();
            let mut expected = Vec::new();
            for i in 0..6_u8 {
                let chunk = vec![i; if i % 2 == 0 { 10 } else { COALESCE + 1 }];
                expected.extend_from_slice(&chunk);
                outbox.push(chunk.into());
            }
            let mut left = Vec::new();
            while !outbox.is_empty() {
                let now = content(&outbox);
                let n = step.min(now.len());
                left.extend_from_slice(&now[..n]);
                outbox.advance(n);
            }
            assert_eq!(left, expected, "step {step}");
        }
    }

    #[test]
    fn a_partly_sent_tail_is_sealed_without_its_sent_bytes() {
        let mut outbox = Outbox::new();
        outbox.put(b"abcdef");
        outbox.advance(2);
        outbox.push(Bytes::from(vec![b'x'; COALESCE]));
        assert_eq!(outbox.len(), 4 + COALESCE);
        assert!(content(&outbox).starts_with(b"cdefx"));
    }

    #[test]
    fn a_reader_that_is_always_behind_does_not_make_it_grow() {
        let mut outbox = Outbox::new();
        outbox.put(b"x");
        for _ in 0..10_000 {
            outbox.put(&[b'y'; 1000]);
            outbox.advance(1000);
        }
        assert_eq!(outbox.len(), 1);
        assert!(outbox.tail.capacity() < 8 * COMPACT, "{}", outbox.tail.capacity());
    }

    #[test]
    fn an_empty_outbox_gives_its_memory_back() {
        let mut outbox = Outbox::new();
        assert!(outbox.reclaim().is_none());
        outbox.lend(BytesMut::with_capacity(512));
        outbox.put(b"x");
        assert!(outbox.reclaim().is_none(), "not while bytes wait");
        outbox.advance(1);
        assert!(outbox.reclaim().is_some_and(|buffer| buffer.capacity() >= 512));
        assert!(outbox.reclaim().is_none());
    }
}
