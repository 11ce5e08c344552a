//! HTTP Live Streaming: media that are whole are packaged, and live ones are cut as they come.
//!
//! The languages are in [`proto::hls`](crate::proto::hls). [`vod`] opens media and plans renditions and segments of them,
//! [`package`] writes those into a folder, [`live`] has live streams, and [`command`] has the commands of `wireworks hls`.

pub mod command;
pub mod live;
pub mod package;
pub mod vod;
