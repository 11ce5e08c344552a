//! HTTP Live Streaming: media that are whole are packaged, and live ones are cut as they come.
//!
//! The languages are in [`proto::hls`](crate::proto::hls). [`player`] is the page that plays what the servers here serve.

pub mod player;
