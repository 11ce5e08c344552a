//! Decompressing messages (RFC 7692 section 7.2.2), piece by piece and never beyond a limit.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::deflater::TAIL;
use crate::proto::ws::reject::Reject;

/// Room for output that is made at least, in bytes.
const STEP: usize = 4 * 1024;

/// A whole empty block: between two others it changes nothing.
const EMPTY: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];

/// The same, and no other follows.
const LAST: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// A decompressor.
pub struct Inflater {
    inner: Decompress,
    takeover: bool,
}

impl Inflater {
    /// A decompressor for a window of 2^`window_bits` bytes, between 8 and 15. With `takeover` a message may lean on those before it.
    #[must_use]
    pub fn new(window_bits: u8, takeover: bool) -> Self {
        let bits = window_bits.clamp(super::MIN_WINDOW_BITS, super::MAX_WINDOW_BITS);
        Self { inner: Decompress::new_with_window_bits(false, bits), takeover }
    }

    /// Appends to `out` what the next bytes of a message are decompressed to.
    ///
    /// # Errors
    /// They are not deflate, or `out` would be longer than `limit` bytes.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Reject> {
        loop {
            if out.len() == out.capacity() {
                // One byte beyond the limit tells a message of just that length from a longer one.
                let room = STEP.max(out.len()).min(limit.saturating_add(1).saturating_sub(out.len()));
                out.reserve_exact(room);
            }
            let before = (self.inner.total_in(), out.len());
            let status = self
                .inner
                .decompress_vec(input, out, FlushDecompress::Sync)
                .map_err(|_| Reject::BadDeflate)?;
            if out.len() > limit {
                return Err(Reject::MessageTooLong { limit });
            }
            let taken = usize::try_from(self.inner.total_in() - before.0).unwrap_or(usize::MAX);
            input = input.get(taken..).unwrap_or_default();
            match status {
                // A block that says it is the last (section 7.2.3.4): another stream may follow, of the same message or the next.
                Status::StreamEnd => self.inner.reset(false),
                // Room that is left over means that nothing waits to be written.
                _ if input.is_empty() && out.len() < out.capacity() => return Ok(()),
                _ if taken == 0 && out.len() == before.1 && out.len() < out.capacity() => {
                    return Err(Reject::BadDeflate);
                }
                _ => {}
            }
        }
    }

    /// Ends the message.
    ///
    /// # Errors
    /// As for [`push`](Self::push), and when it ends within a block: some of it is missing.
    pub fn finish(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<(), Reject> {
        self.push(&TAIL, out, limit)?;
        if !self.is_between_blocks() {
            return Err(Reject::BadDeflate);
        }
        if !self.takeover {
            self.inner.reset(false);
        }
        Ok(())
    }

    /// Whether a further empty block is read as that, and not as the rest of the one before. With takeover it cannot be the last one,
    /// as what is behind the end of a stream leans on nothing: then a message that ends within the codes of a block is not noticed.
    fn is_between_blocks(&mut self) -> bool {
        let (block, expected) = if self.takeover { (EMPTY, Status::Ok) } else { (LAST, Status::StreamEnd) };
        let before = (self.inner.total_in(), self.inner.total_out());
        let read = self.inner.decompress(&block, &mut [0], FlushDecompress::Sync);
        let after = (self.inner.total_in(), self.inner.total_out());
        read.is_ok_and(|status| status == expected) && after == (before.0 + block.len() as u64, before.1)
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inflater {{ takeover: {} }}", self.takeover)
    }
}
