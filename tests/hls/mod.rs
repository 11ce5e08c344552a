//! `wireworks hls`, as its users meet it.

mod access;
mod check;
mod encoder;
mod latency;
mod live;
mod origin;
mod package;
mod player;
mod rtmp;
mod upload;
