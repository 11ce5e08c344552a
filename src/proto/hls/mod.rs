//! The media languages of HLS: containers and elementary streams.

pub mod abr;
pub mod check;
pub mod codec;
pub mod cuts;
pub mod live;
pub mod mp4;
pub mod play;
pub mod playlist;
pub mod simulate;
pub mod track;
pub mod ts;
pub mod vod;
