//! The media languages of HLS: containers and elementary streams.

pub mod codec;
pub mod mp4;
pub mod track;
