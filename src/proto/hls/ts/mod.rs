//! MPEG-2 transport streams (ISO/IEC 13818-1, which is ITU-T H.222.0), as HLS has them (RFC 8216 section 3.2): one program.
//!
//! [`demux`] takes bytes as they come and gives samples as MP4 has them, [`mux`] takes such samples and gives packets. What stands
//! below both: [`framing`] finds packets among bytes, [`packet`] reads their headers, [`psi`] the tables that say what is in the
//! stream, [`pes`] the headers in front of elementary streams, [`clock`] their times. Sound without packets around it is [`packed`].

mod audio;
pub mod clock;
pub mod demux;
pub mod event;
pub mod framing;
pub mod mux;
pub mod packed;
pub mod packet;
pub mod pes;
pub mod psi;
mod stream;
mod video;
mod write;

#[cfg(test)]
mod tests;

/// Bytes of a packet.
pub const PACKET: usize = 188;

/// The first byte of a packet.
pub const SYNC: u8 = 0x47;

/// The packet identifier of stuffing.
pub const NULL_PID: u16 = 0x1fff;
