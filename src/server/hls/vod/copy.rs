//! Bytes of samples, from where they lie to where they go: few reads of long runs, and writes of many pieces at once.
//!
//! Tracks lie interleaved in a file. What is between two pieces is read with them and passed over if it is short, as that costs less than another read.

use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use super::error::{MediaError, SegmentError};
use super::source::Source;
use crate::proto::hls::vod::fmp4::Extent;

/// Bytes that are held between a read and a write: they stay in the processor's cache.
pub(super) const WINDOW: usize = 256 * 1024;

/// Bytes that are read for nothing rather than read around.
pub(super) const GAP: u64 = 8 * 1024;

/// Copies pieces through one buffer.
#[derive(Debug, Default)]
pub(super) struct Copier {
    buffer: Vec<u8>,
    filled: usize,
    /// What of the buffer is to be written: from where, and to where.
    pieces: Vec<(usize, usize)>,
}

impl Copier {
    /// Appends bytes.
    pub(super) fn put(&mut self, mut bytes: &[u8], out: &mut impl Write) -> Result<(), SegmentError> {
        while !bytes.is_empty() {
            let room = self.room(out)?;
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.buffer[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.piece(self.filled, self.filled + now.len());
            self.filled += now.len();
            bytes = later;
        }
        Ok(())
    }

    /// Appends samples that lie in `sources`, by track.
    pub(super) fn copy(
        &mut self,
        mut extents: &[Extent],
        sources: &[Arc<Source>],
        out: &mut impl Write,
    ) -> Result<(), SegmentError> {
        while let Some(first) = extents.first() {
            let together = together(extents);
            let (now, later) = extents.split_at(together);
            extents = later;
            let end = now.last().map_or(first.at, |last| last.at + last.bytes);
            let Some(source) = sources.get(first.lane) else { continue };
            self.span(first.at, end, now, source, out)?;
        }
        Ok(())
    }

    /// Reads from `from` to `end`, and keeps what belongs to `extents`.
    fn span(
        &mut self,
        from: u64,
        end: u64,
        mut extents: &[Extent],
        source: &Source,
        out: &mut impl Write,
    ) -> Result<(), SegmentError> {
        let mut at = from;
        while at < end {
            let size = ((end - at).min(self.room(out)? as u64)) as usize;
            source.read(&mut self.buffer[self.filled..self.filled + size], at)?;
            let read_to = at + size as u64;
            while let Some(extent) = extents.first() {
                let (begin, stop) = (extent.at.max(at), (extent.at + extent.bytes).min(read_to));
                if begin < stop {
                    let place = |byte: u64| self.filled + (byte - at) as usize;
                    let (begin, stop) = (place(begin), place(stop));
                    self.piece(begin, stop);
                }
                if extent.at + extent.bytes > read_to {
                    break;
                }
                extents = &extents[1..];
            }
            self.filled += size;
            at = read_to;
        }
        Ok(())
    }

    fn piece(&mut self, from: usize, to: usize) {
        match self.pieces.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => self.pieces.push((from, to)),
        }
    }

    /// Room in the buffer, at least one byte.
    fn room(&mut self, out: &mut impl Write) -> Result<usize, SegmentError> {
        if self.buffer.is_empty() {
            self.buffer.resize(WINDOW, 0);
        }
        if self.filled == self.buffer.len() {
            self.flush(out)?;
        }
        Ok(self.buffer.len() - self.filled)
    }

    /// Writes what is held.
    pub(super) fn flush(&mut self, out: &mut impl Write) -> Result<(), SegmentError> {
        let mut slices: Vec<IoSlice<'_>> =
            self.pieces.iter().map(|(from, to)| IoSlice::new(&self.buffer[*from..*to])).collect();
        let mut left = &mut slices[..];
        while !left.is_empty() {
            match out.write_vectored(left) {
                Ok(0) => return Err(SegmentError::Write(io::ErrorKind::WriteZero.into())),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SegmentError::Write(error)),
            }
        }
        self.pieces.clear();
        self.filled = 0;
        Ok(())
    }
}

/// How many of the first extents are worth one read.
fn together(extents: &[Extent]) -> usize {
    let near = |pair: &[Extent]| {
        let end = pair[0].at + pair[0].bytes;
        pair[0].lane == pair[1].lane && pair[1].at >= end && pair[1].at - end <= GAP
    };
    extents.windows(2).take_while(|pair| near(pair)).count() + 1
}

/// Samples of a track, one after the other, out of runs that are read ahead.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    window: Vec<u8>,
    /// Where what was read begins, and how much of it there is.
    at: u64,
    filled: usize,
}

impl Ahead {
    /// The bytes from `at` on. When they have not been read, so many are that reach to `until`, which says how far the samples behind lie near each other.
    pub(super) fn bytes(
        &mut self,
        source: &Source,
        at: u64,
        size: usize,
        until: impl FnOnce() -> u64,
    ) -> Result<&[u8], MediaError> {
        let within = |this: &Self| {
            let into = usize::try_from(at.checked_sub(this.at)?).ok()?;
            (into.checked_add(size)? <= this.filled).then_some(into)
        };
        if let Some(into) = within(self) {
            return Ok(&self.window[into..into + size]);
        }
        let wanted = usize::try_from(until().saturating_sub(at)).unwrap_or(usize::MAX).min(WINDOW).max(size);
        if self.window.len() < wanted {
            self.window.resize(wanted, 0);
        }
        self.filled = 0;
        source.read(&mut self.window[..wanted], at)?;
        (self.at, self.filled) = (at, wanted);
        Ok(&self.window[..size])
    }
}
