//! `wireworks hls`, as its users meet it.

mod access;
mod encoder;
mod latency;
mod live;
mod origin;
mod player;
mod rtmp;
mod upload;
