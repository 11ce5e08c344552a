//! HTTP Live Streaming: media that are whole are packaged, live ones are cut as they come, and what anybody publishes is checked.
//!
//! The languages are in [`proto::hls`](crate::proto::hls). [`vod`] opens media and plans renditions and segments of them,
//! [`package`] writes those into a folder, [`origin`] serves folders and cuts segments when somebody asks for them, [`live`] has live streams, which also
//! come by [`rtmp`] and go to storage by [`upload`], [`access`] says who may publish and watch, [`player`] is the page that plays what is served,
//! [`latency`] measures how far behind the encoder viewers are, [`play`] is a player without a screen, [`simulate`] lets algorithms that choose qualities play against recorded networks, [`check`] reads playlists and what they name, [`tools`] has the ffmpeg program make what
//! needs an encoder, [`kinds`] says what files are, and [`command`] has the commands of `wireworks hls`.

pub mod access;
pub mod check;
pub mod command;
mod decrypt;
pub mod kinds;
pub mod latency;
pub mod live;
mod location;
pub mod origin;
pub mod package;
pub mod play;
pub mod player;
mod reference;
pub mod rtmp;
pub mod simulate;
pub mod tools;
pub mod upload;
pub mod vod;
