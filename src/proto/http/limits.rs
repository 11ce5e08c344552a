//! How much a peer may say: every size and count of an HTTP/1.1 message, each with its default and a precedent.
//!
//! A limit that is met is an answer, never a silence: see [`Reject`](super::reject::Reject) for the status of each, and
//! [`Fault`](super::client::Fault) for what a client says.

/// Field lines that a head or a trailer section may have at the very most, whatever [`Limits`] say.
pub const MAX_FIELDS: usize = 128;

/// Bytes of a method at the very most, whatever [`Limits`] say. Over it: 501, as RFC 9112 section 3 advises.
///
/// The longest that is registered has 17, UPDATEREDIRECTREF. It bounds how much of a request line is not its target, so that
/// a line that is too long is seen before it ends.
pub const MAX_METHOD: usize = 32;

/// The limits of one connection's messages. `Default` is what servers and clients use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, first line and final empty line included. Over it, in a request: 431.
    pub head: usize,
    /// Bytes of a request target. Over it: 414. RFC 9112 section 3 asks for at least 8000.
    pub target: usize,
    /// Field lines of a head, at most [`MAX_FIELDS`]. Over it: 431.
    pub fields: usize,
    /// Bytes of a body, without its chunk framing. Over it, in a request: 413.
    pub body: u64,
    /// Bytes of chunk extensions in one body. Over it: 400.
    pub chunk_extensions: usize,
    /// Bytes of a trailer section. Over it: 431.
    pub trailers: usize,
}

/// Bytes of a request line beside its method and target.
const VERSION_AND_SPACES: usize = 2 + "HTTP/1.1\r\n".len();

impl Limits {
    /// Bytes of a request line at the most: one that is longer has a method or a target that is too long.
    pub(super) fn request_line(&self) -> usize {
        self.target.saturating_add(MAX_METHOD + VERSION_AND_SPACES)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 32 * 1024,             // nginx 4 x 8 KiB, node 16 KiB, hyper about 400 KiB
            target: 8 * 1024,            // nginx 8 KiB
            fields: 100,                 // httparse's custom, Apache's default
            body: 1 << 30, // 1 GiB, streamed; what a handler gathers in memory has a lower limit
            chunk_extensions: 16 * 1024, // Go 16 KiB over a whole body
            trailers: 8 * 1024,
        }
    }
}
