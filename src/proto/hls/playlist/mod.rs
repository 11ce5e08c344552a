//! The playlists of HLS: what they say as types, read and written.
//!
//! RFC 8216 and its second edition (draft-pantos-hls-rfc8216bis, protocol version 13); section numbers in this module are those of the
//! draft. [`media`] and [`multivariant`] are the types. [`read`] and [`mod@write`] go through the crate `m3u8-rs` for variants and the heads of media playlists; it knows
//! nothing of Low-Latency HLS, drops what follows the last segment, and keeps durations as `f32`, so those two modules do the rest, and no other one does.
//! [`delta`] makes and merges Playlist Delta Updates, [`reload`] has the rules of blocking reloads.

pub mod attributes;
pub mod delta;
pub mod lines;
pub mod media;
pub mod multivariant;
pub mod rates;
pub mod read;
pub mod reload;
pub mod variables;
pub mod write;

#[cfg(test)]
mod tests;

/// Bytes of a playlist that is read, unless its reader sets another limit: a day of segments of a second, with their dates.
pub const MAX_PLAYLIST: usize = 8 << 20;
