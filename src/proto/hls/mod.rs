//! The media languages of HLS: containers and elementary streams.

pub mod codec;
