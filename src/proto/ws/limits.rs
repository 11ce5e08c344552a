//! What a peer may send at most.

/// Limits of a connection. Over them the peer is refused, with the close code of its [`Reject`](super::reject::Reject).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the payload of one frame.
    pub frame: usize,
    /// Bytes of a message, over all of its frames and decompressed. It is gathered in one buffer, so no count of frames is
    /// needed to bound its memory.
    pub message: usize,
    /// Frames of a message that may be empty: they cost work and make no progress.
    pub empty_frames: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 16 << 20,   // tungstenite has 16 MiB
            message: 16 << 20, // uWebSockets has 16 KiB, ws 100 MiB, tungstenite 64 MiB
            empty_frames: 128, // ws counts them among its 16,384 fragments
        }
    }
}
