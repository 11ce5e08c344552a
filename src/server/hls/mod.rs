//! HLS: media for players, from files and live.

pub mod access;
pub mod live;
pub mod rtmp;
pub mod upload;
