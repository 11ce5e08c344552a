//! What a peer, or many, can make us hold.

/// Packets beyond the one that is awaited which are kept or told of: as many as a selective acknowledgement can name, in 252 bytes. libtorrent keeps 953.
pub(super) const REORDER: u64 = 252 * 8;

/// Packets under way at most, which 16 bits can still tell apart from those before. A window of 4 MiB has 3000.
pub(super) const IN_FLIGHT: usize = 4096;

/// The limits of all connections of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all, those that are being made or ended among them. What comes beyond them is not answered.
    pub connections: usize,
    /// Connections that somebody else began and whose address is not proven yet. The oldest makes room for a new one.
    pub half_open: usize,
    /// Bytes that have come and were not read, of one connection; what comes too early may be as much again.
    pub receive_window: u32,
    /// Bytes to send that were not acknowledged, of one connection.
    pub send_buffer: usize,
    /// `ST_RESET`s a second that answer packets of connections that nobody knows.
    pub resets: u32,
}

impl Default for Limits {
    /// 1000 connections, 256 of them half open, 1 MiB each way (libtorrent: 1 MiB), 50 resets a second.
    fn default() -> Self {
        Self { connections: 1000, half_open: 256, receive_window: 1 << 20, send_buffer: 1 << 20, resets: 50 }
    }
}
