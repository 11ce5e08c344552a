//! HLS: media for players, from files and live.

pub mod live;
