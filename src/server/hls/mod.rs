//! HTTP Live Streaming: media that are whole are packaged, live ones are cut as they come, and what anybody publishes is checked.
//!
//! The languages are in [`proto::hls`](crate::proto::hls). [`vod`] opens media and plans renditions and segments of them,
//! [`package`] writes those into a folder, [`origin`] serves folders and cuts segments when somebody asks for them, [`live`] has live streams, [`player`]
//! is the page that plays what is served, [`check`] reads playlists and what they name, [`tools`] has the ffmpeg program make what needs an encoder,
//! and [`command`] has the commands of `wireworks hls`.

pub mod check;
pub mod command;
pub mod live;
pub mod origin;
pub mod package;
pub mod player;
pub mod tools;
pub mod vod;
