//! Compressing messages (RFC 7692 section 7.2.1).

use std::fmt;

use flate2::{Compress, Compression, FlushCompress};

/// What an empty deflate block looks like at the end of each flush; it is cut off a message.
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Room for the output that is made at once, in bytes, beside that for the expected length.
const SLACK: usize = 64;

/// A compressor.
pub struct Deflater {
    inner: Compress,
    window_bits: u8,
    level: u32,
    takeover: bool,
}

impl Deflater {
    /// A compressor with a window of 2^`window_bits` bytes, between 9 and 15, at `level` between 0 and 9. With `takeover` a message may
    /// lean on those before it.
    #[must_use]
    pub fn new(window_bits: u8, level: u32, takeover: bool) -> Self {
        let bits = window_bits.clamp(super::MIN_WINDOW_BITS, super::MAX_WINDOW_BITS);
        let inner = Compress::new_with_window_bits(Compression::new(level.min(9)), false, bits);
        Self { inner, window_bits: bits, level, takeover }
    }

    /// The window and the level that it was made with.
    pub(super) fn kind(&self) -> (u8, u32) {
        (self.window_bits, self.level)
    }

    /// The payload of a compressed message. An empty message is better sent as it is.
    pub fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() / 2 + SLACK);
        let mut rest = message;
        loop {
            let before = self.inner.total_in();
            // It cannot fail: every state and argument is legal, and "no progress" is no error to it.
            let _ = self.inner.compress_vec(rest, &mut out, FlushCompress::Sync);
            let taken = usize::try_from(self.inner.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            // Room that is left over means that the flush has come to its end.
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
            out.reserve(out.capacity().max(SLACK));
        }
        if out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
        }
        if !self.takeover {
            self.inner.reset();
        }
        out
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window_bits, level, takeover, .. } = self;
        write!(f, "Deflater {{ window_bits: {window_bits}, level: {level}, takeover: {takeover} }}")
    }
}
