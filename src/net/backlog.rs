//! The last bytes of a stream that many readers follow, each at its own pace.
//!
//! What is appended gathers in one buffer. A reader that asks gets all bytes between its place and the end, in pieces that it shares with all
//! others who ask for them. When more bytes are kept than the limit allows, the oldest are dropped, and readers that had not got them are told
//! so ([`Lagged`]).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A place in the stream: so many bytes were appended before it.
pub type Offset = u64;

/// Pieces are about so large: what was appended since the last reader asked is one piece, unless it is larger.
const PIECE: usize = 32 * 1024;

/// A reader's place is before the oldest byte that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more was sent than is kept for those who are behind")]
pub struct Lagged;

/// The last bytes of a stream.
#[derive(Debug)]
pub struct Backlog {
    limit: usize,
    pieces: VecDeque<Bytes>,
    /// Bytes in the pieces.
    kept: usize,
    /// Bytes that were appended and that no reader has asked for.
    tail: BytesMut,
    /// All bytes that were ever appended.
    end: Offset,
}

impl Backlog {
    /// An empty stream, of which at least `limit` bytes are kept.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, pieces: VecDeque::new(), kept: 0, tail: BytesMut::new(), end: 0 }
    }

    /// Where the stream ends now.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Appends what `write` writes.
    pub fn append(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let before = self.tail.len();
        write(&mut self.tail);
        self.end += self.tail.len().saturating_sub(before) as u64;
        if self.tail.len() >= PIECE {
            self.seal();
        }
    }

    /// Hands what lies between `at` and `to` (or the end, if that comes before) to `take`, and moves `at` there.
    ///
    /// # Errors
    /// [`Lagged`]: a part of it is not kept any longer.
    pub fn read(&mut self, at: &mut Offset, to: Offset, mut take: impl FnMut(Bytes)) -> Result<(), Lagged> {
        let to = to.min(self.end);
        if *at >= to {
            return Ok(());
        }
        self.seal();
        if *at < self.end - self.kept as u64 {
            return Err(Lagged);
        }
        // Most readers are at one of the last pieces.
        let mut first = self.pieces.len();
        let mut start = self.end;
        while first > 0 && start > *at {
            first -= 1;
            start -= self.pieces[first].len() as u64;
        }
        for piece in self.pieces.range(first..) {
            let within = |offset: Offset| {
                let bytes = usize::try_from(offset.saturating_sub(start)).unwrap_or(piece.len());
                bytes.min(piece.len())
            };
            let part = within(*at)..within(to);
            if part.is_empty() {
                break;
            }
            take(piece.slice(part));
            start += piece.len() as u64;
        }
        *at = to;
        Ok(())
    }

    /// Forgets all bytes: nobody is behind.
    pub fn forget(&mut self) {
        self.pieces.clear();
        self.tail.clear();
        self.kept = 0;
    }

    /// Forgets all bytes, and gives back the memory for more: nobody reads any longer.
    pub fn clear(&mut self) {
        self.forget();
        self.pieces = VecDeque::new();
        self.tail = BytesMut::new();
    }

    fn seal(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let piece = self.tail.split().freeze();
        self.kept += piece.len();
        self.pieces.push_back(piece);
        while let Some(oldest) = self.pieces.front().map(Bytes::len)
            && self.kept - oldest >= self.limit
        {
            self.pieces.pop_front();
            self.kept -= oldest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(backlog: &mut Backlog, at: &mut Offset) -> Result<String, Lagged> {
        let mut text = Vec::new();
        backlog.read(at, Offset::MAX, |piece| text.extend_from_slice(&piece))?;
        Ok(String::from_utf8(text).unwrap())
    }

    fn put(backlog: &mut Backlog, text: &str) {
        backlog.append(|tail| tail.extend_from_slice(text.as_bytes()));
    }

    #[test]
    fn each_reader_gets_what_it_lacks() {
        let mut backlog = Backlog::new(100);
        let [mut early, mut late] = [0, 0];
        put(&mut backlog, "ab");
        assert_eq!(read(&mut backlog, &mut early).unwrap(), "ab");
        put(&mut backlog, "cd");
        put(&mut backlog, "ef");
        assert_eq!(read(&mut backlog, &mut late).unwrap(), "abcdef");
        assert_eq!(read(&mut backlog, &mut early).unwrap(), "cdef");
        assert_eq!(read(&mut backlog, &mut early).unwrap(), "");
        // A place within a piece: what one reader skips, it skips alone.
        put(&mut backlog, "gh");
        early = backlog.end();
        put(&mut backlog, "ij");
        assert_eq!(read(&mut backlog, &mut late).unwrap(), "ghij");
        assert_eq!(read(&mut backlog, &mut early).unwrap(), "ij");
        assert_eq!(backlog.end(), 10);
    }

    #[test]
    fn a_reader_that_is_far_behind_is_told() {
        let mut backlog = Backlog::new(8);
        let [mut quick, mut slow] = [0, 0];
        for number in 0..6 {
            put(&mut backlog, &format!("{number:04}"));
            assert_eq!(read(&mut backlog, &mut quick).unwrap(), format!("{number:04}"));
        }
        assert_eq!(read(&mut backlog, &mut slow), Err(Lagged));
        let mut within = 16;
        assert_eq!(read(&mut backlog, &mut within).unwrap(), "00040005", "the limit is kept at least");
        for forget in [Backlog::forget, Backlog::clear] {
            forget(&mut backlog);
            assert_eq!(read(&mut backlog, &mut quick).unwrap(), "");
            put(&mut backlog, "x");
            assert_eq!(read(&mut backlog, &mut quick).unwrap(), "x");
            assert_eq!(read(&mut backlog, &mut within).unwrap(), "x");
        }
    }

    #[test]
    fn a_part_is_read() {
        let mut backlog = Backlog::new(100);
        let mut at = 0;
        let mut part = |backlog: &mut Backlog, to| {
            let mut text = Vec::new();
            backlog.read(&mut at, to, |piece| text.extend_from_slice(&piece)).unwrap();
            String::from_utf8(text).unwrap()
        };
        put(&mut backlog, "abc");
        assert_eq!(part(&mut backlog, 2), "ab");
        put(&mut backlog, "def");
        assert_eq!(part(&mut backlog, 1), "");
        assert_eq!(part(&mut backlog, 4), "cd");
        assert_eq!(part(&mut backlog, 9), "ef");
    }

    #[test]
    fn bytes_are_shared() {
        let mut backlog = Backlog::new(1 << 20);
        put(&mut backlog, &"a".repeat(PIECE + 1));
        let pieces = [0, 0].map(|mut at| {
            let mut found = Vec::new();
            backlog.read(&mut at, Offset::MAX, |piece| found.push(piece)).unwrap();
            found
        });
        assert_eq!(pieces[0][0].as_ptr(), pieces[1][0].as_ptr());
    }
}
